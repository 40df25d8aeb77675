//! The element `python-filter`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use anabranch_graph::catalog::{ElementDescriptor, EventSpec};
use anabranch_kit::analyzer::Mode;
use anabranch_kit::filter::{Facts, event_spec, video_ports};
use anabranch_kit::params::{ParamStore, REFUSAL, Table, table};
use anabranch_kit::registry::Registration;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::subclass::base_transform::GenerateOutputSuccess;
use gst_base::subclass::prelude::*;
use gst_video::{VideoFormat, VideoInfo};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::stage::{NAME, Stage};
use crate::stream::Stream;
use crate::supervisor::{self, Orders};

const FORMATS: &[VideoFormat] = &[
    VideoFormat::I420,
    VideoFormat::Nv12,
    VideoFormat::Rgba,
    VideoFormat::Bgra,
    VideoFormat::Rgb,
    VideoFormat::Bgr,
    VideoFormat::Gray8,
];

/// The property by which the engine lets frames pass a filter that failed.
const PASS_ON_ERROR: &str = "pass-on-error";

/// The properties of `python-filter`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// The Python file with the filter's class. Saving it loads it anew.
    #[schemars(extend("x-required" = true))]
    pub file: Option<String>,
    /// The filter's own parameters, by name; `anabranch show --python FILE` lists them. Those that are not named have
    /// their defaults.
    #[schemars(extend("x-live" = true))]
    pub params: Map<String, Value>,
    /// The Python interpreter: a path, or a name, of which the first in the search path that has numpy is taken.
    pub python: String,
    /// The longer side of the pictures that the filter sees, in pixels; 0 is what its file says.
    #[schemars(range(min = 0, max = 16384), extend("x-live" = true))]
    pub size: u32,
    /// Looks per second of video at most, in the mode latest; 0 is what its file says.
    #[schemars(range(min = 0.0, max = 1000.0), extend("x-live" = true))]
    pub rate: f64,
    /// Which pictures are looked at: latest (the newest, never holds the video up), every-n, or inline (the picture
    /// waits for the answer, and may be changed by it).
    #[schemars(extend("x-live" = true))]
    pub mode: Mode,
    /// In the modes every-n and inline, how many pictures it is from one look to the next; 1 is all.
    #[schemars(range(min = 1, max = 1000), extend("x-live" = true))]
    pub every: u32,
    /// In the mode inline, how long a picture waits for the answer, in milliseconds; then it passes as it is; 0 waits
    /// until the filter has answered or counts as hung.
    #[schemars(range(min = 0, max = 60000), extend("x-live" = true))]
    pub budget_ms: u32,
    /// Results that took longer than this are thrown away, in milliseconds; 0 takes all.
    #[schemars(range(min = 0, max = 60000), extend("x-live" = true))]
    pub deadline_ms: u32,
    /// How long a filter may be busy with one picture before it counts as hung and is started anew, in milliseconds.
    #[schemars(range(min = 100, max = 600000), extend("x-live" = true))]
    pub hang_ms: u32,
    /// How long something stays on the video that is not found any more, in milliseconds.
    #[schemars(range(min = 0, max = 10000), extend("x-live" = true))]
    pub hold_ms: u32,
    /// How many megabytes of data the filter's process may have; 0 is no limit.
    #[schemars(range(min = 0, max = 1048576))]
    pub memory_mb: u32,
}

impl Default for Params {
    fn default() -> Self {
        Params {
            file: None,
            params: Map::new(),
            python: "python3".to_owned(),
            size: 0,
            rate: 0.0,
            mode: Mode::Latest,
            every: 1,
            budget_ms: 200,
            deadline_ms: 0,
            hang_ms: 5000,
            hold_ms: 400,
            memory_mb: 2048,
        }
    }
}

/// The file was saved, and the new version of the filter has taken over.
#[derive(Serialize, JsonSchema)]
#[allow(dead_code, reason = "its schema is what is wanted")]
struct FilterReloaded {
    /// `python-filter`.
    filter: String,
    /// The file.
    file: String,
    /// The filter's class.
    class: String,
    /// The names of its parameters.
    params: Vec<String>,
}

/// The filter printed something.
#[derive(Serialize, JsonSchema)]
#[allow(dead_code, reason = "its schema is what is wanted")]
struct FilterLog {
    /// `python-filter`.
    filter: String,
    /// `stdout` or `stderr`.
    stream: String,
    /// Whole lines, at most 4000 bytes five times a second.
    text: String,
    /// How many lines there were besides.
    lines_left_out: Option<u64>,
}

fn events() -> Vec<EventSpec> {
    vec![event_spec::<FilterReloaded>(), event_spec::<FilterLog>()]
}

