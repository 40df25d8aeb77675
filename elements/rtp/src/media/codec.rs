//! Formats in RTP: payload types, caps, and what packs them.

use anabranch_graph::format::{Format, Medium};
use anabranch_kit::endpoint::codec::{self as kit, Packing};
use anabranch_kit::endpoint::{EndpointError, make};
use anabranch_kit::sdp::Payload;
use gst::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How long sent packets are kept for a receiver that lost them, milliseconds.
const KEEP_MS: u32 = 1000;

/// A video codec that is sent and received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VideoCodec {
    /// VP8.
    Vp8,
    /// H.264.
    H264,
    /// VP9.
    Vp9,
}

/// An audio codec that is sent and received.
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
    /// All of them, in the order of the defaults.
    pub const ALL: [VideoCodec; 3] = [VideoCodec::Vp8, VideoCodec::H264, VideoCodec::Vp9];

    /// Its format on links.
    pub fn format(self) -> Format {
        match self {
            VideoCodec::Vp8 => Format::Vp8,
            VideoCodec::H264 => Format::H264,
            VideoCodec::Vp9 => Format::Vp9,
        }
    }
}

impl AudioCodec {
    /// All of them, in the order of the defaults.
    pub const ALL: [AudioCodec; 3] = [AudioCodec::Opus, AudioCodec::Pcmu, AudioCodec::Pcma];

    /// Its format on links.
    pub fn format(self) -> Format {
        match self {
            AudioCodec::Opus => Format::Opus,
            AudioCodec::Pcmu => Format::Pcmu,
            AudioCodec::Pcma => Format::Pcma,
        }
    }
}

/// A format with the payload type and the parameters that both sides know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Coding {
    pub format: Format,
    pub number: u8,
    /// As in `a=fmtp`.
    pub fmtp: String,
}

impl Coding {
    /// With the payload type that is usual for it.
    pub fn usual(format: Format) -> Option<Self> {
        let number = match format {
            Format::Vp8 => 96,
            Format::H264 => 97,
            Format::Vp9 => 98,
            Format::Opus => 111,
            Format::Pcmu => 0,
            Format::Pcma => 8,
            _ => return None,
        };
        let fmtp = match format {
            // Constrained baseline: what everybody decodes.
            Format::H264 => "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
            Format::Opus => "minptime=10;useinbandfec=1",
            _ => "",
        };
        Some(Coding { format, number, fmtp: fmtp.to_owned() })
    }

    /// A payload type of an SDP, if it carries what is spoken here.
    pub fn of_payload(payload: &Payload) -> Option<Self> {
        let format = payload.format()?;
        let known = Coding::usual(format.clone()).is_some() && payload.clock_rate == clock_rate(&format);
        // The other profiles have more than eight bits a sample; in mode 0 a picture must fit into a packet.
        let fits = match format {
            Format::Vp9 => payload.parameter("profile-id").is_none_or(|profile| profile == "0"),
            _ => true,
        };
        (known && fits).then(|| Coding { format, number: payload.number, fmtp: payload.fmtp.clone() })
    }

    /// Ticks per second of its timestamps.
    pub fn clock_rate(&self) -> u32 {
        clock_rate(&self.format)
    }

    /// As `a=rtpmap` has it.
    pub fn rtpmap(&self) -> String {
        let name = encoding_name(&self.format);
        let rate = clock_rate(&self.format);
        match self.format {
            Format::Opus => format!("{} opus/{rate}/2", self.number),
            _ => format!("{} {name}/{rate}", self.number),
        }
    }

