//! Real media through the binary, read back by oracles that share no code with it.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::time::Duration;

use anabranch_harness::binary::{Anabranch, Finished};
use anabranch_harness::{media, oracle};
use anyhow::Result;

/// Runs a one-liner to its good end.
fn run(one_liner: &str) -> Result<Finished> {
    Anabranch::run(one_liner).finish()?.expect_code(0)
}

/// A file with a frame counter and a tone, made by our own source.
fn counted(folder: &Path, name: &str, frames: u32) -> Result<String> {
    let path = folder.join(name).display().to_string();
    run(&format!("test-source frames={frames} width=320 height=240 tone=660 -> recorder location={path}"))?;
    Ok(path)
}

/// The tone is there in every second, nothing is cut out, and picture and sound begin together.
fn expect_tone(decoded: &oracle::Decoded, hertz: f64, seconds: u64) -> Result<()> {
    let sound = decoded.sound.as_ref().expect("there is sound");
    assert_eq!(sound.gaps, [], "the sound has gaps");
    let length = sound.duration().as_secs_f64();
    assert!((length - seconds as f64).abs() < 0.1, "{length} s of sound, {seconds} wanted");
    for second in 0..seconds {
        // Encoders need a moment at both ends.
        let from = Duration::from_millis(second * 1000 + 100);
        let samples = sound.between(from, from + Duration::from_millis(800));
        let tone = oracle::tone_level(samples, sound.rate, hertz);
        let level = oracle::level(samples);
        assert!(tone > 0.05, "second {second}: no tone of {hertz} Hz ({tone:.3})");
        assert!(tone > level, "second {second}: more noise than tone ({tone:.3} of {level:.3})");
    }
    let first = decoded.frames.first().map(|f| f.pts).unwrap_or_default();
    let offset = first.abs_diff(sound.start);
    assert!(offset < Duration::from_millis(50), "picture and sound begin {offset:?} apart");
    Ok(())
}

#[test]
fn an_mp4_becomes_webm_by_one_transcode_and_keeps_every_frame_and_tone() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let source = counted(folder.path(), "source.mp4", 150)?;
    let facts = oracle::probe(&source)?;
    assert_eq!((facts.video()?.codec.as_str(), facts.audio()?.codec.as_str()), ("h264", "aac"));

    let target = folder.path().join("x.webm");
    let done = run(&format!("player uri={source} -> recorder location={}", target.display()))?;
    let started: Vec<_> = done.events_named("transcoding-started").collect();
    assert_eq!(started.len(), 2, "one for the picture, one for the sound: {started:#?}");
    assert!(started.iter().any(|e| e["from"] == "H.264" && e["to"] == "VP8" && e["encoder"] == "vp8enc"));
    assert!(started.iter().any(|e| e["from"] == "AAC" && e["to"] == "Opus" && e["encoder"] == "opusenc"));
    assert!(started.iter().all(|e| e["consumer"] == "recorder" && !e["reason"].as_str().unwrap().is_empty()));

    let facts = oracle::probe(&target)?;
    assert_eq!((facts.video()?.codec.as_str(), facts.video()?.frames), ("vp8", 150));
    assert_eq!(facts.audio()?.codec, "opus");
    assert!((facts.duration.unwrap_or_default() - 5.0).abs() < 0.1, "{:?}", facts.duration);
    let decoded = oracle::decode(&target)?;
    decoded.expect_counters(0..150)?;
    expect_tone(&decoded, 660.0, 5)?;
    // Evenly spaced, as they were.
    for pair in decoded.frames.windows(2) {
        let step = (pair[1].pts - pair[0].pts).as_secs_f64();
        assert!((step - 1.0 / 30.0).abs() < 0.002, "a step of {step} s after {:?}", pair[0].pts);
    }
    Ok(())
}

