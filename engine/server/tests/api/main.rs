//! The server over its wire: a server in this process, asked by a plain client.
#![allow(clippy::unwrap_used)]

mod client;
mod connections;
mod console;
mod events;
mod openapi;
mod pipelines;
mod security;
mod server;
mod whip;

// Named, so that they are linked: their elements register themselves.
use gstanabranchelements as _;
use gstanabranchwebrtc as _;
