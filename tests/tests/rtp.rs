//! RTP without WebRTC: ffmpeg as the other side, groups in networks of their own, and what goes wrong. Frames are known
//! by their counters, sound and pictures by flashes and beeps.

use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anabranch_engine::Engine;
use anabranch_engine::graph::Document;
use anabranch_engine::graph::format::Medium;
use anabranch_harness::binary::{self, Anabranch, Running};
use anabranch_harness::relay::{Conditions, Relay};
use anabranch_harness::{leaks, media, oracle, ports};
use anyhow::{Context, Result, ensure};
use gstanabranchelements as _;
use gstanabranchrtp as _;
use serde_json::{Value, json};

#[path = "rtp/network.rs"]
mod network;

use network::Network;

const LIMIT: Duration = Duration::from_secs(40);
const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
const OTHER_KEY: &str = "AVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

fn describe(folder: &Path, name: &str, elements: &str, links: &str) -> Result<PathBuf> {
    let file = folder.join(format!("{name}.yaml"));
    std::fs::write(&file, format!("name: {name}\nelements:\n{elements}\nlinks: [{links}]\n"))?;
    Ok(file)
}

fn start(folder: &Path, name: &str, elements: &str, links: &str) -> Result<Running> {
    Anabranch::run(describe(folder, name, elements, links)?).args(["--time-limit", "60s"]).spawn()
}

fn named(event: &Value, name: &str) -> bool {
    event["name"] == name || event["event"] == name
}

fn ffmpeg(arguments: &[&str]) -> Result<Child> {
    let mut command = Command::new("timeout");
    command.args(["60", "ffmpeg", "-v", "error", "-nostdin", "-y"]).args(arguments);
    Ok(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?)
}

fn finish(child: Child) -> Result<()> {
    let out = child.wait_with_output()?;
    ensure!(out.status.success(), "{}: {}", out.status, String::from_utf8_lossy(&out.stderr));
    Ok(())
}

/// What ffmpeg receives by an SDP, as it comes.
fn receive(sdp: &Path, seconds: &str, to: &Path) -> Result<Child> {
    let (sdp, to) = (sdp.to_str().context("path")?, to.to_str().context("path")?);
    ffmpeg(&["-protocol_whitelist", "file,udp,rtp,srtp", "-i", sdp, "-t", seconds, "-c", "copy", to])
}

/// ffmpeg sends a film in real time, video to a port and audio two above.
fn send(film: &Path, port: u16, audio: bool) -> Result<Child> {
    let video_to = format!("rtp://127.0.0.1:{port}");
    let audio_to = format!("rtp://127.0.0.1:{}", port + 2);
    let film = film.to_str().context("path")?;
    let mut arguments =
        vec!["-re", "-i", film, "-map", "0:v", "-c", "copy", "-f", "rtp", "-rtpflags", "send_bye", &video_to];
    if audio {
        arguments.extend(["-map", "0:a", "-c", "copy", "-f", "rtp", "-rtpflags", "send_bye", &audio_to]);
    }
    ffmpeg(&arguments)
}

/// At least so many frames in a file, and none is missing in between but those that a busy machine has lost.
fn no_gap(file: &Path, lost: u64, least: usize) -> Result<()> {
    let counters = oracle::decode(file)?.counters_in_order(lost)?;
    ensure!(counters.len() >= least, "{} frames", counters.len());
    Ok(())
}

/// Ends a run, and tells how many frames it has lost.
fn end(run: Running) -> Result<u64> {
    // Its film may be over, and it with that.
    run.signal("INT").ok();
    Ok(run.finish(LIMIT)?.frames_lost())
}

fn starts(signal: impl Iterator<Item = (f64, bool)>) -> Vec<f64> {
    let (mut was, mut found) = (true, Vec::new());
    for (at, is) in signal {
        if is && !was {
            found.push(at);
        }
        was = is;
    }
    found
}

/// The greatest distance between a flash and its beep is at most 40 ms.
fn in_step(file: &Path) -> Result<()> {
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
    Ok(())
}

