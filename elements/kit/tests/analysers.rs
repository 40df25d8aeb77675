//! The properties that every analyser has, its commands and its drawing, in real pipelines.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anabranch_kit::analyzer::{Drawing, Sampling, VideoAnalyzer};
use anabranch_kit::command::{self, CommandError, CommandErrorKind, CommandResult};
use anabranch_kit::filter::{Context, FilterError};
use anabranch_kit::frame::Frame;
use anabranch_kit::regions::Region;
use anabranch_kit::results::FrameResults;
use anabranch_kit::sample::Sample;
use anabranch_kit::track::TrackOptions;
use anabranch_kit::{message, register_analyzer, registry};
use gst::prelude::*;
use gst_video::{VideoFormat, VideoInfo};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What the analyser is like.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// How long a look takes, in milliseconds.
    #[schemars(range(min = 0, max = 1000), extend("x-live" = true))]
    takes: u32,
    /// Whether it waits for the test at each look.
    gated: bool,
    /// Whether drawing panics.
    smudges: bool,
    /// A change of this makes it anew.
    generation: u32,
}

/// Lets gated looks go on.
static GATE: AtomicBool = AtomicBool::new(false);

/// It was told something.
#[derive(Serialize, JsonSchema)]
struct Told {
    word: String,
}

/// Finds one region per picture, whose place says which picture it was.
pub struct Witness {
    word: String,
}

impl VideoAnalyzer for Witness {
    type Params = Params;
    type Report = ();
    const FORMATS: &'static [VideoFormat] = &[VideoFormat::Gray8];
    const LABEL: &'static str = "mark";
    const DRAWS: bool = true;
    const COMMANDS: &'static [&'static str] = &["tell", "ask", "panic"];

    fn new(_: &Params, _: &VideoInfo) -> Result<Self, FilterError> {
        Ok(Witness { word: "nothing".into() })
    }

    fn sampling(_: &Params) -> Sampling {
        Sampling { longest: 16, rate: 60.0, tracking: TrackOptions::default() }
    }

    fn analyze(&mut self, p: &Params, sample: &Sample, ctx: &mut Context) -> Result<(), FilterError> {
        let end = Instant::now() + Duration::from_millis(p.takes.into());
        while Instant::now() < end || (p.gated && !GATE.load(Ordering::Relaxed)) {
            std::thread::yield_now();
        }
        let upstream = ctx.regions().iter().filter(|r| r.label == "other").count();
        ctx.scalar("upstream", upstream as f64);
        if ctx.is_analyzed(Self::LABEL) {
            ctx.scalar("analyzed", 1.0);
        }
        ctx.publish(ctx.number());
        ctx.add_region(Region {
            label: Self::LABEL.into(),
            x: ctx.number() as f32 / 1000.0,
            width: 0.5,
            height: 0.5,
            // Pictures are black: what is bright does not belong to them.
            score: sample.rgb.iter().filter(|v| **v < 16).count() as f32 / sample.rgb.len() as f32,
            ..Region::default()
        });
        Ok(())
    }

    fn draw(drawing: &Drawing<'_, Self>, frame: &mut Frame<'_>) -> Result<(), FilterError> {
        assert!(!drawing.params.smudges, "the pen broke");
        let number = drawing.published::<u64>().copied().unwrap_or(200);
        frame.rows_mut(0).for_each(|row| row.fill(number as u8 + 1));
        Ok(())
    }

    fn command(&mut self, name: &str, arguments: &Value, ctx: &mut Context) -> CommandResult {
        match name {
            "tell" => {
                let word = arguments["word"].as_str().ok_or_else(|| {
                    CommandError::new(CommandErrorKind::InvalidInput, "no-word", "say a word")
                })?;
                self.word = word.to_owned();
                ctx.emit(Told { word: word.to_owned() });
                Ok(Value::Null)
            }
            "ask" => Ok(json!(self.word)),
            _ => panic!("no"),
        }
    }

    fn take_over(&mut self, old: Self) {
        self.word = old.word;
    }
}

register_analyzer!(
    Witness,
    name: "witness",
    type_name: "AbTestWitness",
    summary: "Says which picture it saw",
    author: "Tests",
    events: [Told],
);

struct Run {
    results: Vec<FrameResults>,
    /// The first byte of each picture.
    bytes: Vec<u8>,
    messages: Vec<(String, Value)>,
    stats: gst::Structure,
}

/// A pipeline that is fed picture by picture.
struct Rig {
    pipeline: gst::Pipeline,
    source: gst::Element,
    element: gst::Element,
    seen: mpsc::Receiver<gst::Buffer>,
    pushed: u64,
}

