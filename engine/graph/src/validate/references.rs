//! Properties that name another element of the graph.

use serde_json::Value as Json;

use crate::catalog::Role;
use crate::diagnostic::{Code, Diagnostic, did_you_mean};
use crate::parse::{list, shorten};
use crate::syntax::Tree;

use super::Checker;

fn word(role: Role) -> &'static str {
    match role {
        Role::Source => "source",
        Role::Sink => "sink",
        Role::Filter => "filter",
        Role::Endpoint => "endpoint",
        Role::Mixer => "hub",
    }
}

impl Checker<'_> {
    /// Elements that are named must be there, and be what they are named as. Who is named is not unused.
    pub(super) fn references(&mut self, tree: &Tree) {
        let mut found = Vec::new();
        for (id, node) in &self.nodes {
            for (property, role) in &node.refined.refers {
                let Some(Json::String(name)) = node.spec.properties.get(property) else { continue };
                let fits = |id: &str| self.nodes.get(id).and_then(|n| n.descriptor).map(|d| d.role == *role);
                let message = match fits(name) {
                    // An unknown type was reported.
                    None if self.nodes.contains_key(name) => continue,
                    Some(true) => {
                        self.meant.insert(name.clone());
                        continue;
                    }
                    Some(false) => {
                        let kind = self.nodes.get(name).map_or("", |n| n.spec.type_name.as_str());
                        format!("`{}` ({kind}) is no {}", shorten(name), word(*role))
                    }
                    None => format!("there is no element `{}`", shorten(name)),
                };
                let fitting: Vec<&String> = self.nodes.keys().filter(|id| fits(id) == Some(true)).collect();
                let meant = did_you_mean(name, fitting.iter().map(|id| id.as_str()));
                let help = match (meant, fitting.as_slice()) {
                    (Some(meant), _) => format!("did you mean `{meant}`?"),
                    (None, []) => format!("the graph has no {}", word(*role)),
                    (None, fitting) => format!("there is {}", list(fitting)),
                };
                let span = tree
                    .elements
                    .iter()
                    .find(|element| element.id.value == *id)
                    .and_then(|element| {
                        let same = |key: &str| key.replace('-', "_") == *property;
                        element
                            .properties
                            .iter()
                            .find(|(key, _)| same(&key.value))
                            .map(|(_, value)| value.span)
                    })
                    .unwrap_or(node.id_span);
                found.push(
                    Diagnostic::new(Code::UnknownElement, message)
                        .label(span, format!("no such {}", word(*role)))
                        .help(help),
                );
            }
        }
        self.problems.extend(found);
    }
}
