//! `snapshot`: keeps single pictures of a video as PNG or JPEG files.

mod imp;
pub(crate) mod picture;
mod times;

use anabranch_graph::catalog::{
    Direction, ElementDescriptor, EventSpec, Part, PortSpec, PropertyMap, Refined, Role,
};
use anabranch_graph::format::{Format, Medium};
use anabranch_kit::params::table;
use anabranch_kit::registry::Registration;
use gst::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The properties of `snapshot`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// The file to write, .png, .jpg or .jpeg; `{n}`, `%d` or `%04d` in it become the picture's number.
    #[schemars(extend("x-required" = true))]
    pub location: String,
    /// Seconds from one picture to the next; 0: only as `at` says.
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    pub every: f64,
    /// When to take pictures, seconds after the first frame.
    pub at: Vec<f64>,
    /// Quality of JPEG files, percent.
    #[schemars(range(min = 1, max = 100))]
    pub quality: u8,
}

impl Default for Params {
    fn default() -> Self {
        Params { location: String::new(), every: 0.0, at: Vec::new(), quality: 85 }
    }
}

glib::wrapper! {
    /// The element `absnapshot`.
    pub struct Snapshot(ObjectSubclass<imp::Snapshot>)
        @extends gst_base::BaseSink, gst::Element, gst::Object;
}

const SUMMARY: &str = "Keeps single pictures of a video as PNG or JPEG files.";

const DESCRIPTION: &str = "\
Writes a picture every `every` seconds, or at the times in `at` (seconds after the first frame), or, without either, the \
first frame only. The extension of `location` tells the format; `{n}`, `%d` or `%04d` in it become the picture's number, \
from 1. Without a number each picture takes the place of the one before, whole at every moment: a thumbnail of what goes on \
now. Frames in between cost nothing: they are thrown away before anything is converted.

    player uri=talk.mp4 -> snapshot location=talk-{n}.png every=10
";

fn describe() -> ElementDescriptor {
    ElementDescriptor {
        name: "snapshot".into(),
        factory: "absnapshot".into(),
        role: Role::Sink,
        summary: SUMMARY.into(),
        description: DESCRIPTION.into(),
        author: "The Anabranch developers".into(),
        example: "player uri=talk.mp4 -> snapshot location=talk-{n}.png every=10".into(),
        ports: vec![PortSpec {
            name: "video".into(),
            direction: Direction::Input,
            medium: Medium::Video,
            pad: "sink".into(),
            formats: vec![Format::RawVideo],
            layouts: Vec::new(),
            required: true,
            multiple: false,
        }],
        properties: table::<Params>().properties().to_vec(),
        events: vec![EventSpec {
            name: "snapshot-taken".into(),
            summary: "A picture was written.".into(),
            schema: json!({"type": "object", "properties": {
                "location": {"type": "string"},
                "number": {"type": "integer"},
                "time": {"type": "number", "description": "seconds after the first frame"}
            }}),
        }],
        requires: Vec::new(),
        realtime: false,
        refine: Some(refine),
    }
}

fn refine(properties: &PropertyMap) -> Refined {
    let mut refined = Refined::default();
    match picture::Kind::asked(properties) {
        Some(Ok(kind)) => refined.parts.push(Part {
            factory: "absnapshot".into(),
            why: format!("writes {} files", if kind == picture::Kind::Png { "PNG" } else { "JPEG" }),
        }),
        Some(Err(problem)) => refined.problems.push(("location".into(), problem)),
        None => {}
    }
    let negative = |value: &serde_json::Value| value.as_f64().is_some_and(|time| time < 0.0);
    if properties.get("at").and_then(|v| v.as_array()).is_some_and(|times| times.iter().any(negative)) {
        refined.problems.push(("at".into(), "a time before the first frame has no picture".into()));
    }
    refined
}

anabranch_kit::inventory::submit! {
    Registration {
        descriptor: describe,
        register: |plugin| {
            gst::Element::register(plugin, "absnapshot", gst::Rank::NONE, Snapshot::static_type())
        },
    }
}
