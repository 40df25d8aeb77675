//! What the crowd detector tells.

use schemars::JsonSchema;
use serde::Serialize;

/// The level of occupancy of a region has changed: how much of it people cover, moving or not.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct CrowdOccupancy {
    /// The region's id.
    pub region: String,
    /// How much of the region is covered, 0 to 100.
    pub percentage: f64,
    /// 0 to 3: how many of the region's three borders it is above.
    pub level: u8,
    /// How many people are in the region, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub people: Option<u32>,
    /// How sure the level is, 0 to 1.
    pub confidence: f64,
}

/// The level of fluidity of a region has changed: how much of its crowd moves.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct CrowdFluidity {
    /// The region's id.
    pub region: String,
    /// How much of the crowd moves, 0 to 100.
    pub percentage: f64,
    /// 0 to 3: how many of the region's three borders it is above.
    pub level: u8,
    /// How sure the level is, 0 to 1.
    pub confidence: f64,
}

/// The crowd of a region goes in a direction, or in another one than before.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct CrowdDirection {
    /// The region's id.
    pub region: String,
    /// 0 is up in the picture (north), 90 right (east), in degrees; plus the region's offset.
    pub angle: f64,
    /// How much of the motion goes that way, 0 to 1.
    pub confidence: f64,
}

/// Somebody crossed a line.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct LineCrossed {
    /// The line's id.
    pub line: String,
    /// `left` or `right`: to which side, as seen from the line's start towards its end.
    pub direction: String,
    /// The number of who crossed it: that of the people detector or tracker upstream, or else the detector's own.
    pub track: u64,
    /// How many went to the left since the start.
    pub left: u64,
    /// How many went to the right since the start.
    pub right: u64,
}

/// Somebody stays in a region for longer than its `dwell_s`, or has left it after that.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct CrowdDwell {
    /// The region's id.
    pub region: String,
    /// The number of who it is.
    pub track: u64,
    /// For how many seconds by now.
    pub seconds: f64,
    /// Whether it is over.
    pub left: bool,
}

/// All measures of all regions, every `report_ms`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct CrowdReport {
    /// The time of the picture in the stream, in milliseconds.
    pub time_ms: u64,
    /// The regions.
    pub regions: Vec<RegionReport>,
}

/// The measures of one region.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct RegionReport {
    /// The region's id.
    pub region: String,
    /// How much of it is covered, 0 to 100.
    pub occupancy: f64,
    /// How much of its crowd moves, 0 to 100.
    pub fluidity: f64,
    /// How many people are in it, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub people: Option<u32>,
    /// Where the crowd goes, in degrees clockwise from up; only with `send_optical_flow_event`, and if it goes anywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub angle: Option<f64>,
    /// How much of the background is known, 0 to 1.
    pub known: f64,
}

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Occupancy(CrowdOccupancy),
    Fluidity(CrowdFluidity),
    Direction(CrowdDirection),
    Crossed(LineCrossed),
    Dwell(CrowdDwell),
    Report(CrowdReport),
}

/// Two digits after the point are more than is known.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
