//! The WebRTC endpoint of Anabranch: the element `webrtc`, over webrtcbin or a native transport.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod element;
mod interfaces;
mod media;
pub mod options;
mod peer;
mod transport;

pub use element::WebRtc;

anabranch_kit::plugin!(anabranchwebrtc, "2026-11-22");
