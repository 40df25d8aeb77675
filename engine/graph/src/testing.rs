//! A small catalogue and a machine to try descriptions on without GStreamer.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::catalog::{
    Catalog, Direction, ElementDescriptor, Part, PortSpec, PropertyKind, PropertyMap, PropertySpec, Refined,
    Role,
};
use crate::format::{Format, Medium};
use crate::plan::codec::{decoders, encoders};
use crate::plan::{Capabilities, Probe};

/// A machine of which everything is said.
#[derive(Clone, Debug)]
pub struct Machine {
    /// GStreamer elements that it has.
    pub elements: BTreeSet<String>,
    /// What is in URIs; others are unknown.
    pub probes: BTreeMap<String, Probe>,
    /// Its processors.
    pub cpus: usize,
}

impl Machine {
    /// A machine with all decoders and encoders that this crate knows, and the elements of the test catalogue.
    pub fn full() -> Self {
        let mut elements: BTreeSet<String> =
            ["filesrc", "clocksync", "webmmux", "matroskamux", "mp4mux", "filesink", "pngenc", "compositor"]
                .map(String::from)
                .into();
        for format in Format::KNOWN {
            elements.extend(encoders(format).iter().chain(decoders(format)).map(|f| (*f).to_owned()));
        }
        Self { elements, probes: BTreeMap::new(), cpus: 2 }
    }

    /// Without an element.
    #[must_use]
    pub fn without(mut self, factory: &str) -> Self {
        self.elements.remove(factory);
        self
    }

    /// With something at a URI.
    #[must_use]
    pub fn with(mut self, uri: &str, probe: Probe) -> Self {
        self.probes.insert(uri.to_owned(), probe);
        self
    }
}

impl Capabilities for Machine {
    fn has_element(&self, factory: &str) -> bool {
        self.elements.contains(factory)
    }
    fn decoder(&self, format: &Format) -> Option<String> {
        decoders(format).iter().find(|factory| self.has_element(factory)).map(|factory| (*factory).to_owned())
    }
    fn cpus(&self) -> usize {
        self.cpus
    }
    fn probe(&self, uri: &str) -> Probe {
        self.probes.get(uri).cloned().unwrap_or(Probe::Unknown)
    }
}

fn port(name: &str, direction: Direction, medium: Medium, formats: &[Format]) -> PortSpec {
    let side = match direction {
        Direction::Input => "sink",
        Direction::Output => "src",
    };
    PortSpec {
        name: name.to_owned(),
        direction,
        medium,
        pad: format!("{side}_{name}"),
        formats: formats.to_vec(),
        layouts: Vec::new(),
        required: false,
        multiple: false,
    }
}

fn input(medium: Medium, formats: &[Format]) -> PortSpec {
    port(medium.name(), Direction::Input, medium, formats)
}

fn output(medium: Medium, formats: &[Format]) -> PortSpec {
    port(medium.name(), Direction::Output, medium, formats)
}

fn required(port: PortSpec) -> PortSpec {
    PortSpec { required: true, ..port }
}

fn layouts(port: PortSpec, layouts: &[&str]) -> PortSpec {
    PortSpec { layouts: layouts.iter().map(|l| (*l).to_owned()).collect(), ..port }
}

fn property(name: &str, kind: PropertyKind, default: Value) -> PropertySpec {
    PropertySpec {
        name: name.to_owned(),
        summary: format!("The {}.", name.replace('_', " ")),
        kind,
        default,
        required: false,
        live: false,
    }
}

fn live(property: PropertySpec) -> PropertySpec {
    PropertySpec { live: true, ..property }
}

fn needed(property: PropertySpec) -> PropertySpec {
    PropertySpec { required: true, default: Value::Null, ..property }
}

fn words(values: &[&str]) -> PropertyKind {
    PropertyKind::Enum { values: values.iter().map(|v| (*v).to_owned()).collect() }
}

fn mark() -> PropertyKind {
    let fields = vec![
        needed(property("id", text(), Value::Null)),
        property("at", PropertyKind::List { item: Box::new(number(0.0, 1.0)) }, json!([])),
        property("wide_open", PropertyKind::Bool, json!(false)),
    ];
    PropertyKind::Record { fields }
}

fn text() -> PropertyKind {
    PropertyKind::String
}

fn pace() -> PropertySpec {
    property("pace", words(&["auto", "realtime", "fastest"]), json!("auto"))
}

fn whole(min: i64, max: i64) -> PropertyKind {
    PropertyKind::Integer { min, max }
}

fn number(min: f64, max: f64) -> PropertyKind {
    PropertyKind::Number { min, max }
}

fn element(name: &str, role: Role, ports: Vec<PortSpec>, properties: Vec<PropertySpec>) -> ElementDescriptor {
    ElementDescriptor {
        name: name.to_owned(),
        factory: format!("ab{}", name.replace('-', "")),
        role,
        summary: format!("A {name}."),
        description: format!("A {name} for tests."),
        author: "The Anabranch developers".to_owned(),
        example: name.to_owned(),
        ports,
        properties,
        events: Vec::new(),
        requires: Vec::new(),
        realtime: false,
        refine: None,
    }
}

fn player(properties: &PropertyMap) -> Refined {
    Refined {
        probe: properties.get("uri").and_then(Value::as_str).map(str::to_owned),
        parts: vec![Part { factory: "filesrc".to_owned(), why: "reads the file".to_owned() }],
        requires: vec!["filesrc".to_owned()],
        ..Refined::default()
    }
}

