//! Chains of elements that the hub adds: a decoder, an encoder. Each is a bin between two tees.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anabranch_graph::PictureLimits;
use anabranch_graph::format::{Format, Medium};
use anabranch_graph::plan::Pace;
use anabranch_graph::plan::codec::{self, EncoderTarget};
use gst::prelude::*;

use super::Transcode;
use super::branch::branch;
use super::drain::Drain;
use super::shrink;
use super::worker::lock;

/// Frames that may wait for an encoder.
const QUEUE_VIDEO: u32 = 8;
/// Sound comes in small packets.
const QUEUE_AUDIO: u32 = 128;

/// Where packets enter a chain. A chain that fails says so by a message; what else hangs on the tee goes on.
#[derive(Debug)]
struct Entry {
    hub: glib::WeakRef<Transcode>,
    name: String,
    waiting: AtomicBool,
    failed: AtomicBool,
}

impl Entry {
    fn new(hub: &Transcode, name: &str) -> Self {
        let (waiting, failed) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { hub: hub.downgrade(), name: name.to_owned(), waiting, failed }
    }

    fn enter(
        &self,
        pad: &gst::GhostPad,
        parent: Option<&gst::Object>,
        buffer: gst::Buffer,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        if self.failed.load(Relaxed) {
            return Ok(gst::FlowSuccess::Ok);
        }
        if self.waiting.load(Relaxed) {
            if buffer.flags().contains(gst::BufferFlags::DELTA_UNIT) {
                if let Some(hub) = self.hub.upgrade() {
                    hub.source_producer().want(&hub);
                }
                return Ok(gst::FlowSuccess::Ok);
            }
            self.waiting.store(false, Relaxed);
        }
        let flow = gst::ProxyPad::chain_default(pad, parent, buffer);
        let Err(error @ (gst::FlowError::Error | gst::FlowError::NotNegotiated)) = flow else { return flow };
        self.failed.store(true, Relaxed);
        if error == gst::FlowError::NotNegotiated
            && let Some(hub) = self.hub.upgrade()
        {
            // Elements that fail post an error themselves; those that cannot agree do not.
            let caps = pad.current_caps().map(|caps| caps.to_string()).unwrap_or_default();
            hub.chain_failed(&self.name, &format!("it does not take {caps}"));
        }
        Ok(gst::FlowSuccess::Ok)
    }
}

/// Elements in a bin, fed by a tee.
#[derive(Debug)]
pub(super) struct Chain {
    pub bin: gst::Bin,
    pub head: gst::Pad,
    pub drain: Arc<Drain>,
    entry: Arc<Entry>,
    tee: gst::Element,
    feed: Option<gst::Pad>,
}

impl Chain {
    /// Puts `elements` into a bin of `hub`, to be fed from the tee `from`, and links it to the sink pad of `to`. It runs,
    /// but nothing comes before [`Chain::feed`]. On failure nothing is left behind.
    pub(super) fn insert(
        hub: &Transcode,
        name: &str,
        elements: &[gst::Element],
        from: &gst::Element,
        to: &gst::Element,
    ) -> Result<Self, glib::BoolError> {
        let bin = gst::Bin::with_name(name);
        bin.add_many(elements)?;
        gst::Element::link_many(elements)?;
        let end = |element: Option<&gst::Element>, pad: &str| {
            element
                .and_then(|element| element.static_pad(pad))
                .ok_or_else(|| glib::bool_error!("{name} has no {pad} pad"))
        };
        let entry = Arc::new(Entry::new(hub, name));
        let (buffers, lists) = (entry.clone(), entry.clone());
        let head = gst::GhostPad::builder_with_target(&end(elements.first(), "sink")?)?
            .name("sink")
            .chain_function(move |pad, parent, buffer| buffers.enter(pad, parent, buffer))
            .chain_list_function(move |pad, parent, list| {
                list.iter_owned().try_fold(gst::FlowSuccess::Ok, |_, buffer| lists.enter(pad, parent, buffer))
            })
            .build();
        let drain = Arc::new(Drain::default());
        let watch = drain.clone();
        let tail = gst::GhostPad::builder_with_target(&end(elements.last(), "src")?)?
            .name("src")
            .proxy_pad_event_function(move |pad, parent, event| {
                watch.swallows(&event) || gst::Pad::event_default(pad, parent, event)
            })
            .build();
        bin.add_pad(&head)?;
        bin.add_pad(&tail)?;
        let sink = end(Some(to), "sink")?;
        let chain = Self { bin, head: head.upcast(), drain, entry, tee: from.clone(), feed: None };
        // A bin that is not stopped when it is dropped complains: from here on, every way out stops it.
        if let Err(error) = chain.start(hub, tail.upcast_ref(), &sink) {
            chain.stop(hub);
            return Err(error);
        }
        Ok(chain)
    }

    fn start(&self, hub: &Transcode, tail: &gst::Pad, sink: &gst::Pad) -> Result<(), glib::BoolError> {
        hub.add(&self.bin)?;
        let unchecked = gst::PadLinkCheck::empty();
        tail.link_full(sink, unchecked).map_err(|error| glib::bool_error!("cannot link: {error}"))?;
        // The elements must run before the first packet comes.
        self.bin.sync_state_with_parent()
    }

