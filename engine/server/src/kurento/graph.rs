//! The graph as Kurento's clients see it, and the engine's graph that follows from it.
//!
//! Kurento's objects and the engine's elements do not match one to one: a filter without a picture has no element, one
//! with three pictures has three, a player has one while it plays, and what a filter does not work on (sound) goes past
//! it. So clients change this graph, and the engine is led to what follows from it as a whole.

use std::sync::Arc;

use anabranch_graph::catalog::{Catalog, Direction, PropertyMap};
use anabranch_graph::format::Medium;
use anabranch_graph::spec::OnError;
use anabranch_graph::{Document, LinkOptions};
use indexmap::IndexMap;

/// A pipeline's graph.
#[derive(Clone, Default)]
pub(crate) struct Graph {
    name: String,
    blocks: IndexMap<Arc<str>, Block>,
    links: Vec<Link>,
}

/// What stands for one object of Kurento's.
#[derive(Clone, Default)]
pub(crate) struct Block {
    /// The engine's elements that exist for it now, in the order in which media go through them.
    pub nodes: Vec<Node>,
    /// Whether what no element of it takes goes past; otherwise it ends there.
    pub passes: bool,
    /// What may be linked into it.
    pub inputs: Vec<Medium>,
    /// What may be linked from it.
    pub outputs: Vec<Medium>,
    /// What its sinks get of its video and its sound, and how that is encoded if it must be.
    pub video: LinkOptions,
    pub audio: LinkOptions,
}

impl Block {
    fn options(&self, medium: Medium) -> LinkOptions {
        match medium {
            Medium::Video => self.video.clone(),
            Medium::Audio => self.audio.clone(),
            Medium::Data => LinkOptions::default(),
        }
    }
}

/// An element of the engine.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub id: String,
    pub type_name: String,
    pub properties: PropertyMap,
}

/// A link between two objects, one medium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub source: Arc<str>,
    pub sink: Arc<str>,
    pub medium: Medium,
}

/// Where frames are counted that go into or out of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tap {
    pub object: Arc<str>,
    pub direction: Direction,
    pub medium: Medium,
    /// The element and port that count them.
    pub at: Place,
    /// For inputs with an element of their own: the engine's link.
    pub link: Option<String>,
}

/// A port of an element of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub node: String,
    pub port: String,
    pub direction: Direction,
}

impl Graph {
    /// An empty one for the engine's pipeline of that name.
    pub fn new(name: &str) -> Self {
        Graph { name: name.to_owned(), ..Graph::default() }
    }

    /// Adds an object.
    pub fn add(&mut self, object: &Arc<str>, block: Block) {
        self.blocks.insert(object.clone(), block);
    }

    /// What stands for an object.
    pub fn block(&self, object: &str) -> Option<&Block> {
        self.blocks.get(object)
    }

    /// What stands for an object, to change it.
    pub fn block_mut(&mut self, object: &str) -> Option<&mut Block> {
        self.blocks.get_mut(object)
    }

    /// Takes an object out; returns the links that went with it.
    pub fn remove(&mut self, object: &str) -> Vec<Link> {
        self.blocks.shift_remove(object);
        self.take_links(|link| *link.source == *object || *link.sink == *object)
    }

    /// Links two objects with these media, as far as both have them. Returns the links that had to go for it, and the
    /// new ones.
    pub fn connect(
        &mut self,
        source: &Arc<str>,
        sink: &Arc<str>,
        media: &[Medium],
    ) -> (Vec<Link>, Vec<Link>) {
        let (mut gone, mut new) = (Vec::new(), Vec::new());
        for medium in media {
            let gives = self.blocks.get(source).is_some_and(|block| block.outputs.contains(medium));
            let takes = self.blocks.get(sink).is_some_and(|block| block.inputs.contains(medium));
            let link = Link { source: source.clone(), sink: sink.clone(), medium: *medium };
            if !gives || !takes || self.links.contains(&link) {
                continue;
            }
            gone.extend(self.take_links(|old| old.sink == link.sink && old.medium == *medium));
            self.links.push(link.clone());
            new.push(link);
        }
        (gone, new)
    }

    /// Takes links of these media away and returns them.
    pub fn disconnect(&mut self, source: &str, sink: &str, media: &[Medium]) -> Vec<Link> {
        self.take_links(|link| *link.source == *source && *link.sink == *sink && media.contains(&link.medium))
    }

