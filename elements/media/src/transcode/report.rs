//! What the hub says about itself: messages when a transcode starts and stops, statistics, who serves whom.

use anabranch_graph::PictureLimits;
use anabranch_graph::format::Format;
use anabranch_kit::message;
use serde_json::json;

use super::topology::{Encoding, Target, Topology};
use super::{Transcode, TranscodePad};

/// Numbers of the `stats` property.
#[derive(Clone, Debug, Default)]
pub(super) struct Stats {
    pub consumers: u64,
    pub decoders: u64,
    pub encoders: u64,
    pub transcodes_started: u64,
    pub dropped: u64,
    pub key_unit_requests: u64,
}

impl Stats {
    pub(super) fn structure(&self) -> gst::Structure {
        gst::Structure::builder("stats")
            .field("consumers", self.consumers)
            .field("decoders", self.decoders)
            .field("encoders", self.encoders)
            .field("transcodes-started", self.transcodes_started)
            .field("frames-dropped", self.dropped)
            .field("key-unit-requests", self.key_unit_requests)
            .build()
    }
}

/// What a chain of elements does and for whom, for the sentence when it fails.
#[derive(Clone, Debug)]
pub(super) struct Duty {
    /// The name of the chain's bin.
    pub chain: String,
    /// For instance `the H.264 encoder x264enc`.
    pub what: String,
    pub consumers: Vec<String>,
    pub failed: bool,
}

impl Duty {
    /// What the error message says when it fails.
    pub(super) fn failure(&self, why: &str) -> (gst::StreamError, String) {
        let decodes = self.what.contains(" decoder ");
        let domain = if decodes { gst::StreamError::Decode } else { gst::StreamError::Encode };
        (domain, format!("{} failed, which serves {}: {why}", self.what, self.consumers.join(", ")))
    }
}

/// A name of a format within limits for element names: `h264`, `vp8-h180-f15`.
pub(super) fn label(format: &Format, limits: &PictureLimits) -> String {
    let letters = format.name().chars().filter(char::is_ascii_alphanumeric);
    let mut label: String = letters.map(|letter| letter.to_ascii_lowercase()).collect();
    for (letter, limit) in [('w', limits.max_width), ('h', limits.max_height), ('f', limits.max_frame_rate)] {
        if let Some(limit) = limit {
            label.push_str(&format!("-{letter}{limit}"));
        }
    }
    label
}

impl Topology {
    pub(super) fn started(&self, hub: &Transcode, pad: &TranscodePad, target: &Target) {
        let Some(mut data) = self.describe(pad, target) else { return };
        let from = data["from"].as_str().unwrap_or_default();
        let name = pad.consumer_name();
        data["reason"] = match target {
            Target::Made(_, limits) if !limits.is_none() => format!("{name} takes at most {limits}"),
            _ => format!("{name} does not take {from}"),
        }
        .into();
        hub.count(|stats| stats.transcodes_started += 1);
        message::post(hub, "transcoding-started", data);
    }

    pub(super) fn stopped(&self, hub: &Transcode, pad: &TranscodePad, target: &Target) {
        let Some(mut data) = self.describe(pad, target) else { return };
        data["reason"] = self.why.clone().into();
        message::post(hub, "transcoding-stopped", data);
    }

    /// What is made of what, with which elements; `None` for packets that pass untouched.
    fn describe(&self, pad: &TranscodePad, target: &Target) -> Option<serde_json::Value> {
        let source = self.source.as_ref()?;
        let from = self.from.as_ref().unwrap_or(&source.format);
        let decoder = self.decoder.as_ref().and_then(|feed| feed.decoder.as_deref());
        let (to, encoder) = match target {
            Target::Source => return None,
            Target::Raw => (Format::raw(from.medium())?, None),
            Target::Made(format, _) => {
                (format.clone(), self.encoding(target).and_then(|encoding| encoding.factory.as_deref()))
            }
        };
        if decoder.is_none() && encoder.is_none() {
            return None;
        }
        Some(json!({
            "consumer": pad.consumer_name(),
            "from": from.name(),
            "to": to.name(),
            "decoder": decoder,
            "encoder": encoder,
        }))
    }

    pub(super) fn encoding(&self, target: &Target) -> Option<&Encoding> {
        self.encodings.iter().find(|encoding| encoding.target() == *target)
    }

    fn names(&self, of: impl Fn(&Target) -> bool) -> Vec<String> {
        let uses = |target: Option<&Target>| target.is_some_and(&of);
        self.consumers
            .iter()
            .filter(|consumer| uses(consumer.attached.as_ref().map(|attached| &attached.target)))
            .map(|consumer| consumer.pad.consumer_name())
            .collect()
    }

    /// Makes public what hangs on the hub now.
    pub(super) fn publish(&self, hub: &Transcode) {
        use gst::prelude::*;
        hub.count(|stats| {
            stats.consumers = self.consumers.len() as u64;
            stats.decoders = self.decoder.as_ref().map_or(0, |feed| u64::from(feed.decoder.is_some()));
            stats.encoders =
                self.encodings.iter().filter(|encoding| encoding.factory.is_some()).count() as u64;
        });
        let mut duties = Vec::new();
        if let (Some(feed), Some(source)) = (&self.decoder, &self.source)
            && let Some(decoder) = &feed.decoder
        {
            duties.push(Duty {
                chain: feed.chain.bin.name().to_string(),
                what: format!("the {} decoder {decoder}", source.format),
                consumers: self.names(|target| *target != Target::Source),
                failed: false,
            });
        }
        for encoding in &self.encodings {
            duties.push(Duty {
                chain: encoding.chain.bin.name().to_string(),
                what: match &encoding.factory {
                    Some(factory) => format!("the {} encoder {factory}", encoding.format),
                    None => String::from("the scaler videoscale"),
                },
                consumers: self.names(|target| *target == encoding.target()),
                failed: false,
            });
        }
        hub.set_duties(duties);
    }
}
