//! Offers and answers, between the endpoint's wishes, the text and str0m.

use std::net::SocketAddr;
use std::time::Instant;

use anabranch_graph::format::Medium;
use anabranch_kit::sdp::{Sdp, Section};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::media::{Direction as RtcDirection, MediaKind, Mid};

use super::config;
use super::peer::Core;
use super::sdp::{EditSdp, EditSection, Payload};
use crate::options::Options;
use crate::transport::{Candidate, Direction, OfferOptions};
use anabranch_kit::endpoint::EndpointError;

/// A track, as it was negotiated.
#[derive(Clone, Debug)]
pub(super) struct Agreed {
    pub mid: Mid,
    pub medium: Medium,
    /// Seen from here.
    pub direction: Direction,
    /// The one payload type that both use.
    pub payload: Option<Payload>,
    /// Ours.
    pub ssrc: u32,
}

/// An offer of ours that is not answered yet.
pub(super) struct Pending {
    offer: SdpPendingOffer,
    /// Channels that exist only if it is accepted.
    channels: Vec<u16>,
}

/// The m-lines so far.
#[derive(Default)]
pub(super) struct Session {
    media: Vec<(Mid, Medium)>,
    data: bool,
    pending: Option<Pending>,
    /// The name of the stream that all our tracks are parts of.
    stream: String,
    controlling: bool,
}

fn refused(error: impl std::fmt::Display) -> EndpointError {
    EndpointError::bad_sdp(format!("The session description cannot be used: {error}."))
}

fn rtc_direction(direction: Direction) -> RtcDirection {
    match direction {
        Direction::SendRecv => RtcDirection::SendRecv,
        Direction::SendOnly => RtcDirection::SendOnly,
        Direction::RecvOnly => RtcDirection::RecvOnly,
        Direction::Inactive => RtcDirection::Inactive,
    }
}

impl Session {
    /// Whether an offer waits for its answer.
    pub fn pending(&self) -> bool {
        self.pending.is_some()
    }

    /// Whether data channels can be opened without another offer.
    pub fn has_data(&self) -> bool {
        self.data
    }

    /// Whether something was negotiated.
    pub fn is_new(&self) -> bool {
        self.media.is_empty() && !self.data
    }
}

impl Core {
    /// Whether this side decides which pair of candidates is used.
    pub fn controlling(&self) -> bool {
        self.session.controlling
    }

    /// Makes an offer.
    pub fn make_offer(&mut self, options: &Options, wishes: &OfferOptions) -> Result<String, EndpointError> {
        self.drop_pending();
        if self.session.is_new() {
            self.session.controlling = !options.ice_lite;
        }
        let waiting = if self.session.data { Vec::new() } else { self.channels.waiting() };
        let mut unused = self.session.media.clone();
        let mut change = self.rtc.sdp_api();
        let mut data = !waiting.is_empty();
        for (medium, direction) in &wishes.media {
            let kind = match medium {
                Medium::Data => {
                    data = true;
                    continue;
                }
                Medium::Audio => MediaKind::Audio,
                Medium::Video => MediaKind::Video,
            };
            match unused.iter().position(|(_, of)| of == medium) {
                Some(place) => {
                    let (mid, _) = unused.remove(place);
                    change.set_direction(mid, rtc_direction(*direction));
                }
                None => {
                    change.add_media(kind, rtc_direction(*direction), None, None, None);
                }
            }
        }
        for (mid, _) in unused {
            change.set_direction(mid, RtcDirection::Inactive);
        }
        let mut channels = Vec::new();
        if data && !self.session.data {
            for (number, config) in waiting {
                let id = change.add_channel_with_config(config);
                self.channels.handed_over(number, id);
                channels.push(number);
            }
            if channels.is_empty() {
                change.add_channel_with_config(self.channels.hidden());
            }
        }
        if wishes.restart_ice || !change.has_changes() && !self.session.is_new() {
            change.ice_restart(true);
        }
        let Some((offer, pending)) = change.apply() else {
            return Err(EndpointError::invalid(
                "nothing-to-offer",
                "An offer needs at least one of audio, video and data.",
            ));
        };
        let text = self.finish_local(&offer.to_sdp_string(), options)?;
        self.session.pending = Some(Pending { offer: pending, channels });
        Ok(text)
    }

