//! The time of a hub, and waiting for it.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use gst::prelude::*;

use crate::lock;

/// How long one looks away while time stands still.
const NAP: Duration = Duration::from_millis(20);
/// How long one looks away at most: the clock may have been changed.
const LONGEST: Duration = Duration::from_millis(500);

/// The running time of a hub.
#[derive(Clone)]
pub struct Clock {
    inner: Arc<Inner>,
}

struct Inner {
    element: glib::WeakRef<gst::Element>,
    latency: AtomicI64,
}

impl Clock {
    /// The clock of this element.
    pub fn new(element: &gst::Element) -> Clock {
        let inner = Inner { element: element.downgrade(), latency: AtomicI64::new(0) };
        Clock { inner: Arc::new(inner) }
    }

    /// The running time, nanoseconds; none unless it plays.
    pub fn now(&self) -> Option<i64> {
        let element = self.inner.element.upgrade()?;
        let time = element.current_running_time()?;
        i64::try_from(time.nseconds()).ok()
    }

    /// How long after its time a moment is made, nanoseconds.
    pub fn latency(&self) -> i64 {
        self.inner.latency.load(Relaxed)
    }

    /// Sets the latency, nanoseconds.
    pub fn set_latency(&self, latency: i64) {
        self.inner.latency.store(latency, Relaxed);
    }
}

/// Lets threads wait for moments, until they are to stop.
#[derive(Default)]
pub struct Pulse {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Pulse {
    /// Waits until a running time, nanoseconds. Returns false if everything stops.
    pub fn wait_until(&self, clock: &Clock, time: i64) -> bool {
        loop {
            let left = match clock.now() {
                Some(now) if now >= time => Duration::ZERO,
                Some(now) => Duration::from_nanos((time - now).unsigned_abs()).min(LONGEST),
                None => NAP,
            };
            if !self.wait(left) {
                return false;
            }
            if left.is_zero() {
                return true;
            }
        }
    }

    /// Waits so long. Returns false if everything stops.
    pub fn wait(&self, time: Duration) -> bool {
        let stopped = lock(&self.stopped);
        if *stopped || time.is_zero() {
            return !*stopped;
        }
        let (stopped, _) = self
            .changed
            .wait_timeout_while(stopped, time, |stopped| !*stopped)
            .unwrap_or_else(PoisonError::into_inner);
        !*stopped
    }

    /// All who wait stop.
    pub fn stop(&self) {
        *lock(&self.stopped) = true;
        self.changed.notify_all();
    }
}
