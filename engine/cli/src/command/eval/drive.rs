//! Frames through the filters: one after the other, or at the pace of the clock.

use std::time::{Duration, Instant};

use anabranch_engine::{AppSink, AppSource, Engine, EventKind, EventStream, Frame, MediaPipeline, Stopwatch};
use anabranch_eval::truth::Truth;
use anabranch_eval::{Case, FrameResults, Happened};
use anyhow::{Context, Result};
use futures::FutureExt;
use gst_video::VideoInfo;

use super::cpu::Meter;
use super::data::{Data, Still};
use super::failure::{self, MediaFailure};
use super::subject::{SINK, SOURCE, Subject};
use crate::exit::bad_input;

/// A frame that has not come out after this time never will: models load in less.
const FRAME_LIMIT: Duration = Duration::from_secs(120);

/// What a run gave.
#[derive(Default)]
pub struct Ran {
    pub cases: Vec<Case>,
    /// Milliseconds in the filters of each frame; the first of each size is not among them.
    pub times_ms: Vec<f64>,
    pub first_ms: f64,
    pub cpu_ms_per_frame: f64,
    pub elapsed: Duration,
    pub offered: u64,
    /// Frames that analysers looked at, if they say so.
    pub analysed: Option<u64>,
    pub notes: Vec<String>,
}

/// The filters at work.
struct Rig {
    pipeline: MediaPipeline,
    source: AppSource,
    sink: AppSink,
    events: EventStream,
    stopwatch: Stopwatch,
    /// The caps of the frames that go in.
    caps: gst::Caps,
}

/// How a run goes on: what to run, and what is known of it.
pub struct Job<'a> {
    pub engine: &'a Engine,
    pub subject: &'a Subject,
    pub truth: Option<&'a Truth>,
    pub limit: Option<u64>,
    pub realtime: bool,
    /// Called after each frame.
    pub progress: &'a dyn Fn(u64),
}

