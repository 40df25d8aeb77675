//! The properties of `webrtc`.

use std::net::IpAddr;

use std::time::Duration;

use anabranch_graph::format::{Format, Medium};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What carries the packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TransportChoice {
    /// webrtcbin, unless something is asked that it cannot do.
    #[default]
    Auto,
    /// GStreamer's webrtcbin.
    Webrtcbin,
    /// Anabranch's own.
    Native,
}

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

/// A video codec that peers speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VideoCodec {
    /// VP8.
    Vp8,
    /// H.264.
    H264,
    /// VP9.
    Vp9,
    /// AV1.
    Av1,
}

/// An audio codec that peers speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AudioCodec {
    /// Opus.
    Opus,
    /// G.711 mu-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
}

impl VideoCodec {
    /// Its format on links.
    pub fn format(self) -> Format {
        match self {
            VideoCodec::Vp8 => Format::Vp8,
            VideoCodec::H264 => Format::H264,
            VideoCodec::Vp9 => Format::Vp9,
            VideoCodec::Av1 => Format::Av1,
        }
    }
}

impl AudioCodec {
    /// Its format on links.
    pub fn format(self) -> Format {
        match self {
            AudioCodec::Opus => Format::Opus,
            AudioCodec::Pcmu => Format::Pcmu,
            AudioCodec::Pcma => Format::Pcma,
        }
    }
}

/// The properties of `webrtc`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Options {
    /// What carries the packets; `auto` takes webrtcbin unless something is asked that it cannot do.
    pub transport: TransportChoice,
    /// Which way media go, seen from the server.
    pub direction: Way,
    /// Video codecs to negotiate, most wanted first.
    pub video_codecs: Vec<VideoCodec>,
    /// Audio codecs to negotiate, most wanted first.
    pub audio_codecs: Vec<AudioCodec>,
    /// Whether data channels are negotiated.
    pub data_channels: bool,
    /// The STUN server, `stun:host:port`; empty: none.
    pub stun_server: String,
    /// TURN servers, `turn:user:password@host:port`.
    pub turn_servers: Vec<String>,
    /// Least UDP port; 0: any.
    #[schemars(range(min = 0, max = 65535))]
    pub min_port: u32,
    /// Greatest UDP port; 0: any.
    #[schemars(range(min = 0, max = 65535))]
    pub max_port: u32,
    /// Network interfaces to use, by name; empty: all.
    pub interfaces: Vec<String>,
    /// Whether the loopback address is offered too.
    pub loopback: bool,
    /// Addresses under which the server is seen from outside (behind one-to-one NAT); they take the place of the local
    /// ones of their family.
    pub announced_addresses: Vec<String>,
    /// Whether the server only answers connectivity checks (ICE-lite): for servers with a public address.
    pub ice_lite: bool,
    /// Whether IPv6 addresses are offered.
    pub ipv6: bool,
    /// DSCP value that marks sent packets, 0 to 63.
    #[schemars(range(min = 0, max = 63))]
    pub dscp: u32,
    /// Least bit rate of the video that is sent, kbit/s; 0: as low as the network asks.
    #[schemars(range(min = 0, max = 1_000_000), extend("x-live" = true))]
    pub min_bitrate: u32,
    /// Greatest bit rate of the video that is sent, kbit/s; 0: no limit.
    #[schemars(range(min = 0, max = 1_000_000), extend("x-live" = true))]
    pub max_bitrate: u32,
    /// Greatest bit rate that the peer is asked to send, kbit/s; 0: no limit.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub max_receive_bitrate: u32,
    /// The simulcast layer (RID) that is taken from the peer; empty: the best that the network carries.
    #[schemars(extend("x-live" = true))]
    pub layer: String,
    /// How long missing packets of video are waited for, milliseconds; while none is missing, nothing waits. Lost sound
    /// is not sent again, so it waits 80 ms at most.
    #[schemars(range(min = 0, max = 10_000), extend("x-live" = true))]
    pub jitter_ms: u32,
}

/// How long missing packets of a medium are waited for. Packets of video are asked for again, which takes a round trip or
/// two; those of sound can only be late.
pub(crate) fn patience(medium: Medium, jitter: Duration) -> Duration {
    if medium == Medium::Audio { jitter.min(Duration::from_millis(80)) } else { jitter }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            transport: TransportChoice::Auto,
            direction: Way::SendRecv,
            video_codecs: vec![VideoCodec::Vp8, VideoCodec::H264, VideoCodec::Vp9, VideoCodec::Av1],
            audio_codecs: vec![AudioCodec::Opus, AudioCodec::Pcmu, AudioCodec::Pcma],
            data_channels: true,
            stun_server: String::new(),
            turn_servers: Vec::new(),
            min_port: 0,
            max_port: 0,
            interfaces: Vec::new(),
            loopback: false,
            announced_addresses: Vec::new(),
            ice_lite: false,
            ipv6: true,
            dscp: 0,
            min_bitrate: 0,
            max_bitrate: 0,
            max_receive_bitrate: 0,
            layer: String::new(),
            jitter_ms: 400,
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

    /// The least and the greatest UDP port, if they are limited.
    pub fn ports(&self) -> Option<(u32, u32)> {
        let most = if self.max_port == 0 { u32::from(u16::MAX) } else { self.max_port };
        (self.min_port != 0 || self.max_port != 0).then_some((self.min_port.max(1), most))
    }

    /// The announced addresses; what is none was refused when the description was checked.
    pub fn announced(&self) -> Vec<IpAddr> {
        self.announced_addresses.iter().filter_map(|address| address.parse().ok()).collect()
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

#[cfg(test)]
mod tests {
    use anabranch_graph::catalog::PropertyKind;
    use anabranch_kit::params::{ParamStore, table};
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_of_codecs_are_properties() {
        let list = table::<Options>().property("video_codecs").unwrap();
        let words = ["vp8", "h264", "vp9", "av1"].map(str::to_owned).to_vec();
        assert_eq!(list.kind, PropertyKind::List { item: Box::new(PropertyKind::Enum { values: words }) });
        let store = ParamStore::<Options>::default();
        store.set("video-codecs", &json!(["h264", "vp8"])).unwrap();
        assert_eq!(store.get().formats(Medium::Video), [Format::H264, Format::Vp8]);
        assert!(store.set("audio_codecs", &json!(["speex"])).is_err());
    }

    #[test]
    fn what_changes_while_media_flow() {
        let live: Vec<&str> =
            table::<Options>().properties().iter().filter(|p| p.live).map(|p| p.name.as_str()).collect();
        assert_eq!(live, ["min_bitrate", "max_bitrate", "layer", "jitter_ms"]);
    }
}
