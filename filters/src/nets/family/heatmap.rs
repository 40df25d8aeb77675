//! Maps of how likely something is at each place: key points (one highest point in each map), or areas (the connected
//! parts above the threshold, as text detectors of the kind "differentiable binarisation" have them).

use anabranch_kit::regions::Region;

use super::super::input::Mapping;
use super::super::{Outputs, Wish, boxes};

/// What is read from the maps.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Reading {
    /// The highest point of each map is a key point; all together are one thing.
    #[default]
    Points,
    /// The connected parts above the threshold are things; their key points are the corners of the box along their longer
    /// axis, left upper one first and clockwise, and `tilt` is that axis's angle in degrees.
    Areas {
        /// How much a box grows on each side: this times its area by its circumference. Networks that are trained on
        /// shrunken areas want 1.5 or so.
        grow: f32,
        /// The least mean score of a part.
        mean: f32,
        /// The least side, in pixels of the input.
        least: usize,
    },
}

/// The maps of an output: their number, columns and rows. The shape is 1, maps, rows, columns.
fn maps<'a>(outputs: &Outputs<'a>) -> Option<(usize, usize, usize, &'a [f32])> {
    let output = outputs.tensors.iter().find(|t| t.shape.len() == 4)?;
    let [1, count, rows, columns] = output.shape[..] else { return None };
    (count * rows * columns > 0).then_some((count, columns, rows, &output.data))
}

impl Reading {
    pub(super) fn decode(&self, outputs: &Outputs<'_>, at: &Mapping, wish: &Wish) -> Option<Vec<Region>> {
        let (count, columns, rows, data) = maps(outputs)?;
        let across = at.width as f32 / columns as f32;
        let down = at.height as f32 / rows as f32;
        match self {
            Reading::Points => {
                let mut points = Vec::new();
                let mut total = 0.0;
                for map in data.chunks_exact(columns * rows) {
                    let (place, score) = boxes::greatest(map.iter().copied())?;
                    total += score;
                    let (x, y) = ((place % columns) as f32 + 0.5, (place / columns) as f32 + 0.5);
                    points.push([at.x(x * across), at.y(y * down)]);
                }
                let score = total / count as f32;
                let spread = |side: usize| {
                    let low = points.iter().map(|p| p[side]).fold(f32::MAX, f32::min);
                    let high = points.iter().map(|p| p[side]).fold(f32::MIN, f32::max);
                    (low, (high - low).max(f32::EPSILON))
                };
                let ((x, width), (y, height)) = (spread(0), spread(1));
                let thing = Region {
                    label: wish.label(0),
                    x,
                    y,
                    width,
                    height,
                    score,
                    keypoints: points,
                    ..Region::default()
                };
                Some(if score >= wish.threshold { vec![thing] } else { Vec::new() })
            }
            Reading::Areas { grow, mean, least } => {
                let mut found = Vec::new();
                for (class, map) in data.chunks_exact(columns * rows).enumerate() {
                    for part in parts(map, columns, wish.threshold) {
                        let (width, height) =
                            ((part.right + 1 - part.left) as f32, (part.bottom + 1 - part.top) as f32);
                        let score = part.sum / part.pixels.len() as f32;
                        if score < *mean || width * across < *least as f32 || height * down < *least as f32 {
                            continue;
                        }
                        let (corners, tilt) = part.corners(columns, across, down, *grow);
                        let low = |side: usize| corners.iter().map(|c| c[side]).fold(f32::MAX, f32::min);
                        let high = |side: usize| corners.iter().map(|c| c[side]).fold(f32::MIN, f32::max);
                        let mut region = Region {
                            label: wish.label(class),
                            score,
                            keypoints: corners.iter().map(|[x, y]| [at.x(*x), at.y(*y)]).collect(),
                            ..super::edges(at, [low(0), low(1), high(0), high(1)])
                        };
                        region.attributes.insert("tilt".into(), f64::from(tilt).into());
                        found.push(region);
                    }
                }
                Some(boxes::best(found, wish.overlap, wish.most))
            }
        }
    }
}

/// A connected part of a map.
#[derive(Clone, Debug, Default, PartialEq)]
struct Part {
    left: usize,
    top: usize,
    right: usize,
    bottom: usize,
    sum: f32,
    pixels: Vec<u32>,
}

