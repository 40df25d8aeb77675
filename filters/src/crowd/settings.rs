//! The crowd detector's properties.

use anabranch_kit::filter::FilterError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::motion::polygon::{Line, Point, Polygon};

/// The properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// The regions that are watched, each with an id, the points of a polygon, and its levels; without any, the whole
    /// picture is one region called `picture`.
    #[schemars(extend("x-live" = true))]
    pub regions: Vec<CrowdRegion>,
    /// Lines at which people are counted who cross them, each with an id, from and to.
    #[schemars(extend("x-live" = true))]
    pub lines: Vec<CrowdLine>,
    /// How tall people look in the distance and near by; with it near and far people count alike, and people can be counted
    /// without a people detector.
    #[schemars(extend("x-live" = true))]
    pub perspective: Option<Perspective>,
    /// The longer side of the picture that is looked at, in pixels; more sees smaller people and costs more.
    #[schemars(range(min = 160, max = 1280), extend("x-live" = true))]
    pub processing_width: u32,
    /// Looks per second, at most.
    #[schemars(range(min = 1.0, max = 60.0), extend("x-live" = true))]
    pub rate: f64,
    /// The least difference from the background that counts as somebody, in grey levels; less sees people in the colours of
    /// the ground, and more noise.
    #[schemars(range(min = 4, max = 100), extend("x-live" = true))]
    pub contrast: u32,
    /// After how many seconds something that stays becomes background.
    #[schemars(range(min = 1, max = 86400), extend("x-live" = true))]
    pub absorb_s: u32,
    /// By how many points a percentage must fall below a level's border before the level does.
    #[schemars(range(min = 0.0, max = 50.0), extend("x-live" = true))]
    pub hysteresis: f64,
    /// How often all measures are told in an event `crowd-report`, in milliseconds; 0 is never.
    #[schemars(range(min = 0, max = 3600000), extend("x-live" = true))]
    pub report_ms: u32,
    /// Whether what is drawn (see `draw`) is a heat map of where people have been, instead of where they are.
    #[schemars(extend("x-live" = true))]
    pub heat_map: bool,
    /// After how many seconds the heat of a place has fallen to half.
    #[schemars(range(min = 1, max = 86400), extend("x-live" = true))]
    pub heat_s: u32,
}

impl Default for Params {
    fn default() -> Self {
        Params {
            regions: Vec::new(),
            lines: Vec::new(),
            perspective: None,
            processing_width: 320,
            rate: 15.0,
            contrast: 16,
            absorb_s: 120,
            hysteresis: 2.0,
            report_ms: 0,
            heat_map: false,
            heat_s: 60,
        }
    }
}

/// A region.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CrowdRegion {
    /// Its name in events.
    #[schemars(extend("x-required" = true))]
    pub id: String,
    /// The corners of the polygon, at least three.
    #[schemars(extend("x-required" = true))]
    pub points: Vec<Point>,
    /// Occupancy above which the level is 1, in per cent.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub occupancy_level_min: f64,
    /// Occupancy above which the level is 2, in per cent.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub occupancy_level_med: f64,
    /// Occupancy above which the level is 3, in per cent.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub occupancy_level_max: f64,
    /// How many looks a new level of occupancy must last before it is told.
    #[schemars(range(min = 1, max = 10000))]
    pub occupancy_num_frames_to_event: u32,
    /// Fluidity above which the level is 1, in per cent.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub fluidity_level_min: f64,
    /// Fluidity above which the level is 2, in per cent.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub fluidity_level_med: f64,
    /// Fluidity above which the level is 3, in per cent.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub fluidity_level_max: f64,
    /// How many looks a new level of fluidity must last before it is told.
    #[schemars(range(min = 1, max = 10000))]
    pub fluidity_num_frames_to_event: u32,
    /// Whether the direction is told; it costs one or two milliseconds a look.
    pub send_optical_flow_event: bool,
    /// How many looks a direction must last before it is told.
    #[schemars(range(min = 1, max = 10000))]
    pub optical_flow_num_frames_to_event: u32,
    /// After how many looks without a direction the last one is forgotten.
    #[schemars(range(min = 1, max = 10000))]
    pub optical_flow_num_frames_to_reset: u32,
    /// What is added to the angle, in degrees: the axis of directions is turned counter-clockwise by it.
    #[schemars(range(min = -360, max = 360))]
    pub optical_flow_angle_offset: i32,
    /// After how many seconds somebody who stays in the region is told of; 0 is never.
    #[schemars(range(min = 0.0, max = 86400.0))]
    pub dwell_s: f64,
}

impl Default for CrowdRegion {
    fn default() -> Self {
        CrowdRegion {
            id: String::new(),
            points: Vec::new(),
            occupancy_level_min: 10.0,
            occupancy_level_med: 35.0,
            occupancy_level_max: 65.0,
            occupancy_num_frames_to_event: 5,
            fluidity_level_min: 10.0,
            fluidity_level_med: 35.0,
            fluidity_level_max: 65.0,
            fluidity_num_frames_to_event: 5,
            send_optical_flow_event: false,
            optical_flow_num_frames_to_event: 3,
            optical_flow_num_frames_to_reset: 3,
            optical_flow_angle_offset: 0,
            dwell_s: 0.0,
        }
    }
}

