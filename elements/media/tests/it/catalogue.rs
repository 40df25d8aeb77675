//! What the catalogue says is what GStreamer has.

use anabranch_kit::graph::catalog::Direction;
use gst::prelude::*;
use serde_json::json;

use super::bench::pipeline;

const TYPES: [&str; 8] =
    ["app-sink", "app-source", "null-sink", "pass-through", "player", "recorder", "snapshot", "test-source"];

#[test]
fn ports_and_properties_are_those_of_the_elements() {
    pipeline("fakesrc ! fakesink");
    let catalog = anabranch_kit::registry::catalog();
    for name in TYPES {
        let descriptor = catalog.get(name).unwrap_or_else(|| panic!("{name}"));
        let element = gst::ElementFactory::make(&descriptor.factory).build().unwrap();
        for port in &descriptor.ports {
            let pad = element.static_pad(&port.pad).unwrap_or_else(|| panic!("{name}: {}", port.pad));
            let direction = if port.direction == Direction::Input {
                gst::PadDirection::Sink
            } else {
                gst::PadDirection::Src
            };
            assert_eq!(pad.direction(), direction);
        }
        for property in &descriptor.properties {
            assert!(!property.summary.is_empty(), "{name}.{}", property.name);
            assert!(element.has_property(&property.name.replace('_', "-")), "{name}.{}", property.name);
        }
        assert!(descriptor.description.len() > 100 && descriptor.example.contains(name), "{name}");
        for factory in &descriptor.requires {
            assert!(gst::ElementFactory::find(factory).is_some(), "{name} requires {factory}");
        }
    }
}

#[test]
fn properties_alone_tell_formats_parts_and_mistakes() {
    pipeline("fakesrc ! fakesink");
    let catalog = anabranch_kit::registry::catalog();
    let refine = |name: &str, properties: serde_json::Value| {
        let refine = catalog.get(name).unwrap().refine.unwrap();
        refine(properties.as_object().unwrap())
    };
    let webm = refine("recorder", json!({"location": "a.webm"}));
    assert!(webm.problems.is_empty());
    assert_eq!(webm.formats[0].1[0].name(), "VP8");
    assert!(webm.parts.iter().any(|p| p.factory == "webmmux"));
    assert_eq!(refine("recorder", json!({"location": "a.xyz"})).problems.len(), 1);
    let player = refine("player", json!({"uri": "a.mp4", "pace": "fastest"}));
    assert_eq!((player.probe.as_deref(), player.paced), (Some("a.mp4"), Some(false)));
    assert_eq!(refine("player", json!({"uri": "a.mp4"})).paced, None);
    assert_eq!(refine("test-source", json!({"video": false, "audio": false})).problems.len(), 1);
    assert_eq!(refine("snapshot", json!({"location": "a.gif", "at": [-1]})).problems.len(), 2);
    assert_eq!(refine("app-sink", json!({"accept": "audio/x-raw"})).problems.len(), 1);
    assert_eq!(refine("null-sink", json!({"accept": "raw"})).formats.len(), 2);
    assert_eq!(refine("app-source", json!({"caps": "audio/x-raw"})).problems.len(), 1);
    assert!(refine("app-source", json!({"caps": "audio/x-raw", "medium": "audio"})).problems.is_empty());
    let volume = |value: serde_json::Value| {
        let properties = json!({"element": "volume", "settings": {"volume": value}});
        refine("gstreamer-filter", properties).problems.len()
    };
    assert_eq!(
        [volume(json!(0.5)), volume(json!("0.5")), volume(json!("loud")), volume(json!(99))],
        [0, 0, 1, 1]
    );
}
