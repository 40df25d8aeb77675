//! TensorFlow Lite files to ONNX files.
//!
//! Good models come in TensorFlow Lite's format (its schema:
//! <https://github.com/tensorflow/tensorflow/blob/master/tensorflow/compiler/mlir/lite/schema/schema.fbs>), which neither
//! engine runs. [`to_onnx`] translates the operators that vision models have. Pictures, which are N, H, W, C there, become
//! N, C, H, W; weights of 16 bits become 32 bits. The same file always makes the same bytes.

mod convert;
mod flat;
mod operators;
mod weights;

pub use convert::to_onnx;

/// Why a TensorFlow Lite file cannot be converted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// It is something else, or damaged.
    #[error("it is not a TensorFlow Lite file, or it is damaged: {0}")]
    Damaged(String),
    /// It has something that is not translated.
    #[error("{0} cannot be converted")]
    Unsupported(String),
}
