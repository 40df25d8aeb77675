//! Properties that are set from outside of a description, for instance on a command line.

use crate::diagnostic::{Code, Diagnostic, did_you_mean};
use crate::oneliner::guess;
use crate::syntax::{Spanned, Tree, Value};

/// Sets a property in a tree; `text` gets its type from the catalogue, as in a one-liner. It replaces what the
/// description says, and stands where the element's id stands.
pub(crate) fn apply(tree: &mut Tree, id: &str, property: &str, text: &str) {
    let Some(element) = tree.elements.iter_mut().find(|e| e.id.value == id) else {
        let ids = tree.elements.iter().map(|e| e.id.value.as_str());
        let help = match did_you_mean(id, ids) {
            Some(name) => format!("did you mean `{name}`?"),
            None => "the id is what stands before `type` in a description, or the type's name in a one-liner"
                .to_owned(),
        };
        let message = format!("`{property}` cannot be set: there is no element `{id}`");
        tree.problems.push(Diagnostic::new(Code::UnknownElement, message).help(help));
        return;
    };
    let canonical = |name: &str| name.replace('-', "_");
    let span = element.id.span;
    element.properties.retain(|(key, _)| canonical(&key.value) != canonical(property));
    let value = Value { data: guess(text), span, raw: Some(text.to_owned()) };
    if canonical(property) == "on_error" {
        element.on_error = Some(value);
    } else {
        element.properties.push((Spanned::new(property.to_owned(), span), value));
    }
}

#[cfg(test)]
mod tests {
    use crate::Document;
    use crate::syntax::Data;

    #[test]
    fn a_value_from_outside_replaces_the_one_in_the_text() {
        let text = "elements: {a: {type: player, uri: x.mp4, start-at: 1}}";
        let tree = Document::yaml("f", text).set("a", "uri", "y.mp4").set("a", "start_at", "2").tree();
        let properties = &tree.elements[0].properties;
        assert_eq!(properties.len(), 2);
        assert_eq!(properties[0].1.data, Data::Text("y.mp4".into()));
        assert_eq!((&properties[1].1.data, properties[1].1.raw.as_deref()), (&Data::Integer(2), Some("2")));
        assert!(tree.problems.is_empty());
    }

    #[test]
    fn an_element_that_is_not_there_is_a_finding() {
        let tree = Document::one_liner("player -> null-sink").set("playr", "uri", "y.mp4").tree();
        assert_eq!(tree.problems.len(), 1);
        assert_eq!(tree.problems[0].help.as_deref(), Some("did you mean `player`?"));
    }
}
