//! Measures what a filter finds against what is there.
//!
//! - [`truth`] reads what is there from files: COCO, WIDER FACE, MOTChallenge, CSV.
//! - [`FrameResults`] is what a filter found in one frame; as JSON it is one line of a results file.
//! - [`evaluate()`] makes [`Scores`] of the two; [`metrics`] has each measure by itself.
//! - [`report`] writes them down: JSON, text, HTML; [`report::compare`] holds one report against another.
//!
//! Pure data: no GStreamer, no clock, no network. The same input gives the same numbers, bit for bit.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod case;
mod evaluate;
pub mod metrics;
pub mod report;
mod result;
pub mod truth;

pub use case::{Case, Pixels};
pub use evaluate::{Options, Scores, evaluate};
pub use result::{Detection, FrameResults, Happened};
