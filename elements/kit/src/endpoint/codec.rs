//! What packs a format into RTP and takes it out again.

use anabranch_graph::format::Format;
use gst::prelude::*;

use super::{EndpointError, make};

/// Factories that a format cannot be exchanged without: its payloader, its depayloader, and what else it needs.
pub fn factories(format: &Format) -> &'static [&'static str] {
    match format {
        Format::Vp8 => &["rtpvp8pay", "rtpvp8depay"],
        Format::Vp9 => &["rtpvp9pay", "rtpvp9depay"],
        Format::H264 => &["rtph264pay", "rtph264depay", "h264parse"],
        Format::Av1 => &["rtpav1pay", "rtpav1depay", "av1parse"],
        Format::Opus => &["rtpopuspay", "rtpopusdepay"],
        Format::Pcmu => &["rtppcmupay", "rtppcmudepay"],
        Format::Pcma => &["rtppcmapay", "rtppcmadepay"],
        _ => &[],
    }
}

/// Whether this machine can exchange a format with a peer.
pub fn is_available(format: &Format) -> bool {
    let factories = factories(format);
    // A catalogue may be read before GStreamer is used.
    !factories.is_empty()
        && gst::init().is_ok()
        && factories.iter().all(|f| gst::ElementFactory::find(f).is_some())
}

/// What a packet of a stream looks like.
#[derive(Clone, Copy, Debug, Default)]
pub struct Packing {
    /// Largest packet, bytes.
    pub mtu: u32,
    /// Payload type; none: the payloader's own.
    pub number: Option<u8>,
    /// Source; none: any.
    pub ssrc: Option<u32>,
}

/// What makes RTP of a format, the payloader last.
///
/// # Errors
///
/// A missing element, or a format that is not known.
pub fn packers(format: &Format, packing: Packing) -> Result<Vec<gst::Element>, EndpointError> {
    let mut elements = Vec::new();
    match format {
        Format::H264 => elements.push(make("h264parse")?),
        Format::Av1 => elements.push(make("av1parse")?),
        _ => {}
    }
    let Some(factory) = factories(format).first() else {
        return Err(EndpointError::unsupported(format!("{format} cannot be sent as RTP")));
    };
    let payloader = make(factory)?;
    payloader.set_property("mtu", packing.mtu);
    if let Some(number) = packing.number {
        payloader.set_property("pt", u32::from(number));
    }
    if let Some(ssrc) = packing.ssrc {
        payloader.set_property("ssrc", ssrc);
    }
    match format {
        Format::Vp8 | Format::Vp9 => payloader.set_property_from_str("picture-id-mode", "15-bit"),
        Format::H264 => {
            payloader.set_property("config-interval", -1i32);
            payloader.set_property_from_str("aggregate-mode", "zero-latency");
        }
        _ => {}
    }
    elements.push(payloader);
    Ok(elements)
}

/// What takes a format out of RTP, the depayloader first.
///
/// # Errors
///
/// A missing element, or a format that is not known.
pub fn unpackers(format: &Format) -> Result<Vec<gst::Element>, EndpointError> {
    let Some(factory) = factories(format).get(1) else {
        return Err(EndpointError::unsupported(format!("{format} cannot be received as RTP")));
    };
    let depayloader = make(factory)?;
    for property in ["request-keyframe", "wait-for-keyframe"] {
        if depayloader.has_property(property) {
            depayloader.set_property(property, true);
        }
    }
    let mut elements = vec![depayloader];
    if *format == Format::H264 {
        let parser = make("h264parse")?;
        // Whoever joins later can begin at any key frame.
        parser.set_property("config-interval", -1i32);
        let filter = make("capsfilter")?;
        let caps = gst::Caps::builder("video/x-h264")
            .field("stream-format", "byte-stream")
            .field("alignment", "au")
            .build();
        filter.set_property("caps", &caps);
        elements.extend([parser, filter]);
    }
    if *format == Format::Av1 {
        elements.push(make("av1parse")?);
    }
    Ok(elements)
}
