//! A description, as text or built in a program.

use std::sync::Arc;

use serde_json::Value;

use crate::diagnostic::{Diagnostic, Source, Span, Subject};
use crate::link_options::LinkOptions;
use crate::spec::{GraphSpec, LinkSpec, OnError};
use crate::syntax::Tree;
use crate::{oneliner, parse, yaml};

/// A description that has not been checked: YAML or JSON text, a one-liner, or built call by call.
///
/// A description that was built prints itself as YAML before it is checked, so that whatever is wrong with it is shown
/// in an excerpt, as in a file.
///
/// ```
/// use anabranch_graph::Document;
/// let document = Document::new("copy")
///     .element("camera", "test-source", serde_json::json!({"width": 640}))
///     .element("file", "recorder", serde_json::json!({"location": "a.webm"}))
///     .link("camera -> file");
/// assert!(document.to_yaml().contains("camera -> file"));
/// ```
#[derive(Clone, Debug)]
pub struct Document {
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Yaml(Arc<Source>),
    OneLiner(Arc<Source>),
    Draft(Draft),
    /// With a property set from outside.
    Set {
        base: Box<Document>,
        id: String,
        property: String,
        text: String,
    },
}

/// A description that a program builds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub name: String,
    pub description: String,
    pub elements: Vec<DraftElement>,
    pub links: Vec<DraftLink>,
}

#[derive(Clone, Debug)]
pub(crate) struct DraftElement {
    pub id: String,
    pub type_name: String,
    pub on_error: Option<OnError>,
    pub properties: Value,
}

#[derive(Clone, Debug)]
pub(crate) struct DraftLink {
    pub text: String,
    pub options: LinkOptions,
}

impl Document {
    /// An empty description of that name, to be filled by [`Document::element`] and [`Document::link`].
    pub fn new(name: impl Into<String>) -> Self {
        Self { form: Form::Draft(Draft { name: name.into(), ..Draft::default() }) }
    }

    /// YAML or JSON text; `file` is the name that diagnostics show.
    pub fn yaml(file: impl Into<String>, text: impl Into<String>) -> Self {
        Self { form: Form::Yaml(Arc::new(Source { name: file.into(), text: text.into() })) }
    }

    /// A one-liner: `player uri=a.mp4 -> recorder location=b.webm`.
    ///
    /// Elements are joined by `->`; each is a type name followed by `property=value`, with quotes around values that
    /// hold spaces. Chains are parted by `;`. `id:type` names an element, and from then on `id`, or `id.port`, stands
    /// for it: `player uri=a.mp4 -> t:pass-through -> recorder location=a.webm; t -> null-sink`. Without a given id, an
    /// element has its type's name for an id, with a number from the second on (`recorder-2`); in a later chain that id
    /// stands for it at the chain's start, with a port (`player.audio -> …`), or if it was given properties.
    pub fn one_liner(text: impl Into<String>) -> Self {
        Self { form: Form::OneLiner(Arc::new(Source { name: "one-liner".to_owned(), text: text.into() })) }
    }

    /// Sets what it is for. No effect on a description that is text.
    #[must_use]
    pub fn describe(mut self, description: impl Into<String>) -> Self {
        if let Form::Draft(draft) = &mut self.form {
            draft.description = description.into();
        }
        self
    }

    /// Adds an element; `properties` is a JSON object or null. No effect on a description that is text.
    #[must_use]
    pub fn element(
        mut self,
        id: impl Into<String>,
        type_name: impl Into<String>,
        properties: impl Into<Value>,
    ) -> Self {
        if let Form::Draft(draft) = &mut self.form {
            draft.elements.push(DraftElement {
                id: id.into(),
                type_name: type_name.into(),
                on_error: None,
                properties: properties.into(),
            });
        }
        self
    }

    /// Sets the error policy of an element that was added. No effect on a description that is text.
    #[must_use]
    pub fn on_error(mut self, id: &str, policy: OnError) -> Self {
        if let Form::Draft(draft) = &mut self.form {
            draft.elements.iter_mut().filter(|e| e.id == id).for_each(|e| e.on_error = Some(policy));
        }
        self
    }

    /// Adds a link or a chain of links: `camera -> mirror -> file`, `camera.audio -> file`. No effect on a description
    /// that is text.
    #[must_use]
    pub fn link(self, link: impl Into<String>) -> Self {
        self.link_with(link, LinkOptions::default())
    }

    /// Adds one link with its options. No effect on a description that is text.
    #[must_use]
    pub fn link_with(mut self, link: impl Into<String>, options: LinkOptions) -> Self {
        if let Form::Draft(draft) = &mut self.form {
            draft.links.push(DraftLink { text: link.into(), options });
        }
        self
    }

    /// Removes an element and its links. Works on descriptions built by calls or from a [`GraphSpec`].
    #[must_use]
    pub fn without_element(mut self, id: &str) -> Self {
        if let Form::Draft(draft) = &mut self.form {
            draft.elements.retain(|e| e.id != id);
            draft.links.retain(|link| {
                !link.text.split("->").any(|end| end.trim().split('.').next().unwrap_or_default() == id)
            });
        }
        self
    }

