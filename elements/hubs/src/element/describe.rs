//! What the catalogue says about hubs, as far as they have it in common.

use anabranch_graph::catalog::{
    Direction, ElementDescriptor, EventSpec, PortSpec, PropertyMap, PropertySpec, Refined, Role,
};
use anabranch_graph::format::{Format, Medium};
use serde_json::json;

/// What distinguishes a hub in the catalogue.
pub struct Facts {
    /// Its type.
    pub name: &'static str,
    /// One line.
    pub summary: &'static str,
    /// Its page.
    pub description: &'static str,
    /// A one-liner.
    pub example: &'static str,
    /// Its media, each with whether it is joined and so has to be raw.
    pub media: &'static [(Medium, bool)],
    /// Its properties.
    pub properties: Vec<PropertySpec>,
    /// What it needs.
    pub requires: &'static [&'static str],
    /// What follows from its properties.
    pub refine: Option<fn(&PropertyMap) -> Refined>,
}

/// The descriptor of a hub.
pub fn hub(facts: Facts) -> ElementDescriptor {
    let port = |direction: Direction, (medium, joined): (Medium, bool)| {
        let pad = match direction {
            Direction::Input => format!("sink_{medium}_%u"),
            Direction::Output => format!("src_{medium}"),
        };
        PortSpec {
            name: medium.name().into(),
            direction,
            medium,
            pad,
            formats: if joined { Format::raw(medium).into_iter().collect() } else { Vec::new() },
            layouts: Vec::new(),
            required: false,
            multiple: direction == Direction::Input,
        }
    };
    let inputs = facts.media.iter().map(|medium| port(Direction::Input, *medium));
    let outputs = facts.media.iter().map(|medium| port(Direction::Output, *medium));
    let switches = facts.media.iter().any(|(_, joined)| !joined);
    ElementDescriptor {
        name: facts.name.into(),
        factory: format!("ab{}", facts.name.replace('-', "")),
        role: Role::Mixer,
        summary: facts.summary.into(),
        description: facts.description.into(),
        author: "The Anabranch developers".into(),
        example: facts.example.into(),
        ports: inputs.chain(outputs).collect(),
        properties: facts.properties,
        events: if switches { vec![switched()] } else { Vec::new() },
        requires: facts.requires.iter().map(|factory| (*factory).to_owned()).collect(),
        realtime: true,
        refine: facts.refine,
    }
}

fn switched() -> EventSpec {
    EventSpec {
        name: "switched".into(),
        summary: "A listener gets another source's media from now on.".into(),
        schema: json!({
            "type": "object",
            "properties": {"sink": {"type": "string"}, "source": {"type": "string"}},
            "required": ["sink", "source"],
        }),
    }
}
