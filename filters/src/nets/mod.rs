//! Neural networks that look at pictures: what the filters that run one share.
//!
//! A [`Spec`] says how a picture becomes a network's input ([`input`]) and what its outputs mean: one decoder for each
//! [`family`] of networks. Specs of our own models are made by the filters; those of anybody's models are read from a YAML
//! file ([`yaml`]) or from a `.modelinfo` beside the model ([`modelinfo`]). A [`Net`] is a spec with its model.

pub mod boxes;
pub mod family;
pub mod input;
pub mod modelinfo;
mod scan;
pub mod told;
pub mod yaml;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anabranch_kit::filter::FilterError;
use anabranch_kit::inference::{self, Backend, Inference, InferenceError, Tensor};
use anabranch_kit::onnx::Summary;
use anabranch_kit::regions::Region;
use anabranch_kit::sample::Sample;

use family::Family;
use input::{Input, Mapping};

/// How a model is used.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// How a picture becomes its input.
    pub input: Input,
    /// What its outputs mean.
    pub family: Family,
    /// What is kept of what it finds.
    pub wish: Wish,
}

/// How a model is used, from its YAML file or from the `.modelinfo` beside it.
///
/// # Errors
///
/// A sentence that names the file, and the line and the field if it is one of them.
pub fn spec_of(model: &Path, spec: Option<&Path>) -> Result<Spec, String> {
    let summary = Summary::of_file(model)?;
    let characters = summary.metadata.get("character").map(String::as_str);
    if let Some(spec) = spec {
        return yaml::read(spec, characters);
    }
    spec_beside(model)?.ok_or_else(|| {
        format!(
            "what {} is, nobody says: set 'spec' to a YAML file, or put {} beside it",
            model.display(),
            model.with_extension("modelinfo").display()
        )
    })
}

/// How a model is used, from the `.modelinfo` beside it; none if there is no such file.
///
/// # Errors
///
/// As [`spec_of`].
pub fn spec_beside(model: &Path) -> Result<Option<Spec>, String> {
    let beside = [model.with_extension("modelinfo"), PathBuf::from(format!("{}.modelinfo", model.display()))];
    beside.iter().find(|path| path.is_file()).map(|path| modelinfo::read(path)).transpose()
}

/// A picture from a PNG or JPEG file.
///
/// # Errors
///
/// A sentence that names the file.
pub fn read_picture(path: &Path) -> Result<Sample, String> {
    let picture = image::open(path).map_err(|e| format!("{}: {e}", path.display()))?.into_rgb8();
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    Ok(Sample { width, height, rgb: picture.into_raw() })
}

/// What is kept of what a network finds.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// The least score.
    pub threshold: f32,
    /// Boxes of one label that overlap more (intersection over union) are the same thing.
    pub overlap: f32,
    /// No more than this.
    pub most: usize,
    /// The names of the classes, in the network's order.
    pub labels: Vec<String>,
}

impl Wish {
    /// The name of a class.
    pub fn label(&self, class: usize) -> String {
        self.labels.get(class).cloned().unwrap_or_else(|| format!("class-{class}"))
    }
}

/// What a network said: its outputs in order, with their names.
#[derive(Clone, Copy, Debug)]
pub struct Outputs<'a> {
    /// The names.
    pub names: &'a [String],
    /// The numbers.
    pub tensors: &'a [Tensor],
}

impl<'a> Outputs<'a> {
    /// The output with so many numbers.
    pub fn of_length(&self, length: usize) -> Option<&'a [f32]> {
        self.tensors.iter().find(|t| t.data.len() == length).map(|t| t.data.as_slice())
    }

    /// The output with this name, else the one at this place.
    pub fn named(&self, name: &str, place: usize) -> Option<&'a Tensor> {
        let at = self.names.iter().position(|n| n == name).unwrap_or(place);
        self.tensors.get(at)
    }

    /// The shapes, for an error text.
    pub fn shapes(&self) -> String {
        let shapes: Vec<String> = self.tensors.iter().map(|t| format!("{:?}", t.shape)).collect();
        shapes.join(", ")
    }
}

/// Why a network said nothing of use.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The model does not run.
    #[error(transparent)]
    Inference(#[from] InferenceError),
    /// Its outputs are not those of its family.
    #[error("{model}: {reason}")]
    Outputs {
        /// The model's file.
        model: String,
        /// What is expected and what came.
        reason: String,
    },
}

/// What a filter says of it: other outputs than expected will never be better, the rest may.
pub fn net_error(error: NetError) -> FilterError {
    match error {
        NetError::Outputs { .. } => FilterError::fatal(error),
        NetError::Inference(error) => FilterError::failed(error),
    }
}

/// A model with its spec.
pub struct Net {
    path: PathBuf,
    backend: Backend,
    spec: Spec,
    loaded: Option<([usize; 4], Arc<dyn Inference>)>,
}

impl Net {
    /// A model from a file. It is loaded by the first [`Net::look`] or [`Net::prepare`].
    pub fn new(path: &Path, spec: Spec, backend: Backend) -> Self {
        Net { path: path.to_owned(), backend, spec, loaded: None }
    }

    /// A model of the manifest.
    ///
    /// # Errors
    ///
    /// It is not installed; the text says how to.
    pub fn installed(name: &str, spec: Spec, backend: Backend) -> Result<Self, InferenceError> {
        Ok(Net::new(&anabranch_kit::models::path(name)?, spec, backend))
    }

    /// The spec.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Changes what is kept of what it finds.
    pub fn wish(&mut self) -> &mut Wish {
        &mut self.spec.wish
    }

    /// The engine that runs it, once it is loaded.
    pub fn engine(&self) -> Option<&'static str> {
        self.loaded.as_ref().map(|(_, model)| model.backend())
    }

    /// Loads the model for pictures of a size.
    ///
    /// # Errors
    ///
    /// See [`InferenceError`].
    pub fn prepare(&mut self, width: usize, height: usize) -> Result<(), InferenceError> {
        let shape = self.spec.input.shape(width, height);
        self.load(shape).map(|_| ())
    }

    fn load(&mut self, shape: [usize; 4]) -> Result<Arc<dyn Inference>, InferenceError> {
        if let Some((loaded, model)) = &self.loaded
            && *loaded == shape
        {
            return Ok(model.clone());
        }
        let model = inference::load_file(&self.path, self.backend, shape)?;
        self.loaded = Some((shape, model.clone()));
        Ok(model)
    }

    /// Runs the network on a picture; returns what its outputs are, undecoded.
    ///
    /// # Errors
    ///
    /// See [`InferenceError`].
    pub fn run(&mut self, sample: &Sample) -> Result<(Vec<String>, Vec<Tensor>, Mapping), InferenceError> {
        let (tensor, mapping) = self.spec.input.prepare(sample);
        let model = self.load(self.spec.input.shape(sample.width, sample.height))?;
        Ok((model.outputs().to_vec(), model.run(&tensor)?, mapping))
    }

    /// What the network finds in a picture, best first.
    ///
    /// # Errors
    ///
    /// See [`NetError`].
    pub fn look(&mut self, sample: &Sample) -> Result<Vec<Region>, NetError> {
        let (names, tensors, mapping) = self.run(sample)?;
        let outputs = Outputs { names: &names, tensors: &tensors };
        self.spec.family.decode(&outputs, &mapping, &self.spec.wish).map_err(|reason| NetError::Outputs {
            model: self.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            reason,
        })
    }
}
