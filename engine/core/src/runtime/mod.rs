//! A graph at run time: domains, nodes and links. Everything here may block and runs on the blocking pool, called by
//! the pipeline's actor alone.

mod counter;
mod domain;
mod link;
mod node;
mod report;
mod tails;
mod wants;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anabranch_graph::Surgery;
use anabranch_graph::catalog::{Catalog, Role};
use anabranch_graph::plan::{LinkPlan, NodePlan, Pace, Plan};
use gst::prelude::*;
use indexmap::IndexMap;

use domain::Domain;
pub(crate) use domain::{Note, Said};
use link::Link;
use node::Node;
pub(crate) use report::Port;
pub(crate) use wants::Wants;

use crate::error::ChangeError;
use crate::flow::FlowWatch;

/// How long a domain that is taken out may take to finish what it has.
const FINISH_LIMIT: Duration = Duration::from_secs(10);
/// How long an element may take to stop.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// A source that starts within this time of the pipeline's start keeps its own time stamps.
const LATE: gst::ClockTime = gst::ClockTime::from_mseconds(500);

/// A graph at run time.
pub(crate) struct Runtime {
    catalog: Arc<Catalog>,
    notes: tokio::sync::mpsc::UnboundedSender<Note>,
    clock: gst::Clock,
    base_time: Option<gst::ClockTime>,
    lives: u64,
    /// What should exist.
    plan: Arc<Plan>,
    domains: IndexMap<String, Domain>,
    nodes: IndexMap<String, Node>,
    links: IndexMap<String, Link>,
    /// Links without a producer whose consumer still takes what waits.
    finishing: IndexMap<String, Link>,
    /// Elements that failed and were taken out: nothing is linked to them until they are added again.
    dropped: BTreeSet<String>,
    /// What elements that went leave to those of the same id that come after them.
    legacies: BTreeMap<String, gst::Structure>,
    /// Elements that did not stop in time, in words.
    left_behind: Vec<String>,
    /// Whether sources were told to end.
    draining: bool,
    /// A name that no other pipeline of this process has.
    id: String,
    /// What flows through ports.
    flow: FlowWatch<Port>,
}

/// The next pipeline's name.
static NEXT: AtomicU64 = AtomicU64::new(1);

impl Runtime {
    pub fn new(catalog: Arc<Catalog>, notes: tokio::sync::mpsc::UnboundedSender<Note>) -> Self {
        Runtime {
            catalog,
            notes,
            clock: gst::SystemClock::obtain(),
            base_time: None,
            lives: 0,
            plan: Arc::default(),
            domains: IndexMap::new(),
            nodes: IndexMap::new(),
            links: IndexMap::new(),
            finishing: IndexMap::new(),
            dropped: BTreeSet::new(),
            legacies: BTreeMap::new(),
            left_behind: Vec::new(),
            draining: false,
            id: NEXT.fetch_add(1, Ordering::Relaxed).to_string(),
            flow: FlowWatch::new(),
        }
    }

    /// Takes a node out of the list; what it leaves is kept for the next of its id.
    fn take_node(&mut self, id: &str) -> Option<Node> {
        let node = self.nodes.shift_remove(id)?;
        if let Some(legacy) = node.legacy() {
            self.legacies.insert(id.to_owned(), legacy);
        }
        Some(node)
    }

    /// Carries out the steps that lead to `plan`. After an error the graph is as far as it got; the caller leads it
    /// back by the steps of the opposite direction: what is there already is not built twice, what is gone is not
    /// removed twice.
    pub fn operate(&mut self, plan: Arc<Plan>, steps: &[Surgery]) -> Result<(), ChangeError> {
        let batch = Batch::new(steps);
        let old = std::mem::replace(&mut self.plan, plan.clone());
        for step in steps {
            match step {
                Surgery::Disconnect(link) => self.disconnect_for(link, &batch),
                Surgery::Remove(node) => self.remove(node, &old),
                Surgery::Add(node) => {
                    self.dropped.remove(node);
                    let plan = node_plan(&plan, node)?;
                    // A sink that nobody feeds yet would wait, or end at once: it is built with its first link.
                    // An endpoint negotiates before anything is linked to it, and a mixer may have ports instead of links.
                    if matches!(plan.role, Role::Source | Role::Endpoint | Role::Mixer)
                        || self.is_linked(node)
                    {
                        self.add(plan)?;
                    }
                }
                Surgery::SetProperty { node, name, value } => self.set_property(node, name, value)?,
                Surgery::Connect(link) => {
                    let plan = plan.links.get(link).ok_or_else(|| ChangeError::NoElement(link.clone()))?;
                    self.connect(plan)?;
                }
            }
        }
        self.start_domains()
    }

