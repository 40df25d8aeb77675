//! From one plan to another, step by step, while media flows.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use serde_json::Value;

use crate::catalog::{Catalog, Role};

use super::{LinkPlan, NodePlan, Plan};

/// One step. The steps of a surgery are to be taken in order.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "step", content = "what")]
pub enum Surgery {
    /// Takes a link apart: its id in the old plan.
    Disconnect(String),
    /// Takes an element out of its domain: its id in the old plan. Nothing is linked to it any more.
    Remove(String),
    /// Sets a property of an element that stays.
    SetProperty {
        /// The element.
        node: String,
        /// The property's snake_case name.
        name: String,
        /// Its new value; null if it has none.
        value: Value,
    },
    /// Puts an element into its domain: its id in the new plan. If it is a source, it may begin to flow when the links
    /// that follow in a row are connected.
    Add(String),
    /// Joins two elements, both of which are there: the link's id in the new plan.
    Connect(String),
}

/// The steps that make `new` out of `old`; from an empty plan, the steps that build it.
///
/// First links are taken apart, then elements are removed, sources first, so that nothing flows into a gap; then
/// properties are set; then elements are added, sinks first, each at once connected to what is there already, so that
/// a source finds all its consumers. An element whose type, domain or non-live property changed is removed and added,
/// with its links. Elements without a domain are not built, nor are their links.
pub fn surgery(old: &Plan, new: &Plan, catalog: &Catalog) -> Vec<Surgery> {
    let mut properties = Vec::new();
    let mut removed: HashSet<&str> = HashSet::new();
    let mut added: HashSet<&str> = HashSet::new();
    for (id, before) in built(old) {
        match new.nodes.get(id).filter(|after| after.domain.is_some()) {
            None => {
                removed.insert(id);
            }
            Some(after) => match changes(before, after, catalog) {
                Some(steps) => properties.extend(steps),
                None => {
                    removed.insert(id);
                    added.insert(id);
                }
            },
        }
    }
    let known: HashSet<&str> = built(old).map(|(id, _)| id).collect();
    added.extend(built(new).map(|(id, _)| id).filter(|id| !known.contains(id)));

    // A link goes, or comes, if it changed or if one of its ends does.
    let same = |link: &LinkPlan| {
        let other = old.links.get(&link.id).zip(new.links.get(&link.id));
        other.is_some_and(|(a, b)| same_link(a, b))
            && ![&link.from.node, &link.to.node]
                .iter()
                .any(|id| removed.contains(id.as_str()) || added.contains(id.as_str()))
    };
    let gone = old.links.values().filter(|link| is_built(old, link) && !(is_built(new, link) && same(link)));
    let mut steps: Vec<Surgery> = gone.map(|link| Surgery::Disconnect(link.id.clone())).collect();

    let flow = flow(old);
    steps.extend(flow.iter().filter(|id| removed.contains(**id)).map(|id| Surgery::Remove((*id).to_owned())));
    steps.extend(properties);

    let mut there: HashSet<&str> = built(new).map(|(id, _)| id).filter(|id| !added.contains(id)).collect();
    let mut waiting: Vec<&LinkPlan> = new
        .links
        .values()
        .filter(|link| is_built(new, link) && !(is_built(old, link) && same(link)))
        .collect();
    connect(&mut waiting, &there, &mut steps);
    let upstream = self::flow(new);
    for id in upstream.iter().rev().filter(|id| added.contains(**id)) {
        steps.push(Surgery::Add((*id).to_owned()));
        there.insert(id);
        connect(&mut waiting, &there, &mut steps);
    }
    steps
}

fn connect(waiting: &mut Vec<&LinkPlan>, there: &HashSet<&str>, steps: &mut Vec<Surgery>) {
    waiting.retain(|link| {
        let ready = there.contains(link.from.node.as_str()) && there.contains(link.to.node.as_str());
        if ready {
            steps.push(Surgery::Connect(link.id.clone()));
        }
        !ready
    });
}

fn built(plan: &Plan) -> impl Iterator<Item = (&str, &NodePlan)> {
    plan.nodes.iter().filter(|(_, node)| node.domain.is_some()).map(|(id, node)| (id.as_str(), node))
}

fn is_built(plan: &Plan, link: &LinkPlan) -> bool {
    let there = |id: &str| plan.nodes.get(id).is_some_and(|node| node.domain.is_some());
    plan.links.contains_key(&link.id) && there(&link.from.node) && there(&link.to.node)
}

/// Whether a link stays as it is. What the hub does for it and why may differ: the hub decides that while it runs.
fn same_link(a: &LinkPlan, b: &LinkPlan) -> bool {
    a.pad == b.pad
        && a.medium == b.medium
        && a.accepts == b.accepts
        && a.layouts == b.layouts
        && a.options == b.options
        && a.join == b.join
        && a.converters == b.converters
}

/// The properties to set on an element that stays; none if it must be built anew.
fn changes(before: &NodePlan, after: &NodePlan, catalog: &Catalog) -> Option<Vec<Surgery>> {
    if before.type_name != after.type_name || before.factory != after.factory || before.domain != after.domain
    {
        return None;
    }
    let descriptor = catalog.get(&after.type_name)?;
    let mut steps = Vec::new();
    let mut names: Vec<&String> = before.properties.keys().chain(after.properties.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let spec = descriptor.property(name)?;
        let of = |node: &NodePlan| node.properties.get(name).unwrap_or(&spec.default).clone();
        let (old, new) = (of(before), of(after));
        if old == new {
            continue;
        }
        if !spec.live {
            return None;
        }
        steps.push(Surgery::SetProperty { node: after.id.clone(), name: name.clone(), value: new });
    }
    Some(steps)
}

/// Elements with a domain, as media flows; those of equal rank in the order of the plan. Links into an endpoint do not
/// count, for its two sides are no path.
fn flow(plan: &Plan) -> Vec<&str> {
    let passes = |id: &str| plan.nodes.get(id).is_some_and(|node| node.role != Role::Endpoint);
    let mut waiting: HashMap<&str, usize> = built(plan).map(|(id, _)| (id, 0)).collect();
    for link in plan.links.values().filter(|link| is_built(plan, link) && passes(&link.to.node)) {
        *waiting.entry(&link.to.node).or_default() += 1;
    }
    let mut order: Vec<&str> = built(plan).map(|(id, _)| id).filter(|id| waiting[id] == 0).collect();
    let mut at = 0;
    while at < order.len() {
        let here = order[at];
        for link in plan.links.values().filter(|link| link.from.node == here && is_built(plan, link)) {
            if let (true, Some(count)) = (passes(&link.to.node), waiting.get_mut(link.to.node.as_str())) {
                *count -= 1;
                if *count == 0 {
                    order.push(&link.to.node);
                }
            }
        }
        at += 1;
    }
    order
}