impl CrowdRegion {
    pub(super) fn occupancy_levels(&self) -> [f64; 3] {
        [self.occupancy_level_min, self.occupancy_level_med, self.occupancy_level_max]
    }

    pub(super) fn fluidity_levels(&self) -> [f64; 3] {
        [self.fluidity_level_min, self.fluidity_level_med, self.fluidity_level_max]
    }
}

/// A line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CrowdLine {
    /// Its name in events.
    #[schemars(extend("x-required" = true))]
    pub id: String,
    /// Where it starts.
    #[schemars(extend("x-required" = true))]
    pub from: Point,
    /// Where it ends; left and right are those of who looks from its start to its end.
    #[schemars(extend("x-required" = true))]
    pub to: Point,
}

impl CrowdLine {
    pub(super) fn line(&self) -> Line {
        Line { from: self.from.into(), to: self.to.into() }
    }
}

/// Two heights of people, by where their feet are; between and beyond them heights follow a straight line, as they do on even
/// ground.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Perspective {
    /// Where the feet of somebody far away are, from the top, relative to the picture's height.
    #[schemars(range(min = 0.0, max = 1.0), extend("x-required" = true))]
    pub far_y: f64,
    /// How tall they are, relative to the picture's height.
    #[schemars(range(min = 0.001, max = 2.0), extend("x-required" = true))]
    pub far_height: f64,
    /// Where the feet of somebody near by are.
    #[schemars(range(min = 0.0, max = 1.0), extend("x-required" = true))]
    pub near_y: f64,
    /// How tall they are.
    #[schemars(range(min = 0.001, max = 2.0), extend("x-required" = true))]
    pub near_height: f64,
}

impl Default for Perspective {
    fn default() -> Self {
        Perspective { far_y: 0.0, far_height: 0.1, near_y: 1.0, near_height: 0.5 }
    }
}

impl Params {
    /// The regions with their polygons.
    ///
    /// # Errors
    ///
    /// What is wrong with the properties, a sentence that names the place.
    pub(super) fn polygons(&self) -> Result<Vec<(CrowdRegion, Polygon)>, String> {
        if self.regions.is_empty() {
            return Ok(vec![(
                CrowdRegion { id: "picture".into(), ..CrowdRegion::default() },
                Polygon::whole(),
            )]);
        }
        let mut all: Vec<(CrowdRegion, Polygon)> = Vec::with_capacity(self.regions.len());
        for region in &self.regions {
            let name = format!("the region '{}'", region.id);
            if all.iter().any(|(other, _)| other.id == region.id) {
                return Err(format!("{name} is there twice; give each region an id of its own"));
            }
            for (what, [min, med, max]) in
                [("occupancy", region.occupancy_levels()), ("fluidity", region.fluidity_levels())]
            {
                if !(min <= med && med <= max) {
                    return Err(format!("{name}: the levels of {what} must go up: {min}, {med}, {max}"));
                }
            }
            let polygon = Polygon::of(&region.points).map_err(|problem| format!("{name} {problem}"))?;
            all.push((region.clone(), polygon));
        }
        Ok(all)
    }

    /// Looks at what the schema cannot.
    ///
    /// # Errors
    ///
    /// [`FilterError::Fatal`] with a sentence that names the place.
    pub fn check(&self) -> Result<(), FilterError> {
        self.polygons().map_err(FilterError::fatal)?;
        if let Some(line) = self.lines.iter().find(|line| line.from == line.to) {
            return Err(FilterError::fatal(format!(
                "the line '{}' has no length; give it two ends",
                line.id
            )));
        }
        match self.perspective {
            Some(p) if p.near_y - p.far_y < 0.02 => Err(FilterError::fatal(
                "the perspective's far_y must be clearly above (less than) its near_y: far away is up in the picture",
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named() {
        let square = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]].map(|[x, y]| Point { x, y }).to_vec();
        let region = CrowdRegion { id: "door".into(), points: square, ..CrowdRegion::default() };
        let with = |regions: &[CrowdRegion]| Params { regions: regions.to_vec(), ..Params::default() };
        assert!(with(std::slice::from_ref(&region)).check().is_ok());
        assert!(Params::default().check().is_ok());
        for (params, part) in [
            (with(&[region.clone(), region.clone()]), "'door' is there twice"),
            (with(&[CrowdRegion { points: Vec::new(), ..region.clone() }]), "'door' has 0 points"),
            (
                with(&[CrowdRegion { occupancy_level_max: 1.0, ..region.clone() }]),
                "levels of occupancy must go up",
            ),
            (Params { lines: vec![CrowdLine::default()], ..Params::default() }, "has no length"),
            (
                Params {
                    perspective: Some(Perspective { near_y: 0.1, far_y: 0.5, ..Perspective::default() }),
                    ..Params::default()
                },
                "far away is up",
            ),
        ] {
            let error = params.check().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
