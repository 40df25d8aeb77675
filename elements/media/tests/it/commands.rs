//! The player's commands: play, pause, stop, seek, in any order; and what it says about itself.

use std::time::{Duration, Instant};

use anabranch_kit::command::{self, CommandError, CommandErrorKind};
use gst::prelude::*;
use serde_json::{Value, json};

use super::bench::pipeline;
use super::files::mp4;

/// A player at the pace of the clock whose pictures a test can look at.
struct Played {
    pipeline: gst::Pipeline,
    player: gst::Element,
    sink: gst_app::AppSink,
}

impl Drop for Played {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

impl Played {
    fn new(uri: &str, options: &str) -> Self {
        let pipeline = pipeline(&format!(
            "abplayer name=p uri={uri} pace=realtime {options} p.src_audio ! abnullsink name=n \
             p.src_video ! queue ! decodebin ! videoconvert ! video/x-raw,format=GRAY8 ! \
             appsink name=out sync=false max-buffers=90 drop=true"
        ));
        let player = pipeline.by_name("p").unwrap();
        let sink = pipeline.by_name("out").unwrap().downcast().unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        Played { pipeline, player, sink }
    }

    fn command(&self, name: &str, arguments: Value) -> Result<Value, CommandError> {
        let begin = Instant::now();
        let result = futures::executor::block_on(command::call(&self.player, name, &arguments));
        assert!(begin.elapsed() < Duration::from_secs(5), "{name} took {:?}", begin.elapsed());
        result
    }

    /// The next picture's running time and counter, if one comes in time.
    fn frame(&self, limit: Duration) -> Option<(gst::ClockTime, u64)> {
        let limit = gst::ClockTime::from_mseconds(limit.as_millis() as u64);
        let sample = self.sink.try_pull_sample(limit)?;
        let info = gst_video::VideoInfo::from_caps(sample.caps().unwrap()).unwrap();
        let map = sample.buffer().unwrap().map_readable().unwrap();
        let counter = gstanabranchelements::test_source::barcode::read(
            &map,
            info.stride()[0] as usize,
            info.width() as usize,
            info.height() as usize,
        );
        let segment = sample.segment().unwrap().downcast_ref::<gst::ClockTime>().unwrap().clone();
        Some((segment.to_running_time(sample.buffer().unwrap().pts()).unwrap(), counter.unwrap()))
    }

    /// The first picture that passes the test.
    fn frame_with(&self, wanted: impl Fn(u64) -> bool) -> (gst::ClockTime, u64) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if let Some(found) = self.frame(Duration::from_secs(1)).filter(|(_, n)| wanted(*n)) {
                return found;
            }
        }
        panic!("the picture did not come; the player says {:?}", self.command("status", json!({})));
    }

    /// Throws away what is on its way, when no more comes.
    fn drain(&self) {
        while self.frame(Duration::from_millis(200)).is_some() {}
    }

    fn stats(&self) -> gst::Structure {
        self.player.property("stats")
    }
}

fn long_file(folder: &std::path::Path) -> String {
    mp4(folder, 600).display().to_string()
}

#[test]
fn seeks_go_where_they_are_told_and_time_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = long_file(folder.path());
    let begin = Instant::now();
    let played = Played::new(&file, "");
    let (before, _) = played.frame_with(|n| n >= 3);
    let answer = played.command("seek", json!({"position": 10_000})).unwrap();
    assert_eq!((&answer["state"], &answer["seekable"]), (&json!("playing"), &json!(true)));
    assert_eq!(answer["position"], 10_000);
    let (after, counter) = played.frame_with(|n| n >= 300);
    assert!(counter < 306, "frame {counter} is the first after the seek");
    let now = gst::ClockTime::from_nseconds(begin.elapsed().as_nanos() as u64);
    assert!(after > before && after < now + gst::ClockTime::SECOND, "{before} {after}");
    // Back again.
    played.command("seek", json!({"position": 1000})).unwrap();
    let (back, counter) = played.frame_with(|n| n < 300);
    assert!((30..36).contains(&counter) && back > after, "frame {counter} at {back}");
    let stats = played.stats();
    assert!(stats.get::<u64>("duration").unwrap().abs_diff(20_000) < 100);
    assert_eq!(stats.get::<u64>("seekable").unwrap(), 1);
    assert!(stats.get::<u64>("position").unwrap() < 8000);
    assert_eq!(stats.get::<&str>("state").unwrap(), "playing");
}

