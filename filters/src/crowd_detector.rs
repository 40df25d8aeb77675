//! Watches crowds: how full regions are, how much moves in them and where it goes, who crosses lines and who stays.

use std::time::Duration;

use anabranch_kit::analyzer::{Drawing, Sampling, VideoAnalyzer};
use anabranch_kit::filter::{Context, FilterError};
use anabranch_kit::frame::Frame;
use anabranch_kit::register_analyzer;
use anabranch_kit::regions::Region;
use anabranch_kit::sample::Sample;
use anabranch_kit::track::TrackOptions;
use gst_video::{VideoFormat, VideoInfo};

use crate::crowd::events::{
    CrowdDirection, CrowdDwell, CrowdFluidity, CrowdOccupancy, CrowdReport, Event, LineCrossed,
};
pub use crate::crowd::settings::Params;
use crate::crowd::view::View;
use crate::crowd::watch::Watch;
use crate::motion::grey::Grey;

/// The label of the regions in which a detector upstream says that there are people.
const PERSON: &str = "person";

/// The detector.
#[derive(Debug, Default)]
pub struct CrowdDetector {
    watch: Watch,
    /// The properties that are used, and the last ones that were refused: wrong ones that come while it runs are told, and
    /// nothing of them is taken over.
    params: Params,
    refused: Option<Params>,
    /// Whether somebody upstream looks for people: then a picture without any is one without any.
    detector: bool,
}

impl CrowdDetector {
    /// Takes over properties that have changed, if nothing is wrong with them.
    fn take(&mut self, params: &Params) -> Result<(), FilterError> {
        if self.params == *params {
            self.refused = None;
        } else if self.refused.as_ref() != Some(params) {
            if let Err(problem) = params.check() {
                self.refused = Some(params.clone());
                let text = format!("{problem}; the properties stay as they were until that is put right");
                return Err(FilterError::failed(text));
            }
            self.params.clone_from(params);
            self.refused = None;
        }
        Ok(())
    }
}

impl VideoAnalyzer for CrowdDetector {
    type Params = Params;
    type Report = ();
    const FORMATS: &'static [VideoFormat] = &[
        VideoFormat::I420,
        VideoFormat::Nv12,
        VideoFormat::Rgba,
        VideoFormat::Bgra,
        VideoFormat::Gray8,
    ];
    const LABEL: &'static str = "crowd";
    const DRAWS: bool = true;

    fn check(params: &Params) -> Result<(), FilterError> {
        params.check()
    }

    fn new(params: &Params, _: &VideoInfo) -> Result<Self, FilterError> {
        params.check()?;
        Ok(CrowdDetector { params: params.clone(), ..CrowdDetector::default() })
    }

    fn sampling(params: &Params) -> Sampling {
        Sampling {
            longest: params.processing_width as usize,
            rate: params.rate,
            tracking: TrackOptions::default(),
        }
    }

    fn analyze(&mut self, params: &Params, sample: &Sample, ctx: &mut Context) -> Result<(), FilterError> {
        let taken = self.take(params);
        let time = Duration::from(ctx.pts().unwrap_or_default());
        let people: Vec<Region> = ctx.regions().iter().filter(|r| r.label == PERSON).cloned().collect();
        self.detector |= ctx.is_analyzed(PERSON) || !people.is_empty();
        let known = self.detector.then_some(&people[..]);
        let outcome = self.watch.look(&self.params, Grey::of(sample), time, known);
        for event in outcome.events {
            match event {
                Event::Occupancy(event) => ctx.emit(event),
                Event::Fluidity(event) => ctx.emit(event),
                Event::Direction(event) => ctx.emit(event),
                Event::Crossed(event) => ctx.emit(event),
                Event::Dwell(event) => ctx.emit(event),
                Event::Report(event) => ctx.emit(event),
            }
        }
        if let Some(people) = outcome.people {
            ctx.scalar("people", people.into());
        }
        let fullest = outcome.regions.iter().map(|region| region.occupancy).fold(0.0, f64::max);
        ctx.scalar("occupancy", fullest);
        ctx.publish(outcome.view);
        taken
    }

    fn draw(drawing: &Drawing<'_, Self>, frame: &mut Frame<'_>) -> Result<(), FilterError> {
        if let Some(view) = drawing.published::<View>() {
            view.draw(frame);
        }
        Ok(())
    }
}

