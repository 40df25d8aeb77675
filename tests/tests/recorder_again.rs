//! A recorder that is built anew while its graph runs goes on in a new file: no footage is lost.

use std::path::Path;
use std::time::Duration;

use anabranch_engine::{Engine, Event, EventKind, EventStream, MediaPipeline, OutcomeKind, graph::Document};
use anabranch_harness::binary::Anabranch;
use anabranch_harness::oracle;
use anyhow::{Context, Result, ensure};
use gstanabranchelements as _;
use serde_json::json;

async fn next(events: &mut EventStream, wanted: impl Fn(&Event) -> bool) -> Result<()> {
    let find = async {
        while let Some(event) = events.next().await {
            if wanted(&event) {
                return true;
            }
        }
        false
    };
    ensure!(
        tokio::time::timeout(Duration::from_secs(60), find).await?,
        "the pipeline ended before it was said"
    );
    Ok(())
}

/// Waits until the recorder has been given so many pictures.
async fn frames(pipeline: &MediaPipeline, least: u64) -> Result<()> {
    let mut events = pipeline.events();
    loop {
        let stats = pipeline.stats().await;
        if stats.elements.get("rec").and_then(|e| e.inputs.get("video")).is_some_and(|p| p.frames >= least) {
            return Ok(());
        }
        ensure!(pipeline.state() <= anabranch_engine::PipelineState::Running, "it ended");
        let _ = tokio::time::timeout(Duration::from_millis(5), events.next()).await;
    }
}

/// The frame numbers in a file; they follow each other without a gap, but for those that a busy machine has lost.
fn counters(file: &Path, lost: u64) -> Result<std::ops::Range<u64>> {
    let counters = oracle::decode(file)?.counters_in_order(lost)?;
    let (first, last) = counters.first().zip(counters.last()).context("no frames")?;
    Ok(*first..last + 1)
}

fn is_part(event: &Event, number: u32) -> bool {
    matches!(&event.kind, EventKind::Element { name, data } if name == "recording-part"
        && data["part"] == number
        && data["location"].as_str().is_some_and(|l| l.ends_with(&format!("talk-{number}.webm"))))
}

#[test]
fn after_an_error_it_goes_on_in_a_new_file() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    // Left by an earlier run: it is replaced, as is said of `location`.
    std::fs::write(at("talk.webm"), "old")?;
    let text = format!(
        "name: again\n\
         elements:\n  \
           camera: {{ type: test-source, width: 320, height: 240, pace: realtime }}\n  \
           rec: {{ type: recorder, location: '{}', on-error: restart }}\n\
         links:\n  - camera.video -> rec\n",
        at("talk.webm").display()
    );
    std::fs::write(at("again.yaml"), text)?;
    let mut running = Anabranch::run(at("again.yaml")).file_limit(64).spawn()?;
    let part = |number: u32| {
        move |e: &serde_json::Value| e["name"] == "recording-part" && e["data"]["part"] == number
    };
    running.wait_for(Duration::from_secs(60), part(2))?;
    running.wait_for(Duration::from_secs(60), part(3))?;
    running.signal("INT")?;
    let done = running.finish(Duration::from_secs(60))?;
    ensure!(done.events_named("element-failed").count() >= 2, "{}", done.stderr);
    let lost = done.frames_lost();
    let (one, two) = (counters(&at("talk.webm"), lost)?, counters(&at("talk-2.webm"), lost)?);
    ensure!(one.start <= lost && one.end > 1, "{one:?}");
    ensure!(two.start >= one.end && two.end - two.start > 1, "{one:?} {two:?}");
    ensure!(at("talk-3.webm").exists());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_change_of_its_properties_it_goes_on_in_a_new_file() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    let engine = Engine::new()?;
    let document = Document::new("again")
        .element("camera", "test-source", json!({"width": 320, "height": 240, "pace": "realtime"}))
        .element("rec", "recorder", json!({"location": at("talk.webm").display().to_string()}))
        .link("camera -> rec");
    let pipeline = engine.create(engine.check(&document)?)?;
    let mut events = pipeline.events();
    pipeline.start().await?;
    frames(&pipeline, 30).await?;
    // Not a live property.
    pipeline.set("rec", "silence_timeout_ms", json!(5000)).await?;
    next(&mut events, |event| is_part(event, 2)).await?;
    frames(&pipeline, 30).await?;
    let outcome = pipeline.stop(Duration::from_secs(20)).await;
    ensure!(outcome.result == OutcomeKind::Stopped, "{outcome:?}");
    let lost = pipeline.stats().await.dropped();
    let (one, two) = (counters(&at("talk.webm"), lost)?, counters(&at("talk-2.webm"), lost)?);
    ensure!(one.start <= lost && one.end >= 20, "{one:?}");
    ensure!(two.start >= one.end && two.end - two.start >= 20, "{one:?} {two:?}");
    ensure!(!at("talk-3.webm").exists());
    Ok(())
}
