//! Recordings that can be trusted: killed at any moment, changed in the middle, sent to places that go away.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anabranch_engine::{Engine, EventKind, MediaPipeline, OutcomeKind, graph::Document};
use anabranch_harness::binary::{Anabranch, project_root};
use anabranch_harness::objects::ObjectServer;
use anabranch_harness::oracle;
use anyhow::{Context, Result, ensure};
use gst::prelude::*;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(60);

/// ffmpeg reads a file to its end without a complaint.
fn ffmpeg_reads(file: &Path) -> Result<()> {
    let output =
        Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(file).args(["-f", "null", "-"]).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && said.trim().is_empty(), "{}: {said}", file.display());
    Ok(())
}

/// Pseudo-random numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// Records a live source and kills the process after so long; how much of what had been recorded is missing, seconds.
fn kill(folder: &Path, name: &str, after: Duration) -> Result<f64> {
    let file = folder.join(name);
    let line =
        format!("test-source width=320 height=240 pace=realtime -> recorder location={}", file.display());
    let mut running = Anabranch::run(line).spawn()?;
    running.wait_for(LIMIT, |e| e["name"] == "recording-started")?;
    let started = Instant::now();
    // The very point of the test is a moment that nobody chose.
    std::thread::sleep(after);
    // Taken before: what goes by until the signal arrives is not lost.
    let recorded = started.elapsed().as_secs_f64();
    running.signal("KILL")?;
    // It was killed, so there is nothing to say about how it ended.
    let _ = running.finish(LIMIT);
    ffmpeg_reads(&file)?;
    let facts = oracle::probe(&file)?;
    ensure!(facts.video()?.frames > 0 && facts.audio()?.frames > 0, "{name}: {facts:?}");
    let decoded = oracle::decode(&file)?;
    let frames = decoded.counters()?.len() as u64;
    decoded.expect_counters(0..frames)?;
    let sound = decoded.sound.as_ref().context("no sound")?.duration().as_secs_f64();
    Ok(recorded - (frames as f64 / 30.0).min(sound))
}

#[test]
fn heavy_fifty_kills_lose_a_second_at_most() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut dice = Dice(4);
    let (mut worst, mut sum) = (0.0f64, 0.0);
    for number in 0..50 {
        let extension = ["webm", "mkv", "mp4"][number % 3];
        let after = Duration::from_millis(1100 + dice.roll(2500));
        let lost = kill(folder.path(), &format!("{number}.{extension}"), after)?;
        println!("{number}.{extension}: killed after {after:?}, {lost:.3} s lost");
        ensure!(lost <= 1.0, "{number}.{extension}: {lost:.3} s lost of {after:?}");
        worst = worst.max(lost);
        sum += lost.max(0.0);
    }
    println!("50 kills: at most {worst:.3} s lost, {:.3} s on average", sum / 50.0);
    Ok(())
}

/// A pipeline from a gst-launch line, with the project's elements.
fn pipeline(line: &str) -> Result<gst::Pipeline> {
    gst::init()?;
    anabranch_kit::registry::register_all(None)?;
    // The registrations are in this crate; naming it links them.
    let _ = gstanabranchelements::test_source::barcode::CELLS;
    gst::parse::launch(line)?.downcast::<gst::Pipeline>().map_err(|_| anyhow::anyhow!("not a pipeline"))
}

/// Runs a pipeline to its end and returns the project's messages; an error is an error.
fn watch(pipeline: &gst::Pipeline, mut hear: impl FnMut(&str, &Value)) -> Result<Vec<(String, Value)>> {
    let bus = pipeline.bus().context("no bus")?;
    pipeline.set_state(gst::State::Playing)?;
    let mut events = Vec::new();
    let result = loop {
        let Some(message) = bus.timed_pop(gst::ClockTime::from_seconds(60)) else {
            break Err(anyhow::anyhow!("it does not end"));
        };
        match message.view() {
            gst::MessageView::Eos(_) => break Ok(()),
            gst::MessageView::Error(error) => break Err(anyhow::anyhow!("{}", error.error().message())),
            _ => {}
        }
        if let Some((name, data)) = anabranch_kit::message::decode(&message) {
            hear(&name, &data);
            events.push((name, data));
        }
    };
    pipeline.set_state(gst::State::Null)?;
    result.map(|()| events)
}

