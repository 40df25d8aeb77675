//! How tall people look, by where their feet are.

use super::settings::Perspective;

/// Somebody covers this share of the square of their height: 0.41 of it wide, two thirds of that filled.
const COVER: f64 = 0.28;
/// Nobody is smaller than this, relative to the picture's height: beyond the horizon the line would go below zero.
const LEAST: f64 = 0.01;

impl Perspective {
    /// The height of somebody whose feet are at `y`, both relative to the picture's height.
    pub fn height(&self, y: f64) -> f64 {
        let along = (y - self.far_y) / (self.near_y - self.far_y);
        (self.far_height + along * (self.near_height - self.far_height)).max(LEAST)
    }

    /// The area that somebody covers whose feet are at `y`, in pixels of a picture `height` pixels tall.
    pub fn area(&self, y: f64, height: usize) -> f64 {
        let tall = self.height(y) * height as f64;
        COVER * tall * tall
    }

    /// How much a pixel of each row counts: as much as it hides of somebody.
    pub fn weights(&self, height: usize) -> Vec<f64> {
        (0..height)
            .map(|row| 1.0 / self.area(self.feet((row as f64 + 0.5) / height as f64), height))
            .collect()
    }

    /// Where the feet are of somebody whose middle is at `y`.
    pub fn feet(&self, y: f64) -> f64 {
        // The height grows along the way down, so look twice.
        let guess = y + self.height(y) / 2.0;
        (y + self.height(guess) / 2.0).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heights_follow_a_line() {
        let p = Perspective { far_y: 0.2, far_height: 0.1, near_y: 0.8, near_height: 0.4 };
        assert!((p.height(0.5) - 0.25).abs() < 1e-9 && (p.height(1.0) - 0.5).abs() < 1e-9);
        assert_eq!(p.height(-5.0), LEAST);
        assert!((p.area(0.5, 200) - 0.28 * 2500.0).abs() < 1e-6);
        let feet = p.feet(0.5);
        assert!((feet - p.height(feet) / 2.0 - 0.5).abs() < 0.03, "{feet}");
        let weights = p.weights(100);
        assert!(weights[20] > 3.0 * weights[80]);
    }
}
