//! Hubs in whole graphs: ports come and go, descriptions that are wrong are refused, media are what was asked for.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use anabranch_engine::{Engine, EventKind, MediaPipeline, OutcomeKind, PipelineState, graph::Document};
use anabranch_harness::oracle::{self, tones};
use anyhow::{Context, Result, ensure};
use gstanabranchelements as _;
use gstanabranchhubs as _;
use serde_json::json;

/// Waits until an element has seen so many frames. Each look is answered by the engine, so nothing is slept away.
async fn frames(pipeline: &MediaPipeline, id: &str, port: &str, least: u64) -> Result<()> {
    let mut events = pipeline.events();
    let until = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        let stats = pipeline.stats().await;
        let seen = stats.elements.get(id).and_then(|e| e.inputs.get(port)).map_or(0, |p| p.frames);
        if seen >= least {
            return Ok(());
        }
        ensure!(pipeline.state() <= PipelineState::Running, "it ended at {seen} frames");
        ensure!(tokio::time::Instant::now() < until, "only {seen} frames of {least} at {id}.{port}");
        let _ = tokio::time::timeout(Duration::from_millis(5), events.next()).await;
    }
}

fn camera(tone: u32) -> serde_json::Value {
    json!({"width": 160, "height": 120, "fps": 30, "tone": tone, "pace": "realtime"})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ports_join_and_leave_a_running_composite_a_hundred_times() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("whole.mkv");
    let engine = Engine::new()?;
    let document = Document::new("room")
        .element("room", "composite", json!({"width": 320, "height": 240, "frame_rate": 30}))
        .element("camera", "test-source", camera(440))
        .element("guests", "test-source", camera(660))
        .element("whole", "recorder", json!({"location": file.display().to_string()}))
        .element("rest", "null-sink", json!({}))
        .link("camera -> room -> whole")
        .link("guests -> rest");
    let pipeline = engine.create(engine.check(&document)?)?;
    pipeline.start().await?;
    frames(&pipeline, "whole", "video", 10).await?;
    for n in 0..100 {
        if n % 2 == 0 {
            let port = pipeline.add("guest", "hub-port", json!({"hub": "room"})).await?;
            pipeline.connect("guests -> guest").await?;
            if n % 10 == 0 {
                frames(&pipeline, "guest", "video", 2).await?;
            }
            port.release().await?;
        } else {
            pipeline.connect("guests -> room").await?;
            pipeline.disconnect("guests", "room").await?;
        }
    }
    let stats = pipeline.stats().await;
    println!("{:?}", stats.elements["room"]);
    let outcome = pipeline.stop(Duration::from_secs(20)).await;
    ensure!(outcome.result == OutcomeKind::Stopped && outcome.failures.is_empty(), "{outcome:?}");
    let shown = oracle::decode(&file)?.frames;
    let steps: Vec<Duration> = shown.windows(2).map(|w| w[1].pts - w[0].pts).collect();
    let longest = steps.iter().max().copied().unwrap_or_default();
    let stalls = steps.iter().filter(|step| **step > Duration::from_millis(68));
    let missing: u64 = stalls.map(|step| (step.as_secs_f64() * 30.0).round() as u64 - 1).sum();
    // What a busy machine did not make, pass on or encode in time.
    let stats = pipeline.stats().await;
    let own = |name: &str| stats.elements["room"].own.get(name).map_or(0, |n| *n as u64);
    let lost = own("pictures-skipped") + own("buffers-lost") + stats.dropped();
    println!("{} pictures, longest distance {longest:?}, {missing} missing, {lost} lost", shown.len());
    ensure!(missing <= lost, "{missing} pictures are missing, {lost} were lost");
    // Were it the ports, there would be more, and at once.
    ensure!(
        missing * 10 <= shown.len() as u64 && longest <= Duration::from_millis(500),
        "a stall of {longest:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_party_of_a_conference_hears_the_others_only() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let engine = Engine::new()?;
    let mut document = Document::new("conference").element("all", "audio-mixer", json!({}));
    let parties = [("a", 300), ("b", 530), ("c", 830)];
    for (name, tone) in parties {
        let location = folder.path().join(format!("{name}.mkv")).display().to_string();
        document = document
            .element(
                format!("mic-{name}"),
                "test-source",
                json!({"video": false, "tone": tone, "duration": 4, "pace": "realtime"}),
            )
            .element(format!("port-{name}"), "hub-port", json!({"hub": "all"}))
            .element(format!("file-{name}"), "recorder", json!({"location": location}))
            .link(format!("mic-{name} -> port-{name} -> file-{name}"));
    }
    let pipeline = engine.create(engine.check(&document)?)?;
    pipeline.start().await?;
    let outcome = tokio::time::timeout(Duration::from_secs(60), pipeline.wait()).await?;
    ensure!(outcome.failures.is_empty(), "{outcome:?}");
    for (name, own) in parties {
        let sound = oracle::decode(folder.path().join(format!("{name}.mkv")))?.sound.context("no sound")?;
        // Past the first second, where all have come.
        let part = sound.between(Duration::from_millis(1500), Duration::from_millis(3500));
        for (_, tone) in parties {
            let level = tones::tone_level(part, sound.rate, f64::from(tone));
            println!("{name} hears {tone} Hz at {level:.5}");
            match tone == own {
                // Other tones that stop for a moment, on a busy machine, sound a little like any.
                true => ensure!(level < 0.02, "{name} hears itself at {level}"),
                false => ensure!(level > 0.1, "{name} hears {tone} Hz at {level} only"),
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_of_no_hub_is_refused_with_the_name_that_was_meant() -> Result<()> {
    let engine = Engine::new()?;
    let graph = |hub: &str| {
        Document::new("wrong")
            .element("room", "composite", json!({}))
            .element("camera", "test-source", json!({}))
            .element("port", "hub-port", json!({"hub": hub}))
            .element("out", "null-sink", json!({}))
            .link("camera -> port -> out")
    };
    let told = |hub: &str| engine.check(&graph(hub)).err().map(|e| format!("{e:?}")).unwrap_or_default();
    ensure!(told("rom").contains("did you mean `room`?"), "{}", told("rom"));
    ensure!(told("camera").contains("is no hub"), "{}", told("camera"));
    ensure!(engine.check(&graph("room")).is_ok());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_selector_switches_while_it_runs() -> Result<()> {
    let engine = Engine::new()?;
    let document = Document::new("switch")
        .element("a", "test-source", camera(440))
        .element("b", "test-source", camera(660))
        .element("out", "selector", json!({"select": "a"}))
        .element("sink", "null-sink", json!({}))
        .link("a -> out -> sink")
        .link("b -> out");
    let pipeline = engine.create(engine.check(&document)?)?;
    let mut events = pipeline.events();
    pipeline.start().await?;
    frames(&pipeline, "sink", "video", 10).await?;
    let selector = pipeline.element("out").unwrap();
    selector.command("select", &json!({"source": "b"})).await?;
    let switched = async {
        while let Some(event) = events.next().await {
            if let EventKind::Element { name, data, .. } = &event.kind
                && name == "switched"
                && data["source"] == "b"
            {
                return true;
            }
        }
        false
    };
    ensure!(tokio::time::timeout(Duration::from_secs(20), switched).await?, "it never switched");
    frames(&pipeline, "sink", "video", 30).await?;
    let outcome = pipeline.stop(Duration::from_secs(10)).await;
    ensure!(outcome.failures.is_empty(), "{outcome:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn elements_of_gstreamer_are_filters_whose_properties_change_live() -> Result<()> {
    let engine = Engine::new()?;
    let document = Document::new("grey")
        .element("camera", "test-source", camera(440))
        .element(
            "look",
            "gstreamer-filter",
            json!({"element": "videobalance name=b saturation=0 ! videoflip"}),
        )
        .element("quiet", "gstreamer-filter", json!({"element": "volume volume=0.5"}))
        .element("sink", "null-sink", json!({}))
        .link("camera -> look -> quiet -> sink");
    let pipeline = engine.create(engine.check(&document)?)?;
    pipeline.start().await?;
    frames(&pipeline, "sink", "video", 5).await?;
    frames(&pipeline, "sink", "audio", 5).await?;
    let (look, quiet) = (pipeline.element("look").unwrap(), pipeline.element("quiet").unwrap());
    look.command("set", &json!({"element": "b", "property": "saturation", "value": 1.5})).await?;
    ensure!(
        look.command("get", &json!({"element": "videobalance", "property": "saturation"})).await?["value"]
            == "1.5"
    );
    quiet.command("set", &json!({"property": "mute", "value": true})).await?;
    let wrong = look.command("set", &json!({"element": "x", "property": "y", "value": 1})).await.unwrap_err();
    ensure!(wrong.text.contains("videobalance"), "{wrong}");
    frames(&pipeline, "sink", "video", 10).await?;
    let missing = Document::new("missing")
        .element("camera", "test-source", json!({}))
        .element("look", "gstreamer-filter", json!({"element": "nosuchthing"}))
        .element("sink", "null-sink", json!({}))
        .link("camera -> look -> sink");
    let told = format!("{:?}", engine.check(&missing).unwrap_err());
    ensure!(told.contains("no element 'nosuchthing'"), "{told}");
    let outcome = pipeline.stop(Duration::from_secs(10)).await;
    ensure!(outcome.failures.is_empty(), "{outcome:?}");
    Ok(())
}