    /// As GStreamer has it; `nack`: the other side sends lost packets again.
    pub fn caps(&self, nack: bool) -> gst::Caps {
        let mut caps = gst::Caps::builder("application/x-rtp")
            .field("media", self.format.medium().name())
            .field("payload", i32::from(self.number))
            .field("clock-rate", clock_rate(&self.format) as i32)
            .field("encoding-name", encoding_name(&self.format));
        if self.format == Format::Opus {
            caps = caps.field("encoding-params", "2");
        }
        if self.format.medium() == Medium::Video {
            caps = caps.field("rtcp-fb-nack-pli", true).field("rtcp-fb-ccm-fir", true);
        }
        if nack {
            caps = caps.field("rtcp-fb-nack", true);
        }
        for pair in self.fmtp.split(';') {
            let Some((key, value)) = pair.trim().split_once('=') else { continue };
            let key = key.trim().to_ascii_lowercase();
            let named = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            // What could be taken for another field is left out: only these matter to a depayloader.
            if named
                && key.starts_with(|c: char| c.is_ascii_alphabetic())
                && !RESERVED.contains(&key.as_str())
            {
                caps = caps.field(key, value.trim().replace('\0', ""));
            }
        }
        caps.build()
    }
}

/// Fields of caps that are not for a peer's parameters.
const RESERVED: &[&str] = &["media", "payload", "clock-rate", "encoding-name", "encoding-params", "ssrc"];

fn clock_rate(format: &Format) -> u32 {
    match format {
        Format::Opus => 48_000,
        Format::Pcmu | Format::Pcma => 8_000,
        _ => 90_000,
    }
}

fn encoding_name(format: &Format) -> &'static str {
    match format {
        Format::Vp8 => "VP8",
        Format::Vp9 => "VP9",
        Format::H264 => "H264",
        Format::Opus => "OPUS",
        Format::Pcmu => "PCMU",
        Format::Pcma => "PCMA",
        _ => "",
    }
}

/// What makes RTP of a format; what was sent is kept for those that lose it.
///
/// # Errors
///
/// A missing element.
pub(crate) fn packers(coding: &Coding, ssrc: u32, mtu: u32) -> Result<Vec<gst::Element>, EndpointError> {
    let packing = Packing { mtu, number: Some(coding.number), ssrc: Some(ssrc) };
    let mut elements = kit::packers(&coding.format, packing)?;
    let again = make("rtprtxqueue")?;
    again.set_property("max-size-time", KEEP_MS);
    elements.push(again);
    Ok(elements)
}

#[cfg(test)]
mod tests {
    use anabranch_kit::sdp::Sdp;

    use super::*;

    #[test]
    fn codings_become_caps_and_lines() {
        gst::init().unwrap();
        let opus = Coding::usual(Format::Opus).unwrap();
        assert_eq!(opus.rtpmap(), "111 opus/48000/2");
        let h264 = Coding {
            fmtp: "packetization-mode=1; media=evil;9x=1;=;sprop-parameter-sets=a==,b".into(),
            ..Coding::usual(Format::H264).unwrap()
        };
        let caps = h264.caps(true);
        let structure = caps.structure(0).unwrap();
        assert_eq!(structure.get::<&str>("media"), Ok("video"));
        assert_eq!(structure.get::<&str>("sprop-parameter-sets"), Ok("a==,b"));
        assert_eq!(structure.get::<bool>("rtcp-fb-nack-pli"), Ok(true));
        assert!(!structure.has_field("9x"));
    }

    #[test]
    fn only_what_is_spoken_is_taken_from_an_sdp() {
        let sdp = Sdp::parse(
            "v=0\nm=video 5000 RTP/AVP 96 97 98 99\na=rtpmap:96 VP8/90000\na=rtpmap:97 VP9/90000\na=fmtp:97 profile-id=2\n\
             a=rtpmap:98 AV1/90000\na=rtpmap:99 VP8/1000\nm=audio 5002 RTP/AVP 0 8 3\n",
        )
        .unwrap();
        let of = |n: usize| -> Vec<u8> {
            sdp.media[n].payloads().iter().filter_map(Coding::of_payload).map(|c| c.number).collect()
        };
        assert_eq!((of(0), of(1)), (vec![96], vec![0, 8]));
    }
}
