//! The seam's side of the native transport.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use anabranch_graph::format::Medium;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;

use super::candidates::Candidates;
use super::config;
use super::layers::Layers;
use super::negotiate::Agreed;
use super::net::SocketOptions;
use super::peer::{Core, Peer, PeerId, Track};
use super::receiving::Receiving;
use super::sending::Sending;
use super::stats;
use super::stun::Question;
use super::worker::Worker;
use crate::options::Options;
use crate::transport::{
    Candidate, ChannelOptions, OfferOptions, PeerState, Transport, TransportContext, TransportEvent,
};
use anabranch_kit::endpoint::EndpointError;

/// Carries the packets of one peer by str0m.
pub(crate) struct NativeTransport {
    context: TransportContext,
    peer: Arc<Peer>,
    /// `None` after the end.
    worker: Option<Arc<Worker>>,
    /// What the endpoint was told of each track.
    told: Vec<Told>,
    layer: Option<String>,
}

#[derive(Debug)]
struct Told {
    mid: str0m::media::Mid,
    sends: Option<bool>,
    receives: Option<bool>,
}

static NEXT: AtomicU64 = AtomicU64::new(1);

fn over() -> EndpointError {
    EndpointError::conflict("peer-over", "The connection with this peer has ended.")
}

/// Packets that are kept to be sent again, and for how long. str0m keeps them for three seconds: when the rate of a line
/// falls, resending what it has lost since fills it for longer than that, and nothing new arrives.
const KEPT: (usize, Duration) = (1024, Duration::from_secs(1));

/// The most of what is sent that may be sent again.
const RESENT: f32 = 0.3;

impl NativeTransport {
    /// A transport for a new peer.
    ///
    /// # Errors
    ///
    /// There is no thread for it.
    pub(crate) fn new(context: TransportContext) -> Result<Self, EndpointError> {
        let options = &context.options;
        let worker = Worker::join(&SocketOptions::new(options)).map_err(|error| {
            EndpointError::failed(format!("The thread for WebRTC packets could not be started: {error}."))
        })?;
        let id: PeerId = NEXT.fetch_add(1, Ordering::Relaxed);
        let jitter = Duration::from_millis(u64::from(options.jitter_ms));
        let rtc = config::rtc(options);
        let peer = Peer::new(
            id,
            worker.shared().clone(),
            rtc,
            context.events.clone(),
            Candidates::default(),
            jitter,
        );
        worker.add(peer.clone());
        let layer = Some(options.layer.clone()).filter(|layer| !layer.is_empty());
        Ok(NativeTransport { context, peer, worker: Some(worker), told: Vec::new(), layer })
    }

    /// Our ICE user fragment.
    #[cfg(test)]
    pub(super) fn local_ufrag(&self) -> String {
        self.peer.with(|core| core.candidates.ufrag.clone()).unwrap_or_default()
    }

    /// What a bug in the state machine does.
    #[cfg(test)]
    pub(super) fn fail_for_a_test(&self) {
        self.peer.with(|_| panic!("a bug, for a test"));
    }

    fn with<R>(&self, act: impl FnOnce(&mut Core) -> Result<R, EndpointError>) -> Result<R, EndpointError> {
        self.peer.with(act).unwrap_or_else(|| Err(over()))
    }

    /// The peer gets its sockets when it is clear who offers.
    fn open_ports(&mut self, offering: bool) -> Result<(), EndpointError> {
        if !self.with(|core| Ok(core.candidates.is_empty()))? {
            return Ok(());
        }
        let worker = self.worker.as_ref().ok_or_else(over)?;
        let ports = if offering { worker.offering(self.peer.id) } else { worker.answering() };
        let ports = ports.map_err(|error| {
            EndpointError::failed(format!("No UDP socket could be opened for the peer: {error}."))
        })?;
        let announced = self.context.options.announced();
        let bases: Vec<SocketAddr> = ports.iter().map(|port| port.local).collect();
        self.with(|core| {
            core.candidates.add_ports(&mut core.rtc, &ports, &announced);
            core.ports = ports;
            Ok(())
        })?;
        self.ask_stun(bases);
        Ok(())
    }

    /// Asks the STUN server how it sees each socket.
    fn ask_stun(&self, bases: Vec<SocketAddr>) {
        let options = &self.context.options;
        let server = options.stun_server.trim_start_matches("stun:").to_owned();
        if server.is_empty() || options.ice_lite {
            return;
        }
        let server = if server.contains(':') { server } else { format!("{server}:3478") };
        if let Ok(address) = server.parse::<SocketAddr>() {
            ask(&self.peer, address, &bases);
            return;
        }
        // Names are looked up elsewhere: it can take seconds.
        let peer = Arc::downgrade(&self.peer);
        let looked_up = std::thread::Builder::new().name("webrtc-stun-name".to_owned()).spawn(move || {
            match server.to_socket_addrs() {
                Ok(addresses) => {
                    let addresses: Vec<SocketAddr> = addresses.collect();
                    if let Some(peer) = peer.upgrade() {
                        for wanted in [true, false] {
                            let family = addresses.iter().find(|address| address.is_ipv4() == wanted);
                            if let Some(address) = family {
                                ask(&peer, *address, &bases);
                            }
                        }
                    }
                }
                Err(error) => tracing::warn!(server, %error, "the STUN server's name is not known"),
            }
        });
        if let Err(error) = looked_up {
            tracing::warn!(%error, "the STUN server's name cannot be looked up");
        }
    }

