//! Mermaid, which many web pages draw by themselves.

use std::fmt::Write;

use crate::catalog::{Catalog, Role};
use crate::spec::GraphSpec;

use super::picture::Picture;

/// The graph as a Mermaid flow chart.
pub fn mermaid(spec: &GraphSpec, catalog: &Catalog) -> String {
    let picture = Picture::new(spec, catalog);
    let number = |id: &str| picture.boxes.iter().position(|block| block.id == id).unwrap_or_default();
    let mut out = String::from("flowchart LR\n");
    // Writing to a String cannot fail. Ids are numbered: Mermaid has reserved words.
    for (index, block) in picture.boxes.iter().enumerate() {
        let text = format!("<b>{}</b><br/>{}", escape(block.id), escape(block.type_name));
        let (open, close) = match block.role {
            Some(Role::Source | Role::Sink | Role::Endpoint) => ("([\"", "\"])"),
            _ => ("(\"", "\")"),
        };
        let _ = writeln!(out, "  n{index}{open}{text}{close}");
    }
    for arrow in &picture.arrows {
        let line = if arrow.crosses { "-.->" } else { "-->" };
        let labels: Vec<String> = arrow.labels.iter().map(|label| escape(label)).collect();
        let _ = writeln!(
            out,
            "  n{} {line}|\"{}\"| n{}",
            number(arrow.from),
            labels.join("<br/>"),
            number(arrow.to)
        );
    }
    for (index, block) in picture.boxes.iter().enumerate() {
        let colours = block.colours();
        let _ = writeln!(out, "  style n{index} fill:{},stroke:{}", colours.fill, colours.edge);
    }
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('#', "&#35;")
}