impl Job<'_> {
    /// Runs all frames.
    pub async fn run(&self, data: &mut Data) -> Result<Ran> {
        let first = data.next().await?.ok_or_else(|| bad_input("there is not one frame in it"))?;
        // What runs from here on belongs to the filters.
        let meter = Meter::new();
        let mut rig = Rig::start(self, &first).await?;
        let result = match self.realtime {
            true => self.at_the_clock(&mut rig, data, first, meter).await,
            false => self.one_by_one(&mut rig, data, first, meter).await,
        };
        match result {
            Ok(mut ran) => {
                ran.analysed = rig.analysed(self.subject).await;
                rig.end(&mut ran).await?;
                Ok(ran)
            }
            Err(error) => {
                let outcome = rig.pipeline.abort().await;
                failure::check("the filters failed", &outcome)?;
                Err(error)
            }
        }
    }

    fn is_enough(&self, count: u64) -> bool {
        self.limit.is_some_and(|limit| count >= limit)
    }

    /// The case of a frame that came out.
    fn case(&self, still: &Still, number: u64, results: FrameResults) -> Case {
        let (width, height) = (still.info.width(), still.info.height());
        let truth = self.truth.and_then(|truth| truth.of(&still.key, width, height));
        Case {
            name: still.name.clone(),
            time: still.buffer.pts().unwrap_or_default().nseconds() as f64 / 1e9,
            width,
            height,
            results: FrameResults { frame: number, ..results },
            truth: truth.unwrap_or_default(),
        }
    }

    /// Each frame waits until the one before has come out: nothing is dropped, and every run is like every other.
    async fn one_by_one(
        &self,
        rig: &mut Rig,
        data: &mut Data,
        first: Still,
        mut meter: Meter,
    ) -> Result<Ran> {
        let mut ran = Ran::default();
        let mut next = Some(first);
        let mut measured = 0;
        // Times of frames for whose size something was loaded first.
        let mut loading = Vec::new();
        let begin = Instant::now();
        while let Some(still) = next {
            let number = ran.offered;
            let new_size = rig.caps != still.caps || number == 0;
            rig.push(&still)?;
            ran.offered += 1;
            let (frame, heard) = rig.pull(&still).await?;
            if let Some(trouble) = heard.trouble {
                return Err(MediaFailure(format!("at {}: {trouble}", still.name)).into());
            }
            for lap in rig.stopwatch.take() {
                let ms = lap.took.as_secs_f64() * 1e3;
                match (number, new_size) {
                    (0, _) => ran.first_ms = ms,
                    (_, false) => ran.times_ms.push(ms),
                    (_, true) => loading.push(ms),
                }
            }
            if number == 0 {
                meter.reset();
            } else {
                measured += 1;
            }
            let mut results = results(&frame, &still, number)?;
            add_events(&mut results, heard.events);
            ran.cases.push(self.case(&still, number, results));
            (self.progress)(ran.offered);
            next = if self.is_enough(ran.offered) { None } else { data.next().await? };
        }
        ran.elapsed = begin.elapsed();
        ran.cpu_ms_per_frame = meter.nanoseconds() as f64 / 1e6 / f64::from(measured.max(1));
        if loading.len() > ran.times_ms.len() {
            ran.times_ms.append(&mut loading);
            let note = "most pictures differ in size: the times hold what the filters load for each size";
            ran.notes.push(note.to_owned());
        }
        Ok(ran)
    }

    /// Frames come at their times, whether the filters are ready or not.
    async fn at_the_clock(
        &self,
        rig: &mut Rig,
        data: &mut Data,
        first: Still,
        mut meter: Meter,
    ) -> Result<Ran> {
        let mut ran = Ran::default();
        let mut waiting: Vec<Still> = Vec::new();
        let mut next = Some(first);
        meter.reset();
        let begin = Instant::now();
        let mut origin = None;
        while let Some(still) = next {
            let pts = Duration::from_nanos(still.buffer.pts().unwrap_or_default().nseconds());
            // A film may begin late, and the first frame loads what the filters need.
            let origin = *origin.get_or_insert_with(|| tokio::time::Instant::now() - pts);
            let due = tokio::time::sleep_until(origin + pts);
            tokio::pin!(due);
            loop {
                tokio::select! {
                    () = &mut due => break,
                    Some(frame) = rig.sink.next() => self.arrive(rig, &mut waiting, &frame, &mut ran)?,
                }
            }
            rig.push(&still)?;
            waiting.push(still);
            ran.offered += 1;
            (self.progress)(ran.offered);
            next = if self.is_enough(ran.offered) { None } else { data.next().await? };
        }
        rig.source.end()?;
        while let Some(frame) = tokio::time::timeout(FRAME_LIMIT, rig.sink.next())
            .await
            .map_err(|_| MediaFailure("the film does not come to its end".to_owned()))?
        {
            self.arrive(rig, &mut waiting, &frame, &mut ran)?;
        }
        ran.elapsed = begin.elapsed();
        ran.cpu_ms_per_frame = meter.nanoseconds() as f64 / 1e6 / ran.cases.len().max(1) as f64;
        let mut laps = rig.stopwatch.take().into_iter().map(|lap| lap.took.as_secs_f64() * 1e3);
        ran.first_ms = laps.next().unwrap_or_default();
        ran.times_ms = laps.collect();
        Ok(ran)
    }

    fn arrive(&self, rig: &mut Rig, waiting: &mut Vec<Still>, frame: &Frame, ran: &mut Ran) -> Result<()> {
        let at = waiting.iter().position(|still| still.buffer.pts() == frame.buffer.pts());
        let at = at.ok_or_else(|| MediaFailure("a frame came out whose time stamp none has".to_owned()))?;
        // Those before it were lost; their numbers are known from how many came.
        let number = ran.offered - (waiting.len() - at) as u64;
        let still = waiting.drain(..=at).next_back().context("a frame that was found is there")?;
        ran.cases.push(self.case(&still, number, results(frame, &still, number)?));
        // Which frame an event on the bus belongs to nobody knows here: only those that frames carry count.
        if let Some(trouble) = rig.listen().trouble {
            let note = format!("trouble at {}: {trouble}", still.name);
            if !ran.notes.contains(&note) && ran.notes.len() < 20 {
                ran.notes.push(note);
            }
        }
        Ok(())
    }
}

/// What stands on a frame that came out.
fn results(frame: &Frame, still: &Still, number: u64) -> Result<FrameResults> {
    // A filter may have changed the picture's size; what is relative to it stays true.
    let info = VideoInfo::from_caps(&frame.caps).unwrap_or_else(|_| still.info.clone());
    let found =
        anabranch_kit::results::FrameResults::of_buffer(&frame.buffer, info.width(), info.height(), number);
    // By way of the JSON that files have, so that they give the same numbers.
    Ok(serde_json::from_value(serde_json::to_value(found)?)?)
}

/// What elements said.
#[derive(Default)]
struct Heard {
    trouble: Option<String>,
    events: Vec<Happened>,
}

