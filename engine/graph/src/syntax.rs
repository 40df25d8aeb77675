//! A description as a tree with the place of every key and value, before it is checked against a catalogue.

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Source, Span};

/// Something with its place in the text.
#[derive(Clone, Debug, PartialEq)]
pub struct Spanned<T> {
    /// The thing.
    pub value: T,
    /// Its place.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// A thing at a place.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

/// A value as it stands in the text.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// What it is.
    pub data: Data,
    /// Its place.
    pub span: Span,
    /// In a one-liner: the text as it was written, which the catalogue, not its looks, gives a type.
    pub raw: Option<String>,
}

/// The data of a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number.
    Float(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// A mapping; keys may repeat.
    Map(Vec<(Spanned<String>, Value)>),
}

impl Data {
    /// What it is, for a sentence: `a list`.
    pub fn kind(&self) -> &'static str {
        match self {
            Data::Null => "nothing",
            Data::Bool(_) => "true or false",
            Data::Integer(_) => "a whole number",
            Data::Float(_) => "a number",
            Data::Text(_) => "text",
            Data::List(_) => "a list",
            Data::Map(_) => "a mapping",
        }
    }
}

/// A parsed description.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The text.
    pub source: Arc<Source>,
    /// The graph's name.
    pub name: Option<Spanned<String>>,
    /// What it is for.
    pub description: Option<Spanned<String>>,
    /// Its elements, in order; ids may repeat.
    pub elements: Vec<Element>,
    /// Its links, one per arrow, in order.
    pub links: Vec<Link>,
    /// What the parser found wrong.
    pub problems: Vec<Diagnostic>,
}

/// An element as it stands in the text.
#[derive(Clone, Debug)]
pub struct Element {
    /// Its id.
    pub id: Spanned<String>,
    /// Its type's name; none if it is missing or not text (which the parser has reported).
    pub type_name: Option<Spanned<String>>,
    /// Its error policy.
    pub on_error: Option<Value>,
    /// Its properties; names may repeat.
    pub properties: Vec<(Spanned<String>, Value)>,
}

/// One arrow as it stands in the text.
#[derive(Clone, Debug)]
pub struct Link {
    /// The output.
    pub from: End,
    /// The input.
    pub to: End,
    /// The media that it is limited to.
    pub media: Option<Value>,
    /// What else it is told, each key once.
    pub options: Vec<(Spanned<String>, Value)>,
}

impl Link {
    /// The whole arrow.
    pub fn span(&self) -> Span {
        self.from.span().to(self.to.span())
    }
}

/// One end of an arrow: an element and perhaps one of its ports.
#[derive(Clone, Debug, PartialEq)]
pub struct End {
    /// The element's id.
    pub node: Spanned<String>,
    /// The port's name.
    pub port: Option<Spanned<String>>,
}

impl End {
    /// Its place.
    pub fn span(&self) -> Span {
        match &self.port {
            Some(port) => self.node.span.to(port.span),
            None => self.node.span,
        }
    }

    /// As it was written.
    pub fn text(&self) -> String {
        match &self.port {
            Some(port) => format!("{}.{}", self.node.value, port.value),
            None => self.node.value.clone(),
        }
    }
}
