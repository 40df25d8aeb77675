//! What a peer does with what str0m says: states, tracks, key frames, estimates.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use str0m::bwe::BweKind;
use str0m::media::{KeyframeRequestKind, Mid};
use str0m::net::Transmit;
use str0m::{Event, IceConnectionState, Output, Rtc, RtcError};

use super::peer::{Action, Core, LATER, Track};
use super::receiving::Receiving;
use super::sending::Sending;
use super::sync;
use crate::transport::{PeerState, TransportEvent};

/// Nothing came for so long: browsers send something at least every five seconds (consent, RFC 7675).
const SILENCE: Duration = Duration::from_secs(7);

/// Nothing came for so long: the peer is gone.
const GONE: Duration = Duration::from_secs(17);

/// A connection that does not come about for so long never will.
const NEVER: Duration = Duration::from_secs(30);

impl Core {
    pub fn tell(&self, event: TransportEvent) {
        // The endpoint may be gone already.
        let _ = self.events.send(event);
    }

    /// The peer's state, as told last.
    pub fn state(&self) -> PeerState {
        self.state
    }

    /// The addresses that are used now, ours first.
    pub fn pair(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.pair
    }

    /// How long received packets wait for missing ones.
    pub fn wait(&self) -> Duration {
        self.wait
    }

    /// A connection is tried for from now on.
    pub fn negotiated(&mut self) {
        if self.state == PeerState::New {
            self.set_state(PeerState::Connecting);
        }
        if self.state != PeerState::Connected {
            self.trying = Some(Instant::now());
        }
    }

    pub(super) fn set_state(&mut self, state: PeerState) {
        if self.state != state {
            self.state = state;
            self.connected.store(state == PeerState::Connected, Ordering::Relaxed);
            self.tell(TransportEvent::PeerState(state));
        }
    }

    /// The end, told once.
    pub fn finish(&mut self, state: PeerState) {
        if self.over {
            return;
        }
        self.over = true;
        self.connected.store(false, Ordering::Relaxed);
        let word = if state == PeerState::Failed { "failed" } else { "closed" };
        self.tell(TransportEvent::IceState(word));
        self.tell(TransportEvent::DtlsState(word));
        self.set_state(state);
        self.connected.store(false, Ordering::Relaxed);
        self.rtc.disconnect();
        self.due = Instant::now() + LATER;
    }

    /// An error of str0m ends the peer.
    pub(super) fn check(&mut self, result: Result<(), RtcError>) {
        if let Err(error) = result {
            tracing::warn!(peer = self.id, %error, "a WebRTC peer failed");
            self.finish(PeerState::Failed);
        }
    }

