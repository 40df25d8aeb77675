//! Tracks that do not come, come late, end early or change in the middle.

use gst::prelude::*;

use super::bench::{assert_in_order, counters, finish, finish_with, pipeline, probe, run};
use super::files::{AAC, H264, OPUS, VP8};

#[test]
fn nothing_at_all_leaves_no_file_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.webm");
    let outcome = run(&format!(
        "abtestsource name=t video=false audio=false t.src_video ! r.sink_video t.src_audio ! r.sink_audio \
         abrecorder name=r location={}",
        file.display()
    ))
    .well();
    let empty = outcome.all("recording-empty");
    assert_eq!(empty.len(), 1);
    assert!(empty[0]["reason"].as_str().unwrap().contains("no media came"));
    assert!(!file.exists());
}

/// A pipeline whose audio comes from an appsrc, and that appsrc.
fn with_silent_audio(
    location: &std::path::Path,
    audio: &str,
    options: &str,
) -> (gst::Pipeline, gst_app::AppSrc) {
    let pipeline = pipeline(&format!(
        "abtestsource name=t width=320 height=240 frames=150 pace=fastest audio=false \
         t.src_video ! {VP8} ! r.sink_video \
         appsrc name=a format=time caps=audio/x-raw,format=S16LE,layout=interleaved,rate=48000,channels=1 \
         ! {audio} ! r.sink_audio abrecorder name=r location={} {options}",
        location.display()
    ));
    let audio = pipeline.by_name("a").unwrap().downcast::<gst_app::AppSrc>().unwrap();
    (pipeline, audio)
}

#[test]
fn a_silent_track_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.webm");
    let (pipeline, audio) = with_silent_audio(&file, OPUS, "track-timeout-ms=100");
    let outcome = finish_with(&pipeline, |name, data| {
        if name == "track-missing" {
            assert_eq!(data["medium"], "audio");
            audio.end_of_stream().unwrap();
        }
    })
    .well();
    assert_eq!(outcome.all("track-missing").len(), 1);
    assert_eq!(probe(&file).0, [("vp8".to_owned(), 150)]);
    assert_in_order(&counters(&file), 150);
}

#[test]
fn a_track_that_falls_silent_in_the_middle_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.mkv");
    // An encoder that keeps nothing back until the end.
    // A second: pictures of a busy machine may be late themselves, but not so late.
    let (pipeline, audio) = with_silent_audio(&file, "audioconvert ! mulawenc", "silence-timeout-ms=1000");
    audio.push_buffer(second_of_sound(0)).unwrap();
    let outcome = finish_with(&pipeline, |name, _| {
        if name == "track-missing" {
            audio.end_of_stream().unwrap();
        }
    })
    .well();
    assert_eq!(outcome.all("track-missing").len(), 1);
    assert_eq!(outcome.all("recording-finished").len(), 1);
    let (streams, seconds) = probe(&file);
    assert_eq!(streams[0], ("vp8".to_owned(), 150));
    assert_eq!(streams[1].0, "pcm_mulaw");
    assert!((seconds - 5.0).abs() < 0.1);
}

fn second_of_sound(second: u64) -> gst::Buffer {
    let mut buffer = gst::Buffer::from_slice(vec![0u8; 96_000]);
    buffer.get_mut().unwrap().set_pts(gst::ClockTime::from_seconds(second));
    buffer.get_mut().unwrap().set_duration(gst::ClockTime::SECOND);
    buffer
}

