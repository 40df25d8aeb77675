//! The pipelines that the server hosts.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use anabranch_engine::{Engine, MediaPipeline, Outcome, PipelineOptions, PipelineState};
use anabranch_graph::catalog::Role;
use anabranch_graph::spec::GraphSpec;
use futures::FutureExt;
use indexmap::IndexMap;

use crate::config::Limits;
use crate::events::{History, Hub};
use crate::problem::{Code, Problem};

/// Ended pipelines that can still be looked at.
const ENDED_KEPT: usize = 64;

/// A pipeline that the server hosts. Cheap to clone.
#[derive(Clone)]
pub struct Hosted {
    /// Its name on the network.
    pub id: String,
    /// The pipeline.
    pub pipeline: MediaPipeline,
    /// When it was created.
    pub created: SystemTime,
    /// Whether it lives until it is stopped, also without media.
    pub keep_running: bool,
    /// Its last events.
    pub(crate) history: Arc<History>,
    /// Held while the graph is changed in several steps.
    pub(crate) changing: Arc<tokio::sync::Mutex<()>>,
}

impl Hosted {
    /// How it ended, if it has.
    pub fn outcome(&self) -> Option<Outcome> {
        self.pipeline.wait().now_or_never()
    }

    /// Whether everything was given back.
    pub fn has_ended(&self) -> bool {
        self.pipeline.state() == PipelineState::Stopped
    }
}

/// The pipelines that the server hosts, by name.
pub struct Registry {
    engine: Engine,
    limits: Limits,
    hub: Arc<Hub>,
    numbers: AtomicU64,
    pipelines: Mutex<IndexMap<String, Hosted>>,
}

