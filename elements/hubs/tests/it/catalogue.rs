use anabranch_kit::registry::{catalog, register_all};
use gst::prelude::*;

#[test]
fn every_hub_has_the_pads_and_properties_that_the_catalogue_names() {
    super::rig::init();
    register_all(None).unwrap();
    let catalog = catalog();
    let names: Vec<&str> = catalog.iter().map(|d| d.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "alpha-blending",
            "audio-mixer",
            "composite",
            "dispatcher",
            "dispatcher-one-to-many",
            "hub-port",
            "mixer",
            "selector"
        ]
    );
    for descriptor in catalog.iter() {
        let element = gst::ElementFactory::make(&descriptor.factory).build().unwrap();
        for port in &descriptor.ports {
            let pad = match port.multiple {
                true => element.request_pad_simple(&port.pad),
                false => element.static_pad(&port.pad),
            };
            let pad = pad.unwrap_or_else(|| panic!("{} has no {}", descriptor.name, port.pad));
            if port.multiple {
                assert!(pad.find_property("source").is_some());
                element.release_request_pad(&pad);
            }
        }
        for property in &descriptor.properties {
            let name = property.name.replace('_', "-");
            let value = element.property_value(&name);
            element.set_property_from_value(&name, &value);
        }
        assert!(element.find_property("pipeline-id").is_some());
        assert!(element.property::<Option<gst::Structure>>("stats").is_some(), "{}", descriptor.name);
        for state in [gst::State::Paused, gst::State::Playing, gst::State::Null] {
            assert!(element.set_state(state).is_ok());
        }
    }
}
