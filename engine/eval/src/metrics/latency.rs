//! How long frames take.

use serde::{Deserialize, Serialize};

/// Times of many frames, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Frames that were measured.
    pub frames: usize,
    /// The mean.
    pub mean: f64,
    /// Half of the frames take no longer.
    pub p50: f64,
    /// 95 of 100 take no longer.
    pub p95: f64,
    /// 99 of 100 take no longer.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

/// Percentiles by nearest rank: the least value that so many of 100 do not exceed.
pub fn score(milliseconds: &[f64]) -> Latency {
    let mut sorted = milliseconds.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |percent: f64| {
        let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.max(1) - 1).copied().unwrap_or(0.0)
    };
    Latency {
        frames: sorted.len(),
        mean: sorted.iter().sum::<f64>() / sorted.len().max(1) as f64,
        p50: at(50.0),
        p95: at(95.0),
        p99: at(99.0),
        max: sorted.last().copied().unwrap_or(0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_by_hand() {
        let times: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        let latency = score(&times);
        assert_eq!((latency.p50, latency.p95, latency.p99, latency.max), (50.0, 95.0, 99.0, 100.0));
        assert_eq!(latency.mean, 50.5);
        let few = score(&[3.0, 1.0]);
        assert_eq!((few.p50, few.p99), (1.0, 3.0));
        assert_eq!(score(&[]), Latency::default());
    }
}