#[test]
fn matching_codecs_move_untouched() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (source, extension) in
        [(media::h264_aac_mp4()?, "mp4"), (media::h264_aac_mp4()?, "mkv"), (media::vp8_opus_webm()?, "webm")]
    {
        let target = folder.path().join(format!("copy.{extension}"));
        let one_liner = format!("player uri={} -> recorder location={}", source.display(), target.display());
        let plan = Anabranch::new(["explain", &one_liner]).finish()?.expect_code(0)?.stdout;
        assert!(!plan.contains("enc ") && !plan.contains("avdec"), "a decoder or encoder in\n{plan}");
        let done = run(&one_liner)?;
        assert_eq!(done.events_named("transcoding-started").count(), 0);
        let packets = |path: &Path, stream| oracle::payload_hashes(path, stream);
        assert!(
            packets(&source, "v:0")? == packets(&target, "v:0")?,
            "other pictures in {}",
            target.display()
        );
        let (was, is) = (packets(&source, "a:0")?, packets(&target, "a:0")?);
        assert!(was.starts_with(&is), "other sound in {}", target.display());
        // The edit list of an MP4 cuts its last packet of sound short; GStreamer's demuxer then leaves it out.
        let cut = usize::from(source.extension().is_some_and(|e| e == "mp4"));
        assert!(was.len() - is.len() <= cut, "{} of {} packets of sound", is.len(), was.len());
        oracle::decode(&target)?;
    }
    Ok(())
}

#[test]
fn a_link_decides_what_is_recorded_and_how_fast() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name).display().to_string();
    // Noise, which no encoder makes small by itself. A recording in Matroska takes VP8 as it is; these links want
    // something else.
    let noise = "testsrc2=s=320x240:r=30:d=4,noise=alls=60:allf=t";
    let inputs = ["-f", "lavfi", "-i", noise, "-f", "lavfi", "-i", "sine=f=660:d=4"];
    let codecs = ["-c:v", "libvpx", "-b:v", "4M", "-deadline", "realtime", "-c:a", "libopus"];
    let source = media::make("noise.webm", &[&inputs[..], &codecs].concat())?;
    let source = source.display();
    let description = format!(
        "elements:\n  film: {{type: player, uri: {source}}}\n  \
           one: {{type: recorder, location: {}}}\n  two: {{type: recorder, location: {}}}\nlinks:\n  \
           - {{from: film, to: one, format: [h264, pcmu], max-bitrate: 100}}\n  \
           - {{from: film.video, to: two, format: vp9, min-bitrate: 1500}}\n",
        at("one.mkv"),
        at("two.mkv")
    );
    std::fs::write(at("formats.yaml"), description)?;
    let done = Anabranch::run(at("formats.yaml")).finish()?.expect_code(0)?;
    assert_eq!(done.events_named("transcoding-started").count(), 3);
    let (one, two) = (oracle::probe(at("one.mkv"))?, oracle::probe(at("two.mkv"))?);
    assert_eq!((one.video()?.codec.as_str(), one.audio()?.codec.as_str()), ("h264", "pcm_mulaw"));
    assert_eq!((two.video()?.codec.as_str(), one.video()?.frames, two.video()?.frames), ("vp9", 120, 120));
    // 4 s of video. By the picture's size it would be 425 kbit/s, 210 kB.
    let small = std::fs::metadata(at("one.mkv"))?.len() - 4 * 8_000;
    let large = std::fs::metadata(at("two.mkv"))?.len();
    assert!(small < 100_000, "{small} bytes at 100 kbit/s at most");
    assert!(large > 350_000, "{large} bytes at 1500 kbit/s at least");
    Ok(())
}

