//! Cameras by RTSP: media in from gst-rtsp-server in a process of its own, which is killed, silenced, started again, and
//! which wants passwords. Frames are known by their counters, sound and pictures by flashes and beeps.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anabranch_engine::{Engine, EventKind, EventStream, MediaPipeline, OutcomeKind, graph::Document};
use anabranch_harness::{oracle, ports, process::Holdings};
use anyhow::{Context, Result, bail, ensure};
use gstanabranchelements as _;
use serde_json::{Value, json};

/// Frames with counters and a tone, H.264 and Opus, a key frame each half second.
const LIVE: &str = "abtestsource name=t width=320 height=240 fps=30 pace=fastest \
    t.src_video ! queue ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15 ! \
    rtph264pay name=pay0 pt=96 config-interval=-1 \
    t.src_audio ! queue ! audioconvert ! opusenc ! rtpopuspay name=pay1 pt=97";

/// A camera in a process of its own.
struct Camera {
    child: Child,
    port: u16,
    lines: Receiver<(Instant, String)>,
}

impl Drop for Camera {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Camera {
    /// Starts one and waits until it listens.
    fn start(port: u16, line: &str, login: Option<&str>) -> Result<Self> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_rtsp-camera"))
            .args([port.to_string().as_str(), line])
            .args(login)
            .stdout(Stdio::piped())
            .spawn()?;
        let out = child.stdout.take().context("no stdout")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let _ = sender.send((Instant::now(), line));
            }
        });
        let camera = Camera { child, port, lines };
        camera.says("ready")?;
        Ok(camera)
    }

    fn uri(&self) -> String {
        format!("rtsp://127.0.0.1:{}/camera", self.port)
    }

    /// When it said that.
    fn says(&self, wanted: &str) -> Result<Instant> {
        loop {
            let (at, line) =
                self.lines.recv_timeout(Duration::from_secs(15)).with_context(|| format!("no '{wanted}'"))?;
            if line == wanted {
                return Ok(at);
            }
        }
    }
}

/// The next event of the element's own that `wanted` accepts, and when it was heard.
async fn event(events: &mut EventStream, wanted: &str) -> Result<(Instant, Value)> {
    let find = async {
        while let Some(event) = events.next().await {
            match &event.kind {
                EventKind::Element { name, data } if name == wanted => {
                    return Ok((Instant::now(), data.clone()));
                }
                EventKind::ElementFailed { reason, .. } => {
                    bail!("failed while waiting for '{wanted}': {reason}")
                }
                _ => {}
            }
        }
        bail!("the pipeline ended before '{wanted}'")
    };
    tokio::time::timeout(Duration::from_secs(30), find).await.with_context(|| format!("no '{wanted}'"))?
}

/// How the element failed.
async fn failure(events: &mut EventStream) -> Result<String> {
    let find = async {
        while let Some(event) = events.next().await {
            if let EventKind::ElementFailed { reason, .. } = &event.kind {
                return Ok(reason.clone());
            }
        }
        bail!("the pipeline ended without an error")
    };
    tokio::time::timeout(Duration::from_secs(40), find).await?
}

/// Waits until so many more pictures have gone into the element.
async fn more_frames(pipeline: &MediaPipeline, id: &str, more: u64) -> Result<()> {
    let seen = async || {
        pipeline.stats().await.elements.get(id).and_then(|e| e.inputs.get("video")).map_or(0, |p| p.frames)
    };
    let mut events = pipeline.events();
    let (goal, deadline) = (seen().await + more, Instant::now() + Duration::from_secs(40));
    // Each look is answered by the engine; what happens meanwhile wakes the next.
    while seen().await < goal {
        ensure!(Instant::now() < deadline, "{} frames, {goal} wanted", seen().await);
        let _ = tokio::time::timeout(Duration::from_millis(5), events.next()).await;
    }
    Ok(())
}

/// Hangs up on so many who want to talk to a camera that is away.
async fn refuse(port: u16, attempts: u32) -> Result<()> {
    let listener = tokio::net::TcpSocket::new_v4()?;
    listener.set_reuseaddr(true)?;
    listener.bind(([127, 0, 0, 1], port).into())?;
    let listener = listener.listen(8)?;
    for attempt in 0..attempts {
        let came = tokio::time::timeout(Duration::from_secs(20), listener.accept()).await;
        drop(came.with_context(|| format!("attempt {attempt} does not come"))??);
    }
    Ok(())
}

fn viewer(engine: &Engine, player: Value, sink: &str, options: Value) -> Result<MediaPipeline> {
    let document = Document::new("camera")
        .element("camera", "player", player)
        .element("out", sink, options)
        .link("camera -> out");
    Ok(engine.create(engine.check(&document)?)?)
}

