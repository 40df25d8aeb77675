//! Filters that misbehave, in real pipelines: the video goes on.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anabranch_kit::filter::{Context, FilterError, VideoFilter};
use anabranch_kit::frame::Frame;
use anabranch_kit::{message, register_filter, registry};
use gst::prelude::*;
use gst_video::{VideoFormat, VideoInfo};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

const TEN: u64 = 10;
/// How long a filter hangs that nobody releases.
const HANG: Duration = Duration::from_secs(20);
/// Stopping takes less than this: a small part of what it would take to wait for a filter that hangs.
const PROMPT: Duration = Duration::from_secs(5);

/// What goes wrong, and at which frames.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// What the filter does at the bad frames.
    #[schemars(extend("x-live" = true))]
    does: Does,
    /// The first bad frame.
    from: u32,
    /// How many frames are bad.
    count: u32,
}

impl Default for Params {
    fn default() -> Self {
        Params { does: Does::Error, from: 10, count: 1 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Does {
    Error,
    Panic,
    Hang,
    Fatal,
}

/// Ends the hanging filters of this process.
static RELEASE: AtomicBool = AtomicBool::new(false);

pub struct Rascal;

impl VideoFilter for Rascal {
    type Params = Params;
    const FORMATS: &'static [VideoFormat] = &[VideoFormat::Gray8];

    fn new(_: &Params, _: &VideoInfo) -> Result<Self, FilterError> {
        Ok(Rascal)
    }

    fn process(&mut self, p: &Params, frame: &mut Frame<'_>, _: &mut Context) -> Result<(), FilterError> {
        let number = frame.number();
        if number >= u64::from(p.from) && number < u64::from(p.from) + u64::from(p.count) {
            match p.does {
                Does::Error => return Err(FilterError::failed("the moon is in the wrong place")),
                Does::Panic => panic!("index out of cheese"),
                Does::Fatal => return Err(FilterError::fatal("it will never work; buy a new one")),
                Does::Hang => {
                    let end = Instant::now() + HANG;
                    while !RELEASE.load(Ordering::Relaxed) && Instant::now() < end {
                        std::thread::park_timeout(Duration::from_millis(20));
                    }
                }
            }
        }
        frame.rows_mut(0).for_each(|row| row.fill(200));
        Ok(())
    }
}

register_filter!(Rascal, name: "rascal", type_name: "AbTestRascal", summary: "Misbehaves", author: "Tests");

struct Run {
    /// For each frame that came out: whether the filter had its way with it.
    frames: Vec<bool>,
    messages: Vec<(String, Value)>,
    error: Option<String>,
    stats: gst::Structure,
    longest_stop: Duration,
}

fn run(filter: &str, frames: u64, live: bool) -> Run {
    run_watched(filter, frames, live, |_| ())
}

/// As [`run`]; `out` is called with the number of frames that came out.
fn run_watched(filter: &str, frames: u64, live: bool, out: impl Fn(u64) + Send + Sync + 'static) -> Run {
    gst::init().unwrap();
    registry::register_all(None).unwrap();
    let pipeline = gst::parse::launch(&format!(
        "videotestsrc num-buffers={frames} is-live={live} pattern=black ! \
         video/x-raw,format=GRAY8,width=64,height=48,framerate=100/1 ! {filter} name=f ! \
         fakesink name=s signal-handoffs=true sync=false"
    ))
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let (seen, frames) = std::sync::mpsc::channel();
    let count = AtomicU64::new(0);
    pipeline.by_name("s").unwrap().connect("handoff", false, move |args| {
        let buffer = args[1].get::<gst::Buffer>().unwrap();
        seen.send(buffer.map_readable().unwrap()[0] == 200).unwrap();
        out(count.fetch_add(1, Ordering::Relaxed) + 1);
        None
    });
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    let mut messages = Vec::new();
    let mut error = None;
    for message in bus.iter_timed(gst::ClockTime::from_seconds(30)) {
        match message.view() {
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(e) => {
                error = Some(e.error().to_string());
                break;
            }
            _ => messages.extend(message::decode(&message)),
        }
    }
    let stats = pipeline.by_name("f").unwrap().property::<gst::Structure>("stats");
    let begun = Instant::now();
    pipeline.set_state(gst::State::Null).unwrap();
    let longest_stop = begun.elapsed();
    drop(pipeline);
    Run { frames: frames.try_iter().collect(), messages, error, stats, longest_stop }
}

fn named<'a>(run: &'a Run, name: &str) -> Vec<&'a Value> {
    run.messages.iter().filter(|(n, _)| n == name).map(|(_, data)| data).collect()
}

// On a busy machine a good frame may take longer than the usual budget, and the first panic of a process takes its time to
// be printed, hence the budgets.
#[test]
fn an_error_costs_one_frame_its_effect_and_is_told_once() {
    let run = run("abrascal does=error from=10 count=5 budget-ms=30000", 100, false);
    assert_eq!(run.error, None);
    let expected: Vec<bool> = (0..100).map(|n| !(10..15).contains(&n)).collect();
    assert_eq!(run.frames, expected);
    let trouble = named(&run, "filter-trouble");
    assert_eq!(trouble.len(), 1, "{trouble:?}");
    assert_eq!(trouble[0]["filter"], "rascal");
    assert_eq!(trouble[0]["reason"], "error");
    assert_eq!(trouble[0]["detail"], "the moon is in the wrong place");
    assert!(trouble[0]["consequence"].as_str().unwrap().contains("passes unchanged"));
    let recovered = named(&run, "filter-recovered");
    assert_eq!(recovered.len(), 1);
    assert_eq!(recovered[0]["troubles"], 5);
}

#[test]
fn a_panic_costs_one_frame_and_the_filter_is_made_anew() {
    let run = run("abrascal does=panic from=10 count=1 budget-ms=30000", 100, false);
    assert_eq!(run.error, None);
    assert_eq!(run.frames.len(), 100);
    assert_eq!(run.frames.iter().filter(|f| !**f).count(), 1);
    let trouble = named(&run, "filter-trouble");
    assert_eq!((trouble.len(), trouble[0]["reason"].as_str()), (1, Some("panic")));
    assert_eq!(trouble[0]["detail"], "it panicked: index out of cheese");
    assert_eq!(named(&run, "filter-recovered").len(), 1);
}

#[test]
fn a_filter_that_always_panics_is_left_alone_more_and_more() {
    let run = run("abrascal does=panic from=0 count=4000000 budget-ms=5000", 100, true);
    assert_eq!(run.frames, vec![false; 100]);
    assert_eq!(named(&run, "filter-trouble").len(), 1);
    let stats = &run.stats;
    assert_eq!(stats.get::<u64>("passed-through"), Ok(100));
}

#[test]
fn a_hanging_filter_costs_one_frame_and_is_taken_back() {
    // Only video that goes on releases the filter: if it waited, it would wait until the hang is over, and have its effect.
    let run = run_watched("abrascal does=hang from=10 count=1 budget-ms=1000", 500, true, |count| {
        if count == 60 {
            RELEASE.store(true, Ordering::Relaxed);
        }
    });
    assert_eq!(run.error, None);
    assert_eq!(run.frames.len(), 499, "one frame was with the filter when it hung");
    let trouble = named(&run, "filter-trouble");
    assert_eq!((trouble.len(), trouble[0]["reason"].as_str()), (1, Some("late")));
    assert_eq!(trouble[0]["detail"], "it took longer than 1000 ms");
    assert!(run.frames[..10].iter().all(|f| *f));
    assert!(run.frames[10..60].iter().all(|f| !*f), "frames pass untouched meanwhile");
    assert!(run.frames.last().unwrap(), "the filter is back at work");
    assert_eq!(named(&run, "filter-recovered").len(), 1);
    assert_eq!(run.stats.get::<u64>("dropped"), Ok(1));
}

#[test]
fn stopping_does_not_wait_for_a_hanging_filter() {
    let run = run("abrascal does=hang from=10 count=1 budget-ms=1000", 30, false);
    assert_eq!(run.frames.len(), 29);
    assert!(run.longest_stop < PROMPT, "{:?}", run.longest_stop);
}

#[test]
fn stopping_ends_the_wait_for_a_filter_with_no_budget() {
    gst::init().unwrap();
    registry::register_all(None).unwrap();
    let pipeline = gst::parse::launch(
        "videotestsrc num-buffers=100 ! video/x-raw,format=GRAY8 ! abrascal name=f does=hang from=3 budget-ms=0 ! fakesink",
    )
    .unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let rascal = pipeline.downcast_ref::<gst::Bin>().unwrap().by_name("f").unwrap();
    while rascal.property::<gst::Structure>("stats").get::<u64>("frames").unwrap() < 4 {
        std::thread::yield_now();
    }
    let begun = Instant::now();
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(begun.elapsed() < PROMPT, "{:?}", begun.elapsed());
}

#[test]
fn a_filter_that_gives_up_stops_with_its_sentence() {
    let run = run("abrascal does=fatal from=10 budget-ms=30000", 100, false);
    assert_eq!(run.error.as_deref(), Some("rascal: it will never work; buy a new one"));
    assert_eq!(run.frames.len() as u64, TEN);
}

#[test]
fn a_live_property_changes_without_a_restart_and_others_with_one() {
    gst::init().unwrap();
    registry::register_all(None).unwrap();
    let descriptor = registry::catalog().get("rascal").unwrap().clone();
    assert!(descriptor.property("does").unwrap().live);
    assert!(!descriptor.property("from").unwrap().live);
    assert_eq!(descriptor.property("budget_ms").unwrap().default, 200);
    assert_eq!(descriptor.ports[0].layouts, ["GRAY8"]);
}
