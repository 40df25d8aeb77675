//! The watch over a scene: from pictures to measures and events. It knows nothing of GStreamer.

use std::time::Duration;

use anabranch_kit::regions::Region;
use anabranch_kit::track::{TrackOptions, Tracker};

use super::events::*;
use super::gauge::Gauge;
use super::heading::{Heading, Patience};
use super::heat::Heat;
use super::settings::{CrowdRegion, Params, Perspective};
use super::view::View;
use super::walkers::{Walkers, feet};
use crate::motion::background::Settings;
use crate::motion::grey::Grey;
use crate::motion::mask::Mask;
use crate::motion::polygon::Polygon;
use crate::motion::scene::{Scene, Seen, Step};

/// So much of the background must be known before anything is told.
const KNOWN: f32 = 0.6;
/// With less of a region covered, in per cent, there is no crowd that could move.
const CROWD: f64 = 0.5;
/// Slower than this is standing, in widths of the picture per second.
const SLOW: f32 = 0.012;
/// The least part that is somebody, relative to the picture's area, without a perspective.
const LEAST_PART: f64 = 0.0006;
/// With a perspective: the least share of somebody.
const LEAST_SHARE: f64 = 0.15;

/// Watches one scene.
#[derive(Debug, Default)]
pub struct Watch {
    scene: Scene,
    params: Option<Params>,
    places: Vec<Place>,
    weights: Vec<f64>,
    walkers: Walkers,
    tracker: Tracker,
    heat: Heat,
    last: Option<Duration>,
    reported: Option<Duration>,
}

/// A region and what is known of it.
#[derive(Debug)]
struct Place {
    region: CrowdRegion,
    polygon: Polygon,
    mask: Mask,
    occupancy: Gauge,
    fluidity: Gauge,
    heading: Heading,
    people: Option<u32>,
}

/// What came of a look.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What there is to tell.
    pub events: Vec<Event>,
    /// What there is to draw.
    pub view: View,
    /// How many people there are in the picture, if that is known.
    pub people: Option<u32>,
    /// The measures of the regions.
    pub regions: Vec<RegionReport>,
}

impl Watch {
    /// Looks at the picture of this time. `people` are those that a detector upstream has found; none if there is no such
    /// detector.
    pub fn look(
        &mut self,
        params: &Params,
        grey: Grey,
        time: Duration,
        people: Option<&[Region]>,
    ) -> Outcome {
        let (width, height) = (grey.width, grey.height);
        self.settle(params, width, height);
        let settings = Settings {
            least: params.contrast as i32,
            absorb: Duration::from_secs(params.absorb_s.into()),
            ..Settings::default()
        };
        let since = self.last.map_or(Duration::ZERO, |last| time.saturating_sub(last));
        self.last = Some(time);
        let least = match &params.perspective {
            Some(p) => LEAST_SHARE * p.area(p.far_y, height),
            None => LEAST_PART * (width * height) as f64,
        };
        let seen = self.scene.look(grey, time, &settings, (least as usize).max(6));
        if seen.cut {
            self.walkers.clear();
            self.tracker.clear();
        }
        let mut outcome = Outcome::default();
        let wants_flow = params.regions.iter().any(|region| region.send_optical_flow_event);
        let steps = match wants_flow && seen.known >= KNOWN {
            true => self.scene.steps(&seen.moving, SLOW * width as f32),
            false => Vec::new(),
        };
        self.measure(params, &seen, &steps, since, people, &mut outcome);
        self.follow(params, &seen, (width, height), time, people, &mut outcome);
        let all = Mask {
            bits: seen.moving.bits.iter().zip(&seen.still.bits).map(|(a, b)| a | b).collect(),
            ..seen.moving
        };
        self.heat.update(&all, since, Duration::from_secs(params.heat_s.into()));
        self.report(params, time, &mut outcome);
        outcome.view = self.view(params, &seen);
        outcome
    }

    /// Takes over properties that have changed, and keeps what is known of the regions that have not.
    fn settle(&mut self, params: &Params, width: usize, height: usize) {
        let same_size = self.places.first().is_some_and(|p| (p.mask.width, p.mask.height) == (width, height));
        if same_size && self.params.as_ref() == Some(params) {
            return;
        }
        // Properties that are wrong are refused at the start; of wrong ones that come later nothing is taken over.
        if let Ok(polygons) = params.polygons() {
            let mut old = std::mem::take(&mut self.places);
            for (region, polygon) in polygons {
                let known = old.iter().position(|place| place.region == region);
                let mask = polygon.mask(width, height);
                self.places.push(match known {
                    Some(index) => Place { mask, ..old.swap_remove(index) },
                    None => Place {
                        region,
                        polygon,
                        mask,
                        occupancy: Gauge::default(),
                        fluidity: Gauge::default(),
                        heading: Heading::default(),
                        people: None,
                    },
                });
            }
        }
        self.weights = params.perspective.map_or_else(Vec::new, |p| p.weights(height));
        self.tracker.set_options(TrackOptions { threshold: 0.5, hold: Duration::from_millis(700) });
        self.params = Some(params.clone());
    }

