//! Tells when something moves.

use std::time::Duration;

use anabranch_kit::analyzer::{Drawing, Sampling, VideoAnalyzer};
use anabranch_kit::filter::{Context, FilterError};
use anabranch_kit::frame::Frame;
use anabranch_kit::register_analyzer;
use anabranch_kit::regions::Region;
use anabranch_kit::sample::Sample;
use anabranch_kit::track::TrackOptions;
use gst_video::{VideoFormat, VideoInfo};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::motion::background::Settings;
use crate::motion::grey::Grey;
use crate::motion::mask::Mask;
use crate::motion::paint::{Brush, Canvas};
use crate::motion::parts::parts;
use crate::motion::polygon::{Point, Polygon};
use crate::motion::scene::Scene;

/// So much of the background must be known before anything is told.
const KNOWN: f32 = 0.25;
/// Something that stands for so long is background.
const ABSORB: Duration = Duration::from_secs(15);
/// Whose moving part is at most so many, relative to the picture's area, is a speck.
const SPECK: f64 = 0.0003;

/// The properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// Where motion counts, each region with an id and the points of a polygon; without any, in the whole picture.
    #[schemars(extend("x-live" = true))]
    pub regions: Vec<MotionRegion>,
    /// How much of a region must move, in per cent.
    #[schemars(range(min = 0.0, max = 100.0), extend("x-live" = true))]
    pub threshold: f64,
    /// The least difference from the background that counts, in grey levels; less sees fainter things, and more noise.
    #[schemars(range(min = 4, max = 100), extend("x-live" = true))]
    pub contrast: u32,
    /// How many looks motion must last before it is told.
    #[schemars(range(min = 1, max = 1000), extend("x-live" = true))]
    pub looks: u32,
    /// How long nothing must move before motion has ended, in milliseconds.
    #[schemars(range(min = 0, max = 600000), extend("x-live" = true))]
    pub quiet_ms: u32,
    /// The longer side of the picture that is looked at, in pixels.
    #[schemars(range(min = 64, max = 1280), extend("x-live" = true))]
    pub processing_width: u32,
    /// Looks per second, at most.
    #[schemars(range(min = 1.0, max = 60.0), extend("x-live" = true))]
    pub rate: f64,
}

impl Default for Params {
    fn default() -> Self {
        Params {
            regions: Vec::new(),
            threshold: 0.3,
            contrast: 16,
            looks: 2,
            quiet_ms: 1000,
            processing_width: 320,
            rate: 10.0,
        }
    }
}

/// A region.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct MotionRegion {
    /// Its name in events.
    #[schemars(extend("x-required" = true))]
    pub id: String,
    /// The corners of the polygon, at least three.
    #[schemars(extend("x-required" = true))]
    pub points: Vec<Point>,
}

/// Something began to move.
#[derive(Debug, Serialize, JsonSchema)]
pub struct MotionBegan {
    /// The region's id; `picture` if there are no regions.
    region: String,
    /// How much of the region moves, 0 to 100.
    percentage: f64,
    /// What moves, relative to the picture: left and upper edge, width and height of each part.
    parts: Vec<[f32; 4]>,
}

/// Nothing moves any more.
#[derive(Debug, Serialize, JsonSchema)]
pub struct MotionEnded {
    /// The region's id.
    region: String,
    /// The most of the region that moved at once, 0 to 100.
    percentage: f64,
    /// For how many seconds something moved.
    seconds: f64,
}

/// The detector.
#[derive(Debug, Default)]
pub struct MotionDetector {
    scene: Scene,
    places: Vec<Place>,
    regions: Vec<MotionRegion>,
    /// What is wrong with regions that came while it runs; until it has been told.
    refused: Option<String>,
}

/// A region and what goes on in it.
#[derive(Debug)]
struct Place {
    id: String,
    polygon: Polygon,
    mask: Mask,
    /// How many looks in a row have seen motion.
    held: u32,
    /// Since when something moves, when it moved last, and the most of it.
    motion: Option<(Duration, Duration, f64)>,
}

impl Place {
    /// Ends the motion in it, if there is any.
    fn end(&mut self) -> Option<MotionEnded> {
        let (since, last, most) = self.motion.take()?;
        let seconds = rounded(last.saturating_sub(since).as_secs_f64());
        Some(MotionEnded { region: self.id.clone(), percentage: rounded(most), seconds })
    }
}

