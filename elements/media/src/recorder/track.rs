//! One input of a recorder: what has come and is not yet written.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::part::Part;
use super::pauses::{Pauses, Verdict};

/// Something that waits to be written.
#[derive(Debug)]
pub enum Item {
    /// A packet with its running times, nanoseconds.
    Packet {
        /// The packet.
        buffer: gst::Buffer,
        /// Its caps.
        caps: gst::Caps,
        /// When it is shown.
        pts: Option<i64>,
        /// When it is decoded.
        dts: Option<i64>,
    },
    /// The track ends.
    End,
}

impl Item {
    /// Its running time, nanoseconds.
    pub fn time(&self) -> Option<i64> {
        match self {
            Item::Packet { pts, dts, .. } => pts.or(*dts),
            Item::End => None,
        }
    }

    /// Whether a file may start with it.
    pub fn is_key(&self) -> bool {
        match self {
            Item::Packet { buffer, .. } => !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
            Item::End => true,
        }
    }
}

/// One input of a recorder.
#[derive(Debug, Default)]
pub struct Track {
    /// How its running time is reckoned.
    pub segment: Option<gst::FormattedSegment<gst::ClockTime>>,
    /// What it carries.
    pub caps: Option<gst::Caps>,
    /// How it began.
    pub stream_start: Option<gst::Event>,
    /// What it says about itself.
    pub tags: Vec<gst::Event>,
    /// What waits to be written.
    pub pending: VecDeque<Item>,
    /// How much waits, bytes.
    pub pending_bytes: usize,
    /// A packet that can be decoded has come.
    pub begun: bool,
    /// The end has come (it may still wait to be written).
    pub ended: bool,
    /// The file that it is being written to, with the caps that it has there.
    pub output: Option<(Arc<Part>, gst::Caps)>,
    /// It has come, but the file has no place for it.
    pub homeless: bool,
    /// The newest running time that was written or thrown away, nanoseconds.
    pub passed: Option<i64>,
    /// The newest running time that came, nanoseconds.
    pub newest: Option<i64>,
    /// When the newest came.
    pub arrival: Option<Instant>,
    /// When a key frame was asked for, so that it can go on in the next file.
    pub asked: Option<Instant>,
    /// What comes is thrown away up to the next packet that a decoder can start with: so many since that was last told.
    pub dropping: Option<u64>,
    /// How much waits in front of the muxer, bytes.
    pub queued: usize,
}

/// What became of a packet that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It waits to be written.
    Taken,
    /// It was left out.
    Left,
    /// It was left out, and a key frame is to be asked for.
    LeftAndAsk,
}

impl Track {
    /// Takes note of what comes, unless a file cannot start with it or there is a pause. `leads`: after a pause the
    /// recording starts again with this track; `end`: where it ends so far.
    pub fn accept(
        &mut self,
        buffer: gst::Buffer,
        caps: gst::Caps,
        pauses: &mut Pauses,
        (leads, end): (bool, Option<i64>),
    ) -> Accepted {
        let running = |time: Option<gst::ClockTime>| {
            let segment = self.segment.as_ref()?;
            Some(signed(segment.to_running_time_full(time)?))
        };
        let (pts, dts) = (running(buffer.pts()), running(buffer.dts()));
        let first = self.arrival.is_none();
        self.arrival = Some(Instant::now());
        let is_key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        // Pictures that are shown before one that was taken belong to it.
        let before = pts.zip(self.newest).is_some_and(|(pts, newest)| pts - pauses.shift() < newest);
        let verdict = if before && !is_key && pauses.is_idle() {
            Verdict::Take(pauses.shift())
        } else {
            pauses.judge(pts.or(dts), is_key, leads, end)
        };
        let shift = match verdict {
            Verdict::Take(shift) => shift,
            Verdict::Leave => return Accepted::Left,
            Verdict::LeaveAndAsk => return Accepted::LeftAndAsk,
        };
        if !self.begun && !is_key {
            return if first { Accepted::LeftAndAsk } else { Accepted::Left };
        }
        let (pts, dts) = (pts.map(|t| t - shift), dts.map(|t| t - shift));
        if let Some(time) = pts.or(dts) {
            let end = time + buffer.duration().map_or(0, |d| d.nseconds() as i64);
            self.newest = Some(self.newest.map_or(end, |n| n.max(end)));
        }
        self.begun = true;
        self.push(Item::Packet { buffer, caps, pts, dts });
        Accepted::Taken
    }

    /// The track has nothing until then, and says so. `shift`: what pauses have taken so far, nanoseconds.
    pub fn gap(&mut self, until: gst::ClockTime, shift: i64) {
        self.arrival = Some(Instant::now());
        let running = self.segment.as_ref().and_then(|s| s.to_running_time_full(until));
        let running = running.map(|time| signed(time) - shift);
        self.newest = self.newest.max(running);
        if self.pending.is_empty() {
            self.passed = self.passed.max(running);
        }
    }

    /// What comes next has nothing to do with what came before. `revives`: an end that came was not the last word, for
    /// instance because the input is fed again.
    pub fn flush(&mut self, revives: bool) {
        self.segment = None;
        if self.ended && revives {
            self.ended = false;
            self.begun = false;
            self.caps = None;
            self.arrival = None;
            self.pending.retain(|item| matches!(item, Item::Packet { .. }));
        }
    }

    /// Whether a file takes more of it.
    pub fn lives(&self, index: usize) -> bool {
        !self.ended && self.output.as_ref().is_some_and(|(part, _)| part.takes(index))
    }

    /// How much media waits.
    pub fn lead(&self) -> Duration {
        let first = self.pending.front().and_then(Item::time);
        let nanos = self.newest.zip(first).map_or(0, |(newest, first)| newest - first);
        Duration::from_nanos(nanos.max(0) as u64)
    }

    /// Puts something at the end of what waits.
    pub fn push(&mut self, item: Item) {
        if let Item::Packet { buffer, .. } = &item {
            self.pending_bytes += buffer.size();
        }
        self.pending.push_back(item);
    }

    /// Takes what has waited longest.
    pub fn pop(&mut self) -> Option<Item> {
        let item = self.pending.pop_front()?;
        if let Item::Packet { buffer, .. } = &item {
            self.pending_bytes -= buffer.size();
            self.passed = self.passed.max(item.time());
        }
        Some(item)
    }

    /// The first packet that waits.
    pub fn first(&self) -> Option<&Item> {
        self.pending.front().filter(|item| matches!(item, Item::Packet { .. }))
    }
}

/// A running time as a signed number of nanoseconds.
fn signed(time: gst::Signed<gst::ClockTime>) -> i64 {
    match time {
        gst::Signed::Positive(time) => i64::try_from(time.nseconds()).unwrap_or(i64::MAX),
        gst::Signed::Negative(time) => -i64::try_from(time.nseconds()).unwrap_or(i64::MAX),
    }
}
