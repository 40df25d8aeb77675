//! What `filter_tests!` runs.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use anabranch_graph::catalog::{ElementDescriptor, PropertyKind, PropertySpec};
use anabranch_graph::format::Medium;
use gst::prelude::*;
use serde_json::{Value, json};

use super::feed::{run_audio, run_video};
use super::leaks::Watch;
use crate::params::set_json;
use crate::registry;

const FRAMES: usize = 8;

/// The tests of one filter.
pub struct Suite {
    descriptor: ElementDescriptor,
    properties: Vec<(String, Value)>,
}

impl Drop for Suite {
    /// The process ends with the test: nobody may compute any more.
    fn drop(&mut self) {
        crate::worker::wait_for_all(Duration::from_secs(20));
    }
}

impl Suite {
    /// The tests of this filter, which is registered.
    pub fn new(descriptor: ElementDescriptor) -> Self {
        gst::init().unwrap();
        registry::register_all(None).unwrap();
        Suite { descriptor, properties: Vec::new() }
    }

    /// Sets a property that the filter cannot do without.
    pub fn set(&mut self, name: &str, value: Value) {
        self.properties.push((name.to_owned(), value));
    }

    fn element(&self) -> gst::Element {
        let element = gst::ElementFactory::make(&self.descriptor.factory).build().unwrap();
        for (name, value) in &self.properties {
            set_json(element.upcast_ref(), name, value).unwrap();
        }
        element
    }

    fn is_audio(&self) -> bool {
        self.descriptor.inputs().next().is_some_and(|port| port.medium == Medium::Audio)
    }

    /// The filter with time enough: a slow machine is not what these tests are about.
    fn patient(&self) -> gst::Element {
        let element = self.element();
        set_json(element.upcast_ref(), "budget_ms", &json!(60_000)).unwrap();
        element
    }

    /// A few frames in the first format, of about this size.
    fn run(&self, element: &gst::Element, size: i32, frames: usize) -> Vec<gst::Sample> {
        self.run_between(element, size, frames, |_| ())
    }

    fn run_between(
        &self,
        element: &gst::Element,
        size: i32,
        frames: usize,
        between: impl FnMut(usize) + Send + 'static,
    ) -> Vec<gst::Sample> {
        let layout = &self.descriptor.inputs().next().unwrap().layouts[0];
        match self.is_audio() {
            true => run_audio(element, 500 * size, 2, 480, frames, between),
            false => run_video(element, layout, size, size * 3 / 4, frames, between),
        }
    }

    /// The catalogue has it, under the name and with the properties that GStreamer has, and so has the plugin.
    ///
    /// # Panics
    ///
    /// If not.
    pub fn listed(&self) {
        let d = &self.descriptor;
        let catalog = registry::catalog();
        let entry = catalog.get(&d.name).unwrap_or_else(|| panic!("the catalogue has no '{}'", d.name));
        assert_eq!(entry.factory, d.factory);
        let factory = gst::ElementFactory::find(&d.factory).expect("GStreamer knows the factory");
        let pads = factory.static_pad_templates();
        for port in &d.ports {
            let pad = pads.iter().find(|pad| pad.name_template() == port.pad).expect("the pad of the port");
            let caps = pad.caps().to_string();
            for layout in &port.layouts {
                assert!(caps.contains(layout.as_str()), "{} takes {caps}, not {layout}", port.pad);
            }
        }
    }

    /// Every text that people see is there.
    ///
    /// # Panics
    ///
    /// If not; as all of these.
    pub fn described_well(&self) {
        let d = &self.descriptor;
        assert!(
            !d.summary.is_empty() && !d.summary.ends_with('.'),
            "the summary is one line without a full stop"
        );
        assert!(!d.author.is_empty());
        assert!(d.example.is_empty() || d.example.contains(&d.name), "the example uses the filter");
        for property in &d.properties {
            assert!(!property.summary.is_empty(), "'{}' has no doc comment", property.name);
        }
        for event in &d.events {
            assert!(!event.summary.is_empty(), "the event '{}' has no doc comment", event.name);
        }
        let element = self.element();
        let factory = element.factory().unwrap();
        assert_eq!(factory.metadata("author"), Some(d.author.as_str()));
        for property in &d.properties {
            let pspec = element.find_property(&property.name.replace('_', "-"));
            let pspec = pspec.unwrap_or_else(|| panic!("GObject has no '{}'", property.name));
            assert!(pspec.blurb().is_some_and(|b| !b.is_empty()));
        }
    }

