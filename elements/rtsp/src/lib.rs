//! Media served by RTSP.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod auth;
mod factory;
mod outlet;
pub mod output;
mod payload;
mod server;

anabranch_kit::plugin!(anabranchrtsp, "2026-11-22");
