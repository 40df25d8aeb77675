//! Collects the numbers of a running graph.

use std::collections::BTreeMap;
use std::time::Instant;

use anabranch_graph::catalog::Direction;
use anabranch_kit::endpoint::stats as streams;
use gst::prelude::*;

use super::Runtime;
use super::counter::Counter;
use crate::stats::{ElementStats, LinkStats, PipelineStats, PortStats};

/// A port of an element.
pub(crate) type Port = (String, Direction, String);

impl Runtime {
    /// Looks at what flows; what has changed since the last look.
    pub fn look_at_flow(&mut self) -> Vec<(Port, bool)> {
        let mut counters = Vec::new();
        for (id, node) in &self.nodes {
            let inputs = node.inputs.iter().map(|port| (Direction::Input, port));
            let outputs = node.outputs.iter().map(|port| (Direction::Output, port));
            for (direction, (port, counter)) in inputs.chain(outputs) {
                counters.push(((id.clone(), direction, port.clone()), counter.frames()));
            }
        }
        self.flow.observe(&counters, Instant::now())
    }

    /// The numbers now.
    pub fn stats(&self) -> PipelineStats {
        let mut stats = PipelineStats::default();
        if let Some(base) = self.base_time {
            stats.elapsed = self.now().saturating_sub(base).nseconds() as f64 / 1e9;
        }
        for (id, node) in &self.nodes {
            let ports = |direction: Direction| {
                let counters = match direction {
                    Direction::Input => &node.inputs,
                    Direction::Output => &node.outputs,
                };
                let stats = |(port, counter): (&String, &std::sync::Arc<Counter>)| {
                    let key = (id.clone(), direction, port.clone());
                    let stats = PortStats {
                        frames: counter.frames(),
                        bytes: counter.bytes(),
                        flowing: self.flow.is_flowing(&key),
                        age_ms: counter.age_ms().filter(|_| self.keeps_time()),
                    };
                    (port.clone(), stats)
                };
                counters.iter().map(stats).collect::<BTreeMap<_, _>>()
            };
            for counter in node.inputs.values().chain(node.outputs.values()) {
                stats.position = stats.position.max(counter.position().unwrap_or(0.0));
            }
            let own = own_structure(&node.element);
            let mut element = ElementStats {
                inputs: ports(Direction::Input),
                outputs: ports(Direction::Output),
                own: own.as_deref().map(numbers).unwrap_or_default(),
                latency_ms: None,
                rtp: own.as_deref().map(streams::read).unwrap_or_default(),
                hubs: node.hubs.iter().map(|(port, hub)| (port.clone(), own_numbers(hub))).collect(),
            };
            // What goes into an endpoint and what comes out of it are two things, not one that was under way.
            if !node.is_endpoint() {
                element.find_latency();
            }
            stats.elements.insert(id.clone(), element);
        }
        for (id, link) in &self.links {
            let Some(channel) = &link.channel else { continue };
            let c = channel.stats();
            stats.links.insert(
                id.clone(),
                LinkStats {
                    frames: c.buffers,
                    bytes: c.bytes,
                    dropped: c.dropped,
                    waiting: c.waiting as u64,
                    fill_ms: c.fill_ns as f64 / 1e6,
                    latency_ms: c.latency_ns as f64 / 1e6,
                },
            );
        }
        stats
    }
}

/// An element's own statistics, if it has any.
fn own_structure(element: &gst::Element) -> Option<gst::Structure> {
    element.find_property("stats").filter(|p| p.value_type() == gst::Structure::static_type())?;
    element.property::<Option<gst::Structure>>("stats")
}

fn own_numbers(element: &gst::Element) -> BTreeMap<String, f64> {
    own_structure(element).as_deref().map(numbers).unwrap_or_default()
}

/// The numeric fields of statistics.
fn numbers(structure: &gst::StructureRef) -> BTreeMap<String, f64> {
    let mut numbers = BTreeMap::new();
    for (name, value) in structure.iter() {
        let number = value
            .transform::<f64>()
            .ok()
            .filter(|_| value.type_() != glib::Type::STRING)
            .and_then(|v| v.get::<f64>().ok());
        if let Some(number) = number {
            numbers.insert(name.to_string(), number);
        }
    }
    numbers
}
