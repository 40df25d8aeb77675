//! The end of what filters give when nobody takes it: GStreamer says that a pipeline has ended when all its sinks have, and
//! a domain whose filters feed nobody has none.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};

use gst::prelude::*;

/// The outputs of a domain's filters.
#[derive(Clone, Default)]
pub(super) struct Tails(Arc<Mutex<Vec<Tail>>>);

struct Tail {
    /// Gone with its element.
    pad: glib::WeakRef<gst::Pad>,
    /// Whether something flows: a stream has begun and not ended.
    open: Arc<AtomicBool>,
}

impl Tails {
    /// Watches an output of a filter in `pipeline`.
    pub fn watch(&self, pipeline: &gst::Pipeline, pad: &gst::Pad) {
        let open = Arc::new(AtomicBool::new(false));
        let (tails, weak) = (self.clone(), pipeline.downgrade());
        self.change(|all| {
            all.retain(|tail| tail.pad.upgrade().is_some());
            all.push(Tail { pad: pad.downgrade(), open: open.clone() });
        });
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            match info.event().map(|event| event.type_()) {
                Some(gst::EventType::StreamStart) => open.store(true, SeqCst),
                Some(gst::EventType::Eos) if open.swap(false, SeqCst) => {
                    if let Some(pipeline) = weak.upgrade() {
                        tails.ended(&pipeline);
                    }
                }
                _ => {}
            }
            gst::PadProbeReturn::Ok
        });
    }

    /// One of them has ended: if all have, and there is no sink that will say so, the pipeline has.
    fn ended(&self, pipeline: &gst::Pipeline) {
        let over =
            self.change(|all| all.iter().all(|tail| tail.pad.upgrade().is_none() || !tail.open.load(SeqCst)));
        if over
            && pipeline.iterate_sinks().into_iter().next().is_none()
            && let Some(bus) = pipeline.bus()
        {
            // A bus that is flushing belongs to a pipeline that is being stopped.
            let _ = bus.post(gst::message::Eos::builder().src(pipeline).build());
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Vec<Tail>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
