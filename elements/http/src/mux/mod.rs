//! From packets to files that can be read while they grow: WebM in clusters, MP4 in fragments.
//!
//! They are written here and not by GStreamer's muxers, because Debian 12 has none that ends a fragment exactly where a
//! key frame begins and hands it over as one piece: that is what late viewers, HLS segments and their parts are made of.

pub mod boxes;
pub mod cutter;
pub mod fmp4;
pub mod interleave;
pub mod mill;
pub mod track;
pub mod webm;

use anabranch_graph::format::{Format, Medium};
use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use cutter::Fragment;
use track::TrackFormat;

/// A container that can grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Container {
    /// WebM: VP8, VP9 and Opus.
    #[default]
    Webm,
    /// MP4 in fragments: H.264, H.265, VP9, AAC and Opus.
    Mp4,
}

impl Container {
    /// What it takes of a medium, most wanted first.
    pub fn formats(self, medium: Medium) -> &'static [Format] {
        match (self, medium) {
            (Container::Webm, Medium::Video) => &[Format::Vp8, Format::Vp9],
            (Container::Webm, Medium::Audio) => &[Format::Opus],
            (Container::Mp4, Medium::Video) => &[Format::H264, Format::H265, Format::Vp9],
            (Container::Mp4, Medium::Audio) => &[Format::Aac, Format::Opus],
            (_, Medium::Data) => &[],
        }
    }

    /// The media type, with video or for sound alone.
    pub fn media_type(self, video: bool) -> &'static str {
        match (self, video) {
            (Container::Webm, true) => "video/webm",
            (Container::Webm, false) => "audio/webm",
            (Container::Mp4, true) => "video/mp4",
            (Container::Mp4, false) => "audio/mp4",
        }
    }

    /// What a file begins with.
    pub fn header(self, tracks: &[Option<TrackFormat>; 2]) -> Bytes {
        match self {
            Container::Webm => webm::header(tracks),
            Container::Mp4 => fmp4::init(tracks),
        }
    }

    /// A fragment as the file has it; `number` counts them from 1.
    pub fn fragment(self, number: u32, tracks: &[Option<TrackFormat>; 2], fragment: &Fragment) -> Bytes {
        match self {
            Container::Webm => webm::cluster(fragment),
            Container::Mp4 => fmp4::fragment(number, tracks, fragment),
        }
    }
}
