//! Running one filter over a film, looking at each of its frames.

use std::sync::mpsc;

use anabranch_harness::binary::project_root;
use anabranch_kit::regions::{self, Region};
use gst::prelude::*;

/// The path of a sample.
pub fn sample(name: &str) -> String {
    project_root().join(".cache/samples").join(name).to_str().unwrap().to_owned()
}

/// A filter by its factory's name, with properties as text.
pub fn filter(factory: &str, properties: &[(&str, &str)]) -> gst::Element {
    gst::init().unwrap();
    anabranch_kit::registry::register_all(None).unwrap();
    let mut builder = gst::ElementFactory::make(factory);
    for (name, value) in properties {
        builder = builder.property_from_str(name, value);
    }
    builder.build().unwrap()
}

/// What a film's frames have on them behind a filter: the number of the frame, and its regions.
pub fn regions_of(film: &str, filter: &gst::Element) -> Vec<(usize, Vec<Region>)> {
    let make = gst::ElementFactory::make;
    let source = make("filesrc").property("location", film).build().unwrap();
    let decoder = make("decodebin").build().unwrap();
    let convert = make("videoconvert").build().unwrap();
    let sink = make("fakesink").property("signal-handoffs", true).property("sync", false).build().unwrap();
    let pipeline = gst::Pipeline::new();
    pipeline.add_many([&source, &decoder, &convert, filter, &sink]).unwrap();
    source.link(&decoder).unwrap();
    gst::Element::link_many([&convert, filter, &sink]).unwrap();
    let weak = convert.downgrade();
    decoder.connect_pad_added(move |_, pad| {
        let Some(pad_of) = weak.upgrade().and_then(|c| c.static_pad("sink")) else { return };
        if !pad_of.is_linked() {
            let _ = pad.link(&pad_of);
        }
    });
    let (sender, frames) = mpsc::channel();
    sink.connect("handoff", false, move |args| {
        let buffer = args[1].get::<gst::Buffer>().unwrap();
        let caps = args[2].get::<gst::Pad>().unwrap().current_caps().unwrap();
        let size = caps.structure(0).unwrap();
        let (width, height) = (size.get::<i32>("width").unwrap(), size.get::<i32>("height").unwrap());
        sender.send(regions::read(&buffer, width as u32, height as u32)).unwrap();
        None
    });
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    let end = bus.timed_pop_filtered(
        gst::ClockTime::from_seconds(120),
        &[gst::MessageType::Eos, gst::MessageType::Error],
    );
    let problem = match end.as_ref().map(|m| m.view()) {
        Some(gst::MessageView::Eos(_)) => None,
        Some(gst::MessageView::Error(e)) => Some(e.error().to_string()),
        _ => Some("it did not end in time".to_owned()),
    };
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(problem, None);
    frames.try_iter().enumerate().collect()
}

/// How many found boxes are true ones, when each truth counts once.
pub fn hits(found: &[Region], truth: &[Region], overlap: f32) -> usize {
    let mut free: Vec<&Region> = truth.iter().collect();
    let mut best: Vec<&Region> = found.iter().collect();
    best.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut hits = 0;
    for region in best {
        let near = free.iter().enumerate().max_by(|a, b| region.overlap(a.1).total_cmp(&region.overlap(b.1)));
        if let Some((at, nearest)) = near
            && region.overlap(nearest) >= overlap
        {
            free.remove(at);
            hits += 1;
        }
    }
    hits
}
