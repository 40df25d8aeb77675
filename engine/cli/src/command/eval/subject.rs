//! What is evaluated: a filter, a file, or a pipeline, made into a graph that takes frames from this program and gives
//! them back.

use std::path::Path;

use anabranch_engine::Engine;
use anabranch_graph::catalog::{Catalog, Direction, PropertyKind, Role};
use anabranch_graph::format::Medium;
use anabranch_graph::spec::{GraphSpec, LinkSpec, NodeSpec, PortRef};
use anabranch_graph::{Completeness, Document, LinkOptions, check_all};
use anyhow::Result;
use serde_json::json;

use crate::exit::bad_input;
use crate::input::{self, Description};

/// Ids of the elements by which frames come and go.
pub const SOURCE: &str = "eval-source";
pub const SINK: &str = "eval-sink";

/// A graph of filters only.
pub struct Subject {
    /// The filters and the links between them.
    filters: GraphSpec,
    /// Where frames go in.
    pub entry: PortRef,
    /// Where they come out.
    pub exit: PortRef,
}

/// Files that are filters, by their ending: the element type that runs them, and the property that names the file.
const FILES: [(&str, &str, &str); 2] = [("py", "python-filter", "file"), ("onnx", "onnx-filter", "model")];

/// The document that an argument means.
fn document(description: &Description) -> Result<Document> {
    let path = Path::new(&description.text);
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    let Some((_, type_name, property)) = FILES.iter().find(|(e, _, _)| *e == ending && path.is_file()) else {
        // A name alone is that of an element type, and one that is misspelt deserves a hint.
        if is_name(&description.text) && !path.exists() {
            return description.overridden(Document::one_liner(&description.text));
        }
        return description.document();
    };
    let mut properties = json!({ *property: description.text });
    // The description of a network lies beside it.
    let spec = path.with_extension("yaml");
    if *type_name == "onnx-filter" && spec.is_file() {
        properties["spec"] = spec.display().to_string().into();
    }
    let document = Document::new("eval").element(*type_name, *type_name, properties);
    description.overridden(document)
}

fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') && text != "-"
}

impl Subject {
    /// Reads what is to be evaluated; `None` if its mistakes have been shown.
    pub fn read(description: &Description, engine: &Engine, realtime: bool) -> Result<Option<Subject>> {
        let document = document(description)?;
        let checked = check_all(&document, engine.catalog(), Some(engine.machine()), Completeness::Partial);
        let Some(spec) = checked.spec else {
            input::draw(&checked.diagnostics);
            return Ok(None);
        };
        let mut subject = Subject::of(&spec, engine.catalog()).map_err(bad_input)?;
        if !realtime {
            subject.analyse_every_frame(engine.catalog());
        }
        Ok(Some(subject))
    }

