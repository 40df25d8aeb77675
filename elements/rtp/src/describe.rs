//! What the descriptions of this crate's element types have in common.

use anabranch_graph::catalog::{Direction, Part, PortSpec, PropertyMap, Refined};
use anabranch_graph::format::{Format, Medium};
use serde::de::DeserializeOwned;
use serde_json::Value;

use anabranch_kit::endpoint::EndpointError;
use anabranch_kit::endpoint::codec::is_available;

/// A port: `sink_video`, `src_audio`.
pub(crate) fn port(medium: Medium, direction: Direction, formats: Vec<Format>) -> PortSpec {
    let side = if direction == Direction::Input { "sink" } else { "src" };
    PortSpec {
        name: medium.name().into(),
        direction,
        medium,
        pad: format!("{side}_{}", medium.name()),
        formats,
        layouts: Vec::new(),
        required: false,
        multiple: false,
    }
}

/// The options of a description; what does not fit is reported by the check of the properties.
pub(crate) fn options<T: DeserializeOwned>(properties: &PropertyMap) -> Option<T> {
    serde_json::from_value(Value::Object(properties.clone())).ok()
}

/// The formats of a list that this machine can exchange; a problem if there are none of some.
pub(crate) fn formats(refined: &mut Refined, medium: Medium, property: &str, all: &[Format]) {
    let known: Vec<Format> = all.iter().filter(|format| is_available(format)).cloned().collect();
    if known.is_empty() && !all.is_empty() {
        let names: Vec<&str> = all.iter().map(Format::name).collect();
        let problem = format!("this machine cannot exchange {} as RTP", names.join(" or "));
        refined.problems.push((property.into(), problem));
    }
    refined.formats.push((medium.name().into(), known));
}

/// The elements inside.
pub(crate) fn parts(refined: &mut Refined, encrypted: bool, sends: bool, receives: bool) {
    let mut add = |factory: &str, why: &str| {
        refined.requires.push(factory.into());
        refined.parts.push(Part { factory: factory.into(), why: why.into() });
    };
    add("rtpbin", "order, reports, and feedback such as key-frame requests");
    if sends {
        add("multiudpsink", "sends the packets");
    }
    if receives {
        add("udpsrc", "takes the packets");
    }
    if encrypted {
        add("srtpenc", "encrypts");
        add("srtpdec", "decrypts");
    }
}

/// Notes a mistake of a property.
pub(crate) fn problem<T>(refined: &mut Refined, property: &str, result: &Result<T, EndpointError>) {
    if let Err(error) = result {
        refined.problems.push((property.into(), error.text.clone()));
    }
}

/// What the properties say about ports of one's own.
pub(crate) fn port_range(refined: &mut Refined, min: u32, max: u32) {
    if max != 0 && min > max {
        refined.problems.push(("min_port".into(), format!("is greater than `max_port` ({max})")));
    }
}
