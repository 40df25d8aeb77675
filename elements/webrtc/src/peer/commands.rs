//! What each command does.

use anabranch_graph::format::Medium;
use anabranch_kit::sdp::Sdp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Peer, no_peer};
use crate::transport::choose::Asked;
use crate::transport::{Candidate, ChannelOptions, Direction, OfferOptions, PeerState};
use anabranch_kit::endpoint::EndpointError;

/// The arguments of `offer`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OfferArguments {
    audio: Option<bool>,
    video: Option<bool>,
    data: Option<bool>,
    restart_ice: bool,
}

#[derive(Debug, Deserialize)]
struct SdpArguments {
    sdp: String,
}

#[derive(Debug, Deserialize)]
struct IdArguments {
    id: u16,
}

#[derive(Debug, Deserialize)]
struct LayerArguments {
    rid: Option<String>,
}

fn arguments<T: DeserializeOwned>(arguments: Value) -> Result<T, EndpointError> {
    let arguments = if arguments.is_null() { json!({}) } else { arguments };
    serde_json::from_value(arguments).map_err(|error| {
        EndpointError::invalid("bad-arguments", format!("the arguments do not fit: {error}"))
    })
}

impl Peer {
    pub(super) async fn command(&mut self, name: &str, given: Value) -> Result<Value, EndpointError> {
        match name {
            "offer" => self.offer(arguments(given)?).await,
            "restart-ice" => {
                self.offer(OfferArguments { restart_ice: true, ..OfferArguments::default() }).await
            }
            "process-offer" => self.process_offer(&arguments::<SdpArguments>(given)?.sdp).await,
            "process-answer" => self.process_answer(&arguments::<SdpArguments>(given)?.sdp).await,
            "gather" => self.gather(),
            "add-candidate" => self.add_candidate(arguments(given)?),
            "local-description" => described(self.session.local.as_ref(), "no-local-description", "local"),
            "remote-description" => {
                described(self.session.remote.as_ref(), "no-remote-description", "remote")
            }
            "request-key-frame" => self.request_key_frame(),
            "open-channel" => self.open_channel(&arguments::<ChannelOptions>(given)?),
            "close-channel" => self.close_channel(arguments::<IdArguments>(given)?.id),
            "send" => self.send(&given),
            "stats" => self.stats().await,
            "candidate-pairs" => Ok(self.candidate_pairs()),
            "state" => Ok(self.state()),
            "layer" => self.choose_layer(arguments::<LayerArguments>(given)?.rid.as_deref()),
            "reset" => self.reset().await,
            _ => Err(EndpointError::new(
                anabranch_kit::command::CommandErrorKind::Unknown,
                "unknown-command",
                format!("there is no command '{name}'"),
            )),
        }
    }

    /// A peer that is gone makes room for the next.
    async fn make_room(&mut self) {
        if matches!(self.session.peer, Some(PeerState::Failed | PeerState::Closed)) {
            self.end().await;
        }
    }

    async fn offer(&mut self, wanted: OfferArguments) -> Result<Value, EndpointError> {
        self.make_room().await;
        let direction = Direction::of(self.options.sends(), self.options.receives());
        let mut media = Vec::new();
        if wanted.audio.unwrap_or(!self.options.audio_codecs.is_empty()) {
            media.push((Medium::Audio, direction));
        }
        if wanted.video.unwrap_or(!self.options.video_codecs.is_empty()) {
            media.push((Medium::Video, direction));
        }
        if wanted.data.unwrap_or(self.options.data_channels) {
            media.push((Medium::Data, Direction::SendRecv));
        }
        if media.is_empty() {
            return Err(EndpointError::invalid("bad-arguments", "an offer of nothing"));
        }
        if wanted.restart_ice && !self.session.negotiated {
            return Err(EndpointError::conflict(
                "no-remote-description",
                "ICE cannot be restarted: nothing was negotiated with a peer yet",
            ));
        }
        let offer = OfferOptions { media, restart_ice: wanted.restart_ice };
        let sdp = self.transport(Asked::default())?.offer(offer).await?;
        self.session.local = Some(sdp.clone());
        self.session.offered = true;
        self.session.offerer = true;
        self.begin_gathering();
        Ok(json!({"sdp": sdp}))
    }

