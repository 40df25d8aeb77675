//! Writing descriptions.

use std::fmt::Write;

use serde_json::Value;

use crate::document::Draft;
use crate::format::Format;
use crate::link_options::LinkOptions;
use crate::spec::{OnError, Transcoding};

/// The name of an error policy in descriptions.
pub(crate) fn on_error_name(policy: OnError) -> &'static str {
    match policy {
        OnError::StopPipeline => "stop-pipeline",
        OnError::DropElement => "drop-element",
        OnError::Restart => "restart",
    }
}

/// A draft as YAML.
pub(crate) fn draft(draft: &Draft) -> String {
    let mut out = String::new();
    line(&mut out, 0, "name", &text(&draft.name));
    if !draft.description.is_empty() {
        line(&mut out, 0, "description", &text(&draft.description));
    }
    if !draft.elements.is_empty() {
        out.push_str("elements:\n");
    }
    for element in &draft.elements {
        let key = text(&element.id);
        let _ = writeln!(out, "  {key}:");
        line(&mut out, 4, "type", &text(&element.type_name));
        if let Some(policy) = element.on_error {
            line(&mut out, 4, "on-error", on_error_name(policy));
        }
        match &element.properties {
            Value::Object(properties) => {
                for (name, property) in properties {
                    line(&mut out, 4, &text(name), &value(property));
                }
            }
            Value::Null => {}
            // Not an object: shown as it is, so that the parser can complain about it.
            other => line(&mut out, 4, "properties", &value(other)),
        }
    }
    if !draft.links.is_empty() {
        out.push_str("links:\n");
    }
    for link in &draft.links {
        let ends = link.text.split_once("->");
        match ends {
            Some((from, to)) if !link.options.is_default() => {
                let _ = write!(out, "  - {{from: {}, to: {}", text(from.trim()), text(to.trim()));
                options(&mut out, &link.options);
                out.push_str("}\n");
            }
            _ => {
                let _ = writeln!(out, "  - {}", text(&link.text));
            }
        }
    }
    out
}

fn options(out: &mut String, options: &LinkOptions) {
    if options.transcoding == Transcoding::Forbid {
        out.push_str(", transcoding: forbid");
    }
    if !options.formats.is_empty() {
        let words: Vec<&str> = options.formats.iter().map(Format::word).collect();
        let _ = write!(out, ", format: [{}]", words.join(", "));
    }
    let picture = &options.picture;
    let numbers = [
        ("bitrate", options.bitrate),
        ("min-bitrate", options.min_bitrate),
        ("max-bitrate", options.max_bitrate),
        ("max-width", picture.max_width),
        ("max-height", picture.max_height),
        ("max-frame-rate", picture.max_frame_rate),
    ];
    for (name, number) in numbers {
        if let Some(number) = number {
            let _ = write!(out, ", {name}: {number}");
        }
    }
}

fn line(out: &mut String, indent: usize, key: &str, value: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{:indent$}{key}: {value}", "");
}

/// A value on one line.
fn value(value: &Value) -> String {
    match value {
        Value::String(string) => text(string),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(self::value).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(entries) => {
            let entries: Vec<String> =
                entries.iter().map(|(key, entry)| format!("{}: {}", text(key), self::value(entry))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

/// Text, quoted unless it cannot be taken for anything else.
pub(crate) fn text(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            // Not printable by YAML's definition, or easily lost on the way.
            c if c.is_control()
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') =>
            {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c if u32::from(c) & 0xfffe == 0xfffe => {
                let _ = write!(out, "\\U{:08x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Whether text needs no quotes: a word, a name, or a link.
fn is_plain(text: &str) -> bool {
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"];
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ' ' | '>'))
        && !text.ends_with(' ')
        && !words.contains(&text.to_ascii_lowercase().as_str())
}
