//! What stands between GStreamer and a filter of video or sound.
//!
//! The streaming thread hands each frame (a picture, or a piece of sound) to the filter's own thread and waits for it, up to the budget. The frame
//! is moved, not copied. Everything is decided on the streaming thread, under the lock `state`; messages are posted
//! after it is gone. The one other thread that comes here is the one that stops the element: it ends a wait through
//! `interrupter`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anabranch_graph::catalog::PropertySpec;
use gst::prelude::*;
use gst_base::subclass::base_transform::GenerateOutputSuccess;
use serde_json::Value;

use super::commands::Desk;
use super::stats::Stats;
use super::step::{Answer, FrameJob, Job, Outcome, step};
use super::{Context, FilterError, Reason, Stage, Trust, describe};
use crate::command;
use crate::params::{ParamError, ParamStore, Table, table};
use crate::results;
use crate::worker::{Interrupter, Worker, panic_text};

pub(super) const DEFAULT_BUDGET_MS: u64 = 200;
/// How long a filter may take to be made: it may have to load a model.
const BUILD_LIMIT: Duration = Duration::from_secs(20);

/// All that the element of a filter does; the element itself only forwards to it.
pub struct Shell<S: Stage> {
    params: ParamStore<S::Params>,
    budget_ms: AtomicU64,
    pass_on_error: AtomicBool,
    /// Its properties were refused at the start: every frame passes.
    unfit: AtomicBool,
    state: Mutex<Option<State<S>>>,
    interrupter: Mutex<Option<Interrupter>>,
    stats: Mutex<Stats>,
    analyzed: Mutex<Vec<String>>,
    commands: Desk<Job<S>>,
}

impl<S: Stage> Default for Shell<S> {
    fn default() -> Self {
        Shell {
            params: ParamStore::default(),
            budget_ms: AtomicU64::new(DEFAULT_BUDGET_MS),
            pass_on_error: AtomicBool::new(false),
            unfit: AtomicBool::new(false),
            state: Mutex::new(None),
            interrupter: Mutex::new(None),
            stats: Mutex::default(),
            analyzed: Mutex::default(),
            commands: Desk::default(),
        }
    }
}

struct State<S: Stage> {
    info: S::Info,
    worker: Option<Worker<Job<S>, Answer<S>>>,
    /// The restart count of the params that the filter was made from.
    built: Option<u64>,
    /// The restart count of the params with which it said that it will never work.
    given_up: Option<u64>,
    /// A frame is with a worker that did not answer in time.
    owed: bool,
    params: Arc<S::Params>,
    params_version: u64,
    trust: Trust,
    frames: u64,
}

/// Why a frame did not get through, and the frame.
type Stuck = (FilterError, gst::Buffer);

