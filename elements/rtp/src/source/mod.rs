//! `rtp-source`: RTP that is sent to this machine, or to a group.

mod describe;
mod imp;
mod wanted;

use anabranch_kit::registry::Registration;
use gst::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::srtp::Crypto;

/// A video format that may come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VideoFormat {
    /// No video comes.
    #[default]
    None,
    /// VP8.
    Vp8,
    /// H.264.
    H264,
    /// VP9.
    Vp9,
}

/// An audio format that may come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AudioFormat {
    /// No audio comes.
    #[default]
    None,
    /// Opus.
    Opus,
    /// G.711 mu-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
}

/// The properties of `rtp-source`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Options {
    /// The SDP of what is received, as text; it says everything else but the interface.
    pub sdp: String,
    /// The file that holds the SDP; it is read when the element starts.
    pub sdp_file: String,
    /// Without an SDP: the multicast group, or the address of this machine to listen at; empty: any IPv4 address.
    pub address: String,
    /// Without an SDP: the port that video comes to; RTCP comes to the next.
    #[schemars(range(min = 1, max = 65534))]
    pub port: u32,
    /// Without an SDP: the port that audio comes to; RTCP comes to the next. 0: two above that of video.
    #[schemars(range(min = 0, max = 65534))]
    pub audio_port: u32,
    /// The network interface at which a group is joined, by name; empty: as the system routes.
    pub interface: String,
    /// The only address from which packets are taken; for a group, it is joined for this source alone (SSM).
    pub source_address: String,
    /// How many routers reports may pass; 0: as the system has it.
    #[schemars(range(min = 0, max = 255))]
    pub ttl: u32,
    /// Without an SDP: what video comes.
    pub video_format: VideoFormat,
    /// Without an SDP: what audio comes.
    pub audio_format: AudioFormat,
    /// Without an SDP: the payload type of video; 0: the usual (VP8 96, H.264 97, VP9 98).
    #[schemars(range(min = 0, max = 127))]
    pub video_payload: u32,
    /// Without an SDP: the payload type of audio; 0: the usual (Opus 111, PCMU 0, PCMA 8).
    #[schemars(range(min = 0, max = 127))]
    pub audio_payload: u32,
    /// Without an SDP: how packets are encrypted.
    pub crypto: Crypto,
    /// Without an SDP: master key and salt in base64, 30 bytes or, for 256 bits, 46.
    pub crypto_key: String,
    /// How long missing packets are waited for, milliseconds; while none is missing, nothing waits.
    #[schemars(range(min = 0, max = 10_000))]
    pub jitter_ms: u32,
    /// After how long without packets the sender counts as gone, milliseconds.
    #[schemars(range(min = 100, max = 600_000))]
    pub timeout_ms: u32,
    /// Whether the sender's good-bye (RTCP BYE) is the end; otherwise another sender may come.
    pub end_with_sender: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            sdp: String::new(),
            sdp_file: String::new(),
            address: String::new(),
            port: 5004,
            audio_port: 0,
            interface: String::new(),
            source_address: String::new(),
            ttl: 0,
            video_format: VideoFormat::None,
            audio_format: AudioFormat::None,
            video_payload: 0,
            audio_payload: 0,
            crypto: Crypto::None,
            crypto_key: String::new(),
            jitter_ms: 200,
            timeout_ms: 2000,
            end_with_sender: false,
        }
    }
}

glib::wrapper! {
    /// The element `abrtpsource`.
    pub struct RtpSource(ObjectSubclass<imp::Source>)
        @extends gst::Bin, gst::Element, gst::Object, @implements gst::ChildProxy;
}

anabranch_kit::inventory::submit! {
    Registration {
        descriptor: describe::describe,
        register: |plugin| {
            gst::Element::register(plugin, "abrtpsource", gst::Rank::NONE, RtpSource::static_type())
        },
    }
}
