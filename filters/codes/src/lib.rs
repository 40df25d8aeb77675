//! Reading bar codes: pictures in, types, texts and places out. The decoding is zxing-cpp's.
//!
//! It is a crate of its own because it needs no GStreamer, and its tests measure how much is read.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod code_type;
#[cfg(any(test, feature = "drawing"))]
mod drawing;
mod luma;
#[cfg(test)]
mod rates;
mod reader;

pub use code_type::CodeType;
#[cfg(any(test, feature = "drawing"))]
pub use drawing::{View, draw};
pub use luma::Luma;
pub use reader::{Code, Reader};
