//! What changed between two graphs.

use std::collections::HashSet;

use indexmap::IndexMap;
use serde::Serialize;

use crate::spec::{GraphSpec, LinkSpec, NodeSpec};

pub use crate::plan::{Surgery, surgery};

/// The changes that make one graph out of another. Plain data; [`GraphDiff::apply`] applies it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GraphDiff {
    /// The new name, if it changed.
    pub name: Option<String>,
    /// The new description, if it changed.
    pub description: Option<String>,
    /// Ids of links that go or change.
    pub removed_links: Vec<String>,
    /// Ids of elements that go.
    pub removed_nodes: Vec<String>,
    /// Elements that come.
    pub added_nodes: Vec<NodeSpec>,
    /// Elements that stay, but with other properties, another type or another policy: as they are from now on.
    pub changed_nodes: Vec<NodeSpec>,
    /// Links that come, or as they are from now on.
    pub added_links: Vec<LinkSpec>,
    /// The order of all elements by id, if it is not that of the old ones followed by the added ones.
    pub node_order: Option<Vec<String>>,
    /// The order of all links by id, if it is not that of the old ones followed by the added ones.
    pub link_order: Option<Vec<String>>,
}

/// A diff does not fit the graph that it was applied to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// The graph has no such element.
    #[error("the graph has no element `{0}`")]
    NoElement(String),
    /// The graph has no such link.
    #[error("the graph has no link `{0}`")]
    NoLink(String),
    /// The graph has such an element already.
    #[error("the graph already has an element `{0}`")]
    ElementExists(String),
    /// The graph has such a link already.
    #[error("the graph already has a link `{0}`")]
    LinkExists(String),
}

impl GraphDiff {
    /// The changes that make `new` out of `old`.
    pub fn between(old: &GraphSpec, new: &GraphSpec) -> Self {
        let old_links: IndexMap<String, &LinkSpec> = old.links.iter().map(|link| (link.id(), link)).collect();
        let new_links: IndexMap<String, &LinkSpec> = new.links.iter().map(|link| (link.id(), link)).collect();
        let changed = |was: &String, is: &String| (was != is).then(|| is.clone());
        let mut diff = GraphDiff {
            name: changed(&old.name, &new.name),
            description: changed(&old.description, &new.description),
            removed_links: Vec::new(),
            removed_nodes: old.nodes.keys().filter(|id| !new.nodes.contains_key(*id)).cloned().collect(),
            added_nodes: Vec::new(),
            changed_nodes: Vec::new(),
            added_links: Vec::new(),
            node_order: None,
            link_order: None,
        };
        for (id, link) in &old_links {
            if new_links.get(id) != Some(link) {
                diff.removed_links.push(id.clone());
            }
        }
        for (id, link) in &new_links {
            if old_links.get(id) != Some(link) {
                diff.added_links.push((*link).clone());
            }
        }
        for (id, node) in &new.nodes {
            match old.nodes.get(id) {
                None => diff.added_nodes.push(node.clone()),
                Some(before) if before != node => diff.changed_nodes.push(node.clone()),
                Some(_) => {}
            }
        }
        let kept = old.nodes.keys().filter(|id| new.nodes.contains_key(*id));
        let added = diff.added_nodes.iter().map(|node| &node.id);
        if !kept.chain(added).eq(new.nodes.keys()) {
            diff.node_order = Some(new.nodes.keys().cloned().collect());
        }
        let removed: HashSet<&String> = diff.removed_links.iter().collect();
        let kept = old_links.keys().filter(|id| !removed.contains(id)).cloned();
        let added = diff.added_links.iter().map(LinkSpec::id);
        if !kept.chain(added).eq(new_links.keys().cloned()) {
            diff.link_order = Some(new_links.keys().cloned().collect());
        }
        diff
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        *self == GraphDiff::default()
    }

    /// The graph with these changes.
    ///
    /// # Errors
    ///
    /// If the diff was made for another graph and does not fit this one.
    pub fn apply(&self, old: &GraphSpec) -> Result<GraphSpec, Misfit> {
        let mut spec = old.clone();
        if let Some(name) = &self.name {
            spec.name.clone_from(name);
        }
        if let Some(description) = &self.description {
            spec.description.clone_from(description);
        }
        let mut links: IndexMap<String, LinkSpec> =
            spec.links.into_iter().map(|link| (link.id(), link)).collect();
        for id in &self.removed_links {
            links.shift_remove(id).ok_or_else(|| Misfit::NoLink(id.clone()))?;
        }
        for id in &self.removed_nodes {
            spec.nodes.shift_remove(id).ok_or_else(|| Misfit::NoElement(id.clone()))?;
        }
        for node in &self.changed_nodes {
            let place = spec.nodes.get_mut(&node.id).ok_or_else(|| Misfit::NoElement(node.id.clone()))?;
            *place = node.clone();
        }
        for node in &self.added_nodes {
            if spec.nodes.insert(node.id.clone(), node.clone()).is_some() {
                return Err(Misfit::ElementExists(node.id.clone()));
            }
        }
        for link in &self.added_links {
            if links.insert(link.id(), link.clone()).is_some() {
                return Err(Misfit::LinkExists(link.id()));
            }
        }
        reorder(&mut spec.nodes, self.node_order.as_deref());
        reorder(&mut links, self.link_order.as_deref());
        spec.links = links.into_values().collect();
        Ok(spec)
    }
}

/// Sorts by a list of keys; what the list does not name goes to the end.
fn reorder<T>(map: &mut IndexMap<String, T>, order: Option<&[String]>) {
    let Some(order) = order else { return };
    let rank: std::collections::HashMap<&str, usize> =
        order.iter().enumerate().map(|(rank, key)| (key.as_str(), rank)).collect();
    map.sort_by_cached_key(|key, _| rank.get(key.as_str()).copied().unwrap_or(usize::MAX));
}
