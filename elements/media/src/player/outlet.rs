//! The player's way out: both tracks pass here on their way from a session to the player's own pads. Here they are
//! paced, held while the player pauses, and laid on one time that never goes back.
//!
//! Locks: a pad's stream lock comes before the lock of [`Flow`], and nothing is pushed under the latter.

use std::sync::mpsc::Sender;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gst::prelude::*;

use super::flow::{Flow, Hold, nanos, time};
use super::note::Note;
use super::timeline::{Nanos, Rhythm};

/// The longest wait without a look at the clock.
const LOOK: Duration = Duration::from_millis(500);

/// What is sent before a buffer, and whether it is the first after a break.
struct Preface {
    events: Vec<gst::Event>,
    first: bool,
    back: bool,
}

/// The way out of a player.
pub struct Outlet {
    /// The player's own pads: video, audio.
    pads: [gst::Pad; 2],
    flow: Mutex<Flow>,
    changed: Condvar,
    notes: Mutex<Option<Sender<Note>>>,
}

impl Outlet {
    /// Of these two pads, video and audio; closed.
    pub fn new(pads: [gst::Pad; 2]) -> Self {
        Outlet { pads, flow: Mutex::default(), changed: Condvar::new(), notes: Mutex::new(None) }
    }

    /// Where notes go; none stops them.
    pub fn tell(&self, notes: Option<Sender<Note>>) {
        *self.notes.lock().unwrap_or_else(PoisonError::into_inner) = notes;
    }

    /// Tells the control thread, if there is one.
    pub fn note(&self, note: Note) {
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(notes) = notes {
            // It may have gone: then nobody wants to know.
            let _ = notes.send(note);
        }
    }

    /// Looks at what is on its way.
    pub fn with<R>(&self, look: impl FnOnce(&Flow) -> R) -> R {
        look(&self.lock())
    }

    /// Changes what is on its way; whoever waits looks again.
    pub fn change<R>(&self, change: impl FnOnce(&mut Flow) -> R) -> R {
        let changed = change(&mut self.lock());
        self.changed.notify_all();
        changed
    }

