//! From a filter's type to its catalogue entry and GStreamer pads.

use anabranch_graph::catalog::{
    Direction, ElementDescriptor, EventSpec, PortSpec, PropertyKind, PropertySpec, Role,
};
use anabranch_graph::format::{Format, Medium};
use gst::prelude::*;
use gst_video::VideoFormat;
use schemars::JsonSchema;

use crate::params::{Params, table};

/// What the registration macros say about a filter.
pub struct Facts {
    /// The name in descriptions, kebab-case.
    pub name: &'static str,
    /// One line.
    pub summary: &'static str,
    /// The documentation page; the summary stands in for an empty one.
    pub doc: &'static str,
    /// Who wrote it.
    pub author: &'static str,
    /// A one-liner that shows it.
    pub example: &'static str,
    /// The events that it emits.
    pub events: Vec<EventSpec>,
    /// Whether it wants media at the pace of real time.
    pub realtime: bool,
    /// Its ports.
    pub ports: Vec<PortSpec>,
    /// Properties that every element of its kind has.
    pub more: Vec<PropertySpec>,
}

/// `face-overlay` -> `abfaceoverlay`.
pub(crate) fn factory(name: &str) -> String {
    format!("ab{}", name.replace('-', ""))
}

/// `face-overlay` -> `Face overlay`.
pub(crate) fn long_name(name: &str) -> String {
    let mut chars = name.chars();
    let first = chars.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(chars.map(|c| if c == '-' { ' ' } else { c })).collect()
}

impl Facts {
    /// The catalogue entry of an element with this params struct.
    pub fn descriptor<P: Params>(self) -> ElementDescriptor {
        let mut properties = table::<P>().properties().to_vec();
        properties.extend(self.more);
        ElementDescriptor {
            name: self.name.into(),
            factory: factory(self.name),
            role: Role::Filter,
            summary: self.summary.into(),
            description: if self.doc.is_empty() { self.summary } else { self.doc }.trim().into(),
            author: self.author.into(),
            example: self.example.into(),
            ports: self.ports,
            properties,
            events: self.events,
            requires: Vec::new(),
            realtime: self.realtime,
            refine: None,
        }
    }
}

/// The ports of a video filter that takes these pixel formats.
pub fn video_ports(formats: &[VideoFormat]) -> Vec<PortSpec> {
    let layouts: Vec<String> = formats.iter().map(|f| f.to_str().to_string()).collect();
    let port = |direction, pad: &str| PortSpec {
        name: "video".into(),
        direction,
        medium: Medium::Video,
        pad: pad.into(),
        formats: vec![Format::RawVideo],
        layouts: layouts.clone(),
        required: direction == Direction::Input,
        multiple: false,
    };
    vec![port(Direction::Input, "sink"), port(Direction::Output, "src")]
}

/// The property `budget_ms` that every filter has.
pub(crate) fn budget_property() -> PropertySpec {
    PropertySpec {
        name: "budget_ms".into(),
        summary: "How long the stream waits for the filter at one frame, in milliseconds; then the filter counts as \
                  hung and frames pass without it; 0 waits for ever"
            .into(),
        kind: PropertyKind::Integer { min: 0, max: 60_000 },
        default: crate::filter::shell::DEFAULT_BUDGET_MS.into(),
        required: false,
        live: true,
    }
}

/// The property by which the engine lets frames pass a filter that failed. It is no part of descriptions: there the
/// policy `on-error: drop-element` says it.
pub(crate) const PASS_ON_ERROR: &str = "pass-on-error";

/// As a GObject property.
pub(crate) fn pass_on_error_spec() -> glib::ParamSpec {
    glib::ParamSpecBoolean::builder(PASS_ON_ERROR)
        .nick("Pass on error")
        .blurb("After an error, post it and let frames pass as they are instead of stopping the stream")
        .mutable_ready()
        .build()
}

/// The name of an event type: `FaceCount` becomes `face-count`.
pub fn event_name<E: JsonSchema>() -> String {
    let mut name = String::new();
    for (i, c) in E::schema_name().chars().enumerate() {
        if c.is_ascii_uppercase() && i > 0 {
            name.push('-');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

/// What the catalogue says of an event type: its summary is the doc comment.
pub fn event_spec<E: JsonSchema>() -> EventSpec {
    let schema = schemars::schema_for!(E).to_value();
    let summary = schema.get("description").and_then(|d| d.as_str()).unwrap_or_default().to_owned();
    EventSpec { name: event_name::<E>(), summary, schema }
}

/// The element's pads.
pub(crate) fn pad_templates(formats: &[VideoFormat]) -> Vec<gst::PadTemplate> {
    same_caps(&gst_video::VideoCapsBuilder::new().format_list(formats.iter().copied()).build())
}

/// Pads of which what goes in comes out.
pub(crate) fn same_caps(caps: &gst::Caps) -> Vec<gst::PadTemplate> {
    [("src", gst::PadDirection::Src), ("sink", gst::PadDirection::Sink)]
        .into_iter()
        .filter_map(|(name, direction)| {
            gst::PadTemplate::new(name, direction, gst::PadPresence::Always, caps).ok()
        })
        .collect()
}

/// What `gst-inspect-1.0` prints.
pub(crate) fn metadata(
    name: &str,
    class: &str,
    summary: &str,
    author: &str,
) -> gst::subclass::ElementMetadata {
    gst::subclass::ElementMetadata::new(&long_name(name), class, summary, author)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(JsonSchema)]
    #[allow(dead_code)]
    /// Faces came or went.
    struct FaceCount {
        count: u32,
    }

    #[test]
    fn names_follow_the_rules() {
        assert_eq!(factory("face-overlay"), "abfaceoverlay");
        assert_eq!(long_name("face-overlay"), "Face overlay");
        let event = event_spec::<FaceCount>();
        assert_eq!((event.name.as_str(), event.summary.as_str()), ("face-count", "Faces came or went."));
    }
}
