//! The graph changes while media flows, and everything that a graph took is given back.

use std::process::Command;
use std::time::Duration;

use anabranch_engine::{Engine, EventKind, OutcomeKind, graph::Document};
use anabranch_harness::{leaks, oracle};
use anyhow::{Result, ensure};
use gstanabranchelements as _;
use gstanabranchfilters as _;
use serde_json::{Value, json};

/// Waits until an element has seen so many frames. Each look is answered by the engine, so nothing is slept away.
async fn frames(pipeline: &anabranch_engine::MediaPipeline, id: &str, port: &str, least: u64) -> Result<()> {
    let mut events = pipeline.events();
    loop {
        let seen =
            pipeline.stats().await.elements.get(id).and_then(|e| e.inputs.get(port)).map_or(0, |p| p.frames);
        if seen >= least {
            return Ok(());
        }
        ensure!(pipeline.state() <= anabranch_engine::PipelineState::Running, "it ended at {seen} frames");
        let _ = tokio::time::timeout(Duration::from_millis(5), events.next()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_consumers_come_and_go_and_the_other_misses_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("whole.mkv");
    let engine = Engine::new()?;
    let document = Document::new("live")
        .element("camera", "test-source", json!({"width": 320, "height": 240, "fps": 60, "pace": "realtime"}))
        .element("whole", "recorder", json!({"location": file.display().to_string()}))
        .link("camera -> whole");
    let pipeline = engine.create(engine.check(&document)?)?;
    let mut events = pipeline.events();
    pipeline.start().await?;
    frames(&pipeline, "whole", "video", 5).await?;
    for n in 0..100 {
        let guest = pipeline.add("guest", "null-sink", json!({})).await?;
        pipeline.connect("camera.video -> guest").await?;
        // Every tenth guest stays until it has seen pictures.
        if n % 10 == 0 {
            frames(&pipeline, "guest", "video", 2).await?;
        }
        if n % 2 == 0 {
            pipeline.disconnect("camera", "guest").await?;
        }
        guest.release().await?;
    }
    let outcome = pipeline.stop(Duration::from_secs(20)).await;
    ensure!(outcome.result == OutcomeKind::Stopped && outcome.failures.is_empty(), "{outcome:?}");
    let mut changes = 0;
    while let Some(event) = events.next().await {
        changes += u32::from(matches!(event.kind, EventKind::GraphChanged { .. }));
    }
    ensure!(changes >= 300, "only {changes} changes were told");
    // A machine that is too busy to encode in real time loses frames, and says so. Were it the changes, there would be more.
    let lost = pipeline.stats().await.dropped();
    let counters = oracle::decode(&file)?.counters_in_order(lost)?;
    ensure!(lost * 10 <= counters.len() as u64, "{lost} frames were dropped, {} came", counters.len());
    let first = counters.first().copied().unwrap_or_default();
    ensure!(first <= lost, "the recording begins with frame {first}, {lost} were lost");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorder_that_is_released_leaves_a_finished_file() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("part.mp4");
    let engine = Engine::new()?;
    let document = Document::new("part")
        .element("camera", "test-source", json!({"width": 320, "height": 240, "pace": "realtime"}))
        .element("rest", "null-sink", json!({}))
        .link("camera -> rest");
    let pipeline = engine.create(engine.check(&document)?)?;
    pipeline.start().await?;
    let location = file.display().to_string();
    let part = pipeline.add("part", "recorder", json!({"location": location})).await?;
    pipeline.connect("camera -> part").await?;
    frames(&pipeline, "part", "video", 30).await?;
    let lost = pipeline.stats().await.dropped();
    part.release().await?;
    // The pipeline still runs; the file must be whole already.
    let lost = lost.max(pipeline.stats().await.dropped());
    let counters = oracle::decode(&file)?.counters_in_order(lost)?;
    ensure!(counters.len() >= 20, "only {} frames", counters.len());
    ensure!(oracle::probe(&file)?.audio()?.codec == "aac");
    pipeline.stop(Duration::from_secs(5)).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn properties_change_while_media_flows() -> Result<()> {
    let engine = Engine::new()?;
    let document = Document::new("set")
        .element("camera", "test-source", json!({"width": 160, "height": 120, "pace": "realtime"}))
        .element("out", "null-sink", json!({}))
        .link("camera -> out");
    let pipeline = engine.create(engine.check(&document)?)?;
    pipeline.start().await?;
    frames(&pipeline, "out", "video", 3).await?;
    let refused = pipeline.set("camera", "width", json!("wide")).await;
    ensure!(refused.is_err(), "a width of words was accepted");
    let unknown = pipeline.set("camera", "colour-of-money", json!(1)).await;
    ensure!(unknown.is_err_and(|e| e.to_string().contains("mistake")), "an unknown property was accepted");
    // Not a live property: the source is built anew and the consumer gets the new size.
    pipeline.set("camera", "width", json!(320)).await?;
    frames(&pipeline, "out", "video", 10).await?;
    ensure!(pipeline.spec().nodes["camera"].properties["width"] == json!(320));
    let outcome = pipeline.stop(Duration::from_secs(5)).await;
    ensure!(outcome.failures.is_empty(), "{outcome:?}");
    Ok(())
}

fn many(count: usize) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_many_pipelines"));
    command.arg(count.to_string());
    command
}

#[test]
fn two_hundred_pipelines_leave_nothing_behind() -> Result<()> {
    let output = many(200).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{}{}", text, String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_str(text.trim())?;
    let number = |when: &str, what: &str| report[when][what].as_u64().unwrap_or(u64::MAX);
    ensure!(number("after", "threads") <= number("before", "threads"), "threads: {report}");
    ensure!(number("after", "descriptors") <= number("before", "descriptors"), "descriptors: {report}");
    // The allocator keeps some; a leak of even 100 kB a pipeline would show.
    ensure!(number("after", "memory") <= number("before", "memory") + (18 << 20), "memory: {report}");
    Ok(())
}

#[test]
fn the_leak_tracer_finds_no_object() -> Result<()> {
    let found = leaks::leaks_of(&mut many(12))?;
    ensure!(found.is_empty(), "{} objects: {found:#?}", found.len());
    Ok(())
}