    fn is_linked(&self, node: &str) -> bool {
        self.plan.links.values().any(|link| link.from.node == node || link.to.node == node)
    }

    /// The domain of a node, if both are built.
    fn domain_of(&self, node: &str) -> Option<String> {
        let domain = self.nodes.get(node)?.plan.domain.clone()?;
        self.domains.contains_key(&domain).then_some(domain)
    }

    /// Whether media pass at the speed at which they are watched.
    fn keeps_time(&self) -> bool {
        matches!(self.plan.pace, Pace::Realtime)
    }

    fn now(&self) -> gst::ClockTime {
        self.clock.time()
    }

    fn add(&mut self, plan: &NodePlan) -> Result<(), ChangeError> {
        if self.nodes.contains_key(&plan.id) {
            return Ok(());
        }
        let Some(domain_id) = &plan.domain else { return Ok(()) };
        if !self.domains.contains_key(domain_id) {
            self.lives += 1;
            let base_time = match self.base_time {
                Some(time) => time,
                None => *self.base_time.insert(self.clock.time()),
            };
            let consumes = matches!(plan.role, Role::Sink | Role::Mixer);
            let domain =
                Domain::new(domain_id, self.lives, &self.clock, base_time, consumes, self.notes.clone());
            self.domains.insert(domain_id.clone(), domain);
        }
        let descriptor = self.catalog.get(&plan.type_name).ok_or_else(|| ChangeError::Build {
            element: plan.id.clone(),
            reason: format!("there is no element type '{}'", plan.type_name),
        })?;
        let domain = &self.domains[domain_id];
        let legacy = self.legacies.get(&plan.id);
        let node = Node::build(plan, descriptor, domain, &self.plan.pace, legacy, &self.id)?;
        if node.is_source()
            && let Some(base) = self.base_time
        {
            let late = self.now().saturating_sub(base);
            if late > LATE && plan.properties.contains_key("pace") {
                node.shift(late);
            }
        }
        self.nodes.insert(plan.id.clone(), node);
        Ok(())
    }

    fn connect(&mut self, plan: &LinkPlan) -> Result<(), ChangeError> {
        if self.dropped.contains(&plan.from.node) || self.dropped.contains(&plan.to.node) {
            return Ok(());
        }
        let whole = self.plan.clone();
        for id in [&plan.to.node, &plan.from.node] {
            self.add(node_plan(&whole, id)?)?;
        }
        // A filter that no source feeds is not built, nor are its links.
        let (Some(from), Some(to)) = (self.domain_of(&plan.from.node), self.domain_of(&plan.to.node)) else {
            return Ok(());
        };
        let hub = self.nodes.get(&plan.from.node).and_then(|n| n.hubs.get(&plan.from.port)).cloned();
        let (Some(hub), Some(node)) = (hub, self.nodes.get_mut(&plan.to.node)) else { return Ok(()) };
        if let Some(link) = self.links.get_mut(&plan.id) {
            return if link.is_fed() { Ok(()) } else { link.reconnect_up(plan, &hub, &self.domains[&from]) };
        }
        // What is left of a link to the same pad makes room.
        let is_pad = node.element.static_pad(&plan.pad).is_some();
        let same_pad = |rest: &Link| is_pad && rest.plan.to == plan.to && rest.plan.pad == plan.pad;
        let left: Vec<String> = self
            .finishing
            .iter()
            .filter(|(id, rest)| **id == plan.id || same_pad(rest))
            .map(|(id, _)| id.clone())
            .collect();
        for id in left {
            if let Some(mut rest) = self.finishing.shift_remove(&id) {
                rest.disconnect_down(self.domains.get(&to), &node.element);
            }
        }
        let link = Link::connect(plan, &hub, &self.domains[&from], node, &self.domains[&to])?;
        self.links.insert(plan.id.clone(), link);
        Ok(())
    }

