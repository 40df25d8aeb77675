//! What the catalogue says about `webrtc`.

use std::net::IpAddr;

use anabranch_graph::catalog::{
    Direction, ElementDescriptor, EventSpec, Part, PortSpec, PropertyMap, Refined, Role,
};
use anabranch_graph::format::{Format, Medium};
use anabranch_kit::params::table;
use serde_json::{Value, json};

use crate::options::Options;
use crate::transport::choose::{self, Asked, Kind};
use anabranch_kit::endpoint::codec;

pub(super) const SUMMARY: &str =
    "A WebRTC peer: takes its camera, microphone and messages, and sends it media.";

const DESCRIPTION: &str = "\
The server's end of a WebRTC connection, for instance with a browser. What the peer sends comes out of it, encoded as the \
peer made it; what is linked into it is sent to the peer, untouched where the peer takes its format and transcoded \
otherwise. It is an endpoint: its input and its output are two sides, not a path.

Somebody has to carry the session descriptions: the server (WHIP, WHEP, the Kurento protocol), or a program by the \
commands `offer`, `process-offer`, `process-answer`, `gather`, `add-candidate`, `restart-ice`, `local-description`, \
`remote-description`, `request-key-frame`, `open-channel`, `close-channel`, `send`, `stats`, `candidate-pairs`, `state`, \
`layer` and `reset`. A peer that is gone leaves the element; it takes the next one.

- `transport: auto` takes GStreamer's webrtcbin, or Anabranch's own transport where webrtcbin cannot do what is asked; the \
event `negotiated` says which, and why.
- `direction`, seen from the server: `recvonly` for publishers, `sendonly` for viewers.
- `video_codecs` and `audio_codecs`: the first of the list that the peer knows is used.
- Messages of data channels come and go on the `data` ports.
- `min_bitrate` and `max_bitrate` bound what the estimate of the network asks of the encoder.

    webrtc id=peer -> webrtc
";

fn port(medium: Medium, direction: Direction) -> PortSpec {
    let (side, formats) = match direction {
        Direction::Input => ("sink", Options::default().formats(medium)),
        Direction::Output => ("src", Vec::new()),
    };
    PortSpec {
        name: medium.name().into(),
        direction,
        medium,
        pad: format!("{side}_{}", medium.name()),
        formats,
        layouts: Vec::new(),
        required: false,
        multiple: false,
    }
}

/// Those that this machine can exchange.
fn known(formats: Vec<Format>) -> Vec<Format> {
    formats.into_iter().filter(codec::is_available).collect()
}

fn event(name: &str, summary: &str, properties: Value, required: &[&str]) -> EventSpec {
    EventSpec {
        name: name.into(),
        summary: summary.into(),
        schema: json!({"type": "object", "properties": properties, "required": required}),
    }
}

fn events() -> Vec<EventSpec> {
    let text = || json!({"type": "string"});
    vec![
        event(
            "ice-candidate",
            "A local candidate, for the peer.",
            json!({"candidate": text(), "sdp_mid": {"type": ["string", "null"]}, "sdp_m_line_index": {"type": ["integer", "null"]}}),
            &["candidate"],
        ),
        event("ice-gathering-done", "All local candidates were told.", json!({}), &[]),
        event(
            "ice-state",
            "The state of the connectivity checks changed.",
            json!({"state": text()}),
            &["state"],
        ),
        event("dtls-state", "The state of the encryption changed.", json!({"state": text()}), &["state"]),
        event(
            "peer-state",
            "The connection as a whole: new, connecting, connected, disconnected, failed, closed.",
            json!({"state": text(), "reason": text()}),
            &["state", "reason"],
        ),
        event(
            "candidate-pair",
            "The pair of candidates that is used now.",
            json!({"local": text(), "remote": text()}),
            &["local", "remote"],
        ),
        event(
            "negotiated",
            "Offer and answer were exchanged: which transport carries the peer and why, and its tracks.",
            json!({"transport": text(), "why": text(), "tracks": {"type": "array"}}),
            &["transport", "why", "tracks"],
        ),
        event(
            "track-trouble",
            "A track could not be sent or received.",
            json!({"medium": text(), "reason": text()}),
            &["medium", "reason"],
        ),
        event(
            "data-channel-opened",
            "A data channel is open.",
            json!({"id": {"type": "integer"}, "label": text(), "protocol": text()}),
            &["id", "label", "protocol"],
        ),
        event(
            "data-channel-closed",
            "A data channel is closed.",
            json!({"id": {"type": "integer"}}),
            &["id"],
        ),
        event(
            "message-lost",
            "A message was not sent, for instance because it is longer than the transport carries.",
            json!({"id": {"type": "integer"}, "bytes": {"type": "integer"}, "reason": text()}),
            &["id", "bytes", "reason"],
        ),
        event(
            "bandwidth",
            "How much video the network carries to the peer, kbit/s.",
            json!({"kbps": {"type": "integer"}}),
            &["kbps"],
        ),
    ]
}

