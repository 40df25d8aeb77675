//! A stream whose size or codec changes in the middle.

use gst::prelude::*;

use crate::rig::{Consumer, Rig};

/// Buffers of a whole little pipeline, with their caps.
fn record(source: &str) -> Vec<gst::Sample> {
    crate::rig::init();
    let pipeline = gst::parse::launch(&format!("{source} ! fakesink name=sink sync=false")).unwrap();
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    let samples = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = samples.clone();
    let pad = pipeline.by_name("sink").unwrap().static_pad("sink").unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let sample =
            gst::Sample::builder().buffer(info.buffer().unwrap()).caps(&pad.current_caps().unwrap()).build();
        seen.lock().unwrap().push(sample);
        gst::PadProbeReturn::Ok
    });
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = bus.timed_pop_filtered(gst::ClockTime::from_seconds(60), &kinds).unwrap();
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    pipeline.set_state(gst::State::Null).unwrap();
    std::mem::take(&mut *samples.lock().unwrap())
}

/// Plays the parts one after the other into a hub with these consumers.
fn play(parts: &[Vec<gst::Sample>], accepts: &[&str]) -> (Rig, Vec<Consumer>) {
    let rig = Rig::new("appsrc name=src format=time max-bytes=0");
    let consumers: Vec<_> =
        accepts.iter().map(|accept| rig.consumer(&format!("for {accept}"), accept)).collect();
    let source = rig.pipeline.by_name("src").unwrap();
    for (number, sample) in parts.iter().flatten().enumerate() {
        let mut buffer = sample.buffer_owned().unwrap();
        {
            let buffer = buffer.make_mut();
            let frame = gst::ClockTime::from_nseconds(number as u64 * 1_000_000_000 / 30);
            buffer.set_pts(frame);
            buffer.set_dts(frame);
        }
        let sample = gst::Sample::builder().buffer(&buffer).caps(&sample.caps_owned().unwrap()).build();
        let flow = source.emit_by_name::<gst::FlowReturn>("push-sample", &[&sample]);
        assert_eq!(flow, gst::FlowReturn::Ok);
    }
    let flow = source.emit_by_name::<gst::FlowReturn>("end-of-stream", &[]);
    assert_eq!(flow, gst::FlowReturn::Ok);
    rig.run_to_end();
    (rig, consumers)
}

fn sizes(consumer: &Consumer) -> Vec<i32> {
    consumer.got(|got| {
        let mut sizes: Vec<i32> =
            got.caps.iter().filter_map(|caps| caps.structure(0).unwrap().get("width").ok()).collect();
        sizes.dedup();
        sizes
    })
}

fn test_source(frames: u32, width: u32, height: u32) -> String {
    format!(
        "videotestsrc num-buffers={frames} ! video/x-raw,format=I420,width={width},height={height},framerate=30/1"
    )
}

#[test]
fn a_change_of_size_reaches_everybody_and_loses_nothing() {
    let parts = [
        record(&format!(
            "{} ! x264enc tune=zerolatency ! h264parse ! video/x-h264,stream-format=byte-stream,alignment=au",
            test_source(20, 320, 240)
        )),
        record(&format!(
            "{} ! x264enc tune=zerolatency ! h264parse ! video/x-h264,stream-format=byte-stream,alignment=au",
            test_source(20, 640, 360)
        )),
    ];
    let (rig, consumers) = play(&parts, &["video/x-h264", "video/x-raw", "video/x-vp8", "video/x-vp9"]);
    for consumer in &consumers {
        assert_eq!(consumer.count(), 40, "{}", consumer.pad.name());
        assert_eq!(sizes(consumer), [320, 640], "{}", consumer.pad.name());
    }
    assert_eq!(rig.messages("transcoding-started").len(), 3);
}

#[test]
fn a_change_of_size_before_each_encoder() {
    let parts = [record(&test_source(10, 320, 240)), record(&test_source(10, 640, 360))];
    for accept in ["video/x-vp8", "video/x-vp9", "video/x-h264", "video/x-av1"] {
        let (_rig, consumers) = play(&parts, &[accept]);
        assert_eq!(consumers[0].count(), 20, "{accept}");
        assert_eq!(sizes(&consumers[0]), [320, 640], "{accept}");
    }
}

#[test]
fn a_change_of_codec_builds_the_decoder_anew_and_loses_nothing() {
    let parts = [
        record(&format!("{} ! vp8enc deadline=1", test_source(20, 320, 240))),
        record(&format!(
            "{} ! x264enc tune=zerolatency ! h264parse ! video/x-h264,stream-format=avc,alignment=au",
            test_source(20, 320, 240)
        )),
    ];
    let (rig, consumers) = play(&parts, &["", "video/x-raw", "video/x-vp8", "video/x-h264", "video/x-vp9"]);
    for consumer in &consumers {
        assert_eq!(consumer.count(), 40, "{}", consumer.pad.property::<String>("consumer"));
    }
    assert_eq!(consumers[0].caps_names(), ["video/x-vp8", "video/x-h264"]);
    assert!(consumers[2].caps_names().iter().all(|name| name == "video/x-vp8"));
    assert!(consumers[3].caps_names().iter().all(|name| name == "video/x-h264"));
    let stopped = rig.messages("transcoding-stopped");
    assert_eq!(stopped[0]["to"], "H.264");
    assert_eq!(stopped[0]["reason"], "the source changed from VP8 to H.264");
}

#[test]
fn a_pipeline_that_was_stopped_plays_again() {
    let rig = Rig::new(&format!("{} ! x264enc tune=zerolatency ! h264parse", test_source(20, 160, 120)));
    let consumers = [rig.consumer("pass", "video/x-h264"), rig.consumer("vp8", "video/x-vp8")];
    for round in 1..=3 {
        rig.run_to_end();
        for consumer in &consumers {
            assert_eq!(consumer.count(), 20 * round);
        }
        rig.pipeline.set_state(gst::State::Null).unwrap();
        assert_eq!(rig.inside(), ["source"]);
        assert_eq!(rig.stat("consumers"), 2);
    }
    assert_eq!(rig.messages("transcoding-started").len(), 3);
}

#[test]
fn a_seek_passes_through_decoder_and_encoder() {
    let rig = Rig::new(&format!("{} ! x264enc tune=zerolatency ! h264parse", test_source(90, 160, 120)));
    let consumers = [
        rig.consumer("pass", "video/x-h264"),
        rig.consumer("vp8", "video/x-vp8"),
        rig.consumer("raw", "video/x-raw"),
    ];
    rig.play();
    for consumer in &consumers {
        consumer.wait(|got| got.buffers.len() >= 3);
    }
    // Through one consumer only, as a player would do it.
    let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::KEY_UNIT;
    let sink = consumers[0].elements[1].clone();
    assert!(sink.seek_simple(flags, gst::ClockTime::from_seconds(1)).is_ok());
    rig.wait(|message| message.type_() == gst::MessageType::Eos);
    for consumer in &consumers {
        assert!(consumer.got(|got| got.eos));
        let last = consumer.got(|got| got.buffers.last().unwrap().pts().unwrap());
        let first = consumer.got(|got| got.buffers[0].pts().unwrap());
        assert!(last - first > gst::ClockTime::from_mseconds(1800), "{first} to {last}");
    }
}
