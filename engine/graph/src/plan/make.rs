//! Making a plan.

use std::collections::HashMap;

use indexmap::IndexMap;

use crate::catalog::{Catalog, Direction, ElementDescriptor, Refined, Role};
use crate::diagnostic::{Code, Diagnostic, Subject};
use crate::format::{Format, Medium};
use crate::link_options::PictureLimits;
use crate::packages::install_help;
use crate::spec::{GraphSpec, LinkSpec, NodeSpec, OnError, PortRef};
use crate::validate::topological;

use super::codec::Service;
use super::media::{self, Produced};
use super::{Capabilities, HubPlan, Join, LinkPlan, NodePlan, Overflow, Pace, Plan, Probe};
use super::{domains, pace};

/// How much media may wait in a bridge in real time, milliseconds: enough for a slow key frame or a disk that pauses.
const REALTIME_MS: u32 = 2000;
/// As fast as possible: enough to keep both sides busy.
const FASTEST_MS: u32 = 1000;

/// What a plan has to keep to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlanOptions {
    /// The pace of a graph that already runs: a live change does not turn it.
    pub pace: Option<Pace>,
}

/// Plans a checked graph for this machine. Deterministic: equal input gives an equal plan.
///
/// # Errors
///
/// What this machine lacks, or what the sources hold that no consumer can be given. The diagnostics say what they are
/// about; [`crate::Document::locate`] gives them their places in the text.
pub fn plan(
    spec: &GraphSpec,
    catalog: &Catalog,
    capabilities: &dyn Capabilities,
) -> Result<Plan, Vec<Diagnostic>> {
    plan_with(spec, catalog, capabilities, &PlanOptions::default())
}

/// As [`plan`], with options.
///
/// # Errors
///
/// As [`plan`].
pub fn plan_with(
    spec: &GraphSpec,
    catalog: &Catalog,
    capabilities: &dyn Capabilities,
    options: &PlanOptions,
) -> Result<Plan, Vec<Diagnostic>> {
    let mut planner = Planner { spec, catalog, capabilities, refined: HashMap::new(), problems: Vec::new() };
    let plan = planner.make(options);
    match planner.problems.iter().any(Diagnostic::is_error) {
        true => Err(planner.problems),
        false => Ok(plan),
    }
}

struct Planner<'a> {
    spec: &'a GraphSpec,
    catalog: &'a Catalog,
    capabilities: &'a dyn Capabilities,
    refined: HashMap<&'a str, Refined>,
    problems: Vec<Diagnostic>,
}

impl<'a> Planner<'a> {
    fn make(&mut self, options: &PlanOptions) -> Plan {
        let (order, rest) = topological(self.spec, self.catalog);
        for node in self.spec.nodes.values() {
            match self.catalog.get(&node.type_name) {
                Some(descriptor) => {
                    self.refined.insert(&node.id, descriptor.refined(&node.properties));
                }
                None => self.problems.push(
                    Diagnostic::new(
                        Code::UnknownType,
                        format!("there is no element type `{}`", node.type_name),
                    )
                    .about(Subject::Element(node.id.clone())),
                ),
            }
        }
        if !rest.is_empty() {
            let message = format!("media would go round in a circle through `{}`", rest[0]);
            self.problems
                .push(Diagnostic::new(Code::Cycle, message).about(Subject::Element(rest[0].to_owned())));
        }
        self.requirements();
        if !self.problems.is_empty() {
            return Plan::default();
        }
        let refined = |id: &str| self.refined.get(id).cloned().unwrap_or_default();
        let (pace, pace_why) = pace::decide(self.spec, self.catalog, &refined, options.pace.as_ref());
        let (domain_of, domains) = domains::domains(self.spec, self.catalog, &order);
        let nodes = self.nodes(&domain_of, &pace);
        let (hubs, links) = self.media(&order, &domain_of, &pace);
        Plan { name: self.spec.name.clone(), domains, nodes, hubs, links, pace, pace_why }
    }

