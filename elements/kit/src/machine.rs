//! What this machine can do: [`anabranch_graph::plan::Capabilities`] over GStreamer's registry.

use std::num::NonZero;
use std::str::FromStr;

use anabranch_graph::format::Format;
use anabranch_graph::plan::{Capabilities, Probe, codec};
use gst::prelude::*;

/// The elements and processors of this machine. It does not look into URIs: [`Capabilities::probe`] answers
/// [`Probe::Unknown`].
#[derive(Clone, Copy, Debug, Default)]
pub struct GstCapabilities {
    cpus: Option<usize>,
}

impl GstCapabilities {
    /// This machine with all its processors.
    pub fn new() -> Self {
        Self::default()
    }

    /// This machine, of which encoders may use `cpus` processors; 0 means all.
    pub fn with_cpus(cpus: usize) -> Self {
        Self { cpus: (cpus > 0).then_some(cpus) }
    }

    /// The decoder of highest rank that takes these caps, as a factory name. Parsers do not count.
    pub fn decoder_for(&self, caps: &gst::Caps) -> Option<String> {
        let decoders = gst::ElementFactory::factories_with_type(
            gst::ElementFactoryType::DECODER,
            // An element without rank is not meant to be chosen automatically.
            gst::Rank::MARGINAL,
        );
        decoders
            .into_iter()
            .filter(|factory| factory.can_sink_any_caps(caps))
            .max_by_key(|factory| factory.rank())
            .map(|factory| factory.name().to_string())
    }
}

impl Capabilities for GstCapabilities {
    fn has_element(&self, factory: &str) -> bool {
        gst::ElementFactory::find(factory).is_some()
    }

    fn decoder(&self, format: &Format) -> Option<String> {
        if let Some(known) = codec::decoders(format).iter().find(|factory| self.has_element(factory)) {
            return Some((*known).to_owned());
        }
        self.decoder_for(&gst::Caps::from_str(format.caps()).ok()?)
    }

    fn cpus(&self) -> usize {
        self.cpus.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZero::get))
    }

    fn probe(&self, _uri: &str) -> Probe {
        Probe::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anabranch_graph::format::Medium;

    #[test]
    fn decoders_come_from_the_table_then_by_rank() {
        gst::init().unwrap();
        let machine = GstCapabilities::new();
        assert_eq!(machine.decoder(&Format::Vp8).as_deref(), Some("vp8dec"));
        let jpeg = machine.decoder(&Format::Other(Medium::Video, "image/jpeg".into()));
        assert!(jpeg.is_some(), "a decoder that the table does not know is found by its caps");
        assert_eq!(machine.decoder(&Format::Other(Medium::Data, "x/nothing".into())), None);
        assert!(machine.cpus() >= 1);
        assert_eq!(GstCapabilities::with_cpus(3).cpus(), 3);
        assert!(!machine.has_element("no-such-element"));
        assert_eq!(machine.probe("file:///x"), Probe::Unknown);
    }
}
