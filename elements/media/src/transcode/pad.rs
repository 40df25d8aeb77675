//! The request pads of the hub: what a consumer says about itself, and the gate through which its packets pass.
#![allow(missing_docs)] // the property macro makes accessors; their documentation is the blurb

use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Condvar, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use anabranch_graph::PictureLimits;
use glib::Properties;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::Transcode;
use super::keyunit::Producer;
use super::worker::lock;

/// How many consumers are served, and how many of them refuse data. Shared by all gates of a hub.
#[derive(Debug, Default)]
pub(super) struct Flows {
    served: AtomicUsize,
    refusing: AtomicUsize,
}

/// Stands between a tee and one consumer: nothing before a key frame, and no consumer's failure reaches the others.
#[derive(Debug, Default)]
pub(super) struct Gate {
    flows: Arc<Flows>,
    /// The consumer is being released: everything is thrown away, and what it answers is not heard.
    leaving: AtomicBool,
    served: AtomicBool,
    refuses: AtomicBool,
    /// The consumer has told that it wants no more of this stream.
    enough: AtomicBool,
    /// Nothing passes before a key frame.
    waiting: AtomicBool,
    skipped: AtomicU64,
    reported: AtomicBool,
    /// Streaming threads that are with the consumer now.
    inside: AtomicUsize,
    outside: Condvar,
    door: Mutex<()>,
}

impl Gate {
    /// From now on packets may come; with `wait_for_key_unit` nothing that depends on earlier packets.
    pub(super) fn open(&self, wait_for_key_unit: bool) {
        self.skipped.store(0, Relaxed);
        self.waiting.store(wait_for_key_unit, Relaxed);
        self.enough.store(false, Relaxed);
        if !self.served.swap(true, Relaxed) {
            self.flows.served.fetch_add(1, Relaxed);
        }
    }

    /// A new stream or another part of it begins: the consumer may want it.
    fn begins(&self) {
        self.enough.store(false, Relaxed);
        self.accepts_again();
    }

    /// No packets come any more.
    pub(super) fn close(&self) {
        if self.served.swap(false, Relaxed) {
            self.flows.served.fetch_sub(1, Relaxed);
        }
        self.accepts_again();
    }

    /// The consumer leaves for good.
    pub(super) fn leave(&self) {
        self.leaving.store(true, SeqCst);
        self.close();
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Relaxed)
    }

    fn accepts_again(&self) {
        if self.refuses.swap(false, Relaxed) {
            self.flows.refusing.fetch_sub(1, Relaxed);
        }
    }

    /// Whether a buffer may pass now.
    fn admits(&self, flags: gst::BufferFlags) -> bool {
        if !self.waiting.load(Relaxed) {
            return true;
        }
        if flags.contains(gst::BufferFlags::DELTA_UNIT) {
            self.skipped.fetch_add(1, Relaxed);
            return false;
        }
        self.waiting.store(false, Relaxed);
        true
    }

    fn buffer(
        &self,
        proxy: &gst::ProxyPad,
        parent: Option<&gst::Object>,
        mut buffer: gst::Buffer,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        if !self.admits(buffer.flags()) {
            want_key_unit(proxy);
            return Ok(gst::FlowSuccess::Ok);
        }
        if self.skipped.load(Relaxed) > 0 {
            // What the consumer gets now does not continue what it had.
            self.skipped.store(0, Relaxed);
            buffer.make_mut().set_flags(gst::BufferFlags::DISCONT);
        }
        self.pass(proxy, || gst::ProxyPad::chain_default(proxy, parent, buffer))
    }

    fn list(
        &self,
        proxy: &gst::ProxyPad,
        parent: Option<&gst::Object>,
        list: gst::BufferList,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        if !self.waiting.load(Relaxed) {
            return self.pass(proxy, || gst::ProxyPad::chain_list_default(proxy, parent, list));
        }
        for buffer in list.iter_owned() {
            self.buffer(proxy, parent, buffer)?;
        }
        Ok(gst::FlowSuccess::Ok)
    }

    fn pass(
        &self,
        proxy: &gst::ProxyPad,
        push: impl FnOnce() -> Result<gst::FlowSuccess, gst::FlowError>,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        // SeqCst: either this thread sees that the consumer leaves, or who releases it sees this thread.
        self.inside.fetch_add(1, SeqCst);
        let flow = if self.leaving.load(SeqCst) {
            Ok(gst::FlowSuccess::Ok)
        } else if self.enough.load(Relaxed) {
            Err(gst::FlowError::Eos)
        } else {
            push()
        };
        self.inside.fetch_sub(1, SeqCst);
        if self.leaving.load(SeqCst) {
            drop(lock(&self.door));
            self.outside.notify_all();
        }
        self.answer(proxy, flow)
    }

    /// Whether a streaming thread is with the consumer now.
    pub(super) fn is_busy(&self) -> bool {
        self.inside.load(SeqCst) > 0
    }

    /// Waits until no streaming thread is with the consumer any more; false if that took longer than `limit`.
    fn wait_outside(&self, limit: Duration) -> bool {
        let door = lock(&self.door);
        let waited = self.outside.wait_timeout_while(door, limit, |()| self.inside.load(SeqCst) > 0);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// What the tee is told: a consumer that refuses is passed over, until all of them refuse.
    fn answer(
        &self,
        proxy: &gst::ProxyPad,
        flow: Result<gst::FlowSuccess, gst::FlowError>,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        match flow {
            Ok(success) => {
                if self.refuses.load(Relaxed) {
                    self.accepts_again();
                }
                Ok(success)
            }
            // Not linked (yet): the tee would go on as well.
            Err(_) if self.leaving.load(Relaxed) => Ok(gst::FlowSuccess::Ok),
            Err(gst::FlowError::NotLinked) => Ok(gst::FlowSuccess::Ok),
            Err(error) => {
                if !self.refuses.swap(true, Relaxed) {
                    self.flows.refusing.fetch_add(1, Relaxed);
                }
                if error == gst::FlowError::Eos {
                    self.enough.store(true, Relaxed);
                }
                if error == gst::FlowError::NotNegotiated && !self.reported.swap(true, Relaxed) {
                    refused(proxy);
                }
                if self.flows.refusing.load(Relaxed) >= self.flows.served.load(Relaxed) {
                    Err(error)
                } else {
                    Ok(gst::FlowSuccess::Ok)
                }
            }
        }
    }
}