/// Sound whose bytes are all different, 96,000 a second, so that a lost or doubled one is seen.
fn sound(mib: std::ops::Range<u64>) -> impl Iterator<Item = gst::Buffer> {
    let mut dice = Dice(mib.start);
    (mib.start * 16..mib.end * 16).map(move |number| {
        let bytes: Vec<u8> = (0..64 << 10).map(|_| dice.roll(256) as u8).collect();
        let mut buffer = gst::Buffer::from_slice(bytes);
        let nanos = |bytes: u64| gst::ClockTime::from_nseconds(bytes * 1_000_000_000 / 96_000);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(nanos(number << 16));
            buffer.set_duration(nanos(1 << 16));
        }
        buffer
    })
}

/// Records sound to a place on a server that goes away for ten seconds in the middle.
fn away_for_a_while(location: &str, options: &str, object: &str, server: &ObjectServer) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let spool = folder.path().display();
    let pipeline = pipeline(&format!(
        "appsrc name=a format=time block=true max-bytes=200000 caps=audio/x-mulaw,rate=48000,channels=2 \
         ! r.sink_audio abrecorder name=r location={location} spool={spool} {options}"
    ))?;
    let source = pipeline.by_name("a").context("no source")?.downcast::<gst_app::AppSrc>();
    let source = source.map_err(|_| anyhow::anyhow!("no appsrc"))?;
    let mut events = Vec::new();
    std::thread::scope(|scope| -> Result<()> {
        let feeder = scope.spawn(|| -> Result<()> {
            let feed = |mib: std::ops::Range<u64>| {
                sound(mib).try_for_each(|buffer| source.push_buffer(buffer).map(drop))
            };
            feed(0..12)?;
            server.wait(LIMIT, |server| server.received() >= 5 << 20)?;
            server.set_away(true);
            let gone = Instant::now();
            feed(12..24)?;
            // The pauses between tries grow: this many take more than ten seconds.
            server.wait(LIMIT, |server| server.turned_away() >= 8)?;
            ensure!(gone.elapsed() > Duration::from_secs(10), "{:?}", gone.elapsed());
            server.set_away(false);
            feed(24..30)?;
            source.end_of_stream()?;
            Ok(())
        });
        events = watch(&pipeline, |_, _| {})?;
        feeder.join().map_err(|_| anyhow::anyhow!("the feeder panicked"))?
    })?;
    let count = |name: &str| events.iter().filter(|(n, _)| n == name).count();
    ensure!(count("destination-away") == 1 && count("destination-back") == 1, "{events:?}");
    let (_, back) = events.iter().find(|(name, _)| name == "destination-back").context("not back")?;
    println!("{location}: away for {} ms", back["away_ms"]);
    ensure!(count("recording-finished") == 1 && count("recording-stopped") == 1, "{events:?}");
    ensure!(std::fs::read_dir(folder.path())?.next().is_none(), "the copy is still there");
    let stored = server.object(object).context("nothing was stored")?;
    let file = folder.path().join("stored.mkv");
    std::fs::write(&file, stored)?;
    ffmpeg_reads(&file)?;
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(&file)
        .args(["-c", "copy", "-f", "mulaw", "-"])
        .output()?;
    let mut expected = Vec::new();
    for range in [0..12, 12..24, 24..30] {
        for buffer in sound(range) {
            expected.extend_from_slice(&buffer.map_readable()?);
        }
    }
    ensure!(output.stdout == expected, "{} bytes instead of {}", output.stdout.len(), expected.len());
    Ok(())
}

fn s3(server: &ObjectServer) -> String {
    format!(
        "store-options=[\\\"endpoint={}\\\",\\\"access_key_id=key\\\",\\\"secret_access_key=secret\\\",\\\"region=eu-west-1\\\"]",
        server.url()
    )
}

#[test]
fn heavy_a_store_that_is_away_for_ten_seconds_gets_everything() -> Result<()> {
    let server = ObjectServer::start()?;
    let options = s3(&server);
    away_for_a_while("s3://bucket/a/talk.mkv", &options, "/bucket/a/talk.mkv", &server)
}

#[test]
fn heavy_a_web_server_that_is_away_for_ten_seconds_gets_everything() -> Result<()> {
    let server = ObjectServer::start()?;
    let location = format!("{}/talk.mkv", server.url());
    away_for_a_while(&location, "", "/talk.mkv", &server)
}