    /// Removes the link that was added with this text; in a description from a [`GraphSpec`] that is its id,
    /// `camera.video -> file.video`.
    #[must_use]
    pub fn without_link(mut self, link: &str) -> Self {
        if let Form::Draft(draft) = &mut self.form {
            draft.links.retain(|other| other.text != link);
        }
        self
    }

    /// Sets a property of an element from outside, for instance from a command line: whatever the description says, this
    /// is what counts. `text` gets its type from the catalogue, as in a one-liner.
    #[must_use]
    pub fn set(self, id: impl Into<String>, property: impl Into<String>, text: impl Into<String>) -> Self {
        let (id, property, text) = (id.into(), property.into(), text.into());
        Self { form: Form::Set { base: Box::new(self), id, property, text } }
    }

    /// As YAML text. Text comes back as it is; a one-liner is not YAML and comes back as it is, too.
    pub fn to_yaml(&self) -> String {
        match &self.form {
            Form::Yaml(source) | Form::OneLiner(source) => source.text.clone(),
            Form::Draft(draft) => yaml::draft(draft),
            Form::Set { base, .. } => base.to_yaml(),
        }
    }

    /// Parsed, with everything that is wrong with its form.
    pub fn tree(&self) -> Tree {
        match &self.form {
            Form::Yaml(source) => parse::parse(source.clone()),
            Form::OneLiner(source) => oneliner::parse(source.clone()),
            Form::Draft(draft) => {
                let source = Source { name: "description".to_owned(), text: yaml::draft(draft) };
                parse::parse(Arc::new(source))
            }
            Form::Set { base, id, property, text } => {
                let mut tree = base.tree();
                crate::overrides::apply(&mut tree, id, property, text);
                tree
            }
        }
    }

    /// Gives diagnostics that were made without the text (by the planner) their places in it.
    pub fn locate(&self, diagnostics: &mut [Diagnostic]) {
        if diagnostics.iter().all(|d| d.source.is_some()) {
            return;
        }
        let tree = self.tree();
        for diagnostic in diagnostics.iter_mut().filter(|d| d.source.is_none()) {
            if let Some(span) = diagnostic.subject.as_ref().and_then(|subject| find(&tree, subject)) {
                diagnostic.labels.insert(
                    0,
                    crate::diagnostic::Label { span, line: 0, column: 0, text: "here".to_owned() },
                );
            }
            diagnostic.attach(&tree.source);
        }
    }
}

/// Where a part of the graph stands in the text.
fn find(tree: &Tree, subject: &Subject) -> Option<Span> {
    let element = |id: &str| tree.elements.iter().find(|e| e.id.value == id);
    match subject {
        Subject::Element(id) => {
            let element = element(id)?;
            Some(element.type_name.as_ref().map_or(element.id.span, |name| name.span))
        }
        Subject::Property(id, name) => {
            let element = element(id)?;
            let property = element.properties.iter().find(|(key, _)| key.value.replace('-', "_") == *name);
            Some(property.map_or(element.id.span, |(_, value)| value.span))
        }
        Subject::Link(id) => {
            let (from, to) = id.split_once(" -> ")?;
            let same = |end: &crate::syntax::End, id: &str| {
                let (node, port) = id.split_once('.').unwrap_or((id, ""));
                end.node.value == node && end.port.as_ref().is_none_or(|p| p.value == port)
            };
            tree.links
                .iter()
                .find(|link| same(&link.from, from) && same(&link.to, to))
                .map(|link| link.span())
        }
    }
}

impl From<&GraphSpec> for Document {
    fn from(spec: &GraphSpec) -> Self {
        let elements = spec.nodes.values().map(|node| DraftElement {
            id: node.id.clone(),
            type_name: node.type_name.clone(),
            on_error: node.on_error,
            properties: Value::Object(node.properties.clone()),
        });
        let links = spec
            .links
            .iter()
            .map(|link: &LinkSpec| DraftLink { text: link.id(), options: link.options.clone() });
        let draft = Draft {
            name: spec.name.clone(),
            description: spec.description.clone(),
            elements: elements.collect(),
            links: links.collect(),
        };
        Self { form: Form::Draft(draft) }
    }
}

impl From<&str> for Document {
    /// YAML or JSON text.
    fn from(text: &str) -> Self {
        Document::yaml("description", text)
    }
}

impl From<String> for Document {
    /// YAML or JSON text.
    fn from(text: String) -> Self {
        Document::yaml("description", text)
    }
}

impl From<&Document> for Document {
    fn from(document: &Document) -> Self {
        document.clone()
    }
}

impl GraphSpec {
    /// As a YAML description that checks to an equal graph.
    pub fn to_yaml(&self) -> String {
        Document::from(self).to_yaml()
    }
}
