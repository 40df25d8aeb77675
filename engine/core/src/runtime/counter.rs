//! Counts what goes through a port.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gst::prelude::*;

/// What went through one port.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    frames: AtomicU64,
    bytes: AtomicU64,
    /// Time stamp of the newest buffer plus one, nanoseconds; 0 before the first.
    newest: AtomicU64,
    /// Moving average of the age of buffers, nanoseconds, plus one; 0 before the first.
    age: AtomicU64,
    pad: glib::WeakRef<gst::Pad>,
}

/// Of so many buffers the age of one is looked at.
const AGE_EVERY: u64 = 8;

/// Media that are stamped so long ago are not old: their time stamps mean something else.
const OLDEST: gst::ClockTime = gst::ClockTime::from_seconds(60);

impl Counter {
    /// Counts the buffers of this pad from now on.
    pub fn attach(pad: &gst::Pad) -> Arc<Counter> {
        let counter = Arc::new(Counter { pad: pad.downgrade(), ..Counter::default() });
        counter.count(pad);
        counter
    }

    /// Counts the buffers of this pad too, for a port with a pad for each link.
    pub fn count(self: &Arc<Self>, pad: &gst::Pad) {
        let count = self.clone();
        pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, move |pad, info| {
            let first = match &info.data {
                Some(gst::PadProbeData::Buffer(buffer)) => Some(buffer.as_ref()),
                Some(gst::PadProbeData::BufferList(list)) => list.get(0),
                _ => None,
            };
            if let Some(buffer) = first
                && count.frames().is_multiple_of(AGE_EVERY)
                && let Some(age) = age(pad, buffer)
            {
                count.aged(age);
            }
            match &info.data {
                Some(gst::PadProbeData::Buffer(buffer)) => count.add(buffer),
                Some(gst::PadProbeData::BufferList(list)) => list.iter().for_each(|b| count.add(b)),
                _ => {}
            }
            gst::PadProbeReturn::Ok
        });
    }

    fn add(&self, buffer: &gst::BufferRef) {
        self.frames.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(buffer.size() as u64, Ordering::Relaxed);
        if let Some(time) = buffer.pts().or(buffer.dts()) {
            self.newest.fetch_max(time.nseconds() + 1, Ordering::Relaxed);
        }
    }

    fn aged(&self, age: gst::ClockTime) {
        let stored = self.age.load(Ordering::Relaxed);
        let average = match stored.checked_sub(1) {
            Some(before) => (before * 7 + age.nseconds()) / 8,
            None => age.nseconds(),
        };
        // Of two pads at once one may be left out: it is an average.
        self.age.store(average + 1, Ordering::Relaxed);
    }

    /// How old buffers are when they pass, milliseconds, moving average.
    pub fn age_ms(&self) -> Option<f64> {
        self.age.load(Ordering::Relaxed).checked_sub(1).map(|age| age as f64 / 1e6)
    }

    pub fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Running time of the newest buffer, seconds; none for a port with many pads. An encoder may count its time stamps from
    /// anywhere; only the segment says what they mean.
    pub fn position(&self) -> Option<f64> {
        let stored = self.newest.load(Ordering::Relaxed).checked_sub(1)?;
        let segment = self.pad.upgrade()?.sticky_event::<gst::event::Segment>(0)?;
        let segment = segment.segment().downcast_ref::<gst::ClockTime>()?.clone();
        let running = segment.to_running_time(gst::ClockTime::from_nseconds(stored))?;
        Some(running.nseconds() as f64 / 1e9)
    }
}

/// How long ago the moment was for which a buffer is stamped. What is for later has no age.
fn age(pad: &gst::Pad, buffer: &gst::BufferRef) -> Option<gst::ClockTime> {
    let segment = pad.sticky_event::<gst::event::Segment>(0)?;
    let stamp = segment.segment().downcast_ref::<gst::ClockTime>()?.to_running_time(buffer.pts()?)?;
    let now = pad.parent_element()?.current_running_time()?;
    Some(now.saturating_sub(stamp)).filter(|age| *age < OLDEST)
}