#[test]
fn what_is_stored_is_a_whole_file() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = ObjectServer::start()?;
    for name in ["talk.mp4", "talk.webm", "talk.mkv"] {
        let text = format!(
            "name: stored\n\
             elements:\n  \
               camera: {{ type: test-source, width: 320, height: 240, frames: 150, pace: fastest }}\n  \
               rec: {{ type: recorder, location: 's3://bucket/{name}', split_time: 2,\n    \
                 store_options: ['endpoint={}', 'region=eu-west-1'] }}\n  \
               web: {{ type: recorder, location: '{}/web-{name}' }}\n\
             links:\n  - camera -> rec\n  - camera -> web\n",
            server.url(),
            server.url()
        );
        let description = folder.path().join("stored.yaml");
        std::fs::write(&description, text)?;
        let done = Anabranch::run(&description)
            .env("AWS_ACCESS_KEY_ID", "key")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .finish()?
            .expect_code(0)?;
        ensure!(done.events_named("element-failed").next().is_none());
        let fetch = |object: &str| -> Result<PathBuf> {
            let file = folder.path().join(object.rsplit('/').next().unwrap_or(object));
            let bytes = server.object(object).with_context(|| format!("no {object}"))?;
            std::fs::write(&file, bytes)?;
            ffmpeg_reads(&file)?;
            Ok(file)
        };
        oracle::decode(fetch(&format!("/web-{name}"))?)?.expect_counters(0..150)?;
        let (stem, extension) = name.split_once('.').context("no extension")?;
        let mut next = 0;
        let mut part = 1;
        while next < 150 {
            let object = if part == 1 {
                format!("/bucket/{name}")
            } else {
                format!("/bucket/{stem}-{part}.{extension}")
            };
            let file = fetch(&object)?;
            let frames = oracle::decode(&file)?.counters()?.len() as u64;
            oracle::decode(&file)?.expect_counters(next..next + frames)?;
            ensure!(frames > 0, "{object} is empty");
            next += frames;
            part += 1;
        }
        ensure!(part > 2, "it was not split");
    }
    Ok(())
}

#[test]
fn the_example_for_stores_does_what_it_says() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = ObjectServer::start()?;
    Anabranch::run("pipelines/recorder-s3.yaml")
        .current_dir(project_root())
        .env("AWS_ENDPOINT", server.url())
        .env("AWS_ACCESS_KEY_ID", "key")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .finish()?
        .expect_code(0)?;
    let file = folder.path().join("talk.mp4");
    std::fs::write(&file, server.object("/recordings/talk.mp4").context("nothing was stored")?)?;
    ffmpeg_reads(&file)?;
    oracle::decode(&file)?.expect_counters(0..150)
}

#[test]
fn a_place_that_does_not_want_it_is_told_and_the_recording_kept() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = ObjectServer::start()?;
    let line = format!(
        "test-source width=320 height=240 frames=60 pace=fastest -> recorder location={}/forbidden/a.webm spool={}",
        server.url(),
        folder.path().display()
    );
    let done = Anabranch::run(line).finish()?.expect_code(3)?;
    let kept = done.events.iter().find(|e| e["name"] == "recording-kept").context("not said")?;
    ensure!(kept["data"]["reason"].as_str().is_some_and(|r| r.contains("403")), "{kept}");
    let file = PathBuf::from(kept["data"]["file"].as_str().context("no file")?);
    ensure!(file.exists());
    ensure!(done.events_named("element-failed").count() == 1);
    Ok(())
}

/// Waits until the recorder has been given so many packets at an input.
async fn packets(pipeline: &MediaPipeline, port: &str, least: u64) -> Result<()> {
    let mut events = pipeline.events();
    let start = Instant::now();
    loop {
        let stats = pipeline.stats().await;
        let given = stats.elements.get("rec").and_then(|e| e.inputs.get(port)).map_or(0, |p| p.frames);
        if given >= least {
            return Ok(());
        }
        ensure!(start.elapsed() < LIMIT, "only {given} packets of {port}");
        let _ = tokio::time::timeout(Duration::from_millis(50), events.next()).await;
    }
}