    fn take_links(&mut self, goes: impl Fn(&Link) -> bool) -> Vec<Link> {
        let gone = self.links.iter().filter(|link| goes(link)).cloned().collect();
        self.links.retain(|link| !goes(link));
        gone
    }

    /// All links.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// The engine's graph that follows from it.
    pub fn document(&self, catalog: &Catalog) -> Document {
        let look = Look { graph: self, catalog };
        let mut document = Document::new(&self.name);
        for (object, block) in &self.blocks {
            for node in &block.nodes {
                if !block.passes || look.is_fed(object, node) {
                    let properties = serde_json::Value::Object(node.properties.clone());
                    document = document.element(&node.id, &node.type_name, properties);
                    // A failure must not take the other objects along.
                    document = document.on_error(&node.id, OnError::DropElement);
                }
            }
        }
        for (from, to, options) in look.joints() {
            let text = format!("{}.{} -> {}.{}", from.node, from.port, to.node, to.port);
            document = document.link_with(text, options);
        }
        document
    }

    /// Where frames of each object are counted.
    pub fn taps(&self, catalog: &Catalog) -> Vec<Tap> {
        let look = Look { graph: self, catalog };
        let mut taps = Vec::new();
        for (object, block) in &self.blocks {
            for medium in [Medium::Audio, Medium::Video] {
                let tap = |direction, at, link| Tap { object: object.clone(), direction, medium, at, link };
                if let Some((source, _)) = look.upstream(object, medium) {
                    match look.ports(block, medium, Direction::Input).next() {
                        Some(place) => {
                            let link =
                                format!("{}.{} -> {}.{}", source.node, source.port, place.node, place.port);
                            taps.push(tap(Direction::Input, place, Some(link)));
                        }
                        None if block.passes => taps.push(tap(Direction::Input, source, None)),
                        None => {}
                    }
                }
                if let Some(place) = look.exit(object, medium) {
                    taps.push(tap(Direction::Output, place, None));
                }
            }
        }
        taps
    }
}

/// The graph seen with the catalogue.
struct Look<'a> {
    graph: &'a Graph,
    catalog: &'a Catalog,
}

impl<'a> Look<'a> {
    /// The ports of a block's elements for a medium, in order.
    fn ports(
        &self,
        block: &'a Block,
        medium: Medium,
        direction: Direction,
    ) -> impl Iterator<Item = Place> + use<'a> {
        let catalog = self.catalog;
        block.nodes.iter().filter_map(move |node| {
            let descriptor = catalog.get(&node.type_name)?;
            let fits = || descriptor.ports.iter().filter(|p| p.medium == medium && p.direction == direction);
            let port = fits().find(|p| p.name == medium.name()).or_else(|| fits().next())?;
            Some(Place { node: node.id.clone(), port: port.name.clone(), direction })
        })
    }

    /// Where an object's medium comes out, if anything can come.
    fn exit(&self, object: &str, medium: Medium) -> Option<Place> {
        self.exit_from(object, medium, &mut Vec::new())
    }

    fn exit_from(&self, object: &str, medium: Medium, passed: &mut Vec<String>) -> Option<Place> {
        let block = self.graph.blocks.get(object)?;
        let own = self.ports(block, medium, Direction::Output).last();
        if !block.passes {
            return own;
        }
        if passed.iter().any(|other| other == object) {
            return None;
        }
        passed.push(object.to_owned());
        let link = self.graph.links.iter().find(|link| *link.sink == *object && link.medium == medium)?;
        let source = self.exit_from(&link.source, medium, passed)?;
        Some(own.unwrap_or(source))
    }

    /// Where what an object gets comes from, and how.
    fn upstream(&self, object: &str, medium: Medium) -> Option<(Place, LinkOptions)> {
        let link = self.graph.links.iter().find(|link| *link.sink == *object && link.medium == medium)?;
        let source = self.graph.blocks.get(&link.source);
        let options = source.map(|block| block.options(medium)).unwrap_or_default();
        Some((self.exit(&link.source, medium)?, options))
    }

    /// Whether media can come to an element through which they pass.
    fn is_fed(&self, object: &str, node: &Node) -> bool {
        let Some(descriptor) = self.catalog.get(&node.type_name) else { return false };
        let mut inputs = descriptor.inputs();
        inputs.any(|port| self.upstream(object, port.medium).is_some())
    }

    /// All links of the engine's graph.
    fn joints(&self) -> Vec<(Place, Place, LinkOptions)> {
        let mut joints = Vec::new();
        for (object, block) in &self.graph.blocks {
            for medium in Medium::ALL {
                let Some((mut from, options)) = self.upstream(object, medium) else { continue };
                let outputs: Vec<Place> = self.ports(block, medium, Direction::Output).collect();
                for to in self.ports(block, medium, Direction::Input) {
                    let next = outputs.iter().find(|out| block.passes && out.node == to.node).cloned();
                    joints.push((from, to, options.clone()));
                    match next {
                        Some(next) => from = next,
                        None => break,
                    }
                }
            }
        }
        joints
    }
}

