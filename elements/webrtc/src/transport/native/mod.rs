//! The native transport, on str0m.
//!
//! str0m is a state machine without threads or sockets. A peer (`peer`) is one under a lock; workers (`worker`), one
//! thread each, carry the packets of all peers. Media cross the border as RTP: from an `appsink` into the peer's
//! queue (`sending`), from the peer through an `appsrc` and an `rtpjitterbuffer` (`receiving`).

mod candidates;
mod channels;
mod config;
mod continuity;
mod core;
mod gate;
mod keyframe;
mod layers;
mod negotiate;
mod net;
mod peer;
mod receiving;
mod sdp;
mod sending;
mod stats;
mod stun;
mod sync;
#[cfg(test)]
mod tests;
mod transport;
mod worker;

pub(crate) use transport::NativeTransport;

use std::sync::{Mutex, MutexGuard, PoisonError};

use gst::prelude::*;

/// A panic under a lock ends one peer (`Peer::guarded`), not everybody who shares it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Stops elements and takes them out of the bin.
fn remove<const N: usize>(bin: &gst::Bin, elements: [&gst::Element; N]) {
    for element in elements {
        // The bin must not start it again meanwhile.
        element.set_locked_state(true);
        // It cannot fail on the way down.
        let _ = element.set_state(gst::State::Null);
        // It may be gone with its bin already.
        let _ = bin.remove(element);
    }
}
