//! Media that leave by RTSP and HTTP and come in by HTTP: `anabranch serve` with ffmpeg and curl as peers. Frames are
//! known by their counters, sound and pictures by flashes and beeps.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anabranch_harness::process::Holdings;
use anabranch_harness::serve::Served;
use anabranch_harness::{media, oracle, ports};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// The longest that anything here may take.
const LIMIT: Duration = Duration::from_secs(40);

/// A server with one pipeline.
struct Stage {
    served: Served,
    folder: tempfile::TempDir,
}

impl Stage {
    /// Serves a description under the name `p`.
    fn start(elements: &str, links: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("p.yaml");
        std::fs::write(&file, format!("name: p\nelements:\n{elements}\nlinks: [{links}]\n"))?;
        let served = Served::start(&format!("pipelines = [{:?}]\n[limits]\nrequest_burst = 100000\n", file))?;
        let stage = Stage { served, folder };
        stage.until("running", |stage| Ok(stage.get("/api/v1/pipelines/p")?["state"] == "running"))?;
        Ok(stage)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.served.url())
    }

    fn get(&self, path: &str) -> Result<Value> {
        let out = Command::new("curl").args(["-s", "-m", "10"]).arg(self.url(path)).output()?;
        Ok(serde_json::from_slice(&out.stdout).unwrap_or_default())
    }

    /// The events of a name so far, with those of the engine.
    fn events(&self, name: &str) -> Result<Vec<Value>> {
        let all = self.get("/api/v1/pipelines/p/history")?;
        let all = all["events"].as_array().cloned().unwrap_or_default();
        Ok(all.into_iter().filter(|e| e["name"] == name || e["event"] == name).collect())
    }

    /// Frames that were lost to a busy machine, before or in an encoder.
    fn dropped(&self) -> Result<u64> {
        let stats = self.get("/api/v1/pipelines/p/stats")?;
        let links =
            stats["links"].as_object().into_iter().flatten().map(|(_, link)| link["dropped"].as_u64());
        let hubs = stats["elements"].as_object().into_iter().flatten();
        let hubs = hubs.flat_map(|(_, element)| element["hubs"].as_object().into_iter().flatten());
        let hubs = hubs.map(|(_, hub)| hub["frames-dropped"].as_f64().map(|n| n as u64));
        Ok(links.chain(hubs).flatten().sum())
    }

    fn until(&self, what: &str, mut done: impl FnMut(&Self) -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        while !done(self)? {
            if Instant::now() > deadline {
                bail!("not {what} in time:\n{}", self.served.log());
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        Ok(())
    }

    fn delete(&self) -> Result<()> {
        let out = Command::new("curl")
            .args(["-s", "-m", "30", "-X", "DELETE"])
            .arg(self.url("/api/v1/pipelines/p"))
            .output()?;
        ensure!(out.status.success(), "{out:?}");
        Ok(())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// ffmpeg copies `seconds` of an address to a file.
    fn copy(&self, input: &[&str], seconds: &str, to: &Path) -> Result<Child> {
        let mut command = Command::new("timeout");
        command.args(["60", "ffmpeg", "-v", "error", "-nostdin", "-y"]).args(input);
        command.args(["-t", seconds, "-c", "copy"]).arg(to);
        Ok(command.stderr(Stdio::piped()).spawn()?)
    }
}

fn finish(child: Child) -> Result<()> {
    let out = child.wait_with_output()?;
    ensure!(out.status.success(), "{}: {}", out.status, String::from_utf8_lossy(&out.stderr));
    Ok(())
}

/// Frame numbers in a file: they follow each other without a gap, but for frames that a busy machine has lost and reported.
fn in_order(stage: &Stage, file: &Path, least: usize) -> Result<u64> {
    let counters = oracle::decode(file)?.counters_in_order(stage.dropped()?);
    let counters = counters.with_context(|| file.display().to_string())?;
    ensure!(counters.len() >= least, "{} frames in {}", counters.len(), file.display());
    Ok(counters[0])
}

fn starts(signal: impl Iterator<Item = (f64, bool)>) -> Vec<f64> {
    let mut was = true;
    let mut found = Vec::new();
    for (at, is) in signal {
        if is && !was {
            found.push(at);
        }
        was = is;
    }
    found
}

/// The greatest distance between a flash and its beep, seconds.
fn offset(file: &Path) -> Result<f64> {
    let decoded = oracle::decode(file)?;
    let flashes = starts(decoded.frames.iter().map(|f| (f.pts.as_secs_f64(), f.brightness > 100.0)));
    let sound = decoded.sound.context("no sound")?;
    let window = sound.rate as usize / 1000;
    let beeps =
        starts(sound.samples.chunks(window).enumerate().map(|(ms, samples)| {
            (sound.start.as_secs_f64() + ms as f64 / 1000.0, oracle::level(samples) > 0.1)
        }));
    let nearest = |f: &f64| beeps.iter().map(|b| b - f).min_by(|a, b| a.abs().total_cmp(&b.abs()));
    let offsets: Vec<f64> = flashes.iter().filter_map(nearest).collect();
    let worst = offsets.iter().fold(0.0f64, |worst, o| worst.max(o.abs()));
    println!("{}: {} flashes, worst {:.1} ms", file.display(), offsets.len(), worst * 1000.0);
    ensure!(offsets.len() >= 3 && worst <= 0.040, "{}: {offsets:?}", file.display());
    Ok(worst)
}

fn flash_and_beep() -> Result<PathBuf> {
    media::make(
        "flash-and-beep-30.mp4",
        &[
            "-f",
            "lavfi",
            "-i",
            "color=black:s=320x240:r=30:d=20,drawbox=c=white:t=fill:enable='lt(mod(t,1),0.1)'",
            "-f",
            "lavfi",
            "-i",
            "aevalsrc='0.8*sin(2*PI*1000*t)*lt(mod(t,1),0.1)':s=48000:d=20",
            "-pix_fmt",
            "yuv420p",
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-tune",
            "zerolatency",
            "-g",
            "30",
            "-c:a",
            "aac",
        ],
    )
}

const CAMERA: &str = "  cam: {type: test-source, width: 320, height: 240, fps: 30}";

#[test]
fn rtsp_clients_share_one_encoder_and_leave_nothing() -> Result<()> {
    let port = ports::free()?;
    let out = format!("{CAMERA}\n  out: {{type: rtsp-output, mount: /cam, port: {port}}}");
    let stage = Stage::start(&out, "cam -> out")?;
    ensure!(stage.events("transcoding-started")?.is_empty(), "nobody watches, and it is encoded");
    let url = format!("rtsp://127.0.0.1:{port}/cam");
    let (tcp, udp) = (stage.file("tcp.mkv"), stage.file("udp.mkv"));
    let first = stage.copy(&["-rtsp_transport", "tcp", "-i", &url], "4", &tcp)?;
    stage.until("connected", |s| Ok(!s.events("client-connected")?.is_empty()))?;
    let base = Holdings::of_process(stage.served.id())?;
    let second = stage.copy(&["-rtsp_transport", "udp", "-i", &url], "3", &udp)?;
    stage.until("connected twice", |s| Ok(s.events("client-connected")?.len() == 2))?;
    finish(first)?;
    finish(second)?;
    let (early, late) = (in_order(&stage, &tcp, 60)?, in_order(&stage, &udp, 40)?);
    ensure!(late > early, "{early}, {late}");
    let started = stage.events("transcoding-started")?;
    ensure!(started.len() == 2, "one for pictures, one for sound: {started:?}");
    stage.until("left", |s| Ok(s.events("client-left")?.len() == 2))?;
    stage.until("without encoders", |s| Ok(s.events("transcoding-stopped")?.len() == 2))?;
    // Pools keep threads for some seconds.
    stage
        .until("back at its threads", |s| Ok(Holdings::of_process(s.served.id())?.threads <= base.threads))?;
    stage.delete()?;
    TcpListener::bind(("127.0.0.1", port)).context("the port was not given back")?;
    Ok(())
}

#[test]
fn rtsp_a_late_client_sees_something_at_once() -> Result<()> {
    let port = ports::free()?;
    let out = format!("{CAMERA}\n  out: {{type: rtsp-output, mount: /cam, port: {port}}}");
    let stage = Stage::start(&out, "cam.video -> out")?;
    let url = format!("rtsp://127.0.0.1:{port}/cam");
    let early = stage.copy(&["-rtsp_transport", "tcp", "-i", &url], "12", &stage.file("early.mkv"))?;
    stage.until("connected", |s| Ok(!s.events("client-connected")?.is_empty()))?;
    let mut waits = Vec::new();
    for number in 0..3 {
        let begun = Instant::now();
        let file = stage.file(&format!("late{number}.mkv"));
        let args = ["-rtsp_transport", "tcp", "-analyzeduration", "0", "-probesize", "32", "-i", &url];
        finish(stage.copy(&args, "0.2", &file)?)?;
        waits.push(begun.elapsed());
        in_order(&stage, &file, 1)?;
    }
    println!("late clients had their first pictures after {waits:?}");
    ensure!(waits.iter().all(|w| *w < Duration::from_millis(2500)), "{waits:?}");
    finish(early)?;
    in_order(&stage, &stage.file("early.mkv"), 250)?;
    Ok(())
}

#[test]
fn rtsp_mounts_with_a_password_want_it() -> Result<()> {
    let port = ports::free()?;
    let out = format!(
        "{CAMERA}\n  open: {{type: rtsp-output, mount: /open, port: {port}}}\n  \
         shut: {{type: rtsp-output, mount: /shut, port: {port}, user: me, password: secret}}\n  \
         also: {{type: rtsp-output, mount: /also, port: {port}, user: me, password: secret}}\n  \
         mine: {{type: rtsp-output, mount: /mine, port: {port}, user: me, password: other}}"
    );
    let stage = Stage::start(&out, "cam -> open, cam -> shut, cam -> also, cam -> mine")?;
    let ask = |login: &str, mount: &str| -> Result<bool> {
        let url = format!("rtsp://{login}127.0.0.1:{port}/{mount}");
        Ok(finish(stage.copy(&["-rtsp_transport", "tcp", "-i", &url], "0.5", &stage.file("x.mkv"))?).is_ok())
    };
    ensure!(ask("", "open")? && ask("me:secret@", "shut")?, "those who may, may not");
    ensure!(ask("me:secret@", "also")? && ask("me:other@", "mine")?, "a login opens each of its mounts");
    ensure!(!ask("", "shut")? && !ask("me:wrong@", "shut")? && !ask("", "none")?, "those who may not, may");
    ensure!(!ask("me:other@", "shut")? && !ask("me:secret@", "mine")?, "a login opens no other mounts");
    Ok(())
}

#[test]
fn sound_and_pictures_stay_in_step_on_every_way_out() -> Result<()> {
    let film = flash_and_beep()?;
    let port = ports::free()?;
    let elements = format!(
        "  film: {{type: player, uri: {:?}, loop: true}}\n  out: {{type: rtsp-output, mount: /film, port: {port}}}\n  \
         webm: {{type: http-get}}\n  mp4: {{type: http-get, container: mp4}}\n  hls: {{type: hls}}",
        film
    );
    let stage = Stage::start(&elements, "film -> out, film -> webm, film -> mp4, film -> hls")?;
    let rtsp = format!("rtsp://127.0.0.1:{port}/film");
    let ways: [(&str, Vec<String>); 4] = [
        ("rtsp", vec!["-rtsp_transport".into(), "tcp".into(), "-i".into(), rtsp]),
        ("webm", vec!["-i".into(), stage.url("/media/p/webm")]),
        ("mp4", vec!["-i".into(), stage.url("/media/p/mp4")]),
        ("hls", vec!["-i".into(), stage.url("/media/p/hls/index.m3u8")]),
    ];
    let mut running = Vec::new();
    for (name, input) in &ways {
        let file = stage.file(&format!("{name}.mkv"));
        let input: Vec<&str> = input.iter().map(String::as_str).collect();
        running.push((stage.copy(&input, "6", &file)?, file));
    }
    for (child, file) in running {
        finish(child).with_context(|| file.display().to_string())?;
        offset(&file)?;
    }
    // H.264 and AAC are what the film has: only WebM needs another format.
    let started = stage.events("transcoding-started")?;
    ensure!(started.iter().all(|e| e["consumer"] == "webm"), "{started:?}");
    Ok(())
}

#[test]
fn growing_files_are_in_order_and_a_slow_reader_holds_up_nobody() -> Result<()> {
    let elements = "  cam: {type: test-source, width: 640, height: 480, fps: 30}\n  out: {type: http-get, \
                    container: mp4, backlog_ms: 2000}";
    let stage = Stage::start(elements, "cam -> out")?;
    let address = stage.served.url().trim_start_matches("http://").to_owned();
    let mut slow = TcpStream::connect(&address)?;
    slow.set_read_timeout(Some(LIMIT))?;
    write!(slow, "GET /media/p/out HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut head = [0; 64];
    slow.read_exact(&mut head)?;
    ensure!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head));
    let url = stage.url("/media/p/out");
    let (one, two) = (stage.file("one.mkv"), stage.file("two.mkv"));
    let children = [stage.copy(&["-i", &url], "5", &one)?, stage.copy(&["-i", &url], "5", &two)?];
    for child in children {
        finish(child)?;
    }
    in_order(&stage, &one, 120)?;
    in_order(&stage, &two, 120)?;
    let started = stage.events("transcoding-started")?;
    ensure!(started.len() == 2, "one encoder for pictures, one for sound: {started:?}");
    drop(slow);
    stage.until("left", |s| Ok(s.events("client-left")?.len() == 3))?;
    stage.until("without encoders", |s| Ok(s.events("transcoding-stopped")?.len() == 2))?;
    // Whoever comes now begins anew.
    let again = stage.file("again.mkv");
    finish(stage.copy(&["-i", &url], "1", &again)?)?;
    ensure!(in_order(&stage, &again, 15)? > in_order(&stage, &one, 120)?, "old pictures");
    Ok(())
}

#[test]
fn hls_has_parts_while_it_runs_and_an_end_after_it() -> Result<()> {
    let elements = "  cam: {type: test-source, width: 320, height: 240, fps: 30, frames: 240, pace: realtime}\n  \
                    out: {type: hls, segment_ms: 1000, part_ms: 250, window: 0, folder: FOLDER}";
    let folder = tempfile::tempdir()?;
    let place = folder.path().join("live");
    let stage = Stage::start(&elements.replace("FOLDER", &format!("{place:?}")), "cam -> out")?;
    let fetch = |path: &str| -> Result<String> {
        let out = Command::new("curl").args(["-s", "-m", "20"]).arg(stage.url(path)).output()?;
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    };
    // The playlist waits for what is asked for.
    let waited = fetch("/media/p/out/index.m3u8?_HLS_msn=2&_HLS_part=1")?;
    ensure!(waited.contains("URI=\"segment-2.1.m4s\""), "{waited}");
    // The next one, which is not there yet: 2.2, or a later one if a busy machine answers late.
    let hint =
        waited.split_once("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"").and_then(|(_, at)| at.split('"').next());
    let hint = hint.with_context(|| waited.clone())?;
    ensure!(waited.matches(hint).count() == 1, "{waited}");
    let part = fetch(&format!("/media/p/out/{hint}"))?;
    ensure!(part.contains("moof") && part.contains("mdat"), "no fragment of MP4");
    ensure!(fetch("/media/p/out/segment-999.m4s")?.contains("not-found"), "a segment that does not exist");
    let copied = stage.file("hls.mkv");
    finish(stage.copy(
        &["-live_start_index", "0", "-i", &stage.url("/media/p/out/index.m3u8")],
        "60",
        &copied,
    )?)?;
    // All of them, but for those that a busy machine did not encode in time.
    let lost = stage.dropped()?;
    let whole = |file: &Path| -> Result<()> {
        let counters = oracle::decode(file)?.counters_in_order(lost)?;
        ensure!(counters.len() as u64 + lost >= 240, "{} frames in {}", counters.len(), file.display());
        Ok(())
    };
    whole(&copied)?;
    // The folder follows what is served.
    let index = || std::fs::read_to_string(place.join("index.m3u8"));
    stage.until("at its end", |_| Ok(index()?.ends_with("#EXT-X-ENDLIST\n")))?;
    let written = index()?;
    ensure!(!written.contains("EXT-X-PART"), "{written}");
    let from_folder = stage.file("folder.mkv");
    finish(stage.copy(&["-i", place.join("index.m3u8").to_str().context("path")?], "60", &from_folder)?)?;
    whole(&from_folder)
}

/// Sends a file as a body; the answer.
fn send(stage: &Stage, more: &[&str]) -> Result<Value> {
    let out = Command::new("curl")
        .args(["-s", "-m", "30", "-X", "POST"])
        .args(more)
        .arg(stage.url("/media/p/in"))
        .output()?;
    Ok(serde_json::from_slice(&out.stdout).unwrap_or_default())
}

#[test]
fn bodies_continue_each_other_and_bad_ones_are_one_event_each() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("all.mkv");
    let elements = format!("  in: {{type: http-post}}\n  rec: {{type: recorder, location: {file:?}}}");
    let stage = Stage::start(&elements, "in -> rec")?;
    let film = media::h264_aac_mp4()?;
    let whole = media::make("body.mkv", &["-i", film.to_str().context("path")?, "-c", "copy"])?;
    let body = format!("@{}", whole.display());
    for _ in 0..2 {
        let answer = send(&stage, &["--data-binary", &body])?;
        ensure!(answer["seconds"].as_f64().is_some_and(|s| (2.9..3.2).contains(&s)), "{answer}");
    }
    // One that ends in the middle of what it has announced.
    let bytes = std::fs::read(&whole)?;
    let address = stage.served.url().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address)?;
    write!(
        stream,
        "POST /media/p/in HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n",
        bytes.len()
    )?;
    stream.write_all(&bytes[..bytes.len() / 2])?;
    stage.until("begun", |s| Ok(s.events("body-began")?.len() == 3))?;
    let busy = send(&stage, &["--data-binary", &body])?;
    ensure!(busy["code"] == "element-busy", "{busy}");
    drop(stream);
    stage.until("cut", |s| Ok(!s.events("body-cut")?.is_empty()))?;
    let bad = send(&stage, &["--data-binary", "This is not a film."])?;
    ensure!(bad["code"] == "bad-media", "{bad}");
    send(&stage, &["--data-binary", &body])?;
    // Answers may come before what is told.
    stage.until("told", |s| {
        let count = |name| Ok::<_, anyhow::Error>(s.events(name)?.len());
        Ok([count("body-ended")?, count("body-cut")?, count("body-unreadable")?] == [3, 1, 1])
    })?;
    ensure!(stage.events("element-failed")?.is_empty(), "a bad body is no failure of the graph");
    stage.delete()?;
    let facts = oracle::probe(&file)?;
    let frames = facts.video()?.frames;
    ensure!((300..360).contains(&frames), "three whole bodies and about half of one: {frames}");
    Ok(())
}

#[test]
fn outputs_for_the_web_say_that_they_need_a_server() -> Result<()> {
    use anabranch_harness::binary::Anabranch;
    for graph in
        ["test-source frames=10 -> http-get", "test-source frames=10 -> hls", "http-post -> null-sink"]
    {
        let done = Anabranch::run(graph).args(["--time-limit", "20s"]).finish()?;
        ensure!(format!("{}{}", done.stdout, done.stderr).contains("anabranch serve"), "{graph}: {done:?}");
    }
    Ok(())
}