/// A film that flashes and beeps at once each second, VP8 and Opus.
fn flash_and_beep() -> Result<PathBuf> {
    let picture = "color=black:s=320x240:r=30:d=12,drawbox=c=white:t=fill:enable='lt(mod(t,1),0.1)'";
    let sound = "aevalsrc='0.8*sin(2*PI*1000*t)*lt(mod(t,1),0.1)':s=48000:d=12";
    media::make(
        "flash-and-beep-vp8.webm",
        &[
            "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound, "-c:v", "libvpx", "-g", "15", "-c:a",
            "libopus",
        ],
    )
}

/// A film with frame counters, VP8 and Opus.
fn counted(folder: &Path, frames: u32) -> Result<PathBuf> {
    let file = folder.join("counted.webm");
    let elements = format!(
        "  a: {{type: test-source, width: 320, height: 240, frames: {frames}, pace: fastest}}\n  b: {{type: recorder, location: {:?}}}",
        file
    );
    start(folder, "counted", &elements, "a -> b")?.finish(LIMIT)?.expect_code(0)?;
    Ok(file)
}

#[test]
fn ffmpeg_gets_what_is_forwarded_in_order_and_in_step() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = folder.path();
    for (name, source, crypto) in [
        ("counted", "{type: test-source, width: 320, height: 240, pace: realtime}".to_owned(), ""),
        (
            "flashes",
            format!("{{type: player, uri: {:?}, pace: realtime}}", flash_and_beep()?),
            ", crypto: aes-128-sha1-80",
        ),
    ] {
        let (port, sdp, got) =
            (ports::free()?, at.join(format!("{name}.sdp")), at.join(format!("{name}.mkv")));
        let elements = format!(
            "  a: {source}\n  b: {{type: rtp-forwarder, address: 127.0.0.1, port: {port}, sdp_file: {sdp:?}{crypto}}}"
        );
        let mut run = start(at, name, &elements, "a -> b")?;
        let whole = |e: &Value| {
            named(e, "sdp") && e["data"]["sdp"].as_str().is_some_and(|s| s.matches("m=").count() == 2)
        };
        run.wait_for(LIMIT, whole)?;
        // It is told first and written then.
        let written = Instant::now() + LIMIT;
        while !std::fs::read_to_string(&sdp).is_ok_and(|text| text.matches("m=").count() == 2) {
            ensure!(Instant::now() < written, "the SDP is not written");
            std::thread::park_timeout(Duration::from_millis(5));
        }
        finish(receive(&sdp, "7", &got)?)?;
        let lost = end(run)?;
        if name == "counted" {
            no_gap(&got, lost, 100)?;
        } else {
            in_step(&got)?;
        }
    }
    Ok(())
}

#[test]
fn what_ffmpeg_sends_comes_in_order_and_in_step() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = folder.path();
    for (name, film) in [("counted", counted(at, 200)?), ("flashes", flash_and_beep()?)] {
        let (port, got) = (ports::free()?, at.join(format!("got-{name}.mkv")));
        let elements = format!(
            "  a: {{type: rtp-source, port: {port}, video_format: vp8, audio_format: opus, audio_payload: 97, end_with_sender: true}}\n  \
             b: {{type: recorder, location: {got:?}}}"
        );
        let mut run = start(at, name, &elements, "a -> b")?;
        run.wait_for(LIMIT, |e| e["state"] == "running")?;
        finish(send(&film, port, true)?)?;
        let done = run.finish(LIMIT)?.expect_code(0)?;
        if name == "counted" {
            no_gap(&got, done.frames_lost(), 195)?;
        } else {
            in_step(&got)?;
        }
    }
    Ok(())
}

