//! A pipeline with a hub, and consumers that write down what they get. Nothing sleeps: tests wait for messages and
//! for buffers.

use std::sync::{Arc, Condvar, Mutex, Once};
use std::time::{Duration, Instant};

use gst::prelude::*;
use serde_json::Value;

/// Longer than anything here takes on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(60);

pub fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        gst::init().unwrap();
        use gstanabranchelements as _;
        anabranch_kit::registry::register_all(None).unwrap();
    });
}

pub struct Rig {
    pub pipeline: gst::Pipeline,
    pub hub: gst::Element,
    messages: Mutex<Vec<(String, Value)>>,
}

/// What a consumer got.
#[derive(Default)]
pub struct Got {
    pub buffers: Vec<gst::Buffer>,
    pub caps: Vec<gst::Caps>,
    pub eos: bool,
}

pub struct Consumer {
    pub pad: gst::Pad,
    pub elements: Vec<gst::Element>,
    bus: gst::Bus,
    got: Arc<(Mutex<Got>, Condvar)>,
}

impl Rig {
    /// `source` is what comes before the hub, in gst-launch syntax.
    pub fn new(source: &str) -> Self {
        init();
        let pipeline = gst::parse::launch(&format!("{source} ! abtranscode name=hub"))
            .unwrap()
            .downcast::<gst::Pipeline>()
            .unwrap();
        let hub = pipeline.by_name("hub").unwrap();
        Self { pipeline, hub, messages: Mutex::default() }
    }

    /// Connects a consumer that takes `accept`.
    pub fn consumer(&self, name: &str, accept: &str) -> Consumer {
        self.consumer_with(name, accept, |_| ())
    }

    pub fn consumer_with(&self, name: &str, accept: &str, set: impl FnOnce(&gst::Pad)) -> Consumer {
        let pad = self.hub.request_pad_simple("src_%u").unwrap();
        pad.set_property("consumer", name);
        pad.set_property("accept", accept);
        set(&pad);
        let queue = gst::ElementFactory::make("queue").build().unwrap();
        let sink = gst::ElementFactory::make("fakesink")
            .property("sync", false)
            .property("async", false)
            .build()
            .unwrap();
        let got = Arc::new((Mutex::new(Got::default()), Condvar::new()));
        let (seen, sink_pad) = (got.clone(), sink.static_pad("sink").unwrap());
        let kinds = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
        sink_pad.add_probe(kinds, move |_, info| {
            let (got, changed) = &*seen;
            let mut got = got.lock().unwrap();
            match &info.data {
                Some(gst::PadProbeData::Buffer(buffer)) => got.buffers.push(buffer.clone()),
                Some(gst::PadProbeData::Event(event)) => match event.view() {
                    gst::EventView::Caps(caps) => got.caps.push(caps.caps_owned()),
                    gst::EventView::Eos(_) => got.eos = true,
                    _ => (),
                },
                _ => (),
            }
            changed.notify_all();
            gst::PadProbeReturn::Ok
        });
        let elements = vec![queue, sink];
        self.pipeline.add_many(&elements).unwrap();
        gst::Element::link_many(&elements).unwrap();
        for element in elements.iter().rev() {
            element.sync_state_with_parent().unwrap();
        }
        pad.link(&elements[0].static_pad("sink").unwrap()).unwrap();
        Consumer { pad, elements, bus: self.pipeline.bus().unwrap(), got }
    }

    /// Disconnects a consumer, as an application does it.
    pub fn disconnect(&self, consumer: &Consumer) {
        if let Some(peer) = consumer.pad.peer() {
            consumer.pad.unlink(&peer).unwrap();
        }
        self.hub.release_request_pad(&consumer.pad);
        for element in &consumer.elements {
            element.set_state(gst::State::Null).unwrap();
            self.pipeline.remove(element).unwrap();
        }
    }

    pub fn play(&self) {
        self.pipeline.set_state(gst::State::Playing).unwrap();
    }

    /// Handles messages until `wanted` says so; panics on an error and after a long time.
    pub fn wait(&self, wanted: impl FnMut(&gst::Message) -> bool) {
        self.wait_or_error(wanted).unwrap();
    }

    /// Like `wait`; an error message is the result.
    pub fn wait_or_error(&self, mut wanted: impl FnMut(&gst::Message) -> bool) -> Result<(), String> {
        let bus = self.pipeline.bus().unwrap();
        let end = Instant::now() + LIMIT;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let time = gst::ClockTime::from_nseconds(left.as_nanos() as u64);
            let message = bus.timed_pop(time).expect("the message comes in time");
            if let Some(named) = anabranch_kit::message::decode(&message) {
                self.messages.lock().unwrap().push(named);
            }
            if let gst::MessageView::Error(error) = message.view() {
                return Err(error.error().to_string());
            }
            if wanted(&message) {
                return Ok(());
            }
        }
    }

    pub fn wait_for_message(&self, name: &str) {
        self.wait(|message| anabranch_kit::message::decode(message).is_some_and(|(found, _)| found == name));
    }

    pub fn run_to_end(&self) {
        self.play();
        self.wait(|message| message.type_() == gst::MessageType::Eos);
    }

    /// The messages of this name so far.
    pub fn messages(&self, name: &str) -> Vec<Value> {
        let bus = self.pipeline.bus().unwrap();
        while let Some(message) = bus.pop() {
            if let Some(named) = anabranch_kit::message::decode(&message) {
                self.messages.lock().unwrap().push(named);
            }
        }
        let all = self.messages.lock().unwrap();
        all.iter().filter(|(found, _)| found == name).map(|(_, data)| data.clone()).collect()
    }

    /// A number of the hub's statistics.
    pub fn stat(&self, name: &str) -> u64 {
        self.hub.property::<gst::Structure>("stats").get(name).unwrap()
    }

    /// The names of the elements inside the hub.
    pub fn inside(&self) -> Vec<String> {
        let bin = self.hub.downcast_ref::<gst::Bin>().unwrap();
        let mut names: Vec<String> = bin.children().iter().map(|child| child.name().to_string()).collect();
        names.sort();
        names
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

impl Consumer {
    pub fn got<T>(&self, read: impl FnOnce(&Got) -> T) -> T {
        read(&self.got.0.lock().unwrap())
    }

    /// Waits until what the consumer got is as `wanted`.
    pub fn wait(&self, mut wanted: impl FnMut(&Got) -> bool) {
        let got = self.got.0.lock().unwrap();
        let (_got, time) = self.got.1.wait_timeout_while(got, LIMIT, |got| !wanted(got)).unwrap();
        assert!(
            !time.timed_out(),
            "the consumer gets what it waits for; it has {} buffers, and the bus says {:#?}",
            _got.buffers.len(),
            std::iter::from_fn(|| self.bus.pop())
                .filter(|m| m.type_() != gst::MessageType::StateChanged)
                .collect::<Vec<_>>()
        );
    }

    pub fn count(&self) -> usize {
        self.got(|got| got.buffers.len())
    }

    pub fn payload(&self) -> Vec<u8> {
        self.got(|got| {
            got.buffers.iter().flat_map(|buffer| buffer.map_readable().unwrap().to_vec()).collect()
        })
    }

    /// The names of the caps that came.
    pub fn caps_names(&self) -> Vec<String> {
        self.got(|got| got.caps.iter().map(|caps| caps.structure(0).unwrap().name().to_string()).collect())
    }
}
