//! `rtp-forwarder`: any element's output to one address, of a machine or of a group.

mod describe;
mod imp;
mod sdp;

use anabranch_kit::registry::Registration;
use gst::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::media::codec::{AudioCodec, VideoCodec};
use crate::srtp::Crypto;

/// The properties of `rtp-forwarder`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Options {
    /// Where packets go: an IPv4 or IPv6 address, of a machine or of a multicast group.
    #[schemars(extend("x-required" = true))]
    pub address: String,
    /// The port that video goes to; its RTCP goes to the next.
    #[schemars(range(min = 1, max = 65534))]
    pub port: u32,
    /// The port that audio goes to; its RTCP goes to the next. 0: two above that of video.
    #[schemars(range(min = 0, max = 65534))]
    pub audio_port: u32,
    /// The network interface that packets leave by, by name; empty: as the system routes.
    pub interface: String,
    /// How many routers packets may pass; 0: as the system has it, which is none for groups.
    #[schemars(range(min = 0, max = 255))]
    pub ttl: u32,
    /// The address that packets are sent from; empty: as the system routes.
    pub source_address: String,
    /// Least port that packets are sent from; 0: any.
    #[schemars(range(min = 0, max = 65535))]
    pub min_port: u32,
    /// Greatest port that packets are sent from; 0: any.
    #[schemars(range(min = 0, max = 65535))]
    pub max_port: u32,
    /// Whether receivers on this machine hear what goes to a group.
    pub r#loop: bool,
    /// How packets are encrypted.
    pub crypto: Crypto,
    /// Master key and salt in base64, 30 bytes or, for 256 bits, 46; empty: a new one, which the SDP has.
    pub crypto_key: String,
    /// The file that the SDP for receivers is written to; empty: none.
    pub sdp_file: String,
    /// The name in the SDP.
    pub session_name: String,
    /// Video codecs to send, most wanted first.
    pub video_codecs: Vec<VideoCodec>,
    /// Audio codecs to send, most wanted first.
    pub audio_codecs: Vec<AudioCodec>,
    /// Largest packet, bytes, without UDP and IP.
    #[schemars(range(min = 200, max = 9000))]
    pub mtu: u32,
    /// DSCP value that marks packets, 0 to 63.
    #[schemars(range(min = 0, max = 63))]
    pub dscp: u32,
    /// After how long without reports a receiver counts as gone, milliseconds.
    #[schemars(range(min = 500, max = 600_000))]
    pub timeout_ms: u32,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            address: String::new(),
            port: 5004,
            audio_port: 0,
            interface: String::new(),
            ttl: 0,
            source_address: String::new(),
            min_port: 0,
            max_port: 0,
            r#loop: true,
            crypto: Crypto::None,
            crypto_key: String::new(),
            sdp_file: String::new(),
            session_name: "Anabranch".into(),
            video_codecs: VideoCodec::ALL.to_vec(),
            audio_codecs: AudioCodec::ALL.to_vec(),
            mtu: 1200,
            dscp: 0,
            timeout_ms: 10_000,
        }
    }
}

glib::wrapper! {
    /// The element `abrtpforwarder`.
    pub struct RtpForwarder(ObjectSubclass<imp::Forwarder>)
        @extends gst::Bin, gst::Element, gst::Object, @implements gst::ChildProxy;
}

anabranch_kit::inventory::submit! {
    Registration {
        descriptor: describe::describe,
        register: |plugin| {
            gst::Element::register(plugin, "abrtpforwarder", gst::Rank::NONE, RtpForwarder::static_type())
        },
    }
}
