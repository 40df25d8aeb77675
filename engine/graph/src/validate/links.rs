//! Links: their ends, ports, media and formats.

use std::collections::HashMap;

use crate::catalog::{Direction, ElementDescriptor, PortSpec};
use crate::diagnostic::{Code, Diagnostic, Span, did_you_mean};
use crate::format::{Format, Medium};
use crate::parse::{list, shorten};
use crate::plan::codec::{self, Demand};
use crate::spec::{LinkSpec, PortRef, Transcoding};
use crate::syntax::{End, Link, Tree};

use super::{Checker, Completeness, Node};

/// A link while it is checked.
pub(super) struct Resolved {
    pub(super) spec: LinkSpec,
}

impl Checker<'_> {
    pub(super) fn links(&mut self, links: &[Link]) -> Vec<Resolved> {
        let mut all: Vec<Resolved> = Vec::new();
        // One problem per unknown id is enough, however often it is named.
        let mut seen: HashMap<String, Span> = HashMap::new();
        let mut taken: HashMap<PortRef, Span> = HashMap::new();
        for link in links {
            let media = link.media.as_ref().map(|value| self.media(value));
            let options = self.link_options(link);
            for (from, to) in self.expand(link, media) {
                let options = options.clone();
                let spec = LinkSpec { medium: from.1, from: from.0, to, options };
                if let Some(first) = seen.get(&spec.id()) {
                    self.problems.push(
                        Diagnostic::new(Code::DuplicateLink, format!("`{}` is linked twice", spec.id()))
                            .label(link.span(), "again here")
                            .label(*first, "first here"),
                    );
                    continue;
                }
                seen.insert(spec.id(), link.span());
                self.input_taken(&spec, link.span(), &mut taken);
                self.formats(&spec, link.span());
                all.push(Resolved { spec });
            }
        }
        all
    }

    /// The pairs of ports that one arrow joins.
    fn expand(&mut self, link: &Link, media: Option<Vec<Medium>>) -> Vec<((PortRef, Medium), PortRef)> {
        let known = self.known(&link.from) & self.known(&link.to);
        if !known {
            return Vec::new();
        }
        let outputs = self.ports(&link.from, Direction::Output);
        let inputs = self.ports(&link.to, Direction::Input);
        let (Some(outputs), Some(inputs)) = (outputs, inputs) else { return Vec::new() };
        let mut pairs = Vec::new();
        for medium in Medium::ALL {
            if media.as_ref().is_some_and(|media| !media.contains(&medium)) {
                continue;
            }
            let (Some(output), Some(input)) = (pick(&outputs, medium), pick(&inputs, medium)) else {
                continue;
            };
            let from = PortRef { node: link.from.node.value.clone(), port: output.name.clone() };
            let to = PortRef { node: link.to.node.value.clone(), port: input.name.clone() };
            pairs.push(((from, medium), to));
        }
        // A `media` that was not understood has been reported.
        let bad_media = link.media.is_some() && media.as_ref().is_some_and(Vec::is_empty);
        if pairs.is_empty() && !bad_media {
            self.no_common_medium(link, &outputs, &inputs, media.as_deref());
        }
        pairs
    }

    /// Whether an end names an element of a known type; an unknown element is reported.
    fn known(&mut self, end: &End) -> bool {
        if let Some(node) = self.nodes.get(&end.node.value) {
            return node.descriptor.is_some();
        }
        let meant = did_you_mean(&end.node.value, self.nodes.keys().map(String::as_str)).map(str::to_owned);
        let help = match &meant {
            Some(id) => format!("did you mean `{id}`?"),
            None if self.nodes.is_empty() => "the graph has no elements".to_owned(),
            None if self.nodes.len() <= 12 => {
                format!("the elements are {}", list(&self.nodes.keys().collect::<Vec<_>>()))
            }
            None => "add it to `elements`".to_owned(),
        };
        self.problems.push(
            Diagnostic::new(
                Code::UnknownElement,
                format!("there is no element `{}`", shorten(&end.node.value)),
            )
            .label(end.node.span, "unknown element")
            .help(help),
        );
        self.meant.extend(meant);
        false
    }

    /// The ports that an end offers: the one named, or all of that side.
    fn ports(&mut self, end: &End, direction: Direction) -> Option<Vec<PortSpec>> {
        let descriptor = self.nodes.get(&end.node.value)?.descriptor?;
        let side: Vec<PortSpec> =
            descriptor.ports.iter().filter(|p| p.direction == direction).cloned().collect();
        let Some(name) = &end.port else {
            if side.is_empty() {
                self.one_way(end, descriptor, direction);
                return None;
            }
            return Some(side);
        };
        if let Some(port) = side.iter().find(|port| port.name == name.value) {
            return Some(vec![port.clone()]);
        }
        let word = side_word(direction);
        let help = match did_you_mean(&name.value, side.iter().map(|p| p.name.as_str())) {
            Some(port) => format!("did you mean `{}.{port}`?", end.node.value),
            None if side.is_empty() => format!("`{}` has no {word}s", descriptor.name),
            None => format!("its {word}s are {}", list(&side.iter().map(|p| &p.name).collect::<Vec<_>>())),
        };
        let message = format!("`{}` has no {word} `{}`", end.node.value, shorten(&name.value));
        self.problems
            .push(Diagnostic::new(Code::UnknownPort, message).label(name.span, "unknown port").help(help));
        None
    }

    fn one_way(&mut self, end: &End, descriptor: &ElementDescriptor, direction: Direction) {
        let (word, help) = match direction {
            Direction::Output => ("outputs", "media can only flow into it"),
            Direction::Input => ("inputs", "media can only flow out of it"),
        };
        let message = format!("`{}` ({}) has no {word}", end.node.value, descriptor.name);
        self.problems.push(
            Diagnostic::new(Code::UnknownPort, message).label(end.span(), format!("no {word}")).help(help),
        );
    }

    fn no_common_medium(
        &mut self,
        link: &Link,
        outputs: &[PortSpec],
        inputs: &[PortSpec],
        media: Option<&[Medium]>,
    ) {
        let (from, to) = (&link.from.node.value, &link.to.node.value);
        let asked = media.map(|media| media.iter().map(|m| m.name()).collect::<Vec<_>>().join(" and "));
        let message = match &asked {
            Some(asked) => format!("`{from}` and `{to}` cannot be joined by {asked}"),
            None => format!("`{from}` and `{to}` have no medium in common"),
        };
        self.problems.push(
            Diagnostic::new(Code::NoCommonMedium, message).label(link.span(), "this link").help(format!(
                "`{from}` gives {}; `{to}` takes {}",
                media_of(outputs),
                media_of(inputs)
            )),
        );
    }

    fn input_taken(&mut self, spec: &LinkSpec, span: Span, taken: &mut HashMap<PortRef, Span>) {
        let port = self.port(&spec.to, Direction::Input);
        if port.is_some_and(|port| port.multiple) {
            return;
        }
        match taken.get(&spec.to) {
            Some(first) => {
                let message = format!("two links go into `{}`, which takes one", spec.to);
                self.problems.push(
                    Diagnostic::new(Code::InputTaken, message)
                        .label(span, "second link")
                        .label(*first, "first link")
                        .help("put a mixer in between, or remove one of the links"),
                );
            }
            None => {
                taken.insert(spec.to.clone(), span);
            }
        }
    }

    /// Whether what the output can produce can be made into something that the input takes.
    fn formats(&mut self, spec: &LinkSpec, span: Span) {
        let Some(output) = self.port(&spec.from, Direction::Output) else { return };
        let Some((input, node)) = self.port(&spec.to, Direction::Input).zip(self.nodes.get(&spec.to.node))
        else {
            return;
        };
        let takes = node.refined.accepts(input);
        let Some(accepts) = spec.options.narrow(spec.medium, takes) else {
            let problem = unwanted_format(spec, takes, span);
            return self.problems.push(problem);
        };
        let accepts = accepts.as_slice();
        let limits = spec.options.picture_of(spec.medium);
        let demand = Demand { accepts, transcoding: spec.options.transcoding, limits };
        if output.formats.is_empty() || output.formats.iter().any(|format| codec::reachable(format, &demand))
        {
            return;
        }
        let message = format!(
            "`{}` produces {}, which cannot become {} for `{}`",
            spec.from,
            names(&output.formats),
            names(accepts),
            spec.to
        );
        let allowing = Demand { transcoding: Transcoding::Allow, ..demand };
        let allowed = output.formats.iter().any(|format| codec::reachable(format, &allowing));
        let help = match allowed {
            true => "the link says `transcoding: forbid`; without it the media would be transcoded",
            false => "no decoder and encoder lead from one to the other",
        };
        let code = if allowed { Code::TranscodingForbidden } else { Code::IncompatibleFormats };
        self.problems.push(Diagnostic::new(code, message).label(span, "this link").help(help));
    }

    fn port(&self, port: &PortRef, direction: Direction) -> Option<&PortSpec> {
        self.nodes.get(&port.node)?.descriptor?.port(direction, &port.port)
    }

    /// Required ports without a link, and elements without any.
    pub(super) fn unlinked(&mut self, links: &[Resolved], tree: &Tree) {
        if self.completeness == Completeness::Partial {
            return;
        }
        let mut found = Vec::new();
        for (id, node) in &self.nodes {
            let Some(descriptor) = node.descriptor else { continue };
            // A link to or from the element that was refused is reported already.
            let mentioned = self.meant.contains(id)
                || tree.links.iter().any(|link| link.from.node.value == *id || link.to.node.value == *id);
            let resolved = links.iter().any(|l| l.spec.from.node == *id || l.spec.to.node == *id);
            if mentioned && !resolved {
                continue;
            }
            let missing = descriptor.ports.iter().find(|port| {
                port.required
                    && !links.iter().any(|link| {
                        let end = match port.direction {
                            Direction::Input => &link.spec.to,
                            Direction::Output => &link.spec.from,
                        };
                        end.node == *id && end.port == port.name
                    })
            });
            match missing {
                Some(port) => found.push(unlinked_port(id, node, port)),
                None if !resolved && !self.meant.contains(id) && !descriptor.ports.is_empty() => found.push(
                    Diagnostic::new(Code::Unused, format!("`{id}` is linked to nothing, so it does nothing"))
                        .label(node.id_span, "not linked"),
                ),
                None => {}
            }
        }
        self.problems.extend(found);
    }
}