    /// Keeps the filters of a graph; sources and sinks go.
    fn of(spec: &GraphSpec, catalog: &Catalog) -> Result<Subject, String> {
        let keeps = |node: &NodeSpec| {
            catalog.get(&node.type_name).is_some_and(|d| {
                d.role == Role::Filter && d.ports.iter().any(|port| port.medium == Medium::Video)
            })
        };
        let mut filters = GraphSpec::empty("eval");
        for (id, node) in spec.nodes.iter().filter(|(_, node)| keeps(node)) {
            filters.nodes.insert(id.clone(), node.clone());
        }
        let inside = |link: &&LinkSpec| {
            let (from, to) = (&link.from.node, &link.to.node);
            link.medium == Medium::Video && filters.nodes.contains_key(from) && filters.nodes.contains_key(to)
        };
        let links: Vec<LinkSpec> = spec.links.iter().filter(inside).cloned().collect();
        filters.links = links;
        let ids: Vec<String> = filters.nodes.keys().cloned().collect();
        let without = |fed: bool| {
            let is = |id: &&String| {
                let end = |link: &LinkSpec| if fed { &link.to.node == *id } else { &link.from.node == *id };
                !filters.links.iter().any(end)
            };
            ids.iter().filter(is).collect::<Vec<_>>()
        };
        let (first, last) = match (&without(true)[..], &without(false)[..]) {
            ([first], [last]) => ((*first).clone(), (*last).clone()),
            ([], _) | (_, []) => {
                return Err("there is no video filter in it; see `anabranch list --role filter`".to_owned());
            }
            (starts, ends) => {
                let several = if starts.len() > 1 { starts } else { ends };
                let names: Vec<&str> = several.iter().map(|id| id.as_str()).collect();
                return Err(format!(
                    "its video filters are no single chain ({} stand side by side): evaluate one branch at a time",
                    names.join(", ")
                ));
            }
        };
        let port = |id: &str, direction: Direction| {
            let descriptor = filters.nodes.get(id).and_then(|node| catalog.get(&node.type_name));
            let port = descriptor
                .and_then(|d| d.ports.iter().find(|p| p.direction == direction && p.medium == Medium::Video));
            let port =
                port.ok_or_else(|| format!("'{id}' gives no video, so nothing can be taken from it"))?;
            Ok::<_, String>(PortRef { node: id.to_owned(), port: port.name.clone() })
        };
        let (entry, exit) = (port(&first, Direction::Input)?, port(&last, Direction::Output)?);
        Ok(Subject { filters, entry, exit })
    }

    /// Lets analysers look at every frame and the frame wait for the answer, unless the description says otherwise.
    fn analyse_every_frame(&mut self, catalog: &Catalog) {
        for node in self.filters.nodes.values_mut() {
            let Some(descriptor) = catalog.get(&node.type_name) else { continue };
            let has_inline = descriptor.property("mode").is_some_and(
                |p| matches!(&p.kind, PropertyKind::Enum { values } if values.iter().any(|v| v == "inline")),
            );
            if has_inline && !node.properties.contains_key("mode") {
                node.properties.insert("mode".into(), "inline".into());
            }
            // On a slow machine a result is late, not missing.
            if let Some(PropertyKind::Integer { max, .. }) = descriptor.property("budget_ms").map(|p| &p.kind)
                && !node.properties.contains_key("budget_ms")
            {
                node.properties.insert("budget_ms".into(), (*max).into());
            }
        }
    }

    /// The filters as a one-liner would write them.
    pub fn elements(&self) -> Vec<String> {
        let nodes = self.filters.nodes.values();
        nodes
            .map(|node| {
                let properties = node.properties.iter().map(|(name, value)| format!(" {name}={value}"));
                node.type_name.clone() + &properties.collect::<String>()
            })
            .collect()
    }

    /// Ids of the filters.
    pub fn ids(&self) -> impl Iterator<Item = &String> {
        self.filters.nodes.keys()
    }

    /// The whole graph; `caps` are those of the first frame.
    pub fn graph(&self, caps: &str, realtime: bool) -> Document {
        let mut spec = self.filters.clone();
        let node = |id: &str, type_name: &str, properties: serde_json::Value| NodeSpec {
            id: id.to_owned(),
            type_name: type_name.to_owned(),
            on_error: None,
            properties: properties.as_object().cloned().unwrap_or_default(),
        };
        // In real time a camera does not wait: whoever is busy when a frame comes loses it.
        let source = if realtime {
            json!({"caps": caps, "live": true, "block": false, "max_buffers": 1})
        } else {
            json!({"caps": caps, "block": true, "max_buffers": 2})
        };
        spec.nodes.insert(SOURCE.into(), node(SOURCE, "app-source", source));
        spec.nodes.insert(SINK.into(), node(SINK, "app-sink", json!({"accept": "raw", "max_buffers": 0})));
        let video = |node: &str| PortRef { node: node.to_owned(), port: "video".to_owned() };
        for (from, to) in [(video(SOURCE), self.entry.clone()), (self.exit.clone(), video(SINK))] {
            spec.links.push(LinkSpec { from, to, medium: Medium::Video, options: LinkOptions::default() });
        }
        Document::from(&spec)
    }
}
