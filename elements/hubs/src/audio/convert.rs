//! From whatever sound a party sends to the format in which sound is added up.

use std::sync::{Arc, Mutex};

use gst::prelude::*;

use crate::lock;

/// Takes converted sound.
pub type Deliver = Arc<dyn Fn(&gst::Buffer) + Send + Sync>;

/// GStreamer's converters between two pads, in no pipeline: they have no thread and need no clock.
pub struct Convert {
    entry: gst::Pad,
    parts: Vec<gst::Element>,
    caps: Mutex<Option<gst::Caps>>,
    // Kept: an unparented pad lives as long as somebody holds it.
    exit: gst::Pad,
}

impl Convert {
    /// Converters whose results go to `deliver`; none if GStreamer lacks them.
    pub fn new(deliver: Deliver) -> Option<Convert> {
        let make = |factory: &str| gst::ElementFactory::make(factory).build().ok();
        let parts = vec![make("audioconvert")?, make("audioresample")?, make("capsfilter")?];
        parts[2].set_property("caps", super::caps());
        let exit = gst::Pad::builder(gst::PadDirection::Sink)
            .chain_function(move |_, _, buffer| {
                deliver(&buffer);
                Ok(gst::FlowSuccess::Ok)
            })
            .event_function(|_, _, _| true)
            .build();
        exit.set_active(true).ok()?;
        gst::Element::link_many(&parts).ok()?;
        parts[2].static_pad("src")?.link(&exit).ok()?;
        let entry = gst::Pad::builder(gst::PadDirection::Src).build();
        entry.set_active(true).ok()?;
        entry.link(&parts[0].static_pad("sink")?).ok()?;
        let convert = Convert { entry, parts, caps: Mutex::default(), exit };
        for part in convert.parts.iter().rev() {
            part.set_state(gst::State::Playing).ok()?;
        }
        Some(convert)
    }

    /// Converts a buffer of these caps.
    pub fn push(&self, buffer: gst::Buffer, caps: &gst::Caps) -> Result<gst::FlowSuccess, gst::FlowError> {
        let known = {
            let mut known = lock(&self.caps);
            let old = known.replace(caps.clone());
            (old.is_some(), old.as_ref() == Some(caps))
        };
        if !known.0 {
            self.entry.push_event(gst::event::StreamStart::new("hub/sound"));
        }
        if !known.1 {
            self.entry.push_event(gst::event::Caps::new(caps));
        }
        if !known.0 {
            let segment = gst::FormattedSegment::<gst::ClockTime>::new();
            self.entry.push_event(gst::event::Segment::new(&segment));
        }
        self.entry.push(buffer)
    }
}

impl Drop for Convert {
    fn drop(&mut self) {
        for part in &self.parts {
            // These elements have nothing that could fail to stop.
            let _ = part.set_state(gst::State::Null);
        }
        let _ = self.entry.set_active(false);
        let _ = self.exit.set_active(false);
    }
}