#[test]
fn vp8_that_passes_through_is_not_touched() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = folder.path();
    let film = counted(at, 150)?;
    let (inward, outward) = (ports::free()?, ports::free()?);
    let sdp = at.join("out.sdp");
    std::fs::write(
        &sdp,
        format!(
            "v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {outward} RTP/AVP 96\na=rtpmap:96 VP8/90000\n"
        ),
    )?;
    let elements = format!(
        "  a: {{type: rtp-source, port: {inward}, video_format: vp8, end_with_sender: true}}\n  \
         b: {{type: rtp-forwarder, address: 127.0.0.1, port: {outward}}}"
    );
    let mut run = start(at, "through", &elements, "a -> b")?;
    run.wait_for(LIMIT, |e| e["state"] == "running")?;
    let got = at.join("got.mkv");
    let receiver = receive(&sdp, "4", &got)?;
    // It has no way to say that it listens but to take the port. Trying to take it oneself might keep it from that.
    let taken = Instant::now() + LIMIT;
    while !network::is_taken(&std::fs::read_to_string("/proc/net/udp")?, outward) {
        ensure!(Instant::now() < taken, "ffmpeg does not listen");
        std::thread::yield_now();
    }
    finish(send(&film, inward, false)?)?;
    let done = run.finish(LIMIT)?.expect_code(0)?;
    finish(receiver)?;
    ensure!(!done.events.iter().any(|e| named(e, "transcoding-started")), "{:?}", done.events);
    let (before, after) = (oracle::payload_hashes(film, "v:0")?, oracle::payload_hashes(got, "v:0")?);
    ensure!(after.len() >= 115, "only {} frames", after.len());
    let first = before.iter().position(|hash| *hash == after[0]).context("the first frame is another")?;
    ensure!(before[first..].starts_with(&after), "payloads differ");
    println!("{} payloads equal, from frame {first}", after.len());
    Ok(())
}

#[test]
fn trouble_is_one_clear_event_or_error() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = folder.path();
    // Another key.
    let port = ports::free()?;
    let elements = format!(
        "  a: {{type: test-source, width: 160, height: 120, frames: 90, pace: realtime, audio: false}}\n  \
         b: {{type: rtp-forwarder, address: 127.0.0.1, port: {port}, crypto: aes-128-sha1-80, crypto_key: {KEY:?}}}\n  \
         c: {{type: rtp-source, port: {port}, video_format: vp8, crypto: aes-128-sha1-80, crypto_key: {OTHER_KEY:?}}}\n  \
         d: {{type: null-sink}}"
    );
    let mut run = start(at, "key", &elements, "a -> b, c -> d")?;
    run.wait_for(LIMIT, |e| named(e, "srtp-trouble"))?;
    run.wait_for(LIMIT, |e| named(e, "end-of-stream") && e["element"] == "b")?;
    run.signal("INT")?;
    let done = run.finish(LIMIT)?;
    let told: Vec<&Value> = done.events.iter().filter(|e| named(e, "srtp-trouble")).collect();
    ensure!(
        told.len() == 1 && told[0]["data"]["reason"].as_str().is_some_and(|r| r.contains("key")),
        "{told:?}"
    );
    // Ports in use.
    let held = UdpSocket::bind(("0.0.0.0", port))?;
    let elements =
        format!("  a: {{type: rtp-source, port: {port}, video_format: vp8}}\n  b: {{type: null-sink}}");
    let done = start(at, "ports", &elements, "a -> b")?.finish(LIMIT)?;
    let text = format!("{}{}", done.stdout, done.stderr);
    ensure!(done.code != Some(0) && text.contains(&format!("UDP port {port} is in use")), "{done:?}");
    drop(held);
    Ok(())
}

#[test]
fn a_host_that_cannot_be_reached_is_told_once() -> Result<()> {
    let Some(network) = Network::new("rtpu", 1)? else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let elements = "  a: {type: test-source, width: 160, height: 120, frames: 60, pace: realtime, audio: false}\n  \
                    b: {type: rtp-forwarder, address: 10.99.99.99}";
    let file = describe(folder.path(), "away", elements, "a -> b")?;
    let done = network.run(0, &file)?.wait_with_output()?;
    let told: Vec<Value> = events(&done.stdout).into_iter().filter(|e| named(e, "unreachable")).collect();
    ensure!(told.len() == 1, "{told:?} {}", String::from_utf8_lossy(&done.stdout));
    let reason = told[0]["data"]["reason"].as_str().unwrap_or_default();
    ensure!(reason.contains("10.99.99.99") && reason.contains("unreachable"), "{reason}");
    ensure!(done.status.success(), "{:?}", done.status);
    Ok(())
}

