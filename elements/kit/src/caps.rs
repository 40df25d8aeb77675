//! From GStreamer caps to formats.

use anabranch_graph::format::Format;

/// The format that caps describe, by their first structure; `None` for caps that are empty or any.
pub fn format_of(caps: &gst::CapsRef) -> Option<Format> {
    caps.structure(0).map(format_of_structure)
}

/// The format that one structure of caps describes.
pub fn format_of_structure(structure: &gst::StructureRef) -> Format {
    Format::from_caps(structure.name(), structure.get("mpegversion").ok(), structure.get("layer").ok())
}
