//! The output hub in real pipelines.
#![allow(clippy::unwrap_used)]

mod changes;
mod coming_and_going;
mod encoders;
mod formats;
mod launch;
mod refusals;
mod rig;
mod sharing;