    /// Every property takes each of its extreme values and gives it back.
    ///
    /// # Panics
    ///
    /// If not.
    pub fn properties(&self) {
        let element = self.element();
        let object = element.upcast_ref::<glib::Object>();
        for property in &self.descriptor.properties {
            let mut values = extremes(&property.kind);
            values.extend(Some(property.default.clone()).filter(|v| !v.is_null()));
            for value in values {
                set_json(object, &property.name, &value).unwrap();
                let back = read(&element, &property.name.replace('_', "-"), &property.kind);
                let same = match (value.as_f64(), back.as_f64()) {
                    (Some(a), Some(b)) => a == b,
                    _ => value == back,
                };
                assert!(same, "'{}': {value} became {back}", property.name);
            }
            for value in misfits(&property.kind) {
                let before = read(&element, &property.name.replace('_', "-"), &property.kind);
                let refused = set_json(object, &property.name, &value);
                assert!(refused.is_err(), "'{}' took {value}", property.name);
                let after = read(&element, &property.name.replace('_', "-"), &property.kind);
                assert_eq!(before, after, "'{}' was changed by {value}, which it refused", property.name);
            }
        }
    }

    /// Every property that may change while media flow takes each of its extreme values then, and no frame is lost.
    ///
    /// # Panics
    ///
    /// If not.
    pub fn changes(&self) {
        let element = self.patient();
        // What a text has to be only the filter knows.
        let is_text = |kind: &PropertyKind| {
            use PropertyKind::{List, Map, Record, String};
            matches!(kind, String | List { .. } | Map | Record { .. })
        };
        let live = |p: &&PropertySpec| p.live && p.name != "budget_ms" && !is_text(&p.kind);
        let mut values: Vec<(String, Value)> = Vec::new();
        for property in self.descriptor.properties.iter().filter(live) {
            let fits = extremes(&property.kind);
            values.extend(fits.into_iter().map(|value| (property.name.clone(), value)));
            // Back, so that the next one is tried on a filter that works.
            let given = self.properties.iter().find(|(name, _)| *name == property.name);
            let usual = given.map_or_else(|| property.default.clone(), |(_, value)| value.clone());
            values.push((property.name.clone(), usual));
        }
        let frames = values.len() + 2;
        let object = element.downgrade();
        let mut values = values.into_iter();
        let samples = self.run_between(&element, 64, frames, move |_| {
            if let (Some(element), Some((name, value))) = (object.upgrade(), values.next()) {
                set_json(element.upcast_ref(), &name, &value).unwrap();
            }
        });
        assert_eq!(samples.len(), frames);
    }

    /// It runs on every format that it declares, at sizes that are odd, tiny and usual, and loses no frame. Sound comes at
    /// several rates, with one channel or many, in pieces of odd lengths.
    ///
    /// # Panics
    ///
    /// If not.
    pub fn formats(&self) {
        if self.is_audio() {
            for (rate, channels) in [(8_000, 1), (44_100, 2), (48_000, 6), (96_000, 1)] {
                for moments in [1, 333, 1024] {
                    let element = self.patient();
                    let samples = run_audio(&element, rate, channels, moments, FRAMES, |_| ());
                    assert_eq!(samples.len(), FRAMES, "{rate} Hz, {channels} channels, {moments}");
                    let size = usize::try_from(4 * channels * moments).unwrap();
                    assert!(samples.iter().all(|s| s.buffer().unwrap().size() == size));
                    self.lost_nothing(&element);
                }
            }
            return;
        }
        let port = self.descriptor.inputs().next().unwrap();
        for format in &port.layouts {
            for (width, height) in [(33, 17), (1, 1), (2, 3), (160, 120)] {
                let element = self.patient();
                let samples = run_video(&element, format, width, height, FRAMES, |_| ());
                assert_eq!(samples.len(), FRAMES, "{format} {width}x{height}");
                for sample in samples {
                    let info = gst_video::VideoInfo::from_caps(sample.caps().unwrap()).unwrap();
                    assert_eq!((info.width(), info.height()), (width as u32, height as u32));
                    assert!(sample.buffer().unwrap().size() >= info.size());
                }
                self.lost_nothing(&element);
            }
        }
    }

