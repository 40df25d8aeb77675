//! Requests for key frames: merged, so that many that come at once cost one key frame.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gst::prelude::*;

/// At most one request per source in this time. Chromium does not hear one that comes within 300 ms after another.
const WINDOW: Duration = Duration::from_millis(320);

/// The requests for one source.
#[derive(Debug, Default)]
pub struct Requests {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    pending: bool,
    passed: u64,
}

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Pass,
    /// It goes when this time is over.
    Later(Duration),
    /// One that waits already does for it.
    Merged,
}

impl Requests {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn judge(&self, now: Instant) -> Verdict {
        let mut state = self.state();
        match state.last.map(|last| now.saturating_duration_since(last)) {
            Some(age) if age < WINDOW => {
                if std::mem::replace(&mut state.pending, true) {
                    Verdict::Merged
                } else {
                    Verdict::Later(WINDOW - age)
                }
            }
            _ => {
                state.last = Some(now);
                state.pending = false;
                state.passed += 1;
                Verdict::Pass
            }
        }
    }

    /// How many requests went through.
    pub fn passed(&self) -> u64 {
        self.state().passed
    }

    /// A key frame came: it does for every request before it.
    pub fn served(&self) {
        self.state().pending = false;
    }

    /// The window is over. `true`: somebody still waits for a key frame.
    fn reopen(&self) -> bool {
        let mut state = self.state();
        let waits = std::mem::replace(&mut state.pending, false);
        if waits {
            state.last = None;
        }
        waits
    }
}

/// Runs something after a while, on a thread that may push events.
pub type Later = fn(Duration, Box<dyn FnOnce() + Send>);

/// Merges the requests that go up through a pad. One that has to wait goes out by `later`.
pub fn merge(pad: &impl IsA<gst::Pad>, requests: &Arc<Requests>, later: Later) {
    let requests = requests.clone();
    pad.as_ref().add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |pad, info| {
        let Some(gst::PadProbeData::Event(event)) = &info.data else { return gst::PadProbeReturn::Ok };
        if !gst_video::ForceKeyUnitEvent::is(event) {
            return gst::PadProbeReturn::Ok;
        }
        match requests.judge(Instant::now()) {
            Verdict::Pass => gst::PadProbeReturn::Ok,
            Verdict::Merged => gst::PadProbeReturn::Handled,
            Verdict::Later(wait) => {
                let (pad, requests) = (pad.downgrade(), requests.clone());
                let again = move || {
                    if requests.reopen()
                        && let Some(pad) = pad.upgrade()
                    {
                        ask(&pad);
                    }
                };
                later(wait, Box::new(again));
                gst::PadProbeReturn::Handled
            }
        }
    });
}

/// Asks whoever feeds a pad for a key frame.
pub fn ask(pad: &gst::Pad) {
    let event = gst_video::UpstreamForceKeyUnitEvent::builder().all_headers(true).build();
    // Nobody above may know such requests: then the next key frame comes in its own time.
    let _ = match pad.direction() {
        gst::PadDirection::Sink => pad.push_event(event),
        _ => pad.send_event(event),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_one_request_and_one_more_at_its_end() {
        let requests = Requests::default();
        let start = Instant::now();
        assert_eq!(requests.judge(start), Verdict::Pass);
        let verdict = requests.judge(start + Duration::from_millis(100));
        assert_eq!(verdict, Verdict::Later(Duration::from_millis(220)));
        assert_eq!(requests.judge(start + Duration::from_millis(150)), Verdict::Merged);
        assert!(requests.reopen());
        assert_eq!(requests.judge(start + WINDOW), Verdict::Pass);
        assert!(matches!(requests.judge(start + WINDOW + Duration::from_millis(1)), Verdict::Later(_)));
        assert_eq!(requests.passed(), 2);
    }

    #[test]
    fn a_key_frame_does_for_the_requests_before_it() {
        let requests = Requests::default();
        let start = Instant::now();
        assert_eq!(requests.judge(start), Verdict::Pass);
        assert!(matches!(requests.judge(start + Duration::from_millis(10)), Verdict::Later(_)));
        requests.served();
        assert!(!requests.reopen());
        assert_eq!(requests.passed(), 1);
    }
}
