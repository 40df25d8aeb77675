//! The transport over GStreamer's webrtcbin, with what webrtcbin 1.22 leaves to its users.

mod agent;
mod candidates;
mod channels;
mod estimate;
mod lines;
mod patch;
mod remb;
mod restart;
mod rtcp;
mod silence;
mod stats;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anabranch_graph::format::Medium;
use anabranch_kit::command::CommandErrorKind;
use anabranch_kit::sdp::Sdp;
use futures::FutureExt;
use futures::future::BoxFuture;
use gst::prelude::*;
use gst_webrtc::{WebRTCSDPType, WebRTCSessionDescription};
use serde_json::Value;

use self::candidates::Candidates;
use self::channels::Channels;
use self::lines::Lines;
use self::silence::Silence;
use super::{
    Candidate, ChannelOptions, Direction, OfferOptions, PeerState, Transport, TransportContext,
    TransportEvent,
};
use anabranch_kit::endpoint::EndpointError;

/// Longest that webrtcbin may take for a step of the negotiation.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest that an answer waits for host candidates, when no server has to be asked for others. They take a millisecond,
/// but on a busy machine some take many: who cannot be told later (WHIP) would have none.
const GATHERING: Duration = Duration::from_secs(2);

/// The transport over webrtcbin.
pub(crate) struct WebrtcBin {
    context: TransportContext,
    element: gst::Element,
    lines: Arc<Mutex<Lines>>,
    candidates: Arc<Candidates>,
    channels: Channels,
    local: Option<Sdp>,
    remote: Option<Sdp>,
    silence: Arc<Silence>,
    watching_dtls: bool,
    watching_rtcp: bool,
}

impl WebrtcBin {
    /// A webrtcbin in the endpoint's bin.
    ///
    /// # Errors
    ///
    /// webrtcbin, or something that it needs, is missing or refuses an option.
    pub fn new(context: TransportContext) -> Result<Self, EndpointError> {
        for factory in ["webrtcbin", "nicesrc", "dtlsdec", "srtpenc", "rtpbin"] {
            if gst::ElementFactory::find(factory).is_none() {
                anabranch_kit::endpoint::make(factory)?;
            }
        }
        let element = anabranch_kit::endpoint::make("webrtcbin")?;
        element.set_property_from_str("bundle-policy", "max-bundle");
        element.set_property("latency", context.options.jitter_ms);
        let candidates = Arc::new(Candidates::new(&context));
        let agent = agent::set_up(&element, &context.options)?;
        candidates::watch(&element, agent.as_ref(), &candidates, &context.events);
        rtcp::tune(&element);
        let silence = Silence::watch(&element, &context.events);
        let lines = Arc::new(Mutex::new(Lines::default()));
        lines::watch(&element, &lines, &context.events);
        watch_states(&element, &context.events);
        let channels = Channels::new(&element, &context.events);
        let failed = |e: glib::BoolError| EndpointError::failed(format!("webrtcbin does not start: {e}"));
        context.bin.add(&element).map_err(failed)?;
        if let Err(error) = element.sync_state_with_parent() {
            let _ = element.set_state(gst::State::Null);
            let _ = context.bin.remove(&element);
            return Err(failed(error));
        }
        Ok(WebrtcBin {
            context,
            element,
            lines,
            candidates,
            channels,
            local: None,
            remote: None,
            silence,
            watching_dtls: false,
            watching_rtcp: false,
        })
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, event: TransportEvent) {
        let _ = self.context.events.send(event);
    }

    /// Emits a signal that takes a promise, and waits for the reply.
    async fn ask(
        &self,
        signal: &str,
        argument: glib::SendValue,
    ) -> Result<Option<gst::Structure>, EndpointError> {
        let reply = {
            let (promise, reply) = gst::Promise::new_future();
            self.element.emit_by_name_with_values(signal, &[argument.into(), promise.to_value()]);
            reply
        };
        let reply = tokio::time::timeout(PATIENCE, reply).await.map_err(|_| {
            EndpointError::new(
                CommandErrorKind::Timeout,
                "timeout",
                format!("webrtcbin does not answer to {signal}"),
            )
        })?;
        let Ok(reply) = reply else {
            return Err(EndpointError::failed(format!("webrtcbin has no answer to {signal}")));
        };
        let reply = reply.map(|structure| structure.to_owned());
        if let Some(error) = reply.as_ref().and_then(|s| s.get::<glib::Error>("error").ok()) {
            return Err(EndpointError::bad_sdp(format!("{signal}: {}", error.message())));
        }
        Ok(reply)
    }

