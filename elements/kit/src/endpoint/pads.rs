//! The pads of endpoints: always there, of any format.

use gst::prelude::*;

use super::EndpointError;

/// Templates of always-pads of any format, by name; the direction is in the name: `sink_video`, `src_audio`.
pub fn templates(names: &[&str]) -> Vec<gst::PadTemplate> {
    let any = gst::Caps::new_any();
    let template = |name: &&str| {
        let direction =
            if name.starts_with("sink") { gst::PadDirection::Sink } else { gst::PadDirection::Src };
        gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &any)
            .expect("a fixed name and ANY caps make a valid template")
    };
    names.iter().map(template).collect()
}

/// Adds the ghost pad of a template, as yet without a target.
///
/// # Errors
///
/// There is no such template, or the pad is there already.
pub fn ghost(element: &impl IsA<gst::Element>, name: &str) -> Result<gst::GhostPad, EndpointError> {
    let element = element.as_ref();
    let missing = || EndpointError::failed(format!("no pad template '{name}'"));
    let template = element.pad_template(name).ok_or_else(missing)?;
    let pad = gst::GhostPad::builder_from_template(&template).name(name).build();
    element.add_pad(&pad)?;
    Ok(pad)
}