    async fn process_offer(&mut self, text: &str) -> Result<Value, EndpointError> {
        let offer = Sdp::parse(text)?;
        offer.check_webrtc()?;
        self.make_room().await;
        if self.session.offered {
            return Err(EndpointError::conflict(
                "already-negotiated",
                "an offer of this endpoint waits for its answer",
            ));
        }
        if self.session.negotiated && !self.is_same_peer(&offer) {
            return Err(EndpointError::conflict(
                "already-negotiated",
                "this endpoint has a peer already, and the offer is another's",
            ));
        }
        let asked = Asked { simulcast: offer.media.iter().any(|s| s.has("simulcast")) };
        let is_new = self.transport.is_none();
        let result = self.transport(asked)?.answer(text).await;
        let sdp = match result {
            Ok(sdp) => sdp,
            Err(error) => {
                if is_new {
                    // Half a negotiation is none: the next offer finds a fresh transport.
                    let (early, gather) = (std::mem::take(&mut self.session.early), self.session.gather);
                    self.end().await;
                    (self.session.early, self.session.gather) = (early, gather);
                }
                return Err(error);
            }
        };
        self.session.local = Some(sdp.clone());
        self.refresh();
        self.session.remote = Some(text.to_owned());
        self.session.negotiated = true;
        self.session.offerer = false;
        self.begin_gathering();
        self.add_early_candidates();
        self.negotiated(&sdp, true).await;
        Ok(json!({"sdp": sdp}))
    }

    async fn process_answer(&mut self, text: &str) -> Result<Value, EndpointError> {
        Sdp::parse(text)?;
        if !self.session.offered {
            return Err(if self.session.negotiated && self.session.offerer {
                EndpointError::conflict("answer-already-processed", "the answer was processed already")
            } else {
                EndpointError::conflict("no-offer", "there is no offer that this could be the answer to")
            });
        }
        let transport = self.transport.as_mut().ok_or_else(no_peer)?;
        transport.accept(text).await?;
        self.refresh();
        self.session.offered = false;
        self.session.negotiated = true;
        self.session.remote = Some(text.to_owned());
        self.add_early_candidates();
        self.negotiated(text, false).await;
        Ok(json!({}))
    }

    /// A picture that was under way while everything was negotiated anew may be lost.
    fn refresh(&mut self) {
        if self.session.negotiated
            && let Some(transport) = &mut self.transport
        {
            transport.request_key_frame();
        }
    }

    /// Whether an offer comes from the peer that is there: it has the same certificate.
    fn is_same_peer(&self, offer: &Sdp) -> bool {
        let fingerprint = |sdp: &Sdp| {
            let of_media = sdp.media.iter().find_map(|s| s.attribute("fingerprint").map(str::to_owned));
            of_media.or_else(|| sdp.session_attribute("fingerprint").map(str::to_owned))
        };
        let old = self.session.remote.as_deref().and_then(|text| Sdp::parse(text).ok());
        old.is_some_and(|old| fingerprint(&old) == fingerprint(offer))
    }

    fn gather(&mut self) -> Result<Value, EndpointError> {
        self.session.gather = true;
        if self.session.local.is_some() {
            self.begin_gathering();
        }
        Ok(json!({}))
    }

    fn begin_gathering(&mut self) {
        if self.session.gather
            && let Some(transport) = &mut self.transport
        {
            transport.gather();
        }
    }

    fn add_candidate(&mut self, mut candidate: Candidate) -> Result<Value, EndpointError> {
        if let Some(rest) = candidate.candidate.strip_prefix("a=") {
            candidate.candidate = rest.to_owned();
        }
        if candidate.candidate.is_empty() {
            // The end of candidates: there is nothing to wait for here.
            return Ok(json!({}));
        }
        check_candidate(&candidate.candidate)?;
        if self.session.remote.is_none() {
            const MOST: usize = 256;
            if self.session.early.len() >= MOST {
                return Err(EndpointError::invalid(
                    "bad-candidate",
                    "too many candidates and no description",
                ));
            }
            self.session.early.push(candidate);
            return Ok(json!({}));
        }
        self.transport.as_mut().ok_or_else(no_peer)?.add_candidate(&candidate)?;
        Ok(json!({}))
    }

    fn add_early_candidates(&mut self) {
        let Some(transport) = &mut self.transport else { return };
        for candidate in std::mem::take(&mut self.session.early) {
            if let Err(error) = transport.add_candidate(&candidate) {
                tracing::debug!(%error, "an early candidate is of no use");
            }
        }
    }

    fn request_key_frame(&mut self) -> Result<Value, EndpointError> {
        if !self.ports.video_out.ask_key_frame() {
            return Err(EndpointError::conflict("no-video", "no video is received from the peer"));
        }
        Ok(json!({}))
    }