register_analyzer!(
    CrowdDetector,
    name: "crowd-detector",
    type_name: "AbCrowdDetector",
    summary: "Watches crowds: occupancy, fluidity and direction of regions, people, lines and dwell times",
    author: "The Anabranch developers",
    doc: "Watches regions of the picture, each a polygon with an id. The regions and their levels are those of Kurento's \
          CrowdDetectorFilter, and so are the meanings of what it tells:\n\n\
          *Occupancy* (`crowd-occupancy`) is how much of the region people cover, moving or not, in per cent. *Fluidity* \
          (`crowd-fluidity`) is how much of that crowd moves. Each has a level from 0 to 3, by how many of its three borders \
          (`..._level_min`, `_med`, `_max`) it is above; a new level is told when it has lasted for \
          `..._num_frames_to_event` looks, and goes down only `hysteresis` points below the border. *Direction* \
          (`crowd-direction`, with `send_optical_flow_event`) is where the crowd goes: 0 degrees is up in the picture, 90 \
          right.\n\n\
          How it sees: a small grey copy of the picture (`processing_width`) is compared with a background that is learnt \
          pixel by pixel, as mean and deviation, in the first three seconds even if people walk through. Later, who stands \
          is not learnt, but taken over after `absorb_s`; what is only the hole that somebody left behind is known by its \
          missing outline and dropped; changes of light are taken out, and a cut begins a new background. What of the \
          foreground has changed within 0.4 s moves, the rest stands. The direction comes from corners in the moving part \
          that are followed over a tenth of a second (pyramidal Lucas-Kanade).\n\n\
          More than Kurento's: `people`, counted by a `people-detector` upstream, or from the area and the `perspective` (how \
          tall people are far away and near by), with which near and far people also count alike in percentages; `lines` \
          with `line-crossed` for each who crosses one; `dwell_s` of a region with `crowd-dwell`; a confidence with each \
          level; all measures every `report_ms`. For lines and dwell times people are followed by the numbers that a \
          detector or tracker upstream gives them, or else as moving parts, which is less exact where people walk close \
          together.\n\n\
          With `draw`, who moves is blue, who stands is red, regions are outlined in white and lines in yellow; with \
          `heat_map` as well, where people have been is shown from blue to red.",
    events: [CrowdOccupancy, CrowdFluidity, CrowdDirection, LineCrossed, CrowdDwell, CrowdReport],
    example: "player uri=people.mp4 -> crowd-detector report_ms=1000 -> null-sink",
    realtime: true,
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crowd::settings::CrowdLine;

    anabranch_kit::filter_tests!(super::CrowdDetector);

    #[test]
    fn wrong_properties_are_told_once_and_the_old_ones_stay() {
        let (mut detector, mut ctx) = (CrowdDetector::default(), Context::default());
        let sample = Sample { width: 64, height: 48, rgb: vec![90; 3 * 64 * 48] };
        detector.analyze(&Params::default(), &sample, &mut ctx).unwrap();
        let line = CrowdLine { id: "gate".into(), ..CrowdLine::default() };
        let wrong = Params { lines: vec![line], contrast: 20, ..Params::default() };
        let told = detector.analyze(&wrong, &sample, &mut ctx).unwrap_err();
        assert!(matches!(&told, FilterError::Failed(text) if text.contains("'gate' has no length")), "{told:?}");
        detector.analyze(&wrong, &sample, &mut ctx).unwrap();
        assert_eq!(detector.params, Params::default());
        let right = Params { contrast: 20, ..Params::default() };
        detector.analyze(&right, &sample, &mut ctx).unwrap();
        assert_eq!(detector.params, right);
    }
}