    async fn create(&self, what: &str) -> Result<Sdp, EndpointError> {
        let reply = self.ask(&format!("create-{what}"), None::<gst::Structure>.to_send_value()).await?;
        let description = reply.and_then(|s| s.get::<WebRTCSessionDescription>(what).ok());
        let nothing = || EndpointError::failed(format!("webrtcbin made no {what}"));
        Ok(Sdp::parse(&description.ok_or_else(nothing)?.sdp().as_text().map_err(|_| nothing())?)?)
    }

    async fn set(&self, side: &str, kind: WebRTCSDPType, sdp: &Sdp) -> Result<(), EndpointError> {
        let message = gst_sdp::SDPMessage::parse_buffer(sdp.to_string().as_bytes())
            .map_err(|_| EndpointError::bad_sdp("the session description cannot be read"))?;
        let description = WebRTCSessionDescription::new(kind, message);
        self.ask(&format!("set-{side}-description"), description.to_send_value()).await?;
        Ok(())
    }

    /// Takes a local description, with the candidates that are found at once in what is returned.
    async fn take_local(&mut self, kind: WebRTCSDPType, sdp: Sdp) -> Result<String, EndpointError> {
        self.candidates.begin(&sdp);
        self.set("local", kind, &sdp).await?;
        self.watch_dtls();
        let options = &self.context.options;
        if options.stun_server.is_empty() && options.turn_servers.is_empty() {
            // In time or not: those that come later are told.
            let _ = tokio::time::timeout(GATHERING, self.candidates.complete()).await;
            if let Some((least, most)) = options.ports()
                && !self.candidates.has_any()
            {
                return Err(EndpointError::failed(format!("no UDP port from {least} to {most} is free")));
            }
        }
        let mut with_candidates = sdp.clone();
        self.candidates.write_into(&mut with_candidates);
        self.local = Some(sdp);
        Ok(with_candidates.to_string())
    }

    async fn make_offer(&mut self, offer: OfferOptions) -> Result<String, EndpointError> {
        let wants_data = offer.media.iter().any(|(medium, _)| *medium == Medium::Data);
        if wants_data {
            self.channels.negotiate();
        }
        self.lines().prepare_offer(&self.element, &offer, &self.context.options)?;
        let credentials = offer.restart_ice.then(|| restart::restart(&self.element)).transpose()?;
        let mut sdp = self.create("offer").await?;
        self.lines().align(&sdp);
        patch::local(&mut sdp, &self.context.options);
        if let Some(credentials) = credentials {
            credentials.write_into(&mut sdp);
            self.candidates.restart();
        }
        self.take_local(WebRTCSDPType::Offer, sdp).await
    }

    async fn make_answer(&mut self, text: &str) -> Result<String, EndpointError> {
        let mut offer = Sdp::parse(text)?;
        offer.check_webrtc()?;
        patch::remote(&mut offer);
        let restarted = self.remote.as_ref().is_some_and(|old| patch::is_restart(old, &offer));
        // Before the new remote credentials come: a restart forgets the old ones.
        let credentials = restarted.then(|| restart::restart(&self.element)).transpose()?;
        self.lines().prepare_answer(&self.element, &offer, &self.context.options)?;
        self.set("remote", WebRTCSDPType::Offer, &offer).await?;
        let mut answer = self.create("answer").await?;
        patch::local(&mut answer, &self.context.options);
        patch::answer(&mut answer, &offer, &self.context.options);
        if let Some(credentials) = credentials {
            credentials.write_into(&mut answer);
            self.candidates.restart();
        }
        let is_client = answer.media.first().and_then(|s| s.attribute("setup")) == Some("active");
        self.channels.set_client(is_client);
        self.remote = Some(offer);
        let text = self.take_local(WebRTCSDPType::Answer, answer.clone()).await?;
        self.settled(&answer, true);
        Ok(text)
    }

