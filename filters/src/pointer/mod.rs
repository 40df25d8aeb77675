//! What the pointer detector is made of: the search for a colour, and windows.

mod search;
pub mod windows;

pub use search::{Found, Search};
