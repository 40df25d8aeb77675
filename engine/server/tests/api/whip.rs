//! WHIP and WHEP as far as a client without media can see; browsers and other clients do the rest.

use std::path::Path;

use anabranch_engine::Engine;
use anabranch_server::Config;
use serde_json::Value;

use crate::client::Request;
use crate::server::Running;

const ROOM: &str = "
name: room
elements:
  peer: {type: webrtc, loopback: true}
  picture: {type: test-source, width: 160, height: 120}
  nowhere: {type: null-sink}
links: [picture.video -> nowhere]
";

/// An offer as a browser makes it for receiving or sending one video.
fn offer(direction: &str) -> String {
    let fingerprint = vec!["AB"; 32].join(":");
    format!(
        "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\n\
         a=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=ice-options:trickle\r\na=fingerprint:sha-256 {fingerprint}\r\n\
         a=setup:actpass\r\na=mid:0\r\na={direction}\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n\
         a=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=ssrc:1001 cname:x\r\n"
    )
}

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

#[tokio::test]
async fn the_configuration_of_peers_is_checked_like_a_description() {
    let engine = Engine::new().unwrap();
    let check = |text: &str| {
        let config = Config::parse(Path::new("/test.toml"), &format!("[webrtc]\n{text}\n")).unwrap();
        config.check(engine.catalog()).map_err(|(key, _)| key)
    };
    assert_eq!(check("min-port = 40000\nmax_port = 40099"), Ok(()));
    assert_eq!(check("min_prt = 40000"), Err("webrtc.min_prt".to_owned()));
    for wrong in ["min_port = \"many\"", "direction = \"up\"", "min_port = 2000\nmax_port = 1000"] {
        assert_eq!(check(wrong), Err("webrtc".to_owned()), "{wrong}");
    }
}

#[test]
fn what_may_be_sent_is_said() {
    let server = Running::start("[[ice_servers]]\nurl = \"stun:stun.example.org:3478\"\n");
    let options = |path: &str| Request::new("OPTIONS", path).send(server.address).expect(204);
    for kind in ["whip", "whep"] {
        let answer = options(&format!("/{kind}/room/peer"));
        assert_eq!(answer.header("accept-post"), Some(SDP));
        assert_eq!(answer.header("link"), Some("<stun:stun.example.org:3478>; rel=\"ice-server\""));
        let answer = options(&format!("/{kind}/room/peer/0123"));
        assert_eq!(answer.header("accept-patch"), Some(FRAGMENT));
    }
    let preflight = Request::new("OPTIONS", "/whip/room/peer")
        .header("Origin", "http://localhost:3000")
        .header("Access-Control-Request-Method", "POST")
        .send(server.address)
        .expect(204);
    assert_eq!(preflight.header("access-control-allow-origin"), Some("http://localhost:3000"));
    assert_eq!(preflight.header("accept-post"), Some(SDP));
}

#[test]
fn bad_offers_are_refused_with_their_reasons() {
    let server = Running::start("");
    server.create(ROOM).expect(201);
    let post = |path: &str, kind: &str, body: &str| server.post(path, kind, body.to_owned());
    for kind in ["whip", "whep"] {
        post(&format!("/{kind}/none/peer"), SDP, &offer("sendonly")).expect_problem(404, "no-such-pipeline");
        post(&format!("/{kind}/room/none"), SDP, &offer("sendonly")).expect_problem(404, "no-such-element");
        let path = format!("/{kind}/room/peer");
        post(&path, "application/json", "{}").expect_problem(415, "unsupported-media-type");
        post(&path, "", &offer("sendonly")).expect_problem(415, "unsupported-media-type");
        post(&path, SDP, "").expect_problem(400, "bad-request");
        post(&path, SDP, "hello").expect_problem(422, "bad-session-description");
        post(&path, SDP, "v=0\r\nnonsense\r\n").expect_problem(422, "bad-session-description");
        server.get(&path).expect_problem(405, "method-not-allowed");
    }
    post("/whip/room/picture", SDP, &offer("sendonly")).expect_problem(409, "conflict");
    post("/whep/room/nowhere", SDP, &offer("recvonly")).expect_problem(409, "conflict");
    let view = server.get("/api/v1/pipelines/room").expect(200).json();
    assert_eq!(view["elements"], 3, "what was made for a refused viewer is gone: {view}");
}

