//! What network clients may name: files below configured folders, hosts that are not private.
//!
//! Every text property of an element is looked at. What it names follows from its name ([`names`]); one that nobody
//! knows counts as a file, so that a new element cannot open a hole by being forgotten here.

mod address;
mod elements;
mod files;
pub(crate) mod guard;
mod names;
mod network;

use std::sync::{Arc, RwLock};

use anabranch_graph::Document;
use anabranch_graph::catalog::{Catalog, ElementDescriptor, PropertyKind, PropertyMap};
use anabranch_graph::spec::GraphSpec;
use anabranch_graph::syntax::Data;
use serde_json::{Map, Value, json};

use crate::config::{Files, Gstreamer, Network};
use crate::problem::{Code, Problem};
use crate::whip::ENDPOINT;
use names::Names;

/// Decides what network clients may name in descriptions and properties.
#[derive(Clone, Debug)]
pub struct Policy {
    files: Files,
    network: Network,
    /// Elements of GStreamer's that clients may use.
    elements: Vec<String>,
    webrtc: Map<String, Value>,
    /// Hosts that the server's own descriptions name, `host:port`.
    own: Arc<RwLock<Vec<String>>>,
}

/// Something that a client may not name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The property.
    pub property: String,
    /// Why, a sentence.
    pub reason: String,
}

impl Policy {
    /// With these rules; `webrtc` is what every WebRTC element gets unless a client says otherwise.
    pub fn new(files: &Files, network: &Network, gstreamer: &Gstreamer, webrtc: &Map<String, Value>) -> Self {
        let (files, network, webrtc) = (files.clone(), network.clone(), webrtc.clone());
        Policy { files, network, elements: gstreamer.elements.clone(), webrtc, own: Arc::default() }
    }

    /// Fills in what the server's configuration says about WebRTC elements and the client did not.
    pub fn fill(&self, type_name: &str, properties: &mut PropertyMap) {
        if type_name == ENDPOINT {
            for (name, value) in &self.webrtc {
                properties.entry(name.as_str()).or_insert_with(|| value.clone());
            }
        }
    }

    /// Looks at the properties of one element of that type. Paths become absolute and canonical, addresses normal: what
    /// was checked is what is used.
    ///
    /// # Errors
    ///
    /// Everything that the client may not name.
    pub async fn admit(
        &self,
        catalog: &Catalog,
        type_name: &str,
        properties: &mut PropertyMap,
    ) -> Result<(), Vec<Refusal>> {
        // What has no such type or property is refused by the checks of every description.
        let Some(descriptor) = catalog.get(type_name) else { return Ok(()) };
        let mut refusals = Vec::new();
        for (property, value) in properties.iter_mut() {
            for reason in self.value(descriptor, property, value).await {
                refusals.push(Refusal { property: property.clone(), reason });
            }
        }
        if refusals.is_empty() { Ok(()) } else { Err(refusals) }
    }

    /// Everything in a value that may not be named.
    async fn value(&self, descriptor: &ElementDescriptor, name: &str, value: &mut Value) -> Vec<String> {
        let Some(spec) = descriptor.property(name) else { return Vec::new() };
        // The server's own default is what an absent value means; it was not the client who named it.
        if *value == spec.default {
            return Vec::new();
        }
        let addresses = takes_addresses(descriptor, &spec.name);
        let mut found = Vec::new();
        texts(&descriptor.name, &spec.name, &spec.kind, value, &mut found);
        let mut refused = Vec::new();
        for (names, text) in found {
            let allowed = if names == Names::Output && is_uri(text) && addresses {
                network::target(&self.network, text).map(|target| *text = target)
            } else {
                self.text(names, text).await
            };
            refused.extend(allowed.err());
        }
        refused
    }

    async fn text(&self, names: Names, text: &mut String) -> Result<(), String> {
        match names {
            Names::Nothing => {}
            Names::Elements => elements::chain(&self.elements, text)?,
            Names::Input if is_uri(text) => *text = network::uri(&self.network, text).await?,
            Names::Input => *text = files::read(&self.files, text)?,
            Names::Output if is_uri(text) => {
                return Err(format!("'{text}': clients may name files to write, no other addresses"));
            }
            Names::Output => *text = files::write(&self.files, text)?,
            Names::Code => *text = files::code(&self.files, text)?,
            Names::Program => {
                return Err(format!("'{text}': clients may not name programs; the server's own is used"));
            }
            Names::Host => network::addresses(&self.network, text, 0).await.map(drop)?,
            Names::Server => network::server(&self.network, text).await?,
        }
        Ok(())
    }

    /// Looks at all elements of a graph.
    ///
    /// # Errors
    ///
    /// Everything that the client may not name, with the element's id.
    pub async fn admit_graph(
        &self,
        catalog: &Catalog,
        spec: &mut GraphSpec,
    ) -> Result<(), Vec<(String, Refusal)>> {
        let mut refusals = Vec::new();
        for (id, node) in &mut spec.nodes {
            if let Err(found) = self.admit(catalog, &node.type_name, &mut node.properties).await {
                refusals.extend(found.into_iter().map(|r| (id.clone(), r)));
            }
        }
        if refusals.is_empty() { Ok(()) } else { Err(refusals) }
    }