/// The catalogue's entry.
pub fn descriptor() -> ElementDescriptor {
    Facts {
        name: NAME,
        summary: "Runs a filter that is written in Python, in a process of its own",
        doc: include_str!("element.md"),
        author: "The Anabranch developers",
        example: "player uri=film.mp4 -> python-filter file=blobs.py params=threshold=180 -> null-sink",
        events: events(),
        realtime: true,
        ports: video_ports(FORMATS),
        more: Vec::new(),
    }
    .descriptor::<Params>()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
pub struct Imp {
    params: ParamStore<Params>,
    pass_on_error: AtomicBool,
    /// It will never work: every frame passes.
    given_up: AtomicBool,
    refusal: Mutex<Option<String>>,
    stage: Mutex<Option<Arc<Stage>>>,
    stream: Mutex<Option<Stream>>,
    /// How many frames there were, and the filter's own numbers.
    shown: Mutex<(u64, BTreeMap<String, f64>)>,
    hang_ms: Arc<AtomicU64>,
}

#[glib::object_subclass]
impl ObjectSubclass for Imp {
    const NAME: &'static str = "AbPythonFilter";
    type Type = Element;
    type ParentType = gst_base::BaseTransform;
}

glib::wrapper! {
    /// The element.
    pub struct Element(ObjectSubclass<Imp>) @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

impl Imp {
    fn set_params(&self, value: &glib::Value) -> Result<(), String> {
        let text = value.get::<Option<&str>>().map_err(|_| "it is not text")?.unwrap_or_default();
        let text = if text.is_empty() { "{}" } else { text };
        let params: Map<String, Value> =
            serde_json::from_str(text).map_err(|error| format!("it is not a JSON object: {error}"))?;
        if let Some(stage) = lock(&self.stage).clone() {
            stage.set_params(&params)?;
        }
        self.params.set("params", &Value::Object(params)).map_err(|error| error.to_string())
    }

    fn stats(&self) -> gst::Structure {
        let counts = lock(&self.stage).as_ref().map(|stage| stage.counts()).unwrap_or_default();
        let mut structure = gst::Structure::builder("stats")
            .field("analyses", counts.looks)
            .field("missed", counts.missed)
            .field("late", counts.late)
            .field("restarts", counts.restarts)
            .field("worker-pid", counts.pid)
            .field("processing-ns-average", counts.own.average())
            .field("processing-ns-max", counts.own.most())
            .field("transit-ns-average", counts.transit.average())
            .field("transit-ns-max", counts.transit.most())
            .field("round-trip-ns", u64::try_from(counts.round_trip.as_nanos()).unwrap_or(u64::MAX))
            .build();
        let (frames, scalars) = &*lock(&self.shown);
        structure.set("frames", *frames);
        for (name, value) in scalars {
            structure.set(name.as_str(), *value);
        }
        structure
    }

    fn orders(&self, params: &Params) -> Result<Orders, String> {
        let file = params.file.as_deref().filter(|file| !file.is_empty());
        let file = PathBuf::from(file.ok_or("the property file is missing: it names the Python file")?);
        if !file.is_file() {
            return Err(format!("there is no file {}", file.display()));
        }
        let file = std::path::absolute(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let (hang_ms, element) = (self.hang_ms.clone(), self.obj().downgrade());
        Ok(Orders {
            file,
            python: params.python.clone(),
            memory_mb: params.memory_mb,
            background: params.mode != Mode::Inline,
            patience: Arc::new(move || Duration::from_millis(hang_ms.load(Ordering::Relaxed))),
            tell: Arc::new(move |name, data| {
                if let Some(element) = element.upgrade() {
                    anabranch_kit::message::post(&element, name, data);
                }
            }),
        })
    }

    fn begin(&self) -> Result<(), String> {
        let params = self.params.get();
        let orders = self.orders(&params)?;
        self.hang_ms.store(params.hang_ms.into(), Ordering::Relaxed);
        let stage = Stage::new(params.params).map_err(|error| format!("it cannot be started: {error}"))?;
        let inside = stage.clone();
        std::thread::Builder::new()
            .name("python-filter".into())
            .spawn(move || supervisor::run(inside, orders))
            .map_err(|error| format!("it cannot be started: {error}"))?;
        *lock(&self.shown) = Default::default();
        *lock(&self.stage) = Some(stage);
        Ok(())
    }

    fn fails(&self, problem: &str) -> gst::ErrorMessage {
        gst::error_msg!(gst::ResourceError::Settings, ("{}: {}", NAME, problem))
    }
}

impl ObjectImpl for Imp {
    fn properties() -> &'static [glib::ParamSpec] {
        static ALL: OnceLock<Vec<glib::ParamSpec>> = OnceLock::new();
        ALL.get_or_init(|| {
            let mut all = table::<Params>().param_specs().to_vec();
            all.push(
                glib::ParamSpecBoolean::builder(PASS_ON_ERROR)
                    .nick("Pass on error")
                    .blurb("After an error, post it and let frames pass as they are instead of stopping the stream")
                    .mutable_ready()
                    .build(),
            );
            all.push(
                glib::ParamSpecString::builder(REFUSAL)
                    .nick("Refusal")
                    .blurb("Why the value that params was set to last was not taken")
                    .read_only()
                    .build(),
            );
            all.push(Table::stats_spec());
            all
        })
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        if pspec.name() == PASS_ON_ERROR {
            return self.pass_on_error.store(value.get().unwrap_or_default(), Ordering::Relaxed);
        }
        let result = match pspec.name() {
            "params" => self.set_params(value),
            name => self.params.set_value(name, value).map_err(|error| error.to_string()),
        };
        self.hang_ms.store(self.params.with(|p| p.hang_ms).into(), Ordering::Relaxed);
        if let Err(problem) = &result {
            gst::warning!(
                gst::CAT_RUST,
                imp = self,
                "{problem}; the property '{}' keeps its value",
                pspec.name()
            );
        }
        *lock(&self.refusal) = result.err();
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            PASS_ON_ERROR => self.pass_on_error.load(Ordering::Relaxed).to_value(),
            REFUSAL => lock(&self.refusal).to_value(),
            "stats" => self.stats().to_value(),
            _ => self.params.value(pspec),
        }
    }
}

impl GstObjectImpl for Imp {}

impl ElementImpl for Imp {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static META: OnceLock<gst::subclass::ElementMetadata> = OnceLock::new();
        Some(META.get_or_init(|| {
            let d = descriptor();
            gst::subclass::ElementMetadata::new(
                "Python filter",
                "Filter/Analyzer/Video",
                &d.summary,
                &d.author,
            )
        }))
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static PADS: OnceLock<Vec<gst::PadTemplate>> = OnceLock::new();
        PADS.get_or_init(|| {
            let caps = gst_video::VideoCapsBuilder::new().format_list(FORMATS.iter().copied()).build();
            [("src", gst::PadDirection::Src), ("sink", gst::PadDirection::Sink)]
                .into_iter()
                .filter_map(|(name, direction)| {
                    gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps).ok()
                })
                .collect()
        })
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::PausedToReady {
            let stage = lock(&self.stage).clone();
            if let Some(stage) = stage {
                stage.interrupt();
            }
        }
        self.parent_change_state(transition)
    }
}

