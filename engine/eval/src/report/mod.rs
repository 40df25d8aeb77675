//! Scores written down.

pub mod compare;
mod figures;
pub mod html;
mod text;

use serde::{Deserialize, Serialize};

pub use figures::{Better, Figure};
pub use text::Table;

use crate::evaluate::Scores;
use crate::metrics::latency::Latency;

/// The version of the form of JSON reports. A reader that knows it can read every report of it; new fields may come.
pub const SCHEMA: u32 = 1;

/// All that an evaluation found out: the JSON report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What was evaluated, and on what.
    pub subject: Subject,
    /// On which machine, by which program.
    pub machine: Machine,
    /// What it achieved.
    pub scores: Scores,
    /// What it cost.
    pub cost: Cost,
}

/// What was evaluated, and on what.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Subject {
    /// The filter or pipeline, as it was given.
    pub filter: String,
    /// The filters in the order in which frames pass them, with all properties that are not their defaults.
    pub elements: Vec<String>,
    /// The pictures or the film.
    pub data: String,
    /// The truth, `FORMAT:FILE`.
    pub truth: String,
    /// Whether frames came at the pace of the clock; otherwise one after the other, each waited for.
    pub realtime: bool,
}

/// On which machine, by which program.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// The processor.
    pub cpu: String,
    /// How many of its threads the program may use.
    pub threads: usize,
    /// The operating system.
    pub system: String,
    /// Anabranch's version.
    pub anabranch: String,
    /// GStreamer's version.
    pub gstreamer: String,
}

/// What it cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cost {
    /// Milliseconds that a frame was in the filters. The first frame of each size is left out: models load there.
    pub latency_ms: Latency,
    /// Milliseconds of the first frame, with all that is loaded for it.
    pub first_ms: f64,
    /// Milliseconds of processor time per frame, of all threads that the filters have.
    pub cpu_ms_per_frame: f64,
    /// Frames per second that came through, all in all.
    pub frames_per_second: f64,
    /// In real time: what was lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub realtime: Option<Realtime>,
}

/// What real time took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Realtime {
    /// Frames that were offered.
    pub offered: u64,
    /// Frames that did not come through: the filters were busy with an earlier one.
    pub dropped: u64,
    /// Frames that an analyser looked at; the results of others are carried on from these. None: it does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analysed: Option<u64>,
}
