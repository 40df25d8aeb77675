//! What the neural filters find in real pictures, held within bounds.
#![allow(clippy::unwrap_used, reason = "tests")]

// Links the filters in.
use gstanabranchfilters as _;

#[path = "nets/frames.rs"]
mod frames;
#[path = "nets/people.rs"]
mod people;
