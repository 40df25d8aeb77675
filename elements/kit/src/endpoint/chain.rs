//! Elements in a row.

use gst::prelude::*;

use super::EndpointError;
use crate::command::CommandErrorKind;

/// Makes an element of GStreamer.
///
/// # Errors
///
/// `unsupported-element`, with the factory's name.
pub fn make(factory: &str) -> Result<gst::Element, EndpointError> {
    gst::ElementFactory::make(factory).build().map_err(|_| {
        EndpointError::new(
            CommandErrorKind::Unsupported,
            "unsupported-element",
            format!(
                "the GStreamer element '{factory}' is not installed; `anabranch doctor` names its package"
            ),
        )
    })
}

/// A chain of elements in a bin, in the order of the media.
#[derive(Debug, Default)]
pub struct Chain {
    elements: Vec<gst::Element>,
}

impl Chain {
    /// Adds the elements to the bin and links them.
    ///
    /// # Errors
    ///
    /// What could not be linked; nothing stays in the bin then.
    pub fn new(bin: &gst::Bin, elements: Vec<gst::Element>) -> Result<Self, EndpointError> {
        let chain = Chain { elements };
        let link = || -> Result<(), glib::BoolError> {
            bin.add_many(&chain.elements)?;
            gst::Element::link_many(&chain.elements)
        };
        link().inspect_err(|_| chain.remove(bin))?;
        Ok(chain)
    }

    /// Brings the elements to the bin's state, the last first.
    pub fn start(&self) {
        for element in self.elements.iter().rev() {
            if let Err(error) = element.sync_state_with_parent() {
                gst::warning!(gst::CAT_RUST, obj = element, "{error}");
            }
        }
    }

    /// The pad that media go into.
    pub fn sink(&self) -> Option<gst::Pad> {
        self.elements.first()?.static_pad("sink")
    }

    /// The pad that media come out of.
    pub fn src(&self) -> Option<gst::Pad> {
        self.elements.last()?.static_pad("src")
    }

    /// Stops the elements and takes them out of the bin.
    pub fn remove(&self, bin: &gst::Bin) {
        for element in &self.elements {
            element.set_locked_state(true);
            let _ = element.set_state(gst::State::Null);
            if element.parent().as_ref() == Some(bin.upcast_ref()) {
                let _ = bin.remove(element);
            }
        }
    }
}