#[test]
fn each_consumer_gets_pictures_within_the_limits_of_its_link() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name).display().to_string();
    let film = at("film.webm");
    run(&format!("test-source frames=90 width=640 height=480 audio=false -> recorder location={film}"))?;
    let description = format!(
        "elements:\n  film: {{type: player, uri: {film}}}\n  large: {{type: recorder, location: {}}}\n  \
           small: {{type: recorder, location: {}}}\n  again: {{type: recorder, location: {}}}\n  \
           picture: {{type: snapshot, location: {}}}\nlinks:\n  - film -> large\n  \
           - {{from: film, to: small, max-width: 320, max-height: 400, max-frame-rate: 10}}\n  \
           - {{from: film, to: again, max-width: 320, max-height: 400, max-frame-rate: 10}}\n  \
           - {{from: film.video, to: picture, max-height: 120}}\n",
        at("large.webm"),
        at("small.webm"),
        at("again.mkv"),
        at("picture.png")
    );
    std::fs::write(at("sizes.yaml"), description)?;
    let plan = Anabranch::new(["explain", &at("sizes.yaml")]).finish()?.expect_code(0)?.stdout;
    let once = "one encoder vp8enc for VP8 of at most 320x400 pixels and 10 frames per second";
    assert_eq!(plan.matches(once).count(), 1, "{plan}");
    let done = Anabranch::run(at("sizes.yaml")).finish()?.expect_code(0)?;
    let started: Vec<_> = done.events_named("transcoding-started").collect();
    let encoders = started.iter().filter(|event| !event["encoder"].is_null()).count();
    assert_eq!(encoders, 1, "two consumers, one encoder: {started:#?}");
    let reasons = started.iter().filter_map(|event| event["reason"].as_str());
    assert!(reasons.into_iter().any(|reason| reason.contains("at most 320x400 pixels")), "{started:#?}");

    assert!(
        oracle::payload_hashes(&film, "v:0")? == oracle::payload_hashes(at("large.webm"), "v:0")?,
        "touched"
    );
    let small = oracle::decode(at("small.webm"))?;
    let size = |frame: &oracle::PictureFrame| (frame.width, frame.height);
    assert!(small.frames.iter().all(|frame| size(frame) == (320, 240)), "{:?}", small.frames);
    assert_eq!(small.counters()?, (0..90).step_by(3).collect::<Vec<u64>>());
    let steps = small.frames.windows(2).map(|pair| (pair[1].pts - pair[0].pts).as_secs_f64());
    assert!(steps.into_iter().all(|step| (step - 0.1).abs() < 0.002), "{:?}", small.frames);
    let same = |name: &str| oracle::payload_hashes(at(name), "v:0");
    assert!(same("small.webm")? == same("again.mkv")?, "not the same encoding");
    let picture = oracle::probe(at("picture.png"))?;
    assert_eq!((picture.video()?.width, picture.video()?.height), (160, 120));
    Ok(())
}

#[test]
fn a_graph_that_ends_in_a_filter_ends() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let film = counted(folder.path(), "film.webm", 60)?;
    let both = format!("p:player uri={film} -> pass-through -> motion-detector");
    for line in [&both, "t:test-source frames=60 -> motion-detector; t.audio -> level-meter"] {
        Anabranch::run(line).args(["--time-limit", "30s"]).finish()?.expect_code(0)?;
    }
    Ok(())
}

#[test]
fn a_forbidden_transcode_is_an_error_before_anything_starts() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let target = folder.path().join("x.webm");
    let text = format!(
        "elements:\n  film: {{type: player, uri: {}}}\n  file: {{type: recorder, location: {}}}\n\
         links:\n  - {{from: film, to: file, transcoding: forbid}}\n",
        media::h264_aac_mp4()?.display(),
        target.display()
    );
    let description = folder.path().join("forbid.yaml");
    std::fs::write(&description, text)?;
    let out = Anabranch::run(&description).finish()?.expect_code(2)?;
    assert!(out.stderr.contains("G0404") && out.stderr.contains("forbid.yaml:5:"), "{}", out.stderr);
    assert_eq!(out.stdout, "");
    assert!(!target.exists());
    Ok(())
}

#[test]
fn video_only_and_audio_only_are_recorded_without_waiting() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let target = folder.path().join("v.webm");
    let done = run(&format!(
        "player uri={} -> recorder location={}",
        media::video_only_mp4()?.display(),
        target.display()
    ))?;
    assert!(done.took < Duration::from_secs(15));
    let facts = oracle::probe(&target)?;
    assert_eq!((facts.streams.len(), facts.video()?.frames), (1, 60));

    let target = folder.path().join("a.webm");
    run(&format!(
        "player uri={} -> recorder location={}",
        media::audio_only_ogg()?.display(),
        target.display()
    ))?;
    let facts = oracle::probe(&target)?;
    assert_eq!((facts.streams.len(), facts.audio()?.codec.as_str()), (1, "vorbis"));
    let sound = oracle::decode(&target)?.sound.unwrap();
    assert!((sound.duration().as_secs_f64() - 2.0).abs() < 0.1, "{:?}", sound.duration());
    Ok(())
}

#[test]
fn odd_and_tiny_pictures_go_through_a_filter_and_an_encoder() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let hat = anabranch_harness::binary::project_root().join("pipelines/hat.png");
    for (source, name, width, height) in
        [(media::odd_size_mkv()?, "odd.webm", 161, 121), (media::one_pixel_mkv()?, "one.mkv", 1, 1)]
    {
        let target = folder.path().join(name);
        let (source, image, location) = (source.display(), hat.display(), target.display());
        run(&format!("player uri={source} -> image-overlay image={image} -> recorder location={location}"))?;
        let facts = oracle::probe(&target)?;
        let video = facts.video()?;
        assert_eq!((video.width, video.height, video.frames), (width, height, 30), "{name}");
    }
    Ok(())
}

