//! What passes from an input port to the peer, and when.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anabranch_graph::format::{Format, Medium};

/// Most frames that are kept for a peer whose connection is being made. It takes some tens of milliseconds.
const MOST: usize = 60;

/// Between the frames that were kept, when they go out: all at once, but in order, and not as old as they are, or the
/// peer would show everything after them that much later.
const STEP: gst::ClockTime = gst::ClockTime::from_mseconds(1);

/// Drops what comes in until a peer wants it; begins with a key frame.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// The peer is connected.
    connected: bool,
    /// What was negotiated.
    negotiated: Option<Format>,
    /// What comes in.
    coming: Option<Format>,
    /// A key frame went through since the gate was opened.
    started: bool,
    /// The last key frame and what followed, while the connection is being made.
    kept: Vec<gst::Buffer>,
}

/// What becomes of a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    /// These first, then the frame.
    After(Vec<gst::Buffer>),
    Drop,
    /// Drop, and ask for a key frame.
    Ask,
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Judges the next `count` frames by the first of them.
    pub fn judge(&self, medium: Medium, frame: Option<&gst::Buffer>, count: u64) -> Verdict {
        let mut state = self.state();
        let verdict = state.judge(medium, frame, count);
        if matches!(verdict, Verdict::Drop | Verdict::Ask) {
            self.dropped.fetch_add(count, Ordering::Relaxed);
        }
        verdict
    }

    /// What comes in from now on.
    pub fn comes(&self, format: Option<Format>) {
        let mut state = self.state();
        if state.coming != format {
            state.kept.clear();
        }
        state.coming = format;
    }

    /// What the peer takes; `None`: nothing.
    pub fn negotiate(&self, format: Option<Format>) {
        let mut state = self.state();
        state.negotiated = format;
        state.started = false;
        state.kept.clear();
    }

    pub fn takes(&self, format: &Format) -> bool {
        self.state().negotiated.as_ref() == Some(format)
    }

    /// The peer is connected, or is so no more. `true`: somebody has to ask for a key frame.
    pub fn set_connected(&self, connected: bool) -> bool {
        let mut state = self.state();
        let was = std::mem::replace(&mut state.connected, connected);
        if !connected || was {
            return false;
        }
        state.started = false;
        state.negotiated.is_some() && state.kept.is_empty()
    }

    /// How many frames nobody wanted.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl State {
    fn judge(&mut self, medium: Medium, frame: Option<&gst::Buffer>, count: u64) -> Verdict {
        if self.negotiated.is_none() || self.negotiated != self.coming {
            return Verdict::Drop;
        }
        if medium != Medium::Video {
            return if self.connected { Verdict::Pass } else { Verdict::Drop };
        }
        let is_key = frame.is_some_and(|frame| !frame.flags().contains(gst::BufferFlags::DELTA_UNIT));
        if !self.connected {
            self.keep(frame.filter(|_| count == 1), is_key);
            return Verdict::Drop;
        }
        if self.started || is_key {
            self.kept.clear();
            self.started = true;
            return Verdict::Pass;
        }
        if self.kept.is_empty() {
            return Verdict::Ask;
        }
        self.started = true;
        let mut kept = std::mem::take(&mut self.kept);
        if let Some(now) = frame.and_then(|frame| frame.pts()) {
            catch_up(&mut kept, now);
        }
        Verdict::After(kept)
    }

    fn keep(&mut self, frame: Option<&gst::Buffer>, is_key: bool) {
        if is_key {
            self.kept.clear();
        } else if self.kept.is_empty() {
            return;
        }
        match frame {
            Some(frame) if self.kept.len() < MOST => self.kept.push(frame.clone()),
            // With a hole the rest is of no use.
            _ => self.kept.clear(),
        }
    }
}

/// Gives frames times just before `now`.
fn catch_up(frames: &mut [gst::Buffer], now: gst::ClockTime) {
    let mut time = now;
    for frame in frames.iter_mut().rev() {
        time = time.saturating_sub(STEP);
        let frame = frame.make_mut();
        frame.set_pts(time);
        frame.set_dts(gst::ClockTime::NONE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(milliseconds: u64, is_key: bool) -> gst::Buffer {
        let mut buffer = gst::Buffer::new();
        let inner = buffer.make_mut();
        inner.set_pts(gst::ClockTime::from_mseconds(milliseconds));
        if !is_key {
            inner.set_flags(gst::BufferFlags::DELTA_UNIT);
        }
        buffer
    }

    fn open() -> Gate {
        gst::init().unwrap();
        let gate = Gate::default();
        gate.comes(Some(Format::Vp8));
        gate.negotiate(Some(Format::Vp8));
        gate
    }

    #[test]
    fn what_came_while_the_connection_was_made_goes_out_first() {
        let gate = open();
        for (at, is_key) in [(0, false), (33, true), (66, false), (100, false)] {
            assert_eq!(gate.judge(Medium::Video, Some(&frame(at, is_key)), 1), Verdict::Drop);
        }
        assert!(!gate.set_connected(true), "the key frame is here");
        let Verdict::After(kept) = gate.judge(Medium::Video, Some(&frame(133, false)), 1) else { panic!() };
        let times: Vec<u64> = kept.iter().filter_map(|f| f.pts().map(gst::ClockTime::mseconds)).collect();
        assert_eq!(times, [130, 131, 132]);
        assert_eq!(gate.judge(Medium::Video, Some(&frame(166, false)), 1), Verdict::Pass);
    }

    #[test]
    fn nothing_begins_in_the_middle() {
        let gate = open();
        assert_eq!(gate.judge(Medium::Video, Some(&frame(0, false)), 1), Verdict::Drop);
        assert!(gate.set_connected(true));
        assert_eq!(gate.judge(Medium::Video, Some(&frame(33, false)), 1), Verdict::Ask);
        assert_eq!(gate.judge(Medium::Video, Some(&frame(66, true)), 1), Verdict::Pass);
        assert_eq!(gate.dropped(), 2);
    }

    #[test]
    fn too_many_frames_are_not_kept() {
        let gate = open();
        gate.judge(Medium::Video, Some(&frame(0, true)), 1);
        for at in 1..=MOST as u64 {
            gate.judge(Medium::Video, Some(&frame(at * 33, false)), 1);
        }
        assert!(gate.set_connected(true));
    }

    #[test]
    fn another_format_is_not_sent() {
        let gate = open();
        gate.judge(Medium::Video, Some(&frame(0, true)), 1);
        gate.comes(Some(Format::H264));
        gate.set_connected(true);
        assert_eq!(gate.judge(Medium::Video, Some(&frame(33, true)), 1), Verdict::Drop);
    }
}