#[cfg(test)]
mod tests {
    use anabranch_graph::catalog::{ElementDescriptor, PortSpec, Role};

    use super::*;

    fn descriptor(name: &str, role: Role, inputs: &[Medium], outputs: &[Medium]) -> ElementDescriptor {
        let port = |direction| {
            move |medium: &Medium| PortSpec {
                name: medium.name().into(),
                direction,
                medium: *medium,
                pad: String::new(),
                formats: Vec::new(),
                layouts: Vec::new(),
                required: false,
                multiple: false,
            }
        };
        let inputs = inputs.iter().map(port(Direction::Input));
        ElementDescriptor {
            name: name.into(),
            factory: name.into(),
            role,
            summary: String::new(),
            description: String::new(),
            author: String::new(),
            example: String::new(),
            ports: inputs.chain(outputs.iter().map(port(Direction::Output))).collect(),
            properties: Vec::new(),
            events: Vec::new(),
            requires: Vec::new(),
            realtime: false,
            refine: None,
        }
    }

    fn catalog() -> Catalog {
        const AV: &[Medium] = &[Medium::Audio, Medium::Video];
        let mut catalog = Catalog::new();
        catalog.insert(descriptor("webrtc", Role::Endpoint, &Medium::ALL, &Medium::ALL));
        catalog.insert(descriptor("hat", Role::Filter, &[Medium::Video], &[Medium::Video]));
        catalog.insert(descriptor("recorder", Role::Sink, AV, &[]));
        catalog.insert(descriptor("player", Role::Source, &[], AV));
        catalog
    }

    fn node(id: &str) -> Node {
        let type_name = id.split('-').next().unwrap_or_default().to_owned();
        Node { id: id.into(), type_name, properties: PropertyMap::new() }
    }

    fn block(nodes: &[&str], passes: bool) -> Block {
        Block {
            nodes: nodes.iter().map(|id| node(id)).collect(),
            passes,
            inputs: Medium::ALL.to_vec(),
            outputs: Medium::ALL.to_vec(),
            ..Block::default()
        }
    }

    const AV: [Medium; 2] = [Medium::Audio, Medium::Video];

    fn links(graph: &Graph) -> Vec<String> {
        let yaml = graph.document(&catalog()).to_yaml();
        let mut links: Vec<String> = yaml
            .lines()
            .filter(|line| line.contains("->"))
            .map(|line| {
                line.trim_matches(|c: char| !c.is_ascii_alphanumeric())
                    .replace(".video -> ", ".v>")
                    .to_owned()
            })
            .collect();
        links.sort();
        links
    }

    fn graph(blocks: &[(&str, Block)]) -> (Graph, Vec<Arc<str>>) {
        let mut graph = Graph::new("g");
        let ids = blocks.iter().map(|(id, block)| {
            let id: Arc<str> = (*id).into();
            graph.add(&id, block.clone());
            id
        });
        let ids = ids.collect();
        (graph, ids)
    }

    #[test]
    fn a_loopback_is_links_of_the_endpoint_to_itself() {
        let (mut graph, ids) = graph(&[("w", block(&["webrtc-1"], false))]);
        let (gone, new) = graph.connect(&ids[0], &ids[0], &AV);
        assert_eq!((gone.len(), new.len()), (0, 2));
        assert_eq!(links(&graph), ["webrtc-1.audio -> webrtc-1.audio", "webrtc-1.v>webrtc-1.video"]);
        assert_eq!(graph.connect(&ids[0], &ids[0], &AV).1, [], "it is linked already");
        assert_eq!(graph.disconnect("w", "w", &[Medium::Audio]).len(), 1);
        assert_eq!(links(&graph), ["webrtc-1.v>webrtc-1.video"]);
    }