    async fn take_answer(&mut self, text: &str) -> Result<(), EndpointError> {
        let mut answer = Sdp::parse(text)?;
        answer.check_webrtc()?;
        patch::remote(&mut answer);
        let offered = self.local.as_ref().map_or(0, |offer| offer.media.len());
        if answer.media.len() != offered {
            return Err(EndpointError::bad_sdp(format!(
                "the answer has {} media sections, the offer has {offered}",
                answer.media.len()
            )));
        }
        let is_server = answer.media.first().and_then(|s| s.attribute("setup")) != Some("passive");
        self.channels.set_client(!is_server);
        self.set("remote", WebRTCSDPType::Answer, &answer).await?;
        self.settled(&answer, false);
        self.remote = Some(answer);
        Ok(())
    }

    fn settled(&mut self, answer: &Sdp, local: bool) {
        let (events, exchanges) = {
            let mut lines = self.lines();
            (lines.settle(answer, local), lines.exchange_media())
        };
        self.silence.expect(exchanges);
        for event in events {
            self.send(event);
        }
        self.watch_dtls();
        if !self.watching_rtcp {
            // Bundled tracks share one session, which has the number of the first.
            self.watching_rtcp = rtcp::watch(&self.element, 0, &self.context.events);
        }
    }

    /// Watches the DTLS transport, once there is one.
    fn watch_dtls(&mut self) {
        if self.watching_dtls {
            return;
        }
        let transport = self.lines().dtls_transport().or_else(|| {
            self.element
                .property::<Option<glib::Object>>("sctp-transport")?
                .property::<Option<gst_webrtc::WebRTCDTLSTransport>>("transport")
        });
        let Some(transport) = transport else { return };
        self.watching_dtls = true;
        let events = self.context.events.clone();
        transport.connect_state_notify(move |transport| {
            let state = match transport.state() {
                gst_webrtc::WebRTCDTLSTransportState::New => "new",
                gst_webrtc::WebRTCDTLSTransportState::Connecting => "connecting",
                gst_webrtc::WebRTCDTLSTransportState::Connected => "connected",
                gst_webrtc::WebRTCDTLSTransportState::Failed => "failed",
                _ => "closed",
            };
            let _ = events.send(TransportEvent::DtlsState(state));
        });
    }
}

fn watch_states(element: &gst::Element, events: &tokio::sync::mpsc::UnboundedSender<TransportEvent>) {
    let sender = events.clone();
    element.connect_notify(Some("ice-connection-state"), move |element, _| {
        use gst_webrtc::WebRTCICEConnectionState as State;
        let state = match element.property::<State>("ice-connection-state") {
            State::New => "new",
            State::Checking => "checking",
            State::Connected => "connected",
            State::Completed => "completed",
            State::Failed => "failed",
            State::Disconnected => "disconnected",
            _ => "closed",
        };
        let _ = sender.send(TransportEvent::IceState(state));
    });
    let sender = events.clone();
    element.connect_notify(Some("connection-state"), move |element, _| {
        use gst_webrtc::WebRTCPeerConnectionState as State;
        let state = match element.property::<State>("connection-state") {
            State::New => PeerState::New,
            State::Connecting => PeerState::Connecting,
            State::Connected => PeerState::Connected,
            State::Disconnected => PeerState::Disconnected,
            State::Failed => PeerState::Failed,
            _ => PeerState::Closed,
        };
        let _ = sender.send(TransportEvent::PeerState(state));
    });
}

