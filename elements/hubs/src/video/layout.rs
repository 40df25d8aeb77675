//! Where each picture goes. Pure arithmetic.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How pictures without a place of their own are arranged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Equal cells, as many columns as the square root of their number, rounded up.
    #[default]
    Grid,
    /// One large picture on the left, the others in a column beside it.
    OneBig,
    /// Only pictures that were given a place are shown.
    Manual,
}

/// What happens to a picture whose shape is not its cell's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// It keeps its shape, with background beside it.
    #[default]
    Contain,
    /// It is stretched.
    Stretch,
}

/// A place that a picture was given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
    /// Whether these are parts of the whole (0 to 1) and not pixels.
    pub relative: bool,
    /// 0 is transparent, 1 opaque.
    pub alpha: f64,
    /// Which lies above which; greater is nearer.
    pub z_order: u32,
}

/// Where a picture goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// Left edge, pixels, even.
    pub x: i32,
    /// Upper edge, pixels, even.
    pub y: i32,
    /// Width, pixels, even, at least 2.
    pub width: i32,
    /// Height, pixels, even, at least 2.
    pub height: i32,
    /// 0 is transparent, 1 opaque.
    pub alpha: f64,
    /// Which lies above which; greater is nearer.
    pub z_order: u32,
}

/// Half-size colour planes want even numbers.
fn even(value: f64) -> i32 {
    ((value / 2.0).round() as i32).saturating_mul(2)
}

/// A cell between two corners, so that neighbours meet without a seam.
fn between(left: f64, top: f64, right: f64, bottom: f64) -> Cell {
    let (x, y) = (even(left), even(top));
    let (width, height) = ((even(right) - x).max(2), (even(bottom) - y).max(2));
    Cell { x, y, width, height, alpha: 1.0, z_order: 1 }
}

/// The cells of these parties, in their order; none for one that is not shown.
pub fn arrange(
    rule: Rule,
    (width, height): (u32, u32),
    names: &[&str],
    big: Option<&str>,
    places: &BTreeMap<String, Place>,
) -> Vec<Option<Cell>> {
    let (width, height) = (f64::from(width), f64::from(height));
    let free: Vec<&str> = names.iter().filter(|name| !places.contains_key(**name)).copied().collect();
    names
        .iter()
        .map(|name| match places.get(*name) {
            Some(place) => {
                let (w, h) = if place.relative { (width, height) } else { (1.0, 1.0) };
                let cell = between(
                    place.x * w,
                    place.y * h,
                    (place.x + place.width) * w,
                    (place.y + place.height) * h,
                );
                Some(Cell { alpha: place.alpha, z_order: place.z_order, ..cell })
            }
            None => {
                let at = free.iter().position(|other| other == name)?;
                match rule {
                    Rule::Grid => Some(grid(at, free.len(), width, height)),
                    Rule::OneBig => {
                        let biggest =
                            big.and_then(|big| free.iter().position(|name| *name == big)).unwrap_or(0);
                        Some(one_big(at, biggest, free.len(), width, height))
                    }
                    Rule::Manual => None,
                }
            }
        })
        .collect()
}

fn grid(at: usize, count: usize, width: f64, height: f64) -> Cell {
    let columns = (1..=count).find(|n| n * n >= count).unwrap_or(1);
    let rows = count.div_ceil(columns);
    let (column, row) = (at % columns, at / columns);
    let edge = |n: usize, of: usize, size: f64| size * n as f64 / of as f64;
    between(
        edge(column, columns, width),
        edge(row, rows, height),
        edge(column + 1, columns, width),
        edge(row + 1, rows, height),
    )
}

fn one_big(at: usize, big: usize, count: usize, width: f64, height: f64) -> Cell {
    if count <= 1 {
        return between(0.0, 0.0, width, height);
    }
    // The column beside it is a quarter of the width; its cells are no higher than that shape asks for.
    let edge = width * 0.75;
    if at == big {
        return between(0.0, 0.0, edge, height);
    }
    let others = count - 1;
    let nth = if at > big { at - 1 } else { at };
    let cell = (height / 4.0).min(height / others as f64);
    between(edge, cell * nth as f64, width, cell * (nth + 1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(rule: Rule, count: usize) -> Vec<(i32, i32, i32, i32)> {
        let names: Vec<String> = (0..count).map(|n| format!("p{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let cells = arrange(rule, (800, 600), &names, Some("p1"), &BTreeMap::new());
        cells.into_iter().flatten().map(|c| (c.x, c.y, c.width, c.height)).collect()
    }

    #[test]
    fn a_grid_has_as_many_columns_as_the_root() {
        assert_eq!(cells(Rule::Grid, 1), [(0, 0, 800, 600)]);
        assert_eq!(cells(Rule::Grid, 2), [(0, 0, 400, 600), (400, 0, 400, 600)]);
        assert_eq!(cells(Rule::Grid, 3)[2], (0, 300, 400, 300));
        assert_eq!(cells(Rule::Grid, 5)[4], (266, 300, 268, 300));
        assert_eq!(cells(Rule::Grid, 9)[8], (534, 400, 266, 200));
        assert_eq!(cells(Rule::Grid, 10)[9], (200, 400, 200, 200));
    }

    #[test]
    fn neighbours_meet_and_nothing_leaves_the_picture() {
        for count in 1..40 {
            let cells = cells(Rule::Grid, count);
            assert!(cells.iter().all(|(x, y, w, h)| x + w <= 800 && y + h <= 600 && *x >= 0 && *y >= 0));
            assert!(cells.windows(2).all(|p| p[0].1 != p[1].1 || p[0].0 + p[0].2 == p[1].0), "{count}");
        }
    }

    #[test]
    fn one_is_big() {
        let cells = cells(Rule::OneBig, 4);
        assert_eq!(cells, [(600, 0, 200, 150), (0, 0, 600, 600), (600, 150, 200, 150), (600, 300, 200, 150)]);
    }

    #[test]
    fn places_are_obeyed_and_the_rest_is_arranged() {
        let place = |x: f64, relative: bool| Place {
            x,
            y: 0.0,
            width: x,
            height: x,
            relative,
            alpha: 0.5,
            z_order: 7,
        };
        let places =
            BTreeMap::from([("a".to_owned(), place(100.0, false)), ("c".to_owned(), place(0.5, true))]);
        let cells = arrange(Rule::Grid, (800, 600), &["a", "b", "c"], None, &places);
        assert_eq!(cells[0], Some(Cell { x: 100, y: 0, width: 100, height: 100, alpha: 0.5, z_order: 7 }));
        assert_eq!(cells[1].map(|c| (c.width, c.height)), Some((800, 600)));
        assert_eq!(cells[2], Some(Cell { x: 400, y: 0, width: 400, height: 300, alpha: 0.5, z_order: 7 }));
        assert_eq!(arrange(Rule::Manual, (800, 600), &["b"], None, &places), [None]);
    }
}