fn events(stdout: &[u8]) -> Vec<Value> {
    String::from_utf8_lossy(stdout).lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Two receivers, a sender, and one whose packets nobody wants, in four networks on one bridge.
fn group(group: &str, sender: &str, wrong: &str, key: &str) -> Result<()> {
    let Some(network) = Network::new(key, 4)? else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let at = folder.path();
    let sends = |name: &str, tone: u32, ttl: u32| {
        let elements = format!(
            "  a: {{type: test-source, width: 320, height: 240, frames: 150, tone: {tone}, pace: realtime}}\n  \
             b: {{type: rtp-forwarder, address: {group:?}, port: 5004, interface: e0, ttl: {ttl}}}"
        );
        describe(at, name, &elements, "a -> b")
    };
    let (right, other) = (sends("right", 440, 3)?, sends("wrong", 990, 7)?);
    let mut receivers = Vec::new();
    for (place, name) in [(2, "one"), (3, "two")] {
        let got = at.join(format!("{name}.mkv"));
        let elements = format!(
            "  a: {{type: rtp-source, address: {group:?}, port: 5004, interface: e0, source_address: {sender:?}, \
             video_format: vp8, audio_format: opus, end_with_sender: true}}\n  b: {{type: recorder, location: {got:?}}}"
        );
        let file = describe(at, name, &elements, "a -> b")?;
        receivers.push((network.run(place, &file)?, got, place));
    }
    for (_, _, place) in &receivers {
        // Video and audio.
        network.wait_for_port(*place, 5004)?;
        network.wait_for_port(*place, 5006)?;
    }
    let watch = network.watch_hops(2, sender.parse()?)?;
    let before = network.packets(0)?;
    // The wrong one begins first and goes on all the time.
    let noise = network.run(1, &other)?;
    let sent = network.run(0, &right)?.wait_with_output()?;
    ensure!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    let lost = events(&sent.stdout).into_iter().filter(|e| named(e, "frames-dropped"));
    let lost: u64 = lost.filter_map(|e| e["count"].as_u64()).sum();
    let after = network.packets(0)?;
    let noise_done = noise.wait_with_output()?;
    ensure!(noise_done.status.success(), "{}", String::from_utf8_lossy(&noise_done.stderr));
    let mut hashes = Vec::new();
    for (run, got, _) in receivers {
        let out = run.wait_with_output()?;
        ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        // All of them, but for those that a busy machine did not encode in time.
        let counters = oracle::decode(&got)?.counters_in_order(lost)?;
        ensure!(counters.len() as u64 + lost >= 150, "{counters:?}, {lost} were lost");
        hashes.push(oracle::payload_hashes(&got, "v:0")?);
        hashes.push(oracle::payload_hashes(&got, "a:0")?);
    }
    ensure!(hashes[0] == hashes[2] && hashes[1] == hashes[3], "the receivers got different packets");
    let (left, hops) = (after - before, watch.join().map_err(|_| anyhow::anyhow!("the watch broke"))??);
    // 150 pictures of at least one packet and 250 of sound; reports come on top, a second copy would not fit.
    ensure!((400..800).contains(&left), "{left} packets left the sender");
    ensure!(hops == 3, "packets came with {hops} hops");
    println!("{group}: {left} packets left, two receivers got the same; hops {hops}; {wrong} was ignored");
    Ok(())
}

#[test]
fn heavy_a_group_is_sent_to_once_and_heard_by_all_who_joined() -> Result<()> {
    group("232.7.7.7", "10.77.0.1", "10.77.0.2", "rtpa")
}

#[test]
fn heavy_a_group_of_ipv6_is_no_different() -> Result<()> {
    group("ff35::7:7", "fd77::1", "fd77::2", "rtpb")
}

#[test]
fn heavy_a_group_goes_out_by_the_interface_that_was_named() -> Result<()> {
    let Some(network) = Network::new("rtpi", 2)? else { return Ok(()) };
    network.add_second_interface(0)?;
    let folder = tempfile::tempdir()?;
    for interface in ["e0", "e1"] {
        let elements = format!(
            "  a: {{type: test-source, width: 160, height: 120, frames: 60, pace: realtime, audio: false}}\n  \
             b: {{type: rtp-forwarder, address: 239.7.7.7, interface: {interface}}}"
        );
        let file = describe(folder.path(), interface, &elements, "a -> b")?;
        let before = [network.packets_of(0, "e0")?, network.packets_of(0, "e1")?];
        let out = network.run(0, &file)?.wait_with_output()?;
        ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let sent = [network.packets_of(0, "e0")? - before[0], network.packets_of(0, "e1")? - before[1]];
        let (named, other) = if interface == "e0" { (sent[0], sent[1]) } else { (sent[1], sent[0]) };
        ensure!(named >= 60 && other < 20, "{interface}: {sent:?}");
    }
    Ok(())
}

#[test]
fn heavy_forwarders_and_sources_give_everything_back() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let port = ports::free()?;
    let elements = format!(
        "  a: {{type: test-source, width: 160, height: 120, frames: 60, pace: realtime}}\n  \
         b: {{type: rtp-forwarder, address: 127.0.0.1, port: {port}, crypto: aes-256-sha1-80, crypto_key: {:?}}}\n  \
         c: {{type: rtp-source, port: {port}, video_format: vp8, audio_format: opus, end_with_sender: true, \
         crypto: aes-256-sha1-80, crypto_key: {:?}}}\n  d: {{type: null-sink}}",
        LONG_KEY, LONG_KEY
    );
    let file = describe(folder.path(), "leaks", &elements, "a -> b, c -> d")?;
    let command = Anabranch::run(file).args(["--time-limit", "30s"]);
    let leaked = leaks::leaks_of(&mut command.command()?)?;
    ensure!(leaked.is_empty(), "{leaked:?}");
    Ok(())
}

