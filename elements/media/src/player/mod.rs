//! `player`: reads a file, an address, a playlist or a camera and gives its first video and audio stream, encoded as they
//! came.
//!
//! What reads the source is a pipeline of its own, a `session::Session`: it is opened, sought and closed by the control
//! thread alone, and hands its media to the `outlet::Outlet`, where they are paced and laid on one time.

mod control;
mod entry;
mod fill;
mod flow;
mod imp;
pub mod location;
mod mp4;
mod note;
mod outlet;
mod retry;
mod session;
mod source;
mod timeline;
mod track;
mod trouble;

use anabranch_graph::catalog::{
    Direction, ElementDescriptor, EventSpec, Part, PortSpec, PropertyMap, Refined, Role,
};
use anabranch_graph::format::Medium;
use anabranch_kit::params::table;
use anabranch_kit::registry::Registration;
use glib::subclass::prelude::*;
use gst::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::pace::Pace;
use crate::refine;
use location::{Kind, Location};
pub use source::Protocols;

/// The player's tracks by number, as its ports and RTSP call them.
const MEDIA: [&str; 2] = ["video", "audio"];

/// What comes out while the source is away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WhileAway {
    /// Nothing, until it is back. Media come encoded as they are.
    #[default]
    Nothing,
    /// The last picture, and silence. Media come decoded.
    LastFrame,
    /// The picture `slate`, and silence. Media come decoded.
    Slate,
}

/// The properties of `player`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// What to play: a file's path, or a file, http, https, rtsp or rtsps address; HLS and DASH by their playlists.
    #[schemars(extend("x-required" = true))]
    pub uri: String,
    /// Whether to start again at the end, for ever; time goes on without a jump.
    #[serde(rename = "loop")]
    pub repeat: bool,
    /// Where to start, seconds.
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    pub start: f64,
    /// Whether media come at the pace of the clock or as fast as they are taken.
    pub pace: Pace,
    /// Whether it plays by itself; otherwise it waits for the command `play`.
    pub autoplay: bool,
    /// Whether its outputs stay open at the end of the medium, so that `play` can begin again.
    pub keep_open: bool,
    /// RTSP: how long packets are waited for that come late or in the wrong order, ms.
    #[schemars(range(min = 0, max = 60_000))]
    pub latency: u32,
    /// RTSP: how media come; `auto` takes UDP, and TCP if nothing arrives.
    pub protocols: Protocols,
    /// Whether a live source that goes away is waited for; otherwise that is an error.
    pub reconnect: bool,
    /// RTSP: after how long without any media the source counts as away, ms.
    #[schemars(range(min = 500, max = 600_000))]
    pub silence_timeout_ms: u32,
    /// RTSP: what comes out while the source is away; anything but `nothing` decodes the media.
    pub while_away: WhileAway,
    /// The picture for `while_away: slate`, a PNG or JPEG file.
    pub slate: String,
}

impl Default for Params {
    fn default() -> Self {
        Params {
            uri: String::new(),
            repeat: false,
            start: 0.0,
            pace: Pace::Auto,
            autoplay: true,
            keep_open: false,
            latency: 100,
            protocols: Protocols::Auto,
            reconnect: true,
            silence_timeout_ms: 3000,
            while_away: WhileAway::Nothing,
            slate: String::new(),
        }
    }
}

impl Player {
    /// Posts an error, unless one was posted before.
    fn fail(&self, failure: &note::Failure) {
        self.imp().fail(failure);
    }
}

glib::wrapper! {
    /// The element `abplayer`.
    pub struct Player(ObjectSubclass<imp::Player>)
        @extends gst::Element, gst::Object;
}

const SUMMARY: &str = "Plays a file, an address, a playlist or a camera: its first video and audio stream, encoded as they came.";

const DESCRIPTION: &str = "\
Reads a file, or an `http` or `https` address, in any container that GStreamer knows; HLS and DASH by their playlists \
(`.m3u8`, `.mpd`); or a camera or another server by `rtsp` or `rtsps`. The first video and the first audio stream come out \
encoded as they are: a recorder that takes their format gets the very same packets, and only who needs raw pictures or \
sound has them decoded. Other streams (subtitles, second languages) are named in `stream-found` events and left out. A file \
without audio simply has no audio: that port ends at once.

- `loop: true` starts again at the end, for ever; timestamps go on without a jump.
- `start: 12.5` begins there, exactly for who decodes, and at the key frame before for who takes packets; what comes by \
RTSP begins where its server does.
- `pace: realtime` gives media at the pace of the clock, `fastest` as fast as the slowest consumer takes them. Without \
it the plan decides: files are copied as fast as possible, live consumers get real time.
- `autoplay: false` waits for the command `play`; `keep_open: true` does not end the outputs with the medium.

Cameras: `latency` is the jitter buffer, `protocols` how media come. User and password stand in the address: \
`rtsp://me:secret@camera/stream`. A camera that goes away (`source-away`) is looked for again, at first at once and then \
every half second, and goes on where the time is now (`source-back`): who records or watches sees a gap and no error. With \
`while_away: last-frame` or `slate` there is not even a gap: the last picture or the picture `slate` is shown, and there is \
silence. That needs raw media: the player then decodes whatever comes, and who wants it encoded has it encoded again, about \
a tenth of a core for 720p decoded and a quarter encoded.

