//! The sound of the test source: one steady tone, and a marker at the start of each second.

use std::f64::consts::TAU;

/// Length of the marker at the start of each second, seconds.
pub const MARKER_SECONDS: f64 = 0.05;
/// How many times the tone's frequency the marker has.
pub const MARKER_RATIO: f64 = 4.0;
/// Amplitude of the tone, where 1 is full scale.
pub const TONE_LEVEL: f64 = 0.25;
/// Amplitude of the marker, where 1 is full scale.
pub const MARKER_LEVEL: f64 = 0.6;

/// A generator of the tone.
#[derive(Clone, Debug)]
pub struct Tone {
    /// Frequency, Hz.
    pub frequency: f64,
    /// Samples per second.
    pub rate: u32,
    /// Channels; all carry the same.
    pub channels: usize,
}

impl Tone {
    /// Writes samples (16 bits, little endian, interleaved) from sample number `first` on, until `out` is full.
    pub fn fill(&self, first: u64, out: &mut [u8]) {
        let rate = u64::from(self.rate);
        let marker_samples = (MARKER_SECONDS * f64::from(self.rate)) as u64;
        for (i, frame) in out.chunks_exact_mut(2 * self.channels).enumerate() {
            let sample = first + i as u64;
            let (frequency, level) = if sample % rate < marker_samples {
                (self.frequency * MARKER_RATIO, MARKER_LEVEL)
            } else {
                (self.frequency, TONE_LEVEL)
            };
            // Whole periods are taken off exactly, so that hours later the tone is as clean as in the beginning.
            let seconds = (sample / rate) as f64;
            let within = (sample % rate) as f64 / f64::from(self.rate);
            let turns = (seconds * frequency).fract() + within * frequency;
            let value = ((turns.fract() * TAU).sin() * level * f64::from(i16::MAX)) as i16;
            for channel in frame.chunks_exact_mut(2) {
                channel.copy_from_slice(&value.to_le_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(tone: &Tone, first: u64, count: usize) -> Vec<i16> {
        let mut bytes = vec![0; count * 2 * tone.channels];
        tone.fill(first, &mut bytes);
        bytes.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect()
    }

    fn crossings(samples: &[i16]) -> usize {
        samples.windows(2).filter(|w| w[0] < 0 && w[1] >= 0).count()
    }

    #[test]
    fn the_tone_has_its_frequency_and_each_second_starts_with_a_marker() {
        let tone = Tone { frequency: 440.0, rate: 48_000, channels: 1 };
        for second in [0u64, 1, 100_000] {
            let samples = samples(&tone, second * 48_000, 48_000);
            let marker = 2400;
            assert!((87..=89).contains(&crossings(&samples[..marker])), "1760 Hz for 50 ms");
            assert!((416..=419).contains(&crossings(&samples[marker..])), "440 Hz for 950 ms");
            assert!(samples[..marker].iter().any(|s| *s > 18_000));
            assert!(samples[marker..].iter().all(|s| *s < 9_000));
        }
    }

    #[test]
    fn pieces_join_without_a_seam() {
        let tone = Tone { frequency: 333.3, rate: 44_100, channels: 2 };
        let whole = samples(&tone, 0, 2000);
        let mut pieces = samples(&tone, 0, 777);
        pieces.extend(samples(&tone, 777, 1223));
        assert_eq!(whole, pieces);
        assert!(whole.chunks(2).all(|c| c[0] == c[1]), "all channels carry the same");
    }
}
