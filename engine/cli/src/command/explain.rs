//! `anabranch explain`.

use anabranch_engine::Machine;
use anabranch_graph::diagnostic::explain_code;
use anabranch_graph::render::plan_text;
use anabranch_graph::{Completeness, check_all};
use anyhow::Result;

use crate::exit::Exit;
use crate::input::{self, Description};
use crate::output;

/// Explains what a description will do, without starting it: the plan. Or what a code like G0201 means.
///
/// The plan says which GStreamer elements run, where media is decoded, converted, encoded or queued, and why, and what
/// shares a failure. It looks into the files that the description names, to know their formats.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  anabranch explain pipelines/magic-mirror.yaml
  anabranch explain 'player uri=in.mp4 -> recorder location=out.webm'
  anabranch explain 'player uri=in.mp4 -> recorder location=out.mp4' --json | jq .links
  anabranch explain G0201")]
pub struct Args {
    #[command(flatten)]
    description: Description,
    /// The plan as JSON.
    #[arg(long)]
    json: bool,
    /// Does not look into files and addresses; formats may then be unknown.
    #[arg(long)]
    no_look: bool,
}

pub fn run(args: Args) -> Result<Exit> {
    if let Some(page) = explain_code(&args.description.text) {
        if args.json {
            output::json(page)?;
        } else {
            output::result(&format!("{}: {}\n\n{}", page.code, page.title, output::prose(page.text.trim())))?;
        }
        return Ok(Exit::Done);
    }
    let document = args.description.document()?;
    gst::init()?;
    anabranch_kit::registry::register_all(None)?;
    let catalog = anabranch_kit::registry::catalog();
    let machine = Machine::default().looking(!args.no_look);
    let checked = check_all(&document, &catalog, Some(&machine), Completeness::Complete);
    input::draw(&checked.diagnostics);
    let Some(spec) = checked.spec else { return Ok(Exit::BadInput) };
    match anabranch_graph::plan(&spec, &catalog, &machine) {
        Ok(plan) if args.json => output::json(&plan)?,
        Ok(plan) => output::result(&plan_text(&plan))?,
        Err(mut diagnostics) => {
            document.locate(&mut diagnostics);
            input::draw(&diagnostics);
            return Ok(Exit::BadInput);
        }
    }
    Ok(Exit::Done)
}
