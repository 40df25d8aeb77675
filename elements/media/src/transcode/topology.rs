//! What hangs on the hub now: consumers, decoder, encoders. Touched only by jobs of the hub's worker, one at a time.

use std::sync::Arc;

use anabranch_graph::PictureLimits;
use anabranch_graph::format::{Format, Medium};
use anabranch_graph::plan::Capabilities;
use anabranch_graph::plan::codec::{self, Demand, EncoderTarget, NoService, Service};
use anabranch_graph::spec::Transcoding;
use anabranch_kit::caps::format_of;
use gst::prelude::*;

use super::branch::branch;
use super::chain::{self, Chain, Drops, Settings};
use super::drain::Drain;
use super::keyunit::Producer;
use super::pad::Wish;
use super::report::label;
use super::{Transcode, TranscodePad, decide};

/// Everything that the hub built, and for whom.
#[derive(Default)]
pub(super) struct Topology {
    pub(super) source: Option<Source>,
    /// The stream ended without ever having caps.
    absent: bool,
    pub(super) decoder: Option<Feed>,
    raw: Option<gst::Element>,
    pub(super) encodings: Vec<Encoding>,
    pub(super) consumers: Vec<Consumer>,
    /// What the source was before it changed just now.
    pub(super) from: Option<Format>,
    /// Why things change just now, in words for a person.
    pub(super) why: String,
}

pub(super) struct Source {
    caps: gst::Caps,
    pub format: Format,
}

/// How raw media come to the raw tee.
pub(super) struct Feed {
    pub chain: Chain,
    /// The decoder's factory; none if the source is raw.
    pub decoder: Option<String>,
}

pub(super) struct Encoding {
    pub format: Format,
    pub limits: PictureLimits,
    /// The encoder's; none where raw pictures are only shrunk.
    pub factory: Option<String>,
    pub chain: Chain,
    tee: gst::Element,
    producer: Arc<Producer>,
    settings: Option<Arc<Settings>>,
    drops: Option<Arc<Drops>>,
}

pub(super) struct Consumer {
    pub pad: TranscodePad,
    pub attached: Option<Attached>,
}

pub(super) struct Attached {
    pub target: Target,
    tee: gst::Element,
    tee_pad: gst::Pad,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Source,
    Raw,
    /// Encoded within limits, or only shrunk if the format is raw.
    Made(Format, PictureLimits),
}

impl Target {
    fn of(service: &Service, source: &Format, limits: PictureLimits) -> Self {
        match service {
            Service::Pass => Target::Source,
            Service::Decode { .. } => Target::Raw,
            Service::Shrink { .. } | Service::Encode { .. } => Target::Made(service.delivers(source), limits),
        }
    }
}

/// Why a consumer is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Occasion {
    /// It came, or changed its mind, while media may be flowing.
    Consumer,
    /// The source begins or changes.
    Source,
}

/// What must be emptied before the source changes: the first pad of a chain and its watch.
pub(super) type Drains = Vec<(gst::Pad, Arc<Drain>)>;

impl Encoding {
    pub(super) fn target(&self) -> Target {
        Target::Made(self.format.clone(), self.limits)
    }

    fn stop(self, hub: &Transcode) {
        self.chain.stop(hub);
        hub.remove_tee(&self.tee);
        if let Some(count) = self.drops.and_then(|drops| drops.take()) {
            hub.frames_dropped(count, self.format.name());
        }
    }
}

impl Topology {
    /// A consumer is linked, or says something new about itself.
    pub(super) fn reconsider(&mut self, hub: &Transcode, pad: &TranscodePad) {
        if pad.gate().is_leaving() {
            return;
        }
        let index = match self.consumers.iter().position(|consumer| consumer.pad == *pad) {
            Some(index) => index,
            None => {
                self.consumers.push(Consumer { pad: pad.clone(), attached: None });
                self.consumers.len() - 1
            }
        };
        self.why = String::from("the consumer asks for something else");
        if self.absent {
            self.attach(hub, index, Target::Source, Occasion::Source);
        } else {
            self.serve(hub, index, Occasion::Consumer);
            self.settle(hub);
        }
        self.publish(hub);
    }

    /// A consumer has left.
    pub(super) fn remove(&mut self, hub: &Transcode, pad: &TranscodePad) {
        if let Some(index) = self.consumers.iter().position(|consumer| consumer.pad == *pad) {
            self.why = String::from("the last consumer left");
            self.detach(hub, index);
            self.consumers.remove(index);
            self.settle(hub);
        }
        self.publish(hub);
    }

