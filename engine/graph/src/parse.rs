//! From text (YAML, of which JSON is a part) to a [`Tree`]. Mistakes that leave the rest readable are collected; only
//! a text that is no YAML at all is reported alone.

use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, Source, Span, did_you_mean};
use crate::read::read;
use crate::syntax::{Data, Element, End, Link, Spanned, Tree, Value};

/// The largest text that is read, bytes.
pub const MAX_BYTES: usize = 1 << 20;
/// The most elements in a graph.
pub const MAX_ELEMENTS: usize = 1000;
/// The most links in a graph.
pub const MAX_LINKS: usize = 4000;

const TOP: [&str; 4] = ["name", "description", "elements", "links"];
const LINK: [&str; 3] = ["from", "to", "media"];
const LINK_OPTIONS: [&str; 8] = [
    "transcoding",
    "format",
    "bitrate",
    "min-bitrate",
    "max-bitrate",
    "max-width",
    "max-height",
    "max-frame-rate",
];

/// Parses a description. Whatever is wrong is in [`Tree::problems`].
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
        let message =
            format!("the description has {} bytes; at most {MAX_BYTES} are read", source.text.len());
        tree.problems.push(Diagnostic::new(Code::TooLarge, message));
        return tree;
    }
    match read(&source.text) {
        Ok(value) => Reader { tree: &mut tree }.top(value),
        Err(problem) => tree.problems.push(*problem),
    }
    tree
}

/// Reads the tree out of the values.
struct Reader<'a> {
    tree: &'a mut Tree,
}

impl Reader<'_> {
    fn problem(&mut self, diagnostic: Diagnostic) {
        self.tree.problems.push(diagnostic);
    }

    fn shape(&mut self, value: &Value, what: &str, wanted: &str) {
        let message = format!("{what} must be {wanted}, not {}", value.data.kind());
        self.problem(
            Diagnostic::new(Code::Shape, message).label(value.span, format!("this is {}", value.data.kind())),
        );
    }

    fn unknown_key(&mut self, key: &Spanned<String>, place: &str, known: &[&str]) {
        let help = match did_you_mean(&key.value, known.iter().copied()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("{place} has {}", list(known)),
        };
        self.problem(
            Diagnostic::new(Code::UnknownKey, format!("{place} has no key `{}`", key.value))
                .label(key.span, "unknown")
                .help(help),
        );
    }

    /// Entries of a mapping with each key once; repeated keys are reported and dropped.
    fn unique(
        &mut self,
        entries: Vec<(Spanned<String>, Value)>,
        code: Code,
        what: &str,
    ) -> Vec<(Spanned<String>, Value)> {
        let mut seen: std::collections::HashMap<String, Span> = std::collections::HashMap::new();
        let mut all = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            if let Some(first) = seen.get(&key.value) {
                let diagnostic = Diagnostic::new(code, format!("{what} `{}` is given twice", key.value))
                    .label(key.span, "again here")
                    .label(*first, "first here");
                self.problem(diagnostic);
            } else {
                seen.insert(key.value.clone(), key.span);
                all.push((key, value));
            }
        }
        all
    }

    fn top(&mut self, value: Value) {
        let entries = match value.data {
            Data::Map(entries) => entries,
            Data::Null => {
                let diagnostic = Diagnostic::new(Code::Empty, "the description is empty")
                    .label(value.span, "nothing here")
                    .help("a graph needs `elements`, and `links` between them");
                return self.problem(diagnostic);
            }
            _ => return self.shape(&value, "a description", "a mapping with `elements` and `links`"),
        };
        for (key, value) in self.unique(entries, Code::DuplicateKey, "the key") {
            match key.value.as_str() {
                "name" => self.tree.name = self.text(value, "`name`"),
                "description" => self.tree.description = self.text(value, "`description`"),
                "elements" => self.elements(value),
                "links" => self.links(value),
                "$schema" => {}
                _ => self.unknown_key(&key, "a description", &TOP),
            }
        }
    }

    fn text(&mut self, value: Value, what: &str) -> Option<Spanned<String>> {
        match value.data {
            Data::Text(text) => Some(Spanned::new(text, value.span)),
            _ => {
                self.shape(&value, what, "text");
                None
            }
        }
    }

    fn elements(&mut self, value: Value) {
        let entries = match value.data {
            Data::Map(entries) => entries,
            Data::Null => return,
            _ => return self.shape(&value, "`elements`", "a mapping from ids to elements"),
        };
        if entries.len() > MAX_ELEMENTS {
            let message = format!("{} elements; a graph has at most {MAX_ELEMENTS}", entries.len());
            return self.problem(Diagnostic::new(Code::TooLarge, message));
        }
        for (id, value) in self.unique(entries, Code::DuplicateId, "the id") {
            let fields = match value.data {
                Data::Map(fields) => fields,
                Data::Null => Vec::new(),
                // Short form: `camera: test-source`.
                Data::Text(name) => {
                    let type_name = Some(Spanned::new(name, value.span));
                    let element = Element { id, type_name, on_error: None, properties: Vec::new() };
                    self.tree.elements.push(element);
                    continue;
                }
                _ => {
                    let what = format!("the element `{}`", id.value);
                    self.shape(&value, &what, "a mapping with a `type`");
                    continue;
                }
            };
            self.element(id, fields);
        }
    }

    fn element(&mut self, id: Spanned<String>, fields: Vec<(Spanned<String>, Value)>) {
        let mut element = Element { id, type_name: None, on_error: None, properties: Vec::new() };
        let mut has_type = false;
        for (key, value) in self.unique(fields, Code::DuplicateProperty, "the property") {
            match key.value.as_str() {
                "type" => {
                    has_type = true;
                    element.type_name = self.text(value, "`type`");
                }
                "on-error" | "on_error" => element.on_error = Some(value),
                _ => element.properties.push((key, value)),
            }
        }
        if !has_type {
            let message = format!("the element `{}` has no `type`", element.id.value);
            self.problem(Diagnostic::new(Code::MissingType, message).label(element.id.span, "no `type`"));
        }
        self.tree.elements.push(element);
    }

    fn links(&mut self, value: Value) {
        let items = match value.data {
            Data::List(items) => items,
            Data::Null => return,
            _ => return self.shape(&value, "`links`", "a list"),
        };
        for item in items {
            if self.tree.links.len() > MAX_LINKS {
                let message = format!("more than {MAX_LINKS} links");
                return self.problem(Diagnostic::new(Code::TooLarge, message));
            }
            match item.data {
                Data::Text(ref text) => self.chain(text, &item),
                Data::Map(fields) => self.mapping(fields, item.span),
                _ => self.shape(&item, "a link", "`from -> to` or a mapping with `from` and `to`"),
            }
        }
    }

    fn mapping(&mut self, fields: Vec<(Spanned<String>, Value)>, span: Span) {
        let (mut from, mut to) = (None, None);
        let (mut media, mut options) = (None, Vec::new());
        let (mut has_from, mut has_to) = (false, false);
        for (key, value) in self.unique(fields, Code::DuplicateKey, "the key") {
            match key.value.as_str() {
                "from" => {
                    has_from = true;
                    from = self.end_value(value, "`from`");
                }
                "to" => {
                    has_to = true;
                    to = self.end_value(value, "`to`");
                }
                "media" => media = Some(value),
                name if LINK_OPTIONS.contains(&name) => options.push((key, value)),
                _ => self.unknown_key(&key, "a link", &[&LINK[..], &LINK_OPTIONS].concat()),
            }
        }
        for (present, name) in [(has_from, "from"), (has_to, "to")] {
            if !present {
                let diagnostic = Diagnostic::new(Code::BadLink, format!("the link has no `{name}`"))
                    .label(span, format!("no `{name}`"));
                self.problem(diagnostic);
            }
        }
        if let (Some(from), Some(to)) = (from, to) {
            self.tree.links.push(Link { from, to, media, options });
        }
    }

    fn end_value(&mut self, value: Value, what: &str) -> Option<End> {
        let text = self.text(value.clone(), what)?;
        let places = Places::new(&text.value, value.span, &self.tree.source.text);
        let end = end(&text.value, 0, &places);
        if end.is_none() {
            self.bad_end(&text.value, value.span);
        }
        end
    }

    fn bad_end(&mut self, text: &str, span: Span) {
        let message = match text.trim() {
            "" => "an end of this link is empty".to_owned(),
            other => format!("`{}` is no end of a link", shorten(other)),
        };
        self.problem(
            Diagnostic::new(Code::BadLink, message)
                .label(span, "here")
                .help("write `element` or `element.port`, joined by `->`"),
        );
    }

    /// `a -> b.video -> c`
    fn chain(&mut self, text: &str, item: &Value) {
        let source = self.tree.source.clone();
        let places = Places::new(text, item.span, &source.text);
        if !text.contains("->") {
            let diagnostic = Diagnostic::new(Code::BadLink, format!("`{}` is no link", shorten(text.trim())))
                .label(item.span, "no `->`")
                .help("write `from -> to`");
            return self.problem(diagnostic);
        }
        let mut previous: Option<End> = None;
        let mut offset = 0;
        for (index, part) in text.split("->").enumerate() {
            let here = end(part, offset, &places);
            if here.is_none() {
                self.bad_end(part, places.of(offset, offset + part.len()));
            }
            if let (true, Some(from), Some(to)) = (index > 0, &previous, &here) {
                let link = Link { from: from.clone(), to: to.clone(), media: None, options: Vec::new() };
                self.tree.links.push(link);
            }
            previous = here;
            offset += part.len() + 2;
        }
    }
}

