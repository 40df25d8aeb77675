//! How str0m is set up.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use anabranch_graph::format::{Format, Medium};
use str0m::bwe::Bitrate;
use str0m::config::{CryptoProvider, DtlsCert};
use str0m::rtp::{Extension, ExtensionMap};
use str0m::{Rtc, RtcConfig};

use super::channels;
use super::sdp::Payload;
use crate::options::Options;

/// What is sent at first, before the network was measured.
const FIRST_BITRATE: u64 = 2_000_000;

/// What is aimed at when the description sets no limit.
const USUAL_BITRATE: u64 = 4_000_000;

/// One for all peers of the process: making it takes time, and it says who the server is.
static CERTIFICATE: LazyLock<Option<DtlsCert>> =
    LazyLock::new(|| provider().dtls_provider.generate_certificate());

fn provider() -> CryptoProvider {
    str0m::crypto::from_feature_flags()
}

/// What is aimed at when sending video, bits per second.
pub(super) fn desired(options: &Options) -> Bitrate {
    match options.max_bitrate {
        0 => Bitrate::bps(USUAL_BITRATE),
        kbps => Bitrate::bps(u64::from(kbps) * 1000),
    }
}

/// A state machine for a new peer.
pub(super) fn rtc(options: &Options) -> Rtc {
    let mut extensions = ExtensionMap::empty();
    // Not the orientation: then the sender turns the pictures itself.
    extensions.set(2, Extension::AbsoluteSendTime);
    extensions.set(3, Extension::TransportSequenceNumber);
    extensions.set(4, Extension::RtpMid);
    extensions.set(10, Extension::RtpStreamId);
    extensions.set(11, Extension::RepairedRtpStreamId);
    let first = desired(options).as_u64().min(FIRST_BITRATE);
    let mut config = RtcConfig::new()
        .set_rtp_mode(true)
        .set_ice_lite(options.ice_lite)
        .clear_codecs()
        .set_extension_map(extensions)
        .enable_bwe(Some(Bitrate::bps(first)))
        .set_stats_interval(Some(Duration::from_secs(1)))
        .set_sctp_max_buffered_amount(channels::BUFFER);
    for format in options.formats(Medium::Video).iter().chain(&options.formats(Medium::Audio)) {
        config = match format {
            Format::Vp8 => config.enable_vp8(true),
            Format::Vp9 => config.enable_vp9(true),
            Format::H264 => config.enable_h264(true),
            Format::Av1 => config.enable_av1(true),
            Format::Opus => config.enable_opus(true, false),
            Format::Pcmu => config.enable_pcmu(true, false),
            Format::Pcma => config.enable_pcma(true, false),
            _ => config,
        };
    }
    if let Some(certificate) = CERTIFICATE.as_ref() {
        config = config.set_dtls_cert(certificate.clone());
    }
    config.build(Instant::now())
}

/// The caps of RTP packets of this payload type.
pub(super) fn caps(payload: &Payload, medium: Medium, ssrc: u32) -> gst::Caps {
    let mut caps = gst::Caps::builder("application/x-rtp")
        .field("media", medium.name())
        .field("payload", i32::from(payload.pt))
        .field("clock-rate", i32::try_from(payload.clock_rate).unwrap_or(90_000))
        .field("encoding-name", payload.name.as_str())
        .field("ssrc", ssrc);
    if let Some(channels) = payload.channels {
        caps = caps.field("encoding-params", channels.to_string());
    }
    for (key, value) in &payload.parameters {
        // Caps field names allow no other characters.
        if key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') && !key.is_empty() {
            caps = caps.field(key.as_str(), value.as_str());
        }
    }
    caps.build()
}