    /// Sends and tells everything that str0m has; it must be called after each change.
    pub fn pump(&mut self, now: Instant) {
        while !self.over {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(due)) => {
                    self.due = due.min(now + LATER);
                    break;
                }
                Ok(Output::Transmit(transmit)) => self.transmit(&transmit),
                Ok(Output::Event(event)) => self.event(event, now),
                Err(error) => self.check(Err(error)),
            }
        }
        if !self.over && !self.rtc.is_alive() {
            self.finish(PeerState::Closed);
        }
        if !self.over {
            for event in self.channels.drained(&mut self.rtc) {
                self.tell(event);
            }
            self.due = self.own_due().map_or(self.due, |own| self.due.min(own));
        }
    }

    fn transmit(&mut self, transmit: &Transmit) {
        let (source, destination) = (transmit.source, transmit.destination);
        let Some(port) = self.ports.iter().find(|port| port.local == source).cloned() else { return };
        // Media and keys go only over the chosen pair, STUN (it begins with 0 or 1) over all.
        if transmit.contents.first().is_some_and(|first| *first < 2) {
            if self.expected.insert(destination) {
                self.shared.expect(&port, destination, self.id);
            }
        } else if self.pair != Some((source, destination)) {
            self.pair = Some((source, destination));
            let (local, remote) = self.candidates.describe(source, destination);
            self.tell(TransportEvent::PairSelected { local, remote });
        }
        let sent = port.send(&transmit.contents, destination);
        self.stats.transmitted(transmit.contents.len(), sent);
    }

    fn event(&mut self, event: Event, now: Instant) {
        match event {
            Event::IceConnectionStateChange(state) => self.ice(state),
            Event::Connected => {
                self.tell(TransportEvent::DtlsState("connected"));
                self.trying = None;
                self.set_state(PeerState::Connected);
                self.force_key_units(now);
            }
            Event::RtpPacket(packet) => {
                let ssrc = packet.header.ssrc;
                let Some((mid, rid)) =
                    self.rtc.direct_api().stream_rx(&ssrc).map(|stream| (stream.mid(), stream.rid()))
                else {
                    return;
                };
                let track = self.tracks.iter_mut().find(|track| track.mid == mid);
                if let Some(receiving) = track.and_then(|track| track.receiving.as_mut())
                    && receiving.take(&packet, rid.as_deref())
                {
                    self.request_key_frame(Some(mid));
                }
            }
            Event::KeyframeRequest(request) => {
                self.stats.asked_for_key_frame(request.mid, request.kind);
                if let Some(sending) = self.sending(request.mid)
                    && sending.gate.ask(now)
                {
                    let pad = sending.pad.clone();
                    self.actions.push(Action::ForceKeyUnit(pad));
                }
            }
            Event::ChannelOpen(id, label) => {
                if let Some(event) = self.channels.opened(&mut self.rtc, id, label) {
                    self.tell(event);
                }
            }
            Event::ChannelClose(id) => {
                if let Some(event) = self.channels.closed(id) {
                    self.tell(event);
                }
            }
            Event::ChannelData(message) => {
                if let Some(event) = self.channels.received(message.id, message.data, message.binary) {
                    self.tell(event);
                }
            }
            Event::EgressBitrateEstimate(kind) => self.estimate(&kind),
            Event::SenderFeedback(report) => {
                let track = self.tracks.iter_mut().find(|track| track.mid == report.mid);
                if let Some(receiving) = track.and_then(|track| track.receiving.as_mut())
                    && receiving.layers.rid() == report.rid.as_deref()
                {
                    let info = report.sender_info;
                    receiving.transit.reported(info.ntp_time, info.rtp_time.numer() as u32);
                    self.stay_in_step();
                }
            }
            Event::PeerStats(stats) => {
                self.adapt_wait(
                    stats.selected_candidate_pair.as_ref().and_then(|p| p.current_round_trip_time),
                );
                self.stats.peer(stats);
            }
            Event::MediaIngressStats(stats) => self.stats.ingress(stats),
            Event::MediaEgressStats(stats) => self.stats.egress(stats),
            Event::Closed => {
                self.tell(TransportEvent::DtlsState("closed"));
            }
            _ => {}
        }
    }

    fn sending(&mut self, mid: Mid) -> Option<&mut Sending> {
        self.tracks.iter_mut().find(|track| track.mid == mid)?.sending.as_mut()
    }

    /// What was encoded before the connection stood is lost: encoders begin anew.
    fn force_key_units(&mut self, now: Instant) {
        for track in self.tracks.iter_mut().filter(|track| track.video) {
            if let Some(sending) = &mut track.sending
                && sending.gate.ask(now)
            {
                self.actions.push(Action::ForceKeyUnit(sending.pad.clone()));
            }
        }
    }

    fn ice(&mut self, state: IceConnectionState) {
        let word = match state {
            IceConnectionState::New => "new",
            IceConnectionState::Checking => "checking",
            IceConnectionState::Connected => "connected",
            IceConnectionState::Completed => "completed",
            IceConnectionState::Disconnected => "disconnected",
        };
        self.tell(TransportEvent::IceState(word));
        match state {
            IceConnectionState::Connected | IceConnectionState::Completed => {
                if self.rtc.is_connected() {
                    self.set_state(PeerState::Connected);
                } else if self.state == PeerState::Connecting {
                    self.tell(TransportEvent::DtlsState("connecting"));
                }
            }
            IceConnectionState::Disconnected if self.state == PeerState::Connected => {
                self.set_state(PeerState::Disconnected);
            }
            _ => {}
        }
    }

    fn estimate(&mut self, kind: &BweKind) {
        let estimate = match kind {
            BweKind::Twcc { estimate, can_probe: true } => {
                self.transport_estimates = true;
                estimate
            }
            // Who speaks both is measured here, which is more exact.
            BweKind::Remb { estimate, .. } if !self.transport_estimates => estimate,
            _ => return,
        };
        let bits_per_second = estimate.as_u64();
        if self.stats.estimated(bits_per_second) {
            self.tell(TransportEvent::Estimate { bits_per_second });
        }
    }

    /// Asks for key frames of one track, or of all; requests are merged. One that no peer can hear yet is forgotten, and does
    /// not hold back the next: a peer begins with a key frame, and who still waits for one asks again.
    pub fn request_key_frame(&mut self, mid: Option<Mid>) {
        if self.state != PeerState::Connected {
            return;
        }
        let now = Instant::now();
        let wanted = |track: &&mut Track| track.video && mid.is_none_or(|mid| mid == track.mid);
        for track in self.tracks.iter_mut().filter(wanted) {
            if let Some(receiving) = &mut track.receiving
                && receiving.has_source()
                && receiving.gate.ask(now)
            {
                ask_peer(&mut self.rtc, track.mid, receiving);
            }
        }
    }

    fn stay_in_step(&mut self) {
        let receiving: Vec<&mut Receiving> =
            self.tracks.iter_mut().filter_map(|track| track.receiving.as_mut()).collect();
        let buffers: Vec<gst::Element> =
            receiving.iter().map(|receiving| receiving.buffer().clone()).collect();
        let delays = sync::delays(receiving.into_iter().map(|receiving| &mut receiving.transit));
        for (buffer, delay) in buffers.into_iter().zip(delays) {
            self.actions.extend(delay.map(|delay| Action::Delay(buffer, delay)));
        }
    }

    /// Packets that were lost come again after a round trip: it is worth waiting for them.
    fn adapt_wait(&mut self, round_trip: Option<Duration>) {
        let Some(round_trip) = round_trip else { return };
        let again = if round_trip > Duration::from_millis(5) {
            round_trip * 2 + Duration::from_millis(40)
        } else {
            Duration::ZERO
        };
        self.set_wait(self.jitter.max(again.min(Duration::from_millis(800))));
    }

    /// How long received packets wait for missing ones.
    pub fn set_wait(&mut self, wait: Duration) {
        if wait.abs_diff(self.wait) < Duration::from_millis(10) {
            return;
        }
        self.wait = wait;
        let buffers = self.tracks.iter().filter_map(|track| track.receiving.as_ref());
        self.actions
            .extend(buffers.filter_map(|r| r.waits(wait).map(|wait| Action::Wait(r.buffer().clone(), wait))));
    }

    /// When [`Core::look_after`] has something to do.
    fn own_due(&self) -> Option<Instant> {
        let gates = self.tracks.iter().flat_map(|track| {
            let sending = track.sending.as_ref().and_then(|sending| sending.gate.due());
            let receiving = track.receiving.as_ref().and_then(|receiving| receiving.gate.due());
            [sending, receiving]
        });
        let alive = match self.state {
            PeerState::Connected => Some(self.heard + SILENCE),
            PeerState::Disconnected => Some(self.heard + GONE),
            _ => self.trying.map(|since| since + NEVER),
        };
        gates.flatten().chain(alive).chain(self.candidates.due()).min()
    }

    /// What happens by itself, beside str0m.
    pub(super) fn look_after(&mut self, now: Instant) {
        for track in &mut self.tracks {
            if let Some(receiving) = &mut track.receiving
                && receiving.gate.fire(now)
            {
                ask_peer(&mut self.rtc, track.mid, receiving);
            }
            if let Some(sending) = &mut track.sending
                && sending.gate.fire(now)
            {
                self.actions.push(Action::ForceKeyUnit(sending.pad.clone()));
            }
        }
        let silence = now.saturating_duration_since(self.heard);
        match self.state {
            PeerState::Connected if silence >= SILENCE => {
                self.tell(TransportEvent::IceState("disconnected"));
                self.set_state(PeerState::Disconnected);
            }
            PeerState::Disconnected if silence >= GONE => self.finish(PeerState::Failed),
            PeerState::Disconnected if silence < SILENCE && self.rtc.is_connected() => {
                self.tell(TransportEvent::IceState("connected"));
                self.set_state(PeerState::Connected);
                self.force_key_units(now);
            }
            PeerState::Connecting if self.trying.is_some_and(|since| now >= since + NEVER) => {
                self.finish(PeerState::Failed);
            }
            _ => {}
        }
        self.candidates.step(now, &self.ports, &self.events);
        self.pump(now);
    }
}

/// Asks for a key frame of the source that is taken.
fn ask_peer(rtc: &mut Rtc, mid: Mid, receiving: &mut Receiving) {
    let mut api = rtc.direct_api();
    let stream = match receiving.layers.source() {
        Some(ssrc) => api.stream_rx(&ssrc.into()),
        None => api.stream_rx_by_mid(mid, None),
    };
    if let Some(stream) = stream {
        stream.request_keyframe(KeyframeRequestKind::Pli);
        receiving.counts.plis += 1;
    }
}
