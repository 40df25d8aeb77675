//! Numbers of a running pipeline.

use std::collections::BTreeMap;

use anabranch_kit::endpoint::stats::RtpStream;
use serde::Serialize;

/// Numbers of a pipeline, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PipelineStats {
    /// Seconds since it was started.
    pub elapsed: f64,
    /// Running time of the newest media that reached an element, seconds.
    pub position: f64,
    /// Elements by id.
    pub elements: BTreeMap<String, ElementStats>,
    /// Links by id.
    pub links: BTreeMap<String, LinkStats>,
}

/// Numbers of one element.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ElementStats {
    /// What came in, by port; a port that takes many links counts what comes on all of them.
    pub inputs: BTreeMap<String, PortStats>,
    /// What went out, by port.
    pub outputs: BTreeMap<String, PortStats>,
    /// The element's own numbers: `processing-ns-average` of a filter, `bytes-written` of a recorder.
    pub own: BTreeMap<String, f64>,
    /// How long media take from its inputs to its outputs, milliseconds, moving average; none if it has no such way, or if
    /// the pipeline does not keep real time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
    /// Its RTP streams, if it is an endpoint of the network.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rtp: Vec<RtpStream>,
    /// Numbers of its output hubs, by port: decoders and encoders that run, frames they dropped.
    pub hubs: BTreeMap<String, BTreeMap<String, f64>>,
}

/// Numbers of one port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct PortStats {
    /// Frames (packets of sound) so far.
    pub frames: u64,
    /// Bytes so far.
    pub bytes: u64,
    /// Whether media flow: the first has come, and the newest is less than two seconds old.
    pub flowing: bool,
    /// How old media are when they pass here, milliseconds since the moment for which they are stamped (when they were
    /// captured, or arrived), moving average: at an input of a last element, the latency from end to end. None before the
    /// first, or if the pipeline does not keep real time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<f64>,
}

/// Numbers of a link that crosses failure domains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct LinkStats {
    /// Frames that went in.
    pub frames: u64,
    /// Bytes that went in.
    pub bytes: u64,
    /// Frames that the consumer lost because it was too slow.
    pub dropped: u64,
    /// Frames that wait now.
    pub waiting: u64,
    /// Media that waits now, milliseconds.
    pub fill_ms: f64,
    /// How long a frame waits, milliseconds, moving average.
    pub latency_ms: f64,
}

impl ElementStats {
    /// The latency, from the ages of what comes in and goes out of each medium: the longest way.
    pub(crate) fn find_latency(&mut self) {
        let ways = self.inputs.iter().filter_map(|(port, input)| {
            let output = self.outputs.get(port).or_else(|| {
                // A filter's ports have other names on its two sides than its medium.
                let mut all = self.outputs.values();
                all.next().filter(|_| self.outputs.len() == 1 && self.inputs.len() == 1)
            })?;
            Some((output.age_ms? - input.age_ms?).max(0.0))
        });
        self.latency_ms = ways.reduce(f64::max);
    }

    /// How old media are when they come in, milliseconds: the latency from end to end if this is where they end. The oldest
    /// of its inputs; none if nothing is known.
    pub fn end_to_end_ms(&self) -> Option<f64> {
        self.inputs.values().filter_map(|port| port.age_ms).reduce(f64::max)
    }
}

impl PipelineStats {
    /// Frames lost on all links and in all output hubs.
    pub fn dropped(&self) -> u64 {
        let hubs = self.elements.values().flat_map(|element| element.hubs.values());
        let in_hubs: f64 = hubs.filter_map(|hub| hub.get("frames-dropped")).sum();
        self.links.values().map(|l| l.dropped).sum::<u64>() + in_hubs as u64
    }
}
