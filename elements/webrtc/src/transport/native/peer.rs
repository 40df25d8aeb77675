//! One peer: str0m's state machine under a lock, and what goes in and out of it.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gst::prelude::*;
use str0m::media::Mid;
use str0m::net::{Protocol, Receive};
use str0m::{Input, Rtc};
use tokio::sync::mpsc::UnboundedSender;

use super::candidates::Candidates;
use super::channels::Channels;
use super::continuity::Continuity;
use super::lock;
use super::negotiate::Session;
use super::receiving::{Push, Receiving};
use super::sending::{Outgoing, Sending};
use super::stats::Stats;
use super::worker::{Port, Shared};
use crate::transport::{PeerState, TransportEvent};

/// Names a peer in its worker.
pub(super) type PeerId = u64;

/// Packets that wait for the worker; more means that it does not keep up.
const EGRESS: usize = 4096;

/// "Not before something happens".
pub(super) const LATER: Duration = Duration::from_secs(3600);

/// A track of the session.
pub(super) struct Track {
    pub mid: Mid,
    pub video: bool,
    /// The numbers of what the peer gets under the track's SSRC, also when sending ends and begins again.
    pub stream: Arc<Mutex<Continuity>>,
    pub sending: Option<Sending>,
    pub receiving: Option<Receiving>,
}

impl Track {
    /// One that neither sends nor receives yet.
    pub fn new(mid: Mid, video: bool) -> Track {
        let stream = Arc::new(Mutex::new(Continuity::new(0)));
        Track { mid, video, stream, sending: None, receiving: None }
    }

    /// Takes its elements out of the bin.
    pub fn remove(&self, bin: &gst::Bin) {
        if let Some(sending) = &self.sending {
            sending.remove(bin);
        }
        if let Some(receiving) = &self.receiving {
            receiving.remove(bin);
        }
    }
}

/// A peer.
pub(super) struct Peer {
    pub id: PeerId,
    shared: Arc<Shared>,
    core: Mutex<Core>,
    egress: Mutex<Vec<Outgoing>>,
    connected: Arc<AtomicBool>,
}

/// What is done when no lock is held.
pub(super) enum Action {
    Push(Push),
    ForceKeyUnit(gst::Pad),
    Delay(gst::Element, Duration),
    Wait(gst::Element, Duration),
}

/// What the lock protects.
pub(super) struct Core {
    pub id: PeerId,
    pub rtc: Rtc,
    pub shared: Arc<Shared>,
    pub ports: Vec<Arc<Port>>,
    pub events: UnboundedSender<TransportEvent>,
    pub tracks: Vec<Track>,
    pub channels: Channels,
    pub candidates: Candidates,
    pub session: Session,
    pub stats: Stats,
    /// Least time that received packets wait for missing ones.
    pub jitter: Duration,
    pub(super) wait: Duration,
    pub(super) state: PeerState,
    pub(super) connected: Arc<AtomicBool>,
    /// Since when a connection is tried for.
    pub(super) trying: Option<Instant>,
    pub(super) heard: Instant,
    pub(super) expected: HashSet<SocketAddr>,
    pub(super) pair: Option<(SocketAddr, SocketAddr)>,
    pub(super) transport_estimates: bool,
    pub(super) due: Instant,
    pub(super) actions: Vec<Action>,
    pub(super) over: bool,
}

impl Peer {
    pub fn new(
        id: PeerId,
        shared: Arc<Shared>,
        rtc: Rtc,
        events: UnboundedSender<TransportEvent>,
        candidates: Candidates,
        jitter: Duration,
    ) -> Arc<Peer> {
        let connected = Arc::new(AtomicBool::new(false));
        let now = Instant::now();
        let core = Core {
            id,
            rtc,
            shared: shared.clone(),
            ports: Vec::new(),
            events,
            tracks: Vec::new(),
            channels: Channels::default(),
            candidates,
            session: Session::default(),
            stats: Stats::default(),
            jitter,
            wait: jitter,
            state: PeerState::New,
            connected: connected.clone(),
            trying: None,
            heard: now,
            expected: HashSet::new(),
            pair: None,
            transport_estimates: false,
            due: now + LATER,
            actions: Vec::new(),
            over: false,
        };
        Arc::new(Peer { id, shared, core: Mutex::new(core), egress: Mutex::default(), connected })
    }

