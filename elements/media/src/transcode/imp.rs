//! The element: pads, properties, states, and what happens on its streaming thread.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::branch::hold_early;
use super::drain::Drain;
use super::keyunit::Producer;
use super::pad::Flows;
use super::report::{Duty, Stats};
use super::topology::Topology;
use super::worker::{Worker, lock};
use super::{BitratePolicy, TranscodePad};

/// How long a streaming thread lets itself be held up by a change of caps. Making elements takes milliseconds; this
/// only keeps a broken plugin from holding the source for ever.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long emptying a chain may take.
const DRAIN: Duration = Duration::from_secs(5);
/// How long a consumer that leaves may keep the stream's thread.
const LEAVE: Duration = Duration::from_millis(250);

/// The element's properties.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    pub live: bool,
    pub policy: BitratePolicy,
    pub cpus: u32,
}

/// Implementation of `abtranscode`.
pub struct Transcode {
    pub(super) settings: Mutex<Settings>,
    pub(super) stats: Mutex<Stats>,
    pub(super) worker: Worker,
    /// Taken out by the job that works on it, so that no lock is held meanwhile.
    topology: Mutex<Topology>,
    pub(super) tee: gst::Element,
    pub(super) sink: gst::Pad,
    pub(super) producer: Arc<Producer>,
    flows: Arc<Flows>,
    pub(super) duties: Mutex<Vec<Duty>>,
    draining: Mutex<Option<Arc<Drain>>>,
    pub(super) running: AtomicBool,
    pub(super) ended: AtomicBool,
    has_caps: AtomicBool,
    next_pad: AtomicU32,
}

#[glib::object_subclass]
impl ObjectSubclass for Transcode {
    const NAME: &'static str = "AbTranscode";
    type Type = super::Transcode;
    type ParentType = gst::Bin;
    type Interfaces = (gst::ChildProxy,);

    fn new() -> Self {
        let tee = gst::ElementFactory::make("tee")
            .name("source")
            .property("allow-not-linked", true)
            .build()
            .expect("tee is one of GStreamer's core elements");
        let sink = tee.static_pad("sink").expect("a tee has a sink pad");
        Self {
            settings: Mutex::default(),
            stats: Mutex::default(),
            worker: Worker::default(),
            topology: Mutex::default(),
            tee,
            producer: Producer::new(sink.clone()),
            sink,
            flows: Arc::default(),
            duties: Mutex::default(),
            draining: Mutex::default(),
            running: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            has_caps: AtomicBool::new(false),
            next_pad: AtomicU32::new(0),
        }
    }
}

impl ObjectImpl for Transcode {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            vec![
                glib::ParamSpecBoolean::builder("live")
                    .nick("Live")
                    .blurb(
                        "Real time: a slow encoder loses its own frames; otherwise the source waits for it",
                    )
                    .mutable_ready()
                    .build(),
                glib::ParamSpecEnum::builder_with_default("bitrate-policy", BitratePolicy::default())
                    .nick("Bit rate policy")
                    .blurb("Which bit rate a shared encoder gets from those that its consumers ask for")
                    .mutable_playing()
                    .build(),
                glib::ParamSpecUInt::builder("cpus")
                    .nick("Processors")
                    .blurb("Processors that encoders and decoders may use; 0: all")
                    .mutable_ready()
                    .build(),
                glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
                    .nick("Statistics")
                    .blurb("Consumers, decoders, encoders, frames dropped, key frames asked for")
                    .read_only()
                    .build(),
            ]
        });
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, spec: &glib::ParamSpec) {
        // GObject has checked the value's type already.
        match spec.name() {
            "live" => lock(&self.settings).live = value.get().unwrap_or_default(),
            "bitrate-policy" => self.set_policy(value.get().unwrap_or_default()),
            "cpus" => lock(&self.settings).cpus = value.get().unwrap_or_default(),
            _ => (),
        }
    }

    fn property(&self, _id: usize, spec: &glib::ParamSpec) -> glib::Value {
        let settings = lock(&self.settings).clone();
        match spec.name() {
            "live" => settings.live.to_value(),
            "bitrate-policy" => settings.policy.to_value(),
            "cpus" => settings.cpus.to_value(),
            _ => lock(&self.stats).structure().to_value(),
        }
    }

    fn constructed(&self) {
        self.parent_constructed();
        let hub = self.obj();
        hub.set_suppressed_flags(gst::ElementFlags::SOURCE | gst::ElementFlags::SINK);
        hub.add(&self.tee).expect("a new bin takes a new element");
        let template = hub.pad_template("sink").expect("installed with the class");
        let sink = gst::GhostPad::from_template_with_target(&template, &self.sink)
            .expect("a new tee's sink pad is free");
        hub.add_pad(&sink).expect("a new element takes a new pad");
        self.watch_events();
        // After the watch: what is held early is known to everybody who was served before.
        hold_early(&self.sink);
        self.answer_queries();
        self.count_consumers(sink.upcast_ref());
    }
}

