//! What every picture shows: boxes, arrows and colours.

use indexmap::IndexMap;

use crate::catalog::{Catalog, Role};
use crate::plan::domains_of;
use crate::spec::GraphSpec;

/// A graph as boxes and arrows.
pub(super) struct Picture<'a> {
    pub(super) name: &'a str,
    pub(super) boxes: Vec<Block<'a>>,
    pub(super) arrows: Vec<Arrow<'a>>,
}

/// An element.
pub(super) struct Block<'a> {
    pub(super) id: &'a str,
    pub(super) type_name: &'a str,
    pub(super) role: Option<Role>,
    /// Its failure domain, counted from 0; none if it has none.
    pub(super) domain: Option<usize>,
}

/// All links between two elements.
pub(super) struct Arrow<'a> {
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    pub(super) labels: Vec<String>,
    /// Whether the two ends lie in different domains.
    pub(super) crosses: bool,
}

/// A box's colours: fill and edge.
pub(super) struct Colours {
    pub(super) fill: &'static str,
    pub(super) edge: &'static str,
}

/// Soft fills with edges of the same hue, told apart by most eyes.
const PALETTE: [Colours; 8] = [
    Colours { fill: "#dbeafe", edge: "#2563eb" },
    Colours { fill: "#dcfce7", edge: "#16a34a" },
    Colours { fill: "#fef3c7", edge: "#d97706" },
    Colours { fill: "#fce7f3", edge: "#db2777" },
    Colours { fill: "#ede9fe", edge: "#7c3aed" },
    Colours { fill: "#ccfbf1", edge: "#0d9488" },
    Colours { fill: "#ffedd5", edge: "#ea580c" },
    Colours { fill: "#e0f2fe", edge: "#0284c7" },
];

const NONE: Colours = Colours { fill: "#f3f4f6", edge: "#9ca3af" };

impl Block<'_> {
    pub(super) fn colours(&self) -> &'static Colours {
        match self.domain {
            Some(domain) => &PALETTE[domain % PALETTE.len()],
            None => &NONE,
        }
    }
}

impl<'a> Picture<'a> {
    pub(super) fn new(spec: &'a GraphSpec, catalog: &Catalog) -> Self {
        let (domain_of, domains) = domains_of(spec, catalog);
        let number = |id: &str| domains.iter().position(|domain| Some(&domain.id) == domain_of.get(id));
        let boxes = spec
            .nodes
            .values()
            .map(|node| Block {
                id: &node.id,
                type_name: &node.type_name,
                role: catalog.get(&node.type_name).map(|descriptor| descriptor.role),
                domain: number(&node.id),
            })
            .collect();
        let mut arrows: IndexMap<(&str, &str), Arrow<'a>> = IndexMap::new();
        for link in &spec.links {
            let (from, to) = (link.from.node.as_str(), link.to.node.as_str());
            let medium = link.medium.name();
            let label = match (link.from.port == medium, link.to.port == medium) {
                (true, true) => medium.to_owned(),
                _ if link.from.port == link.to.port => link.from.port.clone(),
                _ => format!("{} → {}", link.from.port, link.to.port),
            };
            let crosses = domain_of.get(from) != domain_of.get(to);
            let arrow =
                arrows.entry((from, to)).or_insert_with(|| Arrow { from, to, labels: Vec::new(), crosses });
            arrow.labels.push(label);
        }
        Picture { name: &spec.name, boxes, arrows: arrows.into_values().collect() }
    }
}