/// What comes is thrown away until there is a key frame.
fn want_key_unit(proxy: &gst::ProxyPad) {
    let Some(pad) = proxy.internal().and_downcast::<super::TranscodePad>() else { return };
    let producer = lock(&pad.imp().producer).clone();
    if let (Some(producer), Some(hub)) = (producer, pad.parent().and_downcast::<Transcode>()) {
        producer.want(&hub);
    }
}

/// Tells the hub that a consumer does not take the details of what it gets, such as a pixel format.
fn refused(proxy: &gst::ProxyPad) {
    let Some(pad) = proxy.internal().and_downcast::<super::TranscodePad>() else { return };
    let Some(hub) = pad.parent().and_downcast::<Transcode>() else { return };
    let caps = proxy.current_caps().map(|caps| caps.to_string()).unwrap_or_default();
    hub.worker().run(&hub, move |hub| {
        hub.not_served(&pad, &format!("it does not take {caps}"), true);
    });
}

/// What a consumer says about itself.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    /// Caps, most wanted first; `None` if never said.
    pub accept: Option<gst::Caps>,
    pub transcoding: bool,
    /// kbit/s; 0 for the encoder's default.
    pub bitrate: u32,
    /// kbit/s; 0 for no limit.
    pub min_bitrate: u32,
    pub max_bitrate: u32,
    /// The pictures that it takes at most.
    pub limits: PictureLimits,
    pub consumer: String,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            accept: None,
            transcoding: true,
            bitrate: 0,
            min_bitrate: 0,
            max_bitrate: 0,
            limits: PictureLimits::default(),
            consumer: String::new(),
        }
    }
}

fn limit(value: u32) -> Option<u32> {
    Some(value).filter(|value| *value > 0)
}

