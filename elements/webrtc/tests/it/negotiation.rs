//! Roles, trickling, restarts, tracks that come and go, peers that come and go.

use serde_json::{Value, json};

use super::rig::{End, PAIRS, VP8, connect, negotiate, source};

/// A description without its candidates.
fn bare(description: &Value) -> Value {
    let sdp = description["sdp"].as_str().unwrap();
    let lines =
        sdp.lines().filter(|l| !l.starts_with("a=candidate") && !l.starts_with("a=end-of-candidates"));
    json!({"sdp": lines.map(|l| format!("{l}\r\n")).collect::<String>()})
}

fn ufrag(description: &Value) -> String {
    let sdp = description["sdp"].as_str().unwrap();
    sdp.lines().find_map(|l| l.strip_prefix("a=ice-ufrag:")).unwrap().to_owned()
}

#[test]
fn descriptions_have_the_candidates_already() {
    for transport in ["webrtcbin", "native"] {
        let a = End::new("", &json!({"transport": transport}));
        let offer = a.tell("offer", json!({}));
        assert!(offer["sdp"].as_str().unwrap().contains(" 127.0.0.1 "), "{transport}: {offer}");
    }
}

#[test]
fn candidates_trickle_and_may_come_before_the_offer() {
    for (first, second) in PAIRS {
        let a = End::new(&source(VP8), &json!({"transport": first}));
        let b = End::new("", &json!({"transport": second}));
        let offer = a.tell("offer", json!({}));
        a.tell("gather", json!({}));
        let candidate =
            a.wait_event("ice-candidate", |c| c["candidate"].as_str().unwrap().contains("127.0.0.1"));
        a.wait_event("ice-gathering-done", |_| true);
        // b hears of the candidate first.
        b.tell("add-candidate", candidate);
        b.tell("gather", json!({}));
        let answer = b.tell("process-offer", bare(&offer));
        b.wait_event("ice-gathering-done", |_| true);
        a.tell("process-answer", bare(&answer));
        a.wait_connected();
        b.wait_media("video", 5);
        b.wait_connected();
        b.wait_event("dtls-state", |data| data["state"] == "connected");
        b.wait_event("candidate-pair", |_| true);
        let state = b.tell("state", json!({}));
        assert_eq!(
            (&state["peer"], &state["dtls"]),
            (&json!("connected"), &json!("connected")),
            "{first} {second}"
        );
        assert_eq!(state["transport"], second);
    }
}

#[test]
fn media_that_do_not_share_a_connection_are_refused() {
    for transport in ["webrtcbin", "native"] {
        let peer = End::new(&source(VP8), &json!({"transport": "native"}));
        let offer = peer.tell("offer", json!({}));
        for line in ["a=group:BUNDLE", "a=rtcp-mux"] {
            let sdp = offer["sdp"].as_str().unwrap();
            let without: String =
                sdp.lines().filter(|l| !l.starts_with(line)).map(|l| format!("{l}\r\n")).collect();
            let end = End::new("", &json!({"transport": transport}));
            let error = end.command("process-offer", json!({"sdp": without})).unwrap_err();
            assert_eq!(error.code, "bad-sdp", "{transport}");
            assert!(error.text.contains(line), "{transport}: {error}");
        }
    }
}

#[test]
fn a_port_range_is_obeyed_and_when_it_is_used_up_that_is_said() {
    for transport in ["webrtcbin", "native"] {
        // A port of which nobody else knows.
        let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let only = json!({
            "transport": transport, "interfaces": ["lo"], "min_port": port, "max_port": port
        });
        let error = End::new("", &only).command("offer", json!({})).unwrap_err();
        assert!(error.text.contains(&port.to_string()), "{transport}: {error}");
        drop(taken);
        let offer = End::new("", &only).tell("offer", json!({}));
        assert!(
            offer["sdp"].as_str().unwrap().contains(&format!(" 127.0.0.1 {port} ")),
            "{transport}: {offer}"
        );
        // The greatest alone is enough.
        let below = End::new("", &json!({"transport": transport, "interfaces": ["lo"], "max_port": 30_000}));
        let offer = below.tell("offer", json!({}));
        let sdp = offer["sdp"].as_str().unwrap();
        let candidate = sdp.lines().find(|l| l.contains(" 127.0.0.1 ")).unwrap();
        let port: u16 = candidate.split(' ').nth(5).unwrap().parse().unwrap();
        assert!(port <= 30_000, "{transport}: {candidate}");
    }
}

