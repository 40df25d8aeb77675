//! Consumers that come and go while media flow.

use gst::prelude::*;

use crate::rig::{LIMIT, Rig};

/// Each buffer's PTS in order, without gaps, in frames of 1/30 s.
fn assert_every_frame(pts: &[u64], count: u64) {
    let first = pts.first().copied().unwrap_or_default();
    let frames: Vec<u64> = pts.iter().map(|ns| ((ns - first) * 30 + 500_000_000) / 1_000_000_000).collect();
    let expected: Vec<u64> = (0..count).collect();
    assert_eq!(frames, expected);
}

fn pts(consumer: &crate::rig::Consumer) -> Vec<u64> {
    consumer.got(|got| got.buffers.iter().map(|buffer| buffer.pts().unwrap().nseconds()).collect())
}

fn hundred_times(source: &str, accept: &str, stay: &str) {
    let rig = Rig::new(source);
    let staying = rig.consumer("staying", stay);
    rig.play();
    for round in 0..100 {
        let guest = rig.consumer("guest", accept);
        guest.wait(|got| got.buffers.len() >= 2);
        guest.got(|got| {
            let first = &got.buffers[0];
            assert!(
                !first.flags().contains(gst::BufferFlags::DELTA_UNIT),
                "round {round} begins with a key frame"
            );
        });
        rig.disconnect(&guest);
    }
    // The source is told to end; everything that it made must have arrived.
    let source = rig.pipeline.by_name("src").unwrap();
    source.send_event(gst::event::Eos::new());
    rig.wait(|message| message.type_() == gst::MessageType::Eos);
    let pts = pts(&staying);
    assert_every_frame(&pts, pts.len() as u64);
    assert_eq!(rig.stat("consumers"), 1);
}

#[test]
fn a_hundred_guests_of_a_passing_stream_cost_the_other_no_frame() {
    hundred_times(
        "videotestsrc name=src ! video/x-raw,width=160,height=120,framerate=30/1 ! vp8enc deadline=1 keyframe-max-dist=5",
        "video/x-vp8",
        "video/x-vp8",
    );
}

#[test]
fn a_hundred_guests_with_an_encoder_of_their_own_cost_the_other_no_frame() {
    hundred_times(
        "videotestsrc name=src ! video/x-raw,width=160,height=120,framerate=30/1 \
         ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=5 ! h264parse",
        "video/x-vp8",
        "video/x-h264",
    );
}

#[test]
fn a_hundred_guests_at_an_encoder_that_runs_cost_the_other_no_frame() {
    hundred_times(
        "videotestsrc name=src ! video/x-raw,width=160,height=120,framerate=30/1",
        "video/x-vp8",
        "video/x-vp8",
    );
}

#[test]
fn decoder_and_encoder_are_gone_after_the_last_consumer_left() {
    let rig = Rig::new(
        "videotestsrc ! video/x-raw,width=160,height=120,framerate=30/1 ! x264enc tune=zerolatency key-int-max=10 ! h264parse",
    );
    let staying = rig.consumer("staying", "video/x-h264");
    let (one, two) = (rig.consumer("one", "video/x-vp8"), rig.consumer("two", "video/x-vp8"));
    rig.play();
    one.wait(|got| !got.buffers.is_empty());
    two.wait(|got| !got.buffers.is_empty());
    assert_eq!(rig.inside(), ["decoder-h264", "encoder-vp8", "raw", "source", "vp8"]);
    rig.disconnect(&one);
    rig.disconnect(&two);
    rig.wait_for_message("transcoding-stopped");
    let before = staying.count();
    staying.wait(|got| got.buffers.len() > before + 5);
    let stopped = rig.messages("transcoding-stopped");
    assert_eq!(stopped.len(), 1);
    assert_eq!(stopped[0]["consumer"], "two");
    assert_eq!(stopped[0]["reason"], "the last consumer left");
    // The message comes first; the elements go right after it.
    let third = rig.consumer("third", "video/x-h264");
    third.wait(|got| !got.buffers.is_empty());
    assert_eq!(rig.inside(), ["source"]);
    assert_eq!(rig.stat("encoders"), 0);
}

#[test]
fn a_consumer_that_blocks_can_be_released_and_the_other_goes_on() {
    let rig = Rig::new("videotestsrc ! video/x-raw,width=160,height=120,framerate=30/1");
    let staying = rig.consumer("staying", "");
    let stuck = rig.consumer("stuck", "");
    // A queue that nobody empties.
    stuck.elements[0].set_property("max-size-buffers", 2u32);
    let block = stuck.elements[1].static_pad("sink").unwrap();
    block.add_probe(gst::PadProbeType::BLOCK_DOWNSTREAM, |_, _| gst::PadProbeReturn::Ok);
    let (tell, is_full) = std::sync::mpsc::channel();
    stuck.elements[0].connect("overrun", false, move |_| {
        let _ = tell.send(());
        None
    });
    rig.play();
    is_full.recv_timeout(LIMIT).unwrap();
    let peer = stuck.pad.peer().unwrap();
    stuck.pad.unlink(&peer).unwrap();
    rig.hub.release_request_pad(&stuck.pad);
    let before = staying.count();
    staying.wait(|got| got.buffers.len() > before + 20);
}
