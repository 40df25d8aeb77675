//! Objects of Kurento's: pipelines and what is in them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anabranch_engine::MediaPipeline;
use anabranch_graph::catalog::{Direction, PropertyMap};
use anabranch_graph::format::Medium;
use indexmap::IndexMap;
use serde_json::{Value, json};

use super::graph::{Graph, Tap};
use super::picture::Fetched;
use super::post::Post;
use super::surface::{Class, surface};
use crate::Hosted;
use anabranch_engine::FlowWatch;

/// The id of the one object that is always there.
pub(crate) const MANAGER: &str = "manager_ServerManager";

/// An object that a client knows by its id.
pub(crate) struct Object {
    pub id: Arc<str>,
    pub class: &'static Class,
    pub parent: Option<Arc<str>>,
    /// The pipeline that it is or belongs to.
    pub pipeline: Option<Arc<Pipeline>>,
    /// Seconds since 1970.
    pub created: u64,
    /// Which of all objects it is: later ones have more.
    pub order: u64,
    pub common: Mutex<Common>,
    pub kind: Kind,
}

/// The number of the next object.
pub(super) fn next_order() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// What every object has.
#[derive(Default)]
pub(crate) struct Common {
    pub name: Option<String>,
    pub tags: IndexMap<String, String>,
    pub send_tags: bool,
    /// Values that were set and are given back.
    pub kept: HashMap<String, Value>,
}

/// What only some objects have.
pub(crate) enum Kind {
    Manager,
    Pipeline,
    /// Media pass through it; its elements are in the graph.
    Filter(Mutex<Filter>),
    WebRtc(Mutex<Peer>),
    Uri(Mutex<Uri>),
    /// Its element.
    Hub(String),
    /// Its element.
    Port(String),
    /// Its element, which exists as long as the object.
    Inner(String),
    /// It takes bodies of HTTP.
    Post(Mutex<Post>),
    /// The same, for a filter that looks.
    Detector(Mutex<Detector>),
}

/// A filter that looks at the video.
pub(crate) struct Detector {
    /// Its element.
    pub node: String,
    /// Files of its pictures that were fetched, by the name of what shows them.
    pub files: IndexMap<String, Vec<Fetched>>,
}

/// A filter's pictures.
#[derive(Default)]
pub(crate) struct Filter {
    /// By the client's id of the picture.
    pub pictures: IndexMap<String, Picture>,
}

/// A picture that a filter draws.
pub(crate) struct Picture {
    /// The element that draws it.
    pub node: String,
    /// The file, if it was fetched.
    pub file: Option<Fetched>,
}

/// A WebRTC endpoint.
pub(crate) struct Peer {
    pub node: String,
    /// An offer was made or taken.
    pub offered: bool,
    /// It has negotiated.
    pub started: bool,
    /// It has negotiated and its peer has not gone.
    pub running: bool,
    pub media_connected: bool,
    pub connected: bool,
    pub ice: &'static str,
    pub dtls: &'static str,
    pub pair: Option<(String, String)>,
}

impl Peer {
    pub fn new(node: String) -> Self {
        Peer {
            node,
            offered: false,
            started: false,
            running: false,
            media_connected: false,
            connected: false,
            ice: "DISCONNECTED",
            dtls: "NEW",
            pair: None,
        }
    }
}

/// A player or recorder.
pub(crate) struct Uri {
    /// As the client gave it.
    pub uri: String,
    /// The engine's type and properties.
    pub type_name: &'static str,
    pub properties: PropertyMap,
    pub state: UriState,
    /// The element while there is one.
    pub node: Option<String>,
    pub stop_on_end: bool,
}

/// The state of a player or recorder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UriState {
    Stop,
    Start,
    Pause,
}

impl UriState {
    pub fn name(self) -> &'static str {
        match self {
            UriState::Stop => "STOP",
            UriState::Start => "START",
            UriState::Pause => "PAUSE",
        }
    }
}

