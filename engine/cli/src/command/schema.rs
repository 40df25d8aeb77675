//! `anabranch schema`.

use anyhow::Result;

use crate::exit::Exit;
use crate::output;

/// Prints the JSON Schema of descriptions, for editors that complete and check them.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  anabranch schema > pipelines/schema.json

Put this line at the top of a YAML file, and editors with a YAML language server use it:
  # yaml-language-server: $schema=schema.json")]
pub struct Args {}

pub fn run(_: Args) -> Result<Exit> {
    output::json(&anabranch_graph::schema::description_schema(&anabranch_kit::registry::catalog()))?;
    Ok(Exit::Done)
}
