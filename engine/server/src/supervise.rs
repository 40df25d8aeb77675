//! The pipelines of the configuration: started with the server, and again when they fail.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anabranch_engine::{Event, EventKind, OutcomeKind};
use anabranch_graph::catalog::Role;
use anabranch_graph::diagnostic::Diagnostic;
use anabranch_graph::spec::GraphSpec;
use anabranch_graph::{Completeness, Document, check_all};
use serde_json::json;

use crate::App;
use crate::problem::Problem;

/// The pause before the second start, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// A pipeline that ran this long begins anew with short pauses.
const GOOD_RUN: Duration = Duration::from_secs(60);

/// Why a description of the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DescriptionError {
    /// The file cannot be read.
    #[error("{}: {reason}", .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// It has mistakes.
    #[error("{} has mistakes", .file.display())]
    Mistakes {
        /// The file.
        file: PathBuf,
        /// All of them.
        diagnostics: Vec<Diagnostic>,
    },
    /// Two have the same name.
    #[error("{}: another description is named '{name}', too", .file.display())]
    SameName {
        /// The file.
        file: PathBuf,
        /// The name.
        name: String,
    },
}

/// A description of the configuration.
pub(crate) struct Standing {
    spec: GraphSpec,
    keep_running: bool,
}

impl Standing {
    /// Lets the guard connect to what it names.
    pub fn trust(&self, app: &App) {
        app.policy().trust(app.engine().catalog(), &self.spec);
    }
}

/// Reads and checks the descriptions of the configuration.
pub(crate) fn read(app: &App) -> Result<Vec<Standing>, DescriptionError> {
    let mut all: Vec<Standing> = Vec::new();
    for file in &app.config().pipelines {
        let standing = read_one(app, file)?;
        let name = standing.spec.name.clone();
        if all.iter().any(|other| other.spec.name == name) {
            return Err(DescriptionError::SameName { file: file.clone(), name });
        }
        all.push(standing);
    }
    Ok(all)
}

fn read_one(app: &App, file: &Path) -> Result<Standing, DescriptionError> {
    let text = std::fs::read_to_string(file)
        .map_err(|reason| DescriptionError::Read { file: file.to_owned(), reason })?;
    let document = Document::yaml(file.to_string_lossy(), text);
    let engine = app.engine();
    let checked = check_all(&document, engine.catalog(), Some(engine.machine()), Completeness::Complete);
    for warning in checked.diagnostics.iter().filter(|d| !d.is_error() && checked.spec.is_some()) {
        tracing::warn!(target: "pipeline", file = %file.display(), line = warning.line, "{}", warning.message);
    }
    let mistakes = |diagnostics| DescriptionError::Mistakes { file: file.to_owned(), diagnostics };
    let mut spec = checked.spec.ok_or_else(|| mistakes(checked.diagnostics))?;
    for node in spec.nodes.values_mut() {
        app.policy().fill(&node.type_name, &mut node.properties);
    }
    engine.plan(&spec).map_err(|mut error| {
        document.locate(&mut error.diagnostics);
        mistakes(error.diagnostics)
    })?;
    let is_peer = |name: &str| engine.catalog().get(name).is_some_and(|d| d.role == Role::Endpoint);
    let keep_running = spec.nodes.values().any(|n| is_peer(&n.type_name));
    Ok(Standing { spec, keep_running })
}

/// Starts them and keeps them running until the server stops.
pub(crate) fn start(app: &App, all: Vec<Standing>) {
    app.wait_for(all.iter().map(|s| s.spec.name.clone()).collect());
    for standing in all {
        tokio::spawn(supervise(app.clone(), standing));
    }
}

async fn supervise(app: App, standing: Standing) {
    let name = standing.spec.name.clone();
    let mut pause = PAUSES.0;
    for attempt in 1_u32.. {
        let began = Instant::now();
        let reason = match run(&app, &standing).await {
            Ok(None) => return,
            Ok(Some(reason)) => reason,
            Err(problem) => problem.detail,
        };
        if began.elapsed() >= GOOD_RUN {
            pause = PAUSES.0;
        }
        let seconds = pause.as_secs();
        tracing::warn!(target: "pipeline", pipeline = name, attempt, "started again in {seconds} s: {reason}");
        app.hub().say(Arc::new(Event {
            seq: 0,
            time: 0.0,
            pipeline: name.clone(),
            element: None,
            kind: EventKind::Element {
                name: "pipeline-restarting".to_owned(),
                data: json!({ "attempt": attempt, "in_seconds": seconds, "reason": reason }),
            },
        }));
        tokio::select! {
            () = app.stopping().cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// One run; returns why it must be started again, or none if it need not.
async fn run(app: &App, standing: &Standing) -> Result<Option<String>, Problem> {
    let name = &standing.spec.name;
    let hosted = app.registry().create(name, standing.spec.clone(), standing.keep_running)?;
    crate::api::pipelines::start(app, &hosted).await?;
    app.runs(name);
    let outcome = hosted.pipeline.wait().await;
    let stopping = app.stopping().is_cancelled();
    Ok(match outcome.result {
        OutcomeKind::Failed | OutcomeKind::TimedOut if !stopping => {
            let first = outcome.failures.first();
            Some(first.map_or_else(|| "it failed".to_owned(), |f| format!("{}: {}", f.element, f.reason)))
        }
        _ => None,
    })
}
