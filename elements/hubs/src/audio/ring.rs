//! The sound of one party on its way into the sum: samples by their place in time.

use std::collections::VecDeque;

use super::CHANNELS;

/// What comes this close to the end of what is there follows it; a larger distance is a gap. Samples of one channel.
const TOLERANCE: i64 = 1920;
/// The most that is kept, samples of one channel: two seconds.
const MOST: usize = 96_000;

/// Samples by their place in time.
#[derive(Debug, Default)]
pub struct Ring {
    /// The place of the first sample.
    start: i64,
    /// Interleaved samples.
    data: VecDeque<i16>,
    /// What was read up to.
    read: i64,
    /// The last samples were not followed at once by others.
    broken: bool,
}

impl Ring {
    fn end(&self) -> i64 {
        self.start + (self.data.len() / CHANNELS) as i64
    }

    /// Adds samples that belong at a place. `exactly`: it counts, however close it is to what is there. Returns how many
    /// samples (of one channel) were too late.
    pub fn write(&mut self, at: i64, samples: &[i16], exactly: bool) -> usize {
        let exactly = std::mem::replace(&mut self.broken, false) || exactly || self.data.is_empty();
        let at = if !exactly && (at - self.end()).abs() <= TOLERANCE { self.end() } else { at };
        let count = samples.len() / CHANNELS;
        let late = usize::try_from(self.read - at).unwrap_or(0).min(count);
        let (at, samples) = (at + late as i64, &samples[late * CHANNELS..]);
        if samples.is_empty() {
            self.broken = true;
            return late;
        }
        if self.data.is_empty() {
            self.start = at;
        }
        if at < self.end() {
            // What is there already makes room for what is newer.
            let keep = usize::try_from(at - self.start).unwrap_or(0);
            if at < self.start {
                self.start = at;
            }
            self.data.truncate(keep * CHANNELS);
        }
        let gap = usize::try_from(at - self.end()).unwrap_or(0);
        if gap > MOST {
            self.data.clear();
            self.start = at;
        } else {
            self.data.extend(std::iter::repeat_n(0, gap * CHANNELS));
        }
        self.data.extend(samples);
        let over = (self.data.len() / CHANNELS).saturating_sub(MOST);
        self.drop_first(over);
        late
    }

    fn drop_first(&mut self, count: usize) {
        let count = count.min(self.data.len() / CHANNELS);
        self.data.drain(..count * CHANNELS);
        self.start += count as i64;
    }

    /// Takes what belongs to `into.len() / CHANNELS` samples from a place on; silence where there is nothing. Returns
    /// whether there was anything.
    pub fn read(&mut self, at: i64, into: &mut [i16]) -> bool {
        into.fill(0);
        let count = (into.len() / CHANNELS) as i64;
        self.read = at + count;
        let before = usize::try_from(at - self.start).unwrap_or(0);
        self.drop_first(before);
        let skip = usize::try_from(self.start - at).unwrap_or(0) * CHANNELS;
        if self.data.is_empty() || skip >= into.len() {
            return false;
        }
        let take = (into.len() - skip).min(self.data.len());
        for (out, sample) in into[skip..skip + take].iter_mut().zip(self.data.drain(..take)) {
            *out = sample;
        }
        self.start += (take / CHANNELS) as i64;
        true
    }

    /// Forgets what waits.
    pub fn clear(&mut self) {
        self.data.clear();
        self.broken = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stereo(range: std::ops::Range<i16>) -> Vec<i16> {
        range.flat_map(|n| [n, -n]).collect()
    }

    fn read(ring: &mut Ring, at: i64, count: usize) -> Vec<i16> {
        let mut out = vec![7; count * CHANNELS];
        ring.read(at, &mut out);
        out
    }

    #[test]
    fn what_was_written_is_read_at_its_place() {
        let mut ring = Ring::default();
        assert_eq!(ring.write(100, &stereo(1..11), false), 0);
        assert_eq!(read(&mut ring, 95, 10), [vec![0; 10], stereo(1..6)].concat());
        assert_eq!(read(&mut ring, 105, 10), [stereo(6..11), vec![0; 10]].concat());
        assert!(!ring.read(115, &mut [1; 4]));
    }

    #[test]
    fn small_errors_of_time_make_no_gap_and_large_ones_do() {
        let mut ring = Ring::default();
        ring.write(0, &stereo(1..11), false);
        ring.write(15, &stereo(11..21), false);
        assert_eq!(read(&mut ring, 0, 20), stereo(1..21));
        let mut ring = Ring::default();
        ring.write(0, &stereo(1..11), false);
        ring.write(3000, &stereo(11..21), false);
        assert_eq!(read(&mut ring, 2998, 4), [vec![0; 4], stereo(11..13)].concat());
    }

    #[test]
    fn what_comes_too_late_is_left_out() {
        let mut ring = Ring::default();
        read(&mut ring, 0, 100);
        assert_eq!(ring.write(95, &stereo(1..11), false), 5);
        assert_eq!(read(&mut ring, 100, 5), stereo(6..11));
        assert_eq!(ring.write(0, &stereo(1..11), false), 10);
    }

    #[test]
    fn it_keeps_two_seconds_at_most() {
        let mut ring = Ring::default();
        for n in 0..300 {
            ring.write(n * 960, &vec![1; 960 * CHANNELS], false);
        }
        assert_eq!(ring.data.len(), MOST * CHANNELS);
        ring.write(1_000_000_000, &[1, 1], false);
        assert_eq!((ring.data.len(), ring.start), (CHANNELS, 1_000_000_000));
    }
}
