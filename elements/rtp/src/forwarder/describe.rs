//! What the catalogue says about `rtp-forwarder`.

use anabranch_graph::catalog::{Direction, ElementDescriptor, PropertyMap, Refined, Role};
use anabranch_graph::format::Medium;
use anabranch_kit::params::table;
use serde_json::json;

use super::Options;
use crate::net;
use crate::net::interface::Interface;
use crate::srtp::{Crypto, Keys};
use crate::{describe as common, events};

pub(super) const SUMMARY: &str = "Sends media as RTP to an address: of one machine, or of a multicast group.";

const DESCRIPTION: &str = "\
Sends video and audio as plain RTP or SRTP. What comes in a format that it sends goes out untouched; other formats are \
transcoded to the first of `video_codecs` and `audio_codecs`.

Whether one machine or many receive it is a matter of the `address` alone: a multicast group (239.1.2.3, ff15::42) works like \
any other address, and packets are sent once. `interface` names the network interface, `ttl` says how far packets go.

Receivers need an SDP: it comes as the event `sdp`, again whenever it changes, and goes to `sdp_file`. Any player reads it, \
and so does `rtp-source`. Receivers that ask for a key frame (RTCP PLI or FIR) get one: the request goes to the source; lost \
packets that they ask for (NACK) are sent again.

    test-source -> rtp-forwarder address=239.1.2.3 port=5004 ttl=4 sdp_file=show.sdp
";

impl Options {
    pub(super) fn formats(&self, medium: Medium) -> Vec<anabranch_graph::format::Format> {
        match medium {
            Medium::Video => self.video_codecs.iter().map(|codec| codec.format()).collect(),
            Medium::Audio => self.audio_codecs.iter().map(|codec| codec.format()).collect(),
            Medium::Data => Vec::new(),
        }
    }
}

pub(super) fn describe() -> ElementDescriptor {
    let defaults = Options::default();
    let ports = [Medium::Video, Medium::Audio]
        .map(|medium| common::port(medium, Direction::Input, defaults.formats(medium)));
    let mut all = vec![events::event(
        "sdp",
        "The SDP that a receiver needs; again whenever it changes.",
        json!({"sdp": {"type": "string"}}),
        &["sdp"],
    )];
    // It sends to where it was told, receives nothing but reports, and a track that cannot be sent is its failure.
    let posted = ["media-state", "unreachable", "reachable"];
    all.extend(events::of_session().into_iter().filter(|event| posted.contains(&event.name.as_str())));
    ElementDescriptor {
        name: "rtp-forwarder".into(),
        factory: "abrtpforwarder".into(),
        role: Role::Sink,
        summary: SUMMARY.into(),
        description: DESCRIPTION.into(),
        author: "The Anabranch developers".into(),
        example: "test-source -> rtp-forwarder address=127.0.0.1 port=5004".into(),
        ports: ports.into(),
        properties: table::<Options>().properties().to_vec(),
        events: all,
        requires: Vec::new(),
        realtime: true,
        refine: Some(refine),
    }
}

fn refine(properties: &PropertyMap) -> Refined {
    let mut refined = Refined::default();
    let Some(options) = common::options::<Options>(properties) else { return refined };
    common::formats(&mut refined, Medium::Video, "video_codecs", &options.formats(Medium::Video));
    common::formats(&mut refined, Medium::Audio, "audio_codecs", &options.formats(Medium::Audio));
    common::parts(&mut refined, options.crypto != Crypto::None, true, false);
    common::port_range(&mut refined, options.min_port, options.max_port);
    if !options.address.is_empty() {
        common::problem(&mut refined, "address", &net::parse_ip("address", &options.address));
    }
    if !options.source_address.is_empty() {
        let parsed = net::parse_ip("source_address", &options.source_address);
        common::problem(&mut refined, "source_address", &parsed);
        if let (Ok(from), Ok(to)) = (parsed, net::parse_ip("address", &options.address))
            && from.is_ipv4() != to.is_ipv4()
        {
            let problem = "is of another family of addresses than `address`";
            refined.problems.push(("source_address".into(), problem.into()));
        }
    }
    common::problem(&mut refined, "interface", &Interface::named(&options.interface));
    common::problem(&mut refined, "crypto_key", &Keys::of_properties(options.crypto, &options.crypto_key));
    refined
}