/// Where the characters of a scalar stand in the text. Exact unless the scalar is escaped or folded.
struct Places {
    span: Span,
    base: Option<usize>,
}

impl Places {
    fn new(value: &str, span: Span, text: &str) -> Self {
        let base = text.get(span.range()).and_then(|slice| slice.find(value)).map(|at| span.start + at);
        Self { span, base }
    }

    fn of(&self, start: usize, end: usize) -> Span {
        match self.base {
            Some(base) => Span::new(base + start, base + end),
            None => self.span,
        }
    }
}

/// `element` or `element.port`, starting at `offset` of its scalar.
fn end(text: &str, offset: usize, places: &Places) -> Option<End> {
    let trimmed = text.trim();
    let start = offset + (text.len() - text.trim_start().len());
    if trimmed.is_empty() || trimmed.contains(char::is_whitespace) {
        return None;
    }
    let at = |from: usize, to: usize| places.of(start + from, start + to);
    match trimmed.split_once('.') {
        None => Some(End { node: Spanned::new(trimmed.to_owned(), at(0, trimmed.len())), port: None }),
        Some((node, port)) if !node.is_empty() && !port.is_empty() && !port.contains('.') => Some(End {
            node: Spanned::new(node.to_owned(), at(0, node.len())),
            port: Some(Spanned::new(port.to_owned(), at(node.len() + 1, trimmed.len()))),
        }),
        Some(_) => None,
    }
}

/// Text for a message: long ones are cut.
pub(crate) fn shorten(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// `a, b and c`, each in back ticks.
pub(crate) fn list<S: AsRef<str>>(words: &[S]) -> String {
    let quoted: Vec<String> = words.iter().map(|w| format!("`{}`", w.as_ref())).collect();
    match quoted.split_last() {
        None => "none".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}
