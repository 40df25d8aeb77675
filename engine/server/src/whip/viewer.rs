//! The element that is made for a viewer.

use anabranch_engine::MediaElement;
use anabranch_graph::catalog::{Catalog, Direction};
use anabranch_graph::spec::GraphSpec;
use serde_json::{Map, Value};

use super::ENDPOINT;
use crate::App;
use crate::problem::{Code, Problem};
use crate::registry::Hosted;

/// The longest id of an element that a viewer's id is made of: ids have at most 64 characters.
const STEM: usize = 48;

/// Makes the element of a viewer of `endpoint`, fed like it: a WebRTC element's viewers see what goes to its peer, or
/// what comes from it if nothing goes to it; any other element's viewers see what it puts out.
pub(crate) async fn make(app: &App, hosted: &Hosted, endpoint: &str) -> Result<MediaElement, Problem> {
    app.registry().room_for_more(1, 1)?;
    let _changing = hosted.changing.lock().await;
    let spec = hosted.pipeline.spec();
    let catalog = app.engine().catalog();
    let feeds = feeds(&spec, catalog, endpoint)?;
    let id = free_id(&spec, endpoint);
    let properties = properties(app, &spec, endpoint);
    let element = hosted.pipeline.add(&id, ENDPOINT, Value::Object(properties)).await?;
    for (from, port) in feeds {
        if let Err(error) = hosted.pipeline.connect(&format!("{from} -> {id}.{port}")).await {
            // It is of no use half linked; that it cannot be released either means that the pipeline has ended.
            let _ = element.release().await;
            return Err(error.into());
        }
    }
    Ok(element)
}

/// What feeds a viewer: an output (`element.port`) and the viewer's port.
fn feeds(spec: &GraphSpec, catalog: &Catalog, endpoint: &str) -> Result<Vec<(String, String)>, Problem> {
    let node = spec.nodes.get(endpoint).ok_or_else(|| {
        Problem::new(Code::NoElement, format!("the pipeline '{}' has no element '{endpoint}'", spec.name))
    })?;
    let viewer = catalog
        .get(ENDPOINT)
        .ok_or_else(|| Problem::new(Code::Unsupported, "this build has no WebRTC element"))?;
    if node.type_name == ENDPOINT {
        let into = spec.links.iter().filter(|l| l.to.node == endpoint);
        let into: Vec<_> = into.map(|l| (l.from.to_string(), l.to.port.clone())).collect();
        if !into.is_empty() {
            return Ok(into);
        }
    }
    let outputs = catalog.get(&node.type_name).into_iter().flat_map(|d| d.outputs());
    let feeds: Vec<_> = outputs
        .filter_map(|output| {
            let port = viewer.inputs().find(|input| input.medium == output.medium)?;
            Some((format!("{endpoint}.{}", output.name), port.name.clone()))
        })
        .collect();
    if feeds.is_empty() {
        let detail = format!("'{endpoint}' puts out nothing that could be played");
        return Err(Problem::new(Code::Conflict, detail));
    }
    Ok(feeds)
}

/// The properties of the element that is viewed if it is a peer, else the server's defaults.
fn properties(app: &App, spec: &GraphSpec, endpoint: &str) -> Map<String, Value> {
    let mut properties = match spec.nodes.get(endpoint) {
        Some(node) if node.type_name == ENDPOINT => node.properties.clone(),
        _ => Map::new(),
    };
    app.policy().fill(ENDPOINT, &mut properties);
    properties.insert("direction".to_owned(), "sendonly".into());
    properties.insert("data_channels".to_owned(), false.into());
    let descriptor = app.engine().catalog().get(ENDPOINT);
    properties.retain(|name, _| descriptor.is_some_and(|d| d.property(name).is_some()));
    properties
}

fn free_id(spec: &GraphSpec, endpoint: &str) -> String {
    let stem: String = endpoint.chars().take(STEM).collect();
    (1_u64..)
        .map(|n| format!("{stem}-viewer-{n}"))
        .find(|id| !spec.nodes.contains_key(id))
        .unwrap_or_default()
}

/// Whether a type takes offers.
pub(crate) fn is_peer(catalog: &Catalog, type_name: &str) -> bool {
    type_name == ENDPOINT
        && catalog.get(type_name).is_some_and(|d| d.ports.iter().any(|p| p.direction == Direction::Output))
}
