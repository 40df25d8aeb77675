//! `recorder`: writes video and audio to files, HTTP servers and stores of objects.

pub mod container;
mod desk;
pub mod destination;
mod disk;
pub mod growing;
mod imp;
mod part;
mod pauses;
pub mod profile;
mod sink;
mod track;
mod upload;

use anabranch_graph::catalog::{
    Direction, ElementDescriptor, EventSpec, Part, PortSpec, PropertyMap, Refined, Role,
};
use anabranch_graph::format::Medium;
use anabranch_kit::params::table;
use anabranch_kit::registry::Registration;
use gst::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::refine;
use container::Container;
use destination::Destination;
use profile::Profile;

/// What happens when the disk does not keep up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Behind {
    /// Whoever brings media waits. In a graph that is the bridge to this element, which in real time drops for itself.
    #[default]
    Wait,
    /// What comes is left out, up to the next key frame.
    Drop,
}

/// The properties of `recorder`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// Where to write: a file, http(s)://, s3://, gs:// or az://; what is there is replaced.
    #[schemars(extend("x-required" = true))]
    pub location: String,
    /// The container and which media go into it; `auto` goes by the location's extension.
    pub profile: Profile,
    /// How long to wait for a track that is linked but silent before starting without it, milliseconds.
    #[schemars(range(min = 0, max = 3_600_000))]
    pub track_timeout_ms: u64,
    /// How long a track may be silent in the middle before the file goes on without it, milliseconds.
    #[schemars(range(min = 100, max = 3_600_000))]
    pub silence_timeout_ms: u64,
    /// Begin a new part after so long, seconds; 0 for never.
    #[schemars(range(min = 0, max = 1_000_000), extend("x-live" = true))]
    pub split_time: f64,
    /// Begin a new part when the file is so large, MB; 0 for never.
    #[schemars(range(min = 0, max = 10_000_000), extend("x-live" = true))]
    pub split_size: f64,
    /// How much of a track may wait to be written, MiB.
    #[schemars(range(min = 1, max = 4096))]
    pub backlog_mb: u64,
    /// What happens when more waits.
    pub when_behind: Behind,
    /// The folder for copies of what goes elsewhere, until it has arrived; empty for the system's.
    pub spool: String,
    /// Options of a store, each `key=value`: `endpoint=http://host:9000`, `region=eu-west-1`.
    pub store_options: Vec<String>,
}

impl Default for Params {
    fn default() -> Self {
        Params {
            location: String::new(),
            profile: Profile::Auto,
            track_timeout_ms: 2000,
            silence_timeout_ms: 10_000,
            split_time: 0.0,
            split_size: 0.0,
            backlog_mb: 64,
            when_behind: Behind::Wait,
            spool: String::new(),
            store_options: Vec::new(),
        }
    }
}

glib::wrapper! {
    /// The element `abrecorder`.
    pub struct Recorder(ObjectSubclass<imp::Recorder>)
        @extends gst::Bin, gst::Element, gst::Object, @implements gst::ChildProxy;
}

const SUMMARY: &str =
    "Writes video and audio to WebM, Matroska, MP4 or FLV: files, web servers, stores of objects.";

const DESCRIPTION: &str = "\
Records what comes: video and audio, video only, or audio only. It writes packets as they are and asks for a transcode \
only if the container cannot hold their format.

| profile | video | audio |
|---|---|---|
| `webm` | VP8, VP9, AV1 | Opus, Vorbis |
| `mkv` | H.264, VP8, VP9, H.265, AV1 | Opus, AAC, Vorbis, MP3, FLAC, PCMU, PCMA |
| `mp4` | H.264, H.265, VP9, AV1 | AAC, Opus, MP3 |
| `flv` | H.264 | AAC, MP3 |
| `jpeg` | the first picture | |

The first four exist as `...-video-only` and `...-audio-only`, too; `auto` goes by the extension of `location`.

Time starts at 0 with the first packet, and video and audio keep their distance. At the end the file gets its duration and \
its index. A process that is killed leaves a file that plays up to the last second (MP4 is written in fragments and made \
whole at the end). A full disk is told by `disk-full`; room for the index is kept, so the file is closed in order.

A track that does not come is not waited for: if one has ended before it began, or says nothing for `track_timeout_ms` \
while the other one goes on, the file is started without it. If it comes later, or a format or picture size changes in a \
way that the container cannot hold, a new part is begun: `talk.webm`, `talk-2.webm`, ...; `talk-%05d.webm` puts the number \
elsewhere. `split_time` and `split_size` begin parts, too, each with a key frame that is asked for. A recorder that is built \
anew while its graph runs, by `on-error: restart` or because its properties changed, goes on in a new part as well.

Commands: `pause`, `resume` (what comes in between is left out, and time closes up; it starts again with a key frame, which \
is asked for), `split` (begins a new part), `stop` (answers `parts`, `seconds` and `bytes` when all is where it belongs).

A writer of its own takes packets from the inputs, so that a slow disk holds nobody up to `backlog_mb`.

