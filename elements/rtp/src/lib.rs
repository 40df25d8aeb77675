//! RTP without WebRTC: endpoints by SDP, forwarders and receivers, unicast and multicast, plain and SRTP.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod describe;
pub mod endpoint;
mod events;
pub mod forwarder;
mod media;
mod net;
mod sdp;
mod session;
pub mod source;
mod srtp;

anabranch_kit::plugin!(anabranchrtp, "2026-11-22");