impl Transport for WebrtcBin {
    fn offer(&mut self, offer: OfferOptions) -> BoxFuture<'_, Result<String, EndpointError>> {
        self.make_offer(offer).boxed()
    }

    fn answer(&mut self, offer: &str) -> BoxFuture<'_, Result<String, EndpointError>> {
        let offer = offer.to_owned();
        async move { self.make_answer(&offer).await }.boxed()
    }

    fn accept(&mut self, answer: &str) -> BoxFuture<'_, Result<(), EndpointError>> {
        let answer = answer.to_owned();
        async move { self.take_answer(&answer).await }.boxed()
    }

    fn gather(&mut self) {
        self.candidates.tell();
    }

    fn add_candidate(&mut self, candidate: &Candidate) -> Result<(), EndpointError> {
        let index = candidate.index(self.remote.as_ref()).ok_or_else(|| {
            let mid = candidate.sdp_mid.as_deref().unwrap_or_default();
            EndpointError::invalid("bad-candidate", format!("there is no media section with the MID '{mid}'"))
        })?;
        self.candidates.remote(&candidate.candidate);
        self.element.emit_by_name::<()>("add-ice-candidate", &[&index, &candidate.candidate]);
        Ok(())
    }

    fn open_channel(&mut self, channel: &ChannelOptions) -> Result<u16, EndpointError> {
        self.channels.open(channel)
    }

    fn close_channel(&mut self, id: u16) -> Result<(), EndpointError> {
        self.channels.close(id)
    }

    fn send_message(&mut self, id: u16, message: &[u8], binary: bool) -> Result<bool, EndpointError> {
        self.channels.send(id, message, binary)
    }

    fn stats(&mut self) -> BoxFuture<'_, Value> {
        async move {
            match self.ask("get-stats", None::<gst::Pad>.to_send_value()).await {
                Ok(Some(structure)) => stats::to_w3c(&structure),
                _ => Value::Object(serde_json::Map::new()),
            }
        }
        .boxed()
    }

    fn request_key_frame(&mut self) {
        let pads: Vec<gst::Pad> = self
            .element
            .src_pads()
            .into_iter()
            .filter(|pad| lines::medium_of(pad) == Some(Medium::Video))
            .collect();
        for pad in pads {
            anabranch_kit::keyframe::ask(&pad);
        }
    }

    fn set_jitter(&mut self, milliseconds: u32) {
        rtcp::set_jitter(&self.element, milliseconds);
    }

    fn close(&mut self) -> BoxFuture<'_, ()> {
        let pads = self.lines().take_pads();
        self.channels.close_all();
        let (element, bin) = (self.element.clone(), self.context.bin.clone());
        async move {
            // Threads are waited for.
            let work = move || {
                element.set_locked_state(true);
                let _ = element.set_state(gst::State::Null);
                for pad in pads {
                    element.release_request_pad(&pad);
                }
                let _ = bin.remove(&element);
            };
            let _ = tokio::task::spawn_blocking(work).await;
        }
        .boxed()
    }
}

/// Makes an offer that nobody gets: plugins are loaded and the key that all peers of the process share is made. May
/// block for a while.
pub(crate) fn warm_up() {
    let Ok(element) = anabranch_kit::endpoint::make("webrtcbin") else { return };
    element.set_property_from_str("bundle-policy", "max-bundle");
    // A child that is no part of a bin has a bus of nobody: what it says is lost.
    if element.set_state(gst::State::Ready).is_ok() {
        let caps = gst::Caps::builder("application/x-rtp")
            .field("media", "audio")
            .field("encoding-name", "OPUS")
            .field("clock-rate", 48_000)
            .field("payload", 111)
            .build();
        let way = gst_webrtc::WebRTCRTPTransceiverDirection::Recvonly;
        let _made: Option<gst_webrtc::WebRTCRTPTransceiver> =
            element.emit_by_name("add-transceiver", &[&way, &caps]);
        let promise = gst::Promise::new();
        element.emit_by_name::<()>("create-offer", &[&None::<gst::Structure>, &promise]);
        promise.wait();
    }
    let _ = element.set_state(gst::State::Null);
}

/// The direction as webrtcbin has it.
fn direction(direction: Direction) -> gst_webrtc::WebRTCRTPTransceiverDirection {
    use gst_webrtc::WebRTCRTPTransceiverDirection as Way;
    match direction {
        Direction::SendRecv => Way::Sendrecv,
        Direction::SendOnly => Way::Sendonly,
        Direction::RecvOnly => Way::Recvonly,
        Direction::Inactive => Way::Inactive,
    }
}
