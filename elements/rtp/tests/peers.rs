//! Endpoints, forwarders and sources beside ffmpeg and beside each other, without the engine.
#![allow(clippy::unwrap_used)]

use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anabranch_kit::{command, message};
use gst::prelude::*;
use gstanabranchrtp as _;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(30);
/// VP8 that makes a key frame only when it is asked for one.
const VIDEO: &str = "videotestsrc is-live=true ! video/x-raw,width=160,height=120,framerate=30/1 ! \
    vp8enc deadline=1 keyframe-max-dist=100000 name=enc";

fn init() {
    gst::init().unwrap();
    anabranch_kit::registry::register_all(None).unwrap();
}

fn pipeline(text: &str) -> gst::Pipeline {
    init();
    gst::parse::launch(text).unwrap().downcast().unwrap()
}

fn call(element: &gst::Element, name: &str, arguments: Value) -> command::CommandResult {
    futures::executor::block_on(command::call(element, name, &arguments))
}

/// Four ports from an even one on. They lie below those that the system gives out by itself, so that nobody else is given
/// them before they are used, and each test's process has others.
fn ports() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id().wrapping_mul(8) + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 12_000 + 4 * (number % 5_000) as u16;
        if (0..4).all(|n| UdpSocket::bind(("127.0.0.1", port + n)).is_ok()) {
            return port;
        }
    }
}

/// The next message of that name.
fn told(pipeline: &gst::Pipeline, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let bus = pipeline.bus().unwrap();
    let deadline = Instant::now() + LIMIT;
    while Instant::now() < deadline {
        let Some(next) = bus.timed_pop(gst::ClockTime::from_mseconds(500)) else { continue };
        if let gst::MessageView::Error(error) = next.view() {
            panic!("{error:?}");
        }
        if let Some((n, data)) = message::decode(&next)
            && n == name
            && fits(&data)
        {
            return data;
        }
    }
    panic!("no {name}");
}

/// Buffers of an appsink-like fakesink, as (is a key frame, bytes).
type Got = Arc<Mutex<Vec<(bool, Vec<u8>)>>>;

fn watch(pipeline: &gst::Pipeline, name: &str, pad: &str) -> Got {
    let got = Got::default();
    let all = got.clone();
    let element = pipeline.by_name(name).unwrap();
    element.static_pad(pad).unwrap().add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let buffer = info.buffer().unwrap();
        let is_key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        all.lock().unwrap().push((is_key, buffer.map_readable().unwrap().to_vec()));
        gst::PadProbeReturn::Ok
    });
    got
}