impl Registry {
    pub(crate) fn new(engine: Engine, limits: Limits, hub: Arc<Hub>) -> Self {
        Registry { engine, limits, hub, numbers: AtomicU64::new(1), pipelines: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, IndexMap<String, Hosted>> {
        self.pipelines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Creates a pipeline under that name, which takes the place of the description's; nothing is started.
    /// `keep_running`: it lives until it is stopped, also without media.
    ///
    /// # Errors
    ///
    /// [`Code::NameTaken`], a limit, or what this machine cannot do.
    pub fn create(&self, id: &str, mut spec: GraphSpec, keep_running: bool) -> Result<Hosted, Problem> {
        check_name(id)?;
        id.clone_into(&mut spec.name);
        self.room(id)?;
        self.room_for(&spec, None)?;
        let mut options = PipelineOptions::default();
        options.keep_running = keep_running;
        let pipeline = self.engine.create_with(spec, &options)?;
        let hosted = Hosted {
            id: id.to_owned(),
            history: Arc::default(),
            changing: Arc::default(),
            pipeline,
            created: SystemTime::now(),
            keep_running,
        };
        {
            let mut pipelines = self.lock();
            // Another client may have been faster.
            if pipelines.get(id).is_some_and(|other| !other.has_ended()) {
                return Err(taken(id));
            }
            pipelines.shift_remove(id);
            pipelines.insert(id.to_owned(), hosted.clone());
            while pipelines.values().filter(|p| p.has_ended()).count() > ENDED_KEPT
                && let Some(oldest) = pipelines.values().find(|p| p.has_ended()).map(|p| p.id.clone())
            {
                pipelines.shift_remove(&oldest);
            }
        }
        self.hub.follow(&hosted);
        Ok(hosted)
    }

    /// A name that no pipeline has.
    pub fn free_name(&self) -> String {
        loop {
            let name = format!("pipeline-{}", self.numbers.fetch_add(1, Ordering::Relaxed));
            if !self.lock().contains_key(&name) {
                return name;
            }
        }
    }

    /// Whether a pipeline of that name may be made.
    fn room(&self, id: &str) -> Result<(), Problem> {
        let pipelines = self.lock();
        if pipelines.get(id).is_some_and(|other| !other.has_ended()) {
            return Err(taken(id));
        }
        let most = self.limits.pipelines;
        if pipelines.values().filter(|p| !p.has_ended()).count() >= most {
            let detail = format!("the server runs at most {most} pipelines");
            return Err(Problem::new(Code::PipelineLimit, detail).with("limit", most));
        }
        Ok(())
    }

    /// Whether the elements of `spec` may be made; those of `before`, whose place it takes, are there already.
    ///
    /// # Errors
    ///
    /// [`Code::ElementLimit`], [`Code::PeerLimit`].
    pub fn room_for(&self, spec: &GraphSpec, before: Option<&GraphSpec>) -> Result<(), Problem> {
        let peers = |spec: &GraphSpec| spec.nodes.values().filter(|n| self.is_peer(&n.type_name)).count();
        let (there, peers_there) = before.map_or((0, 0), |before| (before.nodes.len(), peers(before)));
        let more = spec.nodes.len().saturating_sub(there);
        self.room_for_more(more, peers(spec).saturating_sub(peers_there))
    }

    fn is_peer(&self, type_name: &str) -> bool {
        self.engine.catalog().get(type_name).is_some_and(|d| d.role == Role::Endpoint)
    }

    /// Whether so many more elements, and peers among them, may be made.
    ///
    /// # Errors
    ///
    /// [`Code::ElementLimit`], [`Code::PeerLimit`].
    pub fn room_for_more(&self, elements: usize, peers: usize) -> Result<(), Problem> {
        let there = self.count();
        let total: usize = there.values().sum();
        if elements > 0 && total + elements > self.limits.elements {
            let detail =
                format!("the server runs at most {} elements; {total} are there", self.limits.elements);
            return Err(Problem::new(Code::ElementLimit, detail).with("limit", self.limits.elements));
        }
        let total: usize = there.iter().filter(|(name, _)| self.is_peer(name)).map(|(_, count)| count).sum();
        if peers > 0 && total + peers > self.limits.peers {
            let detail = format!("the server has at most {} peers; {total} are there", self.limits.peers);
            return Err(Problem::new(Code::PeerLimit, detail).with("limit", self.limits.peers));
        }
        Ok(())
    }

    /// The elements of all living pipelines by type.
    pub fn count(&self) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        for hosted in self.all().iter().filter(|p| !p.has_ended()) {
            for node in hosted.pipeline.spec().nodes.values() {
                *counts.entry(node.type_name.clone()).or_default() += 1;
            }
        }
        counts
    }

    /// The pipeline of that name; one that has ended can be looked at for a while.
    ///
    /// # Errors
    ///
    /// [`Code::NoPipeline`].
    pub fn get(&self, id: &str) -> Result<Hosted, Problem> {
        let found = self.lock().get(id).cloned();
        found.ok_or_else(|| Problem::new(Code::NoPipeline, format!("there is no pipeline '{id}'")))
    }

    /// All of them, in the order in which they were created.
    pub fn all(&self) -> Vec<Hosted> {
        self.lock().values().cloned().collect()
    }

    /// Forgets this pipeline, not another one that has its name by now; it closes when nobody holds it any more.
    pub fn forget(&self, hosted: &Hosted) {
        let mut pipelines = self.lock();
        if pipelines.get(&hosted.id).is_some_and(|p| p.pipeline.id() == hosted.pipeline.id()) {
            pipelines.shift_remove(&hosted.id);
        }
    }
}

fn taken(id: &str) -> Problem {
    Problem::new(Code::NameTaken, format!("a pipeline '{id}' lives already"))
}

/// A name is part of addresses and file names.
fn check_name(id: &str) -> Result<(), Problem> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~');
    let starts = id.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    if starts && id.len() <= 128 && id.chars().all(fits) {
        return Ok(());
    }
    let detail = "a pipeline's name is a letter, digit or '_', followed by letters, digits, '-', '_', '.' and '~', \
                  at most 128 characters";
    Err(Problem::new(Code::BadRequest, detail))
}