impl GstObjectImpl for Transcode {}

impl ElementImpl for Transcode {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Anabranch output hub",
                "Codec/Transcoder",
                "Serves each consumer the format that it takes, with one shared decoder and one encoder per format",
                "The Anabranch developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let any = gst::Caps::new_any();
            [
                gst::PadTemplate::new("sink", gst::PadDirection::Sink, gst::PadPresence::Always, &any),
                gst::PadTemplate::with_gtype(
                    "src_%u",
                    gst::PadDirection::Src,
                    gst::PadPresence::Request,
                    &any,
                    TranscodePad::static_type(),
                ),
            ]
            .into_iter()
            // Only invalid arguments fail, and these are constant.
            .filter_map(Result::ok)
            .collect()
        });
        &TEMPLATES
    }

    fn request_new_pad(
        &self,
        template: &gst::PadTemplate,
        name: Option<&str>,
        _caps: Option<&gst::Caps>,
    ) -> Option<gst::Pad> {
        let hub = self.obj();
        let name = match name {
            Some(name) => {
                let number = name.strip_prefix("src_").and_then(|number| number.parse::<u32>().ok());
                if let Some(number) = number {
                    self.next_pad.fetch_max(number.saturating_add(1), Relaxed);
                }
                name.to_owned()
            }
            None => format!("src_{}", self.next_pad.fetch_add(1, Relaxed)),
        };
        let pad = TranscodePad::new(template, &name, &self.flows);
        pad.connect_linked(|pad, peer| {
            pad.remember_peer(peer);
            if let Some(hub) = pad.parent().and_downcast::<super::Transcode>() {
                hub.reconsider(pad);
            }
        });
        // A pad of that name exists already.
        hub.add_pad(&pad).ok()?;
        hub.child_added(&pad, &name);
        Some(pad.upcast())
    }

    fn release_pad(&self, pad: &gst::Pad) {
        let hub = self.obj();
        let Some(pad) = pad.downcast_ref::<TranscodePad>() else { return };
        // From here on nothing that this consumer does can hold up or fail the others.
        pad.gate().leave();
        hub.child_removed(pad, &pad.name());
        let leaver = pad.clone();
        self.worker.run(&hub, move |hub| {
            hub.imp().with_topology(|topology| topology.remove(hub, &leaver));
        });
        // Not on the worker: while the consumer keeps the stream's thread, others may come and go.
        if pad.gate().is_busy() {
            let leaver = pad.clone();
            hub.call_async(move |_| leaver.free_thread(LEAVE));
        }
        if hub.remove_pad(pad).is_err() {
            gst::warning!(super::CAT, obj = hub, "{} was not there any more", pad.name());
        }
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        match transition {
            gst::StateChange::ReadyToPaused => {
                self.ended.store(false, Relaxed);
                self.has_caps.store(false, Relaxed);
                self.running.store(true, Relaxed);
            }
            gst::StateChange::PausedToReady => {
                self.running.store(false, Relaxed);
                if let Some(drain) = lock(&self.draining).take() {
                    drain.abort();
                }
            }
            _ => (),
        }
        let success = self.parent_change_state(transition)?;
        if transition == gst::StateChange::PausedToReady {
            let hub = self.obj();
            let clear = |hub: &super::Transcode| hub.imp().with_topology(|topology| topology.clear(hub));
            if self.worker.run_and_wait(&hub, DRAIN, clear).is_none() {
                gst::warning!(super::CAT, imp = self, "decoder and encoders take long to stop");
            }
        }
        Ok(success)
    }
}

impl BinImpl for Transcode {
    fn handle_message(&self, message: gst::Message) {
        if let gst::MessageView::Error(error) = message.view()
            && let Some(duty) = message.src().and_then(|source| self.duty(source))
        {
            // The neighbours of a failed element complain as well; once is enough.
            if !duty.failed {
                self.parent_handle_message(self.failure(&duty, error));
            }
            return;
        }
        self.parent_handle_message(message);
    }
}

/// Children by name are the elements inside, as in any bin, and the consumers' pads: `src_0::accept=video/x-vp8`.
impl ChildProxyImpl for Transcode {
    fn child_by_index(&self, index: u32) -> Option<glib::Object> {
        self.children().into_iter().nth(index as usize)
    }

    fn child_by_name(&self, name: &str) -> Option<glib::Object> {
        self.children()
            .into_iter()
            .find(|child| child.downcast_ref::<gst::Object>().is_some_and(|object| object.name() == name))
    }

    fn children_count(&self) -> u32 {
        self.children().len() as u32
    }
}

impl Transcode {
    fn children(&self) -> Vec<glib::Object> {
        let hub = self.obj();
        let elements = hub.children().into_iter().map(Cast::upcast);
        elements.chain(hub.src_pads().into_iter().map(Cast::upcast)).collect()
    }

    fn set_policy(&self, policy: BitratePolicy) {
        lock(&self.settings).policy = policy;
        let hub = self.obj();
        self.worker.run(&hub, |hub| hub.imp().with_topology(|topology| topology.rates(hub)));
    }