/// Implementation of the hub's source pads.
#[derive(Properties, Default)]
#[properties(wrapper_type = super::TranscodePad)]
pub struct TranscodePad {
    #[property(name = "accept", type = Option<String>, get = Self::accept, set = Self::set_accept, nick = "Accept", blurb = "Caps that the consumer takes, most wanted first; empty for any; unset: what the linked element says")]
    #[property(name = "transcoding", type = bool, get = |pad: &Self| pad.wish().transcoding, set = |pad: &Self, value| pad.change(|wish| wish.transcoding = value), default = true, nick = "Transcoding", blurb = "Whether media may be decoded and compressed again for this consumer")]
    #[property(name = "bitrate", type = u32, get = |pad: &Self| pad.wish().bitrate, set = |pad: &Self, value| pad.change(|wish| wish.bitrate = value), nick = "Bit rate", blurb = "Bit rate for this consumer if an encoder is needed, kbit/s; 0: by picture size")]
    #[property(name = "min-bitrate", type = u32, get = |pad: &Self| pad.wish().min_bitrate, set = |pad: &Self, value| pad.change(|wish| wish.min_bitrate = value), nick = "Least bit rate", blurb = "The least bit rate of an encoder for this consumer, kbit/s; 0: none")]
    #[property(name = "max-bitrate", type = u32, get = |pad: &Self| pad.wish().max_bitrate, set = |pad: &Self, value| pad.change(|wish| wish.max_bitrate = value), nick = "Greatest bit rate", blurb = "The greatest bit rate of an encoder for this consumer, kbit/s; 0: none")]
    #[property(name = "max-width", type = u32, get = |pad: &Self| pad.wish().limits.max_width.unwrap_or(0), set = |pad: &Self, value| pad.change(|wish| wish.limits.max_width = limit(value)), nick = "Greatest width", blurb = "Wider pictures are made smaller for this consumer, pixels; 0: none")]
    #[property(name = "max-height", type = u32, get = |pad: &Self| pad.wish().limits.max_height.unwrap_or(0), set = |pad: &Self, value| pad.change(|wish| wish.limits.max_height = limit(value)), nick = "Greatest height", blurb = "Higher pictures are made smaller for this consumer, pixels; 0: none")]
    #[property(name = "max-frame-rate", type = u32, get = |pad: &Self| pad.wish().limits.max_frame_rate.unwrap_or(0), set = |pad: &Self, value| pad.change(|wish| wish.limits.max_frame_rate = limit(value)), nick = "Greatest frame rate", blurb = "Frames that come faster are left out for this consumer, frames per second; 0: none")]
    #[property(name = "consumer", type = String, get = |pad: &Self| pad.wish().consumer, set = |pad: &Self, value| pad.change(|wish| wish.consumer = value), nick = "Consumer", blurb = "Name of the consumer for messages")]
    wish: Mutex<Wish>,
    pub(super) gate: std::sync::OnceLock<Arc<Gate>>,
    /// Who makes what this consumer gets; none for raw media, which have no key frames.
    producer: Mutex<Option<Arc<Producer>>>,
    /// The pad that was linked last.
    peer: glib::WeakRef<gst::Pad>,
}

impl TranscodePad {
    pub(super) fn wish(&self) -> Wish {
        lock(&self.wish).clone()
    }

    fn accept(&self) -> Option<String> {
        match lock(&self.wish).accept.as_ref() {
            Some(caps) if caps.is_any() => Some(String::new()),
            caps => caps.map(gst::Caps::to_string),
        }
    }

    fn set_accept(&self, text: Option<String>) {
        let caps = match text.as_deref().map(str::trim) {
            None => None,
            Some("") => Some(gst::Caps::new_any()),
            Some(text) => match gst::Caps::from_str(text) {
                Ok(caps) => Some(caps),
                Err(_) => {
                    gst::error!(super::CAT, obj = self.obj(), "accept is not valid caps, ignored: {text}");
                    return;
                }
            },
        };
        self.change(|wish| wish.accept = caps);
    }

    fn change(&self, change: impl FnOnce(&mut Wish)) {
        change(&mut lock(&self.wish));
        let pad = self.obj();
        if let Some(hub) = pad.parent().and_downcast::<Transcode>() {
            hub.reconsider(&pad);
        }
    }
}

#[glib::object_subclass]
impl ObjectSubclass for TranscodePad {
    const NAME: &'static str = "AbTranscodePad";
    type Type = super::TranscodePad;
    type ParentType = gst::GhostPad;
}

#[glib::derived_properties]
impl ObjectImpl for TranscodePad {}
impl GstObjectImpl for TranscodePad {}
impl PadImpl for TranscodePad {}
impl ProxyPadImpl for TranscodePad {}
impl GhostPadImpl for TranscodePad {}

