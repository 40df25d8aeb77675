//! Pause and resume, parts, profiles, a full disk and one that does not keep up.

use std::path::Path;

use anabranch_kit::command;
use gst::prelude::*;
use serde_json::{Value, json};

use super::bench::{assert_in_order, counters, finish_with, pipeline, probe, run};
use super::files::{AAC, H264, OPUS, VP8};

fn tell(recorder: &gst::Element, name: &str) -> Value {
    futures::executor::block_on(command::call(recorder, name, &json!({}))).unwrap()
}

/// Raw pictures, one every 100 ms, whose number is in every pixel; and the pipeline that records them.
fn pictures(file: &Path, encoder: &str, options: &str) -> (gst::Pipeline, gst_app::AppSrc, gst::Element) {
    let pipeline = pipeline(&format!(
        "appsrc name=v format=time block=true max-buffers=4 \
         caps=video/x-raw,format=GRAY8,width=64,height=64,framerate=10/1 ! videoconvert ! {encoder} ! r.sink_video \
         abrecorder name=r location={} {options}",
        file.display()
    ));
    let source = pipeline.by_name("v").unwrap().downcast().unwrap();
    let recorder = pipeline.by_name("r").unwrap();
    (pipeline, source, recorder)
}

fn frame(number: u64) -> gst::Buffer {
    let mut buffer = gst::Buffer::from_slice(vec![number as u8; 64 * 64]);
    let buffer_ref = buffer.get_mut().unwrap();
    buffer_ref.set_pts(gst::ClockTime::from_mseconds(number * 100));
    buffer_ref.set_duration(gst::ClockTime::from_mseconds(100));
    buffer
}

/// Counts what reaches an input.
fn arrivals(recorder: &gst::Element, pad: &str) -> std::sync::mpsc::Receiver<()> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let pad = recorder.static_pad(pad).unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        let _ = sender.send(());
        gst::PadProbeReturn::Ok
    });
    receiver
}

#[test]
fn a_pause_leaves_no_gap() {
    let folder = tempfile::tempdir().unwrap();
    for (name, encoder) in
        [("a.webm", VP8), ("a.mp4", H264), ("a.mkv", "x264enc bframes=2 key-int-max=1000 ! h264parse")]
    {
        let file = folder.path().join(name);
        let (pipeline, source, recorder) = pictures(&file, encoder, "");
        let arrived = arrivals(&recorder, "sink_video");
        let script = std::thread::spawn(move || {
            // An encoder keeps some back; what matters is that the pause begins after some came.
            let mut number = 0;
            let mut feed = |least: u64| {
                let mut seen = 0;
                while seen < least {
                    source.push_buffer(frame(number)).unwrap();
                    number += 1;
                    seen += arrived.try_iter().count() as u64;
                }
            };
            feed(20);
            tell(&recorder, "pause");
            feed(30);
            tell(&recorder, "resume");
            feed(20);
            source.end_of_stream().unwrap();
        });
        let outcome = finish_with(&pipeline, |_, _| {}).well();
        script.join().unwrap();
        assert_eq!(outcome.all("recording-paused").len(), 1, "{name}");
        let (streams, seconds) = probe(&file);
        let frames = streams[0].1;
        assert!((36..100).contains(&frames), "{name}: {frames} frames");
        assert!((seconds - frames as f64 / 10.0).abs() < 0.25, "{name}: {frames} frames in {seconds} s");
        let times = super::bench::times(&file);
        let widest = times.windows(2).map(|w| w[1] - w[0]).fold(0.0, f64::max);
        assert!(widest < 0.15, "{name}: a gap of {widest} s");
    }
}

#[test]
fn stop_answers_when_the_file_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.mp4");
    let (pipeline, source, recorder) = pictures(&file, H264, "");
    let arrived = arrivals(&recorder, "sink_video");
    let (path, asked) = (file.clone(), recorder.clone());
    let script = std::thread::spawn(move || {
        (0..30).for_each(|n| {
            source.push_buffer(frame(n)).unwrap();
        });
        // Arrivals are counted on their way in: when the eleventh is there, ten have been taken.
        (0..11).for_each(|_| arrived.recv().unwrap());
        let answer = tell(&asked, "stop");
        assert_eq!(answer["parts"], 1);
        assert_eq!(answer["bytes"], std::fs::metadata(path).unwrap().len());
        answer
    });
    let mut again = None;
    let outcome = finish_with(&pipeline, |name, _| {
        if name == "recording-stopped" {
            again = Some(tell(&recorder, "stop"));
        }
    })
    .well();
    assert_eq!(again, Some(script.join().unwrap()), "once more changes nothing");
    assert_eq!(outcome.all("recording-stopped").len(), 1);
    assert_eq!(outcome.all("recording-started").len(), 1);
    assert!(probe(&file).0[0].1 >= 10);
}