    fn lost_nothing(&self, element: &gst::Element) {
        let stats = element.property::<gst::Structure>("stats");
        assert_eq!(stats.get::<u64>("frames").unwrap(), FRAMES as u64);
        // Analysers lose none by their nature.
        assert_eq!(stats.get::<u64>("dropped").unwrap_or(0), 0, "{}", self.descriptor.name);
    }

    /// It can be stopped and started again.
    ///
    /// # Panics
    ///
    /// If not.
    pub fn states(&self) {
        let element = self.patient();
        for size in [64, 48, 64] {
            assert_eq!(self.run(&element, size, 3).len(), 3);
        }
    }

    /// Nothing of it is left when it is dropped: no element, no buffer, nothing else that GStreamer's leak tracer sees.
    ///
    /// # Panics
    ///
    /// If something is.
    pub fn leaks(&self) {
        // What is made once for the process is made here.
        drop(self.run(&self.patient(), 64, 3));
        let watch = Watch::start();
        let element = self.patient();
        let weak = element.downgrade();
        let samples = self.run(&element, 64, 3);
        let buffers = samples.len();
        drop(samples);
        drop(element);
        assert_eq!(buffers, 3);
        assert!(weak.upgrade().is_none(), "somebody still holds the element");
        if let Some(watch) = watch {
            assert_eq!(watch.left(), Vec::<String>::new(), "these are left");
        }
    }
}

/// The least and the greatest value, or all of them.
fn extremes(kind: &PropertyKind) -> Vec<Value> {
    match kind {
        PropertyKind::Bool => vec![json!(false), json!(true)],
        PropertyKind::Integer { min, max } => vec![json!(min), json!(max)],
        PropertyKind::Number { min, max } => vec![json!(min), json!(max)],
        PropertyKind::String => vec![json!("text"), json!("")],
        PropertyKind::Enum { values } => values.iter().map(|v| json!(v)).collect(),
        PropertyKind::List { item } => vec![json!([]), Value::Array(extremes(item))],
        PropertyKind::Map => vec![json!({}), json!({"name": 1, "other": "text"})],
        PropertyKind::Record { fields } => {
            let record = |pick: fn(Vec<Value>) -> Option<Value>| -> Value {
                fields.iter().filter_map(|f| Some((f.name.clone(), pick(extremes(&f.kind))?))).collect()
            };
            vec![record(|all| all.into_iter().next()), record(|all| all.into_iter().last())]
        }
    }
}

/// Values that do not fit.
fn misfits(kind: &PropertyKind) -> Vec<Value> {
    match kind {
        PropertyKind::Bool => vec![json!("yes"), json!(1)],
        PropertyKind::Integer { min, max } => {
            let beyond = [min.checked_sub(1), max.checked_add(1)];
            beyond.into_iter().flatten().map(|v| json!(v)).chain([json!(0.5), json!("one")]).collect()
        }
        PropertyKind::Number { min, max } => {
            let beyond = [min - 1.0, max + 1.0].into_iter().filter(|v| v.is_finite() && (v < min || v > max));
            beyond.map(|v| json!(v)).chain([json!("one")]).collect()
        }
        PropertyKind::String => vec![json!(1)],
        PropertyKind::Enum { .. } => vec![json!("no such word")],
        // A list or a map as text is checked where it is used.
        PropertyKind::List { .. } | PropertyKind::Map => Vec::new(),
        PropertyKind::Record { .. } => vec![json!({"no such entry": 1})],
    }
}

fn read(element: &gst::Element, name: &str, kind: &PropertyKind) -> Value {
    let value = element.property_value(name);
    match kind {
        PropertyKind::Bool => json!(value.get::<bool>().unwrap()),
        PropertyKind::Integer { .. } => match value.get::<i64>() {
            Ok(number) => json!(number),
            Err(_) => json!(value.get::<u32>().unwrap()),
        },
        PropertyKind::Number { .. } => json!(value.get::<f64>().unwrap()),
        PropertyKind::Enum { .. } if value.type_().is_a(glib::Type::ENUM) => {
            json!(glib::EnumValue::from_value(&value).unwrap().1.nick())
        }
        PropertyKind::String | PropertyKind::Enum { .. } => json!(value.get::<Option<String>>().unwrap()),
        PropertyKind::List { .. } | PropertyKind::Map | PropertyKind::Record { .. } => {
            serde_json::from_str(value.get::<&str>().unwrap()).unwrap()
        }
    }
}