impl Part {
    /// The corners of the box along its longer axis, left upper one first and clockwise, in pixels of the input; and the
    /// axis's angle, in degrees clockwise from level. A pixel of the map is this wide and high in the input.
    fn corners(&self, columns: usize, across: f32, down: f32, grow: f32) -> ([[f32; 2]; 4], f32) {
        let place = |pixel: &u32| {
            let pixel = *pixel as usize;
            ((((pixel % columns) as f32) + 0.5) * across, (((pixel / columns) as f32) + 0.5) * down)
        };
        let n = self.pixels.len().max(1) as f32;
        let sum = self.pixels.iter().map(place).fold((0.0, 0.0), |s, p| (s.0 + p.0, s.1 + p.1));
        let centre = (sum.0 / n, sum.1 / n);
        let mut spread = [0.0f32; 3];
        for (x, y) in self.pixels.iter().map(place) {
            let (x, y) = (x - centre.0, y - centre.1);
            spread = [spread[0] + x * x, spread[1] + y * y, spread[2] + x * y];
        }
        let angle = 0.5 * (2.0 * spread[2]).atan2(spread[0] - spread[1]);
        let (sin, cos) = angle.sin_cos();
        let mut ends = [f32::MAX, f32::MIN, f32::MAX, f32::MIN];
        for (x, y) in self.pixels.iter().map(place) {
            let (x, y) = (x - centre.0, y - centre.1);
            let (along, beside) = (x * cos + y * sin, y * cos - x * sin);
            ends = [ends[0].min(along), ends[1].max(along), ends[2].min(beside), ends[3].max(beside)];
        }
        // A pixel reaches half its size beyond its middle.
        let half_along = (across * cos.abs() + down * sin.abs()) / 2.0;
        let half_beside = (across * sin.abs() + down * cos.abs()) / 2.0;
        let (width, height) = (ends[1] - ends[0] + 2.0 * half_along, ends[3] - ends[2] + 2.0 * half_beside);
        let more = grow * width * height / (2.0 * (width + height));
        let (low, high) = (ends[0] - half_along - more, ends[1] + half_along + more);
        let (upper, lower) = (ends[2] - half_beside - more, ends[3] + half_beside + more);
        let corner = |along: f32, beside: f32| {
            [centre.0 + along * cos - beside * sin, centre.1 + along * sin + beside * cos]
        };
        let corners = [corner(low, upper), corner(high, upper), corner(high, lower), corner(low, lower)];
        (corners, angle.to_degrees())
    }
}

/// The connected parts of what is at least the threshold; corners connect.
fn parts(map: &[f32], columns: usize, threshold: f32) -> Vec<Part> {
    let rows = map.len() / columns.max(1);
    let mut open: Vec<bool> = map.iter().map(|v| *v >= threshold).collect();
    let mut parts = Vec::new();
    let mut stack = Vec::new();
    for start in 0..open.len() {
        if !std::mem::replace(&mut open[start], false) {
            continue;
        }
        let mut part = Part { left: columns, top: rows, ..Part::default() };
        stack.push(start);
        while let Some(pixel) = stack.pop() {
            let (x, y) = (pixel % columns, pixel / columns);
            part.left = part.left.min(x);
            part.right = part.right.max(x);
            part.top = part.top.min(y);
            part.bottom = part.bottom.max(y);
            part.pixels.push(pixel as u32);
            part.sum += map[pixel];
            for near_y in y.saturating_sub(1)..(y + 2).min(rows) {
                for near_x in x.saturating_sub(1)..(x + 2).min(columns) {
                    let near = near_y * columns + near_x;
                    if std::mem::replace(&mut open[near], false) {
                        stack.push(near);
                    }
                }
            }
        }
        parts.push(part);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::super::testing::{close, mapping, wish, zeros};
    use super::*;

    #[test]
    fn the_highest_points_are_key_points() {
        let mut output = zeros(&[1, 2, 4, 8]);
        output.data[8 + 2] = 0.9;
        output.data[32 + 3 * 8 + 7] = 0.7;
        let tensors = [output];
        let outputs = Outputs { names: &[], tensors: &tensors };
        let found = Reading::Points.decode(&outputs, &mapping(64, 32), &wish(&["hand"])).unwrap();
        assert_eq!(found[0].keypoints, [[2.5 / 8.0, 1.5 / 4.0], [7.5 / 8.0, 3.5 / 4.0]]);
        close(found[0].score, 0.8);
        close(found[0].width, 5.0 / 8.0);
    }

    #[test]
    fn connected_areas_are_things() {
        let mut output = zeros(&[1, 1, 16, 32]);
        for y in 4..8 {
            output.data[y * 32 + 6..y * 32 + 22].fill(0.9);
        }
        output.data[15 * 32 + 31] = 0.95;
        let tensors = [output];
        let outputs = Outputs { names: &[], tensors: &tensors };
        let areas = Reading::Areas { grow: 0.0, mean: 0.6, least: 4 };
        let found = areas.decode(&outputs, &mapping(64, 32), &wish(&["text"])).unwrap();
        assert_eq!(found.len(), 1, "the lone pixel is too small");
        close(found[0].x, 12.0 / 64.0);
        close(found[0].width, 0.5);
        close(found[0].y, 0.25);
        close(found[0].attributes["tilt"].as_f64().unwrap() as f32, 0.0);
        let grown = Reading::Areas { grow: 1.5, mean: 0.6, least: 4 };
        let found = grown.decode(&outputs, &mapping(64, 32), &wish(&["text"])).unwrap();
        close(found[0].width, (16.0 + 2.0 * 1.5 * 64.0 / 40.0) / 32.0);
    }

    #[test]
    fn a_tilted_area_says_so() {
        let mut map = vec![0.0; 40 * 40];
        for step in 0..30 {
            map[(5 + step / 2) * 40 + 5 + step] = 1.0;
        }
        let found = parts(&map, 40, 0.5);
        assert_eq!(found.len(), 1);
        let (corners, tilt) = found[0].corners(40, 1.0, 1.0, 0.0);
        assert!((tilt - 26.6).abs() < 1.5, "{tilt}");
        let [[x0, y0], [x1, y1], ..] = corners;
        assert!(((x1 - x0).hypot(y1 - y0) - 33.5).abs() < 2.0 && y1 > y0, "{corners:?}");
    }
}