Elsewhere: `https://host/talk.webm` is one HTTP PUT that goes on while the file grows. `s3://bucket/talk.mp4`, `gs://` and \
`az://` get the file in pieces while it grows, and at the end the whole object, index and duration included. Keys come from \
the environment (`AWS_ACCESS_KEY_ID`, ...), other options from `store_options`. What is recorded lies in the folder `spool` \
until all of it has arrived: a destination that is away loses nothing. `destination-away` and `destination-back` tell.

    player uri=talk.mp4 -> recorder location=talk.webm
";

fn port(name: &str, medium: Medium) -> PortSpec {
    let mut formats = Vec::new();
    for container in [Container::Mkv, Container::Webm, Container::Mp4, Container::Jpeg] {
        for format in container.formats(medium) {
            if !formats.contains(format) {
                formats.push(format.clone());
            }
        }
    }
    PortSpec {
        name: name.into(),
        direction: Direction::Input,
        medium,
        pad: format!("sink_{name}"),
        formats,
        layouts: Vec::new(),
        required: false,
        multiple: false,
    }
}

fn event(name: &str, summary: &str, properties: serde_json::Value) -> EventSpec {
    EventSpec {
        name: name.into(),
        summary: summary.into(),
        schema: json!({"type": "object", "properties": properties}),
    }
}

fn totals() -> serde_json::Value {
    json!({"parts": {"type": "integer"}, "bytes": {"type": "integer"}, "seconds": {"type": "number"}})
}

fn describe() -> ElementDescriptor {
    let text = json!({"type": "string"});
    ElementDescriptor {
        name: "recorder".into(),
        factory: "abrecorder".into(),
        role: Role::Sink,
        summary: SUMMARY.into(),
        description: DESCRIPTION.into(),
        author: "The Anabranch developers".into(),
        example: "player uri=talk.mp4 -> recorder location=talk.webm".into(),
        ports: vec![port("video", Medium::Video), port("audio", Medium::Audio)],
        properties: table::<Params>().properties().to_vec(),
        events: vec![
            event("recording-started", "The first file was begun.", json!({"location": text})),
            event("recording-paused", "What comes is left out from now on.", totals()),
            event("recording-resumed", "The next key frame is recorded again.", totals()),
            event(
                "recording-part",
                "A new file was begun: where, why (`time`, `size`, `asked`, `format`, `track`, `start`), and what \
                 there is before it.",
                json!({
                    "location": text, "part": {"type": "integer"}, "reason": text,
                    "bytes": {"type": "integer"}, "seconds": {"type": "number"}
                }),
            ),
            event(
                "recording-finished",
                "A file is whole and where it belongs.",
                json!({
                    "location": text, "part": {"type": "integer"},
                    "bytes": {"type": "integer"}, "seconds": {"type": "number"}
                }),
            ),
            event("recording-stopped", "All is recorded.", totals()),
            event(
                "recording-empty",
                "Nothing came, and no file was written.",
                json!({"location": text, "reason": text}),
            ),
            event(
                "recording-kept",
                "The destination does not want a file; it is kept here.",
                json!({"location": text, "file": text, "reason": text}),
            ),
            event(
                "track-missing",
                "The file goes on without a track.",
                json!({"medium": text, "reason": text}),
            ),
            event(
                "frames-dropped",
                "The disk does not keep up, and what came was left out.",
                json!({"medium": text, "count": {"type": "integer"}, "reason": text}),
            ),
            event(
                "disk-full",
                "The disk is full; the file is closed in order.",
                json!({"location": text, "bytes": {"type": "integer"}, "seconds": {"type": "number"}}),
            ),
            event(
                "destination-away",
                "The destination cannot be reached; the recording goes on, and what it has is kept here.",
                json!({"location": text, "reason": text}),
            ),
            event(
                "destination-back",
                "The destination can be reached again.",
                json!({"location": text, "away_ms": {"type": "integer"}}),
            ),
        ],
        requires: Vec::new(),
        realtime: false,
        refine: Some(refine),
    }
}

fn refine(properties: &PropertyMap) -> Refined {
    let mut refined = Refined::default();
    let profile = properties.get("profile").and_then(|v| serde_json::from_value(v.clone()).ok());
    let profile: Profile = profile.unwrap_or_default();
    let Some(location) = refine::text(properties, "location") else { return refined };
    let place = Destination::parse(location);
    match Container::choose(profile, location).and_then(|container| Ok((container, place?))) {
        Ok((container, place)) => {
            for medium in [Medium::Video, Medium::Audio] {
                // What is not recorded comes as it is, and is left out.
                let formats = if profile.takes(container, medium) { container.formats(medium) } else { &[] };
                refined.formats.push((medium.name().into(), formats.to_vec()));
            }
            refined.requires.push(container.muxer().into());
            let goes = match place {
                Destination::File(file) => format!("to {file}"),
                Destination::Put(_) => format!("to {location} by HTTP PUT while it grows"),
                Destination::Store(_) => format!("to {location} in pieces while it grows"),
            };
            let why = format!("writes {} {goes}", container.name());
            refined.parts = vec![Part { factory: container.muxer().into(), why }];
        }
        Err(problem) => refined.problems.push(("location".into(), problem)),
    }
    refined
}

anabranch_kit::inventory::submit! {
    Registration {
        descriptor: describe,
        register: |plugin| {
            gst::Element::register(plugin, "abrecorder", gst::Rank::NONE, Recorder::static_type())
        },
    }
}
