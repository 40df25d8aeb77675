//! The m-lines: what is negotiated on each, with which transceiver and pad.

use std::sync::{Arc, Mutex, PoisonError};

use anabranch_graph::format::{Format, Medium};
use anabranch_kit::sdp::{Payload, Sdp, Section};
use gst::prelude::*;
use gst_webrtc::WebRTCRTPTransceiver;
use tokio::sync::mpsc;

use super::super::{Direction, OfferOptions, TransportEvent};
use crate::options::Options;
use anabranch_kit::endpoint::EndpointError;
use anabranch_kit::endpoint::codec;

/// The header extension by which Chromium learns how much the network carries.
const TRANSPORT_CC: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// The number that the extension has in our own offers.
const TRANSPORT_CC_NUMBER: u8 = 3;

/// All m-lines, in their order.
#[derive(Debug, Default)]
pub(super) struct Lines {
    lines: Vec<Line>,
    /// Media whose absence on the receiving side was told.
    told: Vec<(Medium, bool)>,
}

#[derive(Debug)]
struct Line {
    medium: Medium,
    transceiver: Option<WebRTCRTPTransceiver>,
    pad: Option<gst::Pad>,
    ssrc: u32,
    format: Option<Format>,
    direction: Direction,
}

impl Line {
    fn new(medium: Medium) -> Self {
        Line {
            medium,
            transceiver: None,
            pad: None,
            ssrc: glib::random_int().max(1),
            format: None,
            direction: Direction::Inactive,
        }
    }
}

impl Lines {
    /// Makes or changes the transceivers so that webrtcbin answers this offer as the options say.
    pub fn prepare_answer(
        &mut self,
        element: &gst::Element,
        offer: &Sdp,
        options: &Options,
    ) -> Result<(), EndpointError> {
        if offer.media.len() < self.lines.len() {
            return Err(EndpointError::bad_sdp("the offer has fewer media sections than the one before"));
        }
        let mut used = Vec::new();
        for (index, section) in offer.media.iter().enumerate() {
            let Some(medium) = section.medium() else {
                return Err(EndpointError::bad_sdp(format!(
                    "media section {} is of an unknown kind",
                    index + 1
                )));
            };
            if medium == Medium::Data {
                self.keep(index, medium);
                continue;
            }
            let choice = choose(section, medium, options);
            let remote = section.direction().flipped();
            let mut direction =
                Direction::of(remote.sends() && options.sends(), remote.receives() && options.receives());
            // A port takes one track; further ones of its medium stay silent.
            if choice.is_none() || section.is_rejected() || used.contains(&medium) {
                direction = Direction::Inactive;
            }
            if direction != Direction::Inactive {
                used.push(medium);
            }
            let choices: Vec<Payload> = choice.into_iter().collect();
            self.put(element, index, medium, direction, &choices, &section.extensions())?;
        }
        Ok(())
    }

    /// Makes or changes the transceivers so that webrtcbin makes this offer.
    pub fn prepare_offer(
        &mut self,
        element: &gst::Element,
        offer: &OfferOptions,
        options: &Options,
    ) -> Result<(), EndpointError> {
        let extensions = [(TRANSPORT_CC_NUMBER, TRANSPORT_CC.to_owned())];
        let mut left: Vec<(Medium, Direction)> =
            offer.media.iter().copied().filter(|(medium, _)| *medium != Medium::Data).collect();
        for index in 0..self.lines.len() {
            let medium = self.lines[index].medium;
            if medium == Medium::Data {
                continue;
            }
            let direction = match left.iter().position(|(m, _)| *m == medium) {
                Some(found) => left.remove(found).1,
                None => Direction::Inactive,
            };
            let payloads = offered(medium, options);
            self.put(element, index, medium, direction, &payloads, &extensions)?;
        }
        for (next, (medium, direction)) in (self.lines.len()..).zip(left) {
            let payloads = offered(medium, options);
            if payloads.is_empty() {
                return Err(EndpointError::unsupported(format!(
                    "no {medium} codec is allowed and installed"
                )));
            }
            self.put(element, next, medium, direction, &payloads, &extensions)?;
        }
        Ok(())
    }

