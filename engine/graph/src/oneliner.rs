//! One-liners: `player uri=a.mp4 -> face-overlay image=hat.png -> recorder location=b.webm`.
//!
//! Elements joined by `->`; each is a type name followed by `property=value`. Values may be quoted by `'` or `"`.
//! Chains are parted by `;` (at the start of a word, or at the end of one). `id:type` names an element, and from then
//! on `id` alone, or `id.port`, stands for it:
//!
//! ```text
//! player uri=a.mp4 -> t:pass-through -> recorder location=a.webm; t -> null-sink
//! ```
//!
//! An element without a given id has its type's name for an id, with a number from the second on (`recorder-2`). In a
//! later chain that id alone stands for it at the chain's start, with a port (`player.audio`), or if it was given
//! properties:
//!
//! ```text
//! player uri=a.mp4 -> face-overlay image=hat.png -> recorder location=b.webm; player.audio -> recorder
//! ```
//!
//! A type name that properties follow is always a new element. `on-error=POLICY` sets the error policy.

use std::collections::HashMap;
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, Source, Span};
use crate::parse::{MAX_BYTES, MAX_ELEMENTS, shorten};
use crate::syntax::{Data, Element, End, Link, Spanned, Tree, Value};

/// Parses a one-liner. Whatever is wrong is in [`Tree::problems`].
pub fn parse(source: Arc<Source>) -> Tree {
    let mut tree = Tree {
        source: source.clone(),
        name: None,
        description: None,
        elements: Vec::new(),
        links: Vec::new(),
        problems: Vec::new(),
    };
    if source.text.len() > MAX_BYTES {
        let message = format!("the one-liner has {} bytes; at most {MAX_BYTES} are read", source.text.len());
        tree.problems.push(Diagnostic::new(Code::TooLarge, message));
        return tree;
    }
    let tokens = tokens(&source.text, &mut tree.problems);
    Builder {
        tree: &mut tree,
        given: HashMap::new(),
        derived: HashMap::new(),
        previous: None,
        pending: None,
        chain: 0,
    }
    .build(tokens);
    tree
}

#[derive(Debug, PartialEq)]
enum Token {
    Arrow(Span),
    End(Span),
    /// A word with quotes resolved; where `=` stands in it, and where the value starts in the text.
    Word {
        text: String,
        equals: Option<(usize, usize)>,
        span: Span,
    },
}

fn tokens(text: &str, problems: &mut Vec<Diagnostic>) -> Vec<Token> {
    let mut all = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        if c.is_whitespace() {
            at += c.len_utf8();
        } else if rest.starts_with("->") {
            all.push(Token::Arrow(Span::new(at, at + 2)));
            at += 2;
        } else if c == ';' {
            all.push(Token::End(Span::new(at, at + 1)));
            at += 1;
        } else {
            let (word, next) = word(text, at, problems);
            all.push(word);
            at = next;
        }
    }
    all
}

/// One word: up to white space; before its `=`, and after a closing quote, also up to `->` and `;`; a `;` at its end is
/// not part of it. Brackets keep a JSON list together.
fn word(text: &str, start: usize, problems: &mut Vec<Diagnostic>) -> (Token, usize) {
    let mut out = String::new();
    let mut equals = None;
    let mut quote: Option<(char, usize)> = None;
    let mut depth = 0usize;
    let mut end = text.len();
    // Where a closing quote was: what follows it begins anew.
    let mut closed = None;
    for (offset, c) in text[start..].char_indices() {
        let at = start + offset;
        let rest = &text[at..];
        match (quote, c) {
            (Some((open, _)), c) if c == open => {
                quote = None;
                closed = Some(at + c.len_utf8());
                if depth > 0 {
                    out.push(c);
                }
            }
            (Some(_), c) => out.push(c),
            (None, '"' | '\'') => {
                quote = Some((c, at));
                // Inside a list the quotes belong to the JSON text.
                if depth > 0 {
                    out.push(c);
                }
            }
            (None, c) if c.is_whitespace() && depth == 0 => {
                end = at;
                break;
            }
            (None, ';') if depth == 0 && rest[1..].chars().next().is_none_or(char::is_whitespace) => {
                end = at;
                break;
            }
            (None, '-' | ';')
                if depth == 0
                    && (equals.is_none() || closed == Some(at))
                    && (c == ';' || rest.starts_with("->")) =>
            {
                end = at;
                break;
            }
            (None, '=') if equals.is_none() => {
                equals = Some((out.len(), at + 1));
                out.push(c);
            }
            (None, c) => {
                if equals.is_some() {
                    match c {
                        '[' | '{' => depth += 1,
                        ']' | '}' => depth = depth.saturating_sub(1),
                        _ => {}
                    }
                }
                out.push(c);
            }
        }
    }
    if let Some((open, at)) = quote {
        problems.push(
            Diagnostic::new(Code::OneLiner, format!("a {open} is opened and never closed"))
                .label(Span::new(at, at + 1), "opened here"),
        );
    }
    (Token::Word { text: out, equals, span: Span::new(start, end) }, end)
}

