//! Ghost pads and pad templates of the elements that are bins.

use std::sync::{Arc, Mutex, PoisonError};

use gst::prelude::*;

/// Always-pads of any format, by name and direction.
pub fn templates(pads: &[(&str, gst::PadDirection)]) -> Vec<gst::PadTemplate> {
    let any = gst::Caps::new_any();
    let template = |(name, direction): &(&str, gst::PadDirection)| {
        gst::PadTemplate::new(name, *direction, gst::PadPresence::Always, &any)
            .expect("the pad names and caps of this crate make valid templates")
    };
    pads.iter().map(template).collect()
}

/// Gives an element one ghost pad, as yet without a target, for each of its class's always-templates.
pub fn add_ghosts<E: IsA<gst::Element>>(element: &E) {
    for template in element.pad_template_list() {
        if template.presence() == gst::PadPresence::Always {
            let pad = gst::GhostPad::builder_from_template(&template).name(template.name_template()).build();
            // A pad of that name can only be there if a subclass made it, and then that one serves.
            let _ = element.add_pad(&pad);
        }
    }
}

/// The ghost pad of that name.
pub fn ghost(element: &impl IsA<gst::Element>, name: &str) -> Option<gst::GhostPad> {
    element.static_pad(name)?.downcast().ok()
}

/// Makes an element of GStreamer, or says which one is missing in words for a person.
///
/// # Errors
///
/// A missing-plugin error.
pub fn make(factory: &str, name: &str) -> Result<gst::Element, gst::ErrorMessage> {
    gst::ElementFactory::make(factory).name(name).build().map_err(|_| {
        gst::error_msg!(
            gst::CoreError::MissingPlugin,
            (
                "The GStreamer element '{factory}' is not installed; `anabranch doctor` names the package that has it."
            )
        )
    })
}

/// Links that cannot fail for a reason of the user's.
///
/// # Errors
///
/// An internal error that names the two elements.
pub fn link_failed(what: &str) -> gst::ErrorMessage {
    gst::error_msg!(gst::CoreError::Negotiation, ("{what} could not be linked inside the element."))
}

/// Stops the source behind a ghost pad while nobody is linked to it: it makes nothing that nobody wants, and
/// "not linked" is no error. `pad` is the ghost pad's target.
pub fn hold_while_unlinked(ghost: &gst::GhostPad, pad: &gst::Pad) {
    let hold = Arc::new(Mutex::new(None));
    let set = |hold: &Mutex<Option<gst::PadProbeId>>, pad: &gst::Pad| {
        let id = pad.add_probe(gst::PadProbeType::BLOCK_DOWNSTREAM, |_, _| gst::PadProbeReturn::Ok);
        let old = std::mem::replace(&mut *hold.lock().unwrap_or_else(PoisonError::into_inner), id);
        if let Some(old) = old {
            pad.remove_probe(old);
        }
    };
    if !ghost.is_linked() {
        set(&hold, pad);
    }
    ghost.connect_linked({
        let (hold, pad) = (hold.clone(), pad.downgrade());
        move |_, _| {
            let id = hold.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let (Some(pad), Some(id)) = (pad.upgrade(), id) {
                pad.remove_probe(id);
            }
        }
    });
    ghost.connect_unlinked({
        let pad = pad.downgrade();
        move |_, _| {
            if let Some(pad) = pad.upgrade() {
                set(&hold, &pad);
            }
        }
    });
}

/// Lets the end of a sink behind a ghost pad count for the end of the pipeline once the pad has been linked: a sink that
/// nothing ever fed never sees its end. Whoever unlinks it later ends it.
pub fn count_if_linked(ghost: &gst::GhostPad, sink: &gst::Element) {
    if !ghost.is_linked() {
        sink.unset_element_flags(gst::ElementFlags::SINK);
    }
    let weak = sink.downgrade();
    ghost.connect_linked(move |_, _| {
        if let Some(sink) = weak.upgrade() {
            sink.set_element_flags(gst::ElementFlags::SINK);
        }
    });
}
