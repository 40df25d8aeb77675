//! Drawing pictures with transparency into video frames: load once, place anywhere, at any size and angle.

mod blend;
mod colour;
mod layer;
mod picture;
mod texel;

pub use blend::Painter;
pub use colour::Colours;
pub use layer::Placement;
pub use picture::{Sprite, check};
