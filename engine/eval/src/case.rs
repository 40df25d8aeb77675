//! One frame with what was found and what is there, in pixels.

use crate::result::FrameResults;
use crate::truth::FrameTruth;

/// A box in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pixels {
    /// Left edge.
    pub x: f64,
    /// Top edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

impl Pixels {
    /// A box.
    pub fn new(x: f64, y: f64, width: f64, height: f64) -> Self {
        Pixels { x, y, width, height }
    }

    /// Square pixels.
    pub fn area(&self) -> f64 {
        self.width.max(0.0) * self.height.max(0.0)
    }

    /// Square pixels that two boxes share.
    pub fn common(&self, other: &Pixels) -> f64 {
        let width = (self.x + self.width).min(other.x + other.width) - self.x.max(other.x);
        let height = (self.y + self.height).min(other.y + other.height) - self.y.max(other.y);
        if width <= 0.0 || height <= 0.0 { 0.0 } else { width * height }
    }

    /// Intersection over union, 0 to 1.
    pub fn iou(&self, other: &Pixels) -> f64 {
        let common = self.common(other);
        let union = self.area() + other.area() - common;
        if union > 0.0 { common / union } else { 0.0 }
    }
}

/// One frame: what was found in it, and what is there.
#[derive(Clone, Debug, Default)]
pub struct Case {
    /// The picture's file, or the frame's number in the film.
    pub name: String,
    /// The frame's time, seconds.
    pub time: f64,
    /// Width of the picture, pixels.
    pub width: u32,
    /// Height of the picture, pixels.
    pub height: u32,
    /// What was found.
    pub results: FrameResults,
    /// What is there.
    pub truth: FrameTruth,
}

impl Case {
    /// The boxes that were found, in pixels.
    pub fn found(&self) -> Vec<Pixels> {
        let (width, height) = (f64::from(self.width), f64::from(self.height));
        let detections = self.results.detections.iter();
        detections
            .map(|d| {
                Pixels::new(
                    f64::from(d.x) * width,
                    f64::from(d.y) * height,
                    f64::from(d.width) * width,
                    f64::from(d.height) * height,
                )
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Detection;

    #[test]
    fn overlap_is_intersection_over_union() {
        let a = Pixels::new(0.0, 0.0, 20.0, 20.0);
        assert_eq!(a.iou(&Pixels::new(10.0, 0.0, 20.0, 20.0)), 200.0 / 600.0);
        assert_eq!(a.iou(&a), 1.0);
        assert_eq!(a.iou(&Pixels::new(20.0, 0.0, 5.0, 5.0)), 0.0, "edges that touch share nothing");
        assert_eq!(Pixels::default().iou(&Pixels::default()), 0.0);
    }

    #[test]
    fn detections_become_pixels() {
        let detection = Detection { x: 0.25, y: 0.5, width: 0.5, height: 0.25, ..Detection::default() };
        let results = FrameResults { detections: vec![detection], ..FrameResults::default() };
        let case = Case { width: 640, height: 480, results, ..Case::default() };
        assert_eq!(case.found(), [Pixels::new(160.0, 240.0, 320.0, 120.0)]);
    }
}
