//! Cycles, and the order in which media flows.

use std::collections::{HashMap, HashSet};

use crate::catalog::{Catalog, Role};
use crate::diagnostic::{Code, Diagnostic};
use crate::spec::GraphSpec;
use crate::syntax::Link;

use super::Checker;

/// The elements in the order in which media flows through them, those of one rank in the order of the description; and
/// those that lie on or behind a cycle, which have no such order. An endpoint's two sides are no path: it comes with
/// the sources.
pub(crate) fn topological<'a>(spec: &'a GraphSpec, catalog: &Catalog) -> (Vec<&'a str>, Vec<&'a str>) {
    let passes = |id: &str| {
        let node = spec.nodes.get(id);
        let role = node.and_then(|node| catalog.get(&node.type_name)).map(|descriptor| descriptor.role);
        role != Some(Role::Endpoint)
    };
    let mut waiting: HashMap<&str, usize> = spec.nodes.keys().map(|id| (id.as_str(), 0)).collect();
    let mut next: HashMap<&str, Vec<&str>> = HashMap::new();
    for link in &spec.links {
        let (from, to) = (link.from.node.as_str(), link.to.node.as_str());
        if passes(to)
            && let Some(count) = waiting.get_mut(to)
        {
            *count += 1;
            next.entry(from).or_default().push(to);
        }
    }
    let mut order: Vec<&str> = spec.nodes.keys().map(String::as_str).filter(|id| waiting[id] == 0).collect();
    let mut at = 0;
    while at < order.len() {
        for to in next.remove(order[at]).unwrap_or_default() {
            if let Some(count) = waiting.get_mut(to) {
                *count -= 1;
                if *count == 0 {
                    order.push(to);
                }
            }
        }
        at += 1;
    }
    let done: HashSet<&str> = order.iter().copied().collect();
    let rest = spec.nodes.keys().map(String::as_str).filter(|id| !done.contains(id)).collect();
    (order, rest)
}

impl Checker<'_> {
    /// Reports each cycle once, at the link that closes it.
    pub(super) fn cycles(&mut self, spec: &GraphSpec, links: &[Link]) {
        let (_, rest) = topological(spec, self.catalog);
        let mut left: HashSet<&str> = rest.into_iter().collect();
        // What lies behind a cycle, but not on one, leads nowhere within the rest: peel it off from the end.
        loop {
            let onward: HashSet<&str> = spec
                .links
                .iter()
                .filter(|link| left.contains(link.to.node.as_str()))
                .map(|link| link.from.node.as_str())
                .collect();
            let before = left.len();
            left.retain(|id| onward.contains(id));
            if left.len() == before {
                break;
            }
        }
        while let Some(start) = spec.nodes.keys().map(String::as_str).find(|id| left.contains(id)) {
            let path = walk(spec, &left, start);
            for id in &path {
                left.remove(id);
            }
            let Some((first, last)) = path.first().zip(path.last()) else { continue };
            // The link that closes the circle, as it stands in the text.
            let closing =
                links.iter().rev().find(|link| link.from.node.value == *last && link.to.node.value == *first);
            let circle = path.iter().chain([first]).copied().collect::<Vec<_>>().join(" -> ");
            let mut diagnostic =
                Diagnostic::new(Code::Cycle, format!("media would go round in a circle: {circle}"))
                    .help("remove one of these links");
            if let Some(link) = closing {
                diagnostic = diagnostic.label(link.span(), "this link closes the circle");
            }
            self.problems.push(diagnostic);
        }
    }
}

/// A circle within `left`, found by walking on from `start` until an element comes again.
fn walk<'a>(spec: &'a GraphSpec, left: &HashSet<&'a str>, start: &'a str) -> Vec<&'a str> {
    let mut path = vec![start];
    loop {
        let here = path[path.len() - 1];
        let next = spec
            .links
            .iter()
            .filter(|link| link.from.node == here)
            .map(|link| link.to.node.as_str())
            .find(|to| left.contains(to));
        let Some(next) = next else { return path };
        if let Some(at) = path.iter().position(|id| *id == next) {
            return path.split_off(at);
        }
        path.push(next);
    }
}
