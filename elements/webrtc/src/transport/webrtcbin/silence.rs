//! Notices that a peer is gone. libnice takes three quarters of a minute; whoever exchanges media also sends reports,
//! every five seconds at the least.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use gst::prelude::*;
use tokio::sync::mpsc;

use super::super::{PeerState, TransportEvent};
use anabranch_kit::endpoint::runtime;

/// So long a silence is worth a word.
const QUIET: Duration = Duration::from_secs(7);

/// After so long a silence nobody comes back.
const GONE: Duration = Duration::from_secs(20);

/// How often is looked.
const LOOK: Duration = Duration::from_secs(1);

/// When something was last heard of a peer.
#[derive(Debug)]
pub(super) struct Silence {
    start: Instant,
    /// Milliseconds after the start; 0: nothing yet.
    heard: AtomicU64,
    /// Media are exchanged, so there is something to hear.
    expected: AtomicBool,
}

/// What a silence of some length means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    There,
    Quiet,
    Gone,
}

fn meaning(silence: Duration) -> Meaning {
    match silence {
        s if s >= GONE => Meaning::Gone,
        s if s >= QUIET => Meaning::Quiet,
        _ => Meaning::There,
    }
}

impl Silence {
    /// Listens to what comes in over the network, until the one that is returned is dropped.
    pub fn watch(element: &gst::Element, events: &mpsc::UnboundedSender<TransportEvent>) -> Arc<Self> {
        let silence = Arc::new(Silence {
            start: Instant::now(),
            heard: AtomicU64::new(0),
            expected: AtomicBool::new(false),
        });
        let weak = Arc::downgrade(&silence);
        if let Some(bin) = element.downcast_ref::<gst::Bin>() {
            bin.connect_deep_element_added(move |_, _, element| listen(element, &weak));
        }
        runtime::spawn(look(Arc::downgrade(&silence), events.clone()));
        silence
    }

    /// Whether media are exchanged.
    pub fn expect(&self, expected: bool) {
        self.hear();
        self.expected.store(expected, Ordering::Relaxed);
    }

    fn hear(&self) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heard.store(now.max(1), Ordering::Relaxed);
    }

    /// How long nothing was heard; `None` while nothing is to be expected.
    fn lasts(&self) -> Option<Duration> {
        let heard = self.heard.load(Ordering::Relaxed);
        if heard == 0 || !self.expected.load(Ordering::Relaxed) {
            return None;
        }
        Some(self.start.elapsed().saturating_sub(Duration::from_millis(heard)))
    }
}

fn listen(element: &gst::Element, silence: &Weak<Silence>) {
    if element.factory().is_none_or(|f| f.name() != "nicesrc") {
        return;
    }
    let (Some(pad), weak) = (element.static_pad("src"), silence.clone()) else { return };
    pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, move |_, _| {
        if let Some(silence) = weak.upgrade() {
            silence.hear();
        }
        gst::PadProbeReturn::Ok
    });
}

async fn look(silence: Weak<Silence>, events: mpsc::UnboundedSender<TransportEvent>) {
    let mut last = Meaning::There;
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(silence) = silence.upgrade() else { return };
        let now = silence.lasts().map_or(Meaning::There, meaning);
        if now == last {
            continue;
        }
        last = now;
        let state = match now {
            Meaning::There => PeerState::Connected,
            Meaning::Quiet => PeerState::Disconnected,
            Meaning::Gone => PeerState::Failed,
        };
        if events.send(TransportEvent::PeerState(state)).is_err() || now == Meaning::Gone {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_means_more_the_longer_it_lasts() {
        assert_eq!(meaning(Duration::from_secs(6)), Meaning::There);
        assert_eq!(meaning(Duration::from_secs(8)), Meaning::Quiet);
        assert_eq!(meaning(Duration::from_secs(21)), Meaning::Gone);
    }

    #[test]
    fn nothing_is_expected_before_media_are_exchanged() {
        let silence =
            Silence { start: Instant::now(), heard: AtomicU64::new(0), expected: AtomicBool::new(false) };
        assert_eq!(silence.lasts(), None);
        silence.hear();
        assert_eq!(silence.lasts(), None);
        silence.expect(true);
        assert!(silence.lasts().is_some_and(|s| s < QUIET));
    }
}