Commands: `play`, `pause`, `stop`, `seek` {position: ms} and `status`; each answers {state, position, duration, seekable, \
away}. The state is `stopped`, `playing`, `paused` or `ended`. After `stop`, `play` begins anew. A camera that pauses goes \
on live, a recording where it was.

    player uri=talk.mp4 -> recorder location=talk.webm
";

fn port(name: &str, medium: Medium) -> PortSpec {
    PortSpec {
        name: name.into(),
        direction: Direction::Output,
        medium,
        pad: format!("src_{name}"),
        formats: Vec::new(),
        layouts: Vec::new(),
        required: false,
        multiple: false,
    }
}

fn describe() -> ElementDescriptor {
    ElementDescriptor {
        name: "player".into(),
        factory: "abplayer".into(),
        role: Role::Source,
        summary: SUMMARY.into(),
        description: DESCRIPTION.into(),
        author: "The Anabranch developers".into(),
        example: "player uri=talk.mp4 -> recorder location=talk.webm".into(),
        ports: vec![port("video", Medium::Video), port("audio", Medium::Audio)],
        properties: table::<Params>().properties().to_vec(),
        events: vec![
            EventSpec {
                name: "file-incomplete".into(),
                summary: "The file is cut off; what there is of it is played.".into(),
                schema: json!({"type": "object", "properties": {"reason": {"type": "string"}}, "required": ["reason"]}),
            },
            EventSpec {
                name: "stream-found".into(),
                summary: "A stream was found in the file; `used` says whether it is played.".into(),
                schema: json!({
                    "type": "object",
                    "properties": {
                        "medium": {"type": "string"},
                        "format": {"type": "string"},
                        "used": {"type": "boolean"},
                        "caps": {"type": "string"},
                        "width": {"type": "integer"},
                        "height": {"type": "integer"},
                        "fps": {"type": "number"},
                        "rate": {"type": "integer"},
                        "channels": {"type": "integer"}
                    },
                    "required": ["medium", "format", "used", "caps"]
                }),
            },
            EventSpec {
                name: "player-state".into(),
                summary: "The player does something else now.".into(),
                schema: json!({
                    "type": "object",
                    "properties": {"state": {"enum": ["stopped", "playing", "paused", "ended"]}},
                    "required": ["state"]
                }),
            },
            EventSpec {
                name: "source-away".into(),
                summary: "The live source went away; it is looked for.".into(),
                schema: json!({
                    "type": "object", "properties": {"reason": {"type": "string"}}, "required": ["reason"]
                }),
            },
            EventSpec {
                name: "source-back".into(),
                summary: "The source is back, and its media come.".into(),
                schema: json!({
                    "type": "object", "properties": {"away_ms": {"type": "integer"}}, "required": ["away_ms"]
                }),
            },
        ],
        requires: vec!["parsebin".into()],
        realtime: false,
        refine: Some(refine),
    }
}

fn refine(properties: &PropertyMap) -> Refined {
    let pace = refine::pace(properties);
    let mut refined = Refined { paced: pace.asked(), ..Refined::default() };
    let part = |factory: &str, why: &str| Part { factory: factory.into(), why: why.into() };
    let Some(uri) = refine::text(properties, "uri") else { return refined };
    let location = match Location::parse(uri) {
        Ok(location) => location,
        Err(problem) => {
            refined.problems.push(("uri".into(), problem));
            return refined;
        }
    };
    let while_away = refine::text(properties, "while_away").unwrap_or("nothing");
    let raw = while_away != "nothing";
    if while_away == "slate" && refine::text(properties, "slate").is_none() {
        refined.problems.push(("slate".into(), "`while_away: slate` needs a picture file.".into()));
    }
    let kind = location.kind();
    match (&location, kind) {
        (_, Kind::Rtsp) => {
            refined.parts.push(part("rtspsrc", "talks to the camera or server"));
            refined.requires.push("rtspsrc".into());
            // It is live, whatever else is asked for.
            refined.paced = Some(true);
        }
        (Location::File(_), _) => refined.parts.push(part("filesrc", "reads the file")),
        (Location::Uri(uri), _) if uri.starts_with("http") => {
            refined.parts.push(part("souphttpsrc", "reads the address"));
            refined.requires.push("souphttpsrc".into());
        }
        _ => refined.parts.push(part("urisourcebin", "reads the address")),
    }
    if let Kind::Playlist(adaptive) = kind {
        refined.parts.push(part(adaptive.element(), "follows the playlist"));
        refined.requires.push(adaptive.element().into());
    }
    if raw {
        refined.parts.push(part("decodebin", "the last picture can be shown on: media are decoded"));
        refined.requires.push("decodebin".into());
    } else {
        refined.parts.push(part("parsebin", "takes the container apart; packets stay as they are"));
    }
    if kind != Kind::Rtsp && !raw && matches!(kind, Kind::File | Kind::Address) {
        refined.probe = Some(uri.to_owned());
    }
    refined
}

anabranch_kit::inventory::submit! {
    Registration {
        descriptor: describe,
        register: |plugin| gst::Element::register(plugin, "abplayer", gst::Rank::NONE, Player::static_type()),
    }
}
