//! Filters that only look: a [`VideoAnalyzer`] finds regions in small copies of some pictures, on a thread of its own.
//!
//! Video in real time never waits. A picture is copied small when the analyser has nothing to do and its rate allows it; what
//! it finds is followed ([`crate::track`]) and put on every frame as metadata ([`crate::regions`]). The properties `mode`,
//! `every`, `budget_ms` and `deadline_ms` ([`Schedule`]), which every analyser has, can make that otherwise.
//! [`register_analyzer!`](crate::register_analyzer) makes an element of it; [`Lookout`] runs one inside a filter.

mod draw;
mod lookout;
mod scene;
mod schedule;
mod shell;
mod step;

use gst_video::{VideoFormat, VideoInfo};

pub use draw::Drawing;
pub use lookout::Lookout;
pub use schedule::{Mode, Schedule};
pub use shell::AnalyzerShell;

use crate::command::{CommandError, CommandResult};
use crate::filter::{Context, FilterError};
use crate::frame::Frame;
use crate::params::Params;
use crate::regions::Region;
use crate::sample::Sample;
use crate::track::TrackOptions;

/// Looks at pictures and finds regions.
pub trait VideoAnalyzer: Sized + Send + 'static {
    /// The element's properties.
    type Params: Params;

    /// What it remembers from one report to the next; `()` if it reports nothing.
    type Report: Default + Send + 'static;

    /// The pixel formats that it takes, most wanted first.
    const FORMATS: &'static [VideoFormat];

    /// The label of the regions that it finds: `face`.
    const LABEL: &'static str;

    /// Looks at the properties before anything starts.
    ///
    /// # Errors
    ///
    /// Whatever it says, the element does not start.
    fn check(_params: &Self::Params) -> Result<(), FilterError> {
        Ok(())
    }

    /// Makes the analyser, on its own thread; the first picture waits for it.
    ///
    /// # Errors
    ///
    /// [`FilterError::Fatal`] stops the element, anything else is tried again later.
    fn new(params: &Self::Params, info: &VideoInfo) -> Result<Self, FilterError>;

    /// How often it wants to look, and at what.
    fn sampling(params: &Self::Params) -> Sampling;

    /// Looks at a picture and adds what it finds with [`Context::add_region`]; [`Context::pts`] is the picture's time,
    /// [`Context::regions`] is what elements upstream have found in it.
    ///
    /// # Errors
    ///
    /// See [`FilterError`].
    fn analyze(
        &mut self,
        params: &Self::Params,
        sample: &Sample,
        ctx: &mut Context,
    ) -> Result<(), FilterError>;

    /// Emits events about the regions that are followed. Called for every frame, on the streaming thread: be short.
    fn report(_report: &mut Self::Report, _regions: &[Region], _time: gst::ClockTime, _ctx: &mut Context) {}

    /// Whether it has a [`draw`](VideoAnalyzer::draw); then the element has the property `draw`.
    const DRAWS: bool = false;

    /// Draws what was found into a picture. Called while the property `draw` is on, for every frame, on the streaming
    /// thread: it is paused if it takes longer than 20 ms three times in a row.
    ///
    /// # Errors
    ///
    /// See [`FilterError`].
    fn draw(_drawing: &Drawing<'_, Self>, _frame: &mut Frame<'_>) -> Result<(), FilterError> {
        Ok(())
    }

    /// The names of its commands; the element refuses others.
    const COMMANDS: &'static [&'static str] = &[];

    /// Carries out a command: calibrates, adds, removes. It runs on the analyser's own thread, between two looks.
    /// Commands that come before there is video wait for it, and are answered `{"queued": true}`.
    ///
    /// # Errors
    ///
    /// Goes back to who gave the command.
    fn command(&mut self, name: &str, _arguments: &serde_json::Value, _ctx: &mut Context) -> CommandResult {
        Err(CommandError::unknown(name))
    }

    /// The label that elements downstream are told of: a picture without such regions is one without such things. None, if its
    /// properties make it look for something else.
    fn looks_for(_params: &Self::Params) -> Option<&'static str> {
        Some(Self::LABEL)
    }

    /// Takes over what commands have taught the old analyser, when a new one is made with other properties.
    fn take_over(&mut self, _old: Self) {}
}

/// How often an analyser looks, and at what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// The longer side of the small copy, in pixels.
    pub longest: usize,
    /// Looks per second of media, at most.
    pub rate: f64,
    /// How what it finds is followed.
    pub tracking: TrackOptions,
}

/// The name of the event with which an analyser announces itself downstream.
const ANNOUNCEMENT: &str = "anabranch-analyzer";

/// Tells elements downstream that regions with this label are looked for.
pub(crate) fn announcement(label: &str) -> gst::Event {
    gst::event::CustomDownstreamSticky::new(
        gst::Structure::builder(ANNOUNCEMENT).field("label", label).build(),
    )
}

/// The label of the regions that an element upstream looks for, from its announcement.
fn announced(structure: &gst::StructureRef) -> Option<String> {
    (structure.name() == ANNOUNCEMENT).then(|| structure.get("label").ok()).flatten()
}

/// Takes note of what elements upstream look for; a new stream forgets it, and they say it again.
pub(crate) fn note_analyzed(analyzed: &mut Vec<String>, event: &gst::Event) {
    match event.view() {
        gst::EventView::StreamStart(_) => analyzed.clear(),
        gst::EventView::CustomDownstreamSticky(custom) => {
            if let Some(label) = custom.structure().and_then(announced)
                && !analyzed.contains(&label)
            {
                analyzed.push(label);
            }
        }
        _ => {}
    }
}

/// Registers a [`VideoAnalyzer`] as an element type.
///
/// `doc`, `events`, `example` and `realtime` may be left out, in this order.
#[macro_export]
macro_rules! register_analyzer {
    (
        $analyzer:ty,
        name: $name:literal,
        type_name: $type_name:literal,
        summary: $summary:expr,
        author: $author:expr
        $(, doc: $doc:expr)?
        $(, events: [$($event:ty),* $(,)?])?
        $(, example: $example:expr)?
        $(, realtime: $realtime:expr)?
        $(,)?
    ) => {
        $crate::__register! {
            $analyzer, $crate::analyzer::AnalyzerShell<$analyzer>,
            <$analyzer as $crate::analyzer::VideoAnalyzer>::Params,
            $crate::filter::video_ports(<$analyzer as $crate::analyzer::VideoAnalyzer>::FORMATS), $name, $type_name, $summary, $author, [$($doc)?], [$($($event),*)?], [$($example)?], [$($realtime)?]
        }
    };
}
