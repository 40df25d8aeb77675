//! Emptying a chain of elements before it is replaced: what is inside comes out, its end of stream does not.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use gst::prelude::*;

use super::worker::lock;

/// Watches the end of a chain.
#[derive(Debug, Default)]
pub(super) struct Drain {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Flowing,
    Draining,
    Empty,
}

impl Drain {
    /// Whether an event at the end of the chain ends here, because it only shows that the chain is empty.
    pub(super) fn swallows(&self, event: &gst::Event) -> bool {
        if event.type_() != gst::EventType::Eos {
            return false;
        }
        let mut state = lock(&self.state);
        if *state == State::Flowing {
            return false;
        }
        *state = State::Empty;
        self.changed.notify_all();
        true
    }

    /// Whether the chain was emptied: nothing comes out of it any more.
    pub(super) fn is_spent(&self) -> bool {
        *lock(&self.state) != State::Flowing
    }

    /// Lets [`Drain::run`] return at once.
    pub(super) fn abort(&self) {
        *lock(&self.state) = State::Empty;
        self.changed.notify_all();
    }

    /// Sends the end of the stream into `head`, the first pad of the chain, and waits until everything came out, at
    /// most `limit`. The chain cannot be used afterwards. To be called on the thread that feeds the chain.
    pub(super) fn run(&self, head: &gst::Pad, limit: Duration) {
        *lock(&self.state) = State::Draining;
        if !head.send_event(gst::event::Eos::new()) {
            return;
        }
        let state = lock(&self.state);
        let waited = self.changed.wait_timeout_while(state, limit, |state| *state != State::Empty);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}