#[test]
fn split_begins_the_next_part_at_a_key_frame_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("talk-%03d.webm");
    // No key frame comes of itself.
    let (pipeline, source, recorder) = pictures(&file, "vp8enc deadline=1 keyframe-max-dist=9999", "");
    let (began, begun) = std::sync::mpsc::channel();
    let script = std::thread::spawn(move || {
        let mut number = 0;
        let mut next = || {
            // Fails once the pipeline has ended for another reason.
            source.push_buffer(frame(number)).unwrap();
            number += 1;
        };
        while begun.try_recv().is_err() {
            next();
        }
        tell(&recorder, "split");
        while begun.try_recv().is_err() {
            next();
        }
        (0..5).for_each(|_| next());
        source.end_of_stream().unwrap();
    });
    let outcome = finish_with(&pipeline, |name, data| {
        if matches!(name, "recording-started" | "recording-part") {
            assert!(name == "recording-started" || data["reason"] == "asked", "{data}");
            began.send(()).unwrap();
        }
    })
    .well();
    script.join().unwrap();
    let finished = outcome.all("recording-finished");
    assert_eq!(finished.len(), 2);
    let count = |name: &str| probe(&folder.path().join(name)).0[0].1;
    assert!(count("talk-001.webm") > 0 && count("talk-002.webm") >= 5);
}

fn split(options: &str, reason: &str, name: &str) -> Vec<u64> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    let outcome = run(&format!(
        "abtestsource name=t width=320 height=240 frames=300 pace=fastest \
         t.src_video ! x264enc tune=zerolatency key-int-max=15 speed-preset=ultrafast ! h264parse ! queue ! r.sink_video \
         t.src_audio ! {AAC} ! queue ! r.sink_audio abrecorder name=r location={} {options}",
        file.display()
    ))
    .well();
    let parts = outcome.all("recording-part");
    assert!(parts.iter().all(|part| part["reason"] == reason), "{parts:?}");
    let mut files: Vec<_> = outcome.all("recording-finished");
    files.sort_by_key(|data| data["part"].as_u64());
    let mut next = 0;
    files
        .iter()
        .map(|data| {
            let file = Path::new(data["location"].as_str().unwrap());
            let frames: Vec<_> = counters(file);
            let expected: Vec<_> = (next..next + frames.len() as u64).map(Some).collect();
            assert_eq!(frames, expected, "no frame is lost between parts");
            next += frames.len() as u64;
            assert_eq!(probe(file).0[1].0, "aac");
            frames.len() as u64
        })
        .collect()
}

#[test]
fn parts_of_two_seconds() {
    assert_eq!(split("split-time=2", "time", "a.mp4"), [60, 60, 60, 60, 60]);
    assert_eq!(split("split-time=2", "time", "a.mkv"), [60, 60, 60, 60, 60]);
}

#[test]
fn parts_of_a_size() {
    let parts = split("split-size=0.08", "size", "a.mkv");
    assert!(parts.len() > 1 && parts.iter().sum::<u64>() == 300, "{parts:?}");
}

#[test]
fn one_medium_alone() {
    for (profile, name, video, audio, wanted) in [
        ("webm-video-only", "a.webm", VP8, OPUS, "vp8"),
        ("mkv-audio-only", "a.mkv", VP8, OPUS, "opus"),
        ("mp4-video-only", "a.mp4", H264, AAC, "h264"),
        ("flv-audio-only", "a.flv", H264, AAC, "aac"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        run(&format!(
            "abtestsource name=t width=320 height=240 frames=60 pace=fastest \
             t.src_video ! {video} ! queue ! r.sink_video t.src_audio ! {audio} ! queue ! r.sink_audio \
             abrecorder name=r location={} profile={profile}",
            file.display()
        ))
        .well();
        let codecs: Vec<_> = probe(&file).0.into_iter().map(|(codec, _)| codec).collect();
        assert_eq!(codecs, [wanted], "{profile}");
    }
}

#[test]
fn flash_video() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.flv");
    run(&format!(
        "abtestsource name=t width=320 height=240 frames=90 pace=fastest \
         t.src_video ! {H264} ! queue ! r.sink_video t.src_audio ! {AAC} ! queue ! r.sink_audio \
         abrecorder name=r location={}",
        file.display()
    ))
    .well();
    let (streams, seconds) = probe(&file);
    assert_eq!(streams[0], ("h264".to_owned(), 90));
    assert_eq!(streams[1].0, "aac");
    assert!((seconds - 3.0).abs() < 0.15, "{seconds}");
    assert_in_order(&counters(&file), 90);
}

#[test]
fn one_picture() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.jpg");
    let outcome = run(&format!(
        "abtestsource name=t width=320 height=240 frames=30 pace=fastest audio=false \
         t.src_video ! r.sink_video abrecorder name=r location={}",
        file.display()
    ))
    .well();
    assert_eq!(outcome.all("recording-finished").len(), 1);
    let picture = image::open(&file).unwrap();
    assert_eq!((picture.width(), picture.height()), (320, 240));
}