fn until(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !done() {
        assert!(Instant::now() < deadline, "not {what} in time");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Whether somebody has this UDP port. Who finds out by binding to it takes it away from whom it waits for.
fn is_bound(port: u16) -> bool {
    let wanted = format!(":{port:04X} ");
    ["/proc/net/udp", "/proc/net/udp6"]
        .iter()
        .any(|table| std::fs::read_to_string(table).is_ok_and(|all| all.contains(&wanted)))
}

fn ffmpeg(arguments: &[&str]) -> Child {
    let mut command = Command::new("timeout");
    command.args(["60", "ffmpeg", "-v", "error", "-nostdin", "-y"]).args(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap()
}

/// Two endpoints agree, over these options, and what goes in comes out: the same bytes.
fn pair(ours: &str, theirs: &str, ipv6: bool) {
    let sender = pipeline(&format!("{VIDEO} ! a.sink_video abrtp name=a {ours}"));
    let receiver =
        pipeline(&format!("abrtp name=b {theirs} b.src_video ! fakesink name=out async=false sync=false"));
    let (sent, got) = (watch(&sender, "enc", "src"), watch(&receiver, "out", "sink"));
    let (a, b) = (sender.by_name("a").unwrap(), receiver.by_name("b").unwrap());
    a.set_property("ipv6", ipv6);
    sender.set_state(gst::State::Playing).unwrap();
    receiver.set_state(gst::State::Playing).unwrap();
    let offer = call(&a, "generate-offer", json!({})).unwrap();
    let answer = call(&b, "process-offer", offer).unwrap();
    call(&a, "process-answer", answer.clone()).unwrap();
    assert_eq!(call(&a, "process-answer", answer).unwrap_err().code, "answer-already-processed");
    assert_eq!(call(&a, "generate-offer", json!({})).unwrap_err().code, "already-negotiated");
    let wants = told(&sender, "wants", |data| data["port"] == "video" && data["formats"] != json!([]));
    assert_eq!(wants["formats"], json!(["video/x-vp8"]));
    told(&sender, "negotiated", |_| true);
    until("received", || got.lock().unwrap().len() >= 60);
    told(&receiver, "media-state", |data| data["medium"] == "video" && data["state"] == "connected");
    call(&b, "request-key-frame", json!({})).unwrap();
    let before = got.lock().unwrap().len();
    until("a new key frame", || got.lock().unwrap()[before..].iter().any(|(is_key, _)| *is_key));
    let stats = call(&b, "stats", json!({})).unwrap();
    let inbound = stats.as_object().unwrap().values().find(|s| s["type"] == "inbound-rtp").unwrap().clone();
    assert!(inbound["packetsReceived"].as_u64().unwrap() > 60, "{stats}");
    for (pipeline, element) in [(&sender, &a), (&receiver, &b)] {
        call(element, "reset", json!({})).unwrap();
        pipeline.set_state(gst::State::Null).unwrap();
    }
    let (sent, got) = (sent.lock().unwrap(), got.lock().unwrap());
    let first = sent.iter().position(|frame| *frame == got[0]).expect("the first frame was sent");
    assert!(got[0].0, "it begins with a key frame");
    assert!(sent[first..].starts_with(&got), "what came is what was sent, in order");
    println!("{ours} {theirs}: {} payloads equal", got.len());
}

#[test]
fn endpoints_exchange_media_in_the_clear() {
    pair("", "", false);
}

#[test]
fn endpoints_exchange_media_over_ipv6() {
    pair("address=::1", "", true);
}

#[test]
fn endpoints_exchange_srtp_of_every_suite() {
    for suite in ["aes-128-sha1-80", "aes-128-sha1-32", "aes-256-sha1-80", "aes-256-sha1-32"] {
        pair(&format!("crypto={suite}"), "", false);
    }
}

#[test]
fn an_endpoint_that_is_told_no_address_learns_it() {
    pair("announced-address=0.0.0.0 symmetric=always", "symmetric=always direction=sendrecv", false);
}

#[test]
fn ports_are_within_their_range_and_are_given_back() {
    let first = ports();
    let range = format!("min-port={first} max-port={}", first + 3);
    let all = pipeline(&format!("abrtp name=a {range} abrtp name=b {range}"));
    all.set_state(gst::State::Playing).unwrap();
    let (a, b) = (all.by_name("a").unwrap(), all.by_name("b").unwrap());
    for _ in 0..20 {
        let offer = call(&a, "offer", json!({})).unwrap();
        let text = offer["sdp"].as_str().unwrap();
        assert!(text.contains(&format!(" {first} ")) && text.contains(&format!(" {} ", first + 2)), "{text}");
        let error = call(&b, "offer", json!({})).unwrap_err();
        assert_eq!(error.code, "ports-in-use", "{error}");
        call(&a, "reset", json!({})).unwrap();
    }
    all.set_state(gst::State::Null).unwrap();
}

#[test]
fn ffmpeg_is_a_peer_of_an_endpoint_in_the_clear_and_encrypted() {
    init();
    let key = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
    let folder = tempfile::tempdir().unwrap();
    for crypto in [false, true] {
        let film = folder.path().join("film.webm");
        let picture = "testsrc=s=160x120:r=30:d=5";
        let film = film.to_str().unwrap();
        assert!(
            ffmpeg(&["-f", "lavfi", "-i", picture, "-c:v", "libvpx", "-g", "15", film])
                .wait()
                .unwrap()
                .success()
        );
        // What comes in goes out again.
        let echo = pipeline("abrtp name=a a.src_video ! queue ! a.sink_video");
        echo.set_state(gst::State::Playing).unwrap();
        let a = echo.by_name("a").unwrap();
        let port = ports();
        let (profile, line) = match crypto {
            true => ("RTP/SAVP", format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}\r\n")),
            false => ("RTP/AVP", String::new()),
        };
        let describe = |port: u16, line: &str| {
            format!(
                "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video {port} {profile} 96\r\n\
                 a=rtpmap:96 VP8/90000\r\n{line}"
            )
        };
        let answer = call(&a, "process-offer", json!({"sdp": describe(port, &line)})).unwrap();
        let answer = answer["sdp"].as_str().unwrap().to_owned();
        let ours: u16 =
            answer.lines().find_map(|l| l.strip_prefix("m=video ")?.split(' ').next()?.parse().ok()).unwrap();
        let ours_line =
            answer.lines().find(|l| l.starts_with("a=crypto:")).map_or(String::new(), |l| format!("{l}\r\n"));
        assert_eq!(ours_line.is_empty(), !crypto);
        let (sdp, back) = (folder.path().join("in.sdp"), folder.path().join("back.mkv"));
        std::fs::write(&sdp, describe(port, &ours_line)).unwrap();
        let mut receiver = ffmpeg(&[
            "-protocol_whitelist",
            "file,udp,rtp,srtp",
            "-i",
            sdp.to_str().unwrap(),
            "-t",
            "3",
            "-c",
            "copy",
            back.to_str().unwrap(),
        ]);
        until("listening", || is_bound(port));
        let to =
            format!("{}://127.0.0.1:{ours}?localrtpport={}", if crypto { "srtp" } else { "rtp" }, ports());
        let mut arguments = vec!["-re", "-i", film, "-c", "copy", "-f", "rtp", "-payload_type", "96"];
        if crypto {
            arguments.extend(["-srtp_out_suite", "AES_CM_128_HMAC_SHA1_80", "-srtp_out_params", key]);
        }
        arguments.push(&to);
        let mut sender = ffmpeg(&arguments);
        assert!(sender.wait().unwrap().success());
        assert!(receiver.wait().unwrap().success());
        echo.set_state(gst::State::Null).unwrap();
        let (before, after) = (hashes(film), hashes(back.to_str().unwrap()));
        let first = before.iter().position(|hash| *hash == after[0]).unwrap();
        assert!(
            after.len() > 60 && before[first..].starts_with(&after),
            "{} of {}",
            after.len(),
            before.len()
        );
        println!("ffmpeg, encrypted {crypto}: {} payloads equal", after.len());
    }
}

fn hashes(file: &str) -> Vec<String> {
    let out = Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-i",
            file,
            "-map",
            "0:v",
            "-c",
            "copy",
            "-f",
            "framehash",
            "-hash",
            "md5",
            "-",
        ])
        .output()
        .unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    text.lines()
        .filter(|l| !l.starts_with('#'))
        .filter_map(|l| l.rsplit(',').next().map(|h| h.trim().to_owned()))
        .collect()
}

#[test]
fn a_receiver_that_comes_late_gets_a_key_frame_from_the_source() {
    let port = ports();
    let sender =
        pipeline(&format!("{VIDEO} ! out.sink_video abrtpforwarder name=out address=127.0.0.1 port={port}"));
    let made = watch(&sender, "enc", "src");
    sender.set_state(gst::State::Playing).unwrap();
    until("sent", || made.lock().unwrap().len() >= 30);
    let keys = || made.lock().unwrap().iter().filter(|(is_key, _)| *is_key).count();
    let before = keys();
    let receiver = pipeline(&format!(
        "abrtpsource name=in port={port} video-format=vp8 in.src_video ! fakesink name=got async=false sync=false"
    ));
    let got = watch(&receiver, "got", "sink");
    receiver.set_state(gst::State::Playing).unwrap();
    until("received", || got.lock().unwrap().len() >= 30);
    assert!(got.lock().unwrap()[0].0, "it begins with a key frame");
    assert!(keys() > before, "nobody asked the source");
    receiver.set_state(gst::State::Null).unwrap();
    sender.set_state(gst::State::Null).unwrap();
}

/// Others than the sender say good-bye as well: the receivers of a group.
#[test]
fn only_the_senders_good_bye_is_the_end() {
    let port = ports();
    let receiver = pipeline(&format!(
        "abrtpsource name=in audio-port={port} audio-format=pcmu end-with-sender=true in.src_audio ! \
         fakesink name=got async=false sync=false"
    ));
    let got = watch(&receiver, "got", "sink");
    let ended = Arc::new(AtomicU32::new(0));
    let count = ended.clone();
    let sink = receiver.by_name("got").unwrap().static_pad("sink").unwrap();
    sink.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        if info.event().is_some_and(|event| event.type_() == gst::EventType::Eos) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        gst::PadProbeReturn::Ok
    });
    receiver.set_state(gst::State::Playing).unwrap();
    let (sender, other) = (7u32.to_be_bytes(), 9u32.to_be_bytes());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for number in 0..20u16 {
        let mut packet = vec![0x80, 0];
        packet.extend(number.to_be_bytes());
        packet.extend((u32::from(number) * 160).to_be_bytes());
        packet.extend(sender);
        packet.extend([0xff; 160]);
        socket.send_to(&packet, ("127.0.0.1", port)).unwrap();
        std::thread::park_timeout(Duration::from_millis(20));
    }
    until("received", || got.lock().unwrap().len() >= 10);
    // An empty report, and the good-bye.
    let leave = |who: [u8; 4]| {
        let packet = [[0x80, 201, 0, 1], who, [0x81, 203, 0, 1], who].concat();
        socket.send_to(&packet, ("127.0.0.1", port + 1)).unwrap();
    };
    leave(other);
    std::thread::park_timeout(Duration::from_millis(600));
    assert_eq!(ended.load(Ordering::Relaxed), 0, "the sender is still there");
    leave(sender);
    until("ended", || ended.load(Ordering::Relaxed) > 0);
    receiver.set_state(gst::State::Null).unwrap();
}
