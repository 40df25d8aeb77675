//! Element types as a page of Markdown: what `docs/filters.md` is made of.

use std::fmt::Write;

use anabranch_graph::catalog::{ElementDescriptor, EventSpec, PropertySpec};
use serde_json::Value;

use crate::command::show::{kind, plain};

/// The page: a list of all, then each with its properties, events and example.
pub fn page(title: &str, elements: &[&ElementDescriptor]) -> String {
    let mut out = format!("# {title}\n\n| name | what it does |\n|---|---|\n");
    for element in elements {
        row(&mut out, &[&format!("[`{0}`](#{0})", element.name), &element.summary]);
    }
    for element in elements {
        section(&mut out, element);
    }
    out
}

fn section(out: &mut String, element: &ElementDescriptor) {
    let _ = write!(out, "\n## {}\n\n{}\n", element.name, element.summary);
    let description = element.description.trim();
    if !description.is_empty() && description != element.summary.trim() {
        let _ = write!(out, "\n{}\n", below(description));
    }
    if !element.example.is_empty() {
        let _ = write!(out, "\n```sh\nanabranch run '{}'\n```\n", element.example.replace('\'', "'\\''"));
    }
    if !element.properties.is_empty() {
        out.push_str("\n| property | values | default | live | what it does |\n|---|---|---|---|---|\n");
        element.properties.iter().for_each(|property| property_row(out, property));
    }
    if !element.events.is_empty() {
        out.push_str("\n| event | when | data |\n|---|---|---|\n");
        element.events.iter().for_each(|event| event_row(out, event));
    }
}

/// A description whose own headings stand below the element's.
fn below(description: &str) -> String {
    let line = |line: &str| if line.starts_with('#') { format!("##{line}\n") } else { format!("{line}\n") };
    description.lines().map(line).collect::<String>().trim_end().to_owned()
}

fn property_row(out: &mut String, property: &PropertySpec) {
    let default = match &property.default {
        _ if property.required => "must be given".to_owned(),
        Value::Null => String::new(),
        Value::String(text) if text.is_empty() => String::new(),
        value => format!("`{}`", plain(value)),
    };
    let live = if property.live { "yes" } else { "" };
    row(out, &[&format!("`{}`", property.name), &kind(&property.kind), &default, live, &property.summary]);
}

fn event_row(out: &mut String, event: &EventSpec) {
    let fields = event.schema.get("properties").and_then(Value::as_object);
    let names: Vec<String> = fields.into_iter().flatten().map(|(name, schema)| field(name, schema)).collect();
    row(out, &[&format!("`{}`", event.name), &event.summary, &names.join("; ")]);
}

/// A field of an event's data with what it says.
fn field(name: &str, schema: &Value) -> String {
    let what = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let what = what.trim().trim_end_matches('.');
    if what.is_empty() { format!("`{name}`") } else { format!("`{name}`: {}", lower(what)) }
}

/// A sentence within another one: its first letter is small, unless the word is an abbreviation.
fn lower(text: &str) -> String {
    let mut chars = text.chars();
    let (first, second) = (chars.next(), chars.clone().next());
    match first {
        Some(c) if second.is_none_or(|s| !s.is_uppercase()) => c.to_lowercase().chain(chars).collect(),
        _ => text.to_owned(),
    }
}

/// A row of a table; what would end a cell or a row is written otherwise.
fn row(out: &mut String, cells: &[&str]) {
    let cells: Vec<String> =
        cells.iter().map(|cell| cell.trim().replace('|', "\\|").replace('\n', " ")).collect();
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_has_its_section_and_no_table_is_torn() {
        let catalog = anabranch_kit::registry::catalog();
        let elements: Vec<&ElementDescriptor> = catalog.iter().collect();
        let page = page("Elements", &elements);
        for element in &elements {
            assert!(page.contains(&format!("\n## {}\n", element.name)), "{}", element.name);
        }
        let mut columns = None;
        for line in page.lines() {
            if !line.starts_with('|') {
                columns = None;
                continue;
            }
            let count = line.replace("\\|", "").matches('|').count();
            assert_eq!(*columns.get_or_insert(count), count, "{line}");
        }
    }

    #[test]
    fn sentences_fit_into_others() {
        assert_eq!(
            (lower("How many."), lower("URI of it"), lower("")),
            ("how many.".into(), "URI of it".into(), "".into())
        );
    }
}