/// What is drawn.
struct View {
    outlines: Vec<(Polygon, bool)>,
    boxes: Vec<[f32; 4]>,
}

fn polygons(params: &Params) -> Result<Vec<(String, Polygon)>, String> {
    if params.regions.is_empty() {
        return Ok(vec![("picture".into(), Polygon::whole())]);
    }
    let mut all: Vec<(String, Polygon)> = Vec::with_capacity(params.regions.len());
    for region in &params.regions {
        if all.iter().any(|(id, _)| *id == region.id) {
            return Err(format!("the region '{}' is there twice; give each region an id of its own", region.id));
        }
        let polygon = Polygon::of(&region.points)
            .map_err(|problem| format!("the region '{}' {problem}", region.id))?;
        all.push((region.id.clone(), polygon));
    }
    Ok(all)
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

impl MotionDetector {
    fn settle(&mut self, params: &Params, (width, height): (usize, usize), ctx: &mut Context) {
        let same_size = self.places.first().is_some_and(|p| (p.mask.width, p.mask.height) == (width, height));
        if same_size && self.regions == params.regions {
            return;
        }
        // Wrong ones are refused at the start; of wrong ones that come later nothing is taken over, and that is told.
        match polygons(params) {
            Ok(polygons) => {
                let mut old = std::mem::take(&mut self.places);
                for (id, polygon) in polygons {
                    let mask = polygon.mask(width, height);
                    let known = old.iter().position(|place| place.id == id && place.polygon == polygon);
                    self.places.push(match known {
                        Some(index) => Place { mask, ..old.swap_remove(index) },
                        None => Place { id, polygon, mask, held: 0, motion: None },
                    });
                }
                // What moves in a region that is gone has ended there.
                old.iter_mut().filter_map(Place::end).for_each(|ended| ctx.emit(ended));
            }
            Err(problem) => {
                for place in &mut self.places {
                    place.mask = place.polygon.mask(width, height);
                }
                self.refused = Some(problem);
            }
        }
        self.regions.clone_from(&params.regions);
    }

    /// Looks at the picture of this time; returns what moves, as parts relative to the picture.
    fn look(&mut self, params: &Params, grey: Grey, time: Duration, ctx: &mut Context) -> Vec<[f32; 4]> {
        let (width, height) = (grey.width, grey.height);
        self.settle(params, (width, height), ctx);
        let settings = Settings { least: params.contrast as i32, absorb: ABSORB, ..Settings::default() };
        let least = ((SPECK * (width * height) as f64) as usize).max(4);
        let seen = self.scene.look(grey, time, &settings, least);
        if seen.known < KNOWN {
            return Vec::new();
        }
        let mut within = Mask::empty(width, height);
        for place in &mut self.places {
            within.bits.iter_mut().zip(&place.mask.bits).for_each(|(all, bit)| *all |= bit);
            let common = seen.moving.common(&place.mask);
            let share = 100.0 * common as f64 / place.mask.count().max(1) as f64;
            let moves = common > 0 && share >= params.threshold;
            place.held = if moves { place.held.saturating_add(1) } else { 0 };
            match &mut place.motion {
                None if place.held >= params.looks => {
                    place.motion = Some((time, time, share));
                    let here = parts(&seen.moving.and(&place.mask));
                    let parts = here.parts.iter().map(|part| relative(part, width, height)).collect();
                    ctx.emit(MotionBegan { region: place.id.clone(), percentage: rounded(share), parts });
                }
                None => {}
                Some((_, last, most)) if moves => {
                    *last = time;
                    *most = most.max(share);
                }
                Some((_, last, _)) => {
                    let quiet = Duration::from_millis(params.quiet_ms.into());
                    if (time < *last || time - *last >= quiet)
                        && let Some(ended) = place.end()
                    {
                        ctx.emit(ended);
                    }
                }
            }
        }
        parts(&seen.moving.and(&within)).parts.iter().map(|part| relative(part, width, height)).collect()
    }
}

fn relative(part: &crate::motion::parts::Part, width: usize, height: usize) -> [f32; 4] {
    let (w, h) = (width as f32, height as f32);
    let (left, top) = (part.left as f32 / w, part.top as f32 / h);
    [left, top, part.right as f32 / w - left, part.bottom as f32 / h - top]
}

impl VideoAnalyzer for MotionDetector {
    type Params = Params;
    type Report = ();
    const FORMATS: &'static [VideoFormat] = &[
        VideoFormat::I420,
        VideoFormat::Nv12,
        VideoFormat::Rgba,
        VideoFormat::Bgra,
        VideoFormat::Gray8,
    ];
    const LABEL: &'static str = "motion";
    const DRAWS: bool = true;

    fn check(params: &Params) -> Result<(), FilterError> {
        polygons(params).map(drop).map_err(FilterError::fatal)
    }

    fn new(params: &Params, _: &VideoInfo) -> Result<Self, FilterError> {
        Self::check(params)?;
        Ok(MotionDetector::default())
    }

    fn sampling(params: &Params) -> Sampling {
        let hold = Duration::from_millis(300);
        Sampling {
            longest: params.processing_width as usize,
            rate: params.rate,
            tracking: TrackOptions { threshold: 0.5, hold },
        }
    }

    fn analyze(&mut self, params: &Params, sample: &Sample, ctx: &mut Context) -> Result<(), FilterError> {
        let time = Duration::from(ctx.pts().unwrap_or_default());
        let boxes = self.look(params, Grey::of(sample), time, ctx);
        for [x, y, width, height] in &boxes {
            ctx.add_region(Region {
                label: Self::LABEL.into(),
                x: *x,
                y: *y,
                width: *width,
                height: *height,
                score: 1.0,
                ..Region::default()
            });
        }
        ctx.scalar("moving-parts", boxes.len() as f64);
        let outlines = self.places.iter().map(|p| (p.polygon.clone(), p.motion.is_some())).collect();
        ctx.publish(View { outlines, boxes });
        match self.refused.take() {
            Some(problem) => Err(FilterError::failed(format!("{problem}; the regions stay as they were"))),
            None => Ok(()),
        }
    }

    fn draw(drawing: &Drawing<'_, Self>, frame: &mut Frame<'_>) -> Result<(), FilterError> {
        let Some(view) = drawing.published::<View>() else { return Ok(()) };
        let brush = |rgb| Brush::new(frame.info(), rgb);
        let (calm, busy) = (brush([255, 255, 255]), brush([255, 60, 30]));
        let mut canvas = Canvas::new(frame);
        for (polygon, moves) in &view.outlines {
            canvas.outline(polygon, if *moves { &busy } else { &calm });
        }
        for [x, y, width, height] in view.boxes.iter().map(|b| b.map(f64::from)) {
            let corners = vec![[x, y], [x + width, y], [x + width, y + height], [x, y + height]];
            canvas.outline(&Polygon::new(corners), &busy);
        }
        Ok(())
    }
}