/// What the streaming thread does with a frame, and what there is to say.
type Messages = Vec<(String, Value)>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Stage> Shell<S> {
    /// The element's properties: those of the params, `budget-ms` and `stats`.
    pub fn properties() -> Vec<glib::ParamSpec> {
        let mut all = table::<S::Params>().param_specs();
        all.push(
            glib::ParamSpecUInt::builder("budget-ms")
                .nick("Budget")
                .blurb(&describe::budget_property().summary)
                .maximum(60_000)
                .default_value(DEFAULT_BUDGET_MS as u32)
                .mutable_playing()
                .build(),
        );
        all.push(describe::pass_on_error_spec());
        all.push(Table::stats_spec());
        all
    }

    /// The properties that every filter has, for the catalogue.
    pub fn more_properties() -> Vec<PropertySpec> {
        vec![describe::budget_property()]
    }

    /// Sets a property.
    pub fn set_property(&self, object: &glib::Object, value: &glib::Value, pspec: &glib::ParamSpec) {
        if pspec.name() == "budget-ms" {
            let budget = value.get::<u32>().unwrap_or(DEFAULT_BUDGET_MS as u32);
            return self.budget_ms.store(u64::from(budget), Ordering::Relaxed);
        }
        if pspec.name() == describe::PASS_ON_ERROR {
            return self.pass_on_error.store(value.get().unwrap_or_default(), Ordering::Relaxed);
        }
        if let Err(error) = self.set(pspec.name(), value) {
            crate::params::report(object, &error);
        }
    }

    fn set(&self, name: &str, value: &glib::Value) -> Result<(), ParamError> {
        self.params.set_value(name, value)
    }

    /// Reads a property.
    pub fn property(&self, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "budget-ms" => (self.budget_ms.load(Ordering::Relaxed) as u32).to_value(),
            describe::PASS_ON_ERROR => self.passes_on_error().to_value(),
            "stats" => lock(&self.stats).to_structure().to_value(),
            _ => self.params.value(pspec),
        }
    }

    /// The element's pads.
    pub fn pad_templates() -> Vec<gst::PadTemplate> {
        S::pad_templates()
    }

    /// What `gst-inspect-1.0` prints.
    pub fn metadata() -> gst::subclass::ElementMetadata {
        let d = S::descriptor();
        describe::metadata(&d.name, S::CLASS, &d.summary, &d.author)
    }

    /// Whether frames pass untouched after an error, also if [`Shell::start`] failed.
    pub fn passes_on_error(&self) -> bool {
        self.pass_on_error.load(Ordering::Relaxed)
    }

    /// Looks at the properties before anything starts.
    ///
    /// # Errors
    ///
    /// What [`Stage::check`] said.
    pub fn start(&self) -> Result<(), gst::ErrorMessage> {
        let params = self.params.get();
        let checked = catch_unwind(AssertUnwindSafe(|| S::check(&params)));
        let problem = match checked {
            Ok(Ok(()) | Err(FilterError::SkipFrame)) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(panic) => {
                Some(format!("it panicked while looking at its properties: {}", panic_text(&*panic)))
            }
        };
        self.unfit.store(problem.is_some(), Ordering::Relaxed);
        if let Some(problem) = problem {
            return Err(gst::error_msg!(gst::ResourceError::Settings, ("{}: {}", S::NAME, problem)));
        }
        *lock(&self.stats) = Stats::default();
        Ok(())
    }

    /// Ends a wait for the filter, so that the element can stop. Called before the streaming thread is joined.
    pub fn interrupt(&self) {
        if let Some(interrupter) = lock(&self.interrupter).as_ref() {
            interrupter.interrupt();
        }
    }

    /// Takes a command. It is carried out on the filter's thread, between two frames.
    pub fn command(&self, element: &gst::Element, name: &str, arguments: Value, answer: command::Answer) {
        self.commands.take(S::NAME, S::COMMANDS, element, (name, arguments), answer);
    }

    /// Forgets the stream. A filter that still works is left to end by itself.
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
    /// The caps are not those of raw media.
    pub fn set_caps(&self, caps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let info = S::info(caps)
            .ok_or_else(|| gst::loggable_error!(gst::CAT_RUST, "{}: cannot use {caps}", S::NAME))?;
        let mut guard = lock(&self.state);
        match guard.as_mut() {
            Some(state) => {
                state.info = info;
                state.built = None;
            }
            None => *guard = Some(State::new(info, &self.params)),
        }
        Ok(())
    }

    /// Takes note of what elements upstream look for.
    pub fn sink_event(&self, event: &gst::Event) {
        crate::analyzer::note_analyzed(&mut lock(&self.analyzed), event);
    }

    /// Runs one frame through the filter.
    ///
    /// # Errors
    ///
    /// The filter said that it will never work, or the buffer cannot be mapped; the error has been posted. None with
    /// `pass-on-error`: then it is posted once, and this frame and all that follow pass as they are.
    pub fn generate_output(
        &self,
        element: &gst::Element,
        buffer: gst::Buffer,
    ) -> Result<GenerateOutputSuccess, gst::FlowError> {
        if self.unfit.load(Ordering::Relaxed) {
            return Ok(self.pass(buffer));
        }
        let mut messages = Vec::new();
        let result = match lock(&self.state).as_mut() {
            Some(state) => {
                let result = self.run(state, buffer, &mut messages);
                if result.is_err() && self.passes_on_error() {
                    state.given_up = Some(self.params.restarts());
                }
                result
            }
            None => Err((FilterError::fatal("media came without caps"), buffer)),
        };
        for (name, data) in messages {
            crate::message::post(element, &name, data);
        }
        result.or_else(|(error, buffer)| {
            gst::element_error!(element, gst::LibraryError::Failed, ("{}: {}", S::NAME, error));
            if self.passes_on_error() { Ok(self.pass(buffer)) } else { Err(gst::FlowError::Error) }
        })
    }

    fn run(
        &self,
        state: &mut State<S>,
        buffer: gst::Buffer,
        messages: &mut Messages,
    ) -> Result<GenerateOutputSuccess, Stuck> {
        lock(&self.stats).frames += 1;
        if state.given_up.is_some_and(|restarts| restarts == self.params.restarts()) {
            return Ok(self.pass(buffer));
        }
        let now = Instant::now();
        state.collect_debt(&self.stats);
        if state.owed || !state.trust.may_run(now) {
            return Ok(self.pass(buffer));
        }
        if state.params_version != self.params.version() {
            // Read the version first: a change in between is then seen at the next frame.
            state.params_version = self.params.version();
            state.params = Arc::new(self.params.get());
        }
        if state.built != Some(self.params.restarts()) {
            match self.build(state, messages) {
                Ok(true) => {}
                Ok(false) => return Ok(self.pass(buffer)),
                Err(error) => return Err((error, buffer)),
            }
        }
        self.process(state, buffer, messages)
    }

    fn pass(&self, buffer: gst::Buffer) -> GenerateOutputSuccess {
        lock(&self.stats).passed_through += 1;
        GenerateOutputSuccess::Buffer(buffer)
    }

    /// Makes the filter; `false` if that did not work this time.
    fn build(&self, state: &mut State<S>, messages: &mut Messages) -> Result<bool, FilterError> {
        let restarts = self.params.restarts();
        let worker = match state.worker.take() {
            Some(worker) => worker,
            None => {
                let worker = Worker::spawn(S::NAME, step::<S>())
                    .map_err(|e| FilterError::Fatal(format!("cannot start a thread: {e}")))?;
                *lock(&self.interrupter) = Some(worker.interrupter());
                worker
            }
        };
        worker.offer(Job::Build(state.params.clone(), Box::new(state.info.clone())));
        let answer = worker.wait(Some(BUILD_LIMIT));
        let interrupted = worker.is_interrupted();
        state.worker = Some(worker);
        let (reason, detail) = match answer {
            Some(Answer::Built(Outcome::Good)) => {
                state.built = Some(restarts);
                if let Some(worker) = &state.worker {
                    self.commands.open(worker.side_door());
                }
                return Ok(true);
            }
            Some(Answer::Built(Outcome::Error(FilterError::Fatal(text)))) => {
                return Err(FilterError::Fatal(text));
            }
            Some(Answer::Built(Outcome::Error(error))) => (Reason::Start, error.to_string()),
            Some(Answer::Built(Outcome::Panic(text))) => (Reason::Panic, format!("it panicked: {text}")),
            None if interrupted => return Ok(false),
            Some(Answer::Frame { .. } | Answer::Done) | None => {
                state.owed = true;
                (Reason::Late, format!("it was not ready after {} s", BUILD_LIMIT.as_secs()))
            }
        };
        state.note(reason, S::NAME, &detail, messages);
        Ok(false)
    }

    fn process(
        &self,
        state: &mut State<S>,
        buffer: gst::Buffer,
        messages: &mut Messages,
    ) -> Result<GenerateOutputSuccess, Stuck> {
        let Some(worker) = &state.worker else { return Ok(self.pass(buffer)) };
        let mut ctx = Context {
            analyzed: lock(&self.analyzed).clone(),
            pts: buffer.pts(),
            number: state.frames,
            ..Context::default()
        };
        state.frames += 1;
        let media = S::open(buffer, &state.info, &mut ctx)
            .map_err(|buffer| (FilterError::fatal("a frame cannot be mapped"), buffer))?;
        worker.offer(Job::Frame(Box::new(FrameJob { params: state.params.clone(), media, ctx })));
        let budget_ms = self.budget_ms.load(Ordering::Relaxed);
        let limit = (budget_ms > 0).then(|| Duration::from_millis(budget_ms));
        let Some(Answer::Frame { media, outcome, ctx, time }) = worker.wait(limit) else {
            state.owed = true;
            lock(&self.stats).dropped += 1;
            if worker.is_interrupted() {
                return Ok(GenerateOutputSuccess::Dropped);
            }
            state.note(Reason::Late, S::NAME, &format!("it took longer than {budget_ms} ms"), messages);
            return Ok(GenerateOutputSuccess::Dropped);
        };
        let mut buffer = S::close(media);
        lock(&self.stats).times.add(time);
        match outcome {
            Outcome::Good => {
                S::finish(&mut buffer, &state.info, &ctx);
                results::attach(buffer.make_mut(), &ctx.scalars, &ctx.events);
                if !ctx.scalars.is_empty() {
                    lock(&self.stats).scalars = ctx.scalars;
                }
                messages.extend(ctx.events);
                if let Some(data) = state.trust.good(Instant::now(), S::NAME) {
                    messages.push(("filter-recovered".into(), data));
                }
                return Ok(GenerateOutputSuccess::Buffer(buffer));
            }
            Outcome::Error(FilterError::SkipFrame) => {}
            Outcome::Error(error @ FilterError::Fatal(_)) => return Err((error, buffer)),
            Outcome::Error(FilterError::Failed(text)) => {
                messages.extend(ctx.events);
                state.note(Reason::Error, S::NAME, &text, messages);
            }
            Outcome::Panic(text) => {
                state.built = None;
                state.note(Reason::Panic, S::NAME, &text, messages);
            }
        }
        Ok(self.pass(buffer))
    }
}