    /// Makes and removes the elements of tracks, and tells the endpoint.
    fn apply(&mut self, agreed: Vec<Agreed>) -> Result<(), EndpointError> {
        for track in agreed {
            let Agreed { mid, medium, direction, .. } = track;
            let place = match self.told.iter().position(|told| told.mid == mid) {
                Some(place) => place,
                None => {
                    self.told.push(Told { mid, sends: None, receives: None });
                    self.told.len() - 1
                }
            };
            let (sends, receives) = (direction.sends(), direction.receives());
            self.apply_sending(&track, sends, place)?;
            self.apply_receiving(&track, receives, place)?;
            let name = mid.to_string();
            let told = &mut self.told[place];
            if !sends && told.sends.replace(false) != Some(false) {
                self.peer.with(|core| core.tell(TransportEvent::SendsNot { mid: name.clone(), medium }));
            }
            if !receives && told.receives.replace(false) != Some(false) {
                self.peer.with(|core| core.tell(TransportEvent::ReceivesNot { mid: name, medium }));
            }
        }
        Ok(())
    }

    fn apply_sending(&mut self, agreed: &Agreed, sends: bool, place: usize) -> Result<(), EndpointError> {
        let (mid, medium, video) = (agreed.mid, agreed.medium, agreed.medium == Medium::Video);
        let wanted = agreed.payload.clone().filter(|_| sends);
        let (same, old, stream) = self.with(|core| {
            let track = track(core, mid, video);
            let same = track.sending.as_ref().map(|sending| (Some(&sending.payload), sending.ssrc))
                == Some((wanted.as_ref(), agreed.ssrc));
            let old = if same { None } else { track.sending.take() };
            Ok((same, old, track.stream.clone()))
        })?;
        if let Some(old) = old {
            old.remove(&self.context.bin);
        }
        let Some(payload) = wanted.filter(|_| !same) else { return Ok(()) };
        let (Some(format), bin) = (payload.format(), &self.context.bin) else { return Ok(()) };
        let caps = config::caps(&payload, medium, agreed.ssrc);
        let peer = Arc::downgrade(&self.peer);
        let sending = Sending::build(bin, peer, mid, payload, agreed.ssrc, video, stream)?;
        let pad = sending.pad.clone();
        self.with(|core| {
            track(core, mid, video).sending = Some(sending);
            if let Some(stream) = core.rtc.direct_api().stream_tx_by_mid(mid, None).filter(|_| video) {
                stream.set_rtx_cache(KEPT.0, KEPT.1, Some(RESENT));
            }
            core.tell(TransportEvent::Sends { mid: mid.to_string(), format, caps, pad });
            Ok(())
        })?;
        self.told[place].sends = Some(true);
        Ok(())
    }

    fn apply_receiving(
        &mut self,
        agreed: &Agreed,
        receives: bool,
        place: usize,
    ) -> Result<(), EndpointError> {
        let (mid, medium, video) = (agreed.mid, agreed.medium, agreed.medium == Medium::Video);
        let wanted = agreed.payload.clone().filter(|_| receives);
        let (same, old) = self.with(|core| {
            let track = track(core, mid, video);
            let same =
                wanted.is_some() && track.receiving.as_ref().map(|old| &old.payload) == wanted.as_ref();
            Ok((same, if same { None } else { track.receiving.take() }))
        })?;
        if let Some(old) = old {
            old.remove(&self.context.bin);
        }
        let Some(payload) = wanted.filter(|_| !same) else { return Ok(()) };
        let Some(format) = payload.format() else { return Ok(()) };
        let caps = config::caps(&payload, medium, 1);
        let layers = Layers::new(payload.clock_rate, self.layer.clone());
        let peer: Weak<Peer> = Arc::downgrade(&self.peer);
        let receiving = Receiving::build(&self.context.bin, peer, mid, payload, &caps, layers)?;
        let pad = receiving.pad.clone();
        self.with(|core| {
            track(core, mid, video).receiving = Some(receiving);
            core.tell(TransportEvent::Receives { mid: mid.to_string(), format, caps, pad });
            Ok(())
        })?;
        self.told[place].receives = Some(true);
        Ok(())
    }

    /// Ends it; `false`: it had ended.
    fn end(&mut self) -> bool {
        let Some(worker) = self.worker.take() else { return false };
        self.peer.with(|core| {
            // It may not have begun, or be broken; then there is nobody to tell.
            let _ = core.rtc.close();
            core.pump(Instant::now());
            core.finish(PeerState::Closed);
        });
        // First the tracks: the worker must push nothing into elements that stop.
        for track in self.peer.forget() {
            track.remove(&self.context.bin);
        }
        worker.leave(self.peer.id);
        true
    }
}