    /// Lets packets in. Who takes what comes out must be there already, or the first key frame is lost. Does nothing
    /// the second time.
    pub(super) fn feed(&mut self) -> Result<bool, glib::BoolError> {
        if self.feed.is_some() {
            return Ok(false);
        }
        let feed =
            branch(&self.tee).ok_or_else(|| glib::bool_error!("{} gives no more pads", self.tee.name()))?;
        self.feed = Some(feed.clone());
        feed.link_full(&self.head, gst::PadLinkCheck::empty())
            .map_err(|error| glib::bool_error!("cannot link: {error}"))?;
        Ok(true)
    }

    /// Whether packets come in.
    pub(super) fn is_fed(&self) -> bool {
        self.feed.is_some()
    }

    /// Lets nothing in that needs earlier packets, until a key frame came.
    pub(super) fn wait_for_key_unit(&self) {
        self.entry.waiting.store(true, Relaxed);
    }

    /// Takes the chain out. Waits until its threads are out of it.
    pub(super) fn stop(&self, hub: &Transcode) {
        self.drain.abort();
        if let Some(feed) = &self.feed {
            self.tee.release_request_pad(feed);
        }
        self.bin.set_locked_state(true);
        // Going to NULL cannot fail in a way that anybody could mend here.
        let _ = self.bin.set_state(gst::State::Null);
        if self.bin.parent().as_ref() == Some(hub.upcast_ref()) {
            let _ = hub.remove(&self.bin);
        }
    }

    /// Tells the chain that nothing comes any more, if it was built too late to hear it.
    pub(super) fn end(&self) {
        self.head.send_event(gst::event::Eos::new());
    }
}

/// Sets properties given as text; what this version of an element does not know stays at its default.
fn apply<'a>(element: &gst::Element, settings: impl IntoIterator<Item = &'a (&'static str, String)>) {
    for (name, text) in settings {
        let value = element
            .find_property(name)
            .and_then(|spec| glib::Value::deserialize_with_pspec(text, &spec).ok());
        match value {
            Some(value) => element.set_property_from_value(name, &value),
            None => gst::warning!(super::CAT, obj = element, "has no property {name} = {text}"),
        }
    }
}

fn make(factory: &str) -> Result<gst::Element, glib::BoolError> {
    gst::ElementFactory::make(factory).build()
}

/// The elements that decode `caps` with `decoder`.
pub(super) fn decoder(
    format: &Format,
    caps: &gst::CapsRef,
    decoder: &str,
    pace: &Pace,
    cpus: usize,
) -> Result<Vec<gst::Element>, glib::BoolError> {
    let element = gst::ElementFactory::make(decoder).name("decoder").build()?;
    let structure = caps.structure(0);
    let size = |field| structure.and_then(|s| s.get::<i32>(field).ok()).unwrap_or(0).max(0) as u32;
    apply(&element, &codec::decoder_settings(decoder, size("width"), size("height"), pace, cpus));
    let takes = element.static_pad("sink").map(|pad| pad.pad_template_caps());
    let mut elements = Vec::new();
    if takes.is_none_or(|takes| !caps.is_subset(&takes))
        && let Some(parser) = codec::parser(format)
    {
        elements.push(make(parser)?);
    }
    elements.push(element);
    Ok(elements)
}

/// An encoder at work: its settings follow the picture and its consumers.
#[derive(Debug)]
pub(super) struct Encoder {
    pub elements: Vec<gst::Element>,
    /// None where raw pictures are only shrunk.
    pub settings: Option<Arc<Settings>>,
    pub drops: Option<Arc<Drops>>,
}

/// What an encoder is to produce now.
#[derive(Debug)]
pub(super) struct Settings {
    element: gst::Element,
    factory: String,
    target: Mutex<EncoderTarget>,
}

impl Settings {
    /// Another bit rate, while it runs.
    pub(super) fn set_bitrate(&self, bitrate: Option<u32>, limits: (Option<u32>, Option<u32>)) {
        let target = {
            let mut target = lock(&self.target);
            if (target.bitrate, target.limits) == (bitrate, limits) {
                return;
            }
            (target.bitrate, target.limits) = (bitrate, limits);
            target.clone()
        };
        self.apply_bitrate(&target);
    }

    fn apply_bitrate(&self, target: &EncoderTarget) {
        let settings = codec::encoder_settings(&self.factory, target);
        apply(&self.element, settings.iter().filter(|(name, _)| name.ends_with("bitrate")));
    }

    /// The picture that comes is known (`first`) or has changed.
    fn picture(&self, caps: &gst::CapsRef, first: bool) {
        let Some(structure) = caps.structure(0) else { return };
        let size = |field| structure.get::<i32>(field).unwrap_or(0).max(0) as u32;
        let target = {
            let mut target = lock(&self.target);
            (target.width, target.height) = (size("width"), size("height"));
            target.fps = structure
                .get::<gst::Fraction>("framerate")
                .map_or(0.0, |rate| f64::from(rate.numer()) / f64::from(rate.denom().max(1)));
            target.clone()
        };
        if first {
            apply(&self.element, &codec::encoder_settings(&self.factory, &target));
        } else {
            self.apply_bitrate(&target);
        }
    }
}