    fn drop_pending(&mut self) {
        if let Some(pending) = self.session.pending.take() {
            self.channels.taken_back(&pending.channels);
        }
    }

    /// Takes the answer to our offer.
    pub fn take_answer(&mut self, text: &str, options: &Options) -> Result<Vec<Agreed>, EndpointError> {
        let mut sdp = Sdp::parse(text)?;
        if self.session.pending.is_none() {
            return Err(EndpointError::conflict("no-offer", "There is no offer that this could answer."));
        }
        narrow(&mut sdp, options);
        let candidates = sdp.take_candidates();
        let answer = SdpAnswer::from_sdp_string(&sdp.to_string()).map_err(refused)?;
        let Some(pending) = self.session.pending.take() else {
            return Err(EndpointError::conflict("no-offer", "There is no offer that this could answer."));
        };
        if let Err(error) = self.rtc.sdp_api().accept_answer(pending.offer, answer) {
            self.channels.taken_back(&pending.channels);
            return Err(refused(error));
        }
        let ufrag = self.rtc.direct_api().local_ice_credentials().ufrag;
        self.candidates.renamed(&ufrag);
        self.take_remote(&candidates);
        let agreed = self.agreed(&sdp, true, options);
        self.after_negotiation(&agreed, options);
        Ok(agreed)
    }

    /// Takes an offer and answers it.
    pub fn take_offer(
        &mut self,
        text: &str,
        options: &Options,
    ) -> Result<(String, Vec<Agreed>), EndpointError> {
        let mut offer = Sdp::parse(text)?;
        self.drop_pending();
        if self.session.is_new() {
            self.session.controlling = offer.any_attribute("ice-lite").is_some();
        }
        for section in &mut offer.media {
            if matches!(section.medium(), Some(Medium::Audio | Medium::Video)) {
                let theirs = section.direction();
                let ours =
                    Direction::of(theirs.sends() && options.receives(), theirs.receives() && options.sends());
                if ours != theirs {
                    section.set_direction(ours);
                }
            }
        }
        let spoken = |section: &Section| match section.medium() {
            Some(Medium::Data) => true,
            Some(medium) => section.choose(&options.formats(medium)).is_some(),
            None => false,
        };
        if !offer.media.iter().any(|section| spoken(section) && !section.is_rejected()) {
            return Err(EndpointError::invalid(
                "nothing-in-common",
                "The peer offers no codec that this endpoint is allowed to use.",
            ));
        }
        narrow(&mut offer, options);
        let candidates = offer.take_candidates();
        let parsed = SdpOffer::from_sdp_string(&offer.to_string()).map_err(refused)?;
        let answer = self.rtc.sdp_api().accept_offer(parsed).map_err(refused)?;
        let text = self.finish_local(&answer.to_sdp_string(), options)?;
        self.take_remote(&candidates);
        let agreed = self.agreed(&Sdp::parse(&text)?, false, options);
        self.after_negotiation(&agreed, options);
        Ok((text, agreed))
    }

    /// What a local description still lacks: our candidates, one stream, a limit.
    fn finish_local(&mut self, text: &str, options: &Options) -> Result<String, EndpointError> {
        let mut sdp = Sdp::parse(text)?;
        if self.session.stream.is_empty() {
            let first = sdp.media.iter().find_map(|section| section.attribute("msid"));
            let stream = first.and_then(|msid| msid.split_whitespace().next()).unwrap_or("anabranch");
            self.session.stream = stream.to_owned();
        }
        sdp.unite_streams(&self.session.stream);
        if options.max_receive_bitrate > 0 {
            for section in sdp.media.iter_mut().filter(|section| section.medium() == Some(Medium::Video)) {
                section.limit(options.max_receive_bitrate);
            }
        }
        if let Some(ufrag) = sdp.any_attribute("ice-ufrag").map(str::to_owned) {
            self.shared.name(self.id, &ufrag);
            self.candidates.renamed(&ufrag);
        }
        if let Some(section) = sdp.media.iter().find(|section| !section.is_rejected()) {
            self.candidates.mid = section.mid().unwrap_or_default().to_owned();
        }
        sdp.take_candidates();
        let lines: Vec<String> = self.candidates.lines().collect();
        sdp.put_candidates(lines.iter().map(String::as_str), self.candidates.complete());
        Ok(sdp.to_string())
    }

