//! ONNX files: what is in one ([`Summary`]), and writing one ([`Builder`]).
//!
//! Only what this program needs: names and shapes of inputs and outputs, the operators, the metadata. The format is the
//! protocol buffer of <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>. Running models is
//! [`inference`](crate::inference)'s work.

mod build;
mod summary;
mod wire;

pub use build::{Attribute, Builder};
pub use summary::{Operator, Port, Summary};
