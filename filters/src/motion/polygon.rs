//! Polygons and lines in a picture, in points relative to it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mask::Mask;

/// A point of the picture, as descriptions name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Point {
    /// From the left, relative to the picture's width.
    #[schemars(range(min = 0.0, max = 1.0), extend("x-required" = true))]
    pub x: f64,
    /// From the top, relative to the picture's height.
    #[schemars(range(min = 0.0, max = 1.0), extend("x-required" = true))]
    pub y: f64,
}

impl From<Point> for [f64; 2] {
    fn from(point: Point) -> Self {
        [point.x, point.y]
    }
}

/// A rectangle, in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Rectangle {
    /// Left edge.
    #[schemars(range(min = 0, max = 100000), extend("x-required" = true))]
    pub x: u32,
    /// Upper edge.
    #[schemars(range(min = 0, max = 100000), extend("x-required" = true))]
    pub y: u32,
    /// Width.
    #[schemars(range(min = 1, max = 100000), extend("x-required" = true))]
    pub width: u32,
    /// Height.
    #[schemars(range(min = 1, max = 100000), extend("x-required" = true))]
    pub height: u32,
}

/// A polygon whose corners are relative to the picture: 0 is left or top, 1 is right or bottom.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Polygon {
    /// The corners, in turn; the last one is joined to the first.
    pub points: Vec<[f64; 2]>,
}

impl Polygon {
    /// A polygon with these corners.
    pub fn new(points: Vec<[f64; 2]>) -> Self {
        Polygon { points }
    }

    /// The polygon that a description names, or what is wrong with it.
    ///
    /// # Errors
    ///
    /// A sentence without the polygon's name: fewer than three corners, or no area.
    pub fn of(points: &[Point]) -> Result<Self, String> {
        if points.len() < 3 {
            return Err(format!("has {} points; give at least three", points.len()));
        }
        let polygon = Polygon::new(points.iter().map(|p| (*p).into()).collect());
        match polygon.area() > 1e-6 {
            true => Ok(polygon),
            false => Err("has no area; its points lie on one line".into()),
        }
    }

    /// The whole picture.
    pub fn whole() -> Self {
        Polygon::new(vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    }

    /// Its sides.
    pub fn sides(&self) -> impl Iterator<Item = ([f64; 2], [f64; 2])> {
        let next = self.points.iter().cycle().skip(1);
        self.points.iter().zip(next).map(|(a, b)| (*a, *b))
    }

    /// Whether a point is inside; where the polygon overlaps itself, every other layer is outside.
    pub fn contains(&self, [x, y]: [f64; 2]) -> bool {
        self.sides()
            .filter(|([_, y1], [_, y2])| (*y1 > y) != (*y2 > y))
            .fold(false, |inside, ([x1, y1], [x2, y2])| inside != (x < x1 + (y - y1) / (y2 - y1) * (x2 - x1)))
    }

    /// Its area, relative to the picture's, if its sides do not cross.
    pub fn area(&self) -> f64 {
        self.sides().map(|([x1, y1], [x2, y2])| x1 * y2 - x2 * y1).sum::<f64>().abs() / 2.0
    }

    /// The pixels of a picture whose centres are inside.
    pub fn mask(&self, width: usize, height: usize) -> Mask {
        let mut mask = Mask::empty(width, height);
        let mut crossings = Vec::new();
        for (row, bits) in mask.bits.chunks_mut(width.max(1)).enumerate() {
            let y = (row as f64 + 0.5) / height as f64;
            crossings.clear();
            crossings.extend(
                self.sides()
                    .filter(|([_, y1], [_, y2])| (*y1 > y) != (*y2 > y))
                    .map(|([x1, y1], [x2, y2])| x1 + (y - y1) / (y2 - y1) * (x2 - x1)),
            );
            crossings.sort_by(f64::total_cmp);
            for pair in crossings.as_chunks::<2>().0 {
                let pixel = |x: f64| (x * width as f64 - 0.5).ceil().clamp(0.0, width as f64) as usize;
                let (start, end) = (pixel(pair[0]), pixel(pair[1]));
                bits[start.min(end)..end].fill(1);
            }
        }
        mask
    }
}

/// A line from one point to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Where it starts.
    pub from: [f64; 2],
    /// Where it ends.
    pub to: [f64; 2],
}

/// To which side somebody crossed a line, as seen by who stands at its start and looks to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// From right to left.
    Left,
    /// From left to right.
    Right,
}

