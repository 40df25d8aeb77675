//! `http-get`: a file that grows, for any number of clients.

mod imp;
mod ring;

use anabranch_graph::catalog::{ElementDescriptor, Part, PropertyMap, Refined, Role};
use anabranch_graph::format::{Format, Medium};
use anabranch_kit::params::table;
use anabranch_kit::registry::Registration;
use gst::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::mux::Container;
use crate::shell;

/// The properties of `http-get`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// What the file is: `webm` or `mp4` (in fragments).
    pub container: Container,
    /// Whether media are taken, and encoded if need be, only while somebody reads.
    pub on_demand: bool,
    /// The longest cluster or fragment, milliseconds: what a client sees late at least.
    #[schemars(range(min = 20, max = 10_000))]
    pub fragment_ms: u32,
    /// How far a client may fall behind before it goes on at the newest key frame, milliseconds.
    #[schemars(range(min = 100, max = 600_000))]
    pub backlog_ms: u32,
}

impl Default for Params {
    fn default() -> Self {
        Params { container: Container::Webm, on_demand: true, fragment_ms: 200, backlog_ms: 5000 }
    }
}

glib::wrapper! {
    /// The element `abhttpget`.
    pub struct HttpGet(ObjectSubclass<imp::HttpGet>) @extends gst::Element, gst::Object;
}

const SUMMARY: &str = "Serves what comes as a WebM or MP4 file that grows while it is read.";

const DESCRIPTION: &str = "\
`anabranch serve` serves the file at `/media/PIPELINE/ELEMENT` to whoever has a token with the scope `play`: `curl`, \
`ffplay`, `<video src=...>`, media source extensions. WebM takes VP8, VP9 and Opus, MP4 H.264, H.265, VP9, AAC and Opus; \
other formats are transcoded, once for all clients.

A client gets the file's header and goes on from the newest key frame, whenever it comes. One that reads too slowly skips \
to the newest key frame when it is `backlog_ms` behind; nobody else notices. If the picture size or the format changes in a \
way that the header does not allow, the file ends, and who asks again gets the next one. At the end of the media the file \
ends.

With `on_demand: true` (the default) nothing is taken from the source, and nothing encoded, while nobody reads.

    test-source -> http-get container=mp4
";

fn describe() -> ElementDescriptor {
    let all = |medium: Medium| {
        let mut formats: Vec<Format> = Vec::new();
        for container in [Container::Webm, Container::Mp4] {
            for format in container.formats(medium) {
                if !formats.contains(format) {
                    formats.push(format.clone());
                }
            }
        }
        formats
    };
    let client = json!({"clients": {"type": "integer"}});
    ElementDescriptor {
        name: "http-get".into(),
        factory: "abhttpget".into(),
        role: Role::Sink,
        summary: SUMMARY.into(),
        description: DESCRIPTION.into(),
        author: "The Anabranch developers".into(),
        example: "test-source -> http-get container=mp4".into(),
        ports: vec![
            shell::input(Medium::Video, all(Medium::Video)),
            shell::input(Medium::Audio, all(Medium::Audio)),
        ],
        properties: table::<Params>().properties().to_vec(),
        events: vec![
            shell::event("client-connected", "A client reads; `clients` of them do now.", client.clone()),
            shell::event("client-left", "A client has gone; `clients` are left.", client),
            shell::event(
                "track-missing",
                "The file goes on without a track.",
                json!({"medium": {"type": "string"}, "reason": {"type": "string"}}),
            ),
        ],
        requires: Vec::new(),
        realtime: true,
        refine: Some(refine),
    }
}

fn refine(properties: &PropertyMap) -> Refined {
    let container: Container =
        properties.get("container").and_then(|v| serde_json::from_value(v.clone()).ok()).unwrap_or_default();
    let formats = |medium: Medium| (medium.name().into(), container.formats(medium).to_vec());
    Refined {
        formats: vec![formats(Medium::Video), formats(Medium::Audio)],
        parts: vec![Part {
            factory: "abhttpget".into(),
            why: "keeps the newest fragments for clients".into(),
        }],
        ..Refined::default()
    }
}

anabranch_kit::inventory::submit! {
    Registration {
        descriptor: describe,
        register: |plugin| gst::Element::register(plugin, "abhttpget", gst::Rank::NONE, HttpGet::static_type()),
    }
}