    /// The player's own pad of that track.
    pub fn pad(&self, index: usize) -> &gst::Pad {
        &self.pads[index]
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Flow> {
        self.flow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wait<'a>(&self, flow: MutexGuard<'a, Flow>, most: Duration) -> MutexGuard<'a, Flow> {
        self.changed.wait_timeout(flow, most).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Asks who is linked to the player's pad; `false` if nobody knows.
    pub fn ask(&self, index: usize, query: &mut gst::QueryRef) -> bool {
        self.pads[index].peer_query(query)
    }

    /// A buffer of a session.
    pub fn buffer(
        &self,
        session: u64,
        index: usize,
        mut buffer: gst::Buffer,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let pad = &self.pads[index];
        if !self.let_pass(session, index, &buffer)? {
            return Ok(gst::FlowSuccess::Ok);
        }
        let stream = pad.stream_lock();
        let preface = {
            let mut flow = self.lock();
            match flow.commit(session, index, &buffer) {
                Some((events, first, back)) => Preface { events, first, back },
                None => return Ok(gst::FlowSuccess::Ok),
            }
        };
        if preface.first {
            buffer.make_mut().set_flags(gst::BufferFlags::DISCONT);
        }
        for event in preface.events {
            pad.push_event(event);
        }
        let pushed = pad.push(buffer);
        drop(stream);
        if preface.back {
            self.note(Note::Back(session));
        }
        match pushed {
            // Unlinked a moment ago: the other track goes on.
            Err(gst::FlowError::NotLinked) => Ok(gst::FlowSuccess::Ok),
            Err(gst::FlowError::Eos) => {
                // Who is behind has ended, and wants no more.
                self.change(|flow| flow.tracks[index].closed = true);
                Err(gst::FlowError::Eos)
            }
            other => other,
        }
    }

    /// Waits until a buffer may go; `false` if it is not wanted.
    fn let_pass(&self, session: u64, index: usize, buffer: &gst::BufferRef) -> Result<bool, gst::FlowError> {
        let pad = &self.pads[index];
        let mut flow = self.lock();
        loop {
            if flow.session != session || !flow.open || flow.tracks[index].flushing {
                return Err(gst::FlowError::Flushing);
            }
            if flow.tracks[index].closed {
                return Err(gst::FlowError::Eos);
            }
            flow.tracks[index].seen = Some(Instant::now());
            let linked = pad.is_linked();
            let flow_now = &mut *flow;
            let track = &mut flow_now.tracks[index];
            let delta = buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
            if track.seeking || !linked || (track.need_key && delta) {
                return Ok(false);
            }
            match flow_now.hold(index) {
                Hold::Pass => {}
                Hold::Wait => {
                    flow = self.wait(flow, LOOK);
                    continue;
                }
                Hold::Lose => return Ok(false),
            }
            let Some(wait) = flow_now.wait_for(index, buffer) else { return Ok(true) };
            flow = self.wait(flow, wait.min(LOOK));
        }
    }

    /// An event of a session.
    pub fn event(&self, session: u64, index: usize, event: gst::Event) -> bool {
        let pad = &self.pads[index];
        match event.view() {
            gst::EventView::FlushStart(_) => {
                self.change(|flow| {
                    if flow.session == session {
                        flow.tracks[index].flushing = true;
                    }
                });
                return true;
            }
            gst::EventView::FlushStop(_) => {
                self.change(|flow| {
                    if flow.session == session {
                        flow.tracks[index].flushed();
                    }
                });
                return true;
            }
            _ => {}
        }
        let stream = pad.stream_lock();
        let (events, ended) = {
            let mut flow = self.lock();
            if flow.session != session || !flow.open {
                return false;
            }
            flow.sort(index, event)
        };
        let mut taken = true;
        for event in events {
            // An end is taken whatever becomes of it: who is behind may have gone.
            taken &= pad.push_event(event) || ended.is_some();
        }
        drop(stream);
        if ended == Some(true) {
            self.note(Note::Ended(session));
        }
        taken || !pad.is_linked()
    }

    /// Sends a buffer that the player made itself, while its source is away. `caps` if they are new.
    pub(super) fn fill(
        &self,
        index: usize,
        caps: Option<gst::Caps>,
        mut buffer: gst::Buffer,
        at: Nanos,
        length: Nanos,
    ) {
        let pad = &self.pads[index];
        let stream = pad.stream_lock();
        let events = {
            let mut flow = self.lock();
            if !flow.open || !flow.tracks[index].filling {
                return;
            }
            flow.commit_fill(index, caps, at, length)
        };
        {
            let buffer = buffer.make_mut();
            buffer.set_pts(time(at));
            buffer.set_dts(gst::ClockTime::NONE);
            buffer.set_duration(time(length));
        }
        for event in events {
            pad.push_event(event);
        }
        let _ = pad.push(buffer);
        drop(stream);
    }

    /// The output's running time now.
    pub fn now(&self) -> Nanos {
        let flow = self.lock();
        let now = flow.clock_now();
        flow.timeline.now(flow.rhythm, now)
    }

    /// Ends a track, in a task of its pad: who is behind may take its time. A track that never began is absent.
    pub fn end(&self, index: usize) {
        let begun = {
            let mut flow = self.lock();
            if std::mem::replace(&mut flow.tracks[index].closed, true) {
                return;
            }
            flow.tracks[index].has_begun()
        };
        let pad = self.pads[index].clone();
        let id = format!("absent/{}", pad.name());
        let weak = pad.downgrade();
        let done = pad.start_task(move || {
            let Some(pad) = weak.upgrade() else { return };
            if !begun {
                pad.push_event(gst::event::StreamStart::builder(&id).build());
            }
            pad.push_event(gst::event::Eos::new());
            // It is this task's own.
            let _ = pad.pause_task();
        });
        if let Err(error) = done {
            gst::error!(gst::CAT_RUST, obj = self.pads[index], "{error}");
        }
    }

    /// How far a session's stream is: position in the medium.
    pub fn position(&self) -> Option<gst::ClockTime> {
        let flow = self.lock();
        match flow.sought {
            Some(sought) => Some(sought),
            None => flow.tracks.iter().filter_map(|t| t.position).max(),
        }
    }

    /// Times of a live source are the clock's: nothing is added to them.
    pub fn keep_times(&self) {
        if self.with(|flow| flow.rhythm == Rhythm::Live) {
            for pad in &self.pads {
                pad.set_offset(0);
            }
        }
    }
}

/// The clock's time.
pub(super) fn clock_now(clock: Option<&gst::Clock>) -> Nanos {
    clock.map_or(0, |clock| nanos(clock.time()))
}