fn names(formats: &[Format]) -> String {
    formats.iter().map(Format::name).collect::<Vec<_>>().join(" or ")
}

/// The link names formats of which its consumer takes none.
fn unwanted_format(spec: &LinkSpec, takes: &[Format], span: Span) -> Diagnostic {
    let wanted = names(&spec.options.formats_of(spec.medium));
    let message = format!("`{}` does not take {wanted}, which the link says", spec.to);
    Diagnostic::new(Code::IncompatibleFormats, message)
        .label(span, "this link")
        .help(format!("it takes {}", names(takes)))
}

fn unlinked_port(id: &str, node: &Node<'_>, port: &PortSpec) -> Diagnostic {
    let word = side_word(port.direction);
    let help = match port.direction {
        Direction::Input => format!("add a link `… -> {id}`"),
        Direction::Output => format!("add a link `{id} -> …`"),
    };
    Diagnostic::new(Code::UnlinkedPort, format!("the {word} `{}` of `{id}` must be linked", port.name))
        .label(node.type_span, format!("needs its {word} `{}`", port.name))
        .label(node.id_span, "not linked")
        .help(help)
}

/// The port for a medium: the one named like the medium, else the first.
fn pick(ports: &[PortSpec], medium: Medium) -> Option<&PortSpec> {
    let fits = || ports.iter().filter(|port| port.medium == medium);
    fits().find(|port| port.name == medium.name()).or_else(|| fits().next())
}

fn media_of(ports: &[PortSpec]) -> String {
    let media: Vec<&str> =
        Medium::ALL.into_iter().filter(|m| ports.iter().any(|p| p.medium == *m)).map(Medium::name).collect();
    if media.is_empty() { "nothing".to_owned() } else { media.join(" and ") }
}

fn side_word(direction: Direction) -> &'static str {
    match direction {
        Direction::Input => "input",
        Direction::Output => "output",
    }
}