/// Counts what a leaky queue throws away, and says so at most once a second.
#[derive(Debug, Default)]
pub(super) struct Drops {
    untold: AtomicU64,
    last: Mutex<Option<Instant>>,
}

impl Drops {
    fn add(&self) -> Option<u64> {
        self.untold.fetch_add(1, Relaxed);
        let mut last = lock(&self.last);
        if last.is_some_and(|at| at.elapsed() < Duration::from_secs(1)) {
            return None;
        }
        *last = Some(Instant::now());
        self.take()
    }

    /// What was not yet told.
    pub(super) fn take(&self) -> Option<u64> {
        Some(self.untold.swap(0, Relaxed)).filter(|count| *count > 0)
    }
}

/// The elements that bring raw media within `limits` and encode them to `format` with `factory`, if there is one. `wanted`
/// are the caps of the consumer for whom it is started: they decide the framing.
pub(super) fn encoder(
    hub: &Transcode,
    (format, limits): (&Format, PictureLimits),
    factory: Option<&str>,
    target: EncoderTarget,
    wanted: &gst::CapsRef,
) -> Result<Encoder, glib::BoolError> {
    let live = target.pace == Pace::Realtime;
    let video = format.medium() == Medium::Video;
    let queue = gst::ElementFactory::make("queue")
        .property("max-size-buffers", if video { QUEUE_VIDEO } else { QUEUE_AUDIO })
        .property("max-size-bytes", 0u32)
        .property("max-size-time", 0u64)
        .property("silent", !live)
        .build()?;
    let mut drops = None;
    if live {
        // Old frames are worth less than new ones.
        queue.set_property_from_str("leaky", "downstream");
        let counter = Arc::new(Drops::default());
        drops = Some(counter.clone());
        let (weak, name) = (hub.downgrade(), format.name().to_owned());
        // A queue that is limited by buffers alone drops exactly one each time that it is full.
        queue.connect("overrun", false, move |_| {
            let hub = weak.upgrade()?;
            hub.count(|stats| stats.dropped += 1);
            if let Some(count) = counter.add() {
                hub.frames_dropped(count, &name);
            }
            None
        });
    }
    let mut elements = vec![queue];
    if !limits.is_none() {
        elements.extend(shrink::elements(limits)?);
    }
    let Some(factory) = factory else { return Ok(Encoder { elements, settings: None, drops }) };
    if video {
        elements.push(make("videoconvert")?);
    } else {
        elements.push(make("audioconvert")?);
        elements.push(make("audioresample")?);
    }
    if matches!(format, Format::Pcmu | Format::Pcma) {
        // G.711 as everybody understands it.
        let narrow = gst::Caps::builder("audio/x-raw").field("rate", 8000).field("channels", 1).build();
        elements.push(gst::ElementFactory::make("capsfilter").property("caps", narrow).build()?);
    }
    let element = gst::ElementFactory::make(factory).name("encoder").build()?;
    let settings = Arc::new(Settings {
        element: element.clone(),
        factory: factory.to_owned(),
        target: Mutex::new(target),
    });
    follow_picture(&element, &settings);
    elements.push(element);
    if let Some(caps) = framing(format, wanted) {
        let parser = make(codec::parser(format).unwrap_or("identity"))?;
        let byte_stream = caps.structure(0).is_some_and(|s| s.get("stream-format") == Ok("byte-stream"));
        if byte_stream && parser.has_property("config-interval") {
            // Late joiners need the parameter sets in the stream itself.
            parser.set_property("config-interval", -1);
        }
        elements.push(parser);
        elements.push(gst::ElementFactory::make("capsfilter").property("caps", caps).build()?);
    }
    Ok(Encoder { elements, settings: Some(settings), drops })
}

/// Sets the encoder's properties as soon as it is known what comes, before the encoder itself learns it.
fn follow_picture(encoder: &gst::Element, settings: &Arc<Settings>) {
    apply(encoder, &codec::encoder_settings(&settings.factory, &lock(&settings.target).clone()));
    let Some(sink) = encoder.static_pad("sink") else { return };
    let weak = Arc::downgrade(settings);
    let first = AtomicBool::new(true);
    sink.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        if let Some(event) = info.event()
            && let gst::EventView::Caps(caps) = event.view()
            && let Some(settings) = weak.upgrade()
        {
            settings.picture(caps.caps(), first.swap(false, Relaxed));
        }
        gst::PadProbeReturn::Ok
    });
}

/// The framing of an encoded format, where there is a choice.
fn framing(format: &Format, wanted: &gst::CapsRef) -> Option<gst::Caps> {
    if *format != Format::H264 {
        return None;
    }
    let framed = |stream_format: &str| {
        gst::Caps::builder("video/x-h264")
            .field("stream-format", stream_format)
            .field("alignment", "au")
            .build()
    };
    let avc = framed("avc");
    Some(if wanted.can_intersect(&avc) { avc } else { framed("byte-stream") })
}
