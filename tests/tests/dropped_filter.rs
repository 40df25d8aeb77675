//! A filter that fails and may be dropped goes alone: every frame goes on as it is.

use std::time::Duration;

use anabranch_engine::{Engine, Event, EventKind, Outcome, OutcomeKind, graph::Document};
use anabranch_harness::oracle;
use anabranch_kit::filter::{Context, FilterError, VideoFilter};
use anabranch_kit::frame::Frame;
use anabranch_kit::gst_video::{VideoFormat, VideoInfo};
use anabranch_kit::register_filter;
use anyhow::{Result, ensure};
use gstanabranchelements as _;
use gstanabranchfilters as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The properties of `quitter`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// The frame at which it says that it will never work.
    pub at: u32,
    /// Whether it refuses to start.
    pub refuse: bool,
}

/// Gives up.
pub struct Quitter;

impl VideoFilter for Quitter {
    type Params = Params;
    const FORMATS: &'static [VideoFormat] = &[VideoFormat::Rgba];

    fn check(params: &Params) -> Result<(), FilterError> {
        if params.refuse { Err(FilterError::fatal("it does not want to")) } else { Ok(()) }
    }

    fn new(_: &Params, _: &VideoInfo) -> Result<Self, FilterError> {
        Ok(Quitter)
    }

    fn process(
        &mut self,
        params: &Params,
        frame: &mut Frame<'_>,
        _: &mut Context,
    ) -> Result<(), FilterError> {
        match frame.number() >= u64::from(params.at) {
            true => Err(FilterError::fatal("it will never work")),
            false => Ok(()),
        }
    }
}

register_filter!(Quitter, name: "quitter", type_name: "AbTestQuitter", summary: "Gives up", author: "Tests");

const FRAMES: u64 = 200;

async fn run(file: &std::path::Path, policy: &str, filter: &str) -> Result<(Outcome, Vec<Event>)> {
    let text = format!(
        "name: quits\n\
         elements:\n  \
           camera: {{ type: test-source, width: 320, height: 240, frames: {FRAMES}, pace: fastest }}\n  \
           first: {{ type: pass-through }}\n  \
           filter: {{ type: quitter, {filter}, on-error: {policy} }}\n  \
           rec: {{ type: recorder, location: '{}' }}\n\
         links:\n  - camera.video -> first -> filter -> rec\n  - camera.audio -> rec\n",
        file.display()
    );
    let engine = Engine::new()?;
    let document = Document::yaml("quits.yaml", text);
    let pipeline = engine.create(engine.check(&document)?)?;
    let mut events = pipeline.events();
    pipeline.start().await?;
    let outcome = tokio::time::timeout(Duration::from_secs(60), pipeline.wait()).await?;
    let mut all = Vec::new();
    while let Some(event) = events.next().await {
        all.push((*event).clone());
    }
    Ok((outcome, all))
}

fn failures(events: &[Event]) -> Vec<(String, String)> {
    let failure = |event: &'_ Event| match &event.kind {
        EventKind::ElementFailed { reason, consequence, .. } => Some((reason.clone(), consequence.clone())),
        _ => None,
    };
    events.iter().filter_map(failure).collect()
}

async fn every_frame_goes_on(filter: &str, why: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("all.webm");
    let (outcome, events) = run(&file, "drop-element", filter).await?;
    ensure!(outcome.result == OutcomeKind::Done, "{outcome:?}");
    let failed = failures(&events);
    ensure!(
        failed.len() == 1 && failed[0].0.contains(why) && failed[0].1.contains("frames pass"),
        "{failed:?}"
    );
    oracle::decode(&file)?.expect_counters(0..FRAMES)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_frame_goes_on_when_a_filter_gives_up() -> Result<()> {
    every_frame_goes_on("at: 50", "it will never work").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_frame_goes_on_when_a_filter_gives_up_at_the_first() -> Result<()> {
    every_frame_goes_on("at: 0", "it will never work").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_frame_goes_on_when_a_filter_does_not_start() -> Result<()> {
    every_frame_goes_on("refuse: true", "it does not want to").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_leave_to_drop_it_nothing_passes_unfiltered() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("part.webm");
    let (outcome, events) = run(&file, "stop-pipeline", "at: 50").await?;
    ensure!(outcome.result == OutcomeKind::Failed, "{outcome:?}");
    ensure!(failures(&events).len() == 1, "{:?}", failures(&events));
    let decoded = oracle::decode(&file)?;
    let count = decoded.counters()?.len() as u64;
    ensure!(count <= 50, "{count} frames, the filter gave up at 50");
    decoded.expect_counters(0..count)?;
    Ok(())
}
