//! Encoders at work: bit rates, key frames, real time.

use std::sync::mpsc;

use gst::prelude::*;

use crate::rig::{LIMIT, Rig};

const RAW: &str = "videotestsrc ! video/x-raw,width=160,height=120,framerate=30/1";

fn encoder(rig: &Rig) -> gst::Element {
    rig.hub.downcast_ref::<gst::Bin>().unwrap().by_name("encoder").unwrap()
}

#[test]
fn the_bit_rate_follows_the_consumers() {
    let rig = Rig::new(RAW);
    let high = rig.consumer_with("high", "video/x-vp8", |pad| pad.set_property("bitrate", 900u32));
    rig.play();
    high.wait(|got| got.buffers.len() > 3);
    let encoder = encoder(&rig);
    assert_eq!(encoder.property::<i32>("target-bitrate"), 900_000);
    let (tell, changed) = mpsc::channel();
    encoder.connect_notify(Some("target-bitrate"), move |encoder, _| {
        let _ = tell.send(encoder.property::<i32>("target-bitrate"));
    });
    let next = || changed.recv_timeout(LIMIT).unwrap();

    let low = rig.consumer_with("low", "video/x-vp8", |pad| pad.set_property("bitrate", 300u32));
    assert_eq!(next(), 300_000);
    low.pad.set_property("bitrate", 400u32);
    assert_eq!(next(), 400_000);
    rig.hub.set_property_from_str("bitrate-policy", "fixed");
    assert_eq!(next(), 900_000);
    rig.hub.set_property_from_str("bitrate-policy", "median");
    assert_eq!(next(), 400_000);
    rig.disconnect(&low);
    assert_eq!(next(), 900_000);
    let before = high.count();
    high.wait(|got| got.buffers.len() > before + 5);
    assert_eq!(rig.messages("transcoding-stopped").len(), 0);
}

fn ask_for_key_frame(consumer: &crate::rig::Consumer) {
    let sink = consumer.elements[0].static_pad("sink").unwrap();
    assert!(sink.push_event(gst_video::UpstreamForceKeyUnitEvent::builder().build()));
}

/// Tells of every request for a key frame that leaves the hub upwards.
fn requests(rig: &Rig) -> mpsc::Receiver<()> {
    let (tell, requests) = mpsc::channel();
    let sink = rig.hub.static_pad("sink").unwrap();
    sink.add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_, info| {
        if info.event().is_some_and(|event| gst_video::ForceKeyUnitEvent::is(event)) {
            let _ = tell.send(());
        }
        gst::PadProbeReturn::Ok
    });
    requests
}

#[test]
fn many_requests_for_a_key_frame_become_one_now_and_one_later() {
    let rig = Rig::new(&format!("{RAW} ! vp8enc deadline=1 keyframe-max-dist=100000"));
    let requests = requests(&rig);
    let consumers: Vec<_> = (0..5).map(|n| rig.consumer(&format!("c{n}"), "video/x-vp8")).collect();
    rig.play();
    for consumer in &consumers {
        consumer.wait(|got| !got.buffers.is_empty());
    }
    assert!(requests.try_recv().is_err(), "a stream that begins has a key frame anyway");
    for consumer in &consumers {
        ask_for_key_frame(consumer);
    }
    requests.recv_timeout(LIMIT).unwrap();
    requests.recv_timeout(LIMIT).unwrap();
    assert_eq!(rig.stat("key-unit-requests"), 2);
    // A new consumer asks as well, or it would wait for ever.
    let late = rig.consumer("late", "video/x-vp8");
    late.wait(|got| !got.buffers.is_empty());
    late.got(|got| assert!(!got.buffers[0].flags().contains(gst::BufferFlags::DELTA_UNIT)));
}

#[test]
fn a_request_for_a_key_frame_goes_to_the_encoder_that_serves() {
    let rig = Rig::new(RAW);
    let requests = requests(&rig);
    let consumer = rig.consumer("viewer", "video/x-h264");
    rig.play();
    let keys = |got: &crate::rig::Got| {
        got.buffers.iter().filter(|buffer| !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT)).count()
    };
    let mut before = 0;
    consumer.wait(|got| {
        got.buffers.len() == 5 && {
            before = keys(got);
            true
        } || got.buffers.len() > 5
    });
    ask_for_key_frame(&consumer);
    consumer.wait(|got| keys(got) > before);
    assert!(requests.try_recv().is_err(), "the source is not asked");
}

#[test]
fn in_real_time_a_slow_encoder_loses_its_own_frames_and_says_so() {
    let rig = Rig::new(&format!("{RAW} ! identity"));
    rig.hub.set_property("live", true);
    let raw = rig.consumer("raw", "video/x-raw");
    let slow = rig.consumer("slow", "video/x-vp8");
    rig.play();
    slow.wait(|got| !got.buffers.is_empty());
    let sink = encoder(&rig).static_pad("sink").unwrap();
    let block = gst::PadProbeType::BLOCK | gst::PadProbeType::BUFFER;
    let probe = sink.add_probe(block, |_, _| gst::PadProbeReturn::Ok).unwrap();
    let before = raw.count();
    raw.wait(|got| got.buffers.len() > before + 50);
    sink.remove_probe(probe);
    rig.wait_for_message("frames-dropped");
    let told = rig.messages("frames-dropped");
    assert!(told[0]["count"].as_u64().unwrap() >= 1);
    assert_eq!(told[0]["reason"], "the VP8 encoder is too slow for real time");
    assert!(rig.stat("frames-dropped") >= 1);
}
