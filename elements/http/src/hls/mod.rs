//! `hls`: a playlist and its segments.

mod folder;
mod imp;
mod playlist;
mod shelf;

use anabranch_graph::catalog::{ElementDescriptor, Part, PropertyMap, Refined, Role};
use anabranch_graph::format::Medium;
use anabranch_kit::params::table;
use anabranch_kit::registry::Registration;
use gst::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::mux::Container;
use crate::shell;

/// The properties of `hls`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// A folder to write playlist and segments to as well; empty: none, they are only served.
    pub folder: String,
    /// How long a segment is to be, milliseconds; it ends at the first key frame after that.
    #[schemars(range(min = 200, max = 60_000))]
    pub segment_ms: u32,
    /// The longest part of a segment for players with low latency, milliseconds; 0: no parts.
    #[schemars(range(min = 0, max = 10_000))]
    pub part_ms: u32,
    /// How many segments the playlist has; 0: all (with a folder only).
    #[schemars(range(min = 0, max = 10_000))]
    pub window: u32,
}

impl Default for Params {
    fn default() -> Self {
        Params { folder: String::new(), segment_ms: 2000, part_ms: 400, window: 6 }
    }
}

glib::wrapper! {
    /// The element `abhls`.
    pub struct Hls(ObjectSubclass<imp::Hls>) @extends gst::Element, gst::Object;
}

const SUMMARY: &str = "Makes an HLS playlist with segments of MP4, served and written to a folder.";

const DESCRIPTION: &str = "\
`anabranch serve` serves `/media/PIPELINE/ELEMENT/index.m3u8` and what it names to whoever has a token with the scope \
`play`; `master.m3u8` beside it says codecs, size and bandwidth. With `folder: out/live` the same files are written there \
for any web server, also by `anabranch run`.

Segments are fragmented MP4 (H.264, H.265 or VP9; AAC or Opus; other formats are transcoded) and begin at key frames; an \
encoder is asked for one when it is time, packets that are passed on are cut where their key frames are. The playlist has \
the newest `window` segments and is closed at the end of the media. A change of size or format goes on in the same \
playlist after a discontinuity.

Players that know how get parts of `part_ms` (low-latency HLS: `EXT-X-PART`, preload hints, playlists that wait for the \
next part) from the server; the folder has whole segments.

    test-source -> hls folder=out/live
";

fn describe() -> ElementDescriptor {
    let text = json!({"type": "string"});
    let formats = |medium: Medium| shell::input(medium, Container::Mp4.formats(medium).to_vec());
    ElementDescriptor {
        name: "hls".into(),
        factory: "abhls".into(),
        role: Role::Sink,
        summary: SUMMARY.into(),
        description: DESCRIPTION.into(),
        author: "The Anabranch developers".into(),
        example: "test-source frames=300 -> hls folder=live".into(),
        ports: vec![formats(Medium::Video), formats(Medium::Audio)],
        properties: table::<Params>().properties().to_vec(),
        events: vec![
            shell::event(
                "playlist-ended",
                "The media have ended and the playlist is closed.",
                json!({"segments": {"type": "integer"}, "seconds": {"type": "number"}}),
            ),
            shell::event(
                "track-missing",
                "The playlist goes on without a track.",
                json!({"medium": text, "reason": text}),
            ),
        ],
        requires: Vec::new(),
        realtime: false,
        refine: Some(refine),
    }
}

fn refine(properties: &PropertyMap) -> Refined {
    let mut refined = Refined {
        parts: vec![Part { factory: "abhls".into(), why: "cuts segments at key frames".into() }],
        ..Refined::default()
    };
    let folder = properties.get("folder").and_then(Value::as_str).unwrap_or_default();
    if folder.is_empty() && properties.get("window").and_then(Value::as_u64) == Some(0) {
        let text = "a playlist that keeps everything needs a `folder` to keep it in";
        refined.problems.push(("window".into(), text.into()));
    }
    refined
}

anabranch_kit::inventory::submit! {
    Registration {
        descriptor: describe,
        register: |plugin| gst::Element::register(plugin, "abhls", gst::Rank::NONE, Hls::static_type()),
    }
}