#[test]
fn twenty_changes_of_size_are_no_error() {
    let folder = tempfile::tempdir().unwrap();
    for (name, encoder, parts) in [("a.webm", VP8, 0), ("a.mp4", H264, 19), ("a.mkv", H264, 19)] {
        let file = folder.path().join(name);
        let sizes: String = (0..20)
            .map(|n| {
                format!(
                    "abtestsource name=s{n} width={} height=240 frames=15 pace=fastest audio=false s{n}.src_video ! c. ",
                    320 + 16 * (n % 5 + n / 5)
                )
            })
            .collect();
        let outcome = run(&format!(
            "concat name=c ! {encoder} ! queue ! r.sink_video abrecorder name=r location={} {sizes} \
             abtestsource name=t video=false duration=10 pace=fastest t.src_audio ! {OPUS} ! queue ! r.sink_audio",
            file.display()
        ))
        .well();
        assert!(outcome.all("recording-part").len() <= parts, "{name}");
        let mut files: Vec<_> = outcome.all("recording-finished");
        files.sort_by_key(|data| data["part"].as_u64());
        let frames: Vec<_> =
            files.iter().flat_map(|d| counters(Path::new(d["location"].as_str().unwrap()))).collect();
        let expected: Vec<_> = (0..20).flat_map(|_| (0..15).map(Some)).collect();
        assert_eq!(frames, expected, "{name}");
    }
}

#[test]
fn a_disk_that_does_not_keep_up_loses_frames_and_holds_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("a.mkv");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Somebody opens it, and reads nothing until the source is through.
    let mut reader = std::fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    let (sender, release) = std::sync::mpsc::channel::<()>();
    let draining = std::thread::spawn(move || {
        use std::io::Read;
        release.recv().unwrap();
        let mut buffer = [0; 65536];
        // The write end that this thread has open, too, keeps it from an end: it goes with the process.
        while reader.read(&mut buffer).is_ok_and(|n| n > 0) {}
    });
    let pipeline = pipeline(&format!(
        "audiotestsrc num-buffers=600 samplesperbuffer=4800 ! audio/x-raw,rate=48000,channels=2 ! mulawenc \
         ! r.sink_audio abrecorder name=r location={} when-behind=drop backlog-mb=1",
        pipe.display()
    ));
    let end = pipeline.by_name("r").unwrap().static_pad("sink_audio").unwrap();
    end.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        if info.event().is_some_and(|event| event.type_() == gst::EventType::Eos) {
            let _ = sender.send(());
        }
        gst::PadProbeReturn::Ok
    });
    let outcome = finish_with(&pipeline, |_, _| {}).well();
    // Each event counts what was lost since the one before, and the end tells the rest.
    let told = outcome.all("frames-dropped").iter().filter_map(|event| event["count"].as_u64()).sum::<u64>();
    assert!((100..600).contains(&told), "{told} of 600");
    drop(draining);
}

#[test]
fn a_part_that_cannot_be_begun_is_told_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    // A folder stands where the second part should be.
    std::fs::create_dir(folder.path().join("a-2.mkv")).unwrap();
    let outcome = run(&format!(
        "abtestsource name=t width=64 height=64 frames=90 pace=fastest t.src_video ! {VP8} ! r.sink_video \
         abrecorder name=r split-time=1 location={}",
        folder.path().join("a.mkv").display()
    ));
    outcome.failed(&["a-2.mkv' cannot be written"]);
}

#[test]
fn a_full_disk_closes_the_file_in_order() {
    // A small disk needs root.
    let folder = tempfile::tempdir().unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=3m", "none"])
        .arg(folder.path())
        .output()
        .is_ok_and(|output| output.status.success());
    if !mounted {
        eprintln!("skipped: no small disk can be mounted here");
        return;
    }
    let result = std::panic::catch_unwind(|| {
        for name in ["a.webm", "a.mkv", "a.mp4"] {
            let file = folder.path().join(name);
            let (video, audio) = if name == "a.webm" { (VP8, OPUS) } else { (H264, AAC) };
            let outcome = run(&format!(
                "abtestsource name=t width=640 height=480 frames=9000 pace=fastest \
                 t.src_video ! {video} ! queue ! r.sink_video t.src_audio ! {audio} ! queue ! r.sink_audio \
                 abrecorder name=r location={}",
                file.display()
            ));
            assert_eq!(outcome.all("disk-full").len(), 1, "{name}");
            assert_eq!(outcome.all("recording-finished").len(), 1, "{name}");
            let seconds = outcome.all("recording-finished")[0]["seconds"].as_f64().unwrap();
            outcome.failed(&["disk is full"]);
            let (streams, length) = probe(&file);
            assert_eq!(streams.len(), 2);
            // It has its duration: the index was written into the room that was kept.
            assert!((length - seconds).abs() < 0.5 && length > 1.0, "{name}: {length} s of {seconds} s");
            let frames = counters(&file);
            assert_in_order(&frames, frames.len() as u64);
            std::fs::remove_file(&file).unwrap();
        }
    });
    let _ = std::process::Command::new("umount").arg(folder.path()).status();
    result.unwrap();
}
