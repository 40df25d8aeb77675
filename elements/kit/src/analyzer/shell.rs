//! What stands between GStreamer and a [`VideoAnalyzer`].

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anabranch_graph::catalog::PropertySpec;
use gst::prelude::*;
use gst_base::subclass::base_transform::GenerateOutputSuccess;
use gst_video::prelude::VideoFrameExt as _;
use gst_video::{VideoFrameRef, VideoInfo};
use serde_json::Value;

use super::draw::Pen;
use super::schedule::{Schedule, Switch};
use super::step::Job;
use super::{Lookout, VideoAnalyzer, announcement, note_analyzed};
use crate::command;
use crate::filter::commands::Desk;
use crate::filter::{FilterError, Named, Times, describe, with_scalars};
use crate::frame::Picture;
use crate::params::{ParamStore, Table, table};
use crate::regions;
use crate::results;
use crate::worker::{Interrupter, panic_text};

/// How long the first picture waits for the analyser to be made.
const BUILD_LIMIT: Duration = Duration::from_secs(20);

/// All that the element of an analyser does; the element itself only forwards to it.
pub struct AnalyzerShell<A: VideoAnalyzer> {
    params: ParamStore<A::Params>,
    schedule: ParamStore<Schedule>,
    switch: ParamStore<Switch>,
    pass_on_error: AtomicBool,
    commands: Desk<Job<A::Params>>,
    /// Its properties were refused at the start: every frame passes.
    unfit: AtomicBool,
    state: Mutex<Option<State<A>>>,
    interrupter: Mutex<Option<Interrupter>>,
    stats: Mutex<Stats>,
    /// What elements upstream look for.
    analyzed: Mutex<Vec<String>>,
}

impl<A: VideoAnalyzer> Default for AnalyzerShell<A> {
    fn default() -> Self {
        AnalyzerShell {
            params: ParamStore::default(),
            schedule: ParamStore::default(),
            switch: ParamStore::default(),
            pass_on_error: AtomicBool::new(false),
            commands: Desk::default(),
            unfit: AtomicBool::new(false),
            state: Mutex::new(None),
            interrupter: Mutex::new(None),
            stats: Mutex::default(),
            analyzed: Mutex::default(),
        }
    }
}

struct State<A: VideoAnalyzer> {
    info: VideoInfo,
    lookout: Option<Lookout<A>>,
    params: Arc<A::Params>,
    version: u64,
    restarts: u64,
    /// The version of the schedule that the lookout has.
    schedule_version: Option<u64>,
    pen: Pen,
    /// Whether the analyser has been made, so that commands go to it.
    open: bool,
    announced: bool,
    /// The restart count of the params with which it said that it will never work.
    given_up: Option<u64>,
}

