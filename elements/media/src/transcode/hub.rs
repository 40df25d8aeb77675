//! What the other parts of the hub need of the element.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use anabranch_graph::plan::Pace;
use anabranch_kit::machine::GstCapabilities;
use anabranch_kit::message;
use gst::prelude::*;
use gst::subclass::prelude::*;
use serde_json::json;

use super::branch::hold_early;
use super::keyunit::Producer;
use super::report::{Duty, Stats};
use super::worker::{Worker, lock};
use super::{BitratePolicy, Transcode, TranscodePad};

impl Transcode {
    pub(super) fn worker(&self) -> &Worker {
        &self.imp().worker
    }

    /// Looks again at how a consumer is served.
    pub(super) fn reconsider(&self, pad: &TranscodePad) {
        if !pad.is_linked() {
            return;
        }
        let pad = pad.clone();
        self.worker()
            .run(self, move |hub| hub.imp().with_topology(|topology| topology.reconsider(hub, &pad)));
    }

    pub(super) fn is_running(&self) -> bool {
        self.imp().running.load(Relaxed)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.imp().ended.load(Relaxed)
    }

    pub(super) fn machine(&self) -> GstCapabilities {
        GstCapabilities::with_cpus(lock(&self.imp().settings).cpus as usize)
    }

    pub(super) fn pace(&self) -> Pace {
        if lock(&self.imp().settings).live { Pace::Realtime } else { Pace::Fastest }
    }

    pub(super) fn bitrate_policy(&self) -> BitratePolicy {
        lock(&self.imp().settings).policy
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Stats)) {
        change(&mut lock(&self.imp().stats));
    }

    pub(super) fn set_duties(&self, mut duties: Vec<Duty>) {
        let mut known = lock(&self.imp().duties);
        for duty in &mut duties {
            duty.failed = known.iter().any(|old| old.chain == duty.chain && old.failed);
        }
        *known = duties;
    }

    /// A chain failed without a message of its own.
    pub(super) fn chain_failed(&self, chain: &str, why: &str) {
        let duty = {
            let mut duties = lock(&self.imp().duties);
            let Some(duty) = duties.iter_mut().find(|duty| duty.chain == chain && !duty.failed) else {
                return;
            };
            duty.failed = true;
            duty.clone()
        };
        let (domain, text) = duty.failure(why);
        gst::element_error!(self, domain, ("{text}"));
    }

    pub(super) fn source_tee(&self) -> gst::Element {
        self.imp().tee.clone()
    }

    pub(super) fn source_producer(&self) -> Arc<Producer> {
        self.imp().producer.clone()
    }

    pub(super) fn stream_start(&self) -> Option<gst::Event> {
        Some(self.imp().sink.sticky_event::<gst::event::StreamStart>(0)?.into())
    }

    /// Adds a tee of the hub's own.
    pub(super) fn insert_tee(&self, name: &str) -> Result<gst::Element, glib::BoolError> {
        let tee = gst::ElementFactory::make("tee").name(name).property("allow-not-linked", true).build()?;
        if let Some(sink) = tee.static_pad("sink") {
            super::answer_caps_queries(&sink, |filter| filter.cloned().unwrap_or_else(gst::Caps::new_any));
            hold_early(&sink);
        }
        self.add(&tee)?;
        if let Err(error) = tee.sync_state_with_parent() {
            self.remove_tee(&tee);
            return Err(error);
        }
        Ok(tee)
    }

    pub(super) fn remove_tee(&self, tee: &gst::Element) {
        tee.set_locked_state(true);
        // A tee cannot fail to stop, and it is a child of this bin.
        let _ = tee.set_state(gst::State::Null);
        let _ = self.remove(tee);
    }

    pub(super) fn frames_dropped(&self, count: u64, encoder: &str) {
        let reason = format!("the {encoder} encoder is too slow for real time");
        message::post(self, "frames-dropped", json!({"count": count, "reason": reason}));
    }

    /// A consumer cannot be served. It is told by an end of stream, the application by a message; if there are no
    /// `others`, the hub has nothing to do and fails.
    pub(super) fn not_served(&self, pad: &TranscodePad, reason: &str, others: bool) {
        let consumer = pad.consumer_name();
        message::post(self, "not-served", json!({"consumer": consumer, "reason": reason}));
        if !others {
            gst::element_error!(
                self,
                gst::StreamError::CodecNotFound,
                ("{consumer} cannot be served: {reason}")
            );
        }
    }
}
