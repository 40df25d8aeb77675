//! `app-source` and `app-sink`: where a program hands media in and takes media out.

pub mod sink;
pub mod source;

use anabranch_graph::catalog::{Direction, PortSpec};
use anabranch_graph::format::{Format, Medium};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which of its two ports an element serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    /// Pictures.
    #[default]
    Video,
    /// Sound.
    Audio,
}

impl Which {
    /// Its name in ports and pads.
    pub fn name(self) -> &'static str {
        match self {
            Which::Video => "video",
            Which::Audio => "audio",
        }
    }

    /// The other one.
    pub fn other(self) -> Which {
        match self {
            Which::Video => Which::Audio,
            Which::Audio => Which::Video,
        }
    }
}

fn port(medium: Medium, direction: Direction, formats: Vec<Format>) -> PortSpec {
    let side = if direction == Direction::Output { "src" } else { "sink" };
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

/// The format that caps given as text are of.
fn format_of(caps: &str) -> Option<Format> {
    let caps: gst::Caps = caps.parse().ok()?;
    anabranch_kit::caps::format_of(&caps)
}