#[test]
fn a_variable_frame_rate_keeps_its_times() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let source = media::variable_rate_mp4()?;
    let target = folder.path().join("vfr.webm");
    run(&format!("player uri={} -> recorder location={}", source.display(), target.display()))?;
    let (was, is) = (oracle::decode(&source)?.frames, oracle::decode(&target)?.frames);
    assert_eq!((was.len(), is.len()), (40, 40));
    for (a, b) in was.iter().zip(&is) {
        let (a, b) = (a.pts - was[0].pts, b.pts - is[0].pts);
        // WebM counts milliseconds.
        assert!(a.abs_diff(b) <= Duration::from_millis(2), "{a:?} became {b:?}");
    }
    Ok(())
}

#[test]
fn a_picture_whose_size_changes_loses_no_frame() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let source = media::size_change_ts()?;
    let target = folder.path().join("size.webm");
    let done = run(&format!("player uri={} -> recorder location={}", source.display(), target.display()))?;
    let mut files: Vec<_> = std::fs::read_dir(folder.path())?.map(|e| e.unwrap().path()).collect();
    files.sort_by_key(|path| path.file_stem().map(|s| (s.len(), s.to_owned())));
    let mut sizes = Vec::new();
    for file in &files {
        sizes.extend(oracle::decode(file)?.frames.iter().map(|f| f.width));
    }
    let small = sizes.iter().filter(|w| **w == 320).count();
    let large = sizes.iter().filter(|w| **w == 480).count();
    assert_eq!((small, large, sizes.len()), (30, 30, 60), "{files:?} {:#?}", done.events);
    Ok(())
}

#[test]
fn a_truncated_film_is_kept_as_far_as_it_goes() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let target = folder.path().join("half.webm");
    let one_liner =
        format!("player uri={} -> recorder location={}", media::truncated_mp4()?.display(), target.display());
    let out = Anabranch::run(&one_liner).finish()?;
    assert!(matches!(out.code, Some(0 | 3)), "{:?}\n{}", out.code, out.stderr);
    let frames = oracle::decode(&target)?.frames.len();
    assert!((20..90).contains(&frames), "{frames} frames");
    Ok(())
}

#[test]
fn one_encoder_serves_consumers_of_one_format() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (a, b) = (folder.path().join("a.webm"), folder.path().join("b.webm"));
    let done = run(&format!(
        "s:test-source frames=90 audio=false -> recorder location={}; s -> recorder location={}",
        a.display(),
        b.display()
    ))?;
    let encoders = done.events_named("transcoding-started").filter(|e| e["encoder"] == "vp8enc").count();
    assert_eq!(encoders, 1, "{:#?}", done.events);
    for file in [&a, &b] {
        oracle::decode(file)?.expect_counters(0..90)?;
    }
    assert_eq!(oracle::payload_hashes(&a, "v:0")?, oracle::payload_hashes(&b, "v:0")?);
    Ok(())
}

#[test]
fn ctrl_c_finalises_the_recording() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let target = folder.path().join("cut.mp4");
    let mut running =
        Anabranch::run(format!("test-source pace=realtime -> recorder location={}", target.display()))
            .spawn()?;
    let limit = Duration::from_secs(30);
    running.wait_for(limit, |e| e["event"] == "transcoding-started")?;
    // A second of media, told by the file that grows.
    let grown = std::time::Instant::now();
    while std::fs::metadata(&target).map_or(0, |m| m.len()) < 20_000 {
        assert!(grown.elapsed() < limit, "the recording does not grow");
        std::thread::yield_now();
    }
    running.signal("INT")?;
    // What a busy machine does not encode in time, it says.
    let lost = running.finish(limit)?.expect_code(0)?.frames_lost();
    let counters = oracle::decode(&target)?.counters_in_order(lost)?;
    assert!(counters.len() > 5 && counters[0] <= lost, "{counters:?}, {lost} were lost");
    assert!(oracle::probe(&target)?.duration.is_some_and(|d| d > 0.1));
    Ok(())
}
