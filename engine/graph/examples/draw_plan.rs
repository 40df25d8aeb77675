//! Plans and draws a one-liner over the test catalogue:
//!
//! ```text
//! cargo run -p anabranch-graph --features test --example draw_plan -- 'player uri=clip.mp4 -> recorder location=a.webm'
//! ```
//!
//! prints the plan as text, or with `svg`, `dot` or `mermaid` after it, the picture.

use std::process::ExitCode;

use anabranch_graph::diagnostic::draw_all;
use anabranch_graph::format::Format;
use anabranch_graph::plan::Probe;
use anabranch_graph::testing::{Machine, catalog};
use anabranch_graph::{Document, check, plan, render};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let document = Document::one_liner(arguments.next().unwrap_or_default());
    let catalog = catalog();
    let machine = Machine::full().with("clip.mp4", Probe::Streams(vec![Format::H264, Format::Aac]));
    let result = check(&document, &catalog, Some(&machine)).and_then(|spec| {
        let plan = plan(&spec, &catalog, &machine).map_err(|mut found| {
            document.locate(&mut found);
            found
        })?;
        Ok((spec, plan))
    });
    match result {
        Ok((spec, plan)) => {
            match arguments.next().as_deref() {
                Some("svg") => print!("{}", render::svg(&spec, &catalog)),
                Some("dot") => print!("{}", render::dot(&spec, &catalog)),
                Some("mermaid") => print!("{}", render::mermaid(&spec, &catalog)),
                _ => print!("{}", render::plan_text(&plan)),
            }
            ExitCode::SUCCESS
        }
        Err(found) => {
            eprint!("{}", draw_all(&found, true));
            ExitCode::from(2)
        }
    }
}
