//! What this machine can do, for checking and planning.

use std::time::Duration;

use anabranch_graph::format::Format;
use anabranch_graph::plan::{Capabilities, Probe};
use anabranch_kit::caps::format_of;
use anabranch_kit::machine::GstCapabilities;
use gst::prelude::*;
use gst_pbutils::DiscovererStreamInfo;
use gst_pbutils::prelude::*;

/// How long looking into a URI may take.
const PROBE_LIMIT: Duration = Duration::from_secs(10);

/// What this machine's GStreamer can do; optionally looks into the URIs of a graph.
#[derive(Clone, Default)]
pub struct Machine {
    inner: GstCapabilities,
    looks: bool,
}

impl Machine {
    /// The same machine, which looks into URIs or not.
    pub fn looking(&self, looks: bool) -> Machine {
        Machine { looks, ..self.clone() }
    }
}

impl Capabilities for Machine {
    fn has_element(&self, factory: &str) -> bool {
        self.inner.has_element(factory)
    }

    fn decoder(&self, format: &Format) -> Option<String> {
        self.inner.decoder(format)
    }

    fn cpus(&self) -> usize {
        self.inner.cpus()
    }

    fn probe(&self, uri: &str) -> Probe {
        if self.looks { probe(uri) } else { Probe::Unknown }
    }
}

/// Looks into a file or URI: one format per stream.
pub fn probe(uri: &str) -> Probe {
    let uri = if uri.contains("://") {
        uri.to_owned()
    } else {
        match std::path::absolute(uri).ok().and_then(|p| glib::filename_to_uri(p, None).ok()) {
            Some(uri) => uri.to_string(),
            None => return Probe::Failed(format!("'{uri}' is no path and no URI")),
        }
    };
    let timeout = gst::ClockTime::from_mseconds(PROBE_LIMIT.as_millis() as u64);
    let discoverer = match gst_pbutils::Discoverer::new(timeout) {
        Ok(discoverer) => discoverer,
        Err(error) => return Probe::Failed(error.to_string()),
    };
    match discoverer.discover_uri(&uri) {
        Ok(info) => {
            let video = info.video_streams().into_iter().map(|s| s.upcast::<DiscovererStreamInfo>());
            let audio = info.audio_streams().into_iter().map(|s| s.upcast::<DiscovererStreamInfo>());
            // The first stream of each medium is the one that is played.
            let streams = video.take(1).chain(audio.take(1));
            Probe::Streams(streams.filter_map(|s| s.caps()).filter_map(|caps| format_of(&caps)).collect())
        }
        Err(error) => Probe::Failed(error.message().to_owned()),
    }
}
