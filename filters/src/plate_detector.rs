//! Reads the number plates of cars.

use std::time::Duration;

use anabranch_kit::analyzer::{Sampling, VideoAnalyzer};
use anabranch_kit::filter::{Context, FilterError};
use anabranch_kit::inference::{self, Backend};
use anabranch_kit::register_analyzer;
use anabranch_kit::results::Detection;
use anabranch_kit::sample::Sample;
use anabranch_kit::track::{TrackOptions, Tracker};
use gst_video::{VideoFormat, VideoInfo};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::nets::net_error;
use crate::plates::{self, Patterns, Reader, Search, Votes};

/// What is no plate was left out before; a plate stays while it is read now and then.
const TRACKING: TrackOptions = TrackOptions { threshold: 0.0, hold: Duration::from_millis(800) };

/// The detector's properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// How wide a plate is relative to the picture, roughly; others are left out. 0: any.
    #[schemars(range(min = 0.0, max = 1.0), extend("x-live" = true))]
    pub plate_width_percentage: f64,
    /// What a plate must look like, without spaces: a regular expression such as `^[0-9]{4}[A-Z]{3}$`. `countries` does not
    /// count then.
    pub pattern: String,
    /// The countries whose plates are read: ES, FR, IT, GB, NL, PT, BE, SE, DE, PL; empty: any plate.
    pub countries: Vec<String>,
    /// How sure the reader must be of the characters, 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0), extend("x-live" = true))]
    pub threshold: f64,
    /// How often a plate must be read alike before it is told.
    #[schemars(range(min = 1, max = 20), extend("x-live" = true))]
    pub votes: u32,
    /// For how many seconds a plate is not told again.
    #[schemars(range(min = 0, max = 3600), extend("x-live" = true))]
    pub again_seconds: u32,
    /// Looks per second, at most; plates are followed in between.
    #[schemars(range(min = 0.1, max = 30.0), extend("x-live" = true))]
    pub rate: f64,
    /// The longer side of the picture in which plates are looked for, in pixels; more finds smaller ones and costs more.
    #[schemars(range(min = 96, max = 1920))]
    pub size: u32,
    /// The longer side of the picture from which plates are read, in pixels.
    #[schemars(range(min = 96, max = 4096), extend("x-live" = true))]
    pub detail: u32,
    /// The engine that runs the neural networks.
    pub backend: Backend,
}

impl Default for Params {
    fn default() -> Self {
        Params {
            plate_width_percentage: 0.0,
            pattern: String::new(),
            countries: Vec::new(),
            threshold: 0.6,
            votes: 2,
            again_seconds: 10,
            rate: 5.0,
            size: 480,
            detail: 1280,
            backend: Backend::Auto,
        }
    }
}

/// A plate was read.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PlateDetected {
    /// What it says, without spaces.
    plate: String,
    /// How sure it is, 0 to 1.
    confidence: f64,
    /// Where it is.
    region: Detection,
    /// Whose it is, if its pattern says so: `ES`.
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<String>,
}

/// The analyser.
pub struct PlateDetector {
    reader: Reader,
    patterns: Patterns,
    /// Follows plates from look to look, for the votes.
    tracker: Tracker,
    votes: Votes,
}

