//! Finds tones in sound.

use std::f64::consts::PI;

/// A tone that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tone {
    /// Its frequency, hertz.
    pub hertz: f64,
    /// Its amplitude, 1.0 is full scale.
    pub level: f64,
}

/// Root of the mean square of the samples: 0.0 is silence.
pub fn level(samples: &[f32]) -> f64 {
    let sum: f64 = samples.iter().map(|&s| f64::from(s) * f64::from(s)).sum();
    (sum / samples.len().max(1) as f64).sqrt()
}

/// The amplitude of one frequency in the samples (Goertzel), 1.0 is full scale.
pub fn tone_level(samples: &[f32], rate: u32, hertz: f64) -> f64 {
    if samples.is_empty() || rate == 0 {
        return 0.0;
    }
    let step = 2.0 * PI * hertz / f64::from(rate);
    let coefficient = 2.0 * step.cos();
    let (mut previous, mut before) = (0.0, 0.0);
    for &sample in samples {
        let now = f64::from(sample) + coefficient * previous - before;
        before = previous;
        previous = now;
    }
    let power = previous * previous + before * before - coefficient * previous * before;
    2.0 * power.max(0.0).sqrt() / samples.len() as f64
}

/// The loudest of the given frequencies; none if all are below `least`.
pub fn loudest_tone(samples: &[f32], rate: u32, candidates: &[f64], least: f64) -> Option<Tone> {
    candidates
        .iter()
        .map(|&hertz| Tone { hertz, level: tone_level(samples, rate, hertz) })
        .filter(|t| t.level >= least)
        .max_by(|a, b| a.level.total_cmp(&b.level))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(hertz: f64, amplitude: f64) -> Vec<f32> {
        (0..48_000).map(|i| (amplitude * (2.0 * PI * hertz * f64::from(i) / 48_000.0).sin()) as f32).collect()
    }

    #[test]
    fn a_tone_is_found_among_others() {
        let samples = sine(660.0, 0.5);
        assert!((tone_level(&samples, 48_000, 660.0) - 0.5).abs() < 0.01);
        assert!(tone_level(&samples, 48_000, 440.0) < 0.01);
        let found = loudest_tone(&samples, 48_000, &[220.0, 440.0, 660.0, 880.0], 0.1).unwrap();
        assert_eq!(found.hertz, 660.0);
    }

    #[test]
    fn silence_has_no_tone() {
        assert_eq!(loudest_tone(&[0.0; 4800], 48_000, &[440.0], 0.01), None);
        assert_eq!(loudest_tone(&[], 48_000, &[440.0], 0.01), None);
        assert_eq!(level(&[]), 0.0);
    }

    #[test]
    fn the_level_of_a_sine_is_its_amplitude_over_root_two() {
        assert!((level(&sine(100.0, 1.0)) - 0.5f64.sqrt()).abs() < 1e-3);
    }
}