    /// Runs one job on what hangs on the hub. Only jobs of the worker call it, so nobody finds it taken out.
    pub(super) fn with_topology<T>(&self, work: impl FnOnce(&mut Topology) -> T) -> T {
        let mut topology = std::mem::take(&mut *lock(&self.topology));
        let result = work(&mut topology);
        *lock(&self.topology) = topology;
        result
    }

    /// Watches what comes, on the streaming thread, before the tee sees it. Buffers are not looked at.
    fn watch_events(&self) {
        let weak = self.downgrade();
        let kinds = gst::PadProbeType::EVENT_DOWNSTREAM | gst::PadProbeType::EVENT_FLUSH;
        self.sink.add_probe(kinds, move |_, info| {
            let (Some(hub), Some(event)) = (weak.upgrade(), info.event()) else {
                return gst::PadProbeReturn::Ok;
            };
            match event.view() {
                gst::EventView::Caps(caps) => hub.caps(caps.caps_owned()),
                gst::EventView::Eos(_) => hub.eos(),
                gst::EventView::StreamStart(_) | gst::EventView::FlushStop(_) => {
                    hub.ended.store(false, Relaxed);
                }
                _ => (),
            }
            gst::PadProbeReturn::Ok
        });
    }

    fn caps(&self, caps: gst::Caps) {
        let hub = self.obj();
        self.has_caps.store(true, Relaxed);
        let next = caps.clone();
        let drains = self
            .worker
            .run_and_wait(&hub, PATIENCE, move |hub| {
                hub.imp().with_topology(|topology| topology.prepare(hub, &next))
            })
            .unwrap_or_default();
        for (head, drain) in drains {
            *lock(&self.draining) = Some(drain.clone());
            if self.running.load(Relaxed) {
                drain.run(&head, DRAIN);
            }
            lock(&self.draining).take();
        }
        let done = self.worker.run_and_wait(&hub, PATIENCE, move |hub| {
            hub.imp().with_topology(|topology| topology.source(hub, caps));
        });
        if done.is_none() {
            gst::warning!(super::CAT, imp = self, "the stream goes on before its consumers are served");
        }
    }

    fn eos(&self) {
        self.ended.store(true, Relaxed);
        let has_caps = self.has_caps.load(Relaxed);
        let end = move |hub: &super::Transcode| {
            hub.imp().with_topology(|topology| match has_caps {
                true => topology.end_unserved(hub),
                false => topology.absent(hub),
            });
        };
        self.worker.run_and_wait(&self.obj(), PATIENCE, end);
    }

    /// The hub takes everything. What flows already is preferred, so that a newcomer does not change it for the
    /// others; then what consumers take without a transcode.
    fn answer_queries(&self) {
        let weak = self.downgrade();
        super::answer_caps_queries(&self.sink, move |filter| {
            let Some(filter) = filter else { return gst::Caps::new_any() };
            let mut caps = gst::Caps::new_empty();
            if let Some(hub) = weak.upgrade() {
                if let Some(current) = hub.sink.current_caps() {
                    caps.merge(current.intersect(filter));
                }
                for pad in hub.obj().src_pads() {
                    let Ok(pad) = pad.downcast::<TranscodePad>() else { continue };
                    let wanted = pad.wanted();
                    if !wanted.is_any() {
                        caps.merge(wanted.intersect_with_mode(filter, gst::CapsIntersectMode::First));
                    }
                }
            }
            caps.merge(filter.clone());
            caps
        });
    }

    /// Tells whoever feeds the hub how many take something.
    fn count_consumers(&self, sink: &gst::Pad) {
        let weak = self.obj().downgrade();
        sink.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM | gst::PadProbeType::PUSH, move |_, info| {
            let count = || weak.upgrade().map_or(0, |hub| u32::from(hub.num_src_pads()));
            let answered =
                info.query_mut().is_some_and(|query| anabranch_kit::consumers::answer(query, count));
            if answered { gst::PadProbeReturn::Handled } else { gst::PadProbeReturn::Ok }
        });
    }

    /// What the chain with this element in it does; marks it as failed.
    fn duty(&self, source: &gst::Object) -> Option<Duty> {
        let hub = self.obj();
        let mut object = source.clone();
        loop {
            let parent = object.parent()?;
            if parent == *hub.upcast_ref::<gst::Object>() {
                break;
            }
            object = parent;
        }
        let name = object.name();
        let mut duties = lock(&self.duties);
        let duty = duties.iter_mut().find(|duty| duty.chain == name)?;
        let found = duty.clone();
        duty.failed = true;
        Some(found)
    }

    fn failure(&self, duty: &Duty, error: &gst::message::Error) -> gst::Message {
        let debug = error.debug().unwrap_or_default();
        let (domain, text) = duty.failure(error.error().message());
        gst::message::Error::builder(domain, &text).debug(&debug).src(&*self.obj()).build()
    }
}