    /// Takes over from an offer of ours where webrtcbin has put the data.
    pub fn align(&mut self, offer: &Sdp) {
        for (index, section) in offer.media.iter().enumerate() {
            let is_data = |line: &Line| line.medium == Medium::Data;
            if section.medium() == Some(Medium::Data) && !self.lines.get(index).is_some_and(is_data) {
                let at = index.min(self.lines.len());
                self.lines.insert(at, Line::new(Medium::Data));
            }
        }
    }

    fn keep(&mut self, index: usize, medium: Medium) {
        if index == self.lines.len() {
            self.lines.push(Line::new(medium));
        }
    }

    fn put(
        &mut self,
        element: &gst::Element,
        index: usize,
        medium: Medium,
        direction: Direction,
        payloads: &[Payload],
        extensions: &[(u8, String)],
    ) -> Result<(), EndpointError> {
        if index >= self.lines.len() {
            self.lines.push(Line::new(medium));
        }
        let Some(line) = self.lines.get_mut(index) else { return Ok(()) };
        let ssrc = (direction.sends()).then_some(line.ssrc);
        let caps = preferences(medium, payloads, extensions, ssrc);
        let way = super::direction(direction);
        if payloads.is_empty() && line.transceiver.is_none() {
            // Nothing in common: webrtcbin is to refuse the section.
            let nothing = gst::Caps::builder("application/x-rtp").field("encoding-name", "NONE").build();
            line.transceiver = element.emit_by_name("add-transceiver", &[&way, &nothing]);
            return Ok(());
        }
        if direction.sends() && line.pad.is_none() {
            let template = element.pad_template("sink_%u");
            // The name of a pad that is asked for later says which transceiver it is for.
            let name = line.transceiver.as_ref().map(|t| format!("sink_{}", t.mlineindex()));
            if let Some(transceiver) = &line.transceiver {
                transceiver.set_direction(way);
                transceiver.set_codec_preferences(Some(&caps));
            }
            let pad = template.and_then(|t| element.request_pad(&t, name.as_deref(), Some(&caps)));
            let pad = pad.ok_or_else(|| EndpointError::failed("webrtcbin gives no pad to send"))?;
            line.transceiver = Some(pad.property("transceiver"));
            line.pad = Some(pad);
        }
        let transceiver = match &line.transceiver {
            Some(transceiver) => transceiver.clone(),
            None => {
                let made: Option<WebRTCRTPTransceiver> =
                    element.emit_by_name("add-transceiver", &[&way, &caps]);
                made.ok_or_else(|| EndpointError::failed("webrtcbin gives no transceiver"))?
            }
        };
        transceiver.set_direction(way);
        transceiver.set_codec_preferences(Some(&caps));
        if transceiver.has_property("do-nack") {
            // Lost sound is not sent again: it would come too late, and browsers do not offer it.
            transceiver.set_property("do-nack", medium == Medium::Video);
        }
        line.transceiver = Some(transceiver);
        Ok(())
    }

