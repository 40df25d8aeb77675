//! Media elements of Anabranch. Each is one GStreamer element, a params struct and a registration in the catalogue.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod absent;
pub mod app;
mod file_target;
pub mod gstreamer_filter;
pub mod null_sink;
pub mod pace;
pub mod pads;
pub mod pass_through;
pub mod player;
pub mod recorder;
pub mod refine;
pub mod snapshot;
pub mod test_source;
pub mod transcode;

anabranch_kit::plugin!(anabranchelements, "2026-11-21");