    /// Takes a link apart as part of a batch of steps.
    fn disconnect_for(&mut self, id: &str, batch: &Batch) {
        let Some(link) = self.links.get(id) else { return };
        let (from, to) = (link.plan.from.node.clone(), link.plan.to.node.clone());
        let consumer_stays = !batch.removed.contains(to.as_str());
        let comes_back = batch.connected.contains(id);
        if consumer_stays && comes_back && link.channel.is_some() {
            // Only the producer changes: the consumer waits for the new one.
            let domain = self.domain_of(&from);
            if let (Some(link), Some(domain)) =
                (self.links.get_mut(id), domain.and_then(|d| self.domains.get(&d)))
            {
                link.disconnect_up(domain);
            }
            return;
        }
        // A consumer that leaves is finalised. One that keeps other links goes on with those, without waiting for
        // this one.
        let keeps_others = self.links.values().any(|other| other.plan.to.node == to && other.plan.id != id);
        // Another producer takes its place at once: the consumer's input goes on.
        let port = &link.plan.to;
        let replaced =
            self.plan.links.values().any(|l| l.to == *port && batch.connected.contains(l.id.as_str()));
        // One of many inputs of a mixer goes as a whole: its pad was made for this link.
        let joins = self.nodes.get(&to).is_some_and(Node::is_mixer);
        let finish = keeps_others && !comes_back && !replaced && !joins;
        self.disconnect(id, !consumer_stays || finish);
    }

    fn disconnect(&mut self, id: &str, finish: bool) {
        let Some(mut link) = self.links.shift_remove(id) else { return };
        let (Some(from), Some(to)) =
            (self.nodes.get(&link.plan.from.node), self.nodes.get(&link.plan.to.node))
        else {
            link.close_channel(true);
            return;
        };
        let domain_of = |node: &Node| node.plan.domain.as_ref().and_then(|d| self.domains.get(d));
        match domain_of(from) {
            Some(from_domain) => link.disconnect(from_domain, domain_of(to), &to.element, finish),
            None => link.close_channel(finish),
        }
        if link.has_down() {
            self.finishing.insert(id.to_owned(), link);
        }
    }

    fn remove(&mut self, id: &str, old: &Plan) {
        self.dropped.remove(id);
        let links: Vec<String> = self
            .links
            .values()
            .filter(|l| l.plan.from.node == id || l.plan.to.node == id)
            .map(|l| l.plan.id.clone())
            .collect();
        for link in links {
            self.disconnect(&link, true);
        }
        let Some(mut node) = self.take_node(id) else { return };
        // Inputs whose link went before end now; the others get their end of stream after what still waits.
        let ending: BTreeSet<String> =
            self.finishing.values().filter(|l| l.plan.to.node == id).map(|l| l.plan.pad.clone()).collect();
        self.finishing.retain(|_, link| link.plan.to.node != id);
        let Some(domain_id) = node.plan.domain.clone().or_else(|| old.nodes.get(id)?.domain.clone()) else {
            return;
        };
        let alone = !self.nodes.values().any(|n| n.plan.domain.as_deref() == Some(&domain_id));
        if alone {
            if let Some(domain) = self.domains.shift_remove(&domain_id) {
                // A mixer has nothing to finish.
                if domain.started && domain.consumes && !node.is_mixer() && domain.ending().is_none() {
                    node.end_inputs(&ending);
                    domain.wait_end(FINISH_LIMIT);
                }
                drop(node);
                self.stop_domain(&domain_id, domain);
            }
        } else if let Some(domain) = self.domains.get(&domain_id) {
            node.remove(domain);
        }
    }

    fn stop_domain(&mut self, id: &str, domain: Domain) {
        if !domain.stop(STOP_LIMIT) {
            self.left_behind.push(format!(
                "'{id}' did not stop within {} s; it is left behind and stops when its element answers",
                STOP_LIMIT.as_secs()
            ));
        }
    }

