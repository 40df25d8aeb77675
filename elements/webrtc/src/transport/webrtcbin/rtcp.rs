//! How webrtcbin's RTP sessions are set up, and what is heard on them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anabranch_graph::format::Medium;
use gst::prelude::*;
use tokio::sync::mpsc;

use super::super::TransportEvent;
use super::estimate::{Estimator, Feedback};
use super::remb;
use crate::options::patience;

/// Between two regular reports. The default of five seconds holds back requests for key frames as long, and feedback
/// about what has come, from which a browser learns how much it may send.
const REPORTS: Duration = Duration::from_millis(100);

/// What a session may carry, bytes per second; a twentieth of it may be RTCP.
const BANDWIDTH: f64 = 1_000_000.0;

/// The least time between two looks at the feedback.
const LOOK: Duration = Duration::from_millis(200);

/// Sets up sessions and jitter buffers as they are made.
pub(super) fn tune(element: &gst::Element) {
    let rtpbin = element.downcast_ref::<gst::Bin>().and_then(|bin| bin.by_name("rtpbin"));
    let Some(rtpbin) = rtpbin.and_then(|e| e.downcast::<gst::Bin>().ok()) else { return };
    rtpbin.connect_element_added(|_, element| {
        if element.has_property("rtcp-min-interval") && element.has_property("bandwidth") {
            element.set_property("rtcp-min-interval", REPORTS.as_nanos() as u64);
            element.set_property("bandwidth", BANDWIDTH);
        }
    });
    // In-order packets go through at once, the very first too; only what is missing is waited for, and nothing is asked
    // for again merely because it is late: senders spread the packets of a picture over time.
    rtpbin.connect("new-jitterbuffer", false, |values| {
        let buffer = values.get(1)?.get::<gst::Element>().ok()?;
        if buffer.has_property("faststart-min-packets") {
            buffer.set_property("faststart-min-packets", 1u32);
        }
        if buffer.has_property("rtx-next-seqnum") {
            buffer.set_property("rtx-next-seqnum", false);
        }
        wait_less_for_sound(&buffer);
        None
    });
}

/// Sets how long a jitter buffer waits, once it is known what goes through it.
fn wait_less_for_sound(buffer: &gst::Element) {
    let Some(pad) = buffer.static_pad("src") else { return };
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |pad, info| {
        let caps = info.event().and_then(|event| match event.view() {
            gst::EventView::Caps(caps) => Some(caps.caps_owned()),
            _ => None,
        });
        if caps.is_some_and(|caps| carries_sound(&caps))
            && let Some(buffer) = pad.parent_element()
        {
            // Not on its own streaming thread, where it may hold its lock.
            buffer.call_async(|buffer| shorten(buffer, buffer.property("latency")));
        }
        gst::PadProbeReturn::Ok
    });
}

fn carries_sound(caps: &gst::CapsRef) -> bool {
    caps.structure(0).is_some_and(|s| s.get::<&str>("media") == Ok(Medium::Audio.name()))
}

fn shorten(buffer: &gst::Element, milliseconds: u32) {
    let wait = patience(Medium::Audio, Duration::from_millis(milliseconds.into()));
    buffer.set_property("latency", u32::try_from(wait.as_millis()).unwrap_or(u32::MAX));
}

/// Changes how long missing packets are waited for.
pub(super) fn set_jitter(element: &gst::Element, milliseconds: u32) {
    element.set_property("latency", milliseconds);
    let Some(bin) = element.downcast_ref::<gst::Bin>() else { return };
    for buffer in bin.iterate_all_by_element_factory_name("rtpjitterbuffer").into_iter().flatten() {
        let caps = buffer.static_pad("src").and_then(|pad| pad.current_caps());
        if caps.is_some_and(|caps| carries_sound(&caps)) {
            shorten(&buffer, milliseconds);
        }
    }
}

/// Tells estimates of what may be sent, from whatever feedback comes on a session. `false`: there is no such session
/// yet.
pub(super) fn watch(
    element: &gst::Element,
    session: u32,
    events: &mpsc::UnboundedSender<TransportEvent>,
) -> bool {
    let rtpbin = element.downcast_ref::<gst::Bin>().and_then(|bin| bin.by_name("rtpbin"));
    let Some(rtpbin) = rtpbin else { return false };
    let inner = rtpbin.emit_by_name::<Option<glib::Object>>("get-internal-session", &[&session]);
    let outer = rtpbin.emit_by_name::<Option<gst::Element>>("get-session", &[&session]);
    let (Some(inner), Some(outer)) = (inner, outer) else { return false };
    remb::watch(&inner, events);
    // The element has the statistics, the session inside it only counts.
    if !outer.has_property("twcc-stats") {
        return true;
    }
    let (events, state) = (events.clone(), Arc::new(Mutex::new((Estimator::default(), None::<Instant>))));
    outer.connect_notify(Some("twcc-stats"), move |session, _| {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if state.1.is_some_and(|last| now.duration_since(last) < LOOK) {
            return;
        }
        state.1 = Some(now);
        let Some(stats) = session.property::<Option<gst::Structure>>("twcc-stats") else { return };
        let number = |name: &str| stats.get::<u32>(name).map(u64::from).unwrap_or_default();
        let feedback = Feedback {
            sent: number("bitrate-sent"),
            received: number("bitrate-recv"),
            loss: stats.get::<f64>("packet-loss-pct").unwrap_or_default() / 100.0,
            // The least number of all means that there is none.
            gradient: stats.get("avg-delta-of-delta").ok().filter(|g| *g != i64::MIN).unwrap_or_default(),
        };
        let bits_per_second = state.0.came(&feedback);
        let _ = events.send(TransportEvent::Estimate { bits_per_second });
    });
    true
}
