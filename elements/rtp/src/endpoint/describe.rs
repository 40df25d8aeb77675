//! What the catalogue says about `rtp`.

use anabranch_graph::catalog::{Direction, ElementDescriptor, PropertyMap, Refined, Role};
use anabranch_graph::format::Medium;
use anabranch_kit::params::table;
use serde_json::json;

use super::Options;
use crate::net;
use crate::srtp::{Crypto, Keys};
use crate::{describe as common, events};

pub(super) const SUMMARY: &str = "An RTP peer by SDP offer and answer: takes its media and sends it media.";

const DESCRIPTION: &str = "\
The server's end of a plain RTP or SRTP connection, for instance with a telephone system, a camera or another media server. \
What the peer sends comes out of it, encoded as the peer made it; what is linked into it is sent to the peer, untouched \
where the peer takes its format and transcoded otherwise. It is an endpoint: its input and its output are two sides, not a \
path.

Somebody has to carry the session descriptions, by the commands `generate-offer` (or `offer`), `process-offer`, \
`process-answer`, `local-description`, `remote-description`, `request-key-frame`, `stats`, `state` and `reset`.

- `crypto`: SRTP with keys in the SDP (SDES). With `none`, an offer that asks for SRTP gets it.
- `symmetric: auto` sends to where the peer's packets come from if its SDP says no address (0.0.0.0, port 9) or \
`a=direction:active`.
- `min_port` and `max_port` bound the UDP ports; each medium takes an even one and the next.
- The event `media-state` tells when the peer is heard and when it is no more.

    phone:rtp -> phone
";

pub(super) fn describe() -> ElementDescriptor {
    let defaults = Options::default();
    let media = [Medium::Video, Medium::Audio];
    let inputs = media.map(|medium| common::port(medium, Direction::Input, defaults.formats(medium)));
    let outputs = media.map(|medium| common::port(medium, Direction::Output, Vec::new()));
    let text = || json!({"type": "string"});
    let mut all = vec![events::event(
        "negotiated",
        "Offer and answer were exchanged: the tracks, their formats and directions, and whether they are encrypted.",
        json!({"transport": text(), "why": text(), "tracks": {"type": "array"}}),
        &["transport", "why", "tracks"],
    )];
    all.extend(events::of_session());
    ElementDescriptor {
        name: "rtp".into(),
        factory: "abrtp".into(),
        role: Role::Endpoint,
        summary: SUMMARY.into(),
        description: DESCRIPTION.into(),
        author: "The Anabranch developers".into(),
        example: "test-source -> rtp".into(),
        ports: inputs.into_iter().chain(outputs).collect(),
        properties: table::<Options>().properties().to_vec(),
        events: all,
        requires: Vec::new(),
        realtime: true,
        refine: Some(refine),
    }
}

fn refine(properties: &PropertyMap) -> Refined {
    let mut refined = Refined { paced: Some(true), ..Refined::default() };
    let Some(options) = common::options::<Options>(properties) else { return refined };
    common::formats(&mut refined, Medium::Video, "video_codecs", &options.formats(Medium::Video));
    common::formats(&mut refined, Medium::Audio, "audio_codecs", &options.formats(Medium::Audio));
    common::parts(&mut refined, options.crypto != Crypto::None, options.sends(), options.receives());
    common::port_range(&mut refined, options.min_port, options.max_port);
    for (property, text) in [("address", &options.address), ("announced_address", &options.announced_address)]
    {
        if !text.is_empty() {
            common::problem(&mut refined, property, &net::parse_ip(property, text));
        }
    }
    common::problem(&mut refined, "crypto_key", &Keys::of_properties(options.crypto, &options.crypto_key));
    refined
}
