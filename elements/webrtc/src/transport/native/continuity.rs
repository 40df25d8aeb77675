//! One unbroken RTP stream out of sources that follow each other.

use std::time::{Duration, Instant};

/// Maps the sequence numbers and timestamps of the present source so that they go on where the last one ended. SRTP
/// needs that too: a receiver takes a sequence number that leaps for an old packet, or for one of another roll-over
/// (RFC 3711, 3.3.1).
#[derive(Debug)]
pub(super) struct Continuity {
    clock_rate: u32,
    sequence_offset: i64,
    timestamp_offset: u32,
    /// Where the present source begins.
    begin: u64,
    last: Option<Last>,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    sequence: u64,
    timestamp: u32,
    at: Instant,
}

impl Continuity {
    pub fn new(clock_rate: u32) -> Self {
        Continuity { clock_rate, sequence_offset: 0, timestamp_offset: 0, begin: 0, last: None }
    }

    /// What follows counts time in so many ticks a second.
    pub fn set_clock_rate(&mut self, clock_rate: u32) {
        self.clock_rate = clock_rate;
    }

    /// From here on packets come from another source, of which this is the first.
    pub fn begin(&mut self, sequence: u64, timestamp: u32, now: Instant) {
        self.begin = sequence;
        let Some(last) = self.last else {
            // The first one is passed on as it is; extended numbers begin without roll-overs.
            self.sequence_offset = i64::from(sequence as u16) - sequence as i64;
            self.timestamp_offset = 0;
            return;
        };
        let elapsed = now.saturating_duration_since(last.at).min(Duration::from_secs(60));
        let ticks = (elapsed.as_secs_f64() * f64::from(self.clock_rate)) as u32;
        self.sequence_offset = (last.sequence + 1) as i64 - sequence as i64;
        self.timestamp_offset = last.timestamp.wrapping_add(ticks.max(1)).wrapping_sub(timestamp);
    }

    /// The packet's place in the unbroken stream; `None`: it is from before its source began.
    pub fn map(&mut self, sequence: u64, timestamp: u32, now: Instant) -> Option<(u64, u32)> {
        if sequence < self.begin {
            return None;
        }
        let mapped = u64::try_from(sequence as i64 + self.sequence_offset).ok()?;
        let timestamp = timestamp.wrapping_add(self.timestamp_offset);
        if self.last.is_none_or(|last| last.sequence < mapped) {
            self.last = Some(Last { sequence: mapped, timestamp, at: now });
        }
        Some((mapped, timestamp))
    }
}

/// Extends 16-bit sequence numbers, and notices when another sender has taken over.
#[derive(Debug, Default)]
pub(super) struct Extender {
    last: Option<Newest>,
}

#[derive(Clone, Copy, Debug)]
struct Newest {
    ssrc: u32,
    sequence: u64,
    timestamp: u32,
}

/// A greater leap is another source, not a loss.
const LEAP: i64 = 3000;

/// The same for timestamps, in ticks: a minute of sound, half a minute of video. A payloader that begins anew may by
/// chance begin at a near number, hardly ever at a near number and a near time.
const TIME_LEAP: u32 = 48_000 * 60;

impl Extender {
    /// The extended number, and whether it is the first of a new source.
    pub fn extend(&mut self, ssrc: u32, sequence: u16, timestamp: u32) -> (u64, bool) {
        if let Some(last) = self.last
            && last.ssrc == ssrc
            && (timestamp.wrapping_sub(last.timestamp) as i32).unsigned_abs() < TIME_LEAP
        {
            let step = i64::from(sequence.wrapping_sub(last.sequence as u16) as i16);
            if step.abs() < LEAP
                && let Some(extended) = last.sequence.checked_add_signed(step)
            {
                if step > 0 {
                    self.last = Some(Newest { ssrc, sequence: extended, timestamp });
                }
                return (extended, false);
            }
        }
        let extended = u64::from(sequence);
        self.last = Some(Newest { ssrc, sequence: extended, timestamp });
        (extended, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_source_goes_on_where_the_last_one_ended() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut stream = Continuity::new(90_000);
        stream.begin(65_534, 1000, at(0));
        assert_eq!(stream.map(65_534, 1000, at(0)), Some((65_534, 1000)));
        assert_eq!(stream.map(65_536, 1000, at(0)), Some((65_536, 1000)));
        assert_eq!(stream.map(65_535, 1000, at(1)), Some((65_535, 1000)), "late, in its place");
        assert_eq!(stream.map(65_533, 1000, at(1)), None, "before the beginning");
        stream.begin(500, 77, at(100));
        assert_eq!(stream.map(500, 77, at(100)), Some((65_537, 10_000)));
        assert_eq!(stream.map(499, 70, at(100)), None);
        assert_eq!(stream.map(501, 3077, at(133)), Some((65_538, 13_000)));
    }

    #[test]
    fn numbers_are_extended_over_the_roll_over() {
        let mut extender = Extender::default();
        let table = [
            ((1, 65_534, 0), (65_534, true)),
            ((1, 65_535, 3000), (65_535, false)),
            ((1, 1, 9000), (65_537, false)),
            ((1, 0, 6000), (65_536, false)),
            ((1, 2, 9000), (65_538, false)),
            ((2, 3, 9000), (3, true)),
            ((2, 30_000, 12_000), (30_000, true)),
            ((2, 30_001, 4_000_000_000), (30_001, true)),
            ((2, 30_002, 4_000_003_000), (30_002, false)),
        ];
        for ((ssrc, sequence, timestamp), expected) in table {
            assert_eq!(extender.extend(ssrc, sequence, timestamp), expected, "{ssrc} {sequence} {timestamp}");
        }
    }
}
