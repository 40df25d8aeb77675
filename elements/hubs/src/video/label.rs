//! Names over the pictures: each is drawn once, and kept as a small picture of its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use gst::prelude::*;

use super::layout::Cell;
use super::slot::Picture;
use crate::lock;

/// A name at a size.
type Key = (String, i32, i32);

/// The names that were drawn.
#[derive(Clone, Default)]
pub struct Labels {
    /// None: it is being drawn, or cannot be.
    drawn: Arc<Mutex<HashMap<Key, Option<Picture>>>>,
}

/// Where the label of a picture goes: along its lower left edge.
pub fn place(cell: &Cell, name: &str) -> Cell {
    let height = (cell.height / 12).clamp(14, 40) & !1;
    // A little more than most letters are wide.
    let letters = name.chars().count().min(200) as i32;
    let width = (letters * height * 6 / 10 + height).min(cell.width) & !1;
    Cell {
        x: cell.x,
        y: cell.y + (cell.height - height).max(0),
        width: width.max(2),
        height: height.min(cell.height).max(2),
        alpha: (cell.alpha * 0.8).clamp(0.0, 1.0),
        z_order: cell.z_order,
    }
}

impl Labels {
    /// The label of a name at a size; none while it is being drawn on a thread of its own.
    pub fn get(&self, name: &str, width: i32, height: i32) -> Option<Picture> {
        let key = (name.to_owned(), width, height);
        let mut drawn = lock(&self.drawn);
        if let Some(label) = drawn.get(&key) {
            return label.clone();
        }
        // Sizes change with every party that comes or goes.
        if drawn.len() > 256 {
            drawn.clear();
        }
        drawn.insert(key.clone(), None);
        drop(drawn);
        let labels = self.clone();
        let draw = move || {
            let label = draw(&key.0, key.1, key.2);
            if label.is_none() {
                gst::warning!(gst::CAT_RUST, "the name '{}' could not be drawn", key.0);
            }
            lock(&labels.drawn).insert(key, label);
        };
        // Without a thread there is no label.
        let _ = std::thread::Builder::new().name("hub-label".to_owned()).spawn(draw);
        None
    }
}

/// Draws white letters on black.
fn draw(name: &str, width: i32, height: i32) -> Option<Picture> {
    let make = gst::ElementFactory::make;
    let pipeline = gst::Pipeline::new();
    let source = make("videotestsrc").property("num-buffers", 1i32).build().ok()?;
    source.set_property_from_str("pattern", "black");
    let format = gst::Caps::builder("video/x-raw")
        .field("format", "I420")
        .field("width", width)
        .field("height", height)
        .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
        .field("framerate", gst::Fraction::new(30, 1))
        .build();
    let filter = make("capsfilter").property("caps", &format).build().ok()?;
    let text = make("textoverlay")
        .property("text", name)
        .property("auto-resize", false)
        .property("font-desc", format!("Sans {}px", (height * 7 / 10).max(8)))
        .property("draw-shadow", false)
        .build()
        .ok()?;
    for (property, value) in [("valignment", "center"), ("halignment", "center"), ("wrap-mode", "none")] {
        text.set_property_from_str(property, value);
    }
    let sink = gst_app::AppSink::builder().sync(false).caps(&format).build();
    pipeline.add_many([&source, &filter, &text, sink.upcast_ref()]).ok()?;
    gst::Element::link_many([&source, &filter, &text, sink.upcast_ref()]).ok()?;
    // Nobody listens to its bus; an error shows as a sample that does not come.
    let sample = match pipeline.set_state(gst::State::Playing) {
        Ok(_) => sink.try_pull_sample(gst::ClockTime::from_seconds(5)),
        Err(_) => None,
    };
    let _ = pipeline.set_state(gst::State::Null);
    let sample = sample?;
    Some(Picture { buffer: sample.buffer_owned()?, caps: sample.caps_owned()? })
}
