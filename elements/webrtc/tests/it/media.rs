//! Pictures, sound and messages pass both ways, whatever carries them.

use std::time::Instant;

use serde_json::{Value, json};

use super::rig::{End, PAIRS, PATIENCE, VP8, connect, source};

const H264: &str = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=300 threads=1 ! video/x-h264,profile=constrained-baseline ! h264parse";

fn both_ways(codec: &str, encoder: &str, format: &str) {
    for (first, second) in PAIRS {
        let properties = |transport: &str| json!({"transport": transport, "video_codecs": [codec]});
        let a = End::new(&source(encoder), &properties(first));
        let b = End::new(&source(encoder), &properties(second));
        connect(&a, &b, json!({}));
        for end in [&a, &b] {
            let caps = end.wait_media("video", 20);
            assert_eq!(caps.structure(0).unwrap().name(), format, "{first} {second}");
            let caps = end.wait_media("audio", 20);
            assert_eq!(caps.structure(0).unwrap().name(), "audio/x-opus", "{first} {second}");
            let tracks = end.wait_event("negotiated", |_| true)["tracks"].clone();
            assert_eq!(tracks.as_array().unwrap().len(), 3, "{tracks}");
        }
    }
}

#[test]
fn vp8_and_opus_pass_both_ways() {
    both_ways("vp8", VP8, "video/x-vp8");
}

#[test]
fn h264_and_opus_pass_both_ways() {
    both_ways("h264", H264, "video/x-h264");
}

#[test]
fn vp9_and_pcmu_pass() {
    let properties = json!({"video_codecs": ["vp9"], "audio_codecs": ["pcmu"], "transport": "webrtcbin"});
    let media = "video: videotestsrc is-live=true ! video/x-raw,width=160,height=120,framerate=15/1 ! vp9enc deadline=1 cpu-used=8 | \
        audio: audiotestsrc is-live=true samplesperbuffer=160 ! audio/x-raw,rate=8000,channels=1 ! mulawenc";
    let a = End::new(media, &properties);
    let b = End::new("", &properties);
    connect(&a, &b, json!({}));
    assert_eq!(b.wait_media("video", 5).structure(0).unwrap().name(), "video/x-vp9");
    assert_eq!(b.wait_media("audio", 20).structure(0).unwrap().name(), "audio/x-mulaw");
}

#[test]
fn directions_are_kept_and_what_is_not_there_ends_at_once() {
    for (first, second) in PAIRS {
        let a = End::new(&source(VP8), &json!({"transport": first, "direction": "sendonly"}));
        let b = End::new(&source(VP8), &json!({"transport": second}));
        connect(&a, &b, json!({"audio": false}));
        b.wait_media("video", 10);
        b.wait("the absent sound", |view| (view.audio.ended && view.audio.caps.is_none()).then_some(()));
        a.wait("that nothing comes", |view| (view.video.ended && view.audio.ended).then_some(()));
        let wants = |end: &End, port: &str| end.wait_event("wants", |w| w["port"] == port)["formats"].clone();
        assert_eq!(wants(&a, "video"), json!(["video/x-vp8"]), "{first} {second}");
        assert_eq!(wants(&b, "video"), json!([]), "{first} {second}");
        assert_eq!(a.wait(" ", |view| Some(view.video.buffers)), 0);
    }
}

#[test]
fn a_key_frame_is_asked_for_and_comes() {
    for (first, second) in PAIRS {
        let a = End::new(&source(VP8), &json!({"transport": first, "direction": "sendonly"}));
        let b = End::new("", &json!({"transport": second}));
        connect(&a, &b, json!({}));
        b.wait_media("video", 10);
        let before = b.wait("key frames", |view| Some(view.video.key_frames));
        // A storm is one request, and one more at its end; one that lasts is one for each 320 ms.
        let storm = Instant::now();
        for _ in 0..20 {
            b.tell("request-key-frame", json!({}));
        }
        let windows = storm.elapsed().as_millis() as u64 / 320;
        b.wait("a key frame", |view| (view.video.key_frames > before).then_some(()));
        b.wait_media("video", 40);
        let after = b.wait("key frames", |view| Some(view.video.key_frames));
        assert!(after <= before + 3 + windows, "{first} {second}: {before} {after}");
        assert_eq!(a.command("request-key-frame", json!({})).unwrap_err().code, "no-video");
    }
}