/// One track starts, the other comes five seconds later; both are in the last part.
async fn late(early: &str, late: &str, name: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join(name);
    let engine = Engine::new()?;
    let document = Document::new("late")
        .element("camera", "test-source", json!({"width": 320, "height": 240, "pace": "realtime"}))
        .element("rec", "recorder", json!({"location": file.display().to_string()}))
        .link(format!("camera.{early} -> rec"));
    let pipeline = engine.create(engine.check(&document)?)?;
    pipeline.start().await?;
    // 30 pictures or 50 packets of sound a second.
    packets(&pipeline, early, if early == "video" { 150 } else { 250 }).await?;
    pipeline.connect(&format!("camera.{late} -> rec")).await?;
    packets(&pipeline, late, 60).await?;
    let mut events = pipeline.events();
    let outcome = pipeline.stop(Duration::from_secs(20)).await;
    ensure!(outcome.result == OutcomeKind::Stopped, "{outcome:?}");
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(1), events.next()).await {
        ensure!(!matches!(event.kind, EventKind::ElementFailed { .. }), "{event:?}");
    }
    let (stem, extension) = name.split_once('.').context("no extension")?;
    let second = folder.path().join(format!("{stem}-2.{extension}"));
    // What a busy machine did not encode in time: at most a second.
    let lost = pipeline.stats().await.dropped();
    ensure!(lost <= 30, "{lost} frames were lost");
    let first = oracle::decode(&file)?;
    let second_facts = oracle::probe(&second)?;
    ensure!(second_facts.video()?.frames > 0 && second_facts.audio()?.frames > 0, "{second_facts:?}");
    let second = oracle::decode(&second)?;
    if early == "video" {
        let (one, two) = (first.counters_in_order(lost)?, second.counters_in_order(lost)?);
        ensure!(one.len() >= 140 && one[0] <= lost, "{one:?}");
        let next = one[one.len() - 1] + 1;
        ensure!((next..=next + lost).contains(&two[0]), "{} instead of {next}", two[0]);
    } else {
        ensure!(first.frames.is_empty() && first.sound.is_some_and(|s| s.duration().as_secs_f64() > 4.5));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sound_that_comes_five_seconds_late_is_recorded() -> Result<()> {
    late("video", "audio", "talk.webm").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_that_come_five_seconds_late_are_recorded() -> Result<()> {
    late("audio", "video", "talk.mp4").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_reach_a_recorder_in_a_graph() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("talk.mp4");
    let engine = Engine::new()?;
    let document = Document::new("commands")
        .element("camera", "test-source", json!({"width": 320, "height": 240, "pace": "realtime"}))
        .element("rec", "recorder", json!({"location": file.display().to_string()}))
        .link("camera -> rec");
    let pipeline = engine.create(engine.check(&document)?)?;
    pipeline.start().await?;
    packets(&pipeline, "video", 60).await?;
    let recorder = pipeline.element("rec").context("no recorder")?;
    recorder.command("pause", &json!({})).await?;
    packets(&pipeline, "video", 120).await?;
    recorder.command("resume", &json!({})).await?;
    packets(&pipeline, "video", 180).await?;
    let answer = recorder.command("stop", &json!({})).await?;
    ensure!(answer["parts"] == 1, "{answer}");
    pipeline.stop(Duration::from_secs(20)).await;
    // What a busy machine did not encode in time, a thirtieth of a second each: at most a second.
    let lost = pipeline.stats().await.dropped();
    ensure!(lost <= 30, "{lost} frames were lost");
    let decoded = oracle::decode(&file)?;
    let counters = decoded.counters()?;
    ensure!(counters.is_sorted_by(|a, b| a < b), "{counters:?}");
    let mut jumps: Vec<u64> = counters.windows(2).map(|w| w[1].saturating_sub(w[0] + 1)).collect();
    jumps.sort_unstable();
    let pause = jumps.pop().unwrap_or_default();
    ensure!(pause >= 30 && jumps.iter().sum::<u64>() <= lost, "{counters:?}, {lost} were lost");
    let seconds = counters.len() as f64 / 30.0;
    let widest = decoded.frames.windows(2).map(|w| (w[1].pts - w[0].pts).as_millis()).max();
    ensure!(widest.is_some_and(|ms| ms <= 70 + u128::from(lost) * 34), "a gap of {widest:?} ms");
    let sound = decoded.sound.context("no sound")?.duration().as_secs_f64();
    let least = 0.25 + lost as f64 / 30.0;
    ensure!((sound - seconds).abs() < least, "{sound} s of sound, {seconds} s of pictures");
    println!(
        "paused: {} pictures in {seconds:.2} s, widest step {widest:?} ms, {sound:.2} s of sound",
        counters.len()
    );
    Ok(())
}
