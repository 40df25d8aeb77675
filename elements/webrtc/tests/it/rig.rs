//! Endpoints in pipelines, with sources and sinks, and a signalling channel between two of them.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use anabranch_kit::command::{CommandError, call};
use anabranch_kit::message;
use gst::prelude::*;
use gstanabranchwebrtc as _;
use serde_json::{Value, json};

/// Longest that anything may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What has come out of an output port.
#[derive(Default)]
pub struct Seen {
    pub buffers: u64,
    pub key_frames: u64,
    pub caps: Option<gst::Caps>,
    pub ended: bool,
    pub messages: Vec<(String, Vec<u8>, bool)>,
}

#[derive(Default)]
struct State {
    events: VecDeque<(String, Value)>,
    video: Seen,
    audio: Seen,
    data: Seen,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// An endpoint in a pipeline of its own.
pub struct End {
    pub pipeline: gst::Pipeline,
    pub element: gst::Element,
    shared: Arc<Shared>,
}

pub fn init() {
    gst::init().unwrap();
    anabranch_kit::registry::register_all(None).unwrap();
}

impl End {
    /// `media`: a gst-launch description that feeds the element named `peer`; `properties` by their names.
    pub fn new(media: &str, properties: &Value) -> End {
        init();
        let pipeline = gst::Pipeline::new();
        let element = gst::ElementFactory::make("abwebrtc").name("peer").build().unwrap();
        element.set_property("loopback", true);
        element.set_property("ipv6", false);
        for (name, value) in properties.as_object().into_iter().flatten() {
            anabranch_kit::params::set_json(element.upcast_ref(), name, value).unwrap();
        }
        pipeline.add(&element).unwrap();
        for part in media.split('|').map(str::trim).filter(|part| !part.is_empty()) {
            let (port, description) = part.split_once(':').unwrap();
            let source = gst::parse::bin_from_description(description, true).unwrap();
            pipeline.add(&source).unwrap();
            source.link_pads(None, &element, Some(&format!("sink_{}", port.trim()))).unwrap();
        }
        let shared: Arc<Shared> = Arc::default();
        for port in ["video", "audio", "data"] {
            let sink = gst::ElementFactory::make("fakesink").build().unwrap();
            for property in ["sync", "async", "enable-last-sample"] {
                sink.set_property(property, false);
            }
            pipeline.add(&sink).unwrap();
            watch(&sink.static_pad("sink").unwrap(), port, &shared);
            element.link_pads(Some(&format!("src_{port}")), &sink, None).unwrap();
        }
        let weak = Arc::downgrade(&shared);
        pipeline.bus().unwrap().set_sync_handler(move |_, message| {
            let Some(shared) = weak.upgrade() else { return gst::BusSyncReply::Drop };
            let mut state = shared.state.lock().unwrap();
            if let Some((name, data)) = message::decode(message) {
                state.events.push_back((name, data));
            }
            if let gst::MessageView::Error(error) = message.view() {
                state
                    .events
                    .push_back(("error".into(), json!(format!("{} {:?}", error.error(), error.debug()))));
            }
            shared.changed.notify_all();
            gst::BusSyncReply::Drop
        });
        pipeline.set_state(gst::State::Playing).unwrap();
        End { pipeline, element, shared }
    }

    pub fn command(&self, name: &str, arguments: Value) -> Result<Value, CommandError> {
        futures::executor::block_on(call(&self.element, name, &arguments))
    }

    /// A command that must succeed.
    pub fn tell(&self, name: &str, arguments: Value) -> Value {
        self.command(name, arguments).unwrap_or_else(|e| panic!("{name}: {} {e}", e.code))
    }

