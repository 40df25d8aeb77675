//! What a link may be told besides its ends: what flows over it, and how it is encoded if it must be.

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
}

impl LinkOptions {
    /// The formats of a medium that may flow, most wanted first; empty: any.
    pub fn formats_of(&self, medium: Medium) -> Vec<Format> {
        self.formats.iter().filter(|format| format.medium() == medium).cloned().collect()
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
}
