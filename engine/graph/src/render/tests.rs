use crate::check;
use crate::document::Document;
use crate::spec::GraphSpec;
use crate::testing::catalog;

use super::*;

fn spec() -> GraphSpec {
    let text = "player uri=a -> mirror:face-overlay image=x -> r:recorder location=a.webm; player.audio -> r; player.video -> s:snapshot location=x.png";
    check(Document::one_liner(text), &catalog(), None).unwrap()
}

#[test]
fn dot_has_every_element_and_link() {
    let text = dot(&spec(), &catalog());
    assert!(text.contains("\"mirror\" [label=\"mirror\\nface-overlay\""), "{text}");
    assert!(text.contains("\"player\" -> \"mirror\" [label=\"video\"]"), "{text}");
    assert!(text.contains("\"player\" -> \"r\" [label=\"audio\", style=dashed]"), "{text}");
}

#[test]
fn mermaid_has_every_element_and_link() {
    let text = mermaid(&spec(), &catalog());
    assert!(text.starts_with("flowchart LR\n"));
    assert!(text.contains("n1(\"<b>mirror</b><br/>face-overlay\")"), "{text}");
    assert!(text.contains("n0 -.->|\"audio\"| n2"), "{text}");
}

#[test]
fn svg_has_every_element_and_link() {
    let text = svg(&spec(), &catalog());
    assert!(text.starts_with("<svg xmlns"));
    assert!(text.trim_end().ends_with("</svg>"));
    assert_eq!(text.matches(">face-overlay</text>").count(), 1);
    assert_eq!(text.matches("<path d=\"M").count(), 1 + 4);
    assert_eq!(text.matches(">video</text>").count(), 3);
    // A peer that is linked to itself, and a graph without elements, are pictures too.
    let own = check(Document::one_liner("p:peer -> p"), &catalog(), None).unwrap();
    assert!(svg(&own, &catalog()).contains(">peer</text>"));
    let empty = GraphSpec::empty("a<b");
    assert!(svg(&empty, &catalog()).contains("a&lt;b"));
}