    /// What is negotiated now, by an answer that we made (`local`) or got.
    pub fn settle(&mut self, answer: &Sdp, local: bool) -> Vec<TransportEvent> {
        let mut events = Vec::new();
        let mut receiving = Vec::new();
        for (line, section) in self.lines.iter_mut().zip(&answer.media) {
            let medium = line.medium;
            if medium == Medium::Data {
                continue;
            }
            let mid = section.mid().unwrap_or_default().to_owned();
            let payload = section.payloads().into_iter().find(|p| p.format().is_some());
            let direction = match (section.is_rejected(), local) {
                (true, _) => Direction::Inactive,
                (false, true) => section.direction(),
                (false, false) => section.direction().flipped(),
            };
            let before = std::mem::replace(&mut line.direction, direction);
            line.format = payload.as_ref().and_then(Payload::format);
            if direction.receives() {
                receiving.push(medium);
            } else if before.receives() {
                events.push(TransportEvent::ReceivesNot { mid: mid.clone(), medium });
            }
            match (&line.pad, payload, &line.format) {
                (Some(pad), Some(payload), Some(format)) if direction.sends() => {
                    let caps = preferences(medium, &[payload], &section.extensions(), Some(line.ssrc));
                    let event = TransportEvent::Sends { mid, format: format.clone(), caps, pad: pad.clone() };
                    events.push(event);
                }
                _ if before.sends() => events.push(TransportEvent::SendsNot { mid, medium }),
                _ => {}
            }
        }
        for medium in [Medium::Video, Medium::Audio] {
            let now = receiving.contains(&medium);
            let told = self.told.iter().find(|(m, _)| *m == medium).map(|(_, told)| *told);
            if !now && told.is_none() {
                events.push(TransportEvent::ReceivesNot { mid: String::new(), medium });
            }
            self.told.retain(|(m, _)| *m != medium);
            self.told.push((medium, now));
        }
        events
    }

    /// Whether anything but data goes either way.
    pub fn exchange_media(&self) -> bool {
        self.lines.iter().any(|line| line.direction != Direction::Inactive)
    }

    /// The DTLS transport, once there is one.
    pub fn dtls_transport(&self) -> Option<gst_webrtc::WebRTCDTLSTransport> {
        self.lines.iter().filter_map(|line| line.transceiver.as_ref()).find_map(|transceiver| {
            let receiver = transceiver.receiver().and_then(|r| r.transport());
            receiver.or_else(|| transceiver.sender().and_then(|s| s.transport()))
        })
    }

    /// All pads that were requested.
    pub fn take_pads(&mut self) -> Vec<gst::Pad> {
        self.lines.iter_mut().filter_map(|line| line.pad.take()).collect()
    }

    fn format(&self, index: u32) -> Option<Format> {
        self.lines.get(index as usize)?.format.clone()
    }
}

/// The payload that is taken of those that a peer offers.
fn choose(section: &Section, medium: Medium, options: &Options) -> Option<Payload> {
    let payloads = section.payloads();
    options.formats(medium).into_iter().filter(codec::is_available).find_map(|format| {
        let of_format = |p: &&Payload| p.format().as_ref() == Some(&format);
        let candidates: Vec<&Payload> = payloads.iter().filter(of_format).collect();
        if format != Format::H264 {
            // Profile 0 of VP9, which is the one without a profile-id too.
            let plain = candidates.iter().find(|p| p.parameter("profile-id").is_none_or(|id| id == "0"));
            return plain.map(|p| (*p).clone());
        }
        let packets = |p: &&&Payload| p.parameter("packetization-mode") == Some("1");
        let baseline = |p: &&&Payload| {
            p.parameter("profile-level-id").is_some_and(|id| id.to_ascii_lowercase().starts_with("42e0"))
        };
        let best =
            candidates.iter().find(|p| packets(p) && baseline(p)).or_else(|| candidates.iter().find(packets));
        best.map(|p| (*p).clone())
    })
}

/// The payloads of our own offers.
fn offered(medium: Medium, options: &Options) -> Vec<Payload> {
    let payload = |number, name: &str, clock_rate, parameters: Option<&str>, fmtp: &str| Payload {
        number,
        name: name.to_owned(),
        clock_rate,
        parameters: parameters.map(str::to_owned),
        fmtp: fmtp.to_owned(),
    };
    let formats = options.formats(medium).into_iter().filter(codec::is_available);
    formats
        .filter_map(|format| {
            Some(match format {
                Format::Vp8 => payload(96, "VP8", 90_000, None, ""),
                Format::Vp9 => payload(98, "VP9", 90_000, None, "profile-id=0"),
                Format::H264 => payload(
                    102,
                    "H264",
                    90_000,
                    None,
                    "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
                ),
                Format::Av1 => payload(104, "AV1", 90_000, None, ""),
                Format::Opus => payload(111, "OPUS", 48_000, Some("2"), "minptime=10;useinbandfec=1"),
                Format::Pcmu => payload(0, "PCMU", 8000, None, ""),
                Format::Pcma => payload(8, "PCMA", 8000, None, ""),
                _ => return None,
            })
        })
        .collect()
}

