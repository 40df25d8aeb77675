//! What happens on the transport by itself.

use anabranch_graph::format::Medium;
use anabranch_kit::sdp::{Payload, Sdp};
use serde_json::json;

use super::Peer;
use crate::transport::{Candidate, PeerState, TransportEvent};
use anabranch_kit::endpoint::EndpointError;

impl Peer {
    /// A candidate that is found after the description was made belongs into it, and so does the news that there are no
    /// more (`None`): a client of WHIP is told of none later.
    fn describe_too(&mut self, candidate: Option<&Candidate>) {
        let Some(mut sdp) = self.session.local.as_deref().and_then(|text| Sdp::parse(text).ok()) else {
            return;
        };
        let index = candidate.map_or(Some(0), |candidate| candidate.index(Some(&sdp)));
        let line = candidate.map_or_else(
            || "a=end-of-candidates".to_owned(),
            |candidate| format!("a={}", candidate.candidate),
        );
        if let Some(section) = index.and_then(|index| sdp.media.get_mut(index as usize))
            && !section.lines.contains(&line)
        {
            section.lines.push(line);
            self.session.local = Some(sdp.to_string());
        }
    }

    pub(super) async fn happened(&mut self, event: TransportEvent) {
        match event {
            TransportEvent::Candidate(candidate) => {
                self.describe_too(Some(&candidate));
                self.post("ice-candidate", json!(candidate));
            }
            TransportEvent::GatheringDone => {
                self.describe_too(None);
                self.post("ice-gathering-done", json!({}));
            }
            // libnice goes back and forth when it finds better pairs.
            TransportEvent::IceState("connected") if self.session.ice == Some("completed") => {}
            TransportEvent::IceState(state) if self.session.ice == Some(state) => {}
            TransportEvent::IceState(state) => {
                self.session.ice = Some(state);
                self.post("ice-state", json!({"state": state}));
            }
            TransportEvent::DtlsState(state) => {
                self.session.dtls = Some(state);
                self.post("dtls-state", json!({"state": state}));
            }
            TransportEvent::PeerState(state) => self.peer_is(state, None),
            TransportEvent::PairSelected { local, remote } => {
                self.post("candidate-pair", json!({"local": local, "remote": remote}));
                self.session.pair = Some((local, remote));
            }
            TransportEvent::Sends { mid, format, caps, pad } => {
                let medium = format.medium();
                let Some(port) = self.ports.input(medium) else { return };
                match port.open(&self.element, &mid, &format, &caps, pad) {
                    Ok(()) => {
                        self.session.sends.retain(|(m, _)| *m != medium);
                        self.session.sends.push((medium, format));
                        port.set_connected(matches!(
                            self.session.peer,
                            Some(PeerState::Connected | PeerState::Disconnected)
                        ));
                        self.wants_changed();
                    }
                    Err(error) => self.trouble(medium, "sent", &error),
                }
            }
            TransportEvent::SendsNot { mid, medium } => {
                if let Some(port) = self.ports.input(medium).filter(|port| port.is(&mid)) {
                    port.close(&self.element);
                    self.session.sends.retain(|(m, _)| *m != medium);
                    self.wants_changed();
                }
            }
            TransportEvent::Receives { mid, format, caps, pad } => {
                let medium = format.medium();
                tracing::debug!(%mid, %format, %caps, "a track is received");
                if let Some(port) = self.ports.output(medium)
                    && let Err(error) = port.open(&self.element, &mid, &format, pad)
                {
                    self.trouble(medium, "received", &error);
                }
            }
            TransportEvent::ReceivesNot { mid, medium } => {
                if let Some(port) = self.ports.output(medium)
                    && (!port.is_open() || port.is(&mid))
                {
                    port.end(&self.element);
                }
            }
            TransportEvent::ChannelOpened { id, label, protocol } => self.channel_opened(id, label, protocol),
            TransportEvent::ChannelClosed { id } => self.channel_closed(id),
            TransportEvent::ChannelDrained { id } => {
                // What is lost is told by an event.
                let _ = self.channel_drained(id);
            }
            TransportEvent::Message { id, data, binary } => self.message_came(id, data, binary),
            TransportEvent::Estimate { bits_per_second } => {
                self.session.estimate.came(bits_per_second, &self.options);
                if self.session.estimate.pause().is_some_and(|pause| pause.is_zero()) {
                    self.report_bandwidth();
                }
            }
        }
    }

    pub(super) fn trouble(&self, medium: Medium, what: &str, error: &EndpointError) {
        tracing::warn!(%medium, %error, "a track is not {what}");
        self.post(
            "track-trouble",
            json!({"medium": medium, "reason": format!("the {medium} is not {what}: {error}")}),
        );
    }

    pub(super) fn peer_is(&mut self, state: PeerState, cause: Option<&str>) {
        if self.session.peer == Some(state)
            || self.session.peer == Some(PeerState::Failed) && state != PeerState::Closed
        {
            return;
        }
        self.session.peer = Some(state);
        // Whoever is quiet for a moment may come back: it is sent to as before.
        let there = matches!(state, PeerState::Connected | PeerState::Disconnected);
        self.ports.set_connected(there);
        self.ports.data_budget.set_open(there);
        let reason = match state {
            PeerState::New | PeerState::Connecting => "the connection is being made",
            PeerState::Connected => "media and data flow",
            PeerState::Disconnected => "the peer does not answer; it may come back",
            PeerState::Failed => "the peer is gone",
            PeerState::Closed => "the connection was closed",
        };
        self.post("peer-state", json!({"state": state, "reason": cause.unwrap_or(reason)}));
        if matches!(state, PeerState::Failed | PeerState::Closed) {
            self.session.sends.clear();
            for port in [&self.ports.video_in, &self.ports.audio_in] {
                port.close(&self.element);
            }
            for port in [&self.ports.video_out, &self.ports.audio_out] {
                port.end(&self.element);
            }
            self.post_wants();
        }
    }

    /// Offer and answer were exchanged; `local` says whose the answer is.
    pub(super) async fn negotiated(&mut self, answer: &str, local: bool) {
        // The tracks first: who hears of the negotiation may ask for them.
        self.drain_events().await;
        self.session.settled = true;
        self.post_wants();
        let Ok(answer) = Sdp::parse(answer) else { return };
        for medium in [Medium::Video, Medium::Audio] {
            let received =
                answer.media.iter().filter(|s| s.medium() == Some(medium) && !s.is_rejected()).any(|s| {
                    let direction = if local { s.direction() } else { s.direction().flipped() };
                    direction.receives()
                });
            if let Some(port) = self.ports.output(medium).filter(|_| !received) {
                port.end(&self.element);
            }
        }
        let tracks: Vec<_> = answer
            .media
            .iter()
            .filter(|section| !section.is_rejected())
            .map(|section| {
                let direction = if local { section.direction() } else { section.direction().flipped() };
                let format = section.payloads().iter().find_map(Payload::format);
                json!({
                    "mid": section.mid().unwrap_or_default(),
                    "medium": section.medium(),
                    "direction": direction,
                    "format": format.as_ref().map(|f| f.name().to_owned()),
                })
            })
            .collect();
        let (kind, why) = self.choice.as_ref().map(|c| (c.kind.name(), c.why.clone())).unwrap_or_default();
        self.post("negotiated", json!({"transport": kind, "why": why, "tracks": tracks}));
    }
}
