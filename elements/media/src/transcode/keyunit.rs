//! Requests for key frames on their way up to a producer: merged, so that many consumers that ask at once cost one
//! key frame.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gst::prelude::*;

use super::Transcode;
use super::worker::lock;

/// At most one request per producer in this time.
const WINDOW: Duration = Duration::from_millis(200);

/// The way up to one producer: the sink pad of the tee that it feeds.
#[derive(Debug)]
pub(super) struct Producer {
    sink: gst::Pad,
    requests: Mutex<Requests>,
}

#[derive(Debug, Default)]
struct Requests {
    last: Option<Instant>,
    pending: bool,
}

impl Producer {
    pub(super) fn new(sink: gst::Pad) -> Arc<Self> {
        Arc::new(Self { sink, requests: Mutex::default() })
    }

    /// Asks for a key frame. A request within the window after another is sent at its end, once.
    pub(super) fn ask(self: &Arc<Self>, hub: &Transcode) {
        let wait = {
            let mut requests = lock(&self.requests);
            let now = Instant::now();
            match requests.last.map(|last| now.duration_since(last)) {
                Some(age) if age < WINDOW => {
                    if std::mem::replace(&mut requests.pending, true) {
                        return;
                    }
                    Some(WINDOW - age)
                }
                _ => {
                    requests.last = Some(now);
                    None
                }
            }
        };
        let Some(wait) = wait else { return self.send(hub) };
        let producer = Arc::downgrade(self);
        hub.worker().run_after(hub, wait, move |hub| {
            let Some(producer) = producer.upgrade() else { return };
            {
                let mut requests = lock(&producer.requests);
                requests.pending = false;
                requests.last = Some(Instant::now());
            }
            producer.send(hub);
        });
    }

    /// Somebody waits for a key frame and throws away what comes meanwhile: he says so at each frame, for a request may
    /// have been lost on its way, or a browser may have taken it for a repetition.
    pub(super) fn want(&self, hub: &Transcode) {
        {
            let mut requests = lock(&self.requests);
            let now = Instant::now();
            if requests.pending || requests.last.is_some_and(|last| now.duration_since(last) < WINDOW) {
                return;
            }
            requests.last = Some(now);
        }
        self.send(hub);
    }

    fn send(&self, hub: &Transcode) {
        hub.count(|stats| stats.key_unit_requests += 1);
        let event = gst_video::UpstreamForceKeyUnitEvent::builder().all_headers(true).build();
        // Nobody above may know such requests: then the next key frame comes in its own time.
        let _ = self.sink.push_event(event);
    }
}
