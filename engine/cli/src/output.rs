//! Writing: results to stdout, everything else to stderr.

use std::io::{IsTerminal, Write};

use anyhow::Result;

/// Whether to write colours to stderr: a terminal, and nobody said no.
pub fn colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()) && std::io::stderr().is_terminal()
}

/// Writes a result to stdout. That the reader has gone (`anabranch list | head`) is no error.
pub fn result(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// Writes a value as indented JSON to stdout.
pub fn json(value: &impl serde::Serialize) -> Result<()> {
    result(&(serde_json::to_string_pretty(value)? + "\n"))
}

/// Writes a message for a person to stderr; nothing can be done if that fails.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Writes an error to stderr.
pub fn error(text: &str) {
    let word = if colour() { "\x1b[1;31merror\x1b[0m" } else { "error" };
    note(&format!("{word}: {text}"));
}

/// Widest that a column other than the last may be.
const COLUMN: usize = 44;

/// Rows with columns of equal width, two spaces apart. The last column is wrapped to the width of the terminal, the others
/// where they would leave it no room.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let wrapped = |row: &Vec<String>, column: usize, width: usize| {
        let cell = row.get(column).map(String::as_str).unwrap_or_default();
        // One that fits keeps its blanks: they are its indentation.
        if cell.chars().count() <= width { vec![cell.to_owned()] } else { wrap(cell, width) }
    };
    let mut widths: Vec<usize> = (0..columns.saturating_sub(1))
        .map(|c| {
            let pieces = rows.iter().flat_map(|row| wrapped(row, c, COLUMN));
            pieces.map(|piece| piece.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let indent: usize = widths.iter().map(|w| w + 2).sum();
    widths.push(line_width().saturating_sub(indent).max(30));
    let mut out = String::new();
    for row in rows {
        let cells: Vec<Vec<String>> =
            widths.iter().enumerate().take(columns).map(|(c, width)| wrapped(row, c, *width)).collect();
        let height = cells.iter().map(Vec::len).max().unwrap_or(0);
        for line in 0..height {
            let mut text = String::new();
            for (cell, width) in cells.iter().zip(&widths) {
                let piece = cell.get(line).map(String::as_str).unwrap_or_default();
                text.push_str(&format!("{piece:width$}  "));
            }
            out.push_str(text.trim_end());
            out.push('\n');
        }
    }
    out
}

/// Markdown for a terminal: paragraphs and list entries are wrapped, code is left as it is.
pub fn prose(markdown: &str) -> String {
    let mut out = String::new();
    for line in markdown.lines() {
        if line.starts_with("    ") || line.starts_with('|') || line.trim().is_empty() {
            out.push_str(line.trim_end());
            out.push('\n');
            continue;
        }
        let indent = if line.trim_start().starts_with("- ") { "  " } else { "" };
        for (i, piece) in wrap(line, line_width() - indent.len()).iter().enumerate() {
            let indent = if i > 0 { indent } else { "" };
            out.push_str(&format!("{indent}{piece}\n"));
        }
    }
    out
}

/// The terminal's width, or a width that is good to read.
fn line_width() -> usize {
    std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok()).unwrap_or(110)
}

/// Lines of at most `width` characters, broken at blanks; at least one.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines
            .last_mut()
            .filter(|l| l.is_empty() || l.chars().count() + 1 + word.chars().count() <= width);
        match line {
            Some(line) => {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_long_text_is_wrapped() {
        let rows = vec![vec!["a".into(), "short".into()], vec!["longer".into(), "word ".repeat(40)]];
        let text = table(&rows);
        assert!(text.starts_with("a       short\nlonger  word word"));
        assert!(text.lines().all(|l| l.chars().count() <= line_width()));
        assert!(text.lines().nth(2).is_some_and(|l| l.starts_with("        word")));
        assert_eq!(wrap("", 10), [""]);
    }
}