fn recorder(properties: &PropertyMap) -> Refined {
    let location = properties.get("location").and_then(Value::as_str).unwrap_or_default();
    let (muxer, video, audio) = match location.rsplit('.').next() {
        Some("webm") => {
            ("webmmux", vec![Format::Vp8, Format::Vp9, Format::Av1], vec![Format::Opus, Format::Vorbis])
        }
        Some("mp4") => {
            ("mp4mux", vec![Format::H264, Format::H265, Format::Av1], vec![Format::Aac, Format::Opus])
        }
        Some("mkv") => (
            "matroskamux",
            vec![Format::H264, Format::Vp8, Format::Vp9, Format::H265, Format::Av1],
            vec![Format::Opus, Format::Aac, Format::Vorbis, Format::Mp3],
        ),
        _ => {
            let problem = "no container is known for this file name; use .webm, .mkv or .mp4".to_owned();
            return Refined { problems: vec![("location".to_owned(), problem)], ..Refined::default() };
        }
    };
    Refined {
        formats: vec![("video".to_owned(), video), ("audio".to_owned(), audio)],
        requires: vec![muxer.to_owned()],
        parts: vec![Part { factory: muxer.to_owned(), why: format!("it makes what `{location}` promises") }],
        ..Refined::default()
    }
}

/// Sources, filters, sinks, a mixer and an endpoint, enough to say everything that a description can say.
pub fn catalog() -> Catalog {
    use Medium::{Audio, Data, Video};
    let raw_video = &[Format::RawVideo];
    let raw_audio = &[Format::RawAudio];
    let rgba = |port| layouts(port, &["RGBA", "BGRA"]);
    let mut catalog = Catalog::new();
    let all = [
        ElementDescriptor {
            refine: Some(player),
            ..element(
                "player",
                Role::Source,
                vec![output(Video, &[]), output(Audio, &[])],
                vec![
                    needed(property("uri", text(), Value::Null)),
                    property("loop_count", whole(0, 1000), json!(1)),
                    property("start", number(0.0, 1e9), json!(0.0)),
                    pace(),
                ],
            )
        },
        element(
            "test-source",
            Role::Source,
            vec![layouts(output(Video, raw_video), &["RGBA"]), output(Audio, raw_audio)],
            vec![
                property("width", whole(1, 8192), json!(640)),
                property("height", whole(1, 8192), json!(480)),
                property("pattern", words(&["counter", "bars", "black"]), json!("counter")),
                property("title", text(), Value::Null),
                live(property("volume", number(0.0, 1.0), json!(0.8))),
                pace(),
            ],
        ),
        ElementDescriptor {
            refine: Some(|_| Refined { paced: Some(true), ..Refined::default() }),
            ..element("camera", Role::Source, vec![output(Video, raw_video)], vec![])
        },
        element(
            "h264-camera",
            Role::Source,
            vec![
                output(Video, &[Format::H264]),
                output(Data, &[Format::Other(Data, "text/x-raw".to_owned())]),
            ],
            vec![],
        ),
        element(
            "mystery",
            Role::Source,
            vec![output(Video, &[Format::Other(Video, "video/x-mystery".to_owned())])],
            vec![],
        ),
        element(
            "face-overlay",
            Role::Filter,
            vec![required(rgba(input(Video, raw_video))), rgba(output(Video, raw_video))],
            vec![
                needed(property("image", text(), Value::Null)),
                live(property("offset_x", number(-5.0, 5.0), json!(0.0))),
                live(property("width", number(0.01, 10.0), json!(1.0))),
                property("max_faces", whole(1, 64), json!(8)),
                live(property("visible", PropertyKind::Bool, json!(true))),
            ],
        ),
        ElementDescriptor {
            realtime: true,
            ..element(
                "analyser",
                Role::Filter,
                vec![
                    required(layouts(input(Video, raw_video), &["RGB"])),
                    layouts(output(Video, raw_video), &["RGB"]),
                ],
                vec![],
            )
        },
        element(
            "pass-through",
            Role::Filter,
            vec![input(Video, &[]), input(Audio, &[]), output(Video, &[]), output(Audio, &[])],
            vec![],
        ),
        ElementDescriptor {
            refine: Some(recorder),
            ..element(
                "recorder",
                Role::Sink,
                vec![input(Video, &[]), input(Audio, &[])],
                vec![needed(property("location", text(), Value::Null))],
            )
        },
        element(
            "snapshot",
            Role::Sink,
            vec![required(rgba(input(Video, raw_video)))],
            vec![
                needed(property("location", text(), Value::Null)),
                property("times", PropertyKind::List { item: Box::new(number(0.0, 1e9)) }, json!([])),
                property("every", number(0.0, 1e9), Value::Null),
                property("marks", PropertyKind::List { item: Box::new(mark()) }, json!([])),
            ],
        ),
        element("speaker", Role::Sink, vec![required(input(Audio, raw_audio))], vec![]),
        element(
            "null-sink",
            Role::Sink,
            vec![input(Video, &[]), input(Audio, &[]), input(Data, &[])],
            vec![],
        ),
        element("h265-sink", Role::Sink, vec![required(input(Video, &[Format::H265]))], vec![]),
        ElementDescriptor {
            requires: vec!["compositor".to_owned()],
            ..element(
                "mixer",
                Role::Mixer,
                vec![
                    PortSpec { multiple: true, ..layouts(input(Video, raw_video), &["AYUV"]) },
                    output(Video, raw_video),
                ],
                vec![],
            )
        },
        ElementDescriptor {
            realtime: true,
            ..element(
                "peer",
                Role::Endpoint,
                vec![
                    input(Video, &[Format::Vp8, Format::H264]),
                    input(Audio, &[Format::Opus]),
                    output(Video, &[Format::Vp8, Format::H264]),
                    output(Audio, &[Format::Opus]),
                ],
                vec![],
            )
        },
    ];
    for descriptor in all {
        catalog.insert(descriptor);
    }
    catalog
}