    fn set_property(&mut self, id: &str, name: &str, value: &serde_json::Value) -> Result<(), ChangeError> {
        let Some(node) = self.nodes.get_mut(id) else { return Ok(()) };
        if value.is_null() {
            let name = name.replace('_', "-");
            if let Some(property) = node.element.find_property(&name) {
                node.element.set_property_from_value(&name, property.default_value());
            }
        } else {
            anabranch_kit::params::set_json(node.element.upcast_ref(), name, value)
                .map_err(|e| ChangeError::Build { element: id.to_owned(), reason: e.to_string() })?;
        }
        node.plan.properties.insert(name.to_owned(), value.clone());
        Ok(())
    }

    /// Starts what is new, consumers first, so that no frame of a source finds nobody.
    fn start_domains(&mut self) -> Result<(), ChangeError> {
        for consumers in [true, false] {
            let new: Vec<String> = self
                .domains
                .iter()
                .filter(|(_, d)| !d.started && d.consumes == consumers)
                .map(|(id, _)| id.clone())
                .collect();
            for id in new {
                if let Some(domain) = self.domains.get_mut(&id) {
                    // A refusal comes with an error message, which names the element and the reason.
                    domain.start();
                }
                if consumers {
                    self.mark_absent_inputs(&id);
                }
            }
        }
        // Sources that joined a running domain of their own start last.
        for node in self.nodes.values().filter(|n| n.is_source()) {
            if node.element.current_state() < gst::State::Paused {
                let _ = node.element.sync_state_with_parent();
            }
        }
        Ok(())
    }

    /// Tells the elements of a new domain which of their inputs nobody feeds. After the start: a sink that does not
    /// run yet would hold the end of stream, and this thread with it.
    fn mark_absent_inputs(&mut self, domain: &str) {
        for (id, node) in &mut self.nodes {
            if node.plan.domain.as_deref() != Some(domain) {
                continue;
            }
            let Some(descriptor) = self.catalog.get(&node.plan.type_name) else { continue };
            let fed = |pad: &str| self.links.values().any(|l| l.plan.to.node == *id && l.plan.pad == pad);
            let unfed: Vec<String> =
                descriptor.inputs().filter(|p| !p.multiple && !fed(&p.pad)).map(|p| p.pad.clone()).collect();
            unfed.iter().for_each(|pad| node.mark_absent(pad));
        }
    }

    /// Ends all sources; everything downstream drains.
    pub fn drain(&mut self) {
        self.draining = true;
        for node in self.nodes.values().filter(|n| n.is_source() || n.is_endpoint() || n.is_mixer()) {
            node.end();
        }
    }

    /// An endpoint says what it takes on a port: the hubs that feed it are told.
    pub fn set_wants(&mut self, id: &str, wants: Wants) {
        let Some(node) = self.nodes.get_mut(id) else { return };
        let wants = node.set_wants(wants);
        for link in self.links.values_mut().filter(|l| l.plan.to.node == id && l.plan.to.port == wants.port) {
            link.set_wants(&wants);
        }
    }

    /// Whether a note is about a domain that still lives.
    pub fn is_current(&self, note: &Note) -> bool {
        self.domains.get(&note.domain).is_some_and(|d| d.life == note.life)
    }

    /// Whether all that consumes has ended, and if nothing consumes, all that produces.
    pub fn has_ended(&self) -> bool {
        // A peer may come and go as long as nobody ends the pipeline; then nobody waits for one that may be gone.
        let endpoint = |id: &str| self.nodes.get(id).is_some_and(Node::is_endpoint);
        let over = |id: &str, d: &Domain| d.ending().is_some() || (self.draining && endpoint(id));
        let mut consumers = self.domains.iter().filter(|(_, d)| d.consumes).peekable();
        match consumers.peek() {
            Some(_) => consumers.all(|(id, d)| over(id, d)),
            None => self.domains.iter().all(|(id, d)| over(id, d)),
        }
    }

    /// Whether any element that takes media out is left.
    pub fn has_consumers(&self) -> bool {
        self.domains.values().any(|d| d.consumes) || self.nodes.values().any(Node::is_endpoint)
    }