    /// Whether media can be sent.
    pub fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    /// Does something with the peer, sends what comes of it, and has the worker look after the rest. `None`: the peer
    /// is over. A bug in str0m ends this peer and no other.
    pub fn with<R>(&self, act: impl FnOnce(&mut Core) -> R) -> Option<R> {
        let result = self.guarded(|core| {
            let result = act(core);
            core.pump(Instant::now());
            result
        });
        self.shared.touch(self.id);
        result
    }

    fn guarded<R>(&self, act: impl FnOnce(&mut Core) -> R) -> Option<R> {
        let mut core = lock(&self.core);
        if core.over {
            return None;
        }
        match catch_unwind(AssertUnwindSafe(|| act(&mut core))) {
            Ok(result) => Some(result),
            Err(_) => {
                tracing::error!(peer = self.id, "the peer's state is broken; it is given up");
                core.finish(PeerState::Failed);
                None
            }
        }
    }

    /// Packets of a track; the worker is woken for whole frames.
    pub fn send(&self, packets: Vec<Outgoing>, video: bool) {
        let Some(complete) = packets.last().map(|last| !video || last.marker()) else { return };
        let waiting = {
            let mut egress = lock(&self.egress);
            egress.extend(packets);
            if egress.len() > EGRESS {
                let surplus = egress.len() - EGRESS;
                egress.drain(..surplus);
            }
            egress.len()
        };
        if complete || waiting >= 32 {
            self.shared.touch(self.id);
        }
    }

    /// Asks the peer for a key frame of one track or all.
    pub fn request_key_frame(&self, mid: Option<Mid>) {
        self.with(|core| core.request_key_frame(mid));
    }

    /// The worker: a datagram came. Whether it is this peer's.
    pub fn receive(&self, local: SocketAddr, remote: SocketAddr, datagram: &[u8]) -> bool {
        let accepted = self.guarded(|core| {
            let now = Instant::now();
            if core.candidates.answered(&mut core.rtc, local, datagram, &core.events) {
                core.pump(now);
                return false;
            }
            let Ok(receive) = Receive::new(Protocol::Udp, remote, local, datagram) else { return false };
            let input = Input::Receive(now, receive);
            if !core.rtc.accepts(&input) {
                return false;
            }
            core.heard = now;
            let result = core.rtc.handle_input(input);
            core.check(result);
            core.pump(now);
            true
        });
        accepted.unwrap_or(false)
    }

    /// The worker: it is time, or there is something to send.
    pub fn tick(&self, now: Instant) {
        let packets = std::mem::take(&mut *lock(&self.egress));
        self.guarded(|core| {
            for packet in packets {
                let mid = packet.mid();
                if let Some(stream) = core.rtc.direct_api().stream_tx_by_mid(mid, None) {
                    stream.write_rtp(packet.write());
                }
            }
            let result = core.rtc.handle_input(Input::Timeout(now));
            core.check(result);
            core.pump(now);
            core.look_after(now);
        });
    }

    /// The worker, once a round: what was collected goes on; returns when to call again.
    pub fn flush(&self) -> Instant {
        let (actions, due) = {
            let mut core = lock(&self.core);
            let wait = core.wait;
            let mut actions = Vec::new();
            for receiving in core.tracks.iter_mut().filter_map(|track| track.receiving.as_mut()) {
                let Some((begins, push)) = receiving.collect(wait) else { continue };
                actions.extend(begins.map(|wait| Action::Wait(receiving.buffer().clone(), wait)));
                actions.push(Action::Push(push));
            }
            actions.append(&mut core.actions);
            (actions, core.due)
        };
        for action in actions {
            match action {
                Action::Push(push) => push.perform(),
                Action::ForceKeyUnit(pad) => {
                    let event = gst_video::UpstreamForceKeyUnitEvent::builder().all_headers(true).build();
                    // Nobody upstream need be able to do it.
                    let _ = pad.push_event(event);
                }
                Action::Delay(buffer, delay) => {
                    buffer.set_property("ts-offset", i64::try_from(delay.as_nanos()).unwrap_or(0));
                }
                Action::Wait(buffer, wait) => {
                    buffer.set_property("latency", u32::try_from(wait.as_millis()).unwrap_or(u32::MAX));
                }
            }
        }
        due
    }

    /// Gives up the sockets and the tracks; their elements are for the caller to remove.
    pub fn forget(&self) -> Vec<Track> {
        let mut core = lock(&self.core);
        core.ports.clear();
        core.actions.clear();
        std::mem::take(&mut core.tracks)
    }

    /// The worker cannot go on.
    pub fn end(&self) {
        self.guarded(|core| core.finish(PeerState::Failed));
    }
}
