//! Bad networks, peers that vanish, servers that see us otherwise, and bugs.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::Ordering;

use super::relay::Relay;
use super::rig::{Rig, connect, options};
use super::{AUDIO, VIDEO, offer};
use crate::options::Options;
use crate::transport::{PeerState, Transport, TransportEvent};

/// Connects two through a relay.
async fn through(relay: &Relay, one: &mut Rig, other: &mut Rig) {
    let offered = one.transport.offer(offer(&[VIDEO, AUDIO])).await.unwrap();
    let answer = other.transport.answer(&relay.stand_in(&offered)).await.unwrap();
    one.transport.accept(&relay.stand_in(&answer)).await.unwrap();
    for rig in [one, other] {
        rig.until("the connection", |rig| rig.state == PeerState::Connected && rig.tracks.len() == 2).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_packets_are_sent_again_in_time() {
    let relay = Relay::new();
    let options = options();
    let (mut one, mut other) = (Rig::new(options.clone()), Rig::new(options));
    through(&relay, &mut one, &mut other).await;
    relay.loses.store(20, Ordering::Relaxed);
    one.until("video", |rig| rig.received(0).len() >= 300).await;
    // One packet in twenty is lost, and what is sent again may be lost again, or be too late on a busy machine: of 15 or more
    // at most a third is missing, none comes out of its order.
    let steps: Vec<u16> =
        one.received(0).windows(2).map(|pair| pair[1].sequence.wrapping_sub(pair[0].sequence)).collect();
    assert!(steps.iter().all(|step| (1..10).contains(step)), "out of order: {steps:?}");
    let missing: u16 = steps.iter().map(|step| step - 1).sum();
    assert!(missing <= 5, "{missing} packets are missing");
    one.until("sound", |rig| rig.received(1).len() > 50).await;
    let stats = one.stats("inbound-rtp").await;
    let video = stats.iter().find(|stats| stats["kind"] == "video").unwrap();
    assert!(video["nackCount"].as_u64() > Some(0), "{video}");
    one.close().await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_falls_silent_is_noticed_and_may_come_back() {
    let relay = Relay::new();
    let (mut one, mut other) = (Rig::new(options()), Rig::new(options()));
    through(&relay, &mut one, &mut other).await;
    one.until("video", |rig| rig.received(0).len() >= 20).await;
    relay.cut.store(true, Ordering::Relaxed);
    one.until("silence", |rig| rig.state == PeerState::Disconnected).await;
    relay.cut.store(false, Ordering::Relaxed);
    one.until("the connection", |rig| rig.state == PeerState::Connected).await;
    let so_far = one.received(0).len();
    one.until("more video", |rig| rig.received(0).len() > so_far + 20).await;
    // And one that stays away is given up.
    relay.cut.store(true, Ordering::Relaxed);
    one.until("the end", |rig| rig.state == PeerState::Failed).await;
    one.close().await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stun_server_says_how_it_sees_us() {
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = server.local_addr().unwrap();
    let answering = std::thread::spawn(move || {
        let mut request = [0; 512];
        let (length, from) = server.recv_from(&mut request).unwrap();
        assert_eq!((length, &request[..2]), (20, &[0, 1][..]));
        // A binding success with MAPPED-ADDRESS 192.0.2.1:4660.
        let mut response = vec![1, 1, 0, 12];
        response.extend(&request[4..20]);
        response.extend([0, 1, 0, 8, 0, 1, 0x12, 0x34, 192, 0, 2, 1]);
        server.send_to(&response, from).unwrap();
    });
    let mut rig = Rig::new(Options { stun_server: format!("stun:{address}"), ..options() });
    rig.transport.gather();
    rig.transport.offer(offer(&[VIDEO])).await.unwrap();
    let done = |event: &TransportEvent| matches!(event, TransportEvent::GatheringDone);
    rig.until("the candidates", |rig| rig.seen.iter().any(done)).await;
    let lines: Vec<&str> = rig.candidates.iter().map(|candidate| candidate.candidate.as_str()).collect();
    assert!(lines.iter().any(|line| line.contains("192.0.2.1 4660 typ srflx")), "{lines:?}");
    answering.join().unwrap();
    rig.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn announced_addresses_take_the_place_of_local_ones() {
    // An address of this machine that is not the loopback's own: 127.0.0.1 stays as it is.
    let announced = Options { announced_addresses: vec!["198.51.100.7".into()], ..Options::default() };
    let mut rig = Rig::new(Options { ipv6: false, ..announced.clone() });
    match rig.transport.offer(offer(&[AUDIO])).await {
        Ok(sdp) => assert!(sdp.contains("198.51.100.7") && sdp.contains("typ host"), "{sdp}"),
        // A machine without a network has nothing to announce.
        Err(error) => assert_eq!(error.code, "failed"),
    }
    rig.close().await;
    let mut rig = Rig::new(Options { announced_addresses: announced.announced_addresses, ..options() });
    let sdp = rig.transport.offer(offer(&[AUDIO])).await.unwrap();
    assert!(sdp.contains("127.0.0.1") && !sdp.contains("198.51.100.7"), "{sdp}");
    rig.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bug_ends_one_peer_and_no_other() {
    let (mut one, mut other) = (Rig::new(options()), Rig::new(options()));
    let (mut third, mut fourth) = (Rig::new(options()), Rig::new(options()));
    connect(&mut one, &mut other, &[VIDEO]).await;
    connect(&mut third, &mut fourth, &[VIDEO]).await;
    // They share a worker, and the answerers a socket.
    other.transport.fail_for_a_test();
    other.until("the end", |rig| rig.state == PeerState::Failed).await;
    assert_eq!(other.transport.offer(offer(&[VIDEO])).await.unwrap_err().code, "peer-over");
    let so_far = fourth.received(0).len();
    fourth.until("more video", |rig| rig.received(0).len() > so_far + 20).await;
    assert_eq!(fourth.state, PeerState::Connected);
    for rig in [one, other, third, fourth] {
        rig.close().await;
    }
}
