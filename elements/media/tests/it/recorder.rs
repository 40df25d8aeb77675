//! Every container with video and audio, video only, audio only; payloads untouched; odd sizes.

use super::bench::{assert_in_order, counters, packets, probe, run};
use super::files::{AAC, H264, OPUS, VP8, make, mp4};

fn record(name: &str, video: Option<(&str, &str)>, audio: Option<(&str, &str)>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    let branch = |medium: &str, encoder: Option<(&str, &str)>| {
        let encoder = encoder.map_or(String::new(), |(e, _)| format!("! queue ! {e}"));
        format!("t.src_{medium} {encoder} ! r.sink_{medium} ")
    };
    let outcome = run(&format!(
        "abtestsource name=t width=320 height=240 frames=90 pace=fastest video={} audio={} \
         abrecorder name=r location={} {}{}",
        video.is_some(),
        audio.is_some(),
        file.display(),
        branch("video", video),
        branch("audio", audio),
    ))
    .well();
    let finished = outcome.all("recording-finished");
    assert_eq!(finished.len(), 1);
    assert!((finished[0]["seconds"].as_f64().unwrap() - 3.0).abs() < 0.1);
    assert_eq!(finished[0]["bytes"], std::fs::metadata(&file).unwrap().len());
    let (streams, seconds) = probe(&file);
    assert!((seconds - 3.0).abs() < 0.1, "{seconds} s in the header");
    let codecs: Vec<&str> = streams.iter().map(|(codec, _)| codec.as_str()).collect();
    let wanted: Vec<&str> = [video, audio].into_iter().flatten().map(|(_, codec)| codec).collect();
    assert_eq!(codecs, wanted);
    if video.is_some() {
        assert_eq!(streams[0].1, 90);
        assert_in_order(&counters(&file), 90);
    }
}

macro_rules! matrix {
    ($($name:ident: $file:literal, $video:expr, $audio:expr;)*) => {
        $(#[test] fn $name() { record($file, $video, $audio); })*
    };
}

matrix! {
    webm_both: "a.webm", Some((VP8, "vp8")), Some((OPUS, "opus"));
    webm_video: "a.webm", Some((VP8, "vp8")), None;
    webm_audio: "a.webm", None, Some((OPUS, "opus"));
    webm_vp9: "a.webm", Some(("vp9enc deadline=1 cpu-used=8", "vp9")), None;
    mkv_both: "a.mkv", Some((H264, "h264")), Some((AAC, "aac"));
    mkv_video: "a.mkv", Some((H264, "h264")), None;
    mkv_audio: "a.mkv", None, Some((AAC, "aac"));
    mkv_flac: "a.mkv", None, Some(("audioconvert ! flacenc", "flac"));
    mkv_mulaw: "a.mkv", None, Some(("audioconvert ! audioresample ! mulawenc", "pcm_mulaw"));
    mp4_both: "a.mp4", Some((H264, "h264")), Some((AAC, "aac"));
    mp4_video: "a.mp4", Some((H264, "h264")), None;
    mp4_audio: "a.mp4", None, Some((AAC, "aac"));
    mp4_opus: "a.mp4", Some((H264, "h264")), Some((OPUS, "opus"));
    mp4_mp3: "a.mp4", None, Some(("audioconvert ! lamemp3enc ! mpegaudioparse", "mp3"));
}

#[test]
fn byte_stream_h264_without_a_parser_is_taken() {
    record(
        "a.mkv",
        Some(("x264enc tune=zerolatency ! video/x-h264,stream-format=byte-stream", "h264")),
        None,
    );
}

#[test]
fn packets_go_through_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let input = mp4(folder.path(), 120);
    for name in ["out.mp4", "out.mkv"] {
        let output = folder.path().join(name);
        run(&format!(
            "abplayer name=p uri={} pace=fastest abrecorder name=r location={} \
             p.src_video ! r.sink_video p.src_audio ! r.sink_audio",
            input.display(),
            output.display()
        ))
        .well();
        for stream in ["v", "a"] {
            assert_eq!(packets(&input, stream), packets(&output, stream), "{stream} in {name}");
        }
    }
}

#[test]
fn b_frames_keep_their_order_and_times() {
    let folder = tempfile::tempdir().unwrap();
    let encoder = "x264enc bframes=3 speed-preset=veryfast key-int-max=30 ! h264parse";
    let input = make(folder.path(), "in.mkv", 90, Some(encoder), Some(AAC));
    for name in ["out.mp4", "out.mkv"] {
        let output = folder.path().join(name);
        run(&format!(
            "abplayer name=p uri={} pace=fastest abrecorder name=r location={} \
             p.src_video ! r.sink_video p.src_audio ! r.sink_audio",
            input.display(),
            output.display()
        ))
        .well();
        assert_in_order(&counters(&output), 90);
        assert_eq!(packets(&input, "v"), packets(&output, "v"));
    }
}

#[test]
fn odd_and_tiny_sizes_are_recorded() {
    let folder = tempfile::tempdir().unwrap();
    for (width, height, encoder, name) in [
        (321, 241, VP8, "odd.webm"),
        (17, 19, VP8, "small.webm"),
        (1, 1, VP8, "one.mkv"),
        (65, 17, VP8, "strip.mkv"),
    ] {
        let file = folder.path().join(name);
        run(&format!(
            "abtestsource name=t width={width} height={height} frames=10 pace=fastest audio=false \
             t.src_video ! {encoder} ! r.sink_video abrecorder name=r location={}",
            file.display()
        ))
        .well();
        assert_eq!(probe(&file).0, [("vp8".to_owned(), 10)], "{name}");
    }
}

#[test]
fn variable_frame_rates_keep_their_times() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.mkv");
    // Two rates in one stream.
    run(&format!(
        "concat name=c ! {VP8} ! r.sink_video abrecorder name=r location={} \
         abtestsource name=x width=320 height=240 frames=30 fps=10 pace=fastest audio=false \
         abtestsource name=y width=320 height=240 frames=30 fps=60 pace=fastest audio=false \
         x.src_video ! c. y.src_video ! c.",
        file.display()
    ))
    .well();
    let (streams, seconds) = probe(&file);
    assert_eq!(streams, [("vp8".to_owned(), 60)]);
    assert!((seconds - 3.5).abs() < 0.15, "{seconds}");
}
