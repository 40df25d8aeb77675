//! The one-file filter: a params struct, a [`VideoFilter`] and one line of [`register_filter!`](crate::register_filter).
//!
//! The result is a GStreamer element (`gst-inspect-1.0` shows it with its properties), an entry of the catalogue
//! with a schema, and, with `filter_tests!`, its tests. A filter cannot harm the video: one that panics, hangs or
//! fails is left out, with a message `filter-trouble` {filter, reason, detail, consequence}, until it works again
//! (`filter-recovered`).

pub(crate) mod commands;
pub(crate) mod describe;
mod macros;
mod shell;
mod stage;
mod stats;
mod step;
mod trust;

use gst_video::{VideoFormat, VideoInfo};

pub use describe::{Facts, event_name, event_spec, video_ports};
pub use shell::Shell;
pub use stage::{Stage, Video};
pub(crate) use stats::{Times, with_scalars};
pub use trust::{Reason, Trust};

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::command::{CommandError, CommandResult};
use crate::frame::Frame;
use crate::params::Params;
use crate::regions::Region;

/// Changes pictures in place.
pub trait VideoFilter: Sized + Send + 'static {
    /// The element's properties.
    type Params: Params;

    /// The pixel formats that it takes, most wanted first.
    const FORMATS: &'static [VideoFormat];

    /// Looks at the properties before anything starts: missing files, values that exclude each other.
    ///
    /// # Errors
    ///
    /// Whatever it says, the element does not start.
    fn check(_params: &Self::Params) -> Result<(), FilterError> {
        Ok(())
    }

    /// Makes the filter for pictures of one size and format. Called again when these change, when a property
    /// changes that is not live, and after a panic.
    ///
    /// # Errors
    ///
    /// [`FilterError::Fatal`] stops the element, anything else lets frames pass and tries again later.
    fn new(params: &Self::Params, info: &VideoInfo) -> Result<Self, FilterError>;

    /// Changes one picture. It runs on the filter's own thread, and the video waits for it no longer than the
    /// element's `budget-ms`.
    ///
    /// # Errors
    ///
    /// See [`FilterError`].
    fn process(
        &mut self,
        params: &Self::Params,
        frame: &mut Frame<'_>,
        ctx: &mut Context,
    ) -> Result<(), FilterError>;

    /// The names of its commands; the element refuses others.
    const COMMANDS: &'static [&'static str] = &[];

    /// Carries out a command: calibrates, adds, removes. It runs on the filter's own thread, between two frames. Commands
    /// that come before there is video wait for it, and are answered `{"queued": true}`.
    ///
    /// # Errors
    ///
    /// Goes back to who gave the command.
    fn command(&mut self, name: &str, _arguments: &serde_json::Value, _ctx: &mut Context) -> CommandResult {
        Err(CommandError::unknown(name))
    }

    /// Takes over what commands have taught the old filter, when a new one is made for another size or with other
    /// properties.
    fn take_over(&mut self, _old: Self) {}
}

/// What a filter says when it cannot do its work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// Nothing to do for this frame; not a fault.
    #[error("nothing to do for this frame")]
    SkipFrame,
    /// It did not work this time: the frame passes, and a message `filter-trouble` says why.
    #[error("{0}")]
    Failed(String),
    /// It will never work: the element stops with this sentence as its error, or, with `on-error: drop-element`, lets
    /// all frames pass from now on.
    #[error("{0}")]
    Fatal(String),
}

impl FilterError {
    /// It did not work this time, because of this error.
    pub fn failed(error: impl std::fmt::Display) -> Self {
        FilterError::Failed(error.to_string())
    }

    /// It will never work. The text is a sentence for a person, and says what to do.
    pub fn fatal(error: impl std::fmt::Display) -> Self {
        FilterError::Fatal(error.to_string())
    }
}

/// What a filter has besides the picture.
#[derive(Debug, Default)]
pub struct Context {
    pub(crate) regions: Vec<Region>,
    pub(crate) analyzed: Vec<String>,
    pub(crate) added: Vec<Region>,
    pub(crate) replaces: bool,
    pub(crate) events: Vec<(String, serde_json::Value)>,
    pub(crate) scalars: BTreeMap<String, f64>,
    pub(crate) pts: Option<gst::ClockTime>,
    pub(crate) number: u64,
    pub(crate) published: Option<Published>,
}

/// Something that an analyser shows its `draw`.
#[derive(Clone)]
pub(crate) struct Published(pub(crate) Arc<dyn Any + Send + Sync>);

impl std::fmt::Debug for Published {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Published")
    }
}

impl Context {
    /// Emits an event; its name is the type's name in kebab-case (`FaceCount` becomes `face-count`).
    pub fn emit<E: serde::Serialize + schemars::JsonSchema>(&mut self, event: E) {
        let data = serde_json::to_value(event).unwrap_or_default();
        self.events.push((event_name::<E>(), data));
    }

    /// Says a number about this frame, such as how many people there are: it goes into statistics and into
    /// [`FrameResults`](crate::results::FrameResults). The name is kebab-case.
    pub fn scalar(&mut self, name: &str, value: f64) {
        self.scalars.insert(name.to_owned(), value);
    }

    /// The numbers that were said. For tests.
    pub fn scalars(&self) -> &BTreeMap<String, f64> {
        &self.scalars
    }

    /// Hands something (a heat map, say) from an analyser's thread to its
    /// [`draw`](crate::analyzer::VideoAnalyzer::draw). What was handed over before is replaced.
    pub fn publish<T: Any + Send + Sync>(&mut self, thing: T) {
        self.published = Some(Published(Arc::new(thing)));
    }

    /// When the picture is shown; for an analyser, the one that it looks at.
    pub fn pts(&self) -> Option<gst::ClockTime> {
        self.pts
    }

    /// How many pictures of this stream there were before it.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The context of a picture with these regions on it.
    pub fn at(pts: gst::ClockTime, number: u64, regions: Vec<Region>) -> Self {
        Context { pts: Some(pts), number, regions, ..Context::default() }
    }

    /// The regions that were put on the frame. For tests.
    pub fn take_added(&mut self) -> Vec<Region> {
        std::mem::take(&mut self.added)
    }

    /// The events that were emitted: names and data. For tests.
    pub fn take_events(&mut self) -> Vec<(String, serde_json::Value)> {
        std::mem::take(&mut self.events)
    }

    /// Takes the regions of elements upstream off the frame; those that are added stand in their place.
    pub fn replace_regions(&mut self) {
        self.replaces = true;
    }

    /// The regions that elements upstream have put on this frame.
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// Whether an element upstream looks for regions with this label, though it may have found none.
    pub fn is_analyzed(&self, label: &str) -> bool {
        self.analyzed.iter().any(|l| l == label)
    }

    /// Passes on what a [`Lookout`](crate::analyzer::Lookout) has to tell.
    pub fn forward(&mut self, messages: Vec<(String, serde_json::Value)>) {
        self.events.extend(messages);
    }

    /// Puts a region on the frame.
    pub fn add_region(&mut self, region: Region) {
        self.added.push(region);
    }
}

/// Links a filter or analyser type to its name; made by the registration macros.
pub trait Named {
    /// The name in descriptions, kebab-case.
    const NAME: &'static str;

    /// The name of the GStreamer factory.
    fn factory() -> String {
        describe::factory(Self::NAME)
    }

    /// The catalogue's entry.
    fn descriptor() -> anabranch_graph::catalog::ElementDescriptor;
}
