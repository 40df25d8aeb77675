//! Pictures of many parties joined into one.

mod composer;
mod label;
pub mod layout;
pub mod look;
mod slot;
mod stage;

pub use composer::Composer;
