//! Test media through an element.
#![allow(clippy::unwrap_used)]

use gst::prelude::*;

/// How long a test pipeline may take.
const LIMIT: gst::ClockTime = gst::ClockTime::from_seconds(60);

/// Sends test pictures of one format and size through an element and returns what comes out.
///
/// # Panics
///
/// If the pipeline fails: this is for tests.
pub fn run_filter(
    element: &gst::Element,
    format: &str,
    width: i32,
    height: i32,
    frames: usize,
) -> Vec<gst::Sample> {
    run_video(element, format, width, height, frames, |_| ())
}

/// As [`run_filter`]; `between` is called after each frame with the number of frames that came out.
pub(super) fn run_video(
    element: &gst::Element,
    format: &str,
    width: i32,
    height: i32,
    frames: usize,
    between: impl FnMut(usize) + Send + 'static,
) -> Vec<gst::Sample> {
    let caps = gst::Caps::builder("video/x-raw")
        .field("format", format)
        .field("width", width)
        .field("height", height)
        .field("framerate", gst::Fraction::new(30, 1))
        .build();
    let source = gst::ElementFactory::make("videotestsrc")
        .property("num-buffers", i32::try_from(frames).unwrap())
        .property_from_str("pattern", "smpte");
    run(source, &caps, element, between)
}

/// Sends a tone through an element, in pieces of `moments` samples of each channel, and returns what comes out.
///
/// # Panics
///
/// If the pipeline fails: this is for tests.
pub fn run_audio_filter(
    element: &gst::Element,
    rate: i32,
    channels: i32,
    moments: i32,
    pieces: usize,
) -> Vec<gst::Sample> {
    run_audio(element, rate, channels, moments, pieces, |_| ())
}

pub(super) fn run_audio(
    element: &gst::Element,
    rate: i32,
    channels: i32,
    moments: i32,
    pieces: usize,
    between: impl FnMut(usize) + Send + 'static,
) -> Vec<gst::Sample> {
    let mut caps = gst::Caps::builder("audio/x-raw")
        .field("format", "F32LE")
        .field("layout", "interleaved")
        .field("rate", rate)
        .field("channels", channels);
    if channels > 2 {
        // Channels without places.
        caps = caps.field("channel-mask", gst::Bitmask::new(0));
    }
    let source = gst::ElementFactory::make("audiotestsrc")
        .property("num-buffers", i32::try_from(pieces).unwrap())
        .property("samplesperbuffer", moments);
    run(source, &caps.build(), element, between)
}

fn run(
    source: gst::element_factory::ElementBuilder<'_>,
    caps: &gst::Caps,
    element: &gst::Element,
    mut between: impl FnMut(usize) + Send + 'static,
) -> Vec<gst::Sample> {
    let make = gst::ElementFactory::make;
    let source = source.build().unwrap();
    let filter = make("capsfilter").property("caps", caps).build().unwrap();
    let sink = make("fakesink").property("signal-handoffs", true).property("sync", false).build().unwrap();
    let pipeline = gst::Pipeline::new();
    pipeline.add_many([&source, &filter, element, &sink]).unwrap();
    gst::Element::link_many([&source, &filter, element, &sink]).unwrap();
    let (sender, samples) = std::sync::mpsc::channel();
    let between = std::sync::Mutex::new((0usize, move |n| between(n)));
    sink.connect("handoff", false, move |args| {
        let buffer = args[1].get::<gst::Buffer>().unwrap();
        let caps = args[2].get::<gst::Pad>().unwrap().current_caps();
        let sample = gst::Sample::builder().buffer(&buffer);
        sender.send(caps.iter().fold(sample, |s, caps| s.caps(caps)).build()).unwrap();
        let mut between = between.lock().unwrap();
        between.0 += 1;
        let count = between.0;
        (between.1)(count);
        None
    });
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    let end = bus.timed_pop_filtered(LIMIT, &[gst::MessageType::Eos, gst::MessageType::Error]);
    let problem = match end.as_ref().map(|m| m.view()) {
        Some(gst::MessageView::Eos(_)) => None,
        Some(gst::MessageView::Error(e)) => Some(e.error().to_string()),
        _ => Some("it did not end in time".to_owned()),
    };
    pipeline.set_state(gst::State::Null).unwrap();
    pipeline.remove(element).unwrap();
    assert_eq!(problem, None, "{} on {caps}", element.name());
    drop(pipeline);
    samples.try_iter().collect()
}
