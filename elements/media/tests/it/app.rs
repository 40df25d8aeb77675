//! Media handed in and taken out by a program.

use gst::prelude::*;

use super::bench::{finish, pipeline, run};

#[test]
fn what_goes_in_comes_out() {
    let pipeline = pipeline(
        "abappsource name=in caps=video/x-raw,format=GRAY8,width=4,height=4,framerate=10/1 ! abappsink name=out \
         in.src_audio ! out.sink_audio",
    );
    let inner = |element: &str, child: &str| {
        pipeline.by_name(element).unwrap().downcast::<gst::Bin>().unwrap().by_name(child).unwrap()
    };
    let source = inner("in", "appsrc").downcast::<gst_app::AppSrc>().unwrap();
    let sink = inner("out", "appsink").downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    for number in 0..10u8 {
        let mut buffer = gst::Buffer::from_slice(vec![number; 16]);
        buffer.get_mut().unwrap().set_pts(gst::ClockTime::from_mseconds(100 * u64::from(number)));
        source.push_buffer(buffer).unwrap();
    }
    source.end_of_stream().unwrap();
    for number in 0..10u8 {
        let sample = sink.pull_sample().unwrap();
        assert_eq!(sample.buffer().unwrap().map_readable().unwrap().as_slice(), [number; 16]);
    }
    assert!(sink.pull_sample().is_err());
    finish(&pipeline).well();
}

#[test]
fn raw_caps_are_converted_to() {
    let pipeline = pipeline(
        "abtestsource name=t width=64 height=32 frames=3 pace=fastest audio=false \
         t.src_video ! abappsink name=out accept=video/x-raw,format=RGBA,width=32,height=16",
    );
    let out = pipeline.by_name("out").unwrap().downcast::<gst::Bin>().unwrap();
    let sink = out.by_name("appsink").unwrap().downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    for _ in 0..3 {
        assert_eq!(sink.pull_sample().unwrap().buffer().unwrap().size(), 32 * 16 * 4);
    }
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn sound_and_caps_that_are_nonsense() {
    run("abappsource name=in caps=nonsense,,, in.src_video ! abnullsink").failed(&["nonsense", "caps"]);
}

#[test]
fn a_slow_program_loses_the_oldest_frames_if_it_says_so() {
    let pipeline = pipeline(
        "abtestsource name=t width=64 height=32 frames=30 pace=fastest audio=false \
         t.src_video ! abappsink name=out drop=true max-buffers=2",
    );
    let out = pipeline.by_name("out").unwrap().downcast::<gst::Bin>().unwrap();
    let sink = out.by_name("appsink").unwrap().downcast::<gst_app::AppSink>().unwrap();
    let ended = sink.static_pad("sink").unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    ended.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        if matches!(info.event().map(|e| e.type_()), Some(gst::EventType::Eos)) {
            tell.send(()).unwrap();
        }
        gst::PadProbeReturn::Ok
    });
    pipeline.set_state(gst::State::Playing).unwrap();
    told.recv().unwrap();
    let offsets: Vec<u64> =
        std::iter::from_fn(|| sink.pull_sample().ok()).map(|s| s.buffer().unwrap().offset()).collect();
    assert_eq!(offsets, [28, 29]);
    pipeline.set_state(gst::State::Null).unwrap();
}
