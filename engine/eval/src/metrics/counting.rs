//! How far counts are off.

use serde::{Deserialize, Serialize};

/// How far counts are off, over all frames.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counting {
    /// Frames that were counted.
    pub frames: usize,
    /// Mean of the absolute error.
    pub mae: f64,
    /// Mean of the error: below 0, too few are found.
    pub bias: f64,
    /// Root of the mean of the squared error.
    pub rmse: f64,
    /// The part of the frames whose count is right.
    pub exact: f64,
    /// The mean number that is there.
    pub mean_truth: f64,
}

/// Compares counts; each pair is what was found and what is there.
pub fn score(pairs: &[(f64, f64)]) -> Counting {
    let n = pairs.len().max(1) as f64;
    let mean = |value: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(value).sum::<f64>() / n;
    Counting {
        frames: pairs.len(),
        mae: mean(&|(found, truth)| (found - truth).abs()),
        bias: mean(&|(found, truth)| found - truth),
        rmse: mean(&|(found, truth)| (found - truth).powi(2)).sqrt(),
        exact: mean(&|(found, truth)| f64::from(u8::from((found - truth).abs() < 0.5))),
        mean_truth: mean(&|(_, truth)| *truth),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // Errors: 0, -2, +1, 0.
        let counting = score(&[(3.0, 3.0), (1.0, 3.0), (4.0, 3.0), (0.0, 0.0)]);
        assert_eq!(counting.frames, 4);
        assert_eq!((counting.mae, counting.bias, counting.exact), (0.75, -0.25, 0.5));
        assert_eq!(counting.rmse, (5.0f64 / 4.0).sqrt());
        assert_eq!(counting.mean_truth, 2.25);
        assert_eq!(score(&[]), Counting::default());
    }
}
