//! Media that come and go over HTTP: bodies of POST, growing files, HLS.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod hls;
pub mod http_get;
pub mod http_post;
mod intake;
pub mod mux;
mod shell;

anabranch_kit::plugin!(anabranchhttp, "2026-11-22");