/// A pipeline: Kurento's graph and the engine's that follows from it.
pub(crate) struct Pipeline {
    pub id: Arc<str>,
    pub hosted: Hosted,
    /// Held while the engine changes, so that changes come one after the other.
    pub graph: Arc<tokio::sync::Mutex<Graph>>,
    pub taps: Mutex<Arc<Vec<Tap>>>,
    /// The object of each element of the engine.
    pub nodes: Mutex<HashMap<String, Arc<str>>>,
    pub latency_stats: AtomicBool,
    pub flow: Mutex<FlowWatch<FlowKey>>,
    /// Encoders that run for an object's medium.
    pub transcodes: Mutex<HashMap<(Arc<str>, Medium), u32>>,
    numbers: AtomicU32,
}

/// Frames of an object that are watched.
pub(crate) type FlowKey = (Arc<str>, Direction, Medium);

impl Pipeline {
    pub fn new(id: Arc<str>, hosted: Hosted) -> Self {
        Pipeline {
            id,
            graph: Arc::new(tokio::sync::Mutex::new(Graph::new(&hosted.id))),
            hosted,
            taps: Mutex::default(),
            nodes: Mutex::default(),
            latency_stats: AtomicBool::new(false),
            flow: Mutex::new(FlowWatch::new()),
            transcodes: Mutex::default(),
            numbers: AtomicU32::new(0),
        }
    }

    /// The engine's pipeline.
    pub fn media(&self) -> &MediaPipeline {
        &self.hosted.pipeline
    }

    /// A name for a new element of the engine.
    pub fn node_name(&self, type_name: &str, object: &Arc<str>) -> String {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed) + 1;
        let name = format!("{type_name}-{number}");
        lock(&self.nodes).insert(name.clone(), object.clone());
        name
    }

    /// The object of an element of the engine.
    pub fn object_of(&self, node: &str) -> Option<Arc<str>> {
        lock(&self.nodes).get(node).cloned()
    }
}

impl Object {
    /// The pipeline that it is or belongs to.
    pub fn pipeline(&self) -> Option<&Arc<Pipeline>> {
        self.pipeline.as_ref()
    }

    pub fn common(&self) -> MutexGuard<'_, Common> {
        lock(&self.common)
    }

    /// Whether it is of that class or one that descends from it.
    pub fn is_a(&self, class: &str) -> bool {
        surface().is_a(self.class, class)
    }

    /// Its tags as values.
    pub fn tags(&self) -> Value {
        let tags = self.common().tags.clone();
        let tag =
            |(key, value)| json!({"__module__": "kurento", "__type__": "Tag", "key": key, "value": value});
        Value::Array(tags.into_iter().map(tag).collect())
    }

    /// Its tags if it sends them with its events.
    pub fn tags_in_events(&self) -> Value {
        if self.common().send_tags { self.tags() } else { json!([]) }
    }

    /// What is kept of a property.
    pub fn kept(&self, name: &str) -> Option<Value> {
        self.common().kept.get(name).cloned()
    }
}

/// A lock whose holder panicked is as good as before: all changes below are single assignments.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A new id: for children below their parent's, ending with the class.
pub(crate) fn new_id(class: &Class, parent: Option<&str>) -> Arc<str> {
    let own = format!("{}_{}", uuid::Uuid::new_v4(), class.qualified());
    match parent {
        Some(parent) => format!("{parent}/{own}").into(),
        None => own.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::surface::surface;
    use super::*;

    #[test]
    fn ids_are_paths_that_end_with_the_class() {
        let class = |name| surface().class(name).unwrap();
        let pipeline = new_id(class("MediaPipeline"), None);
        assert!(pipeline.ends_with("_kurento.MediaPipeline"), "{pipeline}");
        assert_eq!(pipeline.len(), 36 + "_kurento.MediaPipeline".len());
        let child = new_id(class("WebRtcEndpoint"), Some(&pipeline));
        assert!(
            child.starts_with(&format!("{pipeline}/")) && child.ends_with("_kurento.WebRtcEndpoint"),
            "{child}"
        );
        let filter = new_id(class("CrowdDetectorFilter"), Some(&pipeline));
        assert!(filter.ends_with("_crowddetector.CrowdDetectorFilter"));
    }
}