pub(super) fn describe() -> ElementDescriptor {
    let media = [Medium::Video, Medium::Audio, Medium::Data];
    let inputs = media.map(|medium| port(medium, Direction::Input));
    let outputs = media.map(|medium| port(medium, Direction::Output));
    ElementDescriptor {
        name: "webrtc".into(),
        factory: "abwebrtc".into(),
        role: Role::Endpoint,
        summary: SUMMARY.into(),
        description: DESCRIPTION.into(),
        author: "The Anabranch developers".into(),
        example: "test-source -> webrtc".into(),
        ports: inputs.into_iter().chain(outputs).collect(),
        properties: table::<Options>().properties().to_vec(),
        events: events(),
        requires: Vec::new(),
        realtime: true,
        refine: Some(refine),
    }
}

fn refine(properties: &PropertyMap) -> Refined {
    let mut refined = Refined { paced: Some(true), ..Refined::default() };
    // What does not fit is reported by the check of the properties.
    let Ok(options) = serde_json::from_value::<Options>(Value::Object(properties.clone())) else {
        return refined;
    };
    for (medium, property) in [(Medium::Video, "video_codecs"), (Medium::Audio, "audio_codecs")] {
        let all = options.formats(medium);
        let formats = known(all.clone());
        if formats.is_empty() && !all.is_empty() {
            let names: Vec<&str> = all.iter().map(Format::name).collect();
            let problem = format!("this machine cannot exchange {} with a peer", names.join(" or "));
            refined.problems.push((property.into(), problem));
        }
        refined.formats.push((medium.name().into(), formats));
    }
    if options.min_port != 0 && options.max_port != 0 && options.min_port > options.max_port {
        refined
            .problems
            .push(("min_port".into(), format!("is greater than `max_port` ({})", options.max_port)));
    }
    if options.max_bitrate != 0 && options.min_bitrate > options.max_bitrate {
        let problem = format!("is greater than `max_bitrate` ({})", options.max_bitrate);
        refined.problems.push(("min_bitrate".into(), problem));
    }
    if let Some(wrong) = options.announced_addresses.iter().find(|a| a.parse::<IpAddr>().is_err()) {
        refined.problems.push(("announced_addresses".into(), format!("'{wrong}' is no IP address")));
    }
    if !options.stun_server.is_empty() && !options.stun_server.starts_with("stun:") {
        let problem = format!("'{}' is no STUN server; write stun:host:port", options.stun_server);
        refined.problems.push(("stun_server".into(), problem));
    }
    match choose::choose(&options, Asked::default()) {
        Ok(choice) => {
            let why = format!("carries the peer: {}", choice.why);
            match choice.kind {
                Kind::Webrtcbin => {
                    refined
                        .requires
                        .extend(["webrtcbin", "nicesrc", "dtlsdec", "srtpenc"].map(str::to_owned));
                    refined.parts.push(Part { factory: "webrtcbin".into(), why });
                }
                Kind::Native => {
                    refined
                        .parts
                        .push(Part { factory: "appsrc".into(), why: format!("native transport; it {why}") });
                }
            }
        }
        Err(error) => {
            let beyond = choose::beyond_webrtcbin(&options).or(choose::beyond_native(&options));
            let property = beyond.map_or("transport", |(property, _)| property);
            refined.problems.push((property.into(), error.text));
        }
    }
    refined
}
