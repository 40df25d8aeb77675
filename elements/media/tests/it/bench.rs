//! Runs pipelines to their end and looks at what they left.

use std::path::Path;
use std::process::Command;

use gst::prelude::*;
use serde_json::Value;

/// Longest that a pipeline may take.
const LIMIT: gst::ClockTime = gst::ClockTime::from_seconds(60);

/// How a pipeline ended.
#[derive(Debug)]
pub struct Outcome {
    /// The element messages of the project, by name.
    pub events: Vec<(String, Value)>,
    /// The first error's text.
    pub error: Option<String>,
}

impl Outcome {
    /// The data of all events of that name.
    pub fn all(&self, name: &str) -> Vec<&Value> {
        self.events.iter().filter(|(n, _)| n == name).map(|(_, data)| data).collect()
    }

    /// It must have ended well.
    #[track_caller]
    pub fn well(self) -> Self {
        assert_eq!(self.error, None);
        self
    }

    /// It must have failed with one sentence in which all these words are.
    #[track_caller]
    pub fn failed(self, words: &[&str]) {
        let error = self.error.expect("it should have failed");
        for word in words {
            assert!(error.contains(word), "'{word}' is not in: {error}");
        }
        assert!(error.ends_with('.'), "not a sentence: {error}");
    }
}

/// A pipeline from a gst-launch line.
pub fn pipeline(line: &str) -> gst::Pipeline {
    gst::init().unwrap();
    anabranch_kit::registry::register_all(None).unwrap();
    // The registrations are in this crate; naming it links them.
    let _ = gstanabranchelements::test_source::barcode::CELLS;
    gst::parse::launch(line).unwrap().downcast::<gst::Pipeline>().unwrap()
}

/// Runs a gst-launch line to its end.
pub fn run(line: &str) -> Outcome {
    finish(&pipeline(line))
}

/// Runs a pipeline to its end.
pub fn finish(pipeline: &gst::Pipeline) -> Outcome {
    finish_with(pipeline, |_, _| {})
}

/// Runs a pipeline to its end; `on_event` sees each event as it comes.
pub fn finish_with(pipeline: &gst::Pipeline, mut on_event: impl FnMut(&str, &Value)) -> Outcome {
    let bus = pipeline.bus().unwrap();
    let mut outcome = Outcome { events: Vec::new(), error: None };
    // A refusal to start is followed by the error that says why.
    let _ = pipeline.set_state(gst::State::Playing);
    loop {
        let message = bus.timed_pop(LIMIT).expect("the pipeline ends in time");
        match message.view() {
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(error) => {
                outcome.error = Some(error.error().message().to_owned());
                break;
            }
            _ => {}
        }
        if let Some((name, data)) = anabranch_kit::message::decode(&message) {
            on_event(&name, &data);
            outcome.events.push((name, data));
        }
    }
    pipeline.set_state(gst::State::Null).unwrap();
    outcome
}

/// What ffprobe says about a file: `codec,packets` for each stream, and its duration in seconds.
pub fn probe(file: &Path) -> (Vec<(String, u64)>, f64) {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-count_packets", "-of", "json"])
        .args(["-show_entries", "stream=codec_name,nb_read_packets:format=duration"])
        .arg(file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let streams = found["streams"].as_array().unwrap().iter().map(|s| {
        let packets = s["nb_read_packets"].as_str().unwrap().parse().unwrap();
        (s["codec_name"].as_str().unwrap().to_owned(), packets)
    });
    let duration = found["format"]["duration"].as_str().unwrap().parse().unwrap();
    (streams.collect(), duration)
}

/// The times of the pictures in a file, in order, seconds, as ffmpeg sees them.
pub fn times(file: &Path) -> Vec<f64> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time", "-of", "csv=p=0"])
        .arg(file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut times: Vec<f64> = text.lines().map(|l| l.trim_end_matches(',').parse().unwrap()).collect();
    times.sort_by(f64::total_cmp);
    times
}

/// A hash of each packet of a stream (`v` or `a`), as ffmpeg sees it.
pub fn packets(file: &Path, stream: &str) -> Vec<String> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(file)
        .args(["-map", &format!("0:{stream}"), "-c", "copy", "-f", "framemd5", "-"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.rsplit(',').next().unwrap().trim().to_owned())
        .collect()
}

/// The frame counters in a file's pictures, with their times, read by a pipeline line that ends in raw video.
pub fn counters_of(line: &str) -> Vec<(gst::ClockTime, Option<u64>)> {
    let line = format!("{line} ! videoconvert ! video/x-raw,format=GRAY8 ! appsink name=out sync=false");
    let pipeline = pipeline(&line);
    let sink = pipeline.by_name("out").unwrap().downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut found = Vec::new();
    while let Ok(sample) = sink.pull_sample() {
        let info = gst_video::VideoInfo::from_caps(sample.caps().unwrap()).unwrap();
        let buffer = sample.buffer().unwrap();
        let map = buffer.map_readable().unwrap();
        let counter = gstanabranchelements::test_source::barcode::read(
            &map,
            info.stride()[0] as usize,
            info.width() as usize,
            info.height() as usize,
        );
        let segment = sample.segment().unwrap().downcast_ref::<gst::ClockTime>().unwrap().clone();
        found.push((segment.to_running_time(buffer.pts()).unwrap(), counter));
    }
    pipeline.set_state(gst::State::Null).unwrap();
    found
}

/// The frame counters in a file.
pub fn counters(file: &Path) -> Vec<Option<u64>> {
    let line = format!("filesrc location={} ! decodebin", file.display());
    counters_of(&line).into_iter().map(|(_, counter)| counter).collect()
}

/// Frames 0, 1, 2 and so on, each once.
#[track_caller]
pub fn assert_in_order(counters: &[Option<u64>], count: u64) {
    let expected: Vec<Option<u64>> = (0..count).map(Some).collect();
    assert_eq!(counters, expected);
}
