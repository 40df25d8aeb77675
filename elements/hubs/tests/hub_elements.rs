//! The hubs as plain GStreamer elements.
#![allow(clippy::unwrap_used, reason = "tests")]

mod it;