#[derive(Default)]
struct Stats {
    frames: u64,
    looks: u64,
    regions: u64,
    missed: u64,
    late: u64,
    times: Times,
    scalars: BTreeMap<String, f64>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<A: VideoAnalyzer + Named> AnalyzerShell<A> {
    /// The properties that every analyser has besides its own, for the catalogue.
    pub fn more_properties() -> Vec<PropertySpec> {
        let mut all = table::<Schedule>().properties().to_vec();
        if A::DRAWS {
            all.extend_from_slice(table::<Switch>().properties());
        }
        all
    }

    /// The element's properties: those of the params, those that every analyser has, and `stats`.
    pub fn properties() -> Vec<glib::ParamSpec> {
        let mut all = table::<A::Params>().param_specs();
        all.extend(table::<Schedule>().param_specs());
        if A::DRAWS {
            all.extend(table::<Switch>().param_specs());
        }
        all.push(describe::pass_on_error_spec());
        all.push(Table::stats_spec());
        all
    }

    /// Sets a property.
    pub fn set_property(&self, object: &glib::Object, value: &glib::Value, pspec: &glib::ParamSpec) {
        if pspec.name() == describe::PASS_ON_ERROR {
            return self.pass_on_error.store(value.get().unwrap_or_default(), Ordering::Relaxed);
        }
        let set = if table::<Schedule>().property(pspec.name()).is_some() {
            self.schedule.set_value(pspec.name(), value)
        } else if A::DRAWS && table::<Switch>().property(pspec.name()).is_some() {
            self.switch.set_value(pspec.name(), value)
        } else {
            self.params.set_value(pspec.name(), value)
        };
        if let Err(error) = set {
            crate::params::report(object, &error);
        }
    }

    /// Reads a property.
    pub fn property(&self, pspec: &glib::ParamSpec) -> glib::Value {
        if pspec.name() == describe::PASS_ON_ERROR {
            return self.passes_on_error().to_value();
        }
        if table::<Schedule>().property(pspec.name()).is_some() {
            return self.schedule.value(pspec);
        }
        if A::DRAWS && table::<Switch>().property(pspec.name()).is_some() {
            return self.switch.value(pspec);
        }
        if pspec.name() != "stats" {
            return self.params.value(pspec);
        }
        let stats = lock(&self.stats);
        let structure = gst::Structure::builder("stats")
            .field("frames", stats.frames)
            .field("analyses", stats.looks)
            .field("regions", stats.regions)
            .field("missed", stats.missed)
            .field("late", stats.late);
        with_scalars(stats.times.add_to(structure).build(), &stats.scalars).to_value()
    }

    /// The element's pads.
    pub fn pad_templates() -> Vec<gst::PadTemplate> {
        describe::pad_templates(A::FORMATS)
    }

    /// What `gst-inspect-1.0` prints.
    pub fn metadata() -> gst::subclass::ElementMetadata {
        let d = A::descriptor();
        describe::metadata(&d.name, "Filter/Analyzer/Video", &d.summary, &d.author)
    }

    /// Whether frames pass untouched after an error, also if [`AnalyzerShell::start`] failed.
    pub fn passes_on_error(&self) -> bool {
        self.pass_on_error.load(Ordering::Relaxed)
    }

    /// Looks at the properties before anything starts.
    ///
    /// # Errors
    ///
    /// What [`VideoAnalyzer::check`] said.
    pub fn start(&self) -> Result<(), gst::ErrorMessage> {
        let params = self.params.get();
        let problem = match catch_unwind(AssertUnwindSafe(|| A::check(&params))) {
            Ok(Ok(()) | Err(FilterError::SkipFrame)) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(panic) => {
                Some(format!("it panicked while looking at its properties: {}", panic_text(&*panic)))
            }
        };
        self.unfit.store(problem.is_some(), Ordering::Relaxed);
        if let Some(problem) = problem {
            return Err(gst::error_msg!(gst::ResourceError::Settings, ("{}: {}", A::NAME, problem)));
        }
        *lock(&self.stats) = Stats::default();
        Ok(())
    }

    /// Ends a wait for the analyser, so that the element can stop.
    pub fn interrupt(&self) {
        if let Some(interrupter) = lock(&self.interrupter).as_ref() {
            interrupter.interrupt();
        }
    }

    /// Takes a command. It is carried out on the analyser's thread, between two looks.
    pub fn command(&self, element: &gst::Element, name: &str, arguments: Value, answer: command::Answer) {
        self.commands.take(A::NAME, A::COMMANDS, element, (name, arguments), answer);
    }

    /// Forgets the stream. An analyser that still works is left to end by itself.
    pub fn stop(&self) {
        let state = lock(&self.state).take();
        *lock(&self.interrupter) = None;
        self.commands.close();
        lock(&self.analyzed).clear();
        drop(state);
    }

    /// Takes the size and format of the pictures to come.
    ///
    /// # Errors
    ///
    /// The caps are not those of raw video.
    pub fn set_caps(&self, caps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let info = VideoInfo::from_caps(caps)
            .map_err(|_| gst::loggable_error!(gst::CAT_RUST, "{}: cannot use {caps}", A::NAME))?;
        let version = self.params.version();
        *lock(&self.state) = Some(State {
            info,
            lookout: None,
            version,
            restarts: self.params.restarts(),
            params: Arc::new(self.params.get()),
            schedule_version: None,
            pen: Pen::default(),
            open: false,
            announced: false,
            given_up: None,
        });
        Ok(())
    }

    /// Takes note of what elements upstream look for. At a new stream those downstream forget what this one looks for: then
    /// it is said again.
    pub fn sink_event(&self, event: &gst::Event) {
        note_analyzed(&mut lock(&self.analyzed), event);
        if event.type_() == gst::EventType::StreamStart
            && let Some(state) = lock(&self.state).as_mut()
        {
            state.announced = false;
        }
    }

    /// Puts what is known of a picture on its frame.
    ///
    /// # Errors
    ///
    /// The analyser said that it will never work; the error has been posted. None with `pass-on-error`: then it is
    /// posted once, and frames pass as they are.
    pub fn generate_output(
        &self,
        element: &gst::Element,
        mut buffer: gst::Buffer,
    ) -> Result<GenerateOutputSuccess, gst::FlowError> {
        if self.unfit.load(Ordering::Relaxed) {
            return Ok(GenerateOutputSuccess::Buffer(buffer));
        }
        let mut messages = Vec::new();
        let mut announce = None;
        let result = match lock(&self.state).as_mut() {
            Some(state) => {
                if state.given_up.is_some_and(|restarts| restarts == self.params.restarts()) {
                    return Ok(GenerateOutputSuccess::Buffer(buffer));
                }
                if !std::mem::replace(&mut state.announced, true) {
                    announce = A::looks_for(&state.params);
                }
                let result = self.run(state, &mut buffer, &mut messages);
                if result.is_err() && self.passes_on_error() {
                    state.given_up = Some(self.params.restarts());
                }
                result
            }
            None => Err(FilterError::fatal("video came without caps")),
        };
        if let (Some(label), Some(pad)) = (announce, element.static_pad("src")) {
            pad.push_event(announcement(label));
        }
        for (name, data) in messages {
            crate::message::post(element, &name, data);
        }
        match result {
            Ok(()) => Ok(GenerateOutputSuccess::Buffer(buffer)),
            Err(error) => {
                gst::element_error!(element, gst::LibraryError::Failed, ("{}: {}", A::NAME, error));
                if self.passes_on_error() {
                    return Ok(GenerateOutputSuccess::Buffer(buffer));
                }
                Err(gst::FlowError::Error)
            }
        }
    }

    fn run(
        &self,
        state: &mut State<A>,
        buffer: &mut gst::Buffer,
        messages: &mut Vec<(String, Value)>,
    ) -> Result<(), FilterError> {
        self.take_over(state);
        if state.lookout.is_none() {
            let mut lookout = Lookout::start(&state.params, &state.info)?;
            *lock(&self.interrupter) = Some(lookout.interrupter());
            lookout.ready(Some(BUILD_LIMIT))?;
            state.lookout = Some(lookout);
        }
        let Some(lookout) = &mut state.lookout else { return Ok(()) };
        let schedule_version = self.schedule.version();
        if state.schedule_version != Some(schedule_version) {
            state.schedule_version = Some(schedule_version);
            lookout.set_schedule(self.schedule.get());
        }
        lookout.analyzed.clone_from(&lock(&self.analyzed));
        let (width, height) = (state.info.width(), state.info.height());
        let time = buffer.pts().unwrap_or_default();
        let result = {
            let upstream = regions::read(buffer, width, height);
            let frame = VideoFrameRef::from_buffer_ref_readable(buffer, &state.info)
                .map_err(|_| FilterError::fatal("a frame cannot be mapped for reading"))?;
            // The strides are the buffer's: decoders and pools pad rows.
            let picture = Picture::new(frame.info(), frame.planes_data());
            lookout.look_after(&state.params, &picture, time, &upstream)
        };
        let told = lookout.messages();
        if !told.is_empty() || !lookout.scalars.is_empty() {
            results::attach(buffer.make_mut(), &lookout.scalars, &told);
            messages.extend(told);
        }
        let found = result?;
        if let Some(door) = lookout.door().filter(|_| !state.open) {
            state.open = true;
            self.commands.open(door);
        }
        let number = self.count(lookout, found.len());
        if !found.is_empty() {
            // Adds metadata only: the pictures themselves are not copied even if somebody else holds the buffer.
            let buffer = buffer.make_mut();
            for region in &found {
                regions::attach(buffer, region, width, height);
            }
        }
        if A::DRAWS && self.switch.with(|switch| switch.draw) {
            let drawing = lookout.drawing(&state.params, &found);
            let (drawn, message) = state.pen.draw(&drawing, std::mem::take(buffer), &state.info, number);
            *buffer = drawn;
            messages.extend(message);
        }
        Ok(())
    }

    /// Takes over properties that were changed.
    fn take_over(&self, state: &mut State<A>) {
        let version = self.params.version();
        if state.version == version {
            return;
        }
        state.version = version;
        state.params = Arc::new(self.params.get());
        let restarts = self.params.restarts();
        if restarts != state.restarts {
            state.restarts = restarts;
            if let Some(lookout) = &mut state.lookout {
                lookout.restart(&state.params);
            }
        }
    }

    /// Updates the statistics; returns how many frames there were before.
    fn count(&self, lookout: &Lookout<A>, regions: usize) -> u64 {
        let mut stats = lock(&self.stats);
        stats.frames += 1;
        stats.looks = lookout.looks;
        stats.regions += regions as u64;
        stats.missed = lookout.missed;
        stats.late = lookout.late;
        stats.times = lookout.times.clone();
        if !lookout.scalars.is_empty() {
            stats.scalars.clone_from(&lookout.scalars);
        }
        stats.frames - 1
    }
}
