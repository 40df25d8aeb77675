//! The catalogue: which element types exist, with their ports, properties and events.
//!
//! The catalogue is data. Elements and filters register a descriptor; parsing, checking, planning, the schema,
//! `list` and `show` read nothing else.

use indexmap::IndexMap;
use serde::Serialize;

use crate::format::{Format, Medium};

pub use crate::property::properties_from_schema;

/// The properties of one element, by their snake_case names.
pub type PropertyMap = serde_json::Map<String, serde_json::Value>;

/// All element types that a description may use.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    elements: IndexMap<String, ElementDescriptor>,
}

impl Catalog {
    /// An empty catalogue.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an element type; one of the same name is replaced and returned.
    pub fn insert(&mut self, descriptor: ElementDescriptor) -> Option<ElementDescriptor> {
        let old = self.elements.insert(descriptor.name.clone(), descriptor);
        self.elements.sort_keys();
        old
    }

    /// The element type of that name.
    pub fn get(&self, name: &str) -> Option<&ElementDescriptor> {
        self.elements.get(name)
    }

    /// All element types, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &ElementDescriptor> {
        self.elements.values()
    }
}

/// What an element is in a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Media enters the graph here: outputs only.
    Source,
    /// Media leaves the graph here: inputs only.
    Sink,
    /// Media passes through; lives in the failure domain of its source.
    Filter,
    /// Both ends of a network peer; an input and an output that are two sides, not a path.
    Endpoint,
    /// Joins several inputs.
    Mixer,
}

/// One element type.
#[derive(Clone, Debug, Serialize)]
pub struct ElementDescriptor {
    /// The name in descriptions, kebab-case: `face-overlay`.
    pub name: String,
    /// The GStreamer factory that makes it: `abfaceoverlay`.
    pub factory: String,
    /// What it is in a graph.
    pub role: Role,
    /// One line.
    pub summary: String,
    /// The documentation page, Markdown.
    pub description: String,
    /// Who wrote it.
    pub author: String,
    /// A one-liner that shows it: `test-source -> face-overlay image=hat.png -> null-sink`.
    pub example: String,
    /// Its ports.
    pub ports: Vec<PortSpec>,
    /// Its properties.
    pub properties: Vec<PropertySpec>,
    /// The events that it emits.
    pub events: Vec<EventSpec>,
    /// GStreamer factories that it cannot work without.
    pub requires: Vec<String>,
    /// Whether it wants media at the pace of real time, for instance because it analyses the newest frame only.
    pub realtime: bool,
    /// What follows from an element's own properties: formats accepted, GStreamer elements inside, mistakes.
    #[serde(skip)]
    pub refine: Option<fn(&PropertyMap) -> Refined>,
}

impl ElementDescriptor {
    /// Its input ports.
    pub fn inputs(&self) -> impl Iterator<Item = &PortSpec> {
        self.ports.iter().filter(|p| p.direction == Direction::Input)
    }

    /// Its output ports.
    pub fn outputs(&self) -> impl Iterator<Item = &PortSpec> {
        self.ports.iter().filter(|p| p.direction == Direction::Output)
    }

    /// The port of that name and direction.
    pub fn port(&self, direction: Direction, name: &str) -> Option<&PortSpec> {
        self.ports.iter().find(|p| p.direction == direction && p.name == name)
    }

    /// The property of that name; `-` and `_` are the same.
    pub fn property(&self, name: &str) -> Option<&PropertySpec> {
        let name = name.replace('-', "_");
        self.properties.iter().find(|p| p.name == name)
    }

    /// What follows from these properties; nothing for a type without [`ElementDescriptor::refine`].
    pub fn refined(&self, properties: &PropertyMap) -> Refined {
        self.refine.map(|refine| refine(properties)).unwrap_or_default()
    }
}

/// Which way media goes through a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Into the element.
    Input,
    /// Out of the element.
    Output,
}

/// Where an element is joined to others.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PortSpec {
    /// The name in descriptions: `video`, `audio`.
    pub name: String,
    /// Which way media goes.
    pub direction: Direction,
    /// What it carries.
    pub medium: Medium,
    /// The GStreamer pad of the element: `sink`, `src`, `sink_video`, `src_audio`. A static pad, or, with
    /// `multiple`, a request pad's template.
    pub pad: String,
    /// Input: the formats that it takes, most wanted first; empty means any. Output: the formats that it can
    /// produce; empty means not known before it runs.
    pub formats: Vec<Format>,
    /// For raw formats: the GStreamer pixel or sample formats that it takes, most wanted first; empty means any.
    pub layouts: Vec<String>,
    /// Whether the element makes no sense with this port unlinked.
    pub required: bool,
    /// Whether several links may enter it (a mixer's input).
    pub multiple: bool,
}

/// One property of an element type.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PropertySpec {
    /// The name, snake_case.
    pub name: String,
    /// One line: what it does, with its unit.
    pub summary: String,
    /// What values it takes.
    pub kind: PropertyKind,
    /// The value if none is given; null means none.
    pub default: serde_json::Value,
    /// Whether a description must give it.
    pub required: bool,
    /// Whether it may change while media flows; otherwise a change restarts the element.
    pub live: bool,
}

/// The values that a property takes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum PropertyKind {
    /// `true` or `false`.
    Bool,
    /// A whole number within bounds, both included.
    Integer {
        /// Least value.
        min: i64,
        /// Greatest value.
        max: i64,
    },
    /// A number within bounds, both included.
    Number {
        /// Least value.
        min: f64,
        /// Greatest value.
        max: f64,
    },
    /// Text.
    String,
    /// One of these words.
    Enum {
        /// The words.
        values: Vec<String>,
    },
    /// A list; as a GObject property it is JSON text.
    List {
        /// What each entry is.
        item: Box<PropertyKind>,
    },
    /// Names with values of any kind, which the element itself checks; as a GObject property it is JSON text.
    Map,
    /// A mapping with these entries; as a GObject property it is JSON text.
    Record {
        /// The entries, by snake_case name.
        fields: Vec<PropertySpec>,
    },
}

/// An event that an element type emits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventSpec {
    /// The name, kebab-case: `faces`.
    pub name: String,
    /// One line.
    pub summary: String,
    /// JSON Schema of its data.
    pub schema: serde_json::Value,
}

/// What follows from an element's own properties.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Refined {
    /// Input formats by port name, in place of the descriptor's.
    pub formats: Vec<(String, Vec<Format>)>,
    /// The GStreamer elements inside, for the plan.
    pub parts: Vec<Part>,
    /// GStreamer factories that these properties call for, apart from the descriptor's.
    pub requires: Vec<String>,
    /// The URI whose contents become the outputs, so that a plan may look into it.
    pub probe: Option<String>,
    /// Whether the element paces itself (`Some(true)`), runs as fast as its consumers (`Some(false)`), or leaves it
    /// to the plan.
    pub paced: Option<bool>,
    /// Mistakes: the property and what is wrong with its value.
    pub problems: Vec<(String, String)>,
    /// Properties that name another element of the graph, with what that must be there.
    pub refers: Vec<(String, Role)>,
}

impl Refined {
    /// The formats that an input takes, most wanted first: these, or else the port's own.
    pub fn accepts<'a>(&'a self, port: &'a PortSpec) -> &'a [Format] {
        let own = self.formats.iter().find(|(name, _)| *name == port.name).map(|(_, formats)| formats);
        own.unwrap_or(&port.formats)
    }
}

/// A GStreamer element inside a node, as the plan shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// The factory.
    pub factory: String,
    /// Why it is there.
    pub why: String,
}
