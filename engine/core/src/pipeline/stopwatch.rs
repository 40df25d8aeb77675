//! How long frames are between two places of a running graph.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anabranch_graph::catalog::Direction;
use anabranch_graph::spec::PortRef;
use gst::prelude::*;

use super::MediaPipeline;
use crate::error::AppError;

/// Frames that went in and never came out are forgotten when there are more than this.
const MOST_INSIDE: usize = 1024;

/// One frame's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lap {
    /// The frame's time stamp.
    pub pts: gst::ClockTime,
    /// How long it took.
    pub took: Duration,
}

#[derive(Default)]
struct Laps {
    inside: HashMap<gst::ClockTime, Instant>,
    done: Vec<Lap>,
}

/// Measures every frame from an input of one element to an output of another, by the frames' time stamps. It ends when it
/// is dropped.
pub struct Stopwatch {
    laps: Arc<Mutex<Laps>>,
    probes: Vec<(glib::WeakRef<gst::Pad>, Option<gst::PadProbeId>)>,
}

impl Stopwatch {
    fn start(from: &gst::Pad, to: &gst::Pad) -> Self {
        let laps = Arc::new(Mutex::new(Laps::default()));
        let (begin, end) = (laps.clone(), laps.clone());
        let first = probe(from, move |pts, now| {
            let mut laps = begin.lock().unwrap_or_else(PoisonError::into_inner);
            if laps.inside.len() >= MOST_INSIDE {
                laps.inside.clear();
            }
            laps.inside.insert(pts, now);
        });
        let last = probe(to, move |pts, now| {
            let mut laps = end.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(then) = laps.inside.remove(&pts) {
                laps.done.push(Lap { pts, took: now.duration_since(then) });
            }
        });
        Stopwatch { laps, probes: vec![(from.downgrade(), first), (to.downgrade(), last)] }
    }

    /// The ways that ended since the last call, in the order in which they ended.
    pub fn take(&self) -> Vec<Lap> {
        std::mem::take(&mut self.laps.lock().unwrap_or_else(PoisonError::into_inner).done)
    }
}

impl Drop for Stopwatch {
    fn drop(&mut self) {
        for (pad, id) in self.probes.drain(..) {
            if let (Some(pad), Some(id)) = (pad.upgrade(), id) {
                pad.remove_probe(id);
            }
        }
    }
}

/// Calls back with each buffer's time stamp.
fn probe(
    pad: &gst::Pad,
    call: impl Fn(gst::ClockTime, Instant) + Send + Sync + 'static,
) -> Option<gst::PadProbeId> {
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(gst::PadProbeData::Buffer(buffer)) = &info.data
            && let Some(pts) = buffer.pts()
        {
            call(pts, Instant::now());
        }
        gst::PadProbeReturn::Ok
    })
}

impl MediaPipeline {
    /// Measures how long frames are in the graph from an input of one element to an output of the same or a later one.
    ///
    /// # Errors
    ///
    /// [`AppError::WrongElement`] if one of them is not built or has no such port.
    pub async fn stopwatch(&self, from: &PortRef, to: &PortRef) -> Result<Stopwatch, AppError> {
        let from = self.pad_of(from, Direction::Input).await?;
        let to = self.pad_of(to, Direction::Output).await?;
        Ok(Stopwatch::start(&from, &to))
    }

    async fn pad_of(&self, port: &PortRef, direction: Direction) -> Result<gst::Pad, AppError> {
        let spec = self.spec();
        let descriptor = spec.nodes.get(&port.node).and_then(|node| self.catalog().get(&node.type_name));
        let pad = descriptor.and_then(|d| d.port(direction, &port.port)).map(|p| p.pad.clone());
        let element = self.gst_element(&port.node).await;
        element.zip(pad).and_then(|(element, pad)| element.static_pad(&pad)).ok_or_else(|| {
            AppError::WrongElement { element: port.node.clone(), wanted: "element with such a port" }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_told_by_their_time_stamps() {
        gst::init().unwrap();
        let [from, to] =
            ["from", "to"].map(|name| gst::Pad::builder(gst::PadDirection::Src).name(name).build());
        for pad in [&from, &to] {
            pad.set_active(true).unwrap();
            pad.push_event(gst::event::StreamStart::new("s"));
            pad.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
        }
        let stopwatch = Stopwatch::start(&from, &to);
        let push = |pad: &gst::Pad, ms: u64| {
            let mut buffer = gst::Buffer::new();
            buffer.make_mut().set_pts(gst::ClockTime::from_mseconds(ms));
            // Nothing is linked; the probes have seen it.
            let _ = pad.push(buffer);
        };
        push(&from, 0);
        push(&from, 40);
        push(&to, 40);
        push(&to, 80);
        let laps = stopwatch.take();
        assert_eq!(laps.iter().map(|lap| lap.pts.mseconds()).collect::<Vec<_>>(), [40], "0 is still inside");
        push(&to, 0);
        assert_eq!(stopwatch.take().len(), 1);
        assert_eq!(stopwatch.take(), []);
    }
}
