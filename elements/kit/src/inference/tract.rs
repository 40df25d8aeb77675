//! The engine in pure Rust.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tract_onnx::prelude::*;

use super::{Inference, InferenceError, Tensor, engine_error};
use crate::onnx::Operator;

struct Model {
    path: PathBuf,
    plan: Arc<TypedRunnableModel>,
    outputs: Vec<String>,
}

pub(super) fn open(path: &Path, shape: [usize; 4]) -> Result<Arc<dyn Inference>, InferenceError> {
    let prepare = || -> TractResult<Model> {
        // The shapes that a file states for its outputs are often those of another input size.
        let model = tract_onnx::onnx().with_ignore_output_shapes(true).model_for_path(path)?;
        let outputs = model
            .output_outlets()?
            .iter()
            .map(|outlet| model.outlet_label(*outlet).unwrap_or(&model.node(outlet.node).name).to_owned())
            .collect();
        let plan = model.with_input_fact(0, f32::fact(shape).into())?.into_optimized()?.into_runnable()?;
        Ok(Model { path: path.to_owned(), plan, outputs })
    };
    Ok(Arc::new(prepare().map_err(|e| engine_error("tract", path, e))?))
}

/// Whether the engine has an operator, in some form at least.
pub(super) fn has(operator: &Operator) -> bool {
    tract_onnx::onnx().op_register.0.contains_key(&operator.name)
}

impl Inference for Model {
    fn backend(&self) -> &'static str {
        "tract"
    }

    fn outputs(&self) -> &[String] {
        &self.outputs
    }

    fn run(&self, input: &Tensor) -> Result<Vec<Tensor>, InferenceError> {
        let run = || -> TractResult<Vec<Tensor>> {
            let input = tract_onnx::prelude::Tensor::from_shape(&input.shape, &input.data)?;
            let outputs = self.plan.run(tvec!(input.into()))?;
            outputs
                .iter()
                .map(|output| {
                    let data = output.try_as_plain_ram()?.as_slice::<f32>()?.to_vec();
                    Ok(Tensor { shape: output.shape().to_vec(), data })
                })
                .collect()
        };
        run().map_err(|e| engine_error("tract", &self.path, e))
    }
}
