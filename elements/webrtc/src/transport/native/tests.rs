//! Two peers in one process, over the loopback interface.

mod relay;
mod rig;
mod simulcast;
mod trouble;

use anabranch_graph::format::{Format, Medium};
use gst::prelude::*;

use self::rig::{Rig, connect, negotiate};
use crate::options::{AudioCodec, Options, VideoCodec, Way};
use crate::transport::{
    Candidate, ChannelOptions, Direction, OfferOptions, PeerState, Transport, TransportEvent,
};

const VIDEO: (Medium, Direction) = (Medium::Video, Direction::SendRecv);
const AUDIO: (Medium, Direction) = (Medium::Audio, Direction::SendRecv);
const DATA: (Medium, Direction) = (Medium::Data, Direction::SendRecv);

fn offer(media: &[(Medium, Direction)]) -> OfferOptions {
    OfferOptions { media: media.to_vec(), restart_ice: false }
}

fn assert_in_order(rig: &Rig, track: usize) {
    let received = rig.received(track);
    for pair in received.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1), "a packet is missing");
        let same_frame = pair[1].timestamp == pair[0].timestamp;
        assert!(same_frame || pair[1].pts >= pair[0].pts, "time goes backwards");
    }
    assert_eq!(received[0].payload_type, rig.payload_type(track));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_go_both_ways_in_order() {
    let table = [
        (Some(VideoCodec::Vp8), None),
        (Some(VideoCodec::H264), Some(AudioCodec::Opus)),
        (Some(VideoCodec::Vp9), Some(AudioCodec::Pcmu)),
        (None, Some(AudioCodec::Pcma)),
    ];
    for (video, audio) in table {
        let options = Options {
            video_codecs: video.into_iter().collect(),
            audio_codecs: audio.into_iter().collect(),
            ..rig::options()
        };
        let (mut one, mut other) = (Rig::new(options.clone()), Rig::new(options));
        let media: Vec<_> = video.map(|_| VIDEO).into_iter().chain(audio.map(|_| AUDIO)).collect();
        connect(&mut one, &mut other, &media).await;
        both_have(&mut one, &mut other, media.len()).await;
        for rig in [&mut one, &mut other] {
            for track in 0..media.len() {
                rig.until("50 packets", |rig| rig.received(track).len() >= 50).await;
                assert_in_order(rig, track);
            }
        }
        one.close().await;
        other.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_codec_is_the_first_that_the_description_wants() {
    use VideoCodec::{Av1, H264, Vp8, Vp9};
    let table: [(&[VideoCodec], &[VideoCodec], Option<Format>); 5] = [
        (&[Vp8, H264, Vp9, Av1], &[H264, Vp8], Some(Format::H264)),
        (&[H264, Vp8], &[Av1, Vp8, H264], Some(Format::Vp8)),
        (&[Vp9], &[Vp8, Vp9], Some(Format::Vp9)),
        (&[Av1, Vp8], &[Av1], Some(Format::Av1)),
        (&[Vp8], &[H264], None),
    ];
    for (offered, wanted, expected) in table {
        let options = |codecs: &[VideoCodec]| Options { video_codecs: codecs.to_vec(), ..rig::options() };
        let (mut one, mut other) = (Rig::new(options(offered)), Rig::new(options(wanted)));
        (one.sends, other.sends) = (false, false);
        match expected {
            Some(expected) => {
                negotiate(&mut one, &mut other, offer(&[VIDEO])).await;
                both_have(&mut one, &mut other, 1).await;
                for rig in [&one, &other] {
                    assert_eq!(rig.tracks[0].format, expected, "{offered:?} {wanted:?}");
                }
            }
            None => {
                let offer = one.transport.offer(offer(&[VIDEO])).await.unwrap();
                let error = other.transport.answer(&offer).await.unwrap_err();
                assert_eq!(error.code, "nothing-in-common");
            }
        }
        one.close().await;
        other.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn directions_are_what_both_sides_allow() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    // What is offered, what the answerer does, what comes of it for the answerer.
    let table = [
        (SendRecv, Way::SendRecv, SendRecv),
        (SendRecv, Way::SendOnly, SendOnly),
        (SendRecv, Way::RecvOnly, RecvOnly),
        (SendOnly, Way::SendRecv, RecvOnly),
        (SendOnly, Way::SendOnly, Inactive),
        (RecvOnly, Way::SendRecv, SendOnly),
    ];
    for (offered, way, expected) in table {
        let (mut one, mut other) =
            (Rig::new(rig::options()), Rig::new(Options { direction: way, ..rig::options() }));
        (one.sends, other.sends) = (false, false);
        negotiate(&mut one, &mut other, offer(&[(Medium::Audio, offered)])).await;
        for (rig, expected) in [(&mut one, expected.flipped()), (&mut other, expected)] {
            let sends = |event: &TransportEvent| match event {
                TransportEvent::Sends { .. } => Some(true),
                TransportEvent::SendsNot { .. } => Some(false),
                _ => None,
            };
            let receives = |event: &TransportEvent| match event {
                TransportEvent::Receives { .. } => Some(true),
                TransportEvent::ReceivesNot { .. } => Some(false),
                _ => None,
            };
            let both =
                |rig: &Rig| Some((rig.seen.iter().find_map(sends)?, rig.seen.iter().find_map(receives)?));
            rig.until("the directions", |rig| both(rig).is_some()).await;
            let (sends, receives) = both(rig).unwrap();
            assert_eq!(Direction::of(sends, receives), expected, "{offered:?} to {way:?}");
        }
        one.close().await;
        other.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tracks_are_added_and_removed_by_either_side() {
    let (mut one, mut other) = (Rig::new(rig::options()), Rig::new(rig::options()));
    connect(&mut one, &mut other, &[VIDEO]).await;
    both_have(&mut one, &mut other, 1).await;
    other.until("video", |rig| rig.received(0).len() >= 20).await;
    negotiate(&mut one, &mut other, offer(&[VIDEO, AUDIO])).await;
    both_have(&mut one, &mut other, 2).await;
    for rig in [&mut one, &mut other] {
        rig.until("sound", |rig| rig.received(1).len() >= 20).await;
        assert_eq!(rig.tracks[1].format, Format::Opus);
    }
    // The answerer takes the video away.
    negotiate(&mut other, &mut one, offer(&[AUDIO])).await;
    both_have(&mut one, &mut other, 1).await;
    for rig in [&mut one, &mut other] {
        let so_far = rig.received(0).len();
        rig.until("more sound", |rig| rig.received(0).len() > so_far + 20).await;
        assert_in_order(rig, 0);
    }
    // And the offerer brings it back.
    negotiate(&mut one, &mut other, offer(&[VIDEO, AUDIO])).await;
    both_have(&mut one, &mut other, 2).await;
    other.until("video again", |rig| rig.received(1).len() > 20).await;
    assert_eq!(other.tracks[1].format, Format::Vp8);
    one.close().await;
    other.close().await;
}

/// Both have heard of so many tracks that they receive, and so feed those that they send.
async fn both_have(one: &mut Rig, other: &mut Rig, tracks: usize) {
    for rig in [one, other] {
        rig.until("the tracks", |rig| rig.tracks.len() == tracks).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn candidates_may_come_later() {
    let (mut one, mut other) = (Rig::new(rig::options()), Rig::new(rig::options()));
    let without = |sdp: &str| -> String {
        let kept = sdp.lines().filter(|line| !line.contains("candidate"));
        kept.map(|line| format!("{line}\r\n")).collect()
    };
    // Asked before there is anything to tell.
    one.transport.gather();
    let offer = one.transport.offer(offer(&[DATA])).await.unwrap();
    assert!(offer.contains("a=candidate:") && offer.contains("typ host"), "{offer}");
    let answer = other.transport.answer(&without(&offer)).await.unwrap();
    other.transport.gather();
    one.transport.accept(&without(&answer)).await.unwrap();
    for rig in [&mut one, &mut other] {
        let done = |event: &TransportEvent| matches!(event, TransportEvent::GatheringDone);
        rig.until("the candidates", |rig| rig.seen.iter().any(done)).await;
        assert_eq!(rig.candidates.len(), 1);
        assert!(rig.candidates[0].candidate.starts_with("candidate:"));
    }
    for candidate in &one.candidates {
        other.transport.add_candidate(candidate).unwrap();
    }
    for rig in [&mut one, &mut other] {
        rig.until("the connection", |rig| rig.state == PeerState::Connected).await;
        let pair = |event: &TransportEvent| match event {
            TransportEvent::PairSelected { local, remote } => Some((local.clone(), remote.clone())),
            _ => None,
        };
        let (local, remote) = rig.seen.iter().find_map(pair).unwrap();
        assert!(local.contains("127.0.0.1") && remote.contains("127.0.0.1"), "{local} {remote}");
    }
    one.close().await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ice_restarts_without_a_break() {
    for restarter in 0..2 {
        let (mut one, mut other) = (Rig::new(rig::options()), Rig::new(rig::options()));
        connect(&mut one, &mut other, &[VIDEO]).await;
        both_have(&mut one, &mut other, 1).await;
        one.until("video", |rig| rig.received(0).len() >= 20).await;
        let (first, second) = if restarter == 0 { (&mut one, &mut other) } else { (&mut other, &mut one) };
        let wishes = OfferOptions { media: vec![VIDEO], restart_ice: true };
        let before = first.ufrag().await;
        let (offer, _) = negotiate(first, second, wishes).await;
        assert!(!offer.contains(&before), "new credentials");
        for rig in [&mut one, &mut other] {
            rig.until("the second connection", |rig| rig.times_checked() >= 2 && rig.ice_connected()).await;
            let so_far = rig.received(0).len();
            rig.until("more video", |rig| rig.received(0).len() > so_far + 60).await;
            assert_in_order(rig, 0);
            assert_eq!(rig.state, PeerState::Connected);
        }
        one.close().await;
        other.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_messages_come_back_and_a_full_channel_says_so() {
    let (mut one, mut other) = (Rig::new(rig::options()), Rig::new(rig::options()));
    let label = ChannelOptions { label: "echo".into(), protocol: "p".into(), ..ChannelOptions::default() };
    let id = one.transport.open_channel(&label).unwrap();
    connect(&mut one, &mut other, &[DATA]).await;
    let opened = |rig: &Rig| {
        rig.seen.iter().find_map(|event| match event {
            TransportEvent::ChannelOpened { id, label, protocol } => {
                Some((*id, label.clone(), protocol.clone()))
            }
            _ => None,
        })
    };
    one.until("the channel", |rig| opened(rig).is_some()).await;
    other.until("the channel", |rig| opened(rig).is_some()).await;
    assert_eq!(opened(&one), Some((id, "echo".into(), "p".into())));
    let (theirs, ..) = opened(&other).unwrap();

    const MESSAGES: usize = 1000;
    let message = |n: usize| vec![(n % 251) as u8; 1 + n * 37 % 16_000];
    let echo = tokio::spawn(async move {
        for n in 0..MESSAGES {
            let (data, binary) = other.message(n).await;
            while !other.transport.send_message(theirs, &data, binary).unwrap() {
                other.drained(theirs).await;
            }
        }
        other
    });
    let mut refused = 0;
    for n in 0..MESSAGES {
        let bytes = message(n);
        while !one.transport.send_message(id, &bytes, n % 2 == 0).unwrap() {
            refused += 1;
            one.drained(id).await;
        }
    }
    assert!(refused > 0, "8 MB do not fit into the buffer at once");
    for n in 0..MESSAGES {
        let (data, binary) = one.message(n).await;
        assert_eq!(
            (data.len(), data.first(), binary),
            (message(n).len(), message(n).first(), n % 2 == 0),
            "{n}"
        );
    }
    let mut other = echo.await.unwrap();
    let counts = one.stats("data-channel").await;
    assert_eq!(counts[0]["messagesSent"], MESSAGES);
    assert_eq!(counts[0]["messagesReceived"], MESSAGES);

    // Another without negotiation, opened by the answerer; then both go.
    let second = ChannelOptions { ordered: false, max_retransmits: Some(0), ..label };
    let second = other.transport.open_channel(&second).unwrap();
    let count = |rig: &Rig| {
        rig.seen.iter().filter(|event| matches!(event, TransportEvent::ChannelOpened { .. })).count()
    };
    for rig in [&mut one, &mut other] {
        rig.until("the second channel", |rig| count(rig) == 2).await;
    }
    other.transport.close_channel(second).unwrap();
    let closed = |event: &TransportEvent| matches!(event, TransportEvent::ChannelClosed { .. });
    for rig in [&mut one, &mut other] {
        rig.until("its end", |rig| rig.seen.iter().any(closed)).await;
    }
    one.close().await;
    other.until("the end of the peer", |rig| rig.state == PeerState::Closed).await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_frames_are_asked_for_and_estimates_are_told() {
    let (mut one, mut other) = (Rig::new(rig::options()), Rig::new(rig::options()));
    connect(&mut one, &mut other, &[VIDEO]).await;
    both_have(&mut one, &mut other, 1).await;
    one.until("video", |rig| rig.received(0).len() >= 20).await;
    other.until("video", |rig| rig.received(0).len() >= 20).await;
    let before = one.forced_key_frames();
    let keys = |rig: &Rig| rig.received(0).iter().filter(|packet| packet.key).count();
    let seen = keys(&other);
    other.transport.request_key_frame();
    one.until("the request", |rig| rig.forced_key_frames() > before).await;
    // A key frame on its way serves everybody who asks before it has come.
    other.until("the key frame", |rig| keys(rig) > seen).await;
    let before = one.forced_key_frames();
    // Who looks at the track asks on its pad.
    let event = gst_video::UpstreamForceKeyUnitEvent::builder().build();
    other.tracks[0].sink_pad().push_event(event);
    one.until("the second request", |rig| rig.forced_key_frames() > before).await;
    let estimate = |event: &TransportEvent| matches!(event, TransportEvent::Estimate { bits_per_second } if *bits_per_second > 0);
    one.until("an estimate", |rig| rig.seen.iter().any(estimate)).await;
    for (kind, field) in [
        ("inbound-rtp", "packetsReceived"),
        ("outbound-rtp", "packetsSent"),
        ("candidate-pair", "bytesSent"),
        ("local-candidate", "port"),
        ("remote-candidate", "port"),
        ("transport", "bytesSent"),
        ("codec", "clockRate"),
    ] {
        // They are counted once a second.
        let end = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
        loop {
            let stats = one.stats(kind).await;
            if stats.iter().any(|object| object[field].as_f64() > Some(0.0)) {
                break;
            }
            assert!(tokio::time::Instant::now() < end, "{kind} {stats:?}");
            let so_far = one.received(0).len();
            one.until("more video", |rig| rig.received(0).len() > so_far).await;
        }
    }
    assert!(one.stats("outbound-rtp").await[0]["pliCount"].as_u64() >= Some(2));
    one.close().await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_is_refused_and_leaves_the_peer_usable() {
    let mut rig = Rig::new(rig::options());
    for (sdp, code) in [
        ("", "empty-sdp"),
        ("v=1", "bad-sdp"),
        ("v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 0\r\n", "nothing-in-common"),
        ("v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 VP8/90000\r\n", "bad-sdp"),
    ] {
        assert_eq!(rig.transport.answer(sdp).await.unwrap_err().code, code, "{sdp:?}");
    }
    let mut other = Rig::new(rig::options());
    let offered = other.transport.offer(offer(&[VIDEO])).await.unwrap();
    assert_eq!(other.transport.accept("v=0\r\n").await.unwrap_err().code, "bad-sdp");
    assert_eq!(rig.transport.accept(&offered).await.unwrap_err().code, "no-offer");
    let candidate = |candidate: &str| Candidate {
        candidate: candidate.into(),
        sdp_mid: Some("0".into()),
        sdp_m_line_index: Some(0),
    };
    assert_eq!(rig.transport.add_candidate(&candidate("hello")).unwrap_err().code, "bad-candidate");
    for ignored in [
        "",
        "candidate:1 1 udp 2122260223 6ba4bc1c-aa3b.local 54321 typ host",
        "candidate:1 1 tcp 1518280447 127.0.0.1 9 typ host tcptype active",
    ] {
        rig.transport.add_candidate(&candidate(ignored)).unwrap();
    }
    assert_eq!(rig.transport.send_message(7, b"x", true).unwrap_err().code, "no-channel");
    let limits = ChannelOptions {
        max_retransmits: Some(1),
        max_packet_lifetime: Some(1),
        ..ChannelOptions::default()
    };
    assert_eq!(rig.transport.open_channel(&limits).unwrap_err().code, "bad-channel-limits");
    assert_eq!(rig.transport.offer(offer(&[])).await.unwrap_err().code, "nothing-to-offer");
    rig.transport.answer(&offered).await.unwrap();
    rig.close().await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_share_a_port_and_give_everything_back() {
    // Threads and descriptors that stay are made first: GStreamer's, the runtime's.
    for _ in 0..2 {
        visit(1).await;
    }
    let before = rig::resources();
    for _ in 0..25 {
        visit(4).await;
    }
    rig::until_resources(before).await;
}

/// Some peers of one server connect and go; half of them without a word.
async fn visit(peers: usize) {
    let options = Options { ice_lite: true, ..rig::options() };
    let mut pairs = Vec::new();
    for _ in 0..peers {
        let (mut client, mut server) = (Rig::new(rig::options()), Rig::new(options.clone()));
        (client.sends, server.sends) = (false, false);
        let (_, answer) = negotiate(&mut client, &mut server, offer(&[VIDEO, DATA])).await;
        let candidate = answer.lines().find(|line| line.starts_with("a=candidate:")).unwrap();
        let port: u16 = candidate.split(' ').nth(5).unwrap().parse().unwrap();
        pairs.push((client, server, port));
    }
    for (client, server, port) in &mut pairs {
        client.until("the connection", |rig| rig.state == PeerState::Connected).await;
        server.until("the connection", |rig| rig.state == PeerState::Connected).await;
        assert!(*port > 0);
    }
    assert!(pairs.windows(2).all(|pair| pair[0].2 == pair[1].2), "one port for all answers");
    for (place, (client, server, _)) in pairs.into_iter().enumerate() {
        if place % 2 == 0 {
            client.close().await;
            server.close().await;
        }
    }
}