impl super::TranscodePad {
    /// A pad without target: nothing flows until the hub has decided how to serve it.
    pub(super) fn new(template: &gst::PadTemplate, name: &str, flows: &Arc<Flows>) -> Self {
        let gate = Arc::new(Gate { flows: flows.clone(), ..Gate::default() });
        let (buffers, lists, events) = (gate.clone(), gate.clone(), gate.clone());
        let pad = gst::PadBuilder::<Self>::from_template(template)
            .name(name)
            .proxy_pad_chain_function(move |proxy, parent, buffer| buffers.buffer(proxy, parent, buffer))
            .proxy_pad_chain_list_function(move |proxy, parent, list| lists.list(proxy, parent, list))
            .proxy_pad_query_function(|proxy, parent, query| match query.view_mut() {
                // Whether it fits is seen when data come; a refusal here would fail the tee and with it everybody.
                gst::QueryViewMut::AcceptCaps(query) => {
                    query.set_result(true);
                    true
                }
                _ => gst::Pad::query_default(proxy, parent, query),
            })
            .proxy_pad_event_function(move |proxy, parent, event| {
                use gst::EventType::{Caps, FlushStop, Segment, StreamStart};
                let kind = event.type_();
                if matches!(kind, FlushStop | Segment | StreamStart) {
                    events.begins();
                }
                let caps = kind == Caps;
                gst::Pad::event_default(proxy, parent, event) || caps
            })
            .event_function(|pad, parent, event| pad.upstream(parent, event))
            .build();
        // A pad that was just made has no gate yet.
        let _ = pad.imp().gate.set(gate);
        pad
    }

    pub(super) fn gate(&self) -> &Gate {
        static NONE: LazyLock<Gate> = LazyLock::new(Gate::default);
        // A pad that was made by others than `new` is never served.
        self.imp().gate.get().map_or(&NONE, |gate| gate)
    }

    pub(super) fn wish(&self) -> Wish {
        self.imp().wish()
    }

    /// The consumer's name for messages: as given, else the element behind the pad.
    pub(super) fn consumer_name(&self) -> String {
        let given = self.wish().consumer;
        if !given.is_empty() {
            return given;
        }
        match self.peer().and_then(|peer| peer.parent_element()) {
            Some(element) => element.name().to_string(),
            None => self.name().to_string(),
        }
    }

    /// The caps that the consumer takes; any if nothing is known.
    pub(super) fn wanted(&self) -> gst::Caps {
        self.wish().accept.unwrap_or_else(|| self.peer_query_caps(None))
    }

    pub(super) fn set_producer(&self, producer: Option<Arc<Producer>>) {
        *lock(&self.imp().producer) = producer;
    }

    /// What the consumer says upstream: requests for key frames go to who makes what it gets.
    fn upstream(&self, parent: Option<&gst::Object>, event: gst::Event) -> bool {
        if !gst_video::ForceKeyUnitEvent::is(&event) {
            return gst::Pad::event_default(self, parent, event);
        }
        let producer = lock(&self.imp().producer).clone();
        let hub = parent.and_then(|parent| parent.downcast_ref::<Transcode>());
        if let (Some(producer), Some(hub)) = (producer, hub) {
            producer.ask(hub);
        }
        true
    }

    pub(super) fn remember_peer(&self, peer: &gst::Pad) {
        self.imp().peer.set(Some(peer));
    }

    /// Makes a consumer that is leaving let go of the streaming thread, if it does not do so by itself within `limit`.
    /// What it still holds is lost; it can be fed by somebody else afterwards.
    pub(super) fn free_thread(&self, limit: Duration) {
        if self.gate().wait_outside(limit) {
            return;
        }
        // A consumer that was linked elsewhere meanwhile is none of our business.
        let Some(peer) = self.imp().peer.upgrade().filter(|peer| !peer.is_linked()) else { return };
        peer.send_event(gst::event::FlushStart::new());
        self.gate().wait_outside(limit);
        peer.send_event(gst::event::FlushStop::new(false));
    }

    /// Ends this consumer's stream without touching the others.
    pub(super) fn end(&self, stream_start: Option<gst::Event>) {
        if self.sticky_event::<gst::event::StreamStart>(0).is_none() {
            let start = stream_start.unwrap_or_else(|| gst::event::StreamStart::new(&self.name()));
            self.push_event(start);
        }
        self.push_event(gst::event::Eos::new());
    }
}
