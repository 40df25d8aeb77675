//! A stream of numbered frames through a filter in Python.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anabranch_harness::barcode;
use anabranch_kit::message;
use anabranch_kit::params::set_json;
use anabranch_kit::regions::{self, Region};
use gst::prelude::*;
use gstanabranchelements as _;
use gstanabranchpython as _;
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(60);

/// What came out.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The counter that the source painted.
    pub counter: Option<u64>,
    /// What is on the frame.
    pub regions: Vec<Region>,
    /// Mean brightness.
    pub brightness: f64,
}

/// A running stream.
pub struct Scene {
    folder: tempfile::TempDir,
    pipeline: gst::Pipeline,
    /// The filter.
    pub filter: gst::Element,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// What the filter told: names and data.
    pub told: Vec<(String, Value)>,
}

/// The beginning of every file here.
const HEAD: &str = "import os, time\nfrom typing import Annotated, Literal\nimport numpy as np\n\
                    from anabranch import Detection, Event, Filter, Range, Scalar\n\n";

impl Scene {
    /// 30 frames a second of 320x240 through a filter with this text and these properties.
    pub fn new(text: &str, properties: &[(&str, Value)]) -> Scene {
        gst::init().unwrap();
        anabranch_kit::registry::register_all(None).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let source = gst::ElementFactory::make("abtestsource").build().unwrap();
        for (name, value) in [("width", 320), ("height", 240)] {
            set_json(source.upcast_ref(), name, &value.into()).unwrap();
        }
        set_json(source.upcast_ref(), "audio", &false.into()).unwrap();
        set_json(source.upcast_ref(), "pace", &"realtime".into()).unwrap();
        let filter = gst::ElementFactory::make("abpythonfilter").build().unwrap();
        let file = folder.path().join("my_filter.py");
        std::fs::write(&file, format!("{HEAD}{text}")).unwrap();
        set_json(filter.upcast_ref(), "file", &file.to_str().unwrap().into()).unwrap();
        for (name, value) in properties {
            set_json(filter.upcast_ref(), name, value).unwrap();
        }
        let caps = gst::Caps::builder("video/x-raw").field("format", "I420").build();
        let wanted = gst::ElementFactory::make("capsfilter").property("caps", caps).build().unwrap();
        let sink = gst::ElementFactory::make("fakesink")
            .property("signal-handoffs", true)
            .property("sync", false)
            .build()
            .unwrap();
        let pipeline = gst::Pipeline::new();
        pipeline.add_many([&source, &wanted, &filter, &sink]).unwrap();
        source.link_pads(Some("src_video"), &wanted, Some("sink")).unwrap();
        gst::Element::link_many([&wanted, &filter, &sink]).unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let inside = seen.clone();
        sink.connect("handoff", false, move |args| {
            let buffer = args[1].get::<gst::Buffer>().unwrap();
            let map = buffer.map_readable().unwrap();
            let luma = &map[..320 * 240];
            inside.lock().unwrap().push(Seen {
                counter: barcode::read(luma, 320, 320, 240),
                regions: regions::read(&buffer, 320, 240),
                brightness: luma.iter().map(|v| f64::from(*v)).sum::<f64>() / luma.len() as f64,
            });
            None
        });
        pipeline.set_state(gst::State::Playing).unwrap();
        Scene { folder, pipeline, filter, seen, told: Vec::new() }
    }

    /// Where the file is.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("my_filter.py")
    }

    /// Saves the file anew.
    pub fn save(&self, text: &str) {
        std::fs::write(self.file(), format!("{HEAD}{text}")).unwrap();
    }

    /// Listens until it is so.
    pub fn until(&mut self, what: &str, is_so: impl Fn(&Scene) -> bool) {
        let deadline = Instant::now() + LIMIT;
        let bus = self.pipeline.bus().unwrap();
        while !is_so(self) {
            assert!(Instant::now() < deadline, "{what}: it never came; told: {:#?}", self.told);
            let Some(message) = bus.timed_pop(gst::ClockTime::from_mseconds(20)) else { continue };
            if let gst::MessageView::Error(error) = message.view() {
                panic!("{what}: {}", error.error());
            }
            self.told.extend(message::decode(&message));
        }
    }

    /// Listens until this many more frames have come.
    pub fn frames(&mut self, count: usize) {
        let wanted = self.count() + count;
        self.until("frames", |scene| scene.count() >= wanted);
    }

    /// Listens until a message of that name has come, and returns its data.
    pub fn wait_for(&mut self, name: &str) -> Value {
        self.until(name, |scene| scene.told.iter().any(|(n, _)| n == name));
        self.named(name)[0].clone()
    }

    /// The data of all messages of that name.
    pub fn named(&self, name: &str) -> Vec<Value> {
        self.told.iter().filter(|(n, _)| n == name).map(|(_, data)| data.clone()).collect()
    }

    /// How many frames came out.
    pub fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// The newest frame.
    pub fn newest(&self) -> Option<Seen> {
        self.seen.lock().unwrap().last().cloned()
    }

    /// A number of the filter's statistics.
    pub fn stat(&self, name: &str) -> u64 {
        let stats = self.filter.property::<gst::Structure>("stats");
        stats.get::<u64>(name).ok().or_else(|| stats.get::<u32>(name).ok().map(u64::from)).unwrap_or(0)
    }

    /// Waits until the worker has looked at this many frames.
    pub fn looks(&mut self, count: u64) {
        let wanted = self.stat("analyses") + count;
        self.until("looks", |scene| scene.stat("analyses") >= wanted);
    }

    /// Stops, and checks that every frame that the source made came out, in order.
    pub fn end(self) -> Vec<Seen> {
        self.pipeline.set_state(gst::State::Null).unwrap();
        let seen = self.seen.lock().unwrap().clone();
        let counters: Vec<_> = seen.iter().map(|s| s.counter).collect();
        let wanted: Vec<_> = (0..seen.len() as u64).map(Some).collect();
        assert_eq!(counters, wanted, "frames are lost");
        seen
    }
}

/// Whether a process with this number is still there, as more than a dead one that nobody has waited for.
pub fn is_alive(pid: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().unwrap_or_default().trim().chars().next();
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// Waits until a process has ended.
pub fn wait_for_end(pid: u64) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while is_alive(pid) {
        assert!(Instant::now() < deadline, "the worker {pid} lives on");
        std::thread::yield_now();
    }
}
