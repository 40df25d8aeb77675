//! ONNX Runtime, loaded at run time.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use ort::environment::Environment;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::TensorRef;

use super::{Inference, InferenceError, Tensor, engine_error};

struct Model {
    path: PathBuf,
    environment: Environment,
    sessions: Mutex<Sessions>,
    freed: Condvar,
    outputs: Vec<String>,
}

/// A session runs one input at a time. There is one until two streams want it at once, and never more than there are
/// processors.
struct Sessions {
    idle: Vec<Session>,
    made: usize,
}

/// The library can be loaded once per process.
fn environment(library: &Path) -> Result<Environment, InferenceError> {
    static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);
    let mut environment = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = environment.as_ref() {
        return Ok(environment.clone());
    }
    let fresh = ort::init_from(library)
        .map_err(|e| engine_error("ort", library, e))?
        .with_name("anabranch")
        .with_telemetry(false)
        .build()
        .map_err(|e| engine_error("ort", library, e))?;
    *environment = Some(fresh.clone());
    Ok(fresh)
}

pub(super) fn open(path: &Path, library: &Path) -> Result<Arc<dyn Inference>, InferenceError> {
    let environment = environment(library)?;
    let session = prepare(&environment, path)?;
    let outputs = session.outputs().iter().map(|o| o.name().to_owned()).collect();
    Ok(Arc::new(Model {
        path: path.to_owned(),
        environment,
        sessions: Mutex::new(Sessions { idle: vec![session], made: 1 }),
        freed: Condvar::new(),
        outputs,
    }))
}

fn prepare(environment: &Environment, path: &Path) -> Result<Session, InferenceError> {
    let build = || -> Result<Session, String> {
        let text = |e: ort::Error<ort::session::builder::SessionBuilder>| e.to_string();
        Session::builder(environment)
            .map_err(|e| e.to_string())?
            .with_optimization_level(GraphOptimizationLevel::Level3)
            .map_err(text)?
            .with_intra_threads(1)
            .map_err(text)?
            .with_inter_threads(1)
            .map_err(text)?
            .with_intra_op_spinning(false)
            .map_err(text)?
            .commit_from_file(path)
            .map_err(|e| e.to_string())
    };
    build().map_err(|e| engine_error("ort", path, e))
}

impl Model {
    fn take(&self) -> Result<Session, InferenceError> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(session) = sessions.idle.pop() {
                return Ok(session);
            }
            if sessions.made < crate::turns::processors() {
                sessions.made += 1;
                drop(sessions);
                return prepare(&self.environment, &self.path).inspect_err(|_| self.lose());
            }
            sessions = self.freed.wait(sessions).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lose(&self) {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).made -= 1;
        self.freed.notify_one();
    }
}

/// A session that goes back when it is not used any more.
struct Lease<'a> {
    model: &'a Model,
    session: Option<Session>,
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        match self.session.take().filter(|_| !std::thread::panicking()) {
            Some(session) => {
                let mut sessions = self.model.sessions.lock().unwrap_or_else(PoisonError::into_inner);
                sessions.idle.push(session);
                drop(sessions);
                self.model.freed.notify_one();
            }
            // What panicked in the middle of a run is not used again.
            None => self.model.lose(),
        }
    }
}

impl Inference for Model {
    fn backend(&self) -> &'static str {
        "ort"
    }

    fn outputs(&self) -> &[String] {
        &self.outputs
    }

    fn run(&self, input: &Tensor) -> Result<Vec<Tensor>, InferenceError> {
        let mut lease = Lease { model: self, session: Some(self.take()?) };
        let Some(session) = &mut lease.session else { return Ok(Vec::new()) };
        let mut run = || -> Result<Vec<Tensor>, ort::Error> {
            let view = TensorRef::from_array_view((input.shape.clone(), input.data.as_slice()))?;
            let outputs = session.run(ort::inputs![view])?;
            outputs
                .values()
                .map(|value| {
                    let (shape, data) = value.try_extract_tensor::<f32>()?;
                    let shape = shape.iter().map(|n| usize::try_from(*n).unwrap_or(0)).collect();
                    Ok(Tensor { shape, data: data.to_vec() })
                })
                .collect()
        };
        run().map_err(|e| engine_error("ort", &self.path, e))
    }
}