impl Rig {
    fn new(element: &str) -> Rig {
        gst::init().unwrap();
        registry::register_all(None).unwrap();
        let pipeline = gst::parse::launch(&format!(
            "appsrc name=in format=time caps=video/x-raw,format=GRAY8,width=64,height=48,framerate=100/1 ! \
             {element} name=f ! fakesink name=s signal-handoffs=true sync=false async=false"
        ))
        .unwrap()
        .downcast::<gst::Pipeline>()
        .unwrap();
        let (sender, seen) = mpsc::channel();
        pipeline.by_name("s").unwrap().connect("handoff", false, move |args| {
            sender.send(args[1].get::<gst::Buffer>().unwrap()).unwrap();
            None
        });
        pipeline.set_state(gst::State::Playing).unwrap();
        let (source, element) = (pipeline.by_name("in").unwrap(), pipeline.by_name("f").unwrap());
        Rig { pipeline, source, element, seen, pushed: 0 }
    }

    /// Gives one picture and returns it as it came out.
    fn push(&mut self) -> gst::Buffer {
        let mut buffer = gst::Buffer::with_size(64 * 48).unwrap();
        buffer.get_mut().unwrap().map_writable().unwrap().fill(0);
        self.push_buffer(buffer)
    }

    /// Gives one picture in which rows are further apart than they are long, as decoders make them.
    fn push_padded(&mut self) -> gst::Buffer {
        let stride = 96;
        let mut buffer = gst::Buffer::with_size(stride * 48).unwrap();
        let edit = buffer.get_mut().unwrap();
        for row in edit.map_writable().unwrap().chunks_mut(stride) {
            row[..64].fill(0);
            row[64..].fill(255);
        }
        let flags = gst_video::VideoFrameFlags::empty();
        gst_video::VideoMeta::add_full(edit, flags, VideoFormat::Gray8, 64, 48, &[0], &[stride as i32])
            .unwrap();
        self.push_buffer(buffer)
    }

