//! New branches of a tee through which media flow already.
//!
//! A tee gives a new pad the sticky events that its sink pad holds. But a sink pad holds an event only after the tee has
//! passed it on: a pad that is asked for in between misses it for good, and what hangs on it gets buffers without caps.
//! Here the sink pad holds each event before it is passed on, and a new pad is given again what it may have missed.

use gst::prelude::*;

/// Without these three no buffer can be understood.
fn is_needed(event: &gst::EventRef) -> bool {
    use gst::EventType::{Caps, Segment, StreamStart};
    matches!(event.type_(), StreamStart | Caps | Segment)
}

/// Lets a tee's sink pad hold events from the moment at which they come. To be called once, before anything flows.
pub(super) fn hold_early(sink: &gst::Pad) {
    sink.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |pad, info| {
        if let Some(event) = info.event().filter(|event| is_needed(event)) {
            // A pad that is flushing, or at its end, refuses the event as well a moment later.
            let _ = pad.store_sticky_event(event);
        }
        gst::PadProbeReturn::Ok
    });
}

/// A new pad of a tee, which misses nothing of what the tee has been told. Its sink pad holds events early.
pub(super) fn branch(tee: &gst::Element) -> Option<gst::Pad> {
    let pad = tee.request_pad_simple("src_%u")?;
    let sink = tee.static_pad("sink")?;
    // An event that came meanwhile may have been overwritten here by the one before it: so until both agree. The pad is
    // not linked yet, so nobody sees the old one.
    while catch_up(&sink, &pad) {}
    Some(pad)
}

/// Gives a pad what the sink pad holds; false if it had all of it.
fn catch_up(sink: &gst::Pad, pad: &gst::Pad) -> bool {
    let has = held(pad);
    let missing: Vec<gst::Event> = held(sink)
        .into_iter()
        .filter(|event| !has.iter().any(|other| std::ptr::eq(other.as_ptr(), event.as_ptr())))
        .collect();
    // A pad that takes no more events is being stopped.
    let stored = missing.iter().filter(|event| pad.store_sticky_event(event).is_ok());
    stored.count() > 0
}

fn held(pad: &gst::Pad) -> Vec<gst::Event> {
    let mut events = Vec::new();
    pad.sticky_events_foreach(|event| {
        if is_needed(event) {
            events.push(event.clone());
        }
        std::ops::ControlFlow::Continue(gst::EventForeachAction::Keep)
    });
    events
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use super::*;

    fn caps(width: i32) -> gst::Event {
        gst::event::Caps::new(&gst::Caps::builder("video/x-raw").field("width", width).build())
    }

    /// Pads are asked for while events come as fast as they can: each ends up with the newest.
    #[test]
    fn a_pad_that_is_asked_for_while_events_come_misses_none() {
        gst::init().unwrap();
        for _ in 0..200 {
            let tee = gst::ElementFactory::make("tee").property("allow-not-linked", true).build().unwrap();
            let sink = tee.static_pad("sink").unwrap();
            hold_early(&sink);
            tee.set_state(gst::State::Playing).unwrap();
            sink.send_event(gst::event::StreamStart::new("test"));
            let going = Arc::new(AtomicBool::new(true));
            let (feeder, goes) = (sink.clone(), going.clone());
            let source = std::thread::spawn(move || {
                for width in 1..=300 {
                    feeder.send_event(caps(width));
                    if width % 50 == 0 {
                        std::thread::yield_now();
                    }
                }
                goes.store(false, Relaxed);
            });
            let mut pads = Vec::new();
            while going.load(Relaxed) && pads.len() < 30 {
                pads.extend(branch(&tee));
            }
            source.join().unwrap();
            for pad in pads {
                let width = pad.current_caps().and_then(|caps| caps.structure(0)?.get::<i32>("width").ok());
                assert_eq!(width, Some(300));
            }
            tee.set_state(gst::State::Null).unwrap();
        }
    }
}