/// The caps by which a transceiver is told what to negotiate.
fn preferences(
    medium: Medium,
    payloads: &[Payload],
    extensions: &[(u8, String)],
    ssrc: Option<u32>,
) -> gst::Caps {
    let mut caps = gst::Caps::new_empty();
    let all = caps.make_mut();
    for payload in payloads {
        let mut structure = gst::Structure::builder("application/x-rtp")
            .field("media", medium.name())
            .field("encoding-name", payload.name.to_ascii_uppercase())
            .field("clock-rate", payload.clock_rate as i32)
            .field("payload", i32::from(payload.number))
            .build();
        if let Some(parameters) = &payload.parameters {
            structure.set("encoding-params", parameters);
        }
        for part in payload.fmtp.split(';') {
            if let Some((key, value)) = part.split_once('=') {
                structure.set(key.trim(), value.trim());
            }
        }
        if medium == Medium::Video {
            for (number, uri) in extensions.iter().filter(|(_, uri)| uri == TRANSPORT_CC) {
                structure.set(format!("extmap-{number}"), uri);
            }
        }
        if let Some(ssrc) = ssrc {
            structure.set("ssrc", ssrc);
        }
        all.append_structure(structure);
    }
    caps
}

/// Tells which tracks are received, when their pads come.
pub(super) fn watch(
    element: &gst::Element,
    lines: &Arc<Mutex<Lines>>,
    events: &mpsc::UnboundedSender<TransportEvent>,
) {
    let (lines, events) = (Arc::downgrade(lines), events.clone());
    element.connect_pad_added(move |_, pad| {
        if pad.direction() != gst::PadDirection::Src {
            return;
        }
        let transceiver: Option<WebRTCRTPTransceiver> = pad.property("transceiver");
        let (Some(lines), Some(transceiver)) = (lines.upgrade(), transceiver) else { return };
        let index = transceiver.mlineindex();
        let caps = pad.current_caps();
        let name = caps.as_ref().and_then(|c| c.structure(0)?.get::<String>("encoding-name").ok());
        let format = name.as_deref().and_then(anabranch_kit::sdp::format_of);
        let negotiated = lines.lock().unwrap_or_else(PoisonError::into_inner).format(index);
        let Some(format) = format.or(negotiated) else { return };
        // Nothing comes before somebody takes it.
        let hold = Arc::new(Mutex::new(
            pad.add_probe(gst::PadProbeType::BLOCK_DOWNSTREAM, |_, _| gst::PadProbeReturn::Ok),
        ));
        pad.connect_linked(move |pad, _| {
            let id = hold.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(id) = id {
                pad.remove_probe(id);
            }
        });
        let mid = transceiver.mid().map(String::from).unwrap_or_default();
        let caps = caps.unwrap_or_else(gst::Caps::new_any);
        let _ = events.send(TransportEvent::Receives { mid, format, caps, pad: pad.clone() });
    });
}

/// What comes out of a source pad of webrtcbin.
pub(super) fn medium_of(pad: &gst::Pad) -> Option<Medium> {
    let transceiver: Option<WebRTCRTPTransceiver> = pad.property("transceiver");
    match transceiver?.kind() {
        gst_webrtc::WebRTCKind::Video => Some(Medium::Video),
        gst_webrtc::WebRTCKind::Audio => Some(Medium::Audio),
        _ => None,
    }
}
