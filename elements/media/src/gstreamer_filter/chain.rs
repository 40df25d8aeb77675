//! Reading a line of GStreamer elements, and what it takes.

use anabranch_graph::format::{Format, Medium};
use anabranch_graph::packages::debian_package;
use gst::prelude::*;

/// A chain of elements with one input and one output.
pub struct Chain {
    /// The elements.
    pub bin: gst::Bin,
    /// What it takes, by its first element's pad.
    pub takes: gst::Caps,
}

/// Reads a line as `gst-launch-1.0` would.
///
/// # Errors
///
/// What is wrong with it, for a person: a missing element with its Debian package, a mistake in the line, or a chain
/// without an input or an output.
pub fn read(line: &str) -> Result<Chain, String> {
    if line.trim().is_empty() {
        return Err("names no GStreamer element".to_owned());
    }
    let mut context = gst::ParseContext::new();
    let parsed =
        gst::parse::bin_from_description_full(line, false, Some(&mut context), gst::ParseFlags::FATAL_ERRORS);
    // The parser also names elements here that are installed and have a wrong property.
    let mut missing = context.missing_elements();
    missing.retain(|factory| gst::ElementFactory::find(factory).is_none());
    if !missing.is_empty() {
        return Err(missing.iter().map(|factory| lacking(factory)).collect::<Vec<_>>().join("; "));
    }
    let bin = parsed
        .map_err(|error| error.message().to_owned())?
        .downcast::<gst::Bin>()
        .map_err(|_| "is not a chain of elements".to_owned())?;
    let end = |direction| bin.find_unlinked_pad(direction);
    let (Some(sink), Some(src)) = (end(gst::PadDirection::Sink), end(gst::PadDirection::Src)) else {
        let what = if end(gst::PadDirection::Sink).is_none() { "input" } else { "output" };
        return Err(format!("has no free {what}: media must go through it"));
    };
    let takes = sink.pad_template_caps();
    for (pad, name) in [(&sink, "sink"), (&src, "src")] {
        let ghost = gst::GhostPad::builder_with_target(pad).map_err(|e| e.to_string())?.name(name).build();
        bin.add_pad(&ghost).map_err(|e| e.to_string())?;
    }
    if end(gst::PadDirection::Sink).is_some() || end(gst::PadDirection::Src).is_some() {
        return Err("has more than one input or output".to_owned());
    }
    Ok(Chain { bin, takes })
}

/// The elements of a chain that a name means: by its name in the line, by its factory, or, without a name, the only one.
pub fn meant(chain: &gst::Bin, name: &str) -> Vec<gst::Element> {
    let children = chain.children();
    let only = name.is_empty() && children.len() == 1;
    children.into_iter().filter(|child| only || child.name() == name || factory(child) == name).collect()
}

/// The name of an element's factory.
pub fn factory(element: &gst::Element) -> String {
    element.factory().map(|factory| factory.name().to_string()).unwrap_or_default()
}

/// That an element is missing, and what to do about it.
fn lacking(factory: &str) -> String {
    let help = match debian_package(factory) {
        Some(package) => format!("it is in the Debian package {package}: apt install {package}"),
        None => "is its name right? `gst-inspect-1.0` lists all that are installed".to_owned(),
    };
    format!("GStreamer has no element '{factory}'; {help}")
}

/// The media that a chain with such an input is for: pictures, sound, or both if it takes anything.
pub fn media(takes: &gst::Caps) -> Vec<Medium> {
    let of = |prefixes: &[&str]| {
        takes.is_any() || takes.iter().any(|s| prefixes.iter().any(|prefix| s.name().starts_with(prefix)))
    };
    let mut media = Vec::new();
    if of(&["video/", "image/"]) {
        media.push(Medium::Video);
    }
    if of(&["audio/"]) {
        media.push(Medium::Audio);
    }
    media
}

/// The formats of a medium that such an input takes; empty for any.
pub fn formats(takes: &gst::Caps, medium: Medium) -> Vec<Format> {
    if takes.is_any() {
        return Vec::new();
    }
    let mut formats: Vec<Format> = takes
        .iter()
        .map(|s| Format::from_caps(s.name(), s.get("mpegversion").ok(), s.get("layer").ok()))
        .filter(|format| format.medium() == medium)
        .collect();
    formats.dedup();
    // Raw media need no encoder that nobody asked for.
    formats.sort_by_key(|format| !format.is_raw());
    formats
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_read_and_mistakes_are_told() {
        gst::init().unwrap();
        let chain = read("videobalance name=b saturation=0 ! videoflip method=clockwise").unwrap();
        assert_eq!(media(&chain.takes), [Medium::Video]);
        assert_eq!(formats(&chain.takes, Medium::Video), [Format::RawVideo]);
        assert_eq!(media(&read("volume").unwrap().takes), [Medium::Audio]);
        assert_eq!(media(&read("identity").unwrap().takes), [Medium::Video, Medium::Audio]);
        let told = |line: &str| read(line).err().unwrap_or_default();
        assert!(told("nosuchthing").contains("no element 'nosuchthing'"), "{}", told("nosuchthing"));
        assert!(told("videobalance nosuch=1").contains("nosuch"), "{}", told("videobalance nosuch=1"));
        assert!(told("videotestsrc").contains("no free input"), "{}", told("videotestsrc"));
        assert!(told("fakesink").contains("no free output"), "{}", told("fakesink"));
        assert!(told(" ").contains("names no"));
        assert!(lacking("x264enc").contains("gstreamer1.0-plugins-ugly"));
    }

    #[test]
    fn elements_are_meant_by_name_by_factory_or_alone() {
        gst::init().unwrap();
        let names = |line: &str, name: &str| -> Vec<String> {
            meant(&read(line).unwrap().bin, name).iter().map(factory).collect()
        };
        assert_eq!(names("identity", ""), ["identity"]);
        assert_eq!(names("identity name=one ! queue", "one"), ["identity"]);
        assert_eq!(names("identity ! queue ! identity", "identity"), ["identity", "identity"]);
        assert!(names("identity ! queue", "").is_empty(), "which of them?");
        assert!(names("identity", "queue").is_empty());
    }
}
