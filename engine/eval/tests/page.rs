//! What docs/eval.md shows is right.
#![allow(clippy::unwrap_used, reason = "tests")]

use anabranch_eval::FrameResults;
use anabranch_eval::truth::{Format, Key, When, parse};

const PAGE: &str = include_str!("../../../docs/eval.md");

/// The first block of code of this language.
fn block(language: &str) -> String {
    let start = PAGE.find(&format!("```{language}\n")).unwrap();
    let body = &PAGE[start..];
    let lines = body.lines().skip(1).take_while(|line| !line.trim_start().starts_with("```"));
    lines.map(|line| line.trim_start().to_owned() + "\n").collect()
}

#[test]
fn the_table_in_the_page_is_truth() {
    let truth = parse(Format::Csv, "docs/eval.md", &block("csv")).unwrap();
    let first = &truth.frames[&Key::Frame(0)];
    assert_eq!((first.things.len(), first.things[0].id), (2, Some(1)));
    assert_eq!(first.things[1].text.as_deref(), Some("B-AN 2026"));
    assert_eq!(truth.events[0].when, Some(When::Frame(25)));
}

#[test]
fn the_line_of_results_in_the_page_is_one() {
    let results: FrameResults = serde_json::from_str(block("json").trim()).unwrap();
    assert_eq!(results.detections[0].label, "face");
}

#[test]
fn the_page_names_all_places_where_truth_is_looked_for() {
    for (name, format) in Format::ALL {
        let row = PAGE.lines().find(|line| line.starts_with(&format!("| `{name}` |"))).unwrap();
        for place in format.usual_places() {
            assert!(row.contains(&format!("`{place}`")), "{place} is not in: {row}");
        }
    }
}
