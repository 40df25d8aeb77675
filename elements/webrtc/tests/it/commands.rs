//! Commands at the wrong time and with the wrong arguments have their own errors.

use gst::prelude::*;
use serde_json::json;

use super::rig::{End, connect};

const NO_WEBRTC: &str =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 9 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n";

#[test]
fn a_mistake_has_its_own_code() {
    for transport in ["webrtcbin", "native"] {
        let end = End::new("", &json!({"transport": transport}));
        let cases = [
            ("process-offer", json!({"sdp": ""}), "empty-sdp"),
            ("process-offer", json!({"sdp": "hello"}), "bad-sdp"),
            ("process-offer", json!({"sdp": NO_WEBRTC}), "bad-sdp"),
            ("process-offer", json!({}), "bad-arguments"),
            ("process-offer", json!({"sdp": 5}), "bad-arguments"),
            ("process-answer", json!({"sdp": ""}), "empty-sdp"),
            ("process-answer", json!({"sdp": NO_WEBRTC}), "no-offer"),
            ("local-description", json!({}), "no-local-description"),
            ("remote-description", json!({}), "no-remote-description"),
            ("request-key-frame", json!({}), "no-video"),
            ("restart-ice", json!({}), "no-remote-description"),
            ("add-candidate", json!({"candidate": "nonsense"}), "bad-candidate"),
            ("open-channel", json!({"label": "x"}), "no-data-channels"),
            ("open-channel", json!({"max_retransmits": 1, "max_packet_lifetime": 1}), "bad-channel-limits"),
            ("close-channel", json!({"id": 3}), "no-channel"),
            ("send", json!({"text": "x"}), "no-channel"),
            ("send", json!({"base64": "!"}), "bad-arguments"),
            ("offer", json!({"audio": false, "video": false, "data": false}), "bad-arguments"),
            ("dance", json!({}), "unknown-command"),
        ];
        for (name, arguments, code) in cases {
            let error = end.command(name, arguments.clone()).unwrap_err();
            assert_eq!(error.code, code, "{transport}: {name} {arguments}: {error}");
            assert!(error.text.len() > 10, "{name}: {error}");
        }
        for (name, arguments) in [
            ("gather", json!({})),
            ("candidate-pairs", json!({})),
            ("state", json!({})),
            ("stats", json!({})),
            ("reset", json!({})),
            ("add-candidate", json!({"candidate": ""})),
            ("add-candidate", json!({"candidate": "candidate:1 1 UDP 1 127.0.0.1 9 typ host"})),
        ] {
            end.tell(name, arguments);
        }
    }
}

#[test]
fn an_answer_is_processed_once() {
    for transport in ["webrtcbin", "native"] {
        let a = End::new("", &json!({"transport": transport}));
        let b = End::new("", &json!({"transport": transport}));
        let offer = a.tell("offer", json!({}));
        assert_eq!(a.command("process-offer", offer.clone()).unwrap_err().code, "already-negotiated");
        let answer = b.tell("process-offer", offer);
        a.tell("process-answer", answer.clone());
        assert_eq!(a.command("process-answer", answer.clone()).unwrap_err().code, "answer-already-processed");
        assert_eq!(b.command("process-answer", answer.clone()).unwrap_err().code, "no-offer");
        assert_eq!(a.tell("remote-description", json!({})), answer);
    }
}

#[test]
fn data_channels_may_be_switched_off() {
    for transport in ["webrtcbin", "native"] {
        let a = End::new("", &json!({"transport": transport}));
        let b = End::new("", &json!({"transport": transport, "data_channels": false}));
        connect(&a, &b, json!({}));
        assert_eq!(b.command("open-channel", json!({"label": "x"})).unwrap_err().code, "no-data-channels");
    }
}

#[test]
fn a_message_that_is_too_long_is_no_message_and_the_channel_stays() {
    for transport in ["webrtcbin", "native"] {
        let a = End::new("", &json!({"transport": transport}));
        let b = End::new("", &json!({"transport": transport}));
        connect(&a, &b, json!({}));
        a.tell("open-channel", json!({"label": "x"}));
        a.wait_event("data-channel-opened", |data| data["label"] == "x");
        let error = a.command("send", json!({"channel": "x", "text": "x".repeat(1 << 20)})).unwrap_err();
        assert!(error.text.len() > 10, "{transport}: {error}");
        a.wait_event("message-lost", |data| data["bytes"] == 1 << 20);
        a.tell("send", json!({"channel": "x", "text": "hello"}));
        b.wait("the next message", |view| view.data.messages.iter().any(|m| m.1 == b"hello").then_some(()));
    }
}

#[test]
fn an_endpoint_that_does_not_run_says_so() {
    let end = End::new("", &json!({}));
    end.pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(end.command("state", json!({})).unwrap_err().code, "not-running");
}