    fn push_buffer(&mut self, mut buffer: gst::Buffer) -> gst::Buffer {
        let edit = buffer.get_mut().unwrap();
        edit.set_pts(gst::ClockTime::from_mseconds(10 * self.pushed));
        anabranch_kit::regions::attach(edit, &Region { label: "other".into(), ..Region::default() }, 64, 48);
        self.pushed += 1;
        let flow = self.source.emit_by_name::<gst::FlowReturn>("push-buffer", &[&buffer]);
        assert_eq!(flow, gst::FlowReturn::Ok);
        self.seen.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    fn command(&self, name: &str, arguments: &Value) -> CommandResult {
        futures::executor::block_on(command::call(&self.element, name, arguments))
    }

    fn end(self) -> (Vec<(String, Value)>, gst::Structure) {
        let stats = self.element.property::<gst::Structure>("stats");
        let bus = self.pipeline.bus().unwrap();
        let mut messages = Vec::new();
        // Before it stops: a pipeline that stops throws its messages away.
        while let Some(message) = bus.pop() {
            messages.extend(message::decode(&message));
        }
        self.pipeline.set_state(gst::State::Null).unwrap();
        (messages, stats)
    }
}

fn run(element: &str, pictures: u64) -> Run {
    let mut rig = Rig::new(element);
    let buffers: Vec<gst::Buffer> = (0..pictures).map(|_| rig.push()).collect();
    let (messages, stats) = rig.end();
    Run {
        results: (0..).zip(&buffers).map(|(n, b)| FrameResults::of_buffer(b, 64, 48, n)).collect(),
        bytes: buffers.iter().map(|b| b.map_readable().unwrap()[0]).collect(),
        messages,
        stats,
    }
}

fn marks(results: &[FrameResults]) -> Vec<Vec<u64>> {
    let marks = |r: &FrameResults| {
        r.detections.iter().filter(|d| d.label == "mark").map(|d| (d.x * 1000.0).round() as u64).collect()
    };
    results.iter().map(marks).collect()
}

#[test]
fn inline_gives_each_picture_its_own_results_every_time() {
    for _ in 0..3 {
        let run = run("abwitness mode=inline budget-ms=0 takes=2", 30);
        assert_eq!(marks(&run.results), (0..30).map(|n| vec![n]).collect::<Vec<_>>());
        assert_eq!(run.stats.get::<u64>("analyses"), Ok(30));
        assert_eq!(
            run.results[29].scalars,
            [("upstream".to_owned(), 1.0)].into(),
            "it sees what was found before"
        );
        assert_eq!(run.stats.get::<f64>("upstream"), Ok(1.0));
    }
}

#[test]
fn it_knows_what_is_looked_for_before_it() {
    let after = run("abwitness mode=inline budget-ms=0 ! abwitness mode=inline budget-ms=0", 3);
    assert_eq!(after.stats.get::<f64>("analyzed"), Ok(1.0));
    let alone = run("abwitness mode=inline budget-ms=0", 3);
    assert!(alone.stats.get::<f64>("analyzed").is_err());
}

#[test]
fn padding_between_rows_is_not_looked_at() {
    let mut rig = Rig::new("abwitness mode=inline budget-ms=0");
    for buffer in [rig.push(), rig.push_padded()] {
        let results = FrameResults::of_buffer(&buffer, 64, 48, 0);
        let mark = results.detections.iter().find(|d| d.label == "mark").unwrap();
        assert_eq!(mark.score, 1.0, "something bright was seen: {mark:?}");
    }
    rig.end();
}

#[test]
fn inline_every_third_holds_in_between() {
    let run = run("abwitness mode=inline budget-ms=0 every=3", 9);
    assert_eq!(run.stats.get::<u64>("analyses"), Ok(3));
    let marks = marks(&run.results);
    assert!(marks.iter().all(|m| m.len() == 1));
    assert_eq!([&marks[0], &marks[3], &marks[6]], [&vec![0], &vec![3], &vec![6]]);
}

#[test]
fn a_picture_waits_no_longer_than_the_budget_and_video_goes_on() {
    GATE.store(false, Ordering::Relaxed);
    let run = run("abwitness mode=inline budget-ms=30 gated=true", 40);
    GATE.store(true, Ordering::Relaxed);
    assert_eq!(run.results.len(), 40);
    let troubles: Vec<&Value> =
        run.messages.iter().filter(|(name, _)| name == "filter-trouble").map(|(_, data)| data).collect();
    assert_eq!(troubles.len(), 1, "{troubles:?}");
    assert_eq!(troubles[0]["reason"], "late");
}

#[test]
fn every_n_never_holds_the_video() {
    let mut rig = Rig::new("abwitness mode=every-n every=4");
    // Whoever waits for the answer between pictures sees each fourth one looked at.
    let looks = |rig: &Rig| rig.element.property::<gst::Structure>("stats").get::<u64>("analyses").unwrap();
    while looks(&rig) < 5 {
        rig.push();
    }
    let pushed = rig.pushed;
    let (_, stats) = rig.end();
    assert!(pushed >= 17, "the fifth look is at the seventeenth picture, or later: {pushed}");
    assert_eq!(stats.get::<u64>("frames"), Ok(pushed));
}

#[test]
fn answers_after_the_deadline_are_thrown_away() {
    let mut rig = Rig::new("abwitness takes=40 deadline-ms=20");
    let late = |rig: &Rig| rig.element.property::<gst::Structure>("stats").get::<u64>("late").unwrap();
    while late(&rig) < 2 {
        let buffer = rig.push();
        assert_eq!(marks(&[FrameResults::of_buffer(&buffer, 64, 48, 0)]), [Vec::<u64>::new()]);
    }
    rig.element.set_property("deadline-ms", 0i64);
    while marks(&[FrameResults::of_buffer(&rig.push(), 64, 48, 0)])[0].is_empty() {}
    rig.end();
}

#[test]
fn it_draws_when_it_is_told_to() {
    let plain = run("abwitness mode=inline budget-ms=0", 5);
    assert_eq!(plain.bytes, [0; 5]);
    let drawn = run("abwitness mode=inline budget-ms=0 draw=true", 5);
    assert_eq!(drawn.bytes, [1, 2, 3, 4, 5], "with what it published about this very picture");
    let broken = run("abwitness mode=inline budget-ms=0 draw=true smudges=true", 5);
    assert_eq!(broken.bytes, [0; 5]);
    let (name, data) = &broken.messages[0];
    assert_eq!((name.as_str(), &data["reason"]), ("filter-trouble", &json!("panic")));
    assert!(data["detail"].as_str().unwrap().contains("the pen broke"), "{data}");
}

#[test]
fn commands_reach_the_analyser() {
    let mut rig = Rig::new("abwitness mode=inline budget-ms=0");
    assert_eq!(rig.command("dance", &json!({})).unwrap_err().kind, CommandErrorKind::Unknown);
    // Before there is video they wait for it.
    assert_eq!(rig.command("tell", &json!({"word": "early"})), Ok(json!({"queued": true})));
    assert_eq!(rig.command("tell", &json!({})), Ok(json!({"queued": true})));
    rig.push();
    assert_eq!(rig.command("ask", &json!({})), Ok(json!("early")));
    assert_eq!(rig.command("tell", &json!({})).unwrap_err().code, "no-word");
    assert_eq!(rig.command("tell", &json!({"word": "now"})), Ok(Value::Null));
    // One that is made anew takes over what the old one was told.
    rig.element.set_property("generation", 2i64);
    rig.push();
    while rig.element.property::<gst::Structure>("stats").get::<u64>("analyses").unwrap() < 2 {
        rig.push();
    }
    assert_eq!(rig.command("ask", &json!({})), Ok(json!("now")));
    assert_eq!(rig.command("panic", &json!({})).unwrap_err().code, "panic");
    assert_eq!(rig.command("ask", &json!({})).unwrap_err().code, "not-running");
    while rig.command("ask", &json!({})) != Ok(json!("nothing")) {
        rig.push();
    }
    let (messages, _) = rig.end();
    let told: Vec<&Value> =
        messages.iter().filter(|(name, _)| name == "told").map(|(_, data)| &data["word"]).collect();
    assert_eq!(told, ["early", "now"]);
    let reasons: Vec<&Value> = messages
        .iter()
        .filter(|(name, _)| name == "filter-trouble")
        .map(|(_, data)| &data["reason"])
        .collect();
    assert_eq!(reasons, ["command", "panic"], "the one that was queued could not be answered");
}