struct Builder<'a> {
    tree: &'a mut Tree,
    /// Ids that were given.
    given: HashMap<String, Span>,
    /// Ids that were derived, with the chain in which.
    derived: HashMap<String, usize>,
    /// What the next element is linked from.
    previous: Option<End>,
    /// An arrow that waits for its right side.
    pending: Option<Span>,
    chain: usize,
}

impl Builder<'_> {
    fn problem(&mut self, message: impl Into<String>, span: Span, help: &str) {
        self.tree.problems.push(Diagnostic::new(Code::OneLiner, message).label(span, "here").help(help));
    }

    fn build(mut self, tokens: Vec<Token>) {
        // Whether properties may follow, that is, whether the last word made an element.
        let mut open = false;
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            match token {
                Token::Arrow(span) => {
                    open = false;
                    if self.previous.is_none() || self.pending.is_some() {
                        self.problem("nothing stands before this `->`", span, "write `element -> element`");
                    }
                    self.pending = Some(span);
                }
                Token::End(_) => {
                    open = false;
                    self.finish_chain();
                }
                Token::Word { text, equals: Some((name, start)), span } if open => {
                    self.property(&text, name, start, span);
                }
                Token::Word { equals: Some(_), span, .. } => {
                    self.problem(
                        "this property belongs to no element",
                        span,
                        "write the element's type first",
                    );
                }
                Token::Word { text, equals: None, span } => {
                    if self.tree.elements.len() >= MAX_ELEMENTS {
                        let message = format!("more than {MAX_ELEMENTS} elements");
                        self.tree.problems.push(Diagnostic::new(Code::TooLarge, message).label(span, "here"));
                        return;
                    }
                    let bare = !matches!(tokens.peek(), Some(Token::Word { equals: Some(_), .. }));
                    open = self.element(&text, span, bare);
                }
            }
        }
        self.finish_chain();
    }

    fn finish_chain(&mut self) {
        if let Some(span) = self.pending.take() {
            self.problem("nothing stands after this `->`", span, "write `element -> element`");
        }
        self.previous = None;
        self.chain += 1;
    }

    /// A new element or one named before; returns whether properties may follow. `bare`: none do.
    fn element(&mut self, text: &str, span: Span, bare: bool) -> bool {
        if self.previous.is_some() && self.pending.is_none() {
            let message = format!("`{}` does not follow an `->`", shorten(text));
            self.problem(message, span, "a property is `name=value`; elements are joined by `->`");
            return false;
        }
        let exact = span.end - span.start == text.len();
        let part = |from: usize, to: usize| match exact {
            true => Span::new(span.start + from, span.start + to),
            false => span,
        };
        let (name, port) = match text.split_once('.') {
            Some((name, port)) => {
                (name, Some(Spanned::new(port.to_owned(), part(name.len() + 1, text.len()))))
            }
            None => (text, None),
        };
        let later = self.derived.get(name).is_some_and(|chain| *chain < self.chain);
        let equipped = || self.tree.elements.iter().any(|e| e.id.value == name && !e.properties.is_empty());
        let derived = later && bare && (self.previous.is_none() || equipped());
        let known =
            self.given.contains_key(name) || derived || (port.is_some() && self.derived.contains_key(name));
        let (end, is_new) = if known {
            (End { node: Spanned::new(name.to_owned(), part(0, name.len())), port }, false)
        } else {
            (self.new_element(text, span, &part), true)
        };
        if let (Some(_), Some(from)) = (self.pending.take(), self.previous.take()) {
            let link = Link { from, to: end.clone(), media: None, options: Vec::new() };
            self.tree.links.push(link);
        }
        self.previous = Some(end);
        is_new
    }

    fn new_element(&mut self, text: &str, span: Span, part: &dyn Fn(usize, usize) -> Span) -> End {
        let (id, type_name) = match text.split_once(':') {
            Some((id, name)) => {
                let id = Spanned::new(id.to_owned(), part(0, id.len()));
                if let Some(first) = self.given.insert(id.value.clone(), id.span) {
                    let diagnostic =
                        Diagnostic::new(Code::DuplicateId, format!("the id `{}` is given twice", id.value))
                            .label(id.span, "again here")
                            .label(first, "first here");
                    self.tree.problems.push(diagnostic);
                }
                let at = text.len() - name.len();
                (id, Spanned::new(name.to_owned(), part(at, text.len())))
            }
            None => {
                let taken = |id: &str| self.derived.contains_key(id) || self.given.contains_key(id);
                let mut id = text.to_owned();
                let mut count = 1;
                while taken(&id) {
                    count += 1;
                    id = format!("{text}-{count}");
                }
                self.derived.insert(id.clone(), self.chain);
                (Spanned::new(id, span), Spanned::new(text.to_owned(), span))
            }
        };
        let end = End { node: id.clone(), port: None };
        let element = Element { id, type_name: Some(type_name), on_error: None, properties: Vec::new() };
        self.tree.elements.push(element);
        end
    }

    fn property(&mut self, text: &str, name: usize, start: usize, span: Span) {
        let key = Spanned::new(text[..name].to_owned(), Span::new(span.start, start - 1));
        let raw = text[name + 1..].to_owned();
        let value = Value { data: guess(&raw), span: Span::new(start, span.end), raw: Some(raw) };
        let value = match value.span.start == value.span.end {
            true => Value { span, ..value },
            false => value,
        };
        let Some(element) = self.tree.elements.last_mut() else { return };
        let same = |other: &str| other.replace('_', "-") == key.value.replace('_', "-");
        if let Some((first, _)) = element.properties.iter().find(|(other, _)| same(&other.value)) {
            let message = format!("the property `{}` is given twice", key.value);
            let diagnostic = Diagnostic::new(Code::DuplicateProperty, message)
                .label(key.span, "again here")
                .label(first.span, "first here");
            self.tree.problems.push(diagnostic);
        } else if same("on-error") {
            element.on_error = Some(value);
        } else {
            element.properties.push((key, value));
        }
    }
}

/// The type that a value has by its looks. The catalogue has the last word, see [`Value::raw`].
pub(crate) fn guess(raw: &str) -> Data {
    match serde_json::from_str::<serde_json::Value>(raw) {
        Ok(value) => data(&value, 0),
        Err(_) => Data::Text(raw.to_owned()),
    }
}

fn data(value: &serde_json::Value, depth: usize) -> Data {
    use serde_json::Value as Json;
    match value {
        _ if depth > 24 => Data::Null,
        Json::Null => Data::Null,
        Json::Bool(value) => Data::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(value) => Data::Integer(value),
            None => Data::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Data::Text(text.clone()),
        Json::Array(items) => Data::List(items.iter().map(|item| inner(item, depth)).collect()),
        Json::Object(entries) => Data::Map(
            entries
                .iter()
                .map(|(key, entry)| (Spanned::new(key.clone(), Span::default()), inner(entry, depth)))
                .collect(),
        ),
    }
}

fn inner(value: &serde_json::Value, depth: usize) -> Value {
    Value { data: data(value, depth + 1), span: Span::default(), raw: None }
}