impl BaseTransformImpl for Imp {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::AlwaysInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let begun = self.begin();
        self.given_up.store(begun.is_err(), Ordering::Relaxed);
        let Err(problem) = begun else { return Ok(()) };
        if self.pass_on_error.load(Ordering::Relaxed) {
            self.obj().post_error_message(self.fails(&problem));
            return Ok(());
        }
        Err(self.fails(&problem))
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        let stage = lock(&self.stage).take();
        if let Some(stage) = stage {
            stage.close();
        }
        *lock(&self.stream) = None;
        Ok(())
    }

    fn set_caps(&self, incaps: &gst::Caps, _outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let info = VideoInfo::from_caps(incaps)
            .map_err(|_| gst::loggable_error!(gst::CAT_RUST, "{}: cannot use {incaps}", NAME))?;
        let mut stream = lock(&self.stream);
        match stream.as_mut() {
            Some(stream) => stream.set_info(info),
            None => *stream = Some(Stream::new(info)),
        }
        Ok(())
    }

    // Never called: `generate_output` does the work. It is here to tell the base class the mode.
    fn transform_ip(&self, _buffer: &mut gst::BufferRef) -> Result<gst::FlowSuccess, gst::FlowError> {
        Ok(gst::FlowSuccess::Ok)
    }

    fn generate_output(&self) -> Result<GenerateOutputSuccess, gst::FlowError> {
        let Some(mut buffer) = self.take_queued_buffer() else { return Ok(GenerateOutputSuccess::NoOutput) };
        let stage = lock(&self.stage).clone();
        let Some(stage) = stage.filter(|_| !self.given_up.load(Ordering::Relaxed)) else {
            return Ok(GenerateOutputSuccess::Buffer(buffer));
        };
        let params = self.params.get();
        // Taken out for as long as it works: whoever asks for statistics need not wait.
        let stream = lock(&self.stream).take();
        let Some(mut stream) = stream else { return Ok(GenerateOutputSuccess::Buffer(buffer)) };
        let result = stream.frame(&stage, &params, &mut buffer);
        {
            let (frames, scalars) = stream.counts();
            let mut shown = lock(&self.shown);
            shown.0 = frames;
            shown.1.clone_from(scalars);
        }
        lock(&self.stream).get_or_insert(stream);
        match result {
            Ok(messages) => {
                for (name, data) in messages {
                    anabranch_kit::message::post(&*self.obj(), &name, data);
                }
                Ok(GenerateOutputSuccess::Buffer(buffer))
            }
            Err(problem) => {
                self.given_up.store(true, Ordering::Relaxed);
                self.obj().post_error_message(self.fails(&problem));
                match self.pass_on_error.load(Ordering::Relaxed) {
                    true => Ok(GenerateOutputSuccess::Buffer(buffer)),
                    false => Err(gst::FlowError::Error),
                }
            }
        }
    }
}

anabranch_kit::inventory::submit! {
    Registration {
        descriptor,
        register: |plugin| {
            gst::Element::register(plugin, "abpythonfilter", gst::Rank::NONE, Element::static_type())
        },
    }
}