impl<S: Stage> State<S> {
    fn new(info: S::Info, params: &ParamStore<S::Params>) -> Self {
        State {
            info,
            worker: None,
            built: None,
            given_up: None,
            owed: false,
            params_version: params.version(),
            params: Arc::new(params.get()),
            trust: Trust::default(),
            frames: 0,
        }
    }

    /// Takes back what a late worker owes. Its frame's turn has passed: it was counted as dropped back then.
    fn collect_debt(&mut self, stats: &Mutex<Stats>) {
        if !self.owed {
            return;
        }
        match self.worker.as_ref().and_then(Worker::take) {
            None => {}
            Some(Answer::Frame { outcome, time, .. }) => {
                lock(stats).times.add(time);
                self.owed = false;
                if matches!(outcome, Outcome::Panic(_)) {
                    self.built = None;
                }
            }
            // Whether it was made well or not, it was made from params that may be old by now.
            Some(Answer::Built(_) | Answer::Done) => {
                self.owed = false;
                self.built = None;
            }
        }
    }

    fn note(&mut self, reason: Reason, filter: &str, detail: &str, messages: &mut Messages) {
        if let Some(data) = self.trust.trouble(Instant::now(), filter, reason, detail) {
            messages.push(("filter-trouble".into(), data));
        }
    }
}
