//! `anabranch graph`.

use std::path::PathBuf;

use anabranch_graph::render::{dot, mermaid, svg};
use anabranch_graph::{Completeness, check_all};
use anyhow::Result;

use crate::exit::{Exit, bad_input};
use crate::input::{self, Description};
use crate::output;

/// Draws a description.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  anabranch graph pipelines/magic-mirror.yaml -o mirror.svg
  anabranch graph pipelines/magic-mirror.yaml --format mermaid
  anabranch graph pipelines/magic-mirror.yaml --format dot | dot -Tpdf -o mirror.pdf")]
pub struct Args {
    #[command(flatten)]
    description: Description,
    /// The form; by default what the output's name says, else SVG.
    #[arg(long, short, value_enum)]
    format: Option<Format>,
    /// Writes to this file instead of stdout.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A picture for a browser; needs no Graphviz.
    Svg,
    /// For Graphviz.
    Dot,
    /// For Markdown.
    Mermaid,
}

pub fn run(args: Args) -> Result<Exit> {
    let document = args.description.document()?;
    let catalog = anabranch_kit::registry::catalog();
    // A picture needs nothing of this machine, so GStreamer is not asked.
    let checked = check_all(&document, &catalog, None, Completeness::Complete);
    input::draw(&checked.diagnostics);
    let Some(spec) = checked.spec else { return Ok(Exit::BadInput) };
    let picture = match args.format.unwrap_or_else(|| by_name(args.output.as_deref())) {
        Format::Svg => svg(&spec, &catalog),
        Format::Dot => dot(&spec, &catalog),
        Format::Mermaid => mermaid(&spec, &catalog),
    };
    match &args.output {
        None => output::result(&picture)?,
        Some(path) => {
            std::fs::write(path, picture)
                .map_err(|error| bad_input(format!("cannot write {}: {error}", path.display())))?;
        }
    }
    Ok(Exit::Done)
}

fn by_name(path: Option<&std::path::Path>) -> Format {
    match path.and_then(|p| p.extension()).and_then(|e| e.to_str()) {
        Some("dot" | "gv") => Format::Dot,
        Some("mmd" | "mermaid" | "md") => Format::Mermaid,
        _ => Format::Svg,
    }
}
