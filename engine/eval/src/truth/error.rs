//! Mistakes of truth files.

/// A mistake in a truth file, with its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {message}", line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct TruthError {
    /// The file.
    pub file: String,
    /// The line; the first one is 1.
    pub line: Option<usize>,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl TruthError {
    pub(super) fn new(file: &str, line: usize, message: impl Into<String>) -> Self {
        TruthError { file: file.to_owned(), line: Some(line), message: message.into() }
    }

    pub(super) fn unreadable(file: &str, error: &std::io::Error) -> Self {
        let text = error.to_string();
        let plain = text.split(" (os error").next().unwrap_or_default();
        TruthError { file: file.to_owned(), line: None, message: plain.to_owned() }
    }
}

/// Text that is short enough to be shown.
pub(super) fn shorten(text: &str) -> String {
    let text = text.trim();
    if text.chars().count() <= 40 {
        text.to_owned()
    } else {
        text.chars().take(37).chain("...".chars()).collect()
    }
}