impl Line {
    /// On which side a point is: positive is right of the line, in a picture whose y goes down.
    pub fn side(&self, [x, y]: [f64; 2]) -> f64 {
        (self.to[0] - self.from[0]) * (y - self.from[1]) - (self.to[1] - self.from[1]) * (x - self.from[0])
    }

    /// Whether the way from one point to another crosses this line, between its ends, and to which side. A way that ends on
    /// the line has not crossed it yet.
    pub fn crossed(&self, before: [f64; 2], after: [f64; 2]) -> Option<Side> {
        let (was, is) = (self.side(before), self.side(after));
        let side = match (was <= 0.0 && is > 0.0, was > 0.0 && is <= 0.0) {
            (true, _) => Side::Right,
            (_, true) => Side::Left,
            _ => return None,
        };
        let way = Line { from: before, to: after };
        let (a, b) = (way.side(self.from), way.side(self.to));
        ((a <= 0.0) != (b <= 0.0)).then_some(side)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn triangle() -> Polygon {
        Polygon::new(vec![[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    }

    #[test]
    fn inside_is_inside() {
        assert!(triangle().contains([0.2, 0.2]));
        assert!(!triangle().contains([0.7, 0.7]));
        assert!(!triangle().contains([-0.1, 0.5]));
        let bay = Polygon::new(vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.5, 0.3], [0.0, 1.0]]);
        assert!(!bay.contains([0.5, 0.6]) && bay.contains([0.5, 0.2]) && bay.contains([0.1, 0.7]));
        assert!(!Polygon::default().contains([0.5, 0.5]));
    }

    #[test]
    fn the_mask_has_the_area_and_agrees_with_the_inside_test() {
        for polygon in [
            triangle(),
            Polygon::new(vec![[0.1, 0.2], [0.9, 0.1], [0.7, 0.9], [0.4, 0.4], [0.2, 0.8]]),
            Polygon::new(vec![[-0.5, 0.5], [0.5, -0.5], [1.5, 0.5], [0.5, 1.5]]),
        ] {
            let (width, height) = (97, 61);
            let mask = polygon.mask(width, height);
            for (at, bit) in mask.bits.iter().enumerate() {
                let point = [(at % width) as f64 + 0.5, (at / width) as f64 + 0.5];
                let inside = polygon.contains([point[0] / width as f64, point[1] / height as f64]);
                assert_eq!(*bit == 1, inside, "{point:?}");
            }
        }
        let share = triangle().mask(200, 200).count() as f64 / 40000.0;
        assert!((share - triangle().area()).abs() < 0.005, "{share}");
        assert_eq!(triangle().area(), 0.5);
        assert_eq!(Polygon::default().mask(4, 4).count(), 0);
    }

    #[test]
    fn descriptions_are_looked_at() {
        let points =
            |all: &[[f64; 2]]| -> Vec<Point> { all.iter().map(|[x, y]| Point { x: *x, y: *y }).collect() };
        assert_eq!(Polygon::of(&points(&[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])), Ok(triangle()));
        assert!(Polygon::of(&points(&[[0.0, 0.0], [1.0, 0.0]])).unwrap_err().contains("at least three"));
        assert!(Polygon::of(&points(&[[0.0, 0.0], [0.5, 0.5], [1.0, 1.0]])).unwrap_err().contains("no area"));
        assert_eq!(Polygon::whole().mask(7, 5).count(), 35);
    }

    #[test]
    fn crossings_have_a_side_and_happen_between_the_ends() {
        // From the left edge to the right one: who walks down the picture goes to the right-hand side.
        let line = Line { from: [0.2, 0.5], to: [0.8, 0.5] };
        assert_eq!(line.crossed([0.5, 0.4], [0.5, 0.6]), Some(Side::Right));
        assert_eq!(line.crossed([0.5, 0.6], [0.4, 0.4]), Some(Side::Left));
        assert_eq!(line.crossed([0.1, 0.4], [0.1, 0.6]), None, "past its end");
        assert_eq!(line.crossed([0.5, 0.3], [0.5, 0.4]), None);
        assert_eq!(line.crossed([0.5, 0.4], [0.5, 0.5]), None, "on the line");
        assert_eq!(line.crossed([0.5, 0.5], [0.5, 0.6]), Some(Side::Right), "counted once, when it is left");
        assert_eq!(line.crossed([0.5, 0.4], [0.9, 0.9]), Some(Side::Right));
    }
}
