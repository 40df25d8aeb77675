//! Graphviz DOT.

use std::fmt::Write;

use crate::catalog::{Catalog, Role};
use crate::spec::GraphSpec;

use super::picture::Picture;

/// The graph in Graphviz's language.
pub fn dot(spec: &GraphSpec, catalog: &Catalog) -> String {
    let picture = Picture::new(spec, catalog);
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(out, "digraph {} {{", quote(picture.name));
    out.push_str("  rankdir=LR;\n");
    out.push_str("  graph [fontname=\"sans-serif\"];\n");
    out.push_str("  node [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\", fontsize=12];\n");
    out.push_str(
        "  edge [fontname=\"sans-serif\", fontsize=10, color=\"#6b7280\", fontcolor=\"#374151\"];\n",
    );
    for block in &picture.boxes {
        let colours = block.colours();
        let bold = if matches!(block.role, Some(Role::Filter)) { "" } else { ", penwidth=2" };
        let _ = writeln!(
            out,
            "  {} [label={}, fillcolor=\"{}\", color=\"{}\"{bold}];",
            quote(block.id),
            quote(&format!("{}\n{}", block.id, block.type_name)),
            colours.fill,
            colours.edge,
        );
    }
    for arrow in &picture.arrows {
        let style = if arrow.crosses { ", style=dashed" } else { "" };
        let label = quote(&arrow.labels.join("\n"));
        let _ = writeln!(out, "  {} -> {} [label={label}{style}];", quote(arrow.from), quote(arrow.to));
    }
    out.push_str("}\n");
    out
}

fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
