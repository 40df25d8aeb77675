//! Finds people, or other things that the same network knows, for filters downstream and as events.

use std::time::Duration;

use anabranch_kit::analyzer::{Sampling, VideoAnalyzer};
use anabranch_kit::filter::{Context, FilterError};
use anabranch_kit::inference::{self, Backend};
use anabranch_kit::register_analyzer;
use anabranch_kit::regions::Region;
use anabranch_kit::results::Detection;
use anabranch_kit::sample::Sample;
use anabranch_kit::track::TrackOptions;
use gst_video::{VideoFormat, VideoInfo};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::nets::told::Told;
use crate::nets::{Net, net_error};
use crate::people::{self, MODEL};

/// What a thing must have to be told to the tracker; it decides by `threshold` which ones are new.
const LEAST_SCORE: f32 = 0.25;

/// The detector's properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// What is looked for: person, bicycle, car, vehicle, dog, cat, chair, laptop, book, bottle and others.
    pub labels: Vec<String>,
    /// How sure the detector must be of something new, 0 to 1.
    #[schemars(range(min = 0.25, max = 1.0), extend("x-live" = true))]
    pub threshold: f64,
    /// Looks per second, at most; things are followed in between.
    #[schemars(range(min = 0.1, max = 60.0), extend("x-live" = true))]
    pub rate: f64,
    /// Also looks at the four quarters of the picture, which finds smaller people and costs five times as much.
    pub quarters: bool,
    /// How long a thing is kept that is not found any more, in milliseconds.
    #[schemars(range(min = 0, max = 10000), extend("x-live" = true))]
    pub hold_ms: u32,
    /// The engine that runs the neural network.
    pub backend: Backend,
}

impl Default for Params {
    fn default() -> Self {
        Params {
            labels: vec!["person".into()],
            threshold: 0.4,
            rate: 5.0,
            quarters: false,
            hold_ms: 600,
            backend: Backend::Auto,
        }
    }
}

/// Things came or went, or it is time to say where they are.
#[derive(Debug, Serialize, JsonSchema)]
pub struct People {
    /// How many there are.
    count: usize,
    /// What and where they are.
    people: Vec<Detection>,
}

/// The analyser.
pub struct PeopleDetector {
    network: Net,
}

impl VideoAnalyzer for PeopleDetector {
    type Params = Params;
    type Report = Told;
    const FORMATS: &'static [VideoFormat] = &[
        VideoFormat::I420,
        VideoFormat::Nv12,
        VideoFormat::Rgba,
        VideoFormat::Bgra,
        VideoFormat::Gray8,
    ];
    const LABEL: &'static str = people::LABEL;

    fn check(params: &Params) -> Result<(), FilterError> {
        people::check_labels(&params.labels).map_err(FilterError::Fatal)?;
        inference::check(MODEL, params.backend).map_err(FilterError::fatal)
    }

    fn new(params: &Params, info: &VideoInfo) -> Result<Self, FilterError> {
        let spec = people::spec(LEAST_SCORE);
        let mut network = Net::installed(MODEL, spec, params.backend).map_err(FilterError::fatal)?;
        network.prepare(info.width() as usize, info.height() as usize).map_err(FilterError::fatal)?;
        Ok(PeopleDetector { network })
    }

    fn sampling(params: &Params) -> Sampling {
        Sampling {
            longest: if params.quarters { 2 * people::LONGEST } else { people::LONGEST },
            rate: params.rate,
            tracking: TrackOptions {
                threshold: params.threshold as f32,
                hold: Duration::from_millis(params.hold_ms.into()),
            },
        }
    }

    fn analyze(&mut self, params: &Params, sample: &Sample, ctx: &mut Context) -> Result<(), FilterError> {
        let found = match params.quarters {
            true => people::look_closely(&mut self.network, sample),
            false => self.network.look(sample),
        };
        let wanted = found.map_err(net_error)?.into_iter().filter(|r| params.labels.contains(&r.label));
        wanted.for_each(|region| ctx.add_region(region));
        Ok(())
    }

    fn looks_for(params: &Params) -> Option<&'static str> {
        params.labels.iter().any(|label| label == people::LABEL).then_some(people::LABEL)
    }

    fn report(told: &mut Told, regions: &[Region], time: gst::ClockTime, ctx: &mut Context) {
        ctx.scalar("people", regions.len() as f64);
        if told.is_due(regions.len(), time) {
            ctx.emit(People { count: regions.len(), people: regions.iter().map(Detection::from).collect() });
        }
    }
}

register_analyzer!(
    PeopleDetector,
    name: "people-detector",
    type_name: "AbPeopleDetector",
    summary: "Finds people, or cars, bicycles, dogs, and follows them; never delays the video",
    author: "The Anabranch developers",
    doc: "Finds people with the neural network SSD-MobileNetV2 (trained on Open Images) and puts them on the frames as \
          metadata: box, score, and a number that follows each of them. The property `labels` chooses other things that \
          the network knows: bicycle, boot, laptop, person, chair, cattle, desk, cat, computer-mouse, computer-monitor, \
          box, mug, coffee-cup, stationary-bicycle, table, bottle, high-heels, vehicle, footwear, dog, book, camera, \
          car.\n\n\
          It looks at a small copy of some pictures, on a thread of its own; video never waits for it. On a street \
          scene of 768x576 pixels it finds 8 of 10 people; with `quarters` more of the small ones.\n\n\
          It needs a model: `anabranch models install people-ssd`. With `anabranch models install onnxruntime` it runs \
          two to three times as fast.",
    events: [People],
    example: "player uri=street.mp4 -> people-detector -> null-sink",
    realtime: true,
);

#[cfg(test)]
mod tests {
    use super::*;

    anabranch_kit::filter_tests!(
        super::PeopleDetector,
        [requires: anabranch_kit::inference::check(crate::people::MODEL, anabranch_kit::inference::Backend::Auto)]
    );

    #[test]
    fn labels_that_it_does_not_know_are_refused_with_those_that_it_knows() {
        let params = Params { labels: vec!["persn".into()], ..Params::default() };
        let error = PeopleDetector::check(&params).unwrap_err().to_string();
        assert!(error.contains("'persn'") && error.contains("person, chair"), "{error}");
        let none = Params { labels: Vec::new(), ..Params::default() };
        assert!(PeopleDetector::check(&none).is_err());
    }

    #[test]
    fn who_looks_for_cars_does_not_say_that_there_are_no_people() {
        assert_eq!(PeopleDetector::looks_for(&Params::default()), Some("person"));
        let cars = Params { labels: vec!["car".into()], ..Params::default() };
        assert_eq!(PeopleDetector::looks_for(&cars), None);
    }
}