    /// Looks at a client's description before anything else does: an element that checks its properties may look at
    /// the file that one of them names.
    ///
    /// # Errors
    ///
    /// [`Code::Policy`] with everything that the client may not name and its place.
    pub(crate) async fn admit_text(&self, catalog: &Catalog, document: &Document) -> Result<(), Problem> {
        let tree = document.tree();
        let mut refused = Vec::new();
        for element in &tree.elements {
            let name = element.type_name.as_ref().map(|name| name.value.as_str()).unwrap_or_default();
            let Some(descriptor) = catalog.get(name) else { continue };
            for (property, value) in &element.properties {
                let (line, column) = tree.source.position(value.span.start);
                let mut value = match (&value.raw, descriptor.property(&property.value).map(|p| &p.kind)) {
                    // A one-liner's text is text, whatever it looks like.
                    (Some(raw), Some(PropertyKind::String)) => Value::from(raw.as_str()),
                    _ => plain(&value.data),
                };
                for reason in self.value(descriptor, &property.value, &mut value).await {
                    refused.push(json!({
                        "element": element.id.value, "property": property.value, "reason": reason,
                        "line": line, "column": column,
                    }));
                }
            }
        }
        let Some(first) = refused.first() else { return Ok(()) };
        let detail = first["reason"].as_str().unwrap_or_default().to_owned();
        Err(Problem::new(Code::Policy, detail).with("refused", refused))
    }

    /// Puts paths and addresses of a client's graph into the form in which they are used, and fills in what the
    /// configuration says.
    ///
    /// # Errors
    ///
    /// [`Code::Policy`] if there is something that [`Policy::admit_text`] has not seen.
    pub(crate) async fn settle(&self, catalog: &Catalog, spec: &mut GraphSpec) -> Result<(), Problem> {
        let admitted = self.admit_graph(catalog, spec).await;
        for node in spec.nodes.values_mut() {
            self.fill(&node.type_name, &mut node.properties);
        }
        admitted.map_err(|refused| problem(&refused.into_iter().map(|(_, r)| r).collect::<Vec<_>>()))
    }

    /// Lets the guard connect to what the server's own descriptions name.
    pub(crate) fn trust(&self, catalog: &Catalog, spec: &GraphSpec) {
        for node in spec.nodes.values() {
            let descriptor = catalog.get(&node.type_name);
            for (name, value) in &node.properties {
                let known = descriptor.and_then(|d| d.property(name)).is_some_and(|p| takes_text(&p.kind));
                let url =
                    value.as_str().filter(|text| known && is_uri(text)).and_then(|t| url::Url::parse(t).ok());
                if let Some((host, port)) =
                    url.and_then(|u| Some((u.host_str()?.to_owned(), u.port_or_known_default()?)))
                    && let Ok(mut own) = self.own.write()
                {
                    own.push(format!("{}:{port}", host.trim_matches(['[', ']'])));
                }
            }
        }
    }
}

/// The texts in a value of that kind, each with what it names: in a mapping that follows from the entry's name.
fn texts<'a>(
    element: &str,
    name: &str,
    kind: &PropertyKind,
    value: &'a mut Value,
    found: &mut Vec<(Names, &'a mut String)>,
) {
    if !takes_text(kind) {
        return;
    }
    match (kind, value) {
        // In a one-liner a list may still be one text.
        (PropertyKind::String | PropertyKind::List { .. }, Value::String(text)) => {
            found.push((names::of(element, name), text));
        }
        (PropertyKind::List { item }, Value::Array(items)) => {
            items.iter_mut().for_each(|entry| texts(element, name, item, entry, found));
        }
        (PropertyKind::Record { fields }, Value::Object(entries)) => {
            for (key, entry) in entries {
                let key = key.replace('-', "_");
                if let Some(field) = fields.iter().find(|f| f.name == key) {
                    texts(element, &field.name, &field.kind, entry, found);
                }
            }
        }
        _ => {}
    }
}

/// A value of a description as JSON; of entries that are given twice only one, which the description's check refuses.
fn plain(data: &Data) -> Value {
    match data {
        Data::Null => Value::Null,
        Data::Bool(on) => Value::from(*on),
        Data::Integer(n) => Value::from(*n),
        Data::Float(x) => Value::from(*x),
        Data::Text(text) => Value::from(text.as_str()),
        Data::List(items) => items.iter().map(|item| plain(&item.data)).collect(),
        Data::Map(entries) => entries.iter().map(|(key, v)| (key.value.clone(), plain(&v.data))).collect(),
    }
}

fn takes_text(kind: &PropertyKind) -> bool {
    match kind {
        PropertyKind::String => true,
        PropertyKind::List { item } => takes_text(item),
        PropertyKind::Record { fields } => fields.iter().any(|f| takes_text(&f.kind)),
        _ => false,
    }
}

/// Whether a text is an address rather than a path: as the elements see it.
/// Whether a property that names something to write may name an address, too.
fn takes_addresses(descriptor: &ElementDescriptor, property: &str) -> bool {
    descriptor.name == "recorder" && property == "location"
}

fn is_uri(text: &str) -> bool {
    let Some((scheme, _)) = text.split_once("://") else { return false };
    let mut chars = scheme.chars();
    let scheme_like = chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    scheme_like && scheme != "file"
}

/// What a client is told.
pub(crate) fn problem(refusals: &[Refusal]) -> Problem {
    let detail = refusals.first().map(|r| r.reason.clone()).unwrap_or_default();
    let list: Vec<Value> =
        refusals.iter().map(|r| json!({ "property": r.property, "reason": r.reason })).collect();
    Problem::new(Code::Policy, detail).with("refused", list)
}