    #[test]
    fn sound_goes_past_a_filter_and_pictures_through_what_it_has() {
        let (mut graph, ids) = graph(&[("w", block(&["webrtc-1"], false)), ("f", block(&[], true))]);
        graph.connect(&ids[0], &ids[1], &AV);
        assert_eq!(links(&graph), [""; 0], "nobody takes it yet");
        graph.connect(&ids[1], &ids[0], &AV);
        assert_eq!(links(&graph), ["webrtc-1.audio -> webrtc-1.audio", "webrtc-1.v>webrtc-1.video"]);
        graph.block_mut("f").unwrap().nodes = vec![node("hat-1"), node("hat-2")];
        assert_eq!(
            links(&graph),
            [
                "hat-1.v>hat-2.video",
                "hat-2.v>webrtc-1.video",
                "webrtc-1.audio -> webrtc-1.audio",
                "webrtc-1.v>hat-1.video"
            ]
        );
        let taps = graph.taps(&catalog());
        let at = |object: &str, medium, direction| {
            let tap =
                taps.iter().find(|t| *t.object == *object && t.medium == medium && t.direction == direction);
            tap.map(|t| format!("{}.{}", t.at.node, t.at.port))
        };
        assert_eq!(at("f", Medium::Audio, Direction::Input).as_deref(), Some("webrtc-1.audio"));
        assert_eq!(at("f", Medium::Video, Direction::Input).as_deref(), Some("hat-1.video"));
        assert_eq!(at("f", Medium::Video, Direction::Output).as_deref(), Some("hat-2.video"));
        graph.remove("w");
        assert_eq!(links(&graph), [""; 0]);
        assert!(!graph.document(&catalog()).to_yaml().contains("hat"), "nothing feeds the filter");
    }

    #[test]
    fn a_new_source_takes_the_place_of_the_old_one() {
        let (mut graph, ids) = graph(&[
            ("a", block(&["webrtc-1"], false)),
            ("b", block(&["webrtc-2"], false)),
            ("c", block(&["webrtc-3"], false)),
        ]);
        graph.connect(&ids[0], &ids[2], &[Medium::Video]);
        let (gone, new) = graph.connect(&ids[1], &ids[2], &[Medium::Video]);
        assert_eq!((gone[0].source.as_ref(), new[0].source.as_ref()), ("a", "b"));
        assert_eq!(links(&graph), ["webrtc-2.v>webrtc-3.video"]);
    }

    #[test]
    fn filters_in_a_circle_get_nothing_and_hurt_nothing() {
        let (mut graph, ids) = graph(&[("f", block(&["hat-1"], true)), ("g", block(&[], true))]);
        graph.connect(&ids[0], &ids[1], &AV);
        graph.connect(&ids[1], &ids[0], &AV);
        graph.connect(&ids[0], &ids[0], &[Medium::Data]);
        assert_eq!(links(&graph), [""; 0]);
        assert_eq!(graph.taps(&catalog()), []);
    }

    #[test]
    fn a_player_that_does_not_play_keeps_its_links() {
        let (mut graph, ids) = graph(&[
            ("p", Block { inputs: vec![], ..block(&[], false) }),
            ("r", block(&["recorder-1"], false)),
        ]);
        assert_eq!(graph.connect(&ids[0], &ids[1], &AV).1.len(), 2);
        assert_eq!(graph.connect(&ids[1], &ids[0], &AV).1.len(), 0, "nothing goes into a player");
        assert_eq!(links(&graph), [""; 0]);
        graph.block_mut("p").unwrap().nodes.push(node("player-1"));
        assert_eq!(links(&graph).len(), 2);
        graph.block_mut("p").unwrap().video = LinkOptions {
            bitrate: Some(700),
            formats: vec![anabranch_graph::format::Format::H264],
            ..LinkOptions::default()
        };
        let yaml = graph.document(&catalog()).to_yaml();
        assert_eq!(yaml.matches("format: [h264], bitrate: 700").count(), 1, "only video: {yaml}");
    }
}