#[test]
fn a_track_that_comes_late_begins_a_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.webm");
    let pipeline = pipeline(&format!(
        "appsrc name=v format=time block=true max-buffers=4 caps=video/x-raw,format=GRAY8,width=64,height=64,framerate=10/1 \
         ! videoconvert ! {VP8} ! r.sink_video \
         appsrc name=a format=time caps=audio/x-raw,format=S16LE,layout=interleaved,rate=48000,channels=1 \
         ! {OPUS} ! r.sink_audio abrecorder name=r location={} track-timeout-ms=50",
        file.display()
    ));
    let source = |name: &str| pipeline.by_name(name).unwrap().downcast::<gst_app::AppSrc>().unwrap();
    let (video, audio) = (source("v"), source("a"));
    let frame = |number: u64| {
        let mut buffer = gst::Buffer::from_slice(vec![number as u8; 64 * 64]);
        let buffer_ref = buffer.get_mut().unwrap();
        buffer_ref.set_pts(gst::ClockTime::from_mseconds(number * 100));
        buffer_ref.set_duration(gst::ClockTime::from_mseconds(100));
        buffer
    };
    let first = video.clone();
    let feeder =
        std::thread::spawn(move || (0..20).for_each(|n| assert!(first.push_buffer(frame(n)).is_ok())));
    let mut feeder = Some(feeder);
    let outcome = finish_with(&pipeline, |name, _| {
        let Some(first) = (name == "track-missing").then(|| feeder.take()).flatten() else { return };
        for second in 0..6 {
            audio.push_buffer(second_of_sound(second)).unwrap();
        }
        let (video, audio) = (video.clone(), audio.clone());
        std::thread::spawn(move || {
            first.join().unwrap();
            (20..60).for_each(|n| assert!(video.push_buffer(frame(n)).is_ok()));
            video.end_of_stream().unwrap();
            audio.end_of_stream().unwrap();
        });
    })
    .well();
    assert_eq!(outcome.all("recording-part").len(), 1);
    let second = folder.path().join("a-2.webm");
    assert_eq!(probe(&file).0.len(), 1);
    let (streams, _) = probe(&second);
    assert_eq!(streams.iter().map(|(codec, _)| codec.as_str()).collect::<Vec<_>>(), ["vp8", "opus"]);
}

fn two_sizes(file: &std::path::Path, encoder: &str, audio: &str) -> super::bench::Outcome {
    run(&format!(
        "concat name=c ! {encoder} ! queue ! r.sink_video abrecorder name=r location={} \
         abtestsource name=x width=320 height=240 frames=60 pace=fastest audio=false \
         abtestsource name=y width=640 height=480 frames=60 pace=fastest audio=false \
         x.src_video ! c. y.src_video ! c. \
         abtestsource name=s video=false duration=4 pace=fastest s.src_audio ! {audio} ! queue ! r.sink_audio",
        file.display()
    ))
    .well()
}

#[test]
fn a_new_picture_size_begins_a_new_mp4() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.mp4");
    let outcome = two_sizes(&file, H264, AAC);
    assert_eq!(outcome.all("recording-part").len(), 1);
    assert_eq!(outcome.all("recording-finished").len(), 2);
    for name in ["a.mp4", "a-2.mp4"] {
        let file = folder.path().join(name);
        let (streams, seconds) = probe(&file);
        assert_eq!(streams[0], ("h264".to_owned(), 60), "{name}");
        assert_eq!(streams[1].0, "aac", "{name}");
        assert!((seconds - 2.0).abs() < 0.2, "{name}: {seconds}");
        assert_in_order(&counters(&file), 60);
    }
}

#[test]
fn a_new_picture_size_stays_in_a_webm() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.webm");
    let outcome = two_sizes(&file, VP8, OPUS);
    assert!(outcome.all("recording-part").is_empty());
    assert_eq!(probe(&file).0[0], ("vp8".to_owned(), 120));
    let expected: Vec<Option<u64>> = (0..60).chain(0..60).map(Some).collect();
    assert_eq!(counters(&file), expected);
}

#[test]
fn a_late_start_in_running_time_is_time_zero_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.webm");
    let pipeline = pipeline(&format!(
        "abtestsource name=t width=320 height=240 frames=60 pace=fastest \
         t.src_video ! {VP8} ! r.sink_video t.src_audio ! {OPUS} ! r.sink_audio \
         abrecorder name=r location={}",
        file.display()
    ));
    let source = pipeline.by_name("t").unwrap();
    for pad in source.src_pads() {
        pad.set_offset(gst::ClockTime::from_seconds(100).nseconds() as i64);
    }
    let outcome = finish(&pipeline).well();
    let seconds = outcome.all("recording-finished")[0]["seconds"].as_f64().unwrap();
    assert!((seconds - 2.0).abs() < 0.1, "{seconds}");
    assert!((probe(&file).1 - 2.0).abs() < 0.1);
}

#[test]
fn a_recorder_can_be_used_twice() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.webm");
    let pipeline = pipeline(&format!(
        "abtestsource name=t width=320 height=240 frames=30 pace=fastest audio=false \
         t.src_video ! {VP8} ! r.sink_video abrecorder name=r location={}",
        file.display()
    ));
    for _ in 0..2 {
        finish(&pipeline).well();
        assert_in_order(&counters(&file), 30);
    }
}
