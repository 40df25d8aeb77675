//! `anabranch new-filter`.

use std::io::Write;
use std::path::{Path, PathBuf};

use anabranch_kit::scaffold;
use anyhow::{Context, Result};

use crate::exit::{Exit, bad_input};
use crate::output;

/// Writes a new filter: a file that compiles, with its test, and an example pipeline. Nothing else has to be touched.
///
/// Run it in a clone of the project. With --python it is a Python file for the element python-filter, which needs no clone
/// and no compiler.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  anabranch new-filter wobble
  cargo nextest run --release -p anabranch-filters wobble
  cargo run --release -p anabranch -- run pipelines/wobble.yaml
  anabranch new-filter who-crosses --python tracker")]
pub struct Args {
    /// Its name: small letters, digits and dashes, such as edge-finder.
    name: String,
    /// Writes NAME.py, a filter in Python, into the current folder.
    #[arg(long, value_name = "TEMPLATE", num_args = 0..=1, default_missing_value = "blobs")]
    python: Option<Template>,
    /// The project's folder.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    project: PathBuf,
}

/// What a filter in Python begins with.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Template {
    /// Finds bright or dark blobs.
    Blobs,
    /// Draws the edges of the picture.
    Edges,
    /// Follows what moves, and tells who crosses a line.
    Tracker,
}

pub fn run(args: Args) -> Result<Exit> {
    let files = scaffold::new_filter(&args.name).map_err(|error| bad_input(error.to_string()))?;
    if let Some(template) = args.python {
        return python(&args.name, template);
    }
    if !args.project.join("filters/src").is_dir() {
        let folder = args.project.display();
        return Err(bad_input(format!("{folder} is no clone of Anabranch: it has no folder filters/src")));
    }
    if anabranch_kit::registry::catalog().get(&args.name).is_some() {
        return Err(bad_input(format!("there is an element type '{}' already", args.name)));
    }
    if let Some((path, _)) = files.iter().find(|(path, _)| args.project.join(path).exists()) {
        return Err(bad_input(format!("{} exists already", path.display())));
    }
    for (path, text) in &files {
        create(&args.project.join(path), text)?;
        output::result(&format!("{}\n", path.display()))?;
    }
    let (name, module) = (&args.name, args.name.replace('-', "_"));
    output::note(&format!(
        "Now:\n  cargo nextest run --release -p anabranch-filters {module}\n  \
         make build && target/release/anabranch run pipelines/{name}.yaml\n  \
         make pages    # so that editors and docs/filters.md know it"
    ));
    Ok(Exit::Done)
}

fn python(name: &str, template: Template) -> Result<Exit> {
    let (template, options) = match template {
        Template::Blobs => ("blobs", ""),
        Template::Edges => ("edges", " mode=inline"),
        Template::Tracker => ("tracker", ""),
    };
    let text =
        gstanabranchpython::package::template(template).context("the template is not in this program")?;
    let path = PathBuf::from(format!("{}.py", name.replace('-', "_")));
    if path.exists() {
        return Err(bad_input(format!("{} exists already", path.display())));
    }
    create(&path, text)?;
    let path = path.display();
    output::result(&format!("{path}\n"))?;
    output::note(&format!(
        "Now:\n  anabranch show --python {path}\n  \
         anabranch run 'player uri=film.mp4 -> python-filter file={path}{options} -> null-sink' --events json"
    ));
    Ok(Exit::Done)
}

/// Writes a file that does not exist yet.
fn create(path: &Path, text: &str) -> Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    let mut file = std::fs::File::options().write(true).create_new(true).open(path).with_context(cannot)?;
    file.write_all(text.as_bytes()).with_context(cannot)
}
