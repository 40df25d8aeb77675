//! At which pace the graph runs, and what the sources are told about it.

use serde_json::Value;

use crate::catalog::{Catalog, Direction, PropertyMap, Refined, Role};
use crate::spec::{GraphSpec, NodeSpec};

use super::Pace;

/// The property by which a source is told its pace.
const PACE: &str = "pace";

/// The decision for the whole graph, with its reason.
pub(super) fn decide(
    spec: &GraphSpec,
    catalog: &Catalog,
    refined: &dyn Fn(&str) -> Refined,
    fixed: Option<&Pace>,
) -> (Pace, String) {
    let roots: Vec<&NodeSpec> = spec
        .nodes
        .values()
        .filter(|node| {
            catalog.get(&node.type_name).is_some_and(|descriptor| match descriptor.role {
                Role::Source => true,
                // A peer sends at its own pace, as soon as somebody listens.
                Role::Endpoint => spec.links.iter().any(|link| link.from.node == node.id),
                _ => false,
            })
        })
        .collect();
    if let Some(pace) = fixed {
        return (pace.clone(), "the graph already runs at this pace".to_owned());
    }
    if roots.is_empty() {
        return (Pace::Realtime, "no source says otherwise".to_owned());
    }
    let mut asked = None;
    for node in &roots {
        let endpoint = catalog.get(&node.type_name).is_some_and(|d| d.role == Role::Endpoint);
        let paced = own(node).map_or_else(|| refined(&node.id).paced, |(paced, _)| Some(paced));
        match paced {
            Some(true) => return (Pace::Realtime, format!("`{}` runs at the pace of the clock", node.id)),
            None if endpoint => {
                return (Pace::Realtime, format!("`{}` runs at the pace of its peer", node.id));
            }
            Some(false) if own(node).is_some() => asked = Some(&node.id),
            _ => {}
        }
    }
    if let Some(id) = asked {
        // Who asks for it gets it, whatever the consumers would like.
        return (Pace::Fastest, format!("`{id}` asks for it"));
    }
    let live = spec
        .nodes
        .values()
        .find(|node| catalog.get(&node.type_name).is_some_and(|descriptor| descriptor.realtime));
    match live {
        Some(node) => (Pace::Realtime, format!("`{}` wants media at the pace of the clock", node.id)),
        None => (Pace::Fastest, "no source is bound to the clock and no element needs real time".to_owned()),
    }
}

/// The pace that the description asks of a source: whether it is the clock's, and the word.
fn own(node: &NodeSpec) -> Option<(bool, &str)> {
    match node.properties.get(PACE).and_then(Value::as_str) {
        Some(word @ "realtime") => Some((true, word)),
        Some(word @ "fastest") => Some((false, word)),
        _ => None,
    }
}

/// A source's properties with its pace settled; as they are for elements that have no such property.
pub(super) fn settle(node: &NodeSpec, catalog: &Catalog, pace: &Pace) -> PropertyMap {
    let mut properties = node.properties.clone();
    let Some(descriptor) = catalog.get(&node.type_name) else { return properties };
    let gives = descriptor.ports.iter().any(|port| port.direction == Direction::Output);
    if gives && descriptor.property(PACE).is_some() && own(node).is_none() {
        let word = match pace {
            Pace::Realtime => "realtime",
            Pace::Fastest => "fastest",
        };
        properties.insert(PACE.to_owned(), Value::from(word));
    }
    properties
}