/// 46 bytes.
const LONG_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLQ==";

/// An SDP whose ports lead through the relay.
fn through(relay: &Relay, sdp: &str) -> Result<String> {
    let door = |port: &str| -> Result<u16> {
        Ok(relay.door(SocketAddr::from(([127, 0, 0, 1], port.parse::<u16>()?)))?.port())
    };
    let mut lines = Vec::new();
    for line in sdp.lines().map(str::trim_end) {
        let media = line.strip_prefix("m=").and_then(|l| l.split_once(' '));
        let media = media.and_then(|(medium, rest)| Some((medium, rest.split_once(' ')?)));
        lines.push(match (media, line.strip_prefix("a=rtcp:")) {
            (Some((medium, (port, rest))), _) if port != "0" => format!("m={medium} {} {rest}", door(port)?),
            (_, Some(port)) => format!("a=rtcp:{}", door(port.split(' ').next().unwrap_or_default())?),
            _ => line.to_owned(),
        });
    }
    Ok(lines.join("\r\n") + "\r\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_bad_network_loses_is_sent_again() -> Result<()> {
    let conditions = Conditions { loss: 0.05, delay: Duration::from_millis(10), ..Conditions::default() };
    let relay = Relay::start(conditions, 7)?;
    let folder = tempfile::tempdir()?;
    let got = folder.path().join("got.mkv");
    let engine = Engine::new()?;
    let camera = json!({"width": 320, "height": 240, "fps": 30, "pace": "realtime"});
    let peer = |direction: &str| json!({"address": "127.0.0.1", "direction": direction, "jitter_ms": 500});
    let document = Document::new("lossy")
        .element("camera", "test-source", camera)
        .element("one", "rtp", peer("sendonly"))
        .element("two", "rtp", peer("recvonly"))
        .element("film", "recorder", json!({"location": got.display().to_string()}))
        .link("camera -> one")
        .link("two -> film");
    let pipeline = engine.create(engine.check(&document)?)?;
    let mut events = pipeline.events();
    pipeline.start().await?;
    let (one, two) = (pipeline.element("one").context("one")?, pipeline.element("two").context("two")?);
    let text = |value: &Value| value["sdp"].as_str().map(str::to_owned).context("no SDP");
    let offer = text(&one.command("generate-offer", &json!({})).await?)?;
    let answer = two.command("process-offer", &json!({"sdp": through(&relay, &offer)?})).await?;
    let answer = through(&relay, &text(&answer)?)?;
    one.command("process-answer", &json!({"sdp": answer})).await?;
    // Until enough has come and both sides know how it was.
    let deadline = Instant::now() + LIMIT;
    let (sent, received) = loop {
        let stats = pipeline.stats().await;
        let video = |id: &str| stats.elements[id].rtp.iter().find(|s| s.medium == Medium::Video).cloned();
        let frames = stats.elements["film"].inputs["video"].frames;
        if let (Some(sent), Some(received)) = (video("one"), video("two"))
            && frames >= 240
            && sent.rtt_ms.is_some()
        {
            break (sent, received);
        }
        ensure!(Instant::now() < deadline, "{frames} frames; {stats:?}");
        let _ = tokio::time::timeout(Duration::from_millis(20), events.next()).await;
    };
    let outcome = pipeline.stop(Duration::from_secs(20)).await;
    ensure!(outcome.failures.is_empty(), "{outcome:?}");
    let counters = oracle::decode(&got)?.counters()?;
    let (first, last) = (counters[0], counters[counters.len() - 1]);
    let missing = (last - first + 1) - counters.len() as u64;
    let lost = relay.counters().lost;
    println!("{lost} packets lost, {missing} of {} frames missing; {sent:?}; {received:?}", counters.len());
    ensure!(lost >= 20 && counters.is_sorted(), "{lost} packets lost");
    // One lost packet makes a frame unreadable, and all that follow it until the next key frame. A busy machine may not
    // have encoded some.
    let dropped = pipeline.stats().await.dropped();
    ensure!(missing <= 3 + dropped, "{missing} of {} frames are missing, {dropped} dropped", counters.len());
    ensure!(sent.sent && sent.packets >= 240 && sent.nacks > 0, "{sent:?}");
    ensure!(sent.rtt_ms.is_some_and(|rtt| (15.0..500.0).contains(&rtt)), "twice 10 ms: {sent:?}");
    ensure!(!received.sent && received.packets >= 240 && received.nacks > 0, "{received:?}");
    ensure!(received.jitter_ms > 0.0 && received.ssrc == sent.ssrc, "{received:?}");
    Ok(())
}

fn gst_launch(line: &str) -> Result<Child> {
    let mut command = Command::new("timeout");
    command.args(["60", "gst-launch-1.0", "-q"]).args(line.split_whitespace());
    Ok(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?)
}

#[test]
fn gst_launch_is_a_peer_in_both_directions() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = folder.path();
    // From it: what its encoder made is what comes.
    let (port, made, got) = (ports::free()?, at.join("made.mkv"), at.join("got.mkv"));
    let elements = format!(
        "  a: {{type: rtp-source, port: {port}, video_format: vp8, end_with_sender: true}}\n  \
         b: {{type: recorder, location: {got:?}}}"
    );
    let mut run = start(at, "from", &elements, "a -> b")?;
    run.wait_for(LIMIT, |e| e["state"] == "running")?;
    let sender = gst_launch(&format!(
        "rtpbin name=r videotestsrc is-live=true num-buffers=120 ! video/x-raw,width=160,height=120,framerate=30/1 ! \
         vp8enc deadline=1 keyframe-max-dist=15 ! tee name=t t. ! queue ! matroskamux ! filesink location={} \
         t. ! queue ! rtpvp8pay pt=96 ! r.send_rtp_sink_0 r.send_rtp_src_0 ! udpsink host=127.0.0.1 port={port} sync=false \
         r.send_rtcp_src_0 ! udpsink host=127.0.0.1 port={} sync=false async=false",
        made.display(),
        port + 1
    ))?;
    finish(sender)?;
    run.finish(LIMIT)?.expect_code(0)?;
    let (before, after) = (oracle::payload_hashes(&made, "v:0")?, oracle::payload_hashes(&got, "v:0")?);
    ensure!(after.len() >= 110 && before.ends_with(&after), "{} payloads of {}", after.len(), before.len());
    // To it.
    let (port, got) = (ports::free()?, at.join("launched.mkv"));
    let receiver = gst_launch(&format!(
        "udpsrc port={port} num-buffers=200 caps=application/x-rtp,media=video,clock-rate=90000,encoding-name=VP8,payload=96 ! \
         rtpjitterbuffer latency=50 ! rtpvp8depay wait-for-keyframe=true ! matroskamux ! filesink location={}",
        got.display()
    ))?;
    let elements = format!(
        "  a: {{type: test-source, width: 320, height: 240, pace: realtime, audio: false}}\n  \
         b: {{type: rtp-forwarder, address: 127.0.0.1, port: {port}}}"
    );
    let run = start(at, "to", &elements, "a -> b")?;
    finish(receiver)?;
    no_gap(&got, end(run)?, 40)?;
    Ok(())
}

/// The binary that is tested is there.
#[test]
fn the_binary_knows_the_three_types() -> Result<()> {
    ensure!(binary::path()?.exists());
    for name in ["rtp", "rtp-forwarder", "rtp-source"] {
        Anabranch::new(["show", name]).finish()?.expect_code(0)?;
    }
    Ok(())
}
