//! Pause and resume: what comes in between is left out, and time closes up.

use std::time::{Duration, Instant};

/// How often a key frame is asked for while none comes.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How long pictures may keep the sound waiting after a resume.
const LEADER_PATIENCE: Duration = Duration::from_secs(3);

/// Where the recording is between pauses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// What comes is recorded.
    #[default]
    Running,
    /// What comes is left out.
    Paused,
    /// The next key frame is recorded, and all that comes with it or later.
    Resuming,
}

/// What a packet's time becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is recorded; so much is taken off its times, nanoseconds.
    Take(i64),
    /// It is left out.
    Leave,
    /// It is left out, and a key frame is to be asked for.
    LeaveAndAsk,
}

/// The pauses of a recording.
#[derive(Debug, Default)]
pub struct Pauses {
    phase: Phase,
    /// Running time that the pauses so far have taken, nanoseconds.
    shift: i64,
    /// Running time from which on packets are recorded again.
    from: Option<i64>,
    /// Since when a key frame is waited for.
    since: Option<Instant>,
    /// When one was asked for.
    asked: Option<Instant>,
}

impl Pauses {
    /// Leaves out what comes from now on; `false` if that is so already.
    pub fn pause(&mut self) -> bool {
        let was = std::mem::replace(&mut self.phase, Phase::Paused);
        was != Phase::Paused
    }

    /// Records again from the next key frame on; `false` if there is no pause.
    pub fn resume(&mut self) -> bool {
        if self.phase != Phase::Paused {
            return false;
        }
        self.phase = Phase::Resuming;
        self.since = Some(Instant::now());
        self.asked = self.since;
        true
    }

    /// Whether what comes is left out.
    pub fn is_paused(&self) -> bool {
        self.phase == Phase::Paused
    }

    /// Whether what comes is left out, or waits for a key frame.
    pub fn is_idle(&self) -> bool {
        self.phase != Phase::Running
    }

    /// What becomes of a packet with this running time. `leads`: the recording starts again with this track;
    /// `end`: where the recording ends so far, in times that have been shifted.
    pub fn judge(&mut self, time: Option<i64>, is_key: bool, leads: bool, end: Option<i64>) -> Verdict {
        let Some(time) = time else { return Verdict::Leave };
        match self.phase {
            Phase::Paused => Verdict::Leave,
            Phase::Running if self.from.is_some_and(|from| time < from) => Verdict::Leave,
            Phase::Running => Verdict::Take(self.shift),
            Phase::Resuming => {
                let late = self.since.is_some_and(|since| since.elapsed() > LEADER_PATIENCE);
                if !is_key || !(leads || late) {
                    let ask = leads && self.asked.is_none_or(|asked| asked.elapsed() > ASK_EVERY);
                    if ask {
                        self.asked = Some(Instant::now());
                    }
                    return if ask { Verdict::LeaveAndAsk } else { Verdict::Leave };
                }
                self.phase = Phase::Running;
                self.from = Some(time);
                // Without anything before it there is nothing to close up with.
                self.shift = end.map_or(self.shift, |end| time - end);
                Verdict::Take(self.shift)
            }
        }
    }

    /// What is taken off times now, nanoseconds.
    pub fn shift(&self) -> i64 {
        self.shift
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_closes_up_at_the_next_key_frame() {
        let mut pauses = Pauses::default();
        assert_eq!(pauses.judge(Some(10), false, true, None), Verdict::Take(0));
        assert!(!pauses.resume());
        assert!(pauses.pause() && !pauses.pause());
        assert_eq!(pauses.judge(Some(20), true, true, Some(15)), Verdict::Leave);
        assert!(pauses.resume());
        assert_eq!(pauses.judge(Some(30), false, true, Some(15)), Verdict::Leave);
        assert_eq!(pauses.judge(Some(30), true, false, Some(15)), Verdict::Leave, "sound waits for pictures");
        assert_eq!(pauses.judge(Some(40), true, true, Some(15)), Verdict::Take(25));
        assert_eq!(pauses.judge(Some(39), true, false, Some(20)), Verdict::Leave, "sound from before");
        assert_eq!(pauses.judge(Some(41), true, false, Some(20)), Verdict::Take(25));
        assert!(pauses.pause() && pauses.resume());
        assert_eq!(pauses.judge(Some(100), true, true, Some(30)), Verdict::Take(70));
    }

    #[test]
    fn a_pause_before_the_beginning_takes_nothing_off() {
        let mut pauses = Pauses::default();
        assert!(pauses.pause() && pauses.resume());
        assert_eq!(pauses.judge(Some(40), true, true, None), Verdict::Take(0));
    }
}