#[test]
fn a_pause_holds_the_picture_and_goes_on_with_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let played = Played::new(&long_file(folder.path()), "");
    let (_, mut last) = played.frame_with(|n| n >= 5);
    assert_eq!(played.command("pause", json!({})).unwrap()["state"], "paused");
    // What is on its way comes, and then nothing.
    while let Some((_, counter)) = played.frame(Duration::from_millis(400)) {
        last = counter;
    }
    let held = played.command("status", json!({})).unwrap();
    assert_eq!(held, played.command("pause", json!({})).unwrap());
    let begin = Instant::now();
    assert_eq!(played.command("play", json!({})).unwrap()["state"], "playing");
    let (_, next) = played.frame(Duration::from_secs(10)).unwrap();
    assert!(next > last && next <= last + 3, "{next} after {last}");
    // It does not hurry to catch up.
    played.frame_with(|n| n >= next + 15);
    assert!(begin.elapsed() > Duration::from_millis(350), "{:?}", begin.elapsed());
}

#[test]
fn stop_and_play_begin_anew() {
    let folder = tempfile::tempdir().unwrap();
    let played = Played::new(&long_file(folder.path()), "");
    for _ in 0..5 {
        let (before, _) = played.frame_with(|n| n >= 8);
        let answer = played.command("stop", json!({})).unwrap();
        assert_eq!((&answer["state"], &answer["seekable"]), (&json!("stopped"), &json!(false)));
        played.drain();
        played.command("play", json!({})).unwrap();
        // A decoder may still have had a picture of before.
        let begin = Instant::now();
        let (after, _) = played.frame_with(|n| n < 3);
        assert!(after > before && begin.elapsed() < Duration::from_secs(3), "{after}, {before} before");
    }
}

#[test]
fn what_cannot_be_done_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let played = Played::new(&long_file(folder.path()), "autoplay=false");
    let code = |result: Result<Value, CommandError>| result.unwrap_err().code;
    assert_eq!(played.command("status", json!({})).unwrap()["state"], "stopped");
    assert_eq!(code(played.command("pause", json!({}))), "stopped");
    assert_eq!(code(played.command("seek", json!({"position": 1}))), "stopped");
    assert_eq!(code(played.command("dance", json!({}))), "unknown-command");
    played.command("play", json!({})).unwrap();
    assert_eq!(code(played.command("seek", json!({}))), "no-position");
    assert_eq!(code(played.command("seek", json!({"position": -1}))), "no-position");
    assert_eq!(code(played.command("seek", json!({"position": 30_000}))), "after-the-end");
    played.frame_with(|n| n < 10);
    played.pipeline.set_state(gst::State::Null).unwrap();
    let error = played.command("play", json!({})).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (CommandErrorKind::Conflict, "not-started"));
}

#[test]
fn an_end_that_stays_open_can_begin_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = mp4(folder.path(), 15).display().to_string();
    let played = Played::new(&file, "keep-open=true");
    let mut last = gst::ClockTime::ZERO;
    for _ in 0..3 {
        // The last ones are still in the decoder: nobody has told it that this is the end.
        let (time, _) = played.frame_with(|n| n >= 8);
        assert!(time > last);
        last = time;
        let deadline = Instant::now() + Duration::from_secs(10);
        while played.command("status", json!({})).unwrap()["state"] != "ended" {
            assert!(Instant::now() < deadline);
        }
        played.drain();
        played.command("play", json!({})).unwrap();
    }
}

/// Numbers that look random and are the same each time.
fn dice(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

#[test]
fn five_hundred_commands_in_any_order() {
    let folder = tempfile::tempdir().unwrap();
    let played = Played::new(&long_file(folder.path()), "");
    let (mut seed, mut state, mut longest) = (4, "playing", Duration::ZERO);
    for number in 0..500 {
        let begin = Instant::now();
        let (name, arguments) = match dice(&mut seed) % 4 {
            0 => ("play", json!({})),
            1 => ("pause", json!({})),
            2 => ("stop", json!({})),
            _ => ("seek", json!({"position": dice(&mut seed) % 19_000})),
        };
        let result = played.command(name, arguments);
        longest = longest.max(begin.elapsed());
        let refused = state == "stopped" && (name == "pause" || name == "seek");
        state = match name {
            _ if refused => state,
            "play" => "playing",
            "pause" => "paused",
            "stop" => "stopped",
            _ => state,
        };
        match result {
            Ok(answer) => {
                assert!(!refused, "command {number} {name}: {answer}");
                assert_eq!(answer["state"], state, "command {number} {name}");
            }
            Err(error) => assert!(refused && error.code == "stopped", "command {number} {name}: {error}"),
        }
        assert_eq!(played.stats().get::<&str>("state").unwrap(), state);
        // Now and then, let some media through.
        if dice(&mut seed).is_multiple_of(5) {
            let _ = played.frame(Duration::from_millis(30));
        }
    }
    println!("500 commands, the longest took {longest:?}");
    // It still does what it is told.
    played.command("stop", json!({})).unwrap();
    played.drain();
    played.command("play", json!({})).unwrap();
    played.frame_with(|n| n < 30);
    played.command("seek", json!({"position": 10_000})).unwrap();
    played.frame_with(|n| (300..330).contains(&n));
}
