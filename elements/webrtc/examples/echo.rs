//! A browser gets its own camera back: `cargo run --release -p anabranch-webrtc --example echo [property=json ...]`,
//! then open http://127.0.0.1:8890/. `POST /offer` takes a session description and returns the answer.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use anabranch_kit::{command, message, params};
use gst::prelude::*;
use gstanabranchwebrtc as _;
use serde_json::{Value, json};

const PAGE: &str = r#"<!doctype html><title>echo</title><video id=v autoplay playsinline muted></video><script>
async function run(codec) {
  const stream = await navigator.mediaDevices.getUserMedia({video: {width: 640, height: 480}, audio: true})
  const pc = window.pc = new RTCPeerConnection()
  pc.ontrack = e => { if (e.track.kind === 'video') v.srcObject = e.streams[0] ?? new MediaStream([e.track]) }
  window.channel = pc.createDataChannel('chat')
  stream.getTracks().forEach(t => pc.addTrack(t, stream))
  await pc.setLocalDescription()
  const t = performance.now()
  const answer = await (await fetch('/offer', {method: 'POST', body: pc.localDescription.sdp})).text()
  window.answered = performance.now() - t
  window.answer = answer
  await pc.setRemoteDescription({type: 'answer', sdp: answer})
  await new Promise(done => v.requestVideoFrameCallback(done))
  return performance.now() - t
}
</script><button onclick="run()">start</button>"#;

fn main() {
    gst::init().unwrap();
    anabranch_kit::registry::register_all(None).unwrap();
    let pipeline = gst::Pipeline::new();
    let peer = gst::ElementFactory::make("abwebrtc").name("peer").build().unwrap();
    peer.set_property("loopback", true);
    for argument in std::env::args().skip(1) {
        let (name, value) = argument.split_once('=').expect("name=json");
        let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
        params::set_json(peer.upcast_ref(), name, &value).unwrap();
    }
    pipeline.add(&peer).unwrap();
    for port in ["video", "audio", "data"] {
        // What comes from a peer goes back to it on another thread, as in a graph.
        let queue = gst::ElementFactory::make("queue").build().unwrap();
        pipeline.add(&queue).unwrap();
        peer.link_pads(Some(&format!("src_{port}")), &queue, Some("sink")).unwrap();
        queue.link_pads(Some("src"), &peer, Some(&format!("sink_{port}"))).unwrap();
    }
    pipeline.bus().unwrap().set_sync_handler(|_, msg| {
        match message::decode(msg) {
            Some((name, data)) => println!("{name} {data}"),
            None => {
                if let gst::MessageView::Error(error) = msg.view() {
                    println!("ERROR {} {:?}", error.error(), error.debug());
                }
            }
        }
        gst::BusSyncReply::Drop
    });
    pipeline.set_state(gst::State::Playing).unwrap();
    let listener = TcpListener::bind("127.0.0.1:8890").unwrap();
    println!("http://127.0.0.1:8890/");
    for stream in listener.incoming().flatten() {
        if serve(stream, &peer).is_none() {
            eprintln!("a request was cut off");
        }
    }
}

fn serve(stream: TcpStream, peer: &gst::Element) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let call =
        |name: &str, arguments: Value| futures::executor::block_on(command::call(peer, name, &arguments));
    let (kind, text) = if first.starts_with("POST /offer") {
        call("reset", json!({})).ok()?;
        let start = std::time::Instant::now();
        let answer = call("process-offer", json!({"sdp": String::from_utf8_lossy(&body)}));
        println!("answered after {:.1} ms", start.elapsed().as_secs_f64() * 1000.0);
        match answer {
            Ok(answer) => ("application/sdp", answer["sdp"].as_str().unwrap_or_default().to_owned()),
            Err(error) => ("text/plain", format!("{}: {error}", error.code)),
        }
    } else if first.starts_with("POST /stats") {
        ("application/json", call("stats", json!({})).ok()?.to_string())
    } else {
        ("text/html", PAGE.to_owned())
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        text.len()
    );
    let mut stream = stream;
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(text.as_bytes()).ok()
}
