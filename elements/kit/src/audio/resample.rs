//! Sound at another rate, for analysers that know only one.

use std::f64::consts::PI;

/// Zero crossings of the filter on each side: 40 dB from a tenth above the new limit on.
const CROSSINGS: f64 = 12.0;

/// Brings one channel to another rate: a windowed sinc, computed for each output sample's place between input samples. It
/// delays sound by a millisecond or less.
#[derive(Clone, Debug)]
pub struct Resampler {
    /// Input samples per output sample.
    step: f64,
    /// Filters for places between two input samples, from 0 to 1.
    phases: Vec<Vec<f32>>,
    /// What is still needed of the input.
    history: Vec<f32>,
    /// The place of the next output sample in the history's coordinates, of the filter's first tap.
    place: f64,
}

const PHASES: usize = 64;

impl Resampler {
    /// From one rate to another, in samples per second.
    pub fn new(from: u32, to: u32) -> Self {
        let (from, to) = (f64::from(from.max(1)), f64::from(to.max(1)));
        // Relative to the input's rate: what the lower of the two rates can carry, less a margin.
        let cutoff = (to / from).min(1.0) * 0.92;
        let half = (CROSSINGS / cutoff).ceil();
        let taps = 2 * half as usize;
        let phases = (0..PHASES)
            .map(|phase| {
                let offset = phase as f64 / PHASES as f64;
                let mut filter: Vec<f64> = (0..taps)
                    .map(|tap| {
                        let t = tap as f64 - half + 1.0 - offset;
                        let sinc =
                            if t.abs() < 1e-9 { 1.0 } else { (PI * cutoff * t).sin() / (PI * cutoff * t) };
                        let window =
                            (0.5 + 0.5 * (PI * t / half).cos()) * f64::from(u8::from(t.abs() < half));
                        sinc * window
                    })
                    .collect();
                let sum: f64 = filter.iter().sum();
                filter.iter_mut().for_each(|value| *value /= sum);
                filter.into_iter().map(|value| value as f32).collect()
            })
            .collect();
        Resampler { step: from / to, phases, history: vec![0.0; taps / 2], place: 0.0 }
    }

    /// Takes input and appends what comes of it to `out`.
    pub fn push(&mut self, input: impl IntoIterator<Item = f32>, out: &mut Vec<f32>) {
        self.history.extend(input);
        let taps = self.phases[0].len();
        loop {
            let start = self.place as usize;
            let Some(window) = self.history.get(start..start + taps) else { break };
            let phase = ((self.place - start as f64) * PHASES as f64) as usize;
            let filter = &self.phases[phase.min(PHASES - 1)];
            out.push(window.iter().zip(filter).map(|(a, b)| a * b).sum());
            self.place += self.step;
        }
        let used = (self.place as usize).min(self.history.len());
        self.history.drain(..used);
        self.place -= used as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32, hertz: f64, seconds: f64) -> Vec<f32> {
        let count = (f64::from(rate) * seconds) as usize;
        (0..count).map(|n| (2.0 * PI * hertz * n as f64 / f64::from(rate)).sin() as f32).collect()
    }

    fn rms(samples: &[f32]) -> f32 {
        (samples.iter().map(|s| s * s).sum::<f32>() / samples.len() as f32).sqrt()
    }

    #[test]
    fn tones_keep_their_level_and_those_above_the_limit_go() {
        for from in [8_000, 22_050, 44_100, 48_000, 96_000] {
            let mut resampler = Resampler::new(from, 16_000);
            let mut out = Vec::new();
            // In pieces that fit nothing.
            for piece in tone(from, 1_000.0, 1.0).chunks(137) {
                resampler.push(piece.iter().copied(), &mut out);
            }
            assert!((15_900..=16_010).contains(&out.len()), "{from}: {} samples", out.len());
            let level = rms(&out[1_000..15_000]);
            assert!((level - std::f32::consts::FRAC_1_SQRT_2).abs() < 0.01, "{from}: {level}");
            let crossings = out[1_000..15_000].windows(2).filter(|w| w[0] < 0.0 && w[1] >= 0.0).count();
            assert!((874..=876).contains(&crossings), "{from}: {crossings} periods of 1 kHz in 875 ms");
        }
        let mut resampler = Resampler::new(48_000, 16_000);
        let mut out = Vec::new();
        resampler.push(tone(48_000, 10_000.0, 1.0), &mut out);
        assert!(rms(&out[1_000..15_000]) < 0.007, "{}", rms(&out[1_000..15_000]));
    }
}
