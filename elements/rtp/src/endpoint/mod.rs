//! `rtp`: both ends of an RTP peer, by offer and answer.

mod agree;
mod commands;
mod describe;
#[cfg(test)]
mod fuzz;
mod imp;
mod task;
mod text;

use anabranch_graph::format::{Format, Medium};
use anabranch_kit::registry::Registration;
use gst::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::media::codec::{AudioCodec, VideoCodec};
use crate::srtp::Crypto;

/// Which way media go, seen from the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// Both ways.
    #[default]
    SendRecv,
    /// To the peer only.
    SendOnly,
    /// From the peer only.
    RecvOnly,
}

/// Whether packets go to where the peer's come from, instead of where its SDP says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Symmetric {
    /// If its SDP says no address, or that it is the active side.
    #[default]
    Auto,
    /// Always, as soon as packets come.
    Always,
    /// Never.
    Never,
}

/// The properties of `rtp`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Options {
    /// Which way media go, seen from the server.
    pub direction: Way,
    /// Video codecs to negotiate, most wanted first.
    pub video_codecs: Vec<VideoCodec>,
    /// Audio codecs to negotiate, most wanted first.
    pub audio_codecs: Vec<AudioCodec>,
    /// The address of this machine that is used and told to the peer; empty: as the system routes.
    pub address: String,
    /// The address that is told to the peer in its place (behind one-to-one NAT).
    pub announced_address: String,
    /// Whether an offer is for IPv6; an answer is of the family of its offer.
    pub ipv6: bool,
    /// Least UDP port; 0: any.
    #[schemars(range(min = 0, max = 65535))]
    pub min_port: u32,
    /// Greatest UDP port; 0: any.
    #[schemars(range(min = 0, max = 65535))]
    pub max_port: u32,
    /// Whether packets go to where the peer's come from, instead of where its SDP says.
    pub symmetric: Symmetric,
    /// How packets are encrypted; `none` takes what an offer asks for.
    pub crypto: Crypto,
    /// Master key and salt of what is sent, in base64, 30 bytes or, for 256 bits, 46; empty: new ones.
    pub crypto_key: String,
    /// Greatest bit rate of the video that is sent, kbit/s; 0: no limit but the peer's.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub max_bitrate: u32,
    /// Greatest bit rate that the peer is asked to send, kbit/s; 0: no limit.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub max_receive_bitrate: u32,
    /// Largest packet, bytes, without UDP and IP.
    #[schemars(range(min = 200, max = 9000))]
    pub mtu: u32,
    /// DSCP value that marks packets, 0 to 63.
    #[schemars(range(min = 0, max = 63))]
    pub dscp: u32,
    /// How long missing packets are waited for, milliseconds; while none is missing, nothing waits.
    #[schemars(range(min = 0, max = 10_000))]
    pub jitter_ms: u32,
    /// After how long without packets the peer counts as gone, milliseconds.
    #[schemars(range(min = 100, max = 600_000))]
    pub timeout_ms: u32,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            direction: Way::SendRecv,
            video_codecs: VideoCodec::ALL.to_vec(),
            audio_codecs: AudioCodec::ALL.to_vec(),
            address: String::new(),
            announced_address: String::new(),
            ipv6: false,
            min_port: 0,
            max_port: 0,
            symmetric: Symmetric::Auto,
            crypto: Crypto::None,
            crypto_key: String::new(),
            max_bitrate: 0,
            max_receive_bitrate: 0,
            mtu: 1200,
            dscp: 0,
            jitter_ms: 200,
            timeout_ms: 5000,
        }
    }
}

impl Options {
    /// The formats of a medium, most wanted first; none for data.
    pub fn formats(&self, medium: Medium) -> Vec<Format> {
        match medium {
            Medium::Video => self.video_codecs.iter().map(|codec| codec.format()).collect(),
            Medium::Audio => self.audio_codecs.iter().map(|codec| codec.format()).collect(),
            Medium::Data => Vec::new(),
        }
    }

    /// Whether media may be sent to the peer.
    pub fn sends(&self) -> bool {
        self.direction != Way::RecvOnly
    }

    /// Whether media may be received from the peer.
    pub fn receives(&self) -> bool {
        self.direction != Way::SendOnly
    }
}

glib::wrapper! {
    /// The element `abrtp`.
    pub struct Rtp(ObjectSubclass<imp::Rtp>)
        @extends gst::Bin, gst::Element, gst::Object, @implements gst::ChildProxy;
}

anabranch_kit::inventory::submit! {
    Registration {
        descriptor: describe::describe,
        register: |plugin| gst::Element::register(plugin, "abrtp", gst::Rank::NONE, Rtp::static_type()),
    }
}