    /// Waits for what `check` finds.
    pub fn wait<T>(&self, what: &str, mut check: impl FnMut(&View<'_>) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        let mut state = self.shared.state.lock().unwrap();
        loop {
            if let Some((_, error)) = state.events.iter().find(|(name, _)| name == "error").cloned() {
                // A panic under the lock would be one in GStreamer's threads, too.
                drop(state);
                panic!("{what}: {error}");
            }
            let view =
                View { events: &state.events, video: &state.video, audio: &state.audio, data: &state.data };
            if let Some(found) = check(&view) {
                return found;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let events = state.events.clone();
                drop(state);
                panic!("waited in vain for {what}; events: {events:#?}");
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Waits for an event for which `check` holds.
    pub fn wait_event(&self, name: &str, check: impl Fn(&Value) -> bool) -> Value {
        self.wait(name, |view| {
            view.events.iter().find(|(n, data)| n == name && check(data)).map(|(_, d)| d.clone())
        })
    }

    pub fn wait_connected(&self) {
        self.wait_event("peer-state", |data| data["state"] == "connected");
    }

    /// Waits for that many more buffers of a port.
    pub fn wait_media(&self, port: &str, count: u64) -> gst::Caps {
        let start = self.wait(port, |view| Some(view.port(port).buffers));
        self.wait(&format!("{count} buffers of {port}"), |view| {
            let seen = view.port(port);
            (seen.buffers >= start + count).then(|| seen.caps.clone().unwrap())
        })
    }

    pub fn forget_events(&self) {
        self.shared.state.lock().unwrap().events.clear();
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
        self.pipeline.bus().unwrap().unset_sync_handler();
    }
}

/// What has happened so far.
pub struct View<'a> {
    pub events: &'a VecDeque<(String, Value)>,
    pub video: &'a Seen,
    pub audio: &'a Seen,
    pub data: &'a Seen,
}

impl View<'_> {
    pub fn port(&self, name: &str) -> &Seen {
        match name {
            "video" => self.video,
            "audio" => self.audio,
            _ => self.data,
        }
    }
}

fn watch(pad: &gst::Pad, port: &'static str, shared: &Arc<Shared>) {
    let shared = shared.clone();
    let kinds =
        gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST | gst::PadProbeType::EVENT_DOWNSTREAM;
    pad.add_probe(kinds, move |_, info| {
        let mut state = shared.state.lock().unwrap();
        let seen = match port {
            "video" => &mut state.video,
            "audio" => &mut state.audio,
            _ => &mut state.data,
        };
        match &info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => {
                seen.buffers += 1;
                if !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT) {
                    seen.key_frames += 1;
                }
                if port == "data" {
                    let meta = gst::meta::CustomMeta::from_buffer(buffer, "AnabranchMessage").unwrap();
                    let structure = meta.structure();
                    let (channel, binary) =
                        (structure.get("channel").unwrap(), structure.get("binary").unwrap());
                    seen.messages.push((channel, buffer.map_readable().unwrap().to_vec(), binary));
                }
            }
            Some(gst::PadProbeData::BufferList(list)) => seen.buffers += list.len() as u64,
            Some(gst::PadProbeData::Event(event)) => match event.view() {
                gst::EventView::Caps(caps) => seen.caps = Some(caps.caps_owned()),
                gst::EventView::Eos(_) => seen.ended = true,
                gst::EventView::StreamStart(_) => seen.ended = false,
                _ => {}
            },
            _ => {}
        }
        drop(state);
        shared.changed.notify_all();
        gst::PadProbeReturn::Ok
    });
}

/// Offer and answer; candidates are in the descriptions.
pub fn connect(offerer: &End, answerer: &End, what: Value) {
    negotiate(offerer, answerer, what);
    offerer.wait_connected();
    answerer.wait_connected();
}

pub fn negotiate(offerer: &End, answerer: &End, what: Value) {
    let offer = offerer.tell("offer", what);
    let answer = answerer.tell("process-offer", offer);
    offerer.tell("process-answer", answer);
}

/// Who talks to whom.
pub const PAIRS: [(&str, &str); 4] =
    [("webrtcbin", "webrtcbin"), ("native", "webrtcbin"), ("webrtcbin", "native"), ("native", "native")];

pub const VP8: &str = "vp8enc deadline=1 cpu-used=16 keyframe-max-dist=300";

/// Pictures and sound for a peer.
pub fn source(encoder: &str) -> String {
    format!(
        "video: videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=30/1 ! {encoder} | \
         audio: audiotestsrc is-live=true samplesperbuffer=960 ! audio/x-raw,rate=48000,channels=1 ! opusenc"
    )
}

impl End {
    /// Waits until that many buffers were dropped because nobody wanted them.
    pub fn wait_dropped(&self, count: u64) {
        let end = Instant::now() + PATIENCE;
        loop {
            let stats = self.element.property::<gst::Structure>("stats");
            if stats.get::<u64>("video-dropped").unwrap() >= count {
                return;
            }
            assert!(Instant::now() < end, "{stats}");
            std::thread::yield_now();
        }
    }
}
