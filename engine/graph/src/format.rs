//! What flows over a link: media and their formats.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kind of thing that a port carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Medium {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
    /// Messages, as on a WebRTC data channel.
    Data,
}

impl Medium {
    /// All media, in the order in which they are listed to people.
    pub const ALL: [Medium; 3] = [Medium::Video, Medium::Audio, Medium::Data];

    /// The name used in descriptions: `video`, `audio`, `data`.
    pub fn name(self) -> &'static str {
        match self {
            Medium::Video => "video",
            Medium::Audio => "audio",
            Medium::Data => "data",
        }
    }
}

impl fmt::Display for Medium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a medium is coded on a link.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Format {
    /// Uncompressed pictures.
    RawVideo,
    /// VP8, RFC 6386.
    Vp8,
    /// VP9.
    Vp9,
    /// H.264 (AVC), ITU-T H.264.
    H264,
    /// H.265 (HEVC), ITU-T H.265.
    H265,
    /// AV1.
    Av1,
    /// Uncompressed sound.
    RawAudio,
    /// Opus, RFC 6716.
    Opus,
    /// AAC, ISO/IEC 14496-3.
    Aac,
    /// Vorbis.
    Vorbis,
    /// MP3, ISO/IEC 11172-3 layer 3.
    Mp3,
    /// FLAC.
    Flac,
    /// G.711 mu-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// Another format, by GStreamer's caps name, for instance `video/mpeg`.
    Other(Medium, String),
}

impl Format {
    /// Every format that has a name of its own.
    pub const KNOWN: &'static [Format] = &[
        Format::RawVideo,
        Format::Vp8,
        Format::Vp9,
        Format::H264,
        Format::H265,
        Format::Av1,
        Format::RawAudio,
        Format::Opus,
        Format::Aac,
        Format::Vorbis,
        Format::Mp3,
        Format::Flac,
        Format::Pcmu,
        Format::Pcma,
    ];

    /// The medium of this format.
    pub fn medium(&self) -> Medium {
        match self {
            Format::RawVideo | Format::Vp8 | Format::Vp9 | Format::H264 | Format::H265 | Format::Av1 => {
                Medium::Video
            }
            Format::Other(medium, _) => *medium,
            _ => Medium::Audio,
        }
    }

    /// Whether this is uncompressed media.
    pub fn is_raw(&self) -> bool {
        matches!(self, Format::RawVideo | Format::RawAudio)
    }

    /// The uncompressed format of a medium; data has none.
    pub fn raw(medium: Medium) -> Option<Format> {
        match medium {
            Medium::Video => Some(Format::RawVideo),
            Medium::Audio => Some(Format::RawAudio),
            Medium::Data => None,
        }
    }

    /// The name that people use: `VP8`, `H.264`, `raw video`.
    pub fn name(&self) -> &str {
        match self {
            Format::RawVideo => "raw video",
            Format::Vp8 => "VP8",
            Format::Vp9 => "VP9",
            Format::H264 => "H.264",
            Format::H265 => "H.265",
            Format::Av1 => "AV1",
            Format::RawAudio => "raw audio",
            Format::Opus => "Opus",
            Format::Aac => "AAC",
            Format::Vorbis => "Vorbis",
            Format::Mp3 => "MP3",
            Format::Flac => "FLAC",
            Format::Pcmu => "PCMU",
            Format::Pcma => "PCMA",
            Format::Other(_, caps) => caps,
        }
    }

    /// The word for it in descriptions: `vp8`, `raw-video`; for other formats the caps' name.
    pub fn word(&self) -> &str {
        match self {
            Format::RawVideo => "raw-video",
            Format::Vp8 => "vp8",
            Format::Vp9 => "vp9",
            Format::H264 => "h264",
            Format::H265 => "h265",
            Format::Av1 => "av1",
            Format::RawAudio => "raw-audio",
            Format::Opus => "opus",
            Format::Aac => "aac",
            Format::Vorbis => "vorbis",
            Format::Mp3 => "mp3",
            Format::Flac => "flac",
            Format::Pcmu => "pcmu",
            Format::Pcma => "pcma",
            Format::Other(_, caps) => caps,
        }
    }

    /// The GStreamer caps (without details such as the profile) that carry this format.
    pub fn caps(&self) -> &str {
        match self {
            Format::RawVideo => "video/x-raw",
            Format::Vp8 => "video/x-vp8",
            Format::Vp9 => "video/x-vp9",
            Format::H264 => "video/x-h264",
            Format::H265 => "video/x-h265",
            Format::Av1 => "video/x-av1",
            Format::RawAudio => "audio/x-raw",
            Format::Opus => "audio/x-opus",
            Format::Aac => "audio/mpeg, mpegversion=(int)4",
            Format::Vorbis => "audio/x-vorbis",
            Format::Mp3 => "audio/mpeg, mpegversion=(int)1, layer=(int)3",
            Format::Flac => "audio/x-flac",
            Format::Pcmu => "audio/x-mulaw",
            Format::Pcma => "audio/x-alaw",
            Format::Other(_, caps) => caps,
        }
    }

    /// The format that GStreamer caps describe, from the caps' name and, for `audio/mpeg`, its
    /// `mpegversion` and `layer`.
    pub fn from_caps(name: &str, mpegversion: Option<i32>, layer: Option<i32>) -> Format {
        match name {
            "video/x-raw" => Format::RawVideo,
            "video/x-vp8" => Format::Vp8,
            "video/x-vp9" => Format::Vp9,
            "video/x-h264" => Format::H264,
            "video/x-h265" => Format::H265,
            "video/x-av1" => Format::Av1,
            "audio/x-raw" => Format::RawAudio,
            "audio/x-opus" => Format::Opus,
            "audio/x-vorbis" => Format::Vorbis,
            "audio/x-flac" => Format::Flac,
            "audio/x-mulaw" => Format::Pcmu,
            "audio/x-alaw" => Format::Pcma,
            "audio/mpeg" if matches!(mpegversion, Some(2 | 4)) => Format::Aac,
            "audio/mpeg" if mpegversion == Some(1) && matches!(layer, Some(3) | None) => Format::Mp3,
            other if other.starts_with("audio/") => Format::Other(Medium::Audio, other.to_owned()),
            other if other.starts_with("video/") || other.starts_with("image/") => {
                Format::Other(Medium::Video, other.to_owned())
            }
            other => Format::Other(Medium::Data, other.to_owned()),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
