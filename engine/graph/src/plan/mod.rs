//! From a checked graph to a plan: which GStreamer elements, where a decoder, converter, encoder, queue or tee sits
//! and why, and which failure domain each part is in. A plan is plain data; nothing is decided while building.

pub mod codec;
mod domains;
mod make;
mod media;
mod pace;
mod surgery;

pub use make::{PlanOptions, plan, plan_with};
pub use surgery::{Surgery, surgery};

pub(crate) use domains::domains_of;
#[cfg(test)]
mod tests;

use indexmap::IndexMap;
use serde::Serialize;

use crate::catalog::{Part, PropertyMap};
use crate::format::{Format, Medium};
use crate::link_options::LinkOptions;
use crate::spec::{OnError, PortRef};

/// What the machine can do, as far as a plan must know.
pub trait Capabilities {
    /// Whether GStreamer has an element of that factory name.
    fn has_element(&self, factory: &str) -> bool;
    /// The best decoder for a format, as a factory name.
    fn decoder(&self, format: &Format) -> Option<String>;
    /// Processors that encoders may use.
    fn cpus(&self) -> usize;
    /// The formats inside a URI.
    fn probe(&self, uri: &str) -> Probe;
}

/// What is inside a URI.
#[derive(Clone, Debug, PartialEq)]
pub enum Probe {
    /// Not looked at, or not knowable before it runs.
    Unknown,
    /// One format per stream.
    Streams(Vec<Format>),
    /// It cannot be read, in words for a person.
    Failed(String),
}

/// A printable plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Plan {
    /// The graph's name.
    pub name: String,
    /// Failure domains; each becomes a GStreamer pipeline of its own.
    pub domains: Vec<DomainPlan>,
    /// Elements by id.
    pub nodes: IndexMap<String, NodePlan>,
    /// Output hubs, one per output port that is linked, by `node.port`.
    pub hubs: IndexMap<String, HubPlan>,
    /// Links by id (`camera.video -> recorder.video`).
    pub links: IndexMap<String, LinkPlan>,
    /// How time passes in this graph.
    pub pace: Pace,
    /// Why it passes like that.
    pub pace_why: String,
}

/// One failure domain.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DomainPlan {
    /// Its name: the id of the element that it grows from.
    pub id: String,
    /// The elements in it.
    pub nodes: Vec<String>,
    /// Why these share a fate.
    pub why: String,
}

/// One element.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodePlan {
    /// Its id.
    pub id: String,
    /// Its type's name in the catalogue.
    #[serde(rename = "type")]
    pub type_name: String,
    /// The GStreamer factory.
    pub factory: String,
    /// What it is in the graph.
    pub role: crate::catalog::Role,
    /// The properties that were given, plus those that the plan decided (such as `pace`).
    pub properties: PropertyMap,
    /// The failure domain; none while no source feeds it: it is then not built.
    pub domain: Option<String>,
    /// What happens when it fails.
    pub on_error: OnError,
    /// Whether the description asked for that policy.
    pub on_error_given: bool,
    /// GStreamer elements inside.
    pub parts: Vec<Part>,
}

/// The output hub of one output port: what the element produces, plus what its consumers asked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HubPlan {
    /// The output port.
    pub output: PortRef,
    /// The output's pad.
    pub pad: String,
    /// What flows.
    pub medium: Medium,
    /// What the element will produce, if it is known: several if it is one of them.
    pub produces: Vec<Format>,
    /// Ids of the links that it feeds.
    pub links: Vec<String>,
}

/// One link.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LinkPlan {
    /// Its id.
    pub id: String,
    /// The output.
    pub from: PortRef,
    /// The input.
    pub to: PortRef,
    /// The input's pad.
    pub pad: String,
    /// What flows.
    pub medium: Medium,
    /// What the consumer takes, most wanted first; empty means any format.
    pub accepts: Vec<Format>,
    /// GStreamer pixel or sample formats that the consumer takes of raw media; empty means any.
    pub layouts: Vec<String>,
    /// What the link was told besides its ends.
    #[serde(flatten)]
    pub options: LinkOptions,
    /// How the two are joined.
    pub join: Join,
    /// What the hub will do for this link, if the source's format is known.
    pub service: Option<codec::Service>,
    /// Whether the source is known to have no such stream: nothing will ever flow here.
    pub absent: bool,
    /// Converters in front of the input, each with its reason.
    pub converters: Vec<Part>,
    /// Why it is joined and served like this.
    pub why: String,
}

/// How two elements are joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Join {
    /// Pads linked in one GStreamer pipeline: same fate.
    Direct,
    /// Over a bridge into another GStreamer pipeline: a failure does not cross.
    Bridge {
        /// What a full bridge does.
        overflow: Overflow,
        /// How much may wait in it, milliseconds of media.
        max_ms: u32,
    },
}

/// What a full bridge does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overflow {
    /// The source waits: every frame arrives (files, as fast as possible).
    Wait,
    /// The slow consumer loses its own frames, nobody else's (real time).
    Drop,
}

/// How time passes in a graph.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Pace {
    /// At the pace of the clock.
    #[default]
    Realtime,
    /// As fast as the slowest consumer takes it.
    Fastest,
}