register_analyzer!(
    MotionDetector,
    name: "motion-detector",
    type_name: "AbMotionDetector",
    summary: "Tells when something begins to move and when it has ended, in the picture or in regions of it",
    author: "The Anabranch developers",
    doc: "Compares a small grey copy of the picture with a background that it learns, and tells `motion-began` when at least \
          `threshold` per cent of a region (or of the picture) have moved for `looks` looks, with the places of what moves, \
          and `motion-ended` when nothing has for `quiet_ms`. Noise, changes of light and cuts are no motion; what has \
          stopped is none either.\n\n\
          What moves is put on the frames as regions with the label `motion`. With `draw`, it is framed in red, and regions \
          are outlined in white, or in red while something moves in them.",
    events: [MotionBegan, MotionEnded],
    example: "player uri=camera.mp4 -> motion-detector threshold=1 -> null-sink",
    realtime: true,
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::motion::staging::{Disc, Stage, disc};

    anabranch_kit::filter_tests!(super::MotionDetector);

    /// The events of a minute at ten looks a second: names, regions and the numbers of the pictures.
    fn events(params: &Params, discs: impl Fn(u32) -> Vec<Disc>) -> Vec<(String, String, u32)> {
        let (mut detector, stage) = (MotionDetector::default(), Stage::new(160, 120));
        let mut all = Vec::new();
        for n in 0..160 {
            let mut ctx = Context::default();
            let time = Duration::from_millis(u64::from(n) * 100);
            detector.look(params, stage.with(n, &discs(n)), time, &mut ctx);
            let told = ctx.take_events();
            all.extend(told.into_iter().map(|(name, data)| (name, data["region"].as_str().unwrap().to_owned(), n)));
        }
        all
    }

    #[test]
    fn motion_begins_and_ends_once() {
        let walk = |n: u32| -> Vec<Disc> {
            // It comes, stops for a moment, goes on, and stays where it is.
            let way = n.clamp(40, 60) - 40 + n.clamp(65, 80) - 65;
            if n < 40 { Vec::new() } else { vec![disc(20.0 + 3.0 * way as f32, 60.0, 10.0)] }
        };
        let told = events(&Params::default(), walk);
        let names: Vec<&str> = told.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(names, ["motion-began", "motion-ended"], "{told:?}");
        assert!((41..45).contains(&told[0].2) && (88..105).contains(&told[1].2), "{told:?}");
        assert_eq!(events(&Params::default(), |_| Vec::new()), []);
    }

    #[test]
    fn regions_are_told_apart() {
        let square = |id: &str, left: f64| MotionRegion {
            id: id.into(),
            points: [[left, 0.0], [left + 0.5, 0.0], [left + 0.5, 1.0], [left, 1.0]]
                .map(|[x, y]| Point { x, y })
                .to_vec(),
        };
        let params = Params { regions: vec![square("left", 0.0), square("right", 0.5)], ..Params::default() };
        let told = events(&params, |n| vec![disc(-20.0 + 2.5 * n as f32 - 60.0, 60.0, 10.0)]);
        let short: Vec<(&str, &str)> = told.iter().map(|(name, region, _)| (name.as_str(), region.as_str())).collect();
        let expected =
            [("motion-began", "left"), ("motion-began", "right"), ("motion-ended", "left"), ("motion-ended", "right")];
        assert_eq!(short, expected, "{told:?}");
        let twice = Params { regions: vec![square("a", 0.0), square("a", 0.5)], ..Params::default() };
        assert!(MotionDetector::check(&twice).unwrap_err().to_string().contains("'a' is there twice"));
    }

    #[test]
    fn motion_in_a_region_that_goes_has_ended() {
        let (mut detector, stage) = (MotionDetector::default(), Stage::new(160, 120));
        let points = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]].map(|[x, y]| Point { x, y }).to_vec();
        let other = Params { regions: vec![MotionRegion { id: "other".into(), points }], ..Params::default() };
        let mut told = Vec::new();
        for n in 0..60u32 {
            let mut ctx = Context::default();
            let params = if n < 55 { Params::default() } else { other.clone() };
            let way = n.max(40) - 40;
            let discs = if n < 40 { Vec::new() } else { vec![disc(20.0 + 3.0 * way as f32, 60.0, 10.0)] };
            let time = Duration::from_millis(u64::from(n) * 100);
            detector.look(&params, stage.with(n, &discs), time, &mut ctx);
            let events = ctx.take_events().into_iter();
            told.extend(events.map(|(name, data)| format!("{name} {}", data["region"].as_str().unwrap())));
        }
        assert_eq!(told, ["motion-began picture", "motion-ended picture", "motion-began other"]);
    }

    #[test]
    fn wrong_regions_are_told_once_and_the_old_ones_stay() {
        let (mut detector, mut ctx) = (MotionDetector::default(), Context::default());
        let sample = |side: usize| Sample { width: side, height: side, rgb: vec![90; 3 * side * side] };
        detector.analyze(&Params::default(), &sample(64), &mut ctx).unwrap();
        let line = MotionRegion { id: "line".into(), points: vec![Point { x: 0.0, y: 0.0 }; 2] };
        let wrong = Params { regions: vec![line], ..Params::default() };
        let told = detector.analyze(&wrong, &sample(64), &mut ctx).unwrap_err();
        assert!(matches!(&told, FilterError::Failed(text) if text.contains("'line'")), "{told:?}");
        detector.analyze(&wrong, &sample(64), &mut ctx).unwrap();
        assert_eq!(detector.places[0].id, "picture");
        // The old ones fit pictures of another size.
        detector.analyze(&wrong, &sample(96), &mut ctx).unwrap_err();
        assert_eq!(detector.places[0].mask.width, 96);
    }
}
