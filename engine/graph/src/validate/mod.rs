//! From a parsed description to a checked graph, with everything that is wrong with it at once.

mod cycles;
mod elements;
mod link_options;
mod links;
mod machine;
mod properties;
mod references;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use indexmap::IndexMap;

use crate::catalog::{Catalog, ElementDescriptor, Refined};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::document::Document;
use crate::plan::Capabilities;
use crate::spec::{GraphSpec, NodeSpec};
use crate::syntax::{Spanned, Tree};

pub(crate) use cycles::topological;

/// The most findings that are reported of one description.
const MAX_FINDINGS: usize = 200;

/// Whether the graph must be able to run as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Completeness {
    /// It must: no graph is empty, and every required port is linked.
    #[default]
    Complete,
    /// It grows call by call: it may be empty, and ports may be linked later.
    Partial,
}

/// What a check found.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The graph, if nothing is wrong with it.
    pub spec: Option<GraphSpec>,
    /// All findings, by their place in the text. Without errors there may still be warnings.
    pub diagnostics: Vec<Diagnostic>,
}

/// Checks a description against a catalogue and, if given, against what this machine can do.
///
/// # Errors
///
/// Everything that is wrong, by its place in the text; warnings come along, but never alone.
pub fn check(
    description: impl Into<Document>,
    catalog: &Catalog,
    capabilities: Option<&dyn Capabilities>,
) -> Result<GraphSpec, Vec<Diagnostic>> {
    check_document(&description.into(), catalog, capabilities)
}

/// As [`check`], for a document at hand.
///
/// # Errors
///
/// As [`check`].
pub fn check_document(
    document: &Document,
    catalog: &Catalog,
    capabilities: Option<&dyn Capabilities>,
) -> Result<GraphSpec, Vec<Diagnostic>> {
    let checked = check_all(document, catalog, capabilities, Completeness::Complete);
    checked.spec.ok_or(checked.diagnostics)
}

/// Checks a description and also returns the warnings; `completeness` says whether it may still grow.
pub fn check_all(
    document: &Document,
    catalog: &Catalog,
    capabilities: Option<&dyn Capabilities>,
    completeness: Completeness,
) -> Checked {
    let mut tree = document.tree();
    let mut checker = Checker {
        catalog,
        capabilities,
        completeness,
        problems: std::mem::take(&mut tree.problems),
        nodes: IndexMap::new(),
        meant: HashSet::new(),
    };
    // After a syntax error there is nothing to check; complaining about an empty graph would be noise.
    let readable = !checker.problems.iter().any(|p| matches!(p.code, Code::Syntax | Code::TooLarge));
    let spec = readable.then(|| checker.graph(&tree));
    let mut diagnostics = checker.problems;
    for diagnostic in &mut diagnostics {
        diagnostic.attach(&tree.source);
    }
    // Stable: findings at one place keep the order in which they were made.
    diagnostics.sort_by_key(|d| d.labels.first().map_or(usize::MAX, |label| label.span.start));
    if diagnostics.len() > MAX_FINDINGS {
        let rest = diagnostics.len() - MAX_FINDINGS;
        // Errors first, so that a flood of warnings cannot hide them.
        diagnostics.sort_by_key(|d| d.severity);
        diagnostics.truncate(MAX_FINDINGS);
        let mut last = Diagnostic::new(Code::TooLarge, format!("{rest} more findings are not shown"));
        last.attach(&tree.source);
        diagnostics.push(last);
    }
    let failed = diagnostics.iter().any(Diagnostic::is_error);
    Checked { spec: spec.filter(|_| !failed), diagnostics }
}

/// An element while it is checked.
struct Node<'a> {
    /// Where its id stands.
    id_span: Span,
    /// Where its type stands.
    type_span: Span,
    /// Its type; none if it is not known (which was reported).
    descriptor: Option<&'a ElementDescriptor>,
    /// What the graph will say about it.
    spec: NodeSpec,
    /// What follows from its properties.
    refined: Refined,
}

struct Checker<'a> {
    catalog: &'a Catalog,
    capabilities: Option<&'a dyn Capabilities>,
    completeness: Completeness,
    problems: Vec<Diagnostic>,
    nodes: IndexMap<String, Node<'a>>,
    /// Elements that a misspelt link probably meant: nobody complains that they are not linked.
    meant: HashSet<String>,
}

impl Checker<'_> {
    fn graph(&mut self, tree: &Tree) -> GraphSpec {
        let empty = tree.elements.is_empty() && self.problems.is_empty();
        if empty && self.completeness == Completeness::Complete {
            let end = tree.source.text.trim_end().len();
            self.problems.push(
                Diagnostic::new(Code::Empty, "the graph has no elements")
                    .label(Span::new(end.saturating_sub(1), end), "nothing after this")
                    .help("add `elements`: a mapping from ids to `type` and properties"),
            );
        }
        for element in &tree.elements {
            self.element(element);
        }
        let links = self.links(&tree.links);
        self.references(tree);
        self.unlinked(&links, tree);
        self.machine();
        let text = |field: &Option<Spanned<String>>| field.as_ref().map(|f| f.value.clone());
        let nodes = self.nodes.iter().map(|(id, node)| (id.clone(), node.spec.clone())).collect();
        let spec = GraphSpec {
            name: text(&tree.name).unwrap_or_else(|| default_name(&tree.source.name)),
            description: text(&tree.description).unwrap_or_default(),
            nodes,
            links: links.into_iter().map(|link| link.spec).collect(),
        };
        self.cycles(&spec, &tree.links);
        spec
    }
}

/// The name of a graph that has none: its file's, without folder and extension.
fn default_name(file: &str) -> String {
    let base = file.rsplit(['/', '\\']).next().unwrap_or(file);
    match base.split('.').next() {
        Some("") | None => "graph".to_owned(),
        Some("one-liner" | "description") => "graph".to_owned(),
        Some(stem) => stem.to_owned(),
    }
}
