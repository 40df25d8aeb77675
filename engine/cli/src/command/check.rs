//! `anabranch check`.

use anabranch_engine::Machine;
use anabranch_graph::catalog::Catalog;
use anabranch_graph::diagnostic::Diagnostic;
use anabranch_graph::{Completeness, Document, check_all};
use anyhow::Result;

use crate::exit::Exit;
use crate::{input, output};

/// Checks descriptions and shows everything that is wrong with them. Nothing is started.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  anabranch check pipelines/*.yaml
  anabranch check 'test-source -> recorder location=a.webm'
  anabranch check --format json mine.yaml | jq -r '.[].message'

Exit code 0 if there is no error (warnings are allowed), 2 otherwise.
A code like G0201 is explained by: anabranch explain G0201")]
pub struct Args {
    /// Files (YAML or JSON), '-' for stdin, or one-liners.
    #[arg(required = true, value_name = "DESCRIPTION")]
    descriptions: Vec<String>,
    /// For people, or for programs.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Human,
    Json,
}

pub fn run(args: Args) -> Result<Exit> {
    gst::init()?;
    anabranch_kit::registry::register_all(None)?;
    let catalog = anabranch_kit::registry::catalog();
    let machine = Machine::default();
    let mut all = Vec::new();
    let mut unreadable = false;
    for description in &args.descriptions {
        match input::read(description) {
            Ok(document) => {
                let found = findings(&document, &catalog, &machine);
                if args.format == Format::Human && !found.iter().any(Diagnostic::is_error) {
                    output::result(&format!("{}: ok\n", name_of(description)))?;
                }
                all.extend(found);
            }
            Err(error) => {
                unreadable = true;
                output::error(&format!("{error:#}"));
            }
        }
    }
    match args.format {
        Format::Human => input::draw(&all),
        Format::Json => output::json(&all)?,
    }
    let wrong = unreadable || all.iter().any(Diagnostic::is_error);
    Ok(if wrong { Exit::BadInput } else { Exit::Done })
}

/// All that is wrong with a description on this machine, warnings included.
fn findings(document: &Document, catalog: &Catalog, machine: &Machine) -> Vec<Diagnostic> {
    let checked = check_all(document, catalog, Some(machine), Completeness::Complete);
    let mut diagnostics = checked.diagnostics;
    if let Some(spec) = &checked.spec
        && let Err(mut found) = anabranch_graph::plan::plan(spec, catalog, machine)
    {
        document.locate(&mut found);
        diagnostics.extend(found);
    }
    diagnostics
}

fn name_of(description: &str) -> &str {
    if description == "-" { "stdin" } else { description }
}
