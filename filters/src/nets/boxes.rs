//! Boxes: of those that mean the same thing, the best.

use anabranch_kit::regions::Region;

/// Of boxes with one label that overlap by more than this (intersection over union), keeps the one with the best score;
/// no more than `most`. Best first.
pub fn best(mut all: Vec<Region>, overlap: f32, most: usize) -> Vec<Region> {
    all.retain(|r| {
        r.score.is_finite() && r.x.is_finite() && r.y.is_finite() && r.width > 0.0 && r.height > 0.0
    });
    all.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Region> = Vec::new();
    for region in all {
        if kept.len() >= most {
            break;
        }
        if kept.iter().all(|k| k.label != region.label || k.overlap(&region) <= overlap) {
            kept.push(region);
        }
    }
    kept
}

/// The greatest of some numbers: its place and value.
pub fn greatest(scores: impl IntoIterator<Item = f32>) -> Option<(usize, f32)> {
    let all = scores.into_iter().enumerate().filter(|(_, v)| !v.is_nan());
    all.max_by(|a, b| a.1.total_cmp(&b.1))
}

/// From any number to one between 0 and 1.
pub fn sigmoid(value: f32) -> f32 {
    1.0 / (1.0 + (-value).exp())
}

/// Numbers whose sum is 1.
pub fn softmax(values: &[f32]) -> Vec<f32> {
    let top = values.iter().copied().fold(f32::MIN, f32::max);
    let powers: Vec<f32> = values.iter().map(|v| (v - top).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.iter().map(|p| p / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_of_each_label_is_kept() {
        let region = |label: &str, x: f32, score: f32| Region {
            label: label.into(),
            x,
            width: 0.2,
            height: 0.2,
            score,
            ..Region::default()
        };
        let all = vec![
            region("a", 0.1, 0.6),
            region("a", 0.11, 0.9),
            region("b", 0.11, 0.7),
            region("a", 0.5, 0.5),
            region("a", 0.5, f32::NAN),
        ];
        let kept = best(all.clone(), 0.5, 9);
        assert_eq!(kept.iter().map(|r| r.score).collect::<Vec<_>>(), [0.9, 0.7, 0.5]);
        assert_eq!(best(all, 0.5, 2).len(), 2);
    }

    #[test]
    fn numbers_between_0_and_1() {
        assert_eq!(sigmoid(0.0), 0.5);
        let parts = softmax(&[1000.0, 1000.0]);
        assert_eq!(parts, [0.5, 0.5]);
        assert_eq!(greatest([0.1, f32::NAN, 0.3]), Some((2, 0.3)));
    }
}
