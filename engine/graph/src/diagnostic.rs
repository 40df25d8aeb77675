//! What is wrong with a description, for people and for programs.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::{Deserialize, Serialize};

pub use crate::code::{Code, CodePage, explain_code};

/// A stretch of a text, in bytes; both ends lie on character boundaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl Span {
    /// The span from `start` up to, not including, `end`.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end: end.max(start) }
    }

    /// The smallest span that contains both.
    pub fn to(self, other: Span) -> Span {
        Span::new(self.start.min(other.start), self.end.max(other.end))
    }

    /// As a range.
    pub fn range(self) -> Range<usize> {
        self.start..self.end
    }

    /// Moved inside `text` and widened to character boundaries.
    pub fn within(self, text: &str) -> Span {
        let mut start = self.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let mut end = self.end.clamp(start, text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        Span { start, end }
    }
}

/// A named text that diagnostics point into.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// The file's name, or what stands for it: `one-liner`, `description`.
    pub name: String,
    /// The whole text.
    pub text: String,
}

impl Source {
    /// Line and column, both from 1, of a byte offset; columns count characters.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let offset = Span::new(offset, offset).within(&self.text).start;
        let before = &self.text[..offset];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.bytes().filter(|b| *b == b'\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The graph cannot run.
    Error,
    /// The graph runs, but probably not as meant.
    Warning,
}

/// A stretch of the text with a remark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Label {
    /// Where, in bytes.
    #[serde(flatten)]
    pub span: Span,
    /// The line it starts in, from 1.
    pub line: usize,
    /// The column it starts in, from 1, in characters.
    pub column: usize,
    /// The remark.
    pub text: String,
}

/// What part of a graph a diagnostic is about, for diagnostics that are made without the text (by the planner).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// The element of that id.
    Element(String),
    /// A property of an element.
    Property(String, String),
    /// The link of that id (`camera.video -> recorder.video`).
    Link(String),
}

/// One finding.
#[derive(Clone, Debug, Serialize)]
pub struct Diagnostic {
    /// What kind of finding; stable over versions.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, one sentence.
    pub message: String,
    /// The name of the text, if there is one.
    pub file: Option<String>,
    /// The line of the first label, from 1.
    pub line: Option<usize>,
    /// The column of the first label, from 1.
    pub column: Option<usize>,
    /// Where; the first is the place to change.
    pub labels: Vec<Label>,
    /// What to do about it.
    pub help: Option<String>,
    /// What it is about, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// The text that the labels point into.
    #[serde(skip)]
    pub source: Option<Arc<Source>>,
}

impl PartialEq for Diagnostic {
    fn eq(&self, other: &Self) -> bool {
        self.code == other.code
            && self.severity == other.severity
            && self.message == other.message
            && self.labels == other.labels
            && self.help == other.help
    }
}

impl Diagnostic {
    /// A finding without place; its severity is that of its code.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            message: message.into(),
            file: None,
            line: None,
            column: None,
            labels: Vec::new(),
            help: None,
            subject: None,
            source: None,
        }
    }

    /// Adds a place.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, line: 0, column: 0, text: text.into() });
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds what to do, if something is known.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// Says what part of the graph it is about.
    #[must_use]
    pub fn about(mut self, subject: Subject) -> Self {
        self.subject = Some(subject);
        self
    }

    /// Whether the graph cannot run because of it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// Ties the labels to their text: from now on they have lines and columns and lie inside the text.
    pub fn attach(&mut self, source: &Arc<Source>) {
        for label in &mut self.labels {
            label.span = label.span.within(&source.text);
            (label.line, label.column) = source.position(label.span.start);
        }
        self.file = Some(source.name.clone());
        self.line = self.labels.first().map(|label| label.line);
        self.column = self.labels.first().map(|label| label.column);
        self.source = Some(source.clone());
    }

    /// Drawn with an excerpt of the text, in colour or plain.
    pub fn draw(&self, colour: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(&self.message).id(self.code.as_str());
        let mut group = match &self.source {
            Some(source) if !self.labels.is_empty() => {
                let annotations = self.labels.iter().enumerate().map(|(index, label)| {
                    let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
                    kind.span(label.span.within(&source.text).range()).label(&label.text)
                });
                title.element(Snippet::source(&source.text).path(&source.name).annotations(annotations))
            }
            _ => annotate_snippets::Group::with_title(title),
        };
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help));
        }
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group])
    }
}

impl fmt::Display for Diagnostic {
    /// One line: `file:line:column: error[G0201]: message`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(file), Some(line), Some(column)) = (&self.file, self.line, self.column) {
            write!(f, "{file}:{line}:{column}: ")?;
        }
        let word = if self.is_error() { "error" } else { "warning" };
        write!(f, "{word}[{}]: {}", self.code, self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

/// All findings drawn one after another, with a closing count.
pub fn draw_all(diagnostics: &[Diagnostic], colour: bool) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        out.push_str(&diagnostic.draw(colour));
        out.push_str("\n\n");
    }
    let errors = diagnostics.iter().filter(|d| d.is_error()).count();
    let warnings = diagnostics.len() - errors;
    let count = |n: usize, what: &str| match n {
        1 => format!("1 {what}"),
        _ => format!("{n} {what}s"),
    };
    match (errors, warnings) {
        (0, 0) => {}
        (0, w) => out.push_str(&format!("{}\n", count(w, "warning"))),
        (e, 0) => out.push_str(&format!("{}\n", count(e, "error"))),
        (e, w) => out.push_str(&format!("{}, {}\n", count(e, "error"), count(w, "warning"))),
    }
    out
}

/// The name of `known` that `word` was probably meant to be.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let canonical = |text: &str| text.replace('_', "-").to_lowercase();
    let word = canonical(word);
    // Very long words are noise, and the comparison is quadratic.
    if word.is_empty() || word.len() > 64 {
        return None;
    }
    known
        .into_iter()
        .map(|candidate| {
            let name = canonical(candidate);
            let mut score = strsim::jaro_winkler(&word, &name);
            if strsim::damerau_levenshtein(&word, &name) <= 1 + word.len() / 6 {
                score += 1.0;
            }
            (candidate, score)
        })
        .filter(|(_, score)| *score > 0.84)
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(candidate, _)| candidate)
}
