//! What elements and filters of Anabranch are built with.
//!
//! - [`registry`]: element types register themselves; [`registry::catalog`] is the list of them.
//! - [`params`]: a plain struct becomes an element's GObject properties.
//! - [`message`]: what elements tell the engine.
//! - [`filter`]: the one-file filter; [`analyzer`]: one that only looks; [`audio`]: one for sound.
//! - [`results`]: what filters find, as JSON.
//! - [`endpoint`], [`keyframe`]: what endpoints of the network have in common.
//! - [`consumers`]: whether anybody takes what goes out.
//! - [`sdp`]: session descriptions, for endpoints of the network.
//! - [`frame`], [`regions`], [`track`], [`worker`]: what filters are made with.
//!
//! This crate knows GStreamer and the catalogue's types, and nothing of graphs, plans or pipelines.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod analyzer;
pub mod audio;
pub mod caps;
pub mod command;
pub mod consumers;
pub mod endpoint;
pub mod filter;
pub mod frame;
pub mod inference;
pub mod keyframe;
pub mod machine;
pub mod message;
pub mod models;
pub mod onnx;
pub mod params;
pub mod regions;
pub mod registry;
pub mod results;
pub mod sample;
pub mod scaffold;
pub mod sdp;
#[cfg(any(test, feature = "test"))]
pub mod testing;
pub mod tflite;
pub mod track;
mod turns;
pub mod web;
pub mod worker;

pub use anabranch_graph as graph;
pub use glib;
pub use gst;
pub use gst_audio;
pub use gst_base;
pub use gst_video;
pub use inventory;
pub use schemars;
pub use serde;
pub use serde_json;