    /// Whether an element that failed lets frames pass; its domain then goes on.
    pub fn passes_by(&self, id: &str) -> bool {
        let passes = self.nodes.get(id).is_some_and(Node::passes_on_error);
        if passes && let Some(domain) = self.domain_of(id) {
            self.domains[&domain].recover();
        }
        passes
    }

    /// Takes a failed domain out. Its consumers get an end of stream if `finish`, else they keep waiting. Returns its
    /// elements.
    pub fn drop_domain(&mut self, id: &str, finish: bool) -> Vec<String> {
        let members: Vec<String> = self
            .nodes
            .values()
            .filter(|n| n.plan.domain.as_deref() == Some(id))
            .map(|n| n.plan.id.clone())
            .collect();
        let inside = |node: &str| members.iter().any(|m| m == node);
        let (mut gone, mut kept) = (Vec::new(), Vec::new());
        for link in self.links.values() {
            match (inside(&link.plan.from.node), inside(&link.plan.to.node)) {
                (_, true) => gone.push(link.plan.id.clone()),
                (true, false) => kept.push(link.plan.id.clone()),
                (false, false) => {}
            }
        }
        for link in kept {
            if finish {
                self.disconnect_source(&link);
            } else if let Some(link) = self.links.get_mut(&link) {
                link.forget_up();
            }
        }
        for link in gone {
            self.disconnect(&link, false);
        }
        for node in &members {
            self.take_node(node);
            self.dropped.insert(node.clone());
        }
        if let Some(domain) = self.domains.shift_remove(id) {
            self.stop_domain(id, domain);
        }
        members
    }

    /// The producer of this link is gone for good: the consumer gets what waits and an end of stream.
    fn disconnect_source(&mut self, id: &str) {
        if let Some(mut link) = self.links.shift_remove(id) {
            link.close_channel(true);
            link.forget_up();
        }
    }

    /// Builds failed elements again and links them as planned.
    pub fn rebuild(&mut self, members: &[String]) -> Result<(), ChangeError> {
        for id in members {
            self.dropped.remove(id);
        }
        let plan = self.plan.clone();
        for id in members {
            self.add(node_plan(&plan, id)?)?;
        }
        for link in plan.links.values() {
            let touches = |node: &String| members.contains(node);
            if !touches(&link.from.node) && !touches(&link.to.node) {
                continue;
            }
            self.connect(link)?;
        }
        self.start_domains()
    }

    /// Stops everything. Sources go first, so that nothing fills what is being emptied.
    pub fn stop(&mut self) {
        for link in self.links.values() {
            link.close_channel(false);
        }
        self.links.clear();
        self.finishing.clear();
        self.nodes.clear();
        let (consumers, sources): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.domains).into_iter().partition(|(_, d)| d.consumes);
        for (id, domain) in sources.into_iter().chain(consumers) {
            self.stop_domain(&id, domain);
        }
    }

    /// What did not stop in time since the last call.
    pub fn take_left_behind(&mut self) -> Vec<String> {
        std::mem::take(&mut self.left_behind)
    }

    /// The GStreamer element of a graph element, if it is built.
    pub fn element(&self, id: &str) -> Option<gst::Element> {
        self.nodes.get(id).map(|n| n.element.clone())
    }
}

impl Drop for Runtime {
    /// A pipeline whose tokio runtime goes away is still taken apart.
    fn drop(&mut self) {
        self.stop();
    }
}

/// What a batch of steps does in all.
struct Batch<'a> {
    removed: BTreeSet<&'a str>,
    connected: BTreeSet<&'a str>,
}

impl<'a> Batch<'a> {
    fn new(steps: &'a [Surgery]) -> Self {
        let mut batch = Batch { removed: BTreeSet::new(), connected: BTreeSet::new() };
        for step in steps {
            match step {
                Surgery::Remove(node) => {
                    batch.removed.insert(node);
                }
                Surgery::Connect(link) => {
                    batch.connected.insert(link);
                }
                _ => {}
            }
        }
        batch
    }
}

fn node_plan<'a>(plan: &'a Plan, id: &str) -> Result<&'a NodePlan, ChangeError> {
    plan.nodes.get(id).ok_or_else(|| ChangeError::NoElement(id.to_owned()))
}
