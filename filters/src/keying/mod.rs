//! Chroma keying: which colour is backdrop, how much of each pixel is, and what is shown instead.

mod backdrop;
mod key;
mod matte;

pub use backdrop::{Backdrop, Loader};
pub use key::{Key, Learning, Look};
pub use matte::{Keyer, learn};
