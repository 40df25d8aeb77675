//! Failure domains: what shares a GStreamer pipeline, and so a fate.

use std::collections::HashMap;

use crate::catalog::{Catalog, Role};
use crate::spec::GraphSpec;
use crate::validate::topological;

use super::DomainPlan;

/// The domains of a checked graph, for pictures.
pub(crate) fn domains_of(spec: &GraphSpec, catalog: &Catalog) -> (HashMap<String, String>, Vec<DomainPlan>) {
    let (order, _) = topological(spec, catalog);
    domains(spec, catalog, &order)
}

/// The domain of each element that has one, and the domains in the order of the description.
pub(super) fn domains(
    spec: &GraphSpec,
    catalog: &Catalog,
    order: &[&str],
) -> (HashMap<String, String>, Vec<DomainPlan>) {
    let role = |id: &str| spec.nodes.get(id).and_then(|node| catalog.get(&node.type_name)).map(|d| d.role);
    let mut of: HashMap<String, String> = HashMap::new();
    for id in order {
        match role(id) {
            Some(Role::Filter) => {
                // Fed from several sides, it shares the fate of the first.
                let feeders = spec.links.iter().filter(|link| link.to.node == *id);
                let domain = feeders.filter_map(|link| of.get(&link.from.node)).next().cloned();
                if let Some(domain) = domain {
                    of.insert((*id).to_owned(), domain);
                }
            }
            Some(_) => {
                of.insert((*id).to_owned(), (*id).to_owned());
            }
            None => {}
        }
    }
    let mut all = Vec::new();
    for root in spec.nodes.keys().filter(|id| of.get(*id) == Some(*id)) {
        let mut nodes: Vec<String> =
            order.iter().filter(|id| of.get(**id) == Some(root)).map(|id| (*id).to_owned()).collect();
        // The root first, then the filters as media flows.
        nodes.sort_by_key(|id| id != root);
        let why = why(role(root), root, nodes.len());
        all.push(DomainPlan { id: root.clone(), nodes, why });
    }
    (of, all)
}

fn why(role: Option<Role>, root: &str, nodes: usize) -> String {
    match (role, nodes) {
        (Some(Role::Sink), _) => "a sink is its own domain: if it fails, the others go on".to_owned(),
        (Some(Role::Endpoint), 1) => "a peer is its own domain: if it fails, the others go on".to_owned(),
        (Some(Role::Mixer), 1) => "a mixer is its own domain: no input can take the others down".to_owned(),
        (_, 1) => format!("the source `{root}`; no filter follows it"),
        (_, _) => format!("filters share the fate of `{root}`, which feeds them"),
    }
}
