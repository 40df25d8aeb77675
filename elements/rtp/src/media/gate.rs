//! What passes from an input port to the network, and when.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anabranch_graph::format::Medium;

/// Lets nothing through until it is opened; video begins with a key frame.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    open: bool,
    started: bool,
}

/// What becomes of a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    Drop,
    /// Drop, and ask for a key frame.
    Ask,
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Judges the next `count` frames by whether the first of them is a key frame.
    pub fn judge(&self, medium: Medium, is_key: bool, count: u64) -> Verdict {
        let mut state = self.state();
        let verdict = if !state.open {
            Verdict::Drop
        } else if medium != Medium::Video || state.started || is_key {
            state.started = true;
            Verdict::Pass
        } else {
            Verdict::Ask
        };
        drop(state);
        if verdict != Verdict::Pass {
            self.dropped.fetch_add(count, Ordering::Relaxed);
        }
        verdict
    }

    /// Opens it, to begin with a key frame; or shuts it.
    pub fn set_open(&self, open: bool) {
        *self.state() = State { open, started: false };
    }

    /// How many frames nobody wanted.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn video_begins_with_a_key_frame() {
        let gate = Gate::default();
        assert_eq!(gate.judge(Medium::Video, true, 1), Verdict::Drop);
        gate.set_open(true);
        assert_eq!(gate.judge(Medium::Video, false, 2), Verdict::Ask);
        assert_eq!(gate.judge(Medium::Video, true, 1), Verdict::Pass);
        assert_eq!(gate.judge(Medium::Video, false, 1), Verdict::Pass);
        gate.set_open(true);
        assert_eq!(gate.judge(Medium::Audio, false, 1), Verdict::Pass);
        gate.set_open(false);
        assert_eq!(gate.judge(Medium::Audio, false, 1), Verdict::Drop);
        assert_eq!(gate.dropped(), 4);
    }
}
