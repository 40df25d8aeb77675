//! Events as server-sent events and over WebSockets.

use std::io::{Read, Write};

use serde_json::Value;

use crate::client::Request;
use crate::server::Running;

fn pattern(name: &str) -> String {
    format!(
        "name: {name}\nelements:\n  p: {{type: test-source, width: 160, height: 120}}\n  n: {{type: null-sink}}\n\
         links: [p.video -> n]\n"
    )
}

#[test]
fn a_listener_hears_a_pipeline_from_beginning_to_end() {
    let server = Running::start("");
    server.create(&pattern("a")).expect(201);
    let path = "/api/v1/pipelines/a/events?after=0";
    let mut events = Request::new("GET", path).header("Accept", "text/event-stream").open(server.address);
    let head = events.head();
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    let first = events.event().unwrap();
    assert_eq!(
        (&first["event"], &first["seq"], &first["pipeline"]),
        (&"state-changed".into(), &1.into(), &"a".into())
    );
    events.event_where(|e| e["state"] == "running");
    server.delete("/api/v1/pipelines/a").expect(200);
    events.event_where(|e| e["state"] == "stopped");
    assert_eq!(events.event(), None, "the stream ends with the pipeline");
    server.get("/api/v1/pipelines/a/events").expect_problem(404, "no-such-pipeline");
}

#[test]
fn nothing_is_told_twice_to_who_comes_back() {
    let server = Running::start("");
    server.create(&pattern("a")).expect(201);
    let listen = |last: &str| {
        let mut events = Request::new("GET", "/api/v1/pipelines/a/events")
            .header("Accept", "text/event-stream")
            .header("Last-Event-ID", last)
            .open(server.address);
        events.head();
        events
    };
    // What was heard is in the history.
    listen("0").event_where(|e| e["state"] == "running");
    let history = server.get("/api/v1/pipelines/a/history").expect(200).json();
    let seqs: Vec<u64> =
        history["events"].as_array().unwrap().iter().filter_map(|e| e["seq"].as_u64()).collect();
    assert!(seqs.len() >= 2 && seqs.is_sorted(), "{seqs:?}");
    assert_eq!(listen(&seqs[0].to_string()).event().unwrap()["seq"], seqs[1]);
}

#[test]
fn one_listener_hears_all_pipelines_and_lets_go_when_the_server_stops() {
    let server = Running::start("");
    let mut events =
        Request::new("GET", "/api/v1/events").header("Accept", "text/event-stream").open(server.address);
    events.head();
    for name in ["a", "b"] {
        server.create(&pattern(name)).expect(201);
        events.event_where(|e| e["pipeline"] == name && e["state"] == "running");
    }
    server.stop();
    while events.event().is_some() {}
}

#[test]
fn a_websocket_hears_the_same() {
    let server = Running::start("");
    let mut socket = Request::new("GET", "/api/v1/events")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .open(server.address);
    assert_eq!(socket.head().status, 101);
    server.create(&pattern("a")).expect(201);
    let mut running = false;
    while !running {
        let mut head = [0; 2];
        socket.stream.read_exact(&mut head).unwrap();
        let length = match head[1] {
            126 => {
                let mut length = [0; 2];
                socket.stream.read_exact(&mut length).unwrap();
                usize::from(u16::from_be_bytes(length))
            }
            short => usize::from(short),
        };
        let mut payload = vec![0; length];
        socket.stream.read_exact(&mut payload).unwrap();
        if head[0] == 0x81 {
            let event: Value = serde_json::from_slice(&payload).unwrap();
            running = event["state"] == "running";
        }
    }
    // A close frame, masked with zeros; the server closes then.
    socket.stream.get_mut().write_all(&[0x88, 0x80, 0, 0, 0, 0]).unwrap();
    let mut rest = Vec::new();
    socket.stream.read_to_end(&mut rest).unwrap();
}
