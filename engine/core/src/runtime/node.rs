//! A graph element at run time: one GStreamer element and an output hub per output.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anabranch_graph::catalog::{Direction, ElementDescriptor, Role};
use anabranch_graph::plan::{NodePlan, Pace};
use anabranch_graph::spec::OnError;
use gst::prelude::*;

use super::counter::Counter;
use super::domain::Domain;
use super::wants::Wants;
use crate::error::ChangeError;

/// The factory of the output hub.
const HUB: &str = "abtranscode";

/// The property of a filter that lets frames pass it after an error.
const PASS_ON_ERROR: &str = "pass-on-error";

/// The property of an element that says by `wants` when it takes something, and takes nothing before.
const ON_DEMAND: &str = "on-demand";

/// The property by which an element is told which pipeline it is in: a name that no other pipeline of this process has.
const PIPELINE_ID: &str = "pipeline-id";

/// The property by which an element leaves something, such as the names of its files, to the one that is built in its
/// place.
const LEGACY: &str = "legacy";

fn has_legacy(element: &gst::Element) -> bool {
    element.find_property(LEGACY).is_some_and(|spec| spec.value_type() == gst::Structure::static_type())
}

/// A graph element at run time.
pub(crate) struct Node {
    pub plan: NodePlan,
    pub element: gst::Element,
    /// Hubs by output port.
    pub hubs: BTreeMap<String, gst::Element>,
    /// By port: one with a pad for each link counts what comes on all of them.
    pub inputs: BTreeMap<String, Arc<Counter>>,
    pub outputs: BTreeMap<String, Arc<Counter>>,
    /// Input ports that got an end of stream because nothing was linked, by pad name.
    pub absent: Vec<String>,
    /// What an endpoint's input ports want, by port.
    wants: BTreeMap<String, Wants>,
}

impl Node {
    /// Makes the element with its hubs and adds them to the domain. Nothing is linked upstream, nothing is started
    /// unless the domain runs.
    pub fn build(
        plan: &NodePlan,
        descriptor: &ElementDescriptor,
        domain: &Domain,
        pace: &Pace,
        legacy: Option<&gst::Structure>,
        pipeline: &str,
    ) -> Result<Node, ChangeError> {
        let fail = |reason: String| ChangeError::Build { element: plan.id.clone(), reason };
        let element = gst::ElementFactory::make(&plan.factory).name(&plan.id).build().map_err(|_| {
            fail(format!("GStreamer has no element '{}'; is its plugin linked or installed?", plan.factory))
        })?;
        for (name, value) in &plan.properties {
            anabranch_kit::params::set_json(element.upcast_ref(), name, value)
                .map_err(|e| fail(e.to_string()))?;
        }
        if plan.role == Role::Filter
            && plan.on_error == OnError::DropElement
            && element.find_property(PASS_ON_ERROR).is_some()
        {
            element.set_property(PASS_ON_ERROR, true);
        }
        if element.find_property(PIPELINE_ID).is_some() {
            element.set_property(PIPELINE_ID, pipeline);
        }
        if let Some(legacy) = legacy.filter(|_| has_legacy(&element)) {
            element.set_property(LEGACY, legacy);
        }
        let mut node = Node {
            plan: plan.clone(),
            element,
            hubs: BTreeMap::new(),
            inputs: BTreeMap::new(),
            outputs: BTreeMap::new(),
            absent: Vec::new(),
            wants: BTreeMap::new(),
        };
        domain.add(&node.element, &plan.id).map_err(|e| fail(e.to_string()))?;
        let built = node.build_ports(descriptor, domain, pace);
        if let Err(error) = built {
            node.remove(domain);
            return Err(error);
        }
        if domain.started {
            for hub in node.hubs.values() {
                let _ = hub.sync_state_with_parent();
            }
            if !node.is_source() {
                let _ = node.element.sync_state_with_parent();
            }
        }
        Ok(node)
    }

    fn build_ports(
        &mut self,
        descriptor: &ElementDescriptor,
        domain: &Domain,
        pace: &Pace,
    ) -> Result<(), ChangeError> {
        let id = self.plan.id.clone();
        let fail = |reason: String| ChangeError::Build { element: id.clone(), reason };
        for port in descriptor.ports.iter().filter(|p| p.multiple && p.direction == Direction::Input) {
            self.inputs.insert(port.name.clone(), Arc::default());
        }
        for port in descriptor.ports.iter().filter(|p| !p.multiple) {
            let pad = self
                .element
                .static_pad(&port.pad)
                .ok_or_else(|| fail(format!("'{}' has no pad '{}'", self.plan.factory, port.pad)))?;
            let counter = Counter::attach(&pad);
            match port.direction {
                Direction::Input => {
                    self.inputs.insert(port.name.clone(), counter);
                }
                Direction::Output => {
                    self.outputs.insert(port.name.clone(), counter);
                    // Also for an output that nobody wants yet: its media needs somewhere to go.
                    let hub = gst::ElementFactory::make(HUB)
                        .name(format!("hub:{id}.{}", port.name))
                        .property("live", matches!(pace, Pace::Realtime))
                        .build()
                        .map_err(|_| {
                            fail(format!("GStreamer has no element '{HUB}'; link the media elements"))
                        })?;
                    domain.add(&hub, &id).map_err(|e| fail(e.to_string()))?;
                    let sink = hub
                        .static_pad("sink")
                        .ok_or_else(|| fail("the output hub has no sink pad".into()))?;
                    pad.link(&sink).map_err(|e| fail(format!("the output hub refused the link: {e}")))?;
                    self.hubs.insert(port.name.clone(), hub);
                    if self.plan.role == Role::Filter {
                        domain.watch_tail(&pad);
                    }
                }
            }
        }
        Ok(())
    }

