//! What has become of a leg since somebody last looked.

use std::sync::atomic::Ordering;
use std::time::Duration;

use anabranch_graph::format::Medium;
use serde::Serialize;

use super::leg::Leg;
use super::{Target, load, now};

/// Packets that may fail authentication before it is said: the first may be somebody else's.
const STRANGERS: u64 = 20;

/// Whether the other side is heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum MediaState {
    /// Nothing came yet.
    #[default]
    New,
    /// Media or reports come.
    Connected,
    /// They came, and come no more.
    Disconnected,
}

impl MediaState {
    /// As events have it.
    pub fn name(self) -> &'static str {
        match self {
            MediaState::New => "new",
            MediaState::Connected => "connected",
            MediaState::Disconnected => "disconnected",
        }
    }
}

/// What was told already.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    state: MediaState,
    target: Option<Target>,
    unsent: u64,
    /// That sending fails was told.
    unreachable: bool,
    /// That nothing is authentic was told.
    false_keys: bool,
    quiet: u32,
}

/// What changed on a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The other side is heard, or is so no more.
    Media { medium: Medium, state: MediaState, reason: String },
    /// Packets go to another address now.
    Target { medium: Medium, target: Target },
    /// Packets cannot be sent.
    Unreachable { medium: Medium, reason: String },
    /// Packets can be sent again.
    Reachable { medium: Medium },
    /// Packets come, but none is authentic.
    FalseKeys { medium: Medium, packets: u64 },
}

impl Leg {
    /// What changed; after `timeout` without packets the other side is gone.
    pub(super) fn look(&self, timeout: Duration) -> Vec<Change> {
        let medium = self.medium;
        let counts = &self.counts;
        counts.stirred.store(false, Ordering::Relaxed);
        let (came, good) = (load(&counts.came), load(&counts.good));
        let last = if self.receives {
            if good == 0 { 0 } else { load(&counts.last_media) }
        } else {
            load(&counts.last_feedback)
        };
        let silence = now().saturating_sub(last);
        let gone = last != 0 && u128::from(silence) > timeout.as_millis();
        let unsent = self.unsent_count();
        let mut changes = Vec::new();
        let mut guard = self.state();
        let state = &mut *guard;
        let is = match (last, gone) {
            (0, _) => MediaState::New,
            (_, true) => MediaState::Disconnected,
            (_, false) => MediaState::Connected,
        };
        if is != state.seen.state {
            state.seen.state = is;
            let what = if self.receives { "media" } else { "reports" };
            let reason = match is {
                MediaState::Disconnected => format!("no {what} came for {:.1} s", silence as f64 / 1000.0),
                _ => format!("{what} come"),
            };
            changes.push(Change::Media { medium, state: is, reason });
        }
        if state.seen.target.is_none_or(|target| target != state.target) {
            let was = state.seen.target.replace(state.target);
            if was.is_some() {
                changes.push(Change::Target { medium, target: state.target });
            }
        }
        if unsent > state.seen.unsent {
            state.seen.quiet = 0;
            if !std::mem::replace(&mut state.seen.unreachable, true) {
                changes.push(Change::Unreachable { medium, reason: state.unsent_why.clone() });
            }
        } else if state.seen.unreachable {
            // Twice in a row nothing failed.
            state.seen.quiet += 1;
            if state.seen.quiet >= 4 {
                state.seen.unreachable = false;
                changes.push(Change::Reachable { medium });
            }
        }
        state.seen.unsent = unsent;
        if good == 0 && came >= STRANGERS && !std::mem::replace(&mut state.seen.false_keys, true) {
            changes.push(Change::FalseKeys { medium, packets: came });
        }
        changes
    }
}