impl VideoAnalyzer for PlateDetector {
    type Params = Params;
    type Report = ();
    const FORMATS: &'static [VideoFormat] = &[
        VideoFormat::I420,
        VideoFormat::Nv12,
        VideoFormat::Rgba,
        VideoFormat::Bgra,
        VideoFormat::Gray8,
    ];
    const LABEL: &'static str = plates::LABEL;

    fn check(params: &Params) -> Result<(), FilterError> {
        Patterns::new(&params.pattern, &params.countries).map_err(FilterError::Fatal)?;
        inference::check(plates::FINDER, params.backend).map_err(FilterError::fatal)?;
        inference::check(plates::READER, params.backend).map_err(FilterError::fatal)
    }

    fn new(params: &Params, info: &VideoInfo) -> Result<Self, FilterError> {
        let patterns = Patterns::new(&params.pattern, &params.countries).map_err(FilterError::Fatal)?;
        let mut reader = Reader::new(params.size as usize, params.backend).map_err(FilterError::fatal)?;
        let (width, height) = (info.width() as usize, info.height() as usize);
        let (width, height) = anabranch_kit::sample::fit(width, height, params.detail as usize);
        reader.prepare(width, height).map_err(FilterError::fatal)?;
        let mut tracker = Tracker::new(TRACKING);
        tracker.set_exact(true);
        Ok(PlateDetector { reader, patterns, tracker, votes: Votes::default() })
    }

    fn sampling(params: &Params) -> Sampling {
        Sampling { longest: params.detail as usize, rate: params.rate, tracking: TRACKING }
    }

    fn analyze(&mut self, params: &Params, sample: &Sample, ctx: &mut Context) -> Result<(), FilterError> {
        let search =
            Search { width: params.plate_width_percentage as f32, score: params.threshold as f32 };
        let mut read = Vec::new();
        for plate in self.reader.look(sample, search, &self.patterns).map_err(net_error)? {
            let mut region = plate.region;
            region.attributes.insert("text".into(), plate.text.into());
            region.attributes.insert("confidence".into(), f64::from(plate.score).into());
            if let Some(country) = plate.country {
                region.attributes.insert("country".into(), country.into());
            }
            read.push(region);
        }
        let time = ctx.pts().unwrap_or_default();
        self.tracker.update(time.into(), &read);
        let again = gst::ClockTime::from_seconds(params.again_seconds.into());
        // Exact: those that were read in this very picture.
        for region in self.tracker.regions(time.into()) {
            if let Some(plate) = self.votes.count(&region, time, params.votes, again) {
                ctx.emit(PlateDetected {
                    plate: plate.text,
                    confidence: plate.confidence,
                    region: Detection::from(&region),
                    country: plate.country,
                });
            }
        }
        self.votes.tidy(time);
        read.into_iter().for_each(|region| ctx.add_region(region));
        Ok(())
    }
}

register_analyzer!(
    PlateDetector,
    name: "plate-detector",
    type_name: "AbPlateDetector",
    summary: "Reads number plates: one event for each; never delays the video",
    author: "The Anabranch developers",
    doc: "Finds text with PP-OCR's network, reads what has a plate's shape as letters and digits, follows it, and says \
          `plate-detected` once for each plate when enough readings agree. `pattern` or `countries` say what a plate looks \
          like; then characters that are easily taken for each other (0 and O, 5 and S) are put right where only one of \
          them fits.\n\n\
          It looks for plates in a picture of `size` pixels, five times a second, and reads them from one of `detail` \
          pixels, on a thread of its own. With a `size` of 480 a plate must be an eighth as wide as the picture, with 960 a \
          tenth; drawn plates of that size are read exactly 9 times out of 10, also tilted by 25 degrees.\n\n\
          It needs two models: `anabranch models install ppocr-v4-det ppocr-v4-rec`.",
    events: [PlateDetected],
    example: "player uri=gate.mp4 -> plate-detector -> null-sink",
    realtime: true,
);

#[cfg(test)]
mod tests {
    use super::*;

    anabranch_kit::filter_tests!(
        super::PlateDetector,
        [requires: anabranch_kit::inference::check(crate::plates::FINDER, anabranch_kit::inference::Backend::Auto)
            .and_then(|()| anabranch_kit::inference::check(crate::plates::READER, anabranch_kit::inference::Backend::Auto))]
    );

    #[test]
    fn what_a_plate_looks_like_must_be_a_pattern() {
        let wrong = Params { pattern: "([".into(), ..Params::default() };
        assert!(PlateDetector::check(&wrong).unwrap_err().to_string().contains("regular expression"));
        let nowhere = Params { countries: vec!["XX".into()], ..Params::default() };
        assert!(PlateDetector::check(&nowhere).is_err());
    }
}
