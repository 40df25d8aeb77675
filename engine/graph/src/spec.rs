//! A checked graph. A [`GraphSpec`] that exists has been checked against a catalogue.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::catalog::PropertyMap;
use crate::format::Medium;
use crate::link_options::LinkOptions;

/// A graph of elements, valid by construction: made by [`crate::check`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GraphSpec {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its elements by id, in the order of the description.
    pub nodes: IndexMap<String, NodeSpec>,
    /// Its links, one medium each, in the order of the description.
    pub links: Vec<LinkSpec>,
}

impl GraphSpec {
    /// A graph without elements, to be built step by step.
    pub fn empty(name: impl Into<String>) -> Self {
        GraphSpec { name: name.into(), description: String::new(), nodes: IndexMap::new(), links: Vec::new() }
    }
}

/// One element of a graph.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodeSpec {
    /// Its id in the graph.
    pub id: String,
    /// The name of its type in the catalogue.
    #[serde(rename = "type")]
    pub type_name: String,
    /// What happens when it fails; none: the default of its role.
    pub on_error: Option<OnError>,
    /// The properties that were given, by snake_case name.
    pub properties: PropertyMap,
}

/// What happens to the graph when an element fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnError {
    /// The whole pipeline stops, recordings are finalised. Default for sources and filters.
    StopPipeline,
    /// The element is taken out, the rest goes on. Default for sinks and endpoints.
    DropElement,
    /// The element's failure domain is built anew, with growing pauses.
    Restart,
}

/// A port of an element.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct PortRef {
    /// The element's id.
    pub node: String,
    /// The port's name.
    pub port: String,
}

impl std::fmt::Display for PortRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.node, self.port)
    }
}

/// A link of one medium from an output to an input.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LinkSpec {
    /// The output.
    pub from: PortRef,
    /// The input.
    pub to: PortRef,
    /// What flows.
    pub medium: Medium,
    /// What it was told besides.
    #[serde(flatten)]
    pub options: LinkOptions,
}

impl LinkSpec {
    /// What names this link: `camera.video -> recorder.video`.
    pub fn id(&self) -> String {
        format!("{} -> {}", self.from, self.to)
    }
}

/// Whether a link may transcode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Transcoding {
    /// If no format fits, transcode and say so.
    #[default]
    Allow,
    /// A needed transcode is an error.
    Forbid,
}