    /// Measures the regions.
    fn measure(
        &mut self,
        params: &Params,
        seen: &Seen,
        steps: &[Step],
        since: Duration,
        people: Option<&[Region]>,
        outcome: &mut Outcome,
    ) {
        let estimate = params.perspective.map(|p| estimate(&p, seen, &self.weights));
        let width = seen.moving.width;
        for place in &mut self.places {
            let whole = amount(&place.mask, None, &self.weights);
            let moving = amount(&place.mask, Some(&seen.moving), &self.weights);
            let still = amount(&place.mask, Some(&seen.still), &self.weights);
            let occupancy = if whole > 0.0 { 100.0 * (moving + still) / whole } else { 0.0 };
            let fluidity = if occupancy >= CROWD { 100.0 * moving / (moving + still) } else { 0.0 };
            place.people = match (people, &estimate) {
                (Some(people), _) => {
                    Some(people.iter().filter(|person| place.polygon.contains(feet(person))).count() as u32)
                }
                (None, Some(all)) => {
                    let inside = all.iter().filter(|(at, _)| place.polygon.contains(*at));
                    Some(inside.map(|(_, count)| count).sum::<f64>().round() as u32)
                }
                (None, None) => None,
            };
            let region = &place.region;
            let full = seen.known >= KNOWN;
            let sure = f64::from(seen.known);
            let (levels, looks) = (region.occupancy_levels(), region.occupancy_num_frames_to_event);
            if full && place.occupancy.update(occupancy, levels, looks, params.hysteresis) {
                outcome.events.push(Event::Occupancy(CrowdOccupancy {
                    region: region.id.clone(),
                    percentage: rounded(occupancy),
                    level: place.occupancy.level,
                    people: place.people,
                    confidence: rounded(sure * place.occupancy.confidence(levels)),
                }));
            }
            let (levels, looks) = (region.fluidity_levels(), region.fluidity_num_frames_to_event);
            if full && place.fluidity.update(fluidity, levels, looks, params.hysteresis) {
                outcome.events.push(Event::Fluidity(CrowdFluidity {
                    region: region.id.clone(),
                    percentage: rounded(fluidity),
                    level: place.fluidity.level,
                    confidence: rounded(sure * place.fluidity.confidence(levels)),
                }));
            }
            if region.send_optical_flow_event && full {
                let here =
                    |step: &&Step| place.mask.bits[step.at[1] as usize * width + step.at[0] as usize] != 0;
                let speeds: Vec<[f32; 2]> = steps.iter().filter(here).map(|step| step.speed).collect();
                let patience = Patience {
                    event: region.optical_flow_num_frames_to_event,
                    reset: region.optical_flow_num_frames_to_reset,
                };
                if let Some((angle, share)) = place.heading.update(&speeds, since.as_secs_f64(), patience) {
                    outcome.events.push(Event::Direction(CrowdDirection {
                        region: region.id.clone(),
                        angle: offset(angle, region),
                        confidence: rounded(sure * share),
                    }));
                }
            }
        }
        outcome.people = match (people, &estimate) {
            (Some(people), _) => Some(people.len() as u32),
            (None, Some(all)) => Some(all.iter().map(|(_, count)| count).sum::<f64>().round() as u32),
            (None, None) => None,
        };
    }