    /// What must be emptied before the source has `caps`.
    pub(super) fn prepare(&self, hub: &Transcode, caps: &gst::Caps) -> Drains {
        let (Some(old), Some(format)) = (&self.source, format_of(caps)) else { return Vec::new() };
        if old.format == format {
            return Vec::new();
        }
        let mut drains: Drains =
            self.decoder.iter().map(|feed| (feed.chain.head.clone(), feed.chain.drain.clone())).collect();
        let still: Vec<Target> = self
            .consumers
            .iter()
            .filter_map(|consumer| {
                let service = self.decide(hub, &format, &consumer.pad).ok()?;
                Some(Target::of(&service, &format, limits_of(&consumer.pad, &format)))
            })
            .collect();
        for encoding in &self.encodings {
            if !still.contains(&encoding.target()) {
                drains.push((encoding.chain.head.clone(), encoding.chain.drain.clone()));
            }
        }
        drains
    }

    /// The source now has `caps`; its streaming thread waits.
    pub(super) fn source(&mut self, hub: &Transcode, caps: gst::Caps) {
        let Some(format) = format_of(&caps) else { return };
        let changed = self.source.as_ref().is_none_or(|source| source.format != format);
        self.why = match &self.source {
            Some(old) if changed => format!("the source changed from {} to {format}", old.format),
            _ => String::from("the source began"),
        };
        self.source = Some(Source { caps, format });
        self.absent = false;
        if !changed {
            return;
        }
        if let Some(feed) = self.decoder.take() {
            feed.chain.stop(hub);
        }
        self.drop_spent(hub);
        for index in 0..self.consumers.len() {
            self.serve(hub, index, Occasion::Source);
        }
        self.settle(hub);
        self.publish(hub);
    }

    /// Takes out the encoders that were emptied, with who still hangs on them: a consumer may have come meanwhile.
    fn drop_spent(&mut self, hub: &Transcode) {
        let spent = |encoding: &Encoding| encoding.chain.drain.is_spent();
        let gone: Vec<Target> = self.encodings.iter().filter(|e| spent(e)).map(Encoding::target).collect();
        for index in 0..self.consumers.len() {
            let attached = self.consumers[index].attached.as_ref();
            if attached.is_some_and(|attached| gone.contains(&attached.target)) {
                self.detach(hub, index);
            }
        }
        for encoding in self.encodings.extract_if(.., |encoding| spent(encoding)) {
            encoding.stop(hub);
        }
    }

    /// The stream ends and never had caps: the end passes to everybody, nothing is built.
    pub(super) fn absent(&mut self, hub: &Transcode) {
        self.absent = true;
        for index in 0..self.consumers.len() {
            self.attach(hub, index, Target::Source, Occasion::Source);
        }
        self.publish(hub);
    }

    /// The stream ends: consumers that take nothing of it are told, too.
    pub(super) fn end_unserved(&self, hub: &Transcode) {
        for consumer in self.consumers.iter().filter(|consumer| consumer.attached.is_none()) {
            consumer.pad.end(hub.stream_start());
        }
    }

    /// Takes everything down; consumers stay known.
    pub(super) fn clear(&mut self, hub: &Transcode) {
        self.why = String::from("the pipeline stopped");
        for index in 0..self.consumers.len() {
            self.detach(hub, index);
        }
        self.settle(hub);
        self.source = None;
        self.absent = false;
        self.publish(hub);
    }

    fn decide(&self, hub: &Transcode, source: &Format, pad: &TranscodePad) -> Result<Service, NoService> {
        let accepts = decide::formats_of(&pad.wanted());
        let limits = limits_of(pad, source);
        let alike = self.encodings.iter().filter(|encoding| encoding.limits == limits);
        let running: Vec<Format> = alike.map(|encoding| encoding.format.clone()).collect();
        let transcoding = if pad.wish().transcoding { Transcoding::Allow } else { Transcoding::Forbid };
        codec::serve(source, &running, &Demand { accepts: &accepts, transcoding, limits }, &hub.machine())
    }

