//! The pictures of one party on their way into the whole.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::inlet::Feed;
use crate::lock;
use crate::timeline::{MS, Timeline};

/// How far ahead of their time pictures are taken; what comes earlier waits.
const AHEAD: i64 = 100 * MS;
/// The most pictures that wait for their time.
const MOST: usize = 12;

/// A picture with its format.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The picture.
    pub buffer: gst::Buffer,
    /// Its format.
    pub caps: gst::Caps,
}

#[derive(Default)]
struct State {
    caps: Option<gst::Caps>,
    waiting: VecDeque<(i64, Picture)>,
    current: Option<Picture>,
    /// After the pictures that wait there are no more.
    ended: bool,
    flushing: bool,
}

/// The pictures of one party.
pub struct Slot {
    timeline: Arc<Timeline>,
    clock: Clock,
    state: Mutex<State>,
    changed: Condvar,
}

impl Slot {
    /// A slot without pictures.
    pub fn new(timeline: &Arc<Timeline>, clock: &Clock) -> Arc<Slot> {
        Arc::new(Slot {
            timeline: timeline.clone(),
            clock: clock.clone(),
            state: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    /// The picture that counts at a time; none if the party has no video.
    pub fn at(&self, time: i64) -> Option<Picture> {
        let mut state = lock(&self.state);
        while state.waiting.front().is_some_and(|(due, _)| *due <= time) {
            state.current = state.waiting.pop_front().map(|(_, picture)| picture);
        }
        if state.ended && state.waiting.is_empty() {
            state.current = None;
        }
        state.current.clone()
    }
}

impl Feed for Slot {
    fn caps(&self, caps: &gst::Caps) {
        let mut state = lock(&self.state);
        state.caps = Some(caps.clone());
    }

    fn push(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        let (Some(now), Some(pts)) = (self.clock.now(), buffer.pts()) else {
            return Ok(gst::FlowSuccess::Ok);
        };
        let time = pts.nseconds() as i64;
        let due = time + self.timeline.observe(now, time, self.clock.latency());
        let mut state = lock(&self.state);
        loop {
            if state.flushing {
                return Ok(gst::FlowSuccess::Ok);
            }
            let early = self.clock.now().map_or(0, |now| due - now - AHEAD);
            if early <= 0 {
                break;
            }
            let wait = Duration::from_nanos(early.unsigned_abs());
            state = self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
        let Some(caps) = state.caps.clone() else { return Err(gst::FlowError::NotNegotiated) };
        if std::mem::replace(&mut state.ended, false) {
            state.waiting.clear();
        }
        state.waiting.push_back((due, Picture { buffer, caps }));
        if state.waiting.len() > MOST {
            // The whole is not made in time; the newest pictures count.
            state.current = state.waiting.pop_front().map(|(_, picture)| picture);
        }
        Ok(gst::FlowSuccess::Ok)
    }

    fn end(&self) {
        lock(&self.state).ended = true;
        self.timeline.reset();
    }

    fn flush(&self, flushing: bool) {
        let mut state = lock(&self.state);
        state.flushing = flushing;
        if flushing {
            state.waiting.clear();
        }
        self.changed.notify_all();
    }
}