    fn requirements(&mut self) {
        for node in self.spec.nodes.values() {
            let Some((descriptor, refined)) = self.descriptor(node).zip(self.refined.get(node.id.as_str()))
            else {
                continue;
            };
            let mut needed: Vec<&String> = descriptor.requires.iter().chain(&refined.requires).collect();
            needed.sort();
            needed.dedup();
            for factory in needed.into_iter().filter(|factory| !self.capabilities.has_element(factory)) {
                let message =
                    format!("`{}` needs `{factory}`, which GStreamer does not have on this machine", node.id);
                self.problems.push(
                    Diagnostic::new(Code::MissingPlugin, message)
                        .help(install_help(factory))
                        .about(Subject::Element(node.id.clone())),
                );
            }
        }
    }

    fn descriptor(&self, node: &NodeSpec) -> Option<&'a ElementDescriptor> {
        self.catalog.get(&node.type_name)
    }

    fn descriptor_of(&self, id: &str) -> Option<&'a ElementDescriptor> {
        self.descriptor(self.spec.nodes.get(id)?)
    }

    fn nodes(&self, domain_of: &HashMap<String, String>, pace: &Pace) -> IndexMap<String, NodePlan> {
        let node = |node: &NodeSpec| {
            let descriptor = self.descriptor(node)?;
            let properties = pace::settle(node, self.catalog, pace);
            // What is inside may depend on what was decided here, such as the pace.
            let parts = descriptor.refine.map(|refine| refine(&properties).parts).unwrap_or_default();
            Some(NodePlan {
                id: node.id.clone(),
                type_name: node.type_name.clone(),
                factory: descriptor.factory.clone(),
                role: descriptor.role,
                properties,
                domain: domain_of.get(&node.id).cloned(),
                on_error: node.on_error.unwrap_or(match descriptor.role {
                    Role::Sink | Role::Endpoint => OnError::DropElement,
                    Role::Source | Role::Filter | Role::Mixer => OnError::StopPipeline,
                }),
                on_error_given: node.on_error.is_some(),
                parts,
            })
        };
        self.spec.nodes.values().filter_map(|n| Some((n.id.clone(), node(n)?))).collect()
    }

    /// Hubs and links. Outputs are visited as media flows, so that a filter that passes on what it gets is known to
    /// produce what it was given.
    fn media(
        &mut self,
        order: &[&str],
        domain_of: &HashMap<String, String>,
        pace: &Pace,
    ) -> (IndexMap<String, HubPlan>, IndexMap<String, LinkPlan>) {
        let mut hubs: IndexMap<String, HubPlan> = IndexMap::new();
        let mut planned: HashMap<String, LinkPlan> = HashMap::new();
        for id in order {
            let Some(descriptor) = self.descriptor_of(id) else { continue };
            let probe = self.probe(id);
            for port in descriptor.ports.iter().filter(|port| port.direction == Direction::Output) {
                let output = PortRef { node: (*id).to_owned(), port: port.name.clone() };
                let links: Vec<&LinkSpec> =
                    self.spec.links.iter().filter(|link| link.from == output).collect();
                if links.is_empty() {
                    continue;
                }
                let mut produced = media::produced(port, probe.as_ref());
                if descriptor.role == Role::Filter && produced == Produced::Formats(Vec::new()) {
                    produced = self.passed_on(id, descriptor, port.medium, &planned, &hubs);
                }
                let mut running = Vec::new();
                for link in &links {
                    let limits = link.options.picture_of(link.medium);
                    let alike =
                        |(format, of): &(Format, PictureLimits)| (*of == limits).then(|| format.clone());
                    let shared: Vec<Format> = running.iter().filter_map(alike).collect();
                    if let Some(plan) = self.link(link, &produced, &shared, domain_of, pace) {
                        if let Some(Service::Encode { format, .. }) = &plan.service {
                            running.push((format.clone(), limits));
                        }
                        planned.insert(link.id(), plan);
                    }
                }
                let hub = HubPlan {
                    output: output.clone(),
                    pad: port.pad.clone(),
                    medium: port.medium,
                    produces: match produced {
                        Produced::Formats(formats) => formats,
                        Produced::Nothing => Vec::new(),
                    },
                    links: links.iter().map(|link| link.id()).collect(),
                };
                hubs.insert(output.to_string(), hub);
            }
        }
        // As in the description, not as found.
        let links = self.spec.links.iter().filter_map(|link| planned.remove_entry(&link.id())).collect();
        (hubs, links)
    }

    /// What is inside the source's URI, if it names one. A source that cannot be read is a mistake, unless it is to be
    /// tried again and again.
    fn probe(&mut self, id: &str) -> Option<Probe> {
        let uri = self.refined.get(id)?.probe.clone()?;
        let probe = self.capabilities.probe(&uri);
        if let Probe::Failed(reason) = &probe {
            let restarts = self.spec.nodes.get(id).and_then(|n| n.on_error) == Some(OnError::Restart);
            if !restarts {
                self.problems.push(
                    Diagnostic::new(Code::Unreadable, format!("`{id}` cannot be read: {reason}"))
                        .about(Subject::Element(id.to_owned())),
                );
            }
            return None;
        }
        Some(probe)
    }

    /// What a filter produces whose output port says nothing: what its one input of that medium is given, if the input
    /// takes anything.
    fn passed_on(
        &self,
        id: &str,
        descriptor: &ElementDescriptor,
        medium: Medium,
        planned: &HashMap<String, LinkPlan>,
        hubs: &IndexMap<String, HubPlan>,
    ) -> Produced {
        let mut inputs = descriptor.inputs().filter(|port| port.medium == medium);
        let (Some(input), None) = (inputs.next(), inputs.next()) else {
            return Produced::Formats(Vec::new());
        };
        let feeder = self.spec.links.iter().find(|link| link.to.node == id && link.to.port == input.name);
        let Some((link, plan)) = feeder.and_then(|link| Some((link, planned.get(&link.id())?))) else {
            return Produced::Formats(Vec::new());
        };
        if plan.absent {
            return Produced::Nothing;
        }
        let Some(service) = &plan.service else { return Produced::Formats(Vec::new()) };
        match service {
            Service::Encode { format, .. } => Produced::Formats(vec![format.clone()]),
            Service::Decode { .. } | Service::Shrink { .. } => {
                Produced::Formats(Format::raw(medium).into_iter().collect())
            }
            Service::Pass => Produced::Formats(
                hubs.get(&link.from.to_string()).map(|hub| hub.produces.clone()).unwrap_or_default(),
            ),
        }
    }

    fn link(
        &mut self,
        link: &LinkSpec,
        produced: &Produced,
        running: &[Format],
        domain_of: &HashMap<String, String>,
        pace: &Pace,
    ) -> Option<LinkPlan> {
        let consumer = self.descriptor_of(&link.to.node)?;
        let input = consumer.port(Direction::Input, &link.to.port)?;
        let output = self.descriptor_of(&link.from.node)?.port(Direction::Output, &link.from.port);
        let accepts = self.refined.get(link.to.node.as_str())?.accepts(input);
        // That something is left has been checked.
        let accepts = link.options.narrow(link.medium, accepts)?;
        let served = match media::serve(link, produced, &accepts, running, self.capabilities) {
            Ok(served) => served,
            Err(problem) => {
                self.problems.push(*problem);
                return None;
            }
        };
        let (from, to) = (domain_of.get(&link.from.node), domain_of.get(&link.to.node));
        let (join, join_why) = match (from, to) {
            // What an endpoint sends is another side of it than what it receives: no path within one pipeline.
            (Some(from), Some(to)) if from == to && consumer.role != Role::Endpoint => {
                (Join::Direct, format!("same fate, in the domain of `{from}`"))
            }
            _ => {
                let (overflow, max_ms, what) = match pace {
                    Pace::Fastest => (Overflow::Wait, FASTEST_MS, "the source waits for a slow consumer"),
                    Pace::Realtime => {
                        (Overflow::Drop, REALTIME_MS, "a slow consumer loses its own frames only")
                    }
                };
                (Join::Bridge { overflow, max_ms }, format!("a failure does not cross; {what}"))
            }
        };
        let converters = media::converters(link, output, input, &accepts, &served);
        Some(LinkPlan {
            id: link.id(),
            from: link.from.clone(),
            to: link.to.clone(),
            pad: input.pad.clone(),
            medium: link.medium,
            accepts,
            layouts: input.layouts.clone(),
            options: link.options.clone(),
            join,
            service: served.service,
            absent: served.absent,
            converters,
            why: format!("{}; {join_why}", served.why),
        })
    }
}