    /// Decides for one consumer and attaches it.
    fn serve(&mut self, hub: &Transcode, index: usize, occasion: Occasion) {
        let Some(source) = &self.source else { return };
        if !hub.is_running() {
            return;
        }
        let pad = self.consumers[index].pad.clone();
        if pad.wanted().is_empty() {
            // An endpoint that has not negotiated yet, or not this medium: it says when it wants something.
            self.detach(hub, index);
            if hub.has_ended() {
                pad.end(hub.stream_start());
            }
            return;
        }
        let service = match self.decide(hub, &source.format, &pad) {
            Ok(service) => service,
            Err(error) => {
                self.detach(hub, index);
                hub.not_served(&pad, &error.to_string(), self.consumers.len() > 1);
                pad.end(hub.stream_start());
                return;
            }
        };
        gst::debug!(super::CAT, obj = hub, "{} is served by {service:?}", pad.consumer_name());
        let target = Target::of(&service, &source.format, limits_of(&pad, &source.format));
        let built = match &service {
            Service::Pass => Ok(()),
            Service::Decode { decoder } => self.ensure_raw(hub, Some(decoder)),
            Service::Shrink { decoder } => self
                .ensure_raw(hub, decoder.as_deref())
                .and_then(|()| self.ensure_encoding(hub, &pad, &target, None)),
            Service::Encode { decoder, encoder, .. } => self
                .ensure_raw(hub, decoder.as_deref())
                .and_then(|()| self.ensure_encoding(hub, &pad, &target, Some(encoder.as_str()))),
        };
        let fed = built.and_then(|()| {
            self.attach(hub, index, target, occasion);
            self.feed(hub, occasion)
        });
        if let Err(error) = fed {
            self.detach(hub, index);
            hub.not_served(&pad, &error.message, self.consumers.len() > 1);
            pad.end(hub.stream_start());
        }
    }

    /// Lets packets into what is new, from its end to its beginning: whatever comes out finds somebody who takes it.
    fn feed(&mut self, hub: &Transcode, occasion: Occasion) -> Result<(), glib::BoolError> {
        for encoding in &mut self.encodings {
            encoding.chain.feed()?;
        }
        let Some(Feed { chain, decoder }) = &mut self.decoder else { return Ok(()) };
        let video = self.source.as_ref().is_some_and(|source| source.format.medium() == Medium::Video);
        let joins = occasion == Occasion::Consumer && decoder.is_some() && video;
        if joins && !chain.is_fed() {
            chain.wait_for_key_unit();
        }
        if chain.feed()? {
            if joins {
                hub.source_producer().ask(hub);
            }
            if hub.has_ended() {
                chain.end();
            }
        }
        Ok(())
    }

    /// Media of the raw tee: decoded, or the source itself.
    fn ensure_raw(&mut self, hub: &Transcode, decoder: Option<&str>) -> Result<(), glib::BoolError> {
        let raw = match &self.raw {
            Some(tee) => tee.clone(),
            None => {
                let tee = hub.insert_tee("raw")?;
                self.raw = Some(tee.clone());
                tee
            }
        };
        if self.decoder.is_some() {
            return Ok(());
        }
        let Some(source) = &self.source else { return Ok(()) };
        let from = hub.source_tee();
        let name = match decoder {
            Some(_) => format!("decoder-{}", label(&source.format, &PictureLimits::default())),
            None => String::from("raw-source"),
        };
        let elements = match decoder {
            Some(decoder) => {
                chain::decoder(&source.format, &source.caps, decoder, &hub.pace(), hub.machine().cpus())?
            }
            None => vec![gst::ElementFactory::make("identity").property("silent", true).build()?],
        };
        let chain = Chain::insert(hub, &name, &elements, &from, &raw)?;
        self.decoder = Some(Feed { chain, decoder: decoder.map(str::to_owned) });
        Ok(())
    }

    fn ensure_encoding(
        &mut self,
        hub: &Transcode,
        pad: &TranscodePad,
        target: &Target,
        factory: Option<&str>,
    ) -> Result<(), glib::BoolError> {
        let (Target::Made(format, limits), None) = (target, self.encoding(target)) else { return Ok(()) };
        let Some(raw) = self.raw.clone() else { return Ok(()) };
        let wanted = EncoderTarget {
            width: 0,
            height: 0,
            fps: 0.0,
            bitrate: decide::bitrate(hub.bitrate_policy(), &[pad.wish().bitrate]),
            limits: decide::limits(&[pad.wish()]),
            pace: hub.pace(),
            cpus: hub.machine().cpus(),
        };
        let encoder = chain::encoder(hub, (format, *limits), factory, wanted, &pad.wanted())?;
        let tee = hub.insert_tee(&label(format, limits))?;
        let name = format!("encoder-{}", label(format, limits));
        let chain = match Chain::insert(hub, &name, &encoder.elements, &raw, &tee) {
            Ok(chain) => chain,
            Err(error) => {
                hub.remove_tee(&tee);
                return Err(error);
            }
        };
        let sink = tee.static_pad("sink").ok_or_else(|| glib::bool_error!("a tee without sink pad"))?;
        self.encodings.push(Encoding {
            format: format.clone(),
            limits: *limits,
            factory: factory.map(str::to_owned),
            producer: Producer::new(sink),
            chain,
            tee,
            settings: encoder.settings,
            drops: encoder.drops,
        });
        Ok(())
    }