    fn choose_layer(&mut self, rid: Option<&str>) -> Result<Value, EndpointError> {
        let rid = rid.filter(|rid| !rid.is_empty());
        self.transport.as_mut().ok_or_else(no_peer)?.choose_layer(rid)?;
        Ok(json!({}))
    }

    pub(super) fn property_changed(&mut self, name: &str) {
        let Some(transport) = &mut self.transport else { return };
        if matches!(name, "min_bitrate" | "max_bitrate") {
            transport.set_limits(&self.options);
            self.session.estimate.limits_changed(&self.options);
            self.wants_changed();
            return;
        }
        if name == "jitter_ms" {
            transport.set_jitter(self.options.jitter_ms);
        }
        if name == "layer" {
            let rid = Some(self.options.layer.as_str()).filter(|rid| !rid.is_empty());
            let chosen = transport.choose_layer(rid);
            if let Err(error) = chosen {
                self.trouble(Medium::Video, "switched to that layer", &error);
            }
        }
    }

    async fn stats(&mut self) -> Result<Value, EndpointError> {
        match &mut self.transport {
            Some(transport) => Ok(transport.stats().await),
            None => Ok(json!({})),
        }
    }

    fn candidate_pairs(&self) -> Value {
        match &self.session.pair {
            Some((local, remote)) => json!([{"local": local, "remote": remote, "selected": true}]),
            None => json!([]),
        }
    }

    fn state(&self) -> Value {
        let session = &self.session;
        json!({
            "peer": session.peer.unwrap_or(PeerState::New),
            "ice": session.ice.unwrap_or("new"),
            "dtls": session.dtls.unwrap_or("new"),
            "negotiated": session.negotiated,
            "offered": session.offered,
            "transport": self.choice.as_ref().map(|choice| choice.kind),
            "why": self.choice.as_ref().map(|choice| choice.why.clone()),
        })
    }

    async fn reset(&mut self) -> Result<Value, EndpointError> {
        let had_peer = self.transport.is_some();
        self.end().await;
        if had_peer {
            for port in [&self.ports.video_out, &self.ports.audio_out] {
                port.end(&self.element);
            }
            self.post("peer-state", json!({"state": PeerState::Closed, "reason": "the endpoint was reset"}));
            self.post_wants();
        }
        Ok(json!({}))
    }
}

fn described(sdp: Option<&String>, code: &'static str, which: &str) -> Result<Value, EndpointError> {
    let missing = || EndpointError::conflict(code, format!("there is no {which} description yet"));
    Ok(json!({"sdp": sdp.ok_or_else(missing)?}))
}

/// The grammar of RFC 8839, as far as a mistake would do harm.
fn check_candidate(text: &str) -> Result<(), EndpointError> {
    let bad = |what: &str| {
        let shown: String = text.chars().take(120).collect();
        Err(EndpointError::invalid("bad-candidate", format!("'{shown}' is no candidate: {what}")))
    };
    let Some(rest) = text.strip_prefix("candidate:") else { return bad("it does not begin with candidate:") };
    let parts: Vec<&str> = rest.split_ascii_whitespace().collect();
    let [_, component, _, priority, _, port, typ, kind, ..] = parts.as_slice() else {
        return bad("parts are missing");
    };
    if component.parse::<u16>().is_err() || priority.parse::<u32>().is_err() || port.parse::<u16>().is_err() {
        return bad("component, priority and port are numbers");
    }
    if *typ != "typ" || !matches!(*kind, "host" | "srflx" | "prflx" | "relay") {
        return bad("its type is unknown");
    }
    if !text.chars().all(|c| c.is_ascii_graphic() || c == ' ') {
        return bad("it has characters that no candidate has");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_checked() {
        check_candidate("candidate:1 1 UDP 2122252543 10.0.0.2 50000 typ host generation 0").unwrap();
        check_candidate("candidate:1 1 udp 1 a0b1.local 50000 typ host").unwrap();
        for bad in [
            "",
            "hello",
            "candidate:1 1 UDP 2122252543 10.0.0.2 50000",
            "candidate:1 1 UDP many 10.0.0.2 50000 typ host",
            "candidate:1 1 UDP 1 10.0.0.2 70000 typ host",
            "candidate:1 1 UDP 1 10.0.0.2 5000 typ ghost",
            "candidate:1 1 UDP 1 10.0.0.2 5000 typ host\r\na=x",
        ] {
            assert_eq!(check_candidate(bad).unwrap_err().code, "bad-candidate", "{bad}");
        }
    }
}