/// Adds the events of elements that do not put them on the frame.
fn add_events(results: &mut FrameResults, heard: Vec<Happened>) {
    for event in heard {
        if !results.events.contains(&event) {
            results.events.push(event);
        }
    }
}

impl Rig {
    async fn start(job: &Job<'_>, first: &Still) -> Result<Rig> {
        let document = job.subject.graph(&first.caps.to_string(), job.realtime);
        let refused = |diagnostics: &[anabranch_graph::diagnostic::Diagnostic]| {
            crate::input::draw(diagnostics);
            bad_input("the filters cannot be run as they are")
        };
        let spec = job.engine.check(&document).map_err(|error| refused(&error.diagnostics))?;
        let pipeline = job.engine.create(spec).map_err(|error| refused(&error.diagnostics))?;
        let events = pipeline.events();
        if let Err(error) = pipeline.start().await {
            let outcome = pipeline.abort().await;
            failure::check("the filters do not start", &outcome)?;
            return Err(MediaFailure(format!("the filters do not start: {error}")).into());
        }
        let element = |id: &str| pipeline.element(id).context("the graph lacks an end of its own");
        let source = element(SOURCE)?.app_source().await?;
        let sink = element(SINK)?.app_sink().await?;
        let stopwatch = pipeline.stopwatch(&job.subject.entry, &job.subject.exit).await?;
        Ok(Rig { source, sink, events, stopwatch, caps: first.caps.clone(), pipeline })
    }

    fn push(&mut self, still: &Still) -> Result<()> {
        if self.caps != still.caps {
            self.caps = still.caps.clone();
            self.source.set_caps(&still.caps);
        }
        let pushed = self.source.push(still.buffer.clone());
        pushed.map_err(|error| MediaFailure(format!("{} cannot be handed in: {error}", still.name)).into())
    }

    /// The frame that comes out for this one, and what was said meanwhile.
    async fn pull(&mut self, still: &Still) -> Result<(Frame, Heard)> {
        let frame = tokio::time::timeout(FRAME_LIMIT, self.sink.next()).await.map_err(|_| {
            let seconds = FRAME_LIMIT.as_secs();
            MediaFailure(format!("{} has not come out of the filters after {seconds} s", still.name))
        })?;
        let Some(frame) = frame else {
            let outcome = self.pipeline.wait().await;
            failure::check(&format!("the filters failed at {}", still.name), &outcome)?;
            return Err(MediaFailure(format!("the filters ended at {}", still.name)).into());
        };
        if frame.buffer.pts() != still.buffer.pts() {
            let message =
                "the filters change the frames' times, so that nobody knows which frame a result belongs to";
            return Err(MediaFailure(message.to_owned()).into());
        }
        // The pipeline hears what elements say before it answers this: then all events of this frame have come.
        self.pipeline.stats().await;
        let heard = self.listen();
        Ok((frame, heard))
    }

    /// Takes what was said since the last time.
    fn listen(&mut self) -> Heard {
        let mut heard = Heard::default();
        while let Some(Some(event)) = self.events.next().now_or_never() {
            let element = event.element.as_deref().unwrap_or("pipeline");
            let trouble = match &event.kind {
                EventKind::FilterTrouble { reason, detail, .. } => format!("{element}: {reason}: {detail}"),
                EventKind::ElementFailed { reason, .. } => format!("{element}: {reason}"),
                EventKind::Element { name, data } => {
                    heard.events.push(Happened { name: name.clone(), data: data.clone() });
                    continue;
                }
                _ => continue,
            };
            heard.trouble.get_or_insert(trouble);
        }
        heard
    }

    /// How many frames analysers looked at, least of all of them.
    async fn analysed(&self, subject: &Subject) -> Option<u64> {
        let stats = self.pipeline.stats().await;
        let own = subject.ids().filter_map(|id| stats.elements.get(id)?.own.get("analyses").copied());
        own.map(|n| n as u64).min()
    }

    /// Ends the stream, and takes what filters say at the end for the last frame's.
    async fn end(mut self, ran: &mut Ran) -> Result<()> {
        // In real time it has ended already.
        let _ = self.source.end();
        while self.sink.next().await.is_some() {}
        let outcome = self.pipeline.stop(Duration::from_secs(10)).await;
        failure::check("the filters failed at the end", &outcome)?;
        let heard = self.listen();
        if let Some(last) = ran.cases.last_mut() {
            add_events(&mut last.results, heard.events);
        }
        ran.notes.extend(heard.trouble.map(|trouble| format!("trouble at the end: {trouble}")));
        Ok(())
    }
}