#[test]
fn messages_pass_both_ways() {
    for (first, second) in PAIRS {
        let a = End::new("", &json!({"transport": first}));
        let b = End::new("", &json!({"transport": second}));
        connect(&a, &b, json!({}));
        let id = a.tell("open-channel", json!({"label": "chat", "protocol": "p"}))["id"].clone();
        let opened = b.wait_event("data-channel-opened", |_| true);
        assert_eq!(
            (&opened["label"], &opened["protocol"]),
            (&json!("chat"), &json!("p")),
            "{first} {second}"
        );
        a.wait_event("data-channel-opened", |data| data["label"] == "chat");
        a.tell("send", json!({"channel": "chat", "text": "grüße"}));
        a.tell("send", json!({"channel": id, "base64": "AAH/"}));
        b.tell("send", json!({"channel": "chat", "text": "back"}));
        let messages = |end: &End, count: usize| {
            end.wait("messages", |view| {
                (view.data.messages.len() >= count).then(|| view.data.messages.clone())
            })
        };
        let chat = "chat".to_owned();
        assert_eq!(
            messages(&b, 2),
            [(chat.clone(), "grüße".as_bytes().to_vec(), false), (chat.clone(), vec![0, 1, 255], true)],
            "{first} {second}"
        );
        assert_eq!(messages(&a, 1), [(chat, b"back".to_vec(), false)], "{first} {second}");
        a.tell("close-channel", json!({"id": id}));
        b.wait_event("data-channel-closed", |data| data["id"] == opened["id"]);
        assert_eq!(
            a.command("send", json!({"channel": "chat", "text": "x"})).unwrap_err().code,
            "no-channel"
        );
    }
}

#[test]
fn many_large_messages_come_whole_and_in_order() {
    for (first, second) in PAIRS {
        let a = End::new("", &json!({"transport": first}));
        let b = End::new("", &json!({"transport": second}));
        connect(&a, &b, json!({}));
        a.tell("open-channel", json!({"label": "bulk"}));
        a.wait_event("data-channel-opened", |_| true);
        for i in 0..300u32 {
            a.tell("send", json!({"channel": "bulk", "text": format!("{i} {}", "x".repeat(16_000))}));
        }
        let messages = b.wait("all messages", |view| {
            (view.data.messages.len() >= 300).then(|| view.data.messages.clone())
        });
        for (i, (_, message, _)) in messages.iter().enumerate() {
            assert!(
                message.starts_with(format!("{i} x").as_bytes()) && message.len() > 16_000,
                "{first} {second} {i}"
            );
        }
    }
}

#[test]
fn sending_starts_with_a_key_frame() {
    for transport in ["webrtcbin", "native"] {
        let a = End::new(&source(VP8), &json!({"transport": transport}));
        let b = End::new("", &json!({"transport": transport}));
        // The encoder runs long before there is a peer.
        a.wait_dropped(10);
        connect(&a, &b, json!({}));
        b.wait_media("video", 1);
        let view = b.wait("the first picture", |view| Some((view.video.buffers, view.video.key_frames)));
        assert!(view.1 >= 1, "{transport}: {view:?}");
    }
}

#[test]
fn statistics_have_the_w3cs_names() {
    for (first, second) in PAIRS {
        let a = End::new(&source(VP8), &json!({"transport": first}));
        let b = End::new("", &json!({"transport": second}));
        connect(&a, &b, json!({}));
        b.wait_media("video", 30);
        let start = Instant::now();
        let find = |stats: &Value, kind: &str| {
            let video = |s: &&Value| s["type"] == kind && s["kind"] == "video";
            stats.as_object().unwrap().values().find(video).cloned()
        };
        // A transport may count once a second only.
        let poll = |end: &End, kind: &str, counter: &str| loop {
            let all = end.tell("stats", json!({}));
            if let Some(found) = find(&all, kind).filter(|s| s[counter].as_u64() > Some(0)) {
                break found;
            }
            assert!(start.elapsed() < PATIENCE, "{first} {second}: {all:#}");
            std::thread::yield_now();
        };
        let sent = poll(&a, "outbound-rtp", "packetsSent");
        assert!(sent["bytesSent"].as_u64() > Some(0), "{first}: {sent}");
        let received = poll(&b, "inbound-rtp", "packetsReceived");
        assert!(received["bytesReceived"].as_u64() > Some(0), "{second}: {received}");
        assert_eq!(received["id"].as_str().map(str::is_empty), Some(false));
    }
}

#[test]
fn what_the_network_carries_is_estimated_from_the_peers_feedback() {
    for (first, second) in PAIRS {
        let a = End::new(&source(VP8), &json!({"transport": first}));
        let b = End::new("", &json!({"transport": second}));
        connect(&a, &b, json!({}));
        let data = a.wait_event("bandwidth", |_| true);
        assert!(data["kbps"].as_u64().unwrap() > 50, "{first} to {second}: {data}");
        a.wait("the wish", |view| {
            let wants =
                |(name, data): &&(String, Value)| name == "wants" && data["bitrate"].as_u64() > Some(0);
            view.events.iter().find(wants).map(drop)
        });
    }
}