    fn tee(&self, hub: &Transcode, target: &Target) -> Option<gst::Element> {
        match target {
            Target::Source => Some(hub.source_tee()),
            Target::Raw => self.raw.clone(),
            Target::Made(..) => self.encoding(target).map(|encoding| encoding.tee.clone()),
        }
    }

    fn users(&self, target: &Target) -> usize {
        let uses = |consumer: &&Consumer| consumer.attached.as_ref().is_some_and(|a| a.target == *target);
        self.consumers.iter().filter(uses).count()
    }

    fn attach(&mut self, hub: &Transcode, index: usize, target: Target, occasion: Occasion) {
        if self.consumers[index].attached.as_ref().is_some_and(|attached| attached.target == target) {
            return;
        }
        let Some(tee) = self.tee(hub, &target) else { return };
        let Some(tee_pad) = branch(&tee) else { return };
        let first = self.users(&target) == 0;
        let pad = self.consumers[index].pad.clone();
        let compressed = match (&target, &self.source) {
            (Target::Made(format, _), _) => format.medium() == Medium::Video && !format.is_raw(),
            (Target::Source, Some(source)) => {
                source.format.medium() == Medium::Video && !source.format.is_raw()
            }
            _ => false,
        };
        pad.gate().open(compressed);
        // Fails only if the pad is gone or the tee's pad is taken, neither of which can be here.
        let _ = pad.set_target(Some(&tee_pad));
        let producer = match &target {
            Target::Source => Some(hub.source_producer()),
            // Raw media have no key frames.
            Target::Raw => None,
            Target::Made(format, _) if format.is_raw() => None,
            Target::Made(..) => self.encoding(&target).map(|encoding| encoding.producer.clone()),
        };
        if compressed && occasion == Occasion::Consumer && !(first && target != Target::Source) {
            producer.iter().for_each(|producer| producer.ask(hub));
        }
        pad.set_producer(producer);
        if let Some(sink) = tee.static_pad("sink") {
            let over = sink.sticky_event::<gst::event::Eos>(0).is_some();
            if over || (target == Target::Source && hub.has_ended() && occasion == Occasion::Consumer) {
                pad.end(hub.stream_start());
            }
        }
        self.replace(hub, index, Some(Attached { target: target.clone(), tee, tee_pad }));
        if first {
            self.started(hub, &pad, &target);
        }
    }

    fn detach(&mut self, hub: &Transcode, index: usize) {
        let pad = &self.consumers[index].pad;
        pad.gate().close();
        let _ = pad.set_target(gst::Pad::NONE);
        self.replace(hub, index, None);
    }

    /// Records where a consumer hangs now and lets go of where it hung before.
    fn replace(&mut self, hub: &Transcode, index: usize, now: Option<Attached>) {
        if let Some(old) = std::mem::replace(&mut self.consumers[index].attached, now) {
            old.tee.release_request_pad(&old.tee_pad);
            if self.users(&old.target) == 0 {
                let pad = self.consumers[index].pad.clone();
                self.stopped(hub, &pad, &old.target);
            }
        }
    }

    /// Removes what nobody needs and sets the bit rates of what stays.
    fn settle(&mut self, hub: &Transcode) {
        let (used, unused): (Vec<_>, Vec<_>) = std::mem::take(&mut self.encodings)
            .into_iter()
            .partition(|encoding| self.users(&encoding.target()) > 0);
        self.encodings = used;
        for encoding in unused {
            encoding.stop(hub);
        }
        if self.encodings.is_empty() && self.users(&Target::Raw) == 0 {
            if let Some(feed) = self.decoder.take() {
                feed.chain.stop(hub);
            }
            if let Some(tee) = self.raw.take() {
                hub.remove_tee(&tee);
            }
        }
        self.rates(hub);
    }

    /// Sets the bit rates of all encoders by the policy.
    pub(super) fn rates(&self, hub: &Transcode) {
        let policy = hub.bitrate_policy();
        for encoding in &self.encodings {
            let Some(settings) = &encoding.settings else { continue };
            let wishes = self.wishes(&encoding.target());
            let asked: Vec<u32> = wishes.iter().map(|wish| wish.bitrate).collect();
            settings.set_bitrate(decide::bitrate(policy, &asked), decide::limits(&wishes));
        }
    }

    /// What the consumers of an encoding ask for.
    fn wishes(&self, target: &Target) -> Vec<Wish> {
        self.consumers
            .iter()
            .filter(|consumer| consumer.attached.as_ref().is_some_and(|a| a.target == *target))
            .map(|consumer| consumer.pad.wish())
            .collect()
    }
}

/// The limits of a consumer for pictures; other media have none.
fn limits_of(pad: &TranscodePad, source: &Format) -> PictureLimits {
    if source.medium() == Medium::Video { pad.wish().limits } else { PictureLimits::default() }
}