    /// Follows people over lines and in regions: those of a detector upstream, or else the parts that move.
    fn follow(
        &mut self,
        params: &Params,
        seen: &Seen,
        (width, height): (usize, usize),
        time: Duration,
        people: Option<&[Region]>,
        outcome: &mut Outcome,
    ) {
        let wanted = !params.lines.is_empty() || params.regions.iter().any(|region| region.dwell_s > 0.0);
        if !wanted || seen.known < KNOWN {
            return;
        }
        let own;
        let people = match people {
            Some(people) if people.iter().all(|person| person.track.is_some()) => people,
            other => {
                let found = match other {
                    Some(people) => people.to_vec(),
                    None => seen
                        .parts
                        .parts
                        .iter()
                        .map(|part| {
                            let (w, h) = (width as f32, height as f32);
                            Region {
                                label: "somebody".into(),
                                x: part.left as f32 / w,
                                y: part.top as f32 / h,
                                width: (part.right - part.left) as f32 / w,
                                height: (part.bottom - part.top) as f32 / h,
                                score: 1.0,
                                ..Region::default()
                            }
                        })
                        .collect(),
                };
                self.tracker.update(time, &found);
                own = self.tracker.regions(time);
                &own
            }
        };
        let regions: Vec<_> = self.places.iter().map(|p| (p.region.clone(), p.polygon.clone())).collect();
        let (crossed, dwelt) = self.walkers.update(time, people, &params.lines, &regions);
        outcome.events.extend(crossed.into_iter().map(Event::Crossed));
        outcome.events.extend(dwelt.into_iter().map(Event::Dwell));
    }

    fn report(&mut self, params: &Params, time: Duration, outcome: &mut Outcome) {
        let known = f64::from(self.scene.known());
        let report = |place: &Place| RegionReport {
            region: place.region.id.clone(),
            occupancy: rounded(place.occupancy.percentage),
            fluidity: rounded(place.fluidity.percentage),
            people: place.people,
            angle: place.heading.angle.map(|angle| offset(angle, &place.region)),
            known: rounded(known),
        };
        outcome.regions = self.places.iter().map(report).collect();
        let every = Duration::from_millis(params.report_ms.into());
        let due = match self.reported {
            // A hair early is in time: times of pictures are rounded.
            Some(last) => time < last || time + Duration::from_millis(2) >= last + every,
            None => true,
        };
        if params.report_ms > 0 && due {
            self.reported = Some(time);
            let regions = outcome.regions.clone();
            outcome.events.push(Event::Report(CrowdReport { time_ms: time.as_millis() as u64, regions }));
        }
    }

    fn view(&self, params: &Params, seen: &Seen) -> View {
        let mut within = Mask::empty(seen.moving.width, seen.moving.height);
        for place in &self.places {
            within.bits.iter_mut().zip(&place.mask.bits).for_each(|(all, bit)| *all |= bit);
        }
        View {
            outlines: self.places.iter().map(|place| place.polygon.clone()).collect(),
            lines: params.lines.iter().map(|line| line.line()).collect(),
            moving: seen.moving.and(&within),
            still: seen.still.and(&within),
            heat: params.heat_map.then(|| self.heat.map()),
        }
    }
}

fn offset(angle: f64, region: &CrowdRegion) -> f64 {
    rounded((angle + f64::from(region.optical_flow_angle_offset)).rem_euclid(360.0))
}

/// How much of a region is covered, in pixels, or in people if there are weights for the rows.
fn amount(region: &Mask, what: Option<&Mask>, weights: &[f64]) -> f64 {
    if weights.is_empty() {
        return what.map_or_else(|| region.count(), |what| region.common(what)) as f64;
    }
    let width = region.width.max(1);
    let rows = region.bits.chunks(width).zip(weights).enumerate();
    rows.map(|(y, (bits, weight))| {
        let count = match what {
            Some(what) => {
                let other = &what.bits[y * width..(y + 1) * width];
                bits.iter().zip(other).map(|(a, b)| u32::from(a & b)).sum::<u32>()
            }
            None => bits.iter().map(|bit| u32::from(*bit)).sum::<u32>(),
        };
        f64::from(count) * weight
    })
    .sum()
}

/// How many people each part is, by its area and how tall people are there, and where their feet are.
fn estimate(perspective: &Perspective, seen: &Seen, weights: &[f64]) -> Vec<([f64; 2], f64)> {
    let (width, height) = (seen.moving.width as f64, seen.moving.height);
    let mut counts = vec![0.0; seen.parts.parts.len()];
    for run in &seen.parts.runs {
        let part = &seen.parts.parts[run.part];
        // Who stands in front hides the feet of who stands behind: of a tall part each row counts by its own depth.
        let lowest = perspective.area(part.bottom as f64 / height as f64, height);
        counts[run.part] += (run.end - run.start) as f64 * weights[run.y].max(1.0 / lowest);
    }
    let parts = seen.parts.parts.iter().zip(counts);
    parts
        // Somebody half hidden is somebody; less than that is not.
        .filter(|(_, count)| *count >= 0.4)
        .map(|(part, count)| {
            ([f64::from(part.centre[0] + 0.5) / width, part.bottom as f64 / height as f64], count.max(1.0))
        })
        .collect()
}

#[cfg(test)]
#[path = "truth.rs"]
mod truth;
