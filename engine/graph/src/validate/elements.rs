//! Ids, types and error policies.

use crate::catalog::{PropertyMap, Refined};
use crate::diagnostic::{Code, Diagnostic, did_you_mean};
use crate::parse::{list, shorten};
use crate::spec::{NodeSpec, OnError};
use crate::syntax::{Data, Element, Value};

use super::{Checker, Node};

const POLICIES: [(&str, OnError); 3] = [
    ("stop-pipeline", OnError::StopPipeline),
    ("drop-element", OnError::DropElement),
    ("restart", OnError::Restart),
];

/// Whether an id can name a GStreamer bin, and needs no quotes anywhere.
fn is_id(id: &str) -> bool {
    let mut chars = id.chars();
    id.len() <= 64
        && chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

impl Checker<'_> {
    pub(super) fn element(&mut self, element: &Element) {
        let id = &element.id;
        if !is_id(&id.value) {
            self.problems.push(
                Diagnostic::new(Code::BadId, format!("`{}` cannot be an element's id", shorten(&id.value)))
                    .label(id.span, "this id")
                    .help("use letters, digits, `-` and `_`, beginning with a letter, at most 64 characters"),
            );
        }
        let catalog = self.catalog;
        let descriptor = element.type_name.as_ref().and_then(|name| catalog.get(&name.value));
        let type_span = element.type_name.as_ref().map_or(id.span, |name| name.span);
        if let (Some(name), None) = (&element.type_name, descriptor) {
            let help = match did_you_mean(&name.value, catalog.iter().map(|d| d.name.as_str())) {
                Some(known) => format!("did you mean `{known}`?"),
                None => "`anabranch list` shows all element types".to_owned(),
            };
            self.problems.push(
                Diagnostic::new(
                    Code::UnknownType,
                    format!("there is no element type `{}`", shorten(&name.value)),
                )
                .label(name.span, "unknown type")
                .help(help),
            );
        }
        let on_error = element.on_error.as_ref().and_then(|value| self.on_error(value));
        let (properties, refined) = match descriptor {
            Some(descriptor) => self.properties(element, descriptor),
            None => (PropertyMap::new(), Refined::default()),
        };
        let spec = NodeSpec {
            id: id.value.clone(),
            type_name: element.type_name.as_ref().map(|name| name.value.clone()).unwrap_or_default(),
            on_error,
            properties,
        };
        let node = Node { id_span: id.span, type_span, descriptor, spec, refined };
        // A repeated id was reported by the parser; the first element keeps it.
        self.nodes.entry(id.value.clone()).or_insert(node);
    }

    fn on_error(&mut self, value: &Value) -> Option<OnError> {
        let word = match (&value.raw, &value.data) {
            (Some(raw), _) => raw.clone(),
            (None, Data::Text(text)) => text.clone(),
            (None, other) => {
                let message = format!("`on-error` must be a word, not {}", other.kind());
                self.problems.push(
                    Diagnostic::new(Code::BadOnError, message).label(value.span, "here").help(policies()),
                );
                return None;
            }
        };
        let found =
            POLICIES.iter().find(|(name, _)| *name == word.replace('_', "-")).map(|(_, policy)| *policy);
        if found.is_none() {
            let help = match did_you_mean(&word, POLICIES.iter().map(|(name, _)| *name)) {
                Some(name) => format!("did you mean `{name}`?"),
                None => policies(),
            };
            self.problems.push(
                Diagnostic::new(Code::BadOnError, format!("`{}` is no error policy", shorten(&word)))
                    .label(value.span, "unknown policy")
                    .help(help),
            );
        }
        found
    }
}

fn policies() -> String {
    format!("it is one of {}", list(&POLICIES.map(|(name, _)| name)))
}
