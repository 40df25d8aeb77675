//! Seeing motion: small grey pictures, what differs from the background, in which parts, and where they go.
//!
//! Everything here is plain arithmetic on small copies of pictures (a few hundred pixels wide), without GStreamer and
//! without a random number, so that the same pictures always give the same results.

pub mod background;
pub mod colour;
pub mod corners;
pub mod flow;
pub mod grey;
pub mod mask;
pub mod paint;
pub mod parts;
pub mod polygon;
pub mod scene;
#[cfg(test)]
pub mod staging;
