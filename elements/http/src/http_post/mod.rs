//! `http-post`: the body of a request becomes the source.

mod body;
mod imp;
mod passing;

use anabranch_graph::catalog::{Direction, ElementDescriptor, Part, PortSpec, PropertyMap, Refined, Role};
use anabranch_graph::format::Medium;
use anabranch_kit::params::table;
use anabranch_kit::registry::Registration;
use gst::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::shell;

/// How fast a body's media come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pace {
    /// As the plan decides; without a plan, at the pace of the clock.
    #[default]
    Auto,
    /// At the pace of the clock.
    Realtime,
    /// As fast as the body comes and the slowest consumer takes it.
    Fastest,
}

/// The properties of `http-post`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// Whether media come at the pace of the clock or as fast as they are taken.
    pub pace: Pace,
    /// Whether the source ends with the first body, instead of waiting for another one.
    pub once: bool,
}

glib::wrapper! {
    /// The element `abhttppost`.
    pub struct HttpPost(ObjectSubclass<imp::HttpPost>)
        @extends gst::Bin, gst::Element, gst::Object, @implements gst::ChildProxy;
}

const SUMMARY: &str = "Takes the body of an HTTP POST, in any container, as a source.";

const DESCRIPTION: &str = "\
`anabranch serve` takes bodies at `/media/PIPELINE/ELEMENT` from whoever has a token with the scope `publish`:

    curl -T talk.mp4 -X POST -H 'Content-Type: video/mp4' http://127.0.0.1:8888/media/upload/in
    ffmpeg -re -i talk.mp4 -c copy -f matroska -method POST -content_type video/webm http://127.0.0.1:8888/media/live/in

What is in the body is found out from its bytes; its first video and audio stream come out encoded as they are. A body may \
be as long as it likes; the sender waits when the graph is slower. Several bodies one after the other continue each other \
in time; while one is taken another is refused (409). What the first body does not have (video or audio) is absent for \
good.

The end of a body is the event `body-ended`, one that is cut off is `body-cut`, one that is no media `body-unreadable`; \
in each case the source waits for the next one, unless `once: true` ends it with the first that could be read.

    http-post -> recorder location=upload.mkv
";

fn port(name: &str, medium: Medium) -> PortSpec {
    PortSpec { direction: Direction::Output, pad: format!("src_{name}"), ..shell::input(medium, Vec::new()) }
}

fn describe() -> ElementDescriptor {
    let (text, count, seconds) =
        (json!({"type": "string"}), json!({"type": "integer"}), json!({"type": "number"}));
    ElementDescriptor {
        name: "http-post".into(),
        factory: "abhttppost".into(),
        role: Role::Source,
        summary: SUMMARY.into(),
        description: DESCRIPTION.into(),
        author: "The Anabranch developers".into(),
        example: "http-post -> recorder location=upload.mkv".into(),
        ports: vec![port("video", Medium::Video), port("audio", Medium::Audio)],
        properties: table::<Params>().properties().to_vec(),
        events: vec![
            shell::event("body-began", "A body begins to come.", json!({"media_type": text})),
            shell::event(
                "body-ended",
                "A body was read to its end.",
                json!({"bytes": count, "seconds": seconds}),
            ),
            shell::event(
                "body-cut",
                "A body broke off; what came of it was used.",
                json!({"reason": text, "bytes": count, "seconds": seconds}),
            ),
            shell::event(
                "body-unreadable",
                "A body is no media that can be read here.",
                json!({"reason": text, "bytes": count}),
            ),
            shell::event(
                "stream-found",
                "A stream was found in a body; `used` says whether it is used.",
                json!({"medium": text, "format": text, "used": {"type": "boolean"}, "caps": text}),
            ),
        ],
        requires: vec!["parsebin".into(), "appsrc".into()],
        realtime: false,
        refine: Some(refine),
    }
}

fn refine(properties: &PropertyMap) -> Refined {
    let pace: Pace =
        properties.get("pace").and_then(|v| serde_json::from_value(v.clone()).ok()).unwrap_or_default();
    let part = |factory: &str, why: &str| Part { factory: factory.into(), why: why.into() };
    let mut parts = vec![
        part("appsrc", "takes the body from the server"),
        part("parsebin", "takes the container apart; packets stay as they are"),
    ];
    if pace != Pace::Fastest {
        parts.push(part("clocksync", "each stream comes at the pace of the clock"));
    }
    let paced = match pace {
        Pace::Auto => None,
        Pace::Realtime => Some(true),
        Pace::Fastest => Some(false),
    };
    Refined { parts, paced, ..Refined::default() }
}

anabranch_kit::inventory::submit! {
    Registration {
        descriptor: describe,
        register: |plugin| gst::Element::register(plugin, "abhttppost", gst::Rank::NONE, HttpPost::static_type()),
    }
}