#[test]
fn ice_restarts_and_media_go_on() {
    for (first, second) in PAIRS {
        let a = End::new(&source(VP8), &json!({"transport": first}));
        let b = End::new("", &json!({"transport": second}));
        connect(&a, &b, json!({}));
        b.wait_media("video", 10);
        let before = ufrag(&a.tell("local-description", json!({})));
        let answered = ufrag(&b.tell("local-description", json!({})));
        let offer = a.tell("restart-ice", json!({}));
        assert_ne!(ufrag(&offer), before, "{first}");
        let answer = b.tell("process-offer", offer);
        assert_ne!(ufrag(&answer), answered, "{second}");
        a.tell("process-answer", answer);
        b.wait_media("video", 30);
        // Media go on over the old path while the new one is looked for.
        a.wait(&format!("the connection {first} {second}"), |view| {
            let (_, last) = view.events.iter().rev().find(|(name, _)| name == "peer-state")?;
            (last["state"] == "connected").then_some(())
        });
    }
}

#[test]
fn tracks_come_and_go() {
    for (first, second) in PAIRS {
        let a = End::new(&source(VP8), &json!({"transport": first}));
        let b = End::new("", &json!({"transport": second}));
        connect(&a, &b, json!({"video": false}));
        b.wait_media("audio", 10);
        b.wait("the absent picture", |view| view.video.ended.then_some(()));
        negotiate(&a, &b, json!({}));
        b.wait_media("video", 10);
        b.wait_media("audio", 10);
        negotiate(&a, &b, json!({"video": false}));
        b.wait("the end of the pictures", |view| view.video.ended.then_some(()));
        b.wait_media("audio", 10);
    }
}

#[test]
fn an_endpoint_takes_one_peer_after_another() {
    for transport in ["webrtcbin", "native"] {
        let server = End::new(&source(VP8), &json!({"transport": transport}));
        for _ in 0..3 {
            let viewer = End::new("", &json!({"transport": transport}));
            connect(&viewer, &server, json!({}));
            viewer.wait_media("video", 5);
            server.tell("reset", json!({}));
            server.wait_event("peer-state", |data| data["state"] == "closed");
            server.forget_events();
        }
        assert_eq!(server.tell("state", json!({}))["peer"], "new");
    }
}

#[test]
fn another_peers_offer_is_refused_while_there_is_one() {
    let server = End::new("", &json!({}));
    let viewer = End::new("", &json!({"transport": "native"}));
    connect(&viewer, &server, json!({}));
    // The certificate is one per process with webrtcbin, so another's is made up.
    let other = End::new("", &json!({"transport": "native"}));
    let mut offer = other.tell("offer", json!({}));
    let sdp = offer["sdp"].as_str().unwrap().to_owned();
    let line = sdp.lines().find(|l| l.starts_with("a=fingerprint:")).unwrap();
    let digits = line.rsplit(' ').next().unwrap();
    let changed: String = digits
        .chars()
        .map(|c| {
            if c == 'A' {
                'B'
            } else if c == '1' {
                '2'
            } else {
                c
            }
        })
        .collect();
    offer["sdp"] = json!(sdp.replace(digits, &changed));
    assert_eq!(server.command("process-offer", offer).unwrap_err().code, "already-negotiated");
    assert_eq!(server.tell("state", json!({}))["peer"], "connected");
}
