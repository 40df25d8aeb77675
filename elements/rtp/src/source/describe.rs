//! What the catalogue says about `rtp-source`.

use anabranch_graph::catalog::{Direction, ElementDescriptor, PropertyMap, Refined, Role};
use anabranch_graph::format::Medium;
use anabranch_kit::params::table;

use super::Options;
use super::wanted::wanted;
use crate::net::interface::Interface;
use crate::srtp::Crypto;
use crate::{describe as common, events};

pub(super) const SUMMARY: &str = "Receives RTP: sent to this machine, or to a multicast group.";

const DESCRIPTION: &str = "\
Receives video and audio as plain RTP or SRTP; it comes out as it was sent, nothing is decoded.

What comes is told by an SDP (`sdp`, `sdp_file`), or by `address`, `port`, `video_format` and `audio_format`. Whether the \
address is a multicast group or this machine's makes no other difference. A group is joined at `interface`; with \
`source_address`, or with a source filter in the SDP, for that source alone (SSM): packets of others are ignored.

It asks the sender for a key frame when it begins, when packets were lost, and when somebody downstream needs one. Missing \
packets are asked for again (NACK) and waited for, at most `jitter_ms`. A sender that falls silent is told by the event \
`media-state`, and taken again when it is back.

    rtp-source address=239.1.2.3 port=5004 video_format=vp8 audio_format=opus -> recorder location=show.webm
";

pub(super) fn describe() -> ElementDescriptor {
    let ports =
        [Medium::Video, Medium::Audio].map(|medium| common::port(medium, Direction::Output, Vec::new()));
    ElementDescriptor {
        name: "rtp-source".into(),
        factory: "abrtpsource".into(),
        role: Role::Source,
        summary: SUMMARY.into(),
        description: DESCRIPTION.into(),
        author: "The Anabranch developers".into(),
        example: "rtp-source port=5004 video_format=vp8 -> recorder location=received.webm".into(),
        ports: ports.into(),
        properties: table::<Options>().properties().to_vec(),
        events: events::of_session(),
        requires: Vec::new(),
        realtime: true,
        refine: Some(refine),
    }
}

fn refine(properties: &PropertyMap) -> Refined {
    let mut refined = Refined { paced: Some(true), ..Refined::default() };
    let Some(options) = common::options::<Options>(properties) else { return refined };
    // A file may be written until the element starts.
    if options.sdp.is_empty() && !options.sdp_file.is_empty() {
        common::parts(&mut refined, options.crypto != Crypto::None, false, true);
        return refined;
    }
    let all = wanted(&options);
    let property = match &all {
        Err(error) => match error.code {
            "bad-sdp" | "empty-sdp" => "sdp",
            "bad-key" => "crypto_key",
            "bad-ports" => "audio_port",
            "nothing-to-receive" => "video_format",
            _ if error.text.contains("source") => "source_address",
            _ => "address",
        },
        Ok(_) => "sdp",
    };
    common::problem(&mut refined, property, &all);
    common::problem(&mut refined, "interface", &Interface::named(&options.interface));
    let encrypted = all.is_ok_and(|all| all.iter().any(|wanted| wanted.keys.is_some()));
    common::parts(&mut refined, encrypted, false, true);
    refined
}
