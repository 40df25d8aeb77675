//! Hubs: many media joined, mixed, switched and dispatched.
//!
//! A hub has parties: its hub-ports, which are elements of their own in other failure domains, and what is linked into the
//! hub itself. `room` is where hub and ports find each other; an `inlet` takes a party's media in, an `outlet`
//! gives them out on a thread of its own. What a hub does lies in `video` (one shared compositor), `audio` (sums) and
//! `switch` (streams that pass untouched); `hub` puts these together, and `element` makes GStreamer elements of it.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod audio;
mod clock;
mod element;
mod hub;
mod inlet;
mod outlet;
mod party;
mod room;
mod switch;
mod timeline;
mod video;

pub use element::{
    AlphaBlending, AudioMixer, Composite, Dispatcher, DispatcherOneToMany, HubPort, Mixer, Selector,
};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, also after a panic of another thread: what these locks guard is whole between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

anabranch_kit::plugin!(anabranchhubs, "2026-11-22");
