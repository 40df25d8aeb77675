//! When a party's media count: how late they arrive, and what is added to their time stamps so that they are in time.
//!
//! Sources differ in how long after their time stamps their media arrive: a camera behind a jitter buffer is 200 ms late,
//! a test source not at all. Pictures and sound of one party share one offset, so that lips stay in sync.

use std::sync::{Mutex, PoisonError};

/// Nanoseconds of a millisecond.
pub const MS: i64 = 1_000_000;
/// What is added to what is needed, so that the next jitter does not need another change.
const SLACK: i64 = 10 * MS;
/// Lateness beyond this is a stall, not a delay, unless it stays.
const STALL: i64 = 400 * MS;
/// How long such lateness has to stay until it counts.
const STAYS: i64 = 500 * MS;
/// The offset shrinks if less was needed for so long.
const CALM: i64 = 10_000 * MS;
/// What shrinking must gain.
const WORTH: i64 = 80 * MS;
/// A stream that begins further in the future than this has a clock of its own.
const AHEAD: i64 = 1_000 * MS;

/// The offset of one party's media.
#[derive(Debug)]
pub struct Timeline {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    offset: Option<i64>,
    /// Since when media have been later than a stall explains, and the least lateness since then.
    late: Option<(i64, i64)>,
    /// Since when the greatest lateness is measured, and that.
    calm: Option<(i64, i64)>,
}

impl Timeline {
    /// One that has seen nothing yet.
    pub fn new() -> Self {
        Timeline { state: Mutex::new(State::default()) }
    }

    /// Media with the running time `time` arrive at `now`, and are to be there `budget` after their time. Returns the
    /// offset to add to their time. All in nanoseconds.
    pub fn observe(&self, now: i64, time: i64, budget: i64) -> i64 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let need = now - time - budget;
        let Some(offset) = state.offset else {
            let first = match need {
                need if need > 0 => need + SLACK,
                need if need < -AHEAD => need + budget,
                _ => 0,
            };
            state.offset = Some(first);
            state.calm = Some((now, i64::MIN));
            return first;
        };
        let most = match state.calm {
            Some((since, most)) if need <= offset => {
                let most = most.max(need);
                state.calm = Some((since, most));
                Some((since, most))
            }
            _ => None,
        };
        if need <= offset {
            state.late = None;
            if let Some((since, most)) = most
                && now - since > CALM
            {
                let enough = if most > 0 { most + SLACK } else { 0 };
                state.calm = Some((now, i64::MIN));
                if offset - enough > WORTH {
                    state.offset = Some(enough);
                    return enough;
                }
            }
            return offset;
        }
        // The end of a stall is as late as a delay would be.
        if need - offset <= STALL && state.late.is_none() {
            state.offset = Some(need + SLACK);
            state.late = None;
            state.calm = Some((now, i64::MIN));
            return need + SLACK;
        }
        let (since, least) = state.late.map_or((now, need), |(since, least)| (since, least.min(need)));
        state.late = Some((since, least));
        if now - since > STAYS {
            state.offset = Some(least + SLACK);
            state.late = None;
            state.calm = Some((now, i64::MIN));
        }
        state.offset.unwrap_or(offset)
    }

    /// Forgets: another stream begins.
    pub fn reset(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::default();
    }

    /// The present offset, nanoseconds.
    pub fn offset(&self) -> i64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).offset.unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: i64 = 40 * MS;

    #[test]
    fn what_is_in_time_is_left_alone() {
        let timeline = Timeline::new();
        for n in 0..1000 {
            assert_eq!(timeline.observe(n * 20 * MS + (n % 3) * MS, n * 20 * MS, BUDGET), 0);
        }
    }

    #[test]
    fn a_delay_is_made_up_for_at_once() {
        let timeline = Timeline::new();
        assert_eq!(timeline.observe(200 * MS, 0, BUDGET), 170 * MS);
        assert_eq!(timeline.observe(260 * MS, 20 * MS, BUDGET), 210 * MS, "jitter adds up");
        assert_eq!(timeline.observe(270 * MS, 60 * MS, BUDGET), 210 * MS);
    }

    #[test]
    fn a_stall_is_no_delay_but_a_change_of_clock_is() {
        let timeline = Timeline::new();
        assert_eq!(timeline.observe(0, 0, BUDGET), 0);
        // Two seconds of media at once, after two seconds of nothing.
        for n in 1..100 {
            assert_eq!(timeline.observe(2000 * MS, n * 20 * MS, BUDGET), 0);
        }
        // Late by two seconds, and it stays so.
        let offsets: Vec<i64> =
            (0..100).map(|n| timeline.observe((4000 + n * 20) * MS, (2000 + n * 20) * MS, BUDGET)).collect();
        assert_eq!((offsets[0], offsets[99]), (0, 1970 * MS));
    }

    #[test]
    fn it_shrinks_when_less_is_needed_for_long() {
        let timeline = Timeline::new();
        timeline.observe(340 * MS, 0, BUDGET);
        assert_eq!(timeline.offset(), 310 * MS);
        let last =
            (1..=600).map(|n| timeline.observe((340 + n * 20) * MS, (340 + n * 20) * MS, BUDGET)).last();
        assert_eq!(last, Some(0));
    }

    #[test]
    fn a_stream_from_the_future_begins_now() {
        let timeline = Timeline::new();
        assert_eq!(timeline.observe(0, 5000 * MS, BUDGET), -5000 * MS);
    }
}
