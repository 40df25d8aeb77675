//! Running neural networks: one interface, two engines.
//!
//! `tract` is pure Rust and part of the program (feature `tract`); `ort` is ONNX Runtime, three to four times as fast,
//! loaded at run time from `$ANABRANCH_ONNXRUNTIME` or the model cache (feature `ort`). Both use one thread for one
//! picture. A model that is loaded is shared by all elements of the process.

#[cfg(feature = "ort")]
mod onnxruntime;
#[cfg(feature = "tract")]
mod tract;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::models::{self, ModelError};
use crate::onnx::{Operator, Summary};

/// How many loaded models are kept for the next element that wants them.
const KEPT: usize = 8;

/// Which engine runs a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// ONNX Runtime if it is installed, else tract.
    #[default]
    Auto,
    /// The engine that is part of the program.
    Tract,
    /// ONNX Runtime.
    Ort,
}

/// Numbers in a box of some shape, in C order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tensor {
    /// The size in each dimension; pictures are N, C, H, W.
    pub shape: Vec<usize>,
    /// The numbers.
    pub data: Vec<f32>,
}

/// A model that is ready to run.
pub trait Inference: Send + Sync {
    /// The engine that runs it: `tract` or `ort`.
    fn backend(&self) -> &'static str;

    /// The names of its outputs, in order.
    fn outputs(&self) -> &[String];

    /// Runs it on one input.
    ///
    /// # Errors
    ///
    /// The engine refused; its words are in the error.
    fn run(&self, input: &Tensor) -> Result<Vec<Tensor>, InferenceError>;
}

/// Why a model does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InferenceError {
    /// The model is not here.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// ONNX Runtime is not here.
    #[error("ONNX Runtime is not installed; run: anabranch models install onnxruntime")]
    NoRuntime,
    /// The program was built without this engine.
    #[error("this program was built without the engine '{0}'")]
    NotBuilt(&'static str),
    /// The engine refused the model or the input.
    #[error("{engine} cannot run {model}: {reason}")]
    Engine {
        /// The engine.
        engine: &'static str,
        /// The model.
        model: String,
        /// What the engine said.
        reason: String,
    },
}

/// The environment variable that may name the ONNX Runtime library.
pub const ONNXRUNTIME_VARIABLE: &str = "ANABRANCH_ONNXRUNTIME";

/// The file of the ONNX Runtime library: the one that [`ONNXRUNTIME_VARIABLE`] names, else the installed one.
pub fn onnxruntime_path() -> Option<PathBuf> {
    match std::env::var_os(ONNXRUNTIME_VARIABLE).filter(|v| !v.is_empty()) {
        Some(path) => Some(PathBuf::from(path)).filter(|p| p.is_file()),
        None => models::path("onnxruntime").ok(),
    }
}

/// The engines that can run now, fastest first.
pub fn backends() -> Vec<Backend> {
    let mut all = Vec::new();
    if cfg!(feature = "ort") && onnxruntime_path().is_some() {
        all.push(Backend::Ort);
    }
    if cfg!(feature = "tract") {
        all.push(Backend::Tract);
    }
    all
}

/// The operators of a model that an engine does not have. Of ONNX Runtime only those are known that belong to nobody it
/// knows.
pub fn lacking(model: &Summary, backend: Backend) -> Vec<Operator> {
    let has = |operator: &Operator| match backend {
        #[cfg(feature = "tract")]
        Backend::Tract => tract::has(operator),
        _ => ["", "ai.onnx.ml", "com.microsoft"].contains(&operator.domain.as_str()),
    };
    model.operators.keys().filter(|operator| !has(operator)).cloned().collect()
}

/// Checks that a model of the manifest and the engine are there, without loading either.
///
/// # Errors
///
/// What is missing, with the command that installs it.
pub fn check(model: &str, backend: Backend) -> Result<(), InferenceError> {
    models::path(model)?;
    resolve(backend).map(|_| ())
}

/// Auto becomes the engine that it stands for.
fn resolve(backend: Backend) -> Result<Backend, InferenceError> {
    match backend {
        Backend::Tract if cfg!(feature = "tract") => Ok(Backend::Tract),
        Backend::Tract => Err(InferenceError::NotBuilt("tract")),
        Backend::Ort if !cfg!(feature = "ort") => Err(InferenceError::NotBuilt("ort")),
        Backend::Ort if onnxruntime_path().is_none() => Err(InferenceError::NoRuntime),
        Backend::Ort => Ok(Backend::Ort),
        Backend::Auto => match backends().first() {
            Some(first) => Ok(*first),
            // With `ort` alone it can be helped; without both it cannot.
            None if cfg!(feature = "ort") => Err(InferenceError::NoRuntime),
            None => Err(InferenceError::NotBuilt("tract")),
        },
    }
}

/// Loads a model of the manifest for inputs of one shape, or takes the one that is loaded already.
///
/// # Errors
///
/// See [`InferenceError`]; the text says what to do.
pub fn load(model: &str, backend: Backend, shape: [usize; 4]) -> Result<Arc<dyn Inference>, InferenceError> {
    let path = models::path(model)?;
    load_file(&path, backend, shape)
}

type Key = (PathBuf, Backend, [usize; 4]);

/// Loads an ONNX file; see [`load`].
///
/// # Errors
///
/// See [`InferenceError`].
pub fn load_file(
    path: &Path,
    backend: Backend,
    shape: [usize; 4],
) -> Result<Arc<dyn Inference>, InferenceError> {
    static LOADED: Mutex<Vec<(Key, Arc<dyn Inference>)>> = Mutex::new(Vec::new());
    let key = (path.to_owned(), resolve(backend)?, shape);
    // Held while loading, so that ten elements that start together load it once.
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(at) = loaded.iter().position(|(k, _)| *k == key) {
        let entry = loaded.remove(at);
        let model = entry.1.clone();
        loaded.push(entry);
        return Ok(model);
    }
    let model = open(&key)?;
    if loaded.len() >= KEPT {
        loaded.remove(0);
    }
    loaded.push((key, model.clone()));
    Ok(model)
}

fn open(key: &Key) -> Result<Arc<dyn Inference>, InferenceError> {
    match key.1 {
        #[cfg(feature = "tract")]
        Backend::Tract => tract::open(&key.0, key.2),
        #[cfg(feature = "ort")]
        Backend::Ort => {
            let library = onnxruntime_path().ok_or(InferenceError::NoRuntime)?;
            onnxruntime::open(&key.0, &library)
        }
        _ => Err(InferenceError::NotBuilt("tract")),
    }
}

/// The error of an engine, with the model's name.
#[cfg(any(feature = "tract", feature = "ort"))]
fn engine_error(engine: &'static str, path: &Path, reason: impl std::fmt::Display) -> InferenceError {
    let model = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    InferenceError::Engine { engine, model, reason: format!("{reason:#}") }
}
