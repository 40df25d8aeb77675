//! Where descriptions come from, and what the command line changes in them.

use std::io::Read;
use std::path::Path;

use anabranch_graph::Document;
use anabranch_graph::diagnostic::{Diagnostic, draw_all};
use anyhow::Result;

use crate::exit::bad_input;
use crate::output;

/// A description on the command line.
#[derive(clap::Args)]
pub struct Description {
    /// A file (YAML or JSON), '-' for stdin, or a one-liner such as 'player uri=a.mp4 -> recorder location=b.webm'.
    /// Relative paths in it mean: from the current folder.
    #[arg(value_name = "DESCRIPTION")]
    pub text: String,
    /// Sets a property before anything is checked; may be given several times.
    #[arg(long = "set", value_name = "ID.PROPERTY=VALUE")]
    pub overrides: Vec<String>,
}

impl Description {
    /// The document that is meant.
    pub fn document(&self) -> Result<Document> {
        self.overridden(read(&self.text)?)
    }

    /// A document with what `--set` changes in it.
    pub fn overridden(&self, mut document: Document) -> Result<Document> {
        for text in &self.overrides {
            let (id, property, value) = split_override(text)?;
            document = document.set(id, property, value);
        }
        Ok(document)
    }
}

/// The document that a command-line argument means.
pub fn read(argument: &str) -> Result<Document> {
    if argument == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes)?;
        return Ok(Document::yaml("stdin", utf8(bytes, "stdin")?));
    }
    let path = Path::new(argument);
    if looks_like_one_liner(argument) && !path.exists() {
        return Ok(Document::one_liner(argument));
    }
    let bytes = std::fs::read(path).map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::NotFound => {
                " (a one-liner has elements with properties, joined by '->': 'test-source -> null-sink')"
            }
            _ => "",
        };
        bad_input(format!("cannot read {argument}: {}{hint}", plain(&error)))
    })?;
    Ok(Document::yaml(argument, utf8(bytes, argument)?))
}

/// What went wrong, in the system's words without its number.
pub fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

fn utf8(bytes: Vec<u8>, name: &str) -> Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        bad_input(format!("{name} is not text: byte {} is not UTF-8", error.utf8_error().valid_up_to()))
    })
}

/// A file name has none of these; a one-liner without any of them is a single element type.
fn looks_like_one_liner(argument: &str) -> bool {
    argument.contains("->")
        || argument.contains([' ', '=', ';', '\n'])
        || anabranch_kit::registry::catalog().get(argument).is_some()
}

/// `id.property=value` in its parts.
fn split_override(text: &str) -> Result<(&str, &str, &str)> {
    text.split_once('=')
        .and_then(|(place, value)| {
            place.split_once('.').map(|(id, property)| (id.trim(), property.trim(), value))
        })
        .filter(|(id, property, _)| !id.is_empty() && !property.is_empty())
        .ok_or_else(|| bad_input(format!("--set wants ID.PROPERTY=VALUE, not '{text}'")))
}

/// Draws findings on stderr.
pub fn draw(diagnostics: &[Diagnostic]) {
    if !diagnostics.is_empty() {
        output::note(draw_all(diagnostics, output::colour()).trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_liners_and_file_names_are_told_apart() {
        assert!(looks_like_one_liner("a -> b"));
        assert!(looks_like_one_liner("player uri=a.mp4"));
        assert!(!looks_like_one_liner("pipelines/magic-mirror.yaml"));
        assert!(!looks_like_one_liner("nonsense"));
    }

    #[test]
    fn an_override_has_three_parts() {
        assert_eq!(split_override("a.b=c=d").unwrap(), ("a", "b", "c=d"));
        for wrong in ["a", "a=b", "a.b", ".b=c", "a.=c"] {
            assert!(split_override(wrong).is_err(), "{wrong}");
        }
    }
}
