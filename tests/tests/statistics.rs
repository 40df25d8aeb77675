//! What the engine tells of a running graph: what flows, and how long it takes.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant};

use anabranch_engine::graph::Document;
use anabranch_engine::graph::catalog::Direction;
use anabranch_engine::{Engine, EventKind, EventStream, MediaPipeline};
use anabranch_harness::media;
use anyhow::{Context, Result, ensure};
use gstanabranchelements as _;
use gstanabranchhubs as _;
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(30);

/// When it is told that media flow, or no longer, through an input of an element.
async fn flow(events: &mut EventStream, id: &str, wanted: bool) -> Result<f64> {
    let find = async {
        while let Some(event) = events.next().await {
            if let EventKind::Flow { port, direction, flowing } = &event.kind
                && event.element.as_deref() == Some(id)
                && (port.as_str(), *direction) == ("video", Direction::Input)
            {
                ensure!(*flowing == wanted, "{event:?}");
                return Ok(event.time);
            }
        }
        anyhow::bail!("the pipeline ended")
    };
    tokio::time::timeout(LIMIT, find).await.context("it is not told")?
}

async fn stop(pipeline: MediaPipeline) -> Result<()> {
    let outcome = pipeline.stop(Duration::from_secs(20)).await;
    ensure!(outcome.failures.is_empty(), "{outcome:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_told_what_flows_and_what_has_ceased() -> Result<()> {
    let engine = Engine::new()?;
    let film = media::vp8_opus_webm()?;
    let player = json!({"uri": film.display().to_string(), "pace": "realtime", "loop": true});
    let document = Document::new("flow")
        .element("film", "player", player)
        .element("out", "null-sink", json!({}))
        .link("film -> out");
    let pipeline = engine.create(engine.check(&document)?)?;
    let mut events = pipeline.events();
    pipeline.start().await?;
    flow(&mut events, "out", true).await?;
    ensure!(pipeline.stats().await.elements["out"].inputs["video"].flowing);
    let player = pipeline.element("film").context("no player")?;
    // Before: what is held up after the command was given counts as well.
    let paused = Instant::now();
    player.command("pause", &json!({})).await?;
    flow(&mut events, "out", false).await?;
    // Not a hiccup: two seconds without a frame.
    ensure!(paused.elapsed() >= Duration::from_millis(1500), "told after {:?}", paused.elapsed());
    ensure!(!pipeline.stats().await.elements["out"].inputs["video"].flowing);
    player.command("play", &json!({})).await?;
    flow(&mut events, "out", true).await?;
    stop(pipeline).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_counts_what_comes_on_all_of_its_links() -> Result<()> {
    let engine = Engine::new()?;
    let camera = json!({"width": 160, "height": 120, "fps": 30, "audio": false, "pace": "realtime"});
    let document = Document::new("room")
        .element("left", "test-source", camera.clone())
        .element("right", "test-source", camera)
        .element("room", "composite", json!({"width": 320, "height": 240, "frame_rate": 30}))
        .element("out", "null-sink", json!({}))
        .link("left -> room -> out")
        .link("right -> room");
    let pipeline = engine.create(engine.check(&document)?)?;
    let mut events = pipeline.events();
    pipeline.start().await?;
    flow(&mut events, "room", true).await?;
    let (deadline, mut stats) = (Instant::now() + LIMIT, pipeline.stats().await);
    // Of both cameras comes more than either has made.
    while stats.elements["room"].inputs["video"].frames <= stats.elements["left"].outputs["video"].frames + 20
    {
        ensure!(Instant::now() < deadline, "{stats:?}");
        let _ = tokio::time::timeout(Duration::from_millis(20), events.next()).await;
        stats = pipeline.stats().await;
    }
    ensure!(stats.elements["room"].latency_ms.is_some(), "{stats:?}");
    // One of two: media go on.
    pipeline.disconnect("left", "room").await?;
    let before = pipeline.stats().await.elements["room"].inputs["video"].frames;
    while pipeline.stats().await.elements["room"].inputs["video"].frames < before + 90 {
        ensure!(Instant::now() < deadline, "the other one does not go on");
        let _ = tokio::time::timeout(Duration::from_millis(20), events.next()).await;
    }
    ensure!(pipeline.stats().await.elements["room"].inputs["video"].flowing);
    pipeline.disconnect("right", "room").await?;
    flow(&mut events, "room", false).await?;
    stop(pipeline).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn latency_is_told_of_each_element_and_from_end_to_end() -> Result<()> {
    let engine = Engine::new()?;
    let camera = json!({"width": 160, "height": 120, "fps": 30, "audio": false, "pace": "realtime"});
    let slow =
        json!({"element": "queue min-threshold-time=200000000 max-size-time=1000000000", "medium": "video"});
    let document = Document::new("latency")
        .element("camera", "test-source", camera)
        .element("slow", "gstreamer-filter", slow)
        .element("out", "null-sink", json!({}))
        .link("camera -> slow -> out");
    let pipeline = engine.create(engine.check(&document)?)?;
    let mut events = pipeline.events();
    pipeline.start().await?;
    let deadline = Instant::now() + LIMIT;
    let (filter, whole) = loop {
        let stats = pipeline.stats().await;
        let (slow, out) = (&stats.elements["slow"], &stats.elements["out"]);
        // Averages need some frames.
        if out.inputs["video"].frames >= 120
            && let Some((filter, whole)) = slow.latency_ms.zip(out.end_to_end_ms())
        {
            break (filter, whole);
        }
        ensure!(Instant::now() < deadline, "{stats:?}");
        let _ = tokio::time::timeout(Duration::from_millis(20), events.next()).await;
    };
    println!("the filter takes {filter:.1} ms, all of it {whole:.1} ms");
    ensure!((120.0..600.0).contains(&filter), "the filter holds 200 ms: {filter}");
    // Both are averages, but of other frames.
    ensure!(whole >= 0.8 * filter && whole < filter + 400.0, "{whole} from end to end");
    stop(pipeline).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_frame_can_be_had_from_any_output() -> Result<()> {
    let engine = Engine::new()?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("film.mkv");
    let camera = json!({"width": 160, "height": 120, "fps": 30, "audio": false, "pace": "realtime"});
    let document = Document::new("keys")
        .element("camera", "test-source", camera)
        .element("film", "recorder", json!({"location": file.display().to_string()}))
        .link("camera -> film");
    let pipeline = engine.create(engine.check(&document)?)?;
    let mut events = pipeline.events();
    pipeline.start().await?;
    let asked = ["camera", "film", "camera"];
    let mut last = Instant::now();
    for (n, id) in asked.iter().enumerate() {
        // Requests within a third of a second are one; after a pause, many frames may come in less.
        let goal = 20 * (n as u64 + 1);
        let deadline = Instant::now() + LIMIT;
        while pipeline
            .stats()
            .await
            .elements
            .get("film")
            .and_then(|e| e.inputs.get("video"))
            .map_or(0, |p| p.frames)
            < goal
            || last.elapsed() < Duration::from_millis(400)
        {
            ensure!(Instant::now() < deadline, "no {goal} frames");
            let _ = tokio::time::timeout(Duration::from_millis(5), events.next()).await;
        }
        pipeline.element(id).context("no element")?.request_key_frame().await?;
        last = Instant::now();
    }
    let deadline = Instant::now() + LIMIT;
    while pipeline.stats().await.elements["film"].inputs["video"].frames < 80 {
        ensure!(Instant::now() < deadline, "it does not go on");
        let _ = tokio::time::timeout(Duration::from_millis(5), events.next()).await;
    }
    stop(pipeline).await?;
    let out = std::process::Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v", "-show_entries", "packet=flags", "-of", "csv=p=0"])
        .arg(&file)
        .output()?;
    let flags = String::from_utf8_lossy(&out.stdout).into_owned();
    let keys: Vec<usize> =
        flags.lines().enumerate().filter(|(_, f)| f.starts_with('K')).map(|(n, _)| n).collect();
    println!("key frames: {keys:?}");
    // The first, and one for each request; the encoder's own come every two seconds at most.
    ensure!(keys.len() >= 4, "{keys:?}");
    Ok(())
}
