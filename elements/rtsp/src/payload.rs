//! What RTP can carry: for each format its parser and its payloader.

use anabranch_graph::format::{Format, Medium};

/// What is served of a medium, most wanted first.
pub fn formats(medium: Medium) -> &'static [Format] {
    use Format::{Aac, H264, H265, Mp3, Opus, Pcma, Pcmu, Vp8, Vp9};
    match medium {
        Medium::Video => &[H264, Vp8, H265, Vp9],
        Medium::Audio => &[Opus, Aac, Pcmu, Pcma, Mp3],
        Medium::Data => &[],
    }
}

/// The elements between packets and the network, the payloader last; none for formats that are not served.
pub fn chain(format: &Format) -> Option<(Option<&'static str>, &'static str)> {
    Some(match format {
        Format::H264 => (Some("h264parse"), "rtph264pay"),
        Format::H265 => (Some("h265parse"), "rtph265pay"),
        Format::Vp8 => (None, "rtpvp8pay"),
        Format::Vp9 => (None, "rtpvp9pay"),
        Format::Opus => (None, "rtpopuspay"),
        Format::Aac => (Some("aacparse"), "rtpmp4gpay"),
        Format::Pcmu => (None, "rtppcmupay"),
        Format::Pcma => (None, "rtppcmapay"),
        Format::Mp3 => (Some("mpegaudioparse"), "rtpmpapay"),
        _ => return None,
    })
}
