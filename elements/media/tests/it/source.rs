//! The test source: its length, its pace, its sound.

use gst::prelude::*;

use super::bench::{assert_in_order, counters_of, finish, pipeline, run};

#[test]
fn frames_and_duration_end_it() {
    for (options, video, seconds) in [
        ("frames=30 fps=10", 30, 3.0),
        ("duration=2 fps=25", 50, 2.0),
        ("frames=30 duration=0.5 fps=30", 15, 0.5),
        ("frames=30 fps=29.97", 30, 1.001),
        ("frames=5 fps=0.5", 5, 10.0),
    ] {
        let pipeline = pipeline(&format!(
            "abtestsource name=t pace=fastest {options} abnullsink name=n \
             t.src_video ! n.sink_video t.src_audio ! n.sink_audio"
        ));
        let sink = pipeline.by_name("n").unwrap();
        finish(&pipeline).well();
        let stats = sink.property::<gst::Structure>("stats");
        assert_eq!(stats.get::<u64>("video-buffers"), Ok(video), "{options}");
        let sound = stats.get::<u64>("audio-bytes").unwrap() as f64 / 96_000.0;
        assert!((sound - seconds).abs() < 0.001, "{options}: {sound} s of sound");
    }
}

#[test]
fn the_counter_survives_low_bit_rates_and_half_size() {
    for (codec, rate) in [
        ("vp8enc deadline=1 cpu-used=16 target-bitrate=150000 end-usage=cbr ! vp8dec", "VP8"),
        ("x264enc bitrate=150 tune=zerolatency speed-preset=ultrafast ! avdec_h264", "H.264"),
    ] {
        let found = counters_of(&format!(
            "abtestsource name=t width=640 height=480 frames=60 pace=fastest audio=false t.src_video \
             ! videoscale ! video/x-raw,width=320,height=240 ! {codec}"
        ));
        let counters: Vec<_> = found.into_iter().map(|(_, counter)| counter).collect();
        assert_eq!(counters.len(), 60, "{rate}");
        assert_in_order(&counters, 60);
    }
}

#[test]
fn every_size_from_one_pixel_on() {
    for (width, height) in [(1, 1), (1, 9), (7, 3), (63, 15), (641, 479)] {
        run(&format!(
            "abtestsource name=t width={width} height={height} frames=5 pace=fastest audio=false \
             t.src_video ! videoconvert ! video/x-raw,format=RGBA ! fakesink"
        ))
        .well();
    }
}

#[test]
fn a_port_without_a_link_is_no_error() {
    run("abtestsource name=t frames=5 pace=fastest t.src_video ! abnullsink").well();
    run("abtestsource name=t frames=5 pace=fastest abnullsink name=n t.src_audio ! n.sink_audio").well();
}

#[test]
fn the_clock_sets_the_pace_unless_told_otherwise() {
    let begin = std::time::Instant::now();
    run("abtestsource name=t frames=91 t.src_video ! abnullsink").well();
    let taken = begin.elapsed().as_secs_f64();
    // A busy machine takes its time to begin.
    assert!((2.95..5.9).contains(&taken), "{taken} s for three seconds of frames");
}