#[test]
fn a_publisher_comes_trickles_restarts_and_goes() {
    let server = Running::start("");
    server.create(ROOM).expect(201);
    let answer = server.post("/whip/room/peer", SDP, offer("sendonly")).expect(201);
    assert_eq!(answer.header("content-type"), Some(SDP));
    assert_eq!(answer.header("accept-patch"), Some(FRAGMENT));
    let (location, tag) = (answer.header("location").unwrap(), answer.header("etag").unwrap());
    let sdp = answer.text();
    assert!(sdp.contains("a=recvonly") && sdp.contains("a=candidate:") && sdp.contains("VP8"), "{sdp}");
    server.post("/whip/room/peer", SDP, offer("sendonly")).expect_problem(409, "element-busy");

    let patch = |path: &str, tag: &str, body: &str| {
        let request = Request::new("PATCH", path).body(FRAGMENT, body);
        if tag.is_empty() { request } else { request.header("If-Match", tag) }.send(server.address)
    };
    let candidate = "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n\
        a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host\r\na=end-of-candidates\r\n";
    patch(location, tag, candidate).expect(204);
    patch(location, "", candidate).expect_problem(428, "precondition-required");
    patch(location, "\"other\"", candidate).expect_problem(412, "stale-session");
    patch(location, tag, "nonsense").expect_problem(422, "bad-session-description");
    patch("/whip/room/peer/0123", tag, candidate).expect_problem(404, "no-such-session");
    Request::new("PATCH", location)
        .body(SDP, "v=0")
        .send(server.address)
        .expect_problem(415, "unsupported-media-type");

    let view = server.get("/api/v1/pipelines/room").expect(200).json();
    assert_eq!(view["sessions"][0]["kind"], "publish");
    assert!(!view.to_string().contains(location), "who watches cannot end the session");
    server.delete(location).expect(200);
    server.delete(location).expect_problem(404, "no-such-session");
    // The element takes the next one.
    server.post("/whip/room/peer", SDP, offer("sendonly")).expect(201);
}

#[test]
fn every_viewer_gets_an_element_of_its_own() {
    let server = Running::start("");
    server.create(ROOM).expect(201);
    let elements = || -> Vec<String> {
        let view: Value = server.get("/api/v1/pipelines/room").expect(200).json();
        view["spec"]["nodes"].as_object().unwrap().keys().cloned().collect()
    };
    let play = || server.post("/whep/room/picture", SDP, offer("recvonly")).expect(201);
    let (first, second) = (play(), play());
    let sdp = first.text();
    assert!(sdp.contains("a=sendonly"), "{sdp}");
    assert_eq!(elements().len(), 5, "{:?}", elements());
    let links = server.get("/api/v1/pipelines/room").json()["links"].clone();
    assert_eq!(links, 5, "one, and video and sound for each viewer");
    // A change of the graph keeps the viewers.
    let more = ROOM
        .replace("links:", "  also: {type: null-sink}\nlinks:")
        .replace("nowhere]", "nowhere, picture.video -> also]");
    Request::new("PATCH", "/api/v1/pipelines/room")
        .body("application/yaml", more)
        .send(server.address)
        .expect(200);
    assert_eq!(elements().len(), 6, "{:?}", elements());
    for answer in [first, second] {
        server.delete(answer.header("location").unwrap()).expect(200);
    }
    assert_eq!(elements(), ["peer", "picture", "nowhere", "also"]);
}

#[test]
fn peers_are_limited() {
    let server = Running::start("[limits]\npeers = 2\n");
    server.create(ROOM).expect(201);
    server.post("/whep/room/picture", SDP, offer("recvonly")).expect(201);
    let problem = server.post("/whep/room/picture", SDP, offer("recvonly")).expect_problem(503, "peer-limit");
    assert_eq!(problem["limit"], 2);
    // Elements that are no peers make no room for some.
    let more = ROOM.replace("links:", "  another: {type: webrtc, loopback: true}\nlinks:");
    Request::new("PATCH", "/api/v1/pipelines/room")
        .body("application/yaml", more)
        .send(server.address)
        .expect_problem(503, "peer-limit");
}
