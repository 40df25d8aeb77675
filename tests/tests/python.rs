//! Filters in Python that fail in every way: no frame of the video is lost, each trouble is told once, and the filter
//! comes back.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "python/scene.rs"]
mod scene;

#[path = "python/commands.rs"]
mod commands;
#[path = "python/faults.rs"]
mod faults;
#[path = "python/work.rs"]
mod work;
