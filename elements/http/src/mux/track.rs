//! What a track is, as a container has to say it.

use anabranch_graph::format::{Format, Medium};
use bytes::Bytes;

/// A packet on its way into a container.
#[derive(Clone, Debug)]
pub struct Sample {
    /// 0: video, 1: audio.
    pub track: usize,
    /// The packet.
    pub data: Bytes,
    /// When it is shown, nanoseconds.
    pub pts: i64,
    /// When it is decoded, nanoseconds.
    pub dts: i64,
    /// Until the next one of its track, nanoseconds.
    pub duration: i64,
    /// Whether it can be decoded by itself.
    pub key: bool,
}

/// A track's format with its details.
#[derive(Clone, Debug, PartialEq)]
pub struct TrackFormat {
    /// How it is coded.
    pub format: Format,
    /// Pixels; 0 for sound.
    pub width: u32,
    /// Pixels; 0 for sound.
    pub height: u32,
    /// Samples a second; 0 for pictures.
    pub rate: u32,
    /// Channels; 0 for pictures.
    pub channels: u32,
    /// What a decoder needs to know first: `avcC`, `hvcC`, `AudioSpecificConfig`; empty for other formats.
    pub codec_data: Bytes,
    /// For VP9: profile and bits per channel.
    pub profile: u8,
    /// For VP9.
    pub depth: u8,
}

impl TrackFormat {
    /// From the caps of packets that a parser has made ready.
    ///
    /// # Errors
    ///
    /// What the caps do not say.
    pub fn from_caps(caps: &gst::CapsRef) -> Result<Self, String> {
        let structure = caps.structure(0).ok_or("the caps are empty")?;
        let format = anabranch_kit::caps::format_of_structure(structure);
        let number = |field: &str| structure.get::<i32>(field).ok().and_then(|n| u32::try_from(n).ok());
        let codec_data = structure
            .get::<gst::Buffer>("codec_data")
            .ok()
            .and_then(|buffer| Some(Bytes::copy_from_slice(&buffer.map_readable().ok()?)))
            .unwrap_or_default();
        if matches!(format, Format::H264 | Format::H265 | Format::Aac) && codec_data.is_empty() {
            return Err(format!("{format} came without the description of its decoder"));
        }
        let video = format.medium() == Medium::Video;
        let least = |field, default| number(field).unwrap_or(default);
        Ok(TrackFormat {
            width: if video { least("width", 0) } else { 0 },
            height: if video { least("height", 0) } else { 0 },
            rate: if video { 0 } else { least("rate", 48_000) },
            channels: if video { 0 } else { least("channels", 2) },
            profile: structure.get::<&str>("profile").ok().and_then(|p| p.parse().ok()).unwrap_or(0),
            depth: least("bit-depth-luma", 8) as u8,
            codec_data,
            format,
        })
    }

    /// Its name in `codecs=`, RFC 6381.
    pub fn codec(&self) -> String {
        let byte = |at: usize| self.codec_data.get(at).copied().unwrap_or(0);
        match &self.format {
            Format::H264 => format!("avc1.{:02X}{:02X}{:02X}", byte(1), byte(2), byte(3)),
            Format::H265 => {
                let space = ["", "A", "B", "C"][usize::from(byte(1) >> 6)];
                let tier = if byte(1) & 0x20 == 0 { 'L' } else { 'H' };
                let compatible = u32::from_be_bytes([byte(2), byte(3), byte(4), byte(5)]).reverse_bits();
                let mut text = format!("hvc1.{space}{}.{compatible:X}.{tier}{}", byte(1) & 0x1f, byte(12));
                let constraints: Vec<u8> = (6..12).map(byte).collect();
                let used = constraints.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
                for constraint in &constraints[..used] {
                    text.push_str(&format!(".{constraint:X}"));
                }
                text
            }
            Format::Vp9 => format!("vp09.{:02}.41.{:02}", self.profile, self.depth),
            Format::Vp8 => "vp8".to_owned(),
            Format::Aac => format!("mp4a.40.{}", (byte(0) >> 3).max(1)),
            Format::Opus => "opus".to_owned(),
            other => other.name().to_lowercase(),
        }
    }

    /// Ticks of a second in MP4.
    pub fn timescale(&self) -> u32 {
        if self.rate == 0 { 90_000 } else { self.rate }
    }

    /// Whether what comes from now on is something else to a container that was begun with the other one.
    pub fn breaks(&self, before: &TrackFormat) -> bool {
        // VP8 and VP9 say their size in each key frame.
        let free = matches!(self.format, Format::Vp8 | Format::Vp9);
        let strip = |t: &TrackFormat| TrackFormat {
            width: if free { 0 } else { t.width },
            height: if free { 0 } else { t.height },
            ..t.clone()
        };
        strip(self) != strip(before)
    }
}
