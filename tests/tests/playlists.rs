//! Playlists that grow while they are played: ffmpeg writes HLS and DASH in real time, Python serves the folder.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anabranch_engine::graph::Document;
use anabranch_engine::{Engine, EventKind};
use anabranch_harness::oracle;
use anyhow::{Context, Result, bail, ensure};
use gstanabranchelements as _;
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(60);

/// A program that ends with the test, and what it says.
struct Program {
    child: Child,
    lines: Receiver<String>,
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    fn start(command: &mut Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let said = child.stderr.take().context("no stderr")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(said).lines().map_while(Result::ok) {
                // The test has ended.
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Program { child, lines })
    }

    /// Waits until it says that, and returns the line.
    fn says(&self, wanted: &str) -> Result<String> {
        loop {
            let line = self.lines.recv_timeout(LIMIT).with_context(|| format!("no '{wanted}'"))?;
            if line.contains(wanted) {
                return Ok(line);
            }
        }
    }
}

/// Serves a folder; its address.
fn serve(folder: &Path) -> Result<(Program, String)> {
    let code = "import http.server, functools, sys\n\
        handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])\n\
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)\n\
        print('at', server.server_address[1], file=sys.stderr, flush=True)\n\
        server.serve_forever()";
    let program = Program::start(Command::new("python3").args(["-c", code]).arg(folder))?;
    let line = program.says("at ")?;
    let port = line.rsplit(' ').next().context("no port")?.to_owned();
    Ok((program, format!("http://127.0.0.1:{port}")))
}

/// A film with counters, 20 seconds, a key frame each second.
async fn film(engine: &Engine, folder: &Path) -> Result<std::path::PathBuf> {
    let file = folder.join("film.mp4");
    let counted = folder.join("counted.mkv");
    let text = format!(
        "test-source width=320 height=240 frames=600 pace=fastest -> recorder location={}",
        counted.display()
    );
    let pipeline = engine.create(engine.check(&Document::one_liner(&text))?)?;
    pipeline.start().await?;
    let outcome = pipeline.wait().await;
    ensure!(outcome.failures.is_empty(), "{outcome:?}");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-y", "-i"])
        .arg(&counted)
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-g", "30", "-c:a", "aac"])
        .arg(&file)
        .status()?;
    ensure!(made.success(), "ffmpeg");
    Ok(file)
}

/// Plays what ffmpeg writes with these options for ten seconds, more than twice what its playlist holds at once.
async fn live(name: &str, options: &[&str]) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let engine = Engine::new()?;
    let film = film(&engine, folder.path()).await?;
    let site = folder.path().join("site");
    std::fs::create_dir(&site)?;
    let (_server, address) = serve(&site)?;
    let writer = Program::start(
        Command::new("ffmpeg")
            .args(["-hide_banner", "-nostdin", "-re", "-i"])
            .arg(&film)
            .args(["-c", "copy"])
            .args(options)
            .arg(site.join(name)),
    )?;
    // The playlist is written anew with each segment: two are there.
    for _ in 0..3 {
        writer.says(&format!("{name}.tmp' for writing"))?;
    }
    let got = folder.path().join("got.mkv");
    let document = Document::new("live")
        .element("live", "player", json!({"uri": format!("{address}/{name}")}))
        .element("film", "recorder", json!({"location": got.display().to_string()}))
        .link("live -> film");
    let pipeline = engine.create(engine.check(&document)?)?;
    let mut events = pipeline.events();
    pipeline.start().await?;
    let deadline = Instant::now() + LIMIT;
    loop {
        let stats = pipeline.stats().await;
        let frames = stats.elements.get("film").and_then(|e| e.inputs.get("video")).map_or(0, |p| p.frames);
        if frames >= 300 {
            break;
        }
        ensure!(Instant::now() < deadline, "{frames} frames; {stats:?}");
        if let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(20), events.next()).await
            && let EventKind::ElementFailed { reason, detail, .. } = &event.kind
        {
            bail!("{reason} ({detail})");
        }
    }
    let outcome = pipeline.stop(Duration::from_secs(20)).await;
    ensure!(outcome.failures.is_empty(), "{outcome:?}");
    let counters = oracle::decode(&got)?.counters()?;
    println!("{name}: frames {} to {}", counters[0], counters[counters.len() - 1]);
    ensure!(counters.len() >= 290, "{} frames", counters.len());
    ensure!(counters.windows(2).all(|pair| pair[1] == pair[0] + 1), "{counters:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_hls_is_played_while_it_grows() -> Result<()> {
    let options = ["-f", "hls", "-hls_time", "1", "-hls_list_size", "5", "-hls_flags", "delete_segments"];
    live("live.m3u8", &options).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_dash_is_played_while_it_grows() -> Result<()> {
    let options =
        ["-f", "dash", "-seg_duration", "1", "-window_size", "5", "-use_template", "1", "-use_timeline", "0"];
    live("live.mpd", &options).await
}