async fn stop(pipeline: MediaPipeline) -> Result<()> {
    let outcome = pipeline.stop(Duration::from_secs(20)).await;
    ensure!(outcome.result == OutcomeKind::Stopped && outcome.failures.is_empty(), "{outcome:?}");
    Ok(())
}

/// Records a camera for so many frames; the sessions are closed politely.
async fn record(line: &str, player: Value, file: &Path, frames: u64) -> Result<()> {
    let camera = Camera::start(ports::free()?, line, None)?;
    let engine = Engine::new()?;
    let mut player = player;
    player["uri"] = camera.uri().into();
    let pipeline = viewer(&engine, player, "recorder", json!({"location": file.display().to_string()}))?;
    pipeline.start().await?;
    more_frames(&pipeline, "out", frames).await?;
    stop(pipeline).await?;
    camera.says("teardown")?;
    Ok(())
}

/// Frame numbers that follow each other without a gap.
fn in_order(counters: &[u64]) -> bool {
    counters.windows(2).all(|pair| pair[1] == pair[0] + 1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_comes_in_order_by_udp_and_tcp_and_is_told_the_end() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for protocols in ["udp", "tcp", "auto"] {
        let file = folder.path().join(format!("{protocols}.mkv"));
        record(LIVE, json!({"protocols": protocols}), &file, 60).await?;
        let facts = oracle::probe(&file)?;
        // Not decoded on the way.
        ensure!(
            (facts.video()?.codec.as_str(), facts.audio()?.codec.as_str()) == ("h264", "opus"),
            "{facts:?}"
        );
        let counters = oracle::decode(&file)?.counters()?;
        ensure!(counters.len() >= 50 && in_order(&counters), "{protocols}: {counters:?}");
    }
    Ok(())
}

/// Where a film of flashes and beeps gets bright, and where it gets loud, seconds, as ffmpeg sees it.
fn flashes_and_beeps(file: &Path) -> Result<(Vec<f64>, Vec<f64>)> {
    let out = Command::new("ffmpeg")
        .args(["-hide_banner", "-nostdin", "-i"])
        .arg(file)
        .args(["-vf", "blackdetect=d=0.3:pix_th=0.3", "-af", "silencedetect=noise=-20dB:d=0.3"])
        .args(["-f", "null", "-"])
        .output()?;
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    let after = |word: &str| -> Vec<f64> {
        let number =
            |part: &str| part.trim_start().split([' ', '\n', '\r']).next().and_then(|n| n.parse().ok());
        text.split(word).skip(1).filter_map(number).collect()
    };
    Ok((after("black_end:"), after("silence_end:")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sound_and_pictures_of_a_camera_are_in_step() -> Result<()> {
    let film = anabranch_harness::media::make(
        "flash-and-beep.mp4",
        &[
            "-f",
            "lavfi",
            "-i",
            "color=black:s=320x240:r=50:d=12,drawbox=c=white:t=fill:enable='lt(mod(t,1),0.1)'",
            "-f",
            "lavfi",
            "-i",
            "aevalsrc='0.8*sin(2*PI*1000*t)*lt(mod(t,1),0.1)':s=48000:d=12",
            "-pix_fmt",
            "yuv420p",
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-tune",
            "zerolatency",
            "-g",
            "25",
            "-c:a",
            "aac",
        ],
    )?;
    let line = format!(
        "filesrc location={} ! qtdemux name=d d. ! queue ! h264parse ! rtph264pay name=pay0 pt=96 \
         d. ! queue ! aacparse ! rtpmp4gpay name=pay1 pt=97",
        film.display()
    );
    let folder = tempfile::tempdir()?;
    for protocols in ["udp", "tcp"] {
        let file = folder.path().join(format!("{protocols}.mkv"));
        record(&line, json!({"protocols": protocols}), &file, 300).await?;
        let (flashes, beeps) = flashes_and_beeps(&file)?;
        let offsets: Vec<f64> = flashes
            .iter()
            .filter_map(|f| beeps.iter().map(|b| b - f).min_by(|a, b| a.abs().total_cmp(&b.abs())))
            .collect();
        let worst = offsets.iter().fold(0.0f64, |worst, o| worst.max(o.abs()));
        println!("{protocols}: {} flashes, worst offset of the beep {:.1} ms", offsets.len(), worst * 1000.0);
        ensure!(offsets.len() >= 4 && worst <= 0.040, "{protocols}: {offsets:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_a_camera_that_is_killed_ten_times_is_back_within_two_seconds() -> Result<()> {
    let port = ports::free()?;
    let mut camera = Camera::start(port, LIVE, None)?;
    let engine = Engine::new()?;
    let pipeline = viewer(&engine, json!({"uri": camera.uri()}), "null-sink", json!({}))?;
    let mut events = pipeline.events();
    pipeline.start().await?;
    more_frames(&pipeline, "out", 30).await?;
    let (mut worst, mut memory) = (Duration::ZERO, Vec::new());
    for round in 0..10 {
        drop(camera);
        let (_, away) = event(&mut events, "source-away").await?;
        ensure!(away["reason"].as_str().is_some_and(|r| r.contains(&port.to_string())), "{away}");
        // It is back after another number of attempts each time, so that the player meets it at different moments.
        refuse(port, round % 4).await?;
        camera = Camera::start(port, LIVE, None)?;
        let ready = Instant::now();
        let (at, back) = event(&mut events, "source-back").await?;
        let took = at.saturating_duration_since(ready);
        worst = worst.max(took);
        ensure!(took <= Duration::from_secs(2), "round {round}: back after {took:?}, {back}");
        more_frames(&pipeline, "out", 20).await?;
        memory.push(Holdings::own()?.memory >> 10);
    }
    let stats = pipeline.stats().await.elements["camera"].own.clone();
    println!("worst {worst:?} after the camera was back; memory in KiB {memory:?}; {stats:?}");
    ensure!(stats["absences"] == 10.0 && stats["away"] == 0.0, "{stats:?}");
    let (early, late) = (memory[2], memory[9]);
    ensure!(late < early + 8 * 1024, "memory grows: {memory:?}");
    stop(pipeline).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_goes_on_in_the_same_file_when_the_camera_is_back() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("on.mkv");
    let port = ports::free()?;
    let camera = Camera::start(port, LIVE, None)?;
    let engine = Engine::new()?;
    let location = json!({"location": file.display().to_string()});
    let pipeline = viewer(&engine, json!({"uri": camera.uri()}), "recorder", location)?;
    let mut events = pipeline.events();
    pipeline.start().await?;
    more_frames(&pipeline, "out", 40).await?;
    drop(camera);
    event(&mut events, "source-away").await?;
    let _camera = Camera::start(port, LIVE, None)?;
    event(&mut events, "source-back").await?;
    more_frames(&pipeline, "out", 40).await?;
    stop(pipeline).await?;
    let decoded = oracle::decode(&file)?;
    ensure!(decoded.frames.windows(2).all(|pair| pair[1].pts > pair[0].pts), "time goes back");
    let counters = decoded.counters()?;
    let jumps = counters.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
    ensure!(jumps == 1 && counters.len() >= 70, "{counters:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_that_falls_silent_is_away_and_the_output_goes_on() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let slate = anabranch_harness::media::make(
        "slate.png",
        &["-f", "lavfi", "-i", "color=white:s=64x48", "-frames:v", "1"],
    )?;
    for mode in ["last-frame", "slate"] {
        let file = folder.path().join(format!("{mode}.mkv"));
        let camera = Camera::start(ports::free()?, LIVE, None)?;
        let engine = Engine::new()?;
        let player = json!({
            "uri": camera.uri(), "while_away": mode, "slate": slate.display().to_string(),
            "silence_timeout_ms": 1000,
        });
        let pipeline = viewer(&engine, player, "recorder", json!({"location": file.display().to_string()}))?;
        let mut events = pipeline.events();
        pipeline.start().await?;
        more_frames(&pipeline, "out", 30).await?;
        // No goodbye: as if its cable were pulled out.
        let signal = |name: &str| {
            Command::new("kill").args([format!("-{name}"), camera.child.id().to_string()]).status()
        };
        signal("STOP")?;
        event(&mut events, "source-away").await?;
        more_frames(&pipeline, "out", 60).await?;
        signal("CONT")?;
        event(&mut events, "source-back").await?;
        more_frames(&pipeline, "out", 30).await?;
        stop(pipeline.clone()).await?;
        // What a busy machine did not encode in time: a thirtieth of a second each.
        let lost = Duration::from_millis(34) * pipeline.stats().await.dropped() as u32;
        let decoded = oracle::decode(&file)?;
        let gap =
            decoded.frames.windows(2).map(|p| p[1].pts.saturating_sub(p[0].pts)).max().unwrap_or_default();
        let white = decoded.frames.iter().filter(|f| f.brightness > 200.0).count();
        let sound = decoded.sound.context("no sound")?;
        let is_hole = |(a, b): &&(Duration, Duration)| b.saturating_sub(*a) > Duration::from_millis(150);
        let holes: Vec<_> = sound.gaps.iter().filter(is_hole).collect();
        println!(
            "{mode}: longest time between pictures {gap:?}, {white} white pictures, holes in the sound {holes:?}"
        );
        ensure!(decoded.frames.windows(2).all(|pair| pair[1].pts > pair[0].pts), "time goes back");
        ensure!(gap <= Duration::from_millis(350) + lost, "{mode}: a gap of {gap:?}");
        ensure!((mode == "slate") == (white >= 30), "{mode}: {white} white pictures");
        ensure!(holes.is_empty(), "{mode}: {holes:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_a_camera_obeys_five_hundred_commands_in_any_order() -> Result<()> {
    let camera = Camera::start(ports::free()?, LIVE, None)?;
    let engine = Engine::new()?;
    // rtspsrc 1.22 complains about itself (an event without a sequence number) when a play crosses a pause.
    gst::glib::log_set_always_fatal(gst::glib::LogLevels::LEVEL_ERROR);
    let pipeline = viewer(&engine, json!({"uri": camera.uri()}), "null-sink", json!({}))?;
    pipeline.start().await?;
    more_frames(&pipeline, "out", 10).await?;
    let player = pipeline.element("camera").context("no player")?;
    let error = player.command("seek", &json!({"position": 1000})).await.err().context("one cannot seek")?;
    ensure!(error.code == "not-seekable", "{error:?}");
    let (mut seed, mut state, mut longest) = (7u64, "playing", Duration::ZERO);
    for number in 0..500 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let name = ["play", "pause", "stop", "play"][(seed >> 60) as usize % 4];
        let begin = Instant::now();
        let done = player.command(name, &json!({})).await;
        longest = longest.max(begin.elapsed());
        let refused = state == "stopped" && name == "pause";
        state = match name {
            _ if refused => state,
            "play" => "playing",
            "pause" => "paused",
            _ => "stopped",
        };
        match done {
            Ok(answer) => ensure!(answer["state"] == state && !refused, "{number} {name}: {answer}"),
            Err(error) => ensure!(refused && error.code == "stopped", "{number} {name}: {error}"),
        }
    }
    println!("500 commands to a camera, the longest took {longest:?}");
    player.command("stop", &json!({})).await?;
    player.command("play", &json!({})).await?;
    more_frames(&pipeline, "out", 30).await?;
    stop(pipeline).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_said_in_words() -> Result<()> {
    let camera = Camera::start(ports::free()?, LIVE, Some("me:secret"))?;
    let place = format!("127.0.0.1:{}", camera.port);
    let closed = ports::free()?;
    let engine = Engine::new()?;
    for (uri, words) in [
        (format!("rtsp://{place}/camera"), vec!["401", "USER:PASSWORD"]),
        (format!("rtsp://me:wrong@{place}/camera"), vec!["401", "me:***"]),
        (format!("rtsp://me:secret@{place}/nowhere"), vec!["404", "nowhere"]),
        (format!("rtsp://127.0.0.1:{closed}/camera"), vec!["Nobody answers", "127.0.0.1"]),
        ("rtsp://no-such-host.invalid/camera".to_owned(), vec!["unknown", "no-such-host.invalid"]),
    ] {
        let pipeline = viewer(&engine, json!({"uri": uri}), "null-sink", json!({}))?;
        let mut events = pipeline.events();
        pipeline.start().await?;
        let reason = failure(&mut events).await?;
        println!("{reason}");
        ensure!(words.iter().all(|word| reason.contains(word)), "{uri}: {reason}");
        ensure!(!reason.contains("secret") && !reason.contains("wrong@"), "{reason}");
    }
    // With the right password it plays.
    let uri = format!("rtsp://me:secret@{place}/camera");
    let pipeline = viewer(&engine, json!({"uri": uri}), "null-sink", json!({}))?;
    pipeline.start().await?;
    more_frames(&pipeline, "out", 10).await?;
    stop(pipeline).await
}

#[test]
fn the_example_with_a_camera_runs() -> Result<()> {
    use anabranch_harness::binary::{Anabranch, project_root};
    let folder = tempfile::tempdir()?;
    std::fs::create_dir(folder.path().join("out"))?;
    let camera = Camera::start(ports::free()?, LIVE, None)?;
    Anabranch::run(project_root().join("pipelines/player-rtsp.yaml"))
        .args(["--set", &format!("camera.uri={}", camera.uri()), "--time-limit", "8s"])
        .current_dir(folder.path())
        .finish()?
        // The time was up.
        .expect_code(4)?;
    let counters = oracle::decode(folder.path().join("out/player-rtsp.mkv"))?.counters()?;
    // Decoded, and encoded again in real time: a busy machine may lose some.
    ensure!(counters.len() > 40 && counters.windows(2).all(|pair| pair[1] > pair[0]), "{counters:?}");
    Ok(())
}
