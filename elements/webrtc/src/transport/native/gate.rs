//! Requests for key frames, merged: a key frame is dear, and one serves everybody who asked.

use std::time::{Duration, Instant};

/// The least time between two requests that go out. Chromium does not hear one that comes within 300 ms after another.
const INTERVAL: Duration = Duration::from_millis(320);

/// Lets the first request through at once and merges those that follow into one at the end of the interval.
#[derive(Debug, Default)]
pub(super) struct Gate {
    last: Option<Instant>,
    due: Option<Instant>,
}

impl Gate {
    /// Somebody asks. `true`: pass it on now.
    pub fn ask(&mut self, now: Instant) -> bool {
        match self.last {
            Some(last) if now < last + INTERVAL => {
                self.due = Some(last + INTERVAL);
                false
            }
            _ => {
                self.last = Some(now);
                self.due = None;
                true
            }
        }
    }

    /// When a merged request is to go out.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether a merged request goes out now.
    pub fn fire(&mut self, now: Instant) -> bool {
        let fire = self.due.is_some_and(|due| due <= now);
        if fire {
            self.last = Some(now);
            self.due = None;
        }
        fire
    }

    /// A key frame came: who asked has it.
    pub fn served(&mut self) {
        self.due = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_passes_and_the_rest_is_one() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut gate = Gate::default();
        assert!(gate.ask(at(0)));
        for ms in [10, 50, 290] {
            assert!(!gate.ask(at(ms)));
        }
        assert_eq!(gate.due(), Some(at(320)));
        assert!(!gate.fire(at(319)));
        assert!(gate.fire(at(320)));
        assert!(!gate.fire(at(321)));
        assert!(!gate.ask(at(400)));
        gate.served();
        assert_eq!(gate.due(), None);
        assert!(gate.ask(at(660)));
    }
}