    /// What was agreed, from the answer, which is the peer's or ours.
    fn agreed(&mut self, answer: &Sdp, theirs: bool, options: &Options) -> Vec<Agreed> {
        let mut agreed = Vec::new();
        for section in &answer.media {
            let mid = Mid::from(section.mid().unwrap_or_default());
            match section.medium() {
                Some(medium @ (Medium::Audio | Medium::Video)) => {
                    let payload = section.choose(&options.formats(medium)).filter(|_| !section.is_rejected());
                    let written = section.direction();
                    let direction = match (&payload, theirs) {
                        (None, _) => Direction::Inactive,
                        (Some(_), true) => written.flipped(),
                        (Some(_), false) => written,
                    };
                    let ssrc = self.rtc.direct_api().stream_tx_by_mid(mid, None).map_or(0, |tx| *tx.ssrc());
                    agreed.push(Agreed { mid, medium, direction, payload, ssrc });
                    if !self.session.media.iter().any(|(known, _)| *known == mid) {
                        self.session.media.push((mid, medium));
                    }
                }
                Some(Medium::Data) => self.session.data |= !section.is_rejected(),
                None => {}
            }
        }
        agreed
    }

    fn after_negotiation(&mut self, agreed: &[Agreed], options: &Options) {
        let sends = |track: &Agreed| track.medium == Medium::Video && track.direction.sends();
        if agreed.iter().any(sends) {
            self.rtc.bwe().set_desired_bitrate(config::desired(options));
        }
        if self.session.data {
            self.open_waiting_channels();
        }
        self.negotiated();
        self.candidates.tell(&self.events);
    }

    /// Opens channels without another offer: the association exists.
    pub fn open_waiting_channels(&mut self) {
        for (number, config) in self.channels.waiting() {
            let mut change = self.rtc.sdp_api();
            let id = change.add_channel_with_config(config);
            // There is nothing to negotiate, so there is no offer.
            let _ = change.apply();
            self.channels.handed_over(number, id);
            self.pump(Instant::now());
        }
    }

    fn take_remote(&mut self, candidates: &[String]) {
        for candidate in candidates {
            if let Err(error) = self.add_remote(candidate) {
                tracing::debug!(%error, candidate, "a candidate in the description was ignored");
            }
        }
    }

    /// Takes a remote candidate.
    pub fn add_candidate(&mut self, candidate: &Candidate) -> Result<(), EndpointError> {
        let text = candidate.candidate.trim().trim_start_matches("a=");
        if text.is_empty() || text.starts_with("end-of-candidates") {
            return Ok(());
        }
        self.add_remote(text)
    }

    fn add_remote(&mut self, text: &str) -> Result<(), EndpointError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let bad = || {
            let text = format!("'{text}' is not an ICE candidate.");
            EndpointError::invalid("bad-candidate", text)
        };
        if !text.starts_with("candidate:") || words.len() < 8 {
            return Err(bad());
        }
        let port: u16 = words[5].parse().map_err(|_| bad())?;
        // Candidates over TCP are not spoken, and names (mDNS) cannot be known here; the peer's checks show its address.
        let Ok(ip) = words[4].parse() else { return Ok(()) };
        if !words[2].eq_ignore_ascii_case("udp") {
            return Ok(());
        }
        let candidate = str0m::Candidate::from_sdp_string(text).map_err(|_| bad())?;
        self.candidates.remote(SocketAddr::new(ip, port), text);
        self.rtc.add_remote_candidate(candidate);
        Ok(())
    }
}

/// Leaves in each section the one payload type that is wanted most: then no packet can come of another.
fn narrow(sdp: &mut Sdp, options: &Options) {
    let choose = |section: &Section| section.choose(&options.formats(section.medium()?));
    for section in &mut sdp.media {
        if let Some(payload) = choose(section) {
            section.narrow(payload.pt);
        }
    }
}
