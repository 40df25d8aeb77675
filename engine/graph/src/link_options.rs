//! What a link may be told besides its ends: what flows over it, and how it is encoded if it must be.

use std::fmt;

use serde::Serialize;

use crate::format::{Format, Medium};
use crate::spec::Transcoding;

/// Options of a link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LinkOptions {
    /// Whether a needed transcode is allowed.
    pub transcoding: Transcoding,
    /// Formats that may flow, most wanted first; a medium without one here flows as the consumer takes it.
    #[serde(rename = "format", skip_serializing_if = "Vec::is_empty")]
    pub formats: Vec<Format>,
    /// Bit rate of the encoder, if one is needed, kbit/s; what the consumer can take is less at times.
    pub bitrate: Option<u32>,
    /// The encoder's bit rate does not fall below this, kbit/s, whatever the consumer says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_bitrate: Option<u32>,
    /// The encoder's bit rate does not rise above this, kbit/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bitrate: Option<u32>,
    /// The largest and fastest pictures that may flow.
    #[serde(flatten)]
    pub picture: PictureLimits,
}

/// The largest and fastest pictures that may flow; without any limit they flow as they come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct PictureLimits {
    /// The most columns, pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_width: Option<u32>,
    /// The most rows, pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_height: Option<u32>,
    /// The most frames per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_frame_rate: Option<u32>,
}

impl PictureLimits {
    /// Whether there is no limit.
    pub fn is_none(&self) -> bool {
        *self == PictureLimits::default()
    }

    /// The size that a picture gets, pixels: within the limits, in its own proportions. One that is made smaller gets even
    /// numbers, which every encoder takes.
    pub fn fit(&self, width: u32, height: u32) -> (u32, u32) {
        let share = |limit: Option<u32>, size: u32| {
            limit.map_or(1.0, |limit| f64::from(limit) / f64::from(size.max(1)))
        };
        let factor = share(self.max_width, width).min(share(self.max_height, height));
        if factor >= 1.0 {
            return (width, height);
        }
        let even = |size: u32, limit: Option<u32>| {
            let nearest = (f64::from(size) * factor / 2.0).round() as u32 * 2;
            nearest.min(limit.unwrap_or(u32::MAX) / 2 * 2).max(2)
        };
        (even(width, self.max_width), even(height, self.max_height))
    }
}

impl fmt::Display for PictureLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = match (self.max_width, self.max_height) {
            (Some(width), Some(height)) => Some(format!("{width}x{height} pixels")),
            (Some(width), None) => Some(format!("{width} pixels in width")),
            (None, Some(height)) => Some(format!("{height} pixels in height")),
            (None, None) => None,
        };
        let rate = self.max_frame_rate.map(|rate| format!("{rate} frames per second"));
        let parts: Vec<String> = size.into_iter().chain(rate).collect();
        write!(f, "{}", parts.join(" and "))
    }
}

impl LinkOptions {
    /// The formats of a medium that may flow, most wanted first; empty: any.
    pub fn formats_of(&self, medium: Medium) -> Vec<Format> {
        self.formats.iter().filter(|format| format.medium() == medium).cloned().collect()
    }

    /// The limits for pictures of a medium: only video has any.
    pub fn picture_of(&self, medium: Medium) -> PictureLimits {
        if medium == Medium::Video { self.picture } else { PictureLimits::default() }
    }

    /// What a consumer that takes `accepts` (empty: any) can get of a medium; `None` if nothing that it takes may flow.
    pub fn narrow(&self, medium: Medium, accepts: &[Format]) -> Option<Vec<Format>> {
        let wanted = self.formats_of(medium);
        if wanted.is_empty() {
            return Some(accepts.to_vec());
        }
        let both: Vec<Format> =
            wanted.into_iter().filter(|format| accepts.is_empty() || accepts.contains(format)).collect();
        (!both.is_empty()).then_some(both)
    }

    /// Whether all is as it is without options.
    pub fn is_default(&self) -> bool {
        *self == LinkOptions::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_narrow_what_their_medium_takes_and_nothing_else() {
        let options = LinkOptions { formats: vec![Format::H264, Format::Vp8], ..LinkOptions::default() };
        let narrow = |medium, accepts: &[Format]| options.narrow(medium, accepts);
        assert_eq!(narrow(Medium::Video, &[]), Some(vec![Format::H264, Format::Vp8]));
        assert_eq!(narrow(Medium::Video, &[Format::Vp8, Format::Vp9]), Some(vec![Format::Vp8]));
        assert_eq!(narrow(Medium::Video, &[Format::Vp9]), None);
        assert_eq!(narrow(Medium::Audio, &[Format::Opus]), Some(vec![Format::Opus]));
        assert_eq!(LinkOptions::default().narrow(Medium::Video, &[]), Some(Vec::new()));
    }

    #[test]
    fn pictures_shrink_into_their_limits_and_never_grow() {
        let limits = |max_width, max_height| PictureLimits { max_width, max_height, max_frame_rate: None };
        assert_eq!(limits(Some(640), Some(360)).fit(1920, 1080), (640, 360));
        assert_eq!(limits(Some(640), Some(640)).fit(1080, 1920), (360, 640), "upright");
        assert_eq!(limits(None, Some(240)).fit(640, 480), (320, 240));
        assert_eq!(limits(Some(640), None).fit(320, 239), (320, 239), "it is small enough as it is");
        assert_eq!(limits(Some(101), None).fit(300, 200), (100, 68), "even, and within");
        assert_eq!(limits(Some(2), Some(2)).fit(4000, 3), (2, 2), "nothing vanishes");
        assert_eq!(limits(Some(640), Some(360)).to_string(), "640x360 pixels");
        let slow = PictureLimits { max_frame_rate: Some(15), ..limits(None, Some(90)) };
        assert_eq!(slow.to_string(), "90 pixels in height and 15 frames per second");
        let options = LinkOptions { picture: slow, ..LinkOptions::default() };
        assert!(options.picture_of(Medium::Audio).is_none() && !options.picture_of(Medium::Video).is_none());
    }
}
