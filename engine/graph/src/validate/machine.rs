//! What this machine lacks.

use std::collections::BTreeMap;

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::packages::install_help;

use super::Checker;

impl Checker<'_> {
    /// GStreamer elements that the graph needs and this machine does not have: one finding each.
    pub(super) fn machine(&mut self) {
        let Some(capabilities) = self.capabilities else { return };
        let mut missing: BTreeMap<&str, Vec<(&str, Span)>> = BTreeMap::new();
        for (id, node) in &self.nodes {
            let Some(descriptor) = node.descriptor else { continue };
            let mut needed: Vec<&String> = descriptor.requires.iter().chain(&node.refined.requires).collect();
            needed.sort();
            needed.dedup();
            for factory in needed.into_iter().filter(|factory| !capabilities.has_element(factory)) {
                missing.entry(factory).or_default().push((id, node.type_span));
            }
        }
        let found: Vec<Diagnostic> = missing
            .into_iter()
            .map(|(factory, users)| {
                let message = format!("GStreamer has no element `{factory}` on this machine");
                users
                    .into_iter()
                    .fold(Diagnostic::new(Code::MissingPlugin, message), |diagnostic, (id, span)| {
                        diagnostic.label(span, format!("`{id}` needs it"))
                    })
                    .help(install_help(factory))
            })
            .collect();
        self.problems.extend(found);
    }
}
