//! A peer that sends its video in three layers.

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use str0m::change::SdpAnswer;
use str0m::media::{Direction as RtcDirection, MediaKind, Simulcast, SimulcastLayer};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc};

use super::rig::{Rig, options};
use crate::transport::{PeerState, Transport};

/// Bytes of a packet of each layer; their first byte after the descriptor names them.
const LAYERS: [(&str, usize); 3] = [("l", 100), ("m", 300), ("h", 900)];

/// Sends frames of one packet each, until it is told to stop; begins a layer anew when it is asked for a key frame.
fn send(mut rtc: Rtc, socket: &UdpSocket, mid: str0m::media::Mid, over: &AtomicBool) {
    let local = socket.local_addr().unwrap();
    let pt = 96.into();
    let begun = Instant::now();
    let (mut frame, mut buffer) = (0u64, [0; 2048]);
    let mut asked = [true; 3];
    while !over.load(Ordering::Relaxed) {
        let due = loop {
            match rtc.poll_output().unwrap() {
                Output::Timeout(due) => break due,
                Output::Transmit(transmit) => {
                    let _ = socket.send_to(&transmit.contents, transmit.destination);
                }
                Output::Event(Event::KeyframeRequest(request)) => {
                    let rid = request.rid.unwrap();
                    let place = LAYERS.iter().position(|(name, _)| *name == &*rid).unwrap();
                    asked[place] = true;
                }
                Output::Event(_) => {}
            }
        };
        let now = Instant::now();
        if rtc.is_connected() && now >= begun + Duration::from_millis(frame * 33) {
            for (place, (rid, bytes)) in LAYERS.iter().enumerate() {
                let key = std::mem::take(&mut asked[place]);
                let mut payload = vec![0; *bytes];
                payload[0] = 0x10;
                payload[1] = u8::from(!key);
                payload[2] = place as u8;
                let mut api = rtc.direct_api();
                let stream = api.stream_tx_by_mid(mid, Some((*rid).into())).unwrap();
                let time = (frame * 2970 + 1000 * place as u64) as u32;
                stream.write_rtp(
                    RtpWrite::new(pt, (frame + 500 * place as u64).into(), time, now, payload)
                        .marker(true)
                        .nackable(true),
                );
            }
            frame += 1;
        }
        let next = begun + Duration::from_millis(frame * 33);
        let wait = due.min(next).saturating_duration_since(now).max(Duration::from_millis(1));
        socket.set_read_timeout(Some(wait.min(Duration::from_millis(10)))).unwrap();
        match socket.recv_from(&mut buffer) {
            Ok((length, source)) => {
                let receive = Receive::new(Protocol::Udp, source, local, &buffer[..length]).unwrap();
                rtc.handle_input(Input::Receive(Instant::now(), receive)).unwrap();
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                rtc.handle_input(Input::Timeout(Instant::now())).unwrap();
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_best_layer_or_the_wanted_one_is_received_without_a_break() {
    let mut rig = Rig::new(options());
    rig.sends = false;
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut rtc = Rtc::builder().clear_codecs().enable_vp8(true).set_rtp_mode(true).build(Instant::now());
    rtc.add_local_candidate(Candidate::host(socket.local_addr().unwrap(), "udp").unwrap());
    let mut change = rtc.sdp_api();
    let mut simulcast = Simulcast::new();
    for (rid, _) in LAYERS {
        simulcast.add_send_layer(SimulcastLayer::new(rid));
    }
    let mid = change.add_media(MediaKind::Video, RtcDirection::SendOnly, None, None, Some(simulcast));
    let (offer, pending) = change.apply().unwrap();
    let answer = rig.transport.answer(&offer.to_sdp_string()).await.unwrap();
    assert!(answer.contains("a=simulcast:recv"), "{answer}");
    rtc.sdp_api().accept_answer(pending, SdpAnswer::from_sdp_string(&answer).unwrap()).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let sender = {
        let over = over.clone();
        std::thread::spawn(move || send(rtc, &socket, mid, &over))
    };
    rig.until("the connection", |rig| rig.state == PeerState::Connected).await;
    let last = |rig: &Rig, layer: u8| rig.received(0).last().is_some_and(|packet| packet.third == layer);
    rig.until("the best layer", |rig| last(rig, 2) && rig.received(0).len() > 60).await;
    let stats = rig.stats("inbound-rtp").await;
    assert!(stats.iter().any(|stats| stats["rid"] == "m" && stats["packetsReceived"].is_u64()), "{stats:?}");
    for (rid, layer) in [(Some("m"), 1), (Some("l"), 0), (None, 2)] {
        rig.transport.choose_layer(rid).unwrap();
        rig.until("the layer", |rig| last(rig, layer)).await;
    }
    let received = rig.received(0);
    for pair in received.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
        let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        // Between two layers as much time goes by as between their packets; a busy machine may take its time.
        assert!((1..=90_000).contains(&step), "{step}");
        if pair[0].third != pair[1].third {
            assert!(pair[1].key, "layers change at key frames");
        }
    }
    over.store(true, Ordering::Relaxed);
    sender.join().unwrap();
    rig.close().await;
}