    /// Remembers what an input port wants; returns all that is known of it.
    pub fn set_wants(&mut self, newer: Wants) -> Wants {
        let wants = self.wants(&newer.port).unwrap_or_else(|| Wants::nothing(&newer.port)).updated(newer);
        self.wants.insert(wants.port.clone(), wants.clone());
        wants
    }

    /// What an input port wants; none if it takes what the plan says.
    pub fn wants(&self, port: &str) -> Option<Wants> {
        let negotiates = (self.is_endpoint() || self.is_on_demand()).then(|| Wants::nothing(port));
        self.wants.get(port).cloned().or(negotiates)
    }

    /// Whether it is both ends of a network peer.
    pub fn is_endpoint(&self) -> bool {
        self.plan.role == Role::Endpoint
    }

    /// Whether it takes nothing before it says that it wants something.
    fn is_on_demand(&self) -> bool {
        let is_flag = |spec: glib::ParamSpec| spec.value_type() == bool::static_type();
        self.element.find_property(ON_DEMAND).is_some_and(is_flag) && self.element.property(ON_DEMAND)
    }

    /// What it leaves to the next element of its id, if its type leaves anything.
    pub fn legacy(&self) -> Option<gst::Structure> {
        has_legacy(&self.element).then(|| self.element.property::<Option<gst::Structure>>(LEGACY)).flatten()
    }

    /// Whether frames pass it as they are after an error.
    pub fn passes_on_error(&self) -> bool {
        self.element.find_property(PASS_ON_ERROR).is_some() && self.element.property(PASS_ON_ERROR)
    }

    /// Whether it joins several inputs, and so gives media at a pace of its own.
    pub fn is_mixer(&self) -> bool {
        self.plan.role == Role::Mixer
    }

    pub fn is_source(&self) -> bool {
        self.plan.role == Role::Source
    }

    /// Lets a source that joins late produce its first frame now, not at the pipeline's start.
    pub fn shift(&self, by: gst::ClockTime) {
        for hub in self.hubs.values() {
            if let Some(pad) = hub.static_pad("sink").and_then(|sink| sink.peer()) {
                pad.set_offset(by.nseconds() as i64);
            }
        }
    }

    /// Ends the streams of a source: everything downstream drains.
    pub fn end(&self) {
        if self.is_mixer() {
            // It ends its outputs itself.
            self.element.send_event(gst::event::Eos::new());
            return;
        }
        for hub in self.hubs.values() {
            if let Some(sink) = hub.static_pad("sink")
                && !sink.pad_flags().contains(gst::PadFlags::EOS)
            {
                sink.send_event(gst::event::Eos::new());
            }
        }
    }

    /// Tells an input that nobody will feed it: end of stream before caps.
    pub fn mark_absent(&mut self, pad_name: &str) {
        let Some(pad) = self.element.static_pad(pad_name) else { return };
        pad.send_event(gst::event::StreamStart::builder(&format!("absent/{pad_name}")).build());
        pad.send_event(gst::event::Eos::new());
        self.absent.push(pad_name.to_owned());
    }

    /// Ends the inputs that nobody will end.
    pub fn end_inputs(&mut self, others: &BTreeSet<String>) {
        for pad in self.element.sink_pads() {
            let open = !pad.pad_flags().contains(gst::PadFlags::EOS);
            if !open || others.contains(pad.name().as_str()) {
                continue;
            }
            if pad.sticky_event::<gst::event::StreamStart>(0).is_none() {
                pad.send_event(gst::event::StreamStart::new("absent"));
            }
            pad.send_event(gst::event::Eos::new());
        }
    }

    /// Takes back an end of stream, because the input is about to be fed.
    pub fn revive(&mut self, pad: &gst::Pad) {
        let name = pad.name();
        let was_absent = self.absent.iter().any(|n| n == name.as_str());
        if was_absent || pad.pad_flags().contains(gst::PadFlags::EOS) {
            pad.send_event(gst::event::FlushStart::new());
            pad.send_event(gst::event::FlushStop::new(false));
            self.absent.retain(|n| n != name.as_str());
        }
    }

    /// Stops the element and its hubs and takes them out of the domain.
    pub fn remove(&self, domain: &Domain) {
        domain.remove(&self.element);
        for hub in self.hubs.values() {
            domain.remove(hub);
        }
    }
}
