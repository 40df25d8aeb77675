//! What the catalogue says is what GStreamer has.

use anabranch_kit::graph::catalog::Direction;
use gst::prelude::*;
use serde_json::{Value, json};

use super::rig::init;

#[test]
fn ports_and_properties_are_those_of_the_element() {
    init();
    let catalog = anabranch_kit::registry::catalog();
    let descriptor = catalog.get("webrtc").unwrap();
    let element = gst::ElementFactory::make(&descriptor.factory).build().unwrap();
    assert_eq!(descriptor.ports.len(), 6);
    for port in &descriptor.ports {
        let pad = element.static_pad(&port.pad).unwrap_or_else(|| panic!("{}", port.pad));
        let direction =
            if port.direction == Direction::Input { gst::PadDirection::Sink } else { gst::PadDirection::Src };
        assert_eq!(pad.direction(), direction);
    }
    for property in &descriptor.properties {
        assert!(!property.summary.is_empty(), "{}", property.name);
        assert!(element.has_property(&property.name.replace('_', "-")), "{}", property.name);
    }
    assert!(descriptor.description.len() > 100 && descriptor.example.contains("webrtc"));
}

#[test]
fn properties_alone_tell_formats_transport_and_mistakes() {
    init();
    let catalog = anabranch_kit::registry::catalog();
    let refine = |properties: Value| {
        let refine = catalog.get("webrtc").unwrap().refine.unwrap();
        refine(properties.as_object().unwrap())
    };
    let plain = refine(json!({"video_codecs": ["h264", "vp8"]}));
    assert!(plain.problems.is_empty(), "{:?}", plain.problems);
    let names: Vec<&str> = plain.formats[0].1.iter().map(|f| f.name()).collect();
    assert_eq!(names, ["H.264", "VP8"]);
    assert_eq!(plain.parts[0].factory, "webrtcbin");
    let layered = refine(json!({"layer": "h"}));
    assert!(layered.parts[0].why.contains("simulcast"), "{:?}", layered.parts);
    let impossible = refine(json!({"transport": "webrtcbin", "ice_lite": true}));
    assert_eq!(impossible.problems[0].0, "ice_lite");
    assert_eq!(refine(json!({"min_bitrate": 500, "max_bitrate": 100})).problems[0].0, "min_bitrate");
    assert_eq!(refine(json!({"min_port": 500, "max_port": 100})).problems[0].0, "min_port");
}