/// The track of this name, made if need be.
fn track(core: &mut Core, mid: str0m::media::Mid, video: bool) -> &mut Track {
    let place = core.tracks.iter().position(|track| track.mid == mid).unwrap_or_else(|| {
        core.tracks.push(Track::new(mid, video));
        core.tracks.len() - 1
    });
    &mut core.tracks[place]
}

/// Has the peer ask the server, from each socket of its family.
fn ask(peer: &Peer, server: SocketAddr, bases: &[SocketAddr]) {
    let family = |base: &&SocketAddr| base.is_ipv4() == server.is_ipv4() && !base.ip().is_loopback();
    let loopback = server.ip().is_loopback();
    let of = |base: &&SocketAddr| {
        if loopback { base.is_ipv4() == server.is_ipv4() } else { family(base) }
    };
    peer.with(|core| {
        let now = Instant::now();
        for base in bases.iter().filter(of) {
            let transaction = super::stun::transaction();
            core.shared.ask(transaction, core.id);
            core.candidates.ask(Question::new(transaction, server, *base, now));
        }
    });
}

impl Drop for NativeTransport {
    fn drop(&mut self) {
        self.end();
    }
}

impl Transport for NativeTransport {
    fn offer(&mut self, offer: OfferOptions) -> BoxFuture<'_, Result<String, EndpointError>> {
        async move {
            self.open_ports(true)?;
            let options = self.context.options.clone();
            self.with(|core| core.make_offer(&options, &offer))
        }
        .boxed()
    }

    fn answer(&mut self, offer: &str) -> BoxFuture<'_, Result<String, EndpointError>> {
        let offer = offer.to_owned();
        async move {
            self.open_ports(false)?;
            let options = self.context.options.clone();
            let (answer, agreed) = self.with(|core| core.take_offer(&offer, &options))?;
            self.apply(agreed)?;
            Ok(answer)
        }
        .boxed()
    }

    fn accept(&mut self, answer: &str) -> BoxFuture<'_, Result<(), EndpointError>> {
        let answer = answer.to_owned();
        async move {
            let options = self.context.options.clone();
            let agreed = self.with(|core| core.take_answer(&answer, &options))?;
            self.apply(agreed)
        }
        .boxed()
    }

    fn gather(&mut self) {
        self.peer.with(|core| {
            let events = core.events.clone();
            core.candidates.want(&events);
        });
    }

    fn add_candidate(&mut self, candidate: &Candidate) -> Result<(), EndpointError> {
        self.with(|core| core.add_candidate(candidate))
    }

    fn open_channel(&mut self, channel: &ChannelOptions) -> Result<u16, EndpointError> {
        self.with(|core| {
            let ready = core.session.has_data() && !core.session.pending();
            if !core.session.is_new() && !core.session.has_data() && !core.session.pending() {
                return Err(EndpointError::conflict(
                    "no-data-channels",
                    "No data channels were negotiated with this peer.",
                ));
            }
            let number = core.channels.add(channel)?;
            if ready {
                core.open_waiting_channels();
            }
            Ok(number)
        })
    }

    fn close_channel(&mut self, id: u16) -> Result<(), EndpointError> {
        self.with(|core| core.channels.close(&mut core.rtc, id))
    }

    fn send_message(&mut self, id: u16, message: &[u8], binary: bool) -> Result<bool, EndpointError> {
        self.with(|core| core.channels.send(&mut core.rtc, id, message, binary))
    }

    fn stats(&mut self) -> BoxFuture<'_, Value> {
        let report =
            self.peer.with(|core| stats::report(core)).unwrap_or_else(|| Value::Object(Default::default()));
        futures::future::ready(report).boxed()
    }

    fn request_key_frame(&mut self) {
        self.peer.request_key_frame(None);
    }

    fn choose_layer(&mut self, rid: Option<&str>) -> Result<(), EndpointError> {
        self.layer = rid.filter(|rid| !rid.is_empty()).map(str::to_owned);
        let layer = self.layer.clone();
        self.with(|core| {
            for track in &mut core.tracks {
                if let Some(receiving) = &mut track.receiving {
                    receiving.layers.want(layer.as_deref());
                }
            }
            Ok(())
        })
    }

    fn set_limits(&mut self, options: &Options) {
        let desired = config::desired(options);
        self.peer.with(|core| core.rtc.bwe().set_desired_bitrate(desired));
    }

    fn set_jitter(&mut self, milliseconds: u32) {
        let jitter = Duration::from_millis(u64::from(milliseconds));
        self.peer.with(|core| {
            core.jitter = jitter;
            core.set_wait(jitter);
        });
    }

    fn close(&mut self) -> BoxFuture<'_, ()> {
        self.end();
        futures::future::ready(()).boxed()
    }
}
