//! A running graph and the handles to it.

mod actor;
mod command;
mod element;
mod planner;
mod reason;
mod stopwatch;

use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use anabranch_graph::catalog::Catalog;
use anabranch_graph::plan::Plan;
use anabranch_graph::spec::GraphSpec;
use anabranch_graph::{Completeness, Document};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use actor::{Actor, Shown};
use command::{Command, Edit};
pub use element::MediaElement;
pub(crate) use planner::Planner;
pub(crate) use reason::Reason;
pub use stopwatch::{Lap, Stopwatch};

use crate::error::{ChangeError, GraphError};
use crate::event::{EventStream, Outcome, OutcomeKind, PipelineState};
use crate::stats::PipelineStats;

/// Events that a slow receiver may be behind before it loses some.
const EVENT_BACKLOG: usize = 4096;

/// How a pipeline behaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PipelineOptions {
    /// Whether it lives until it is stopped or its last handle is dropped, also while it is empty or all its media have
    /// ended. Otherwise it ends with its media.
    pub keep_running: bool,
}

impl PipelineOptions {
    /// A pipeline that lives until it is stopped.
    pub fn keep_running() -> Self {
        PipelineOptions { keep_running: true }
    }
}

/// One running graph. A handle: clones refer to the same pipeline, which closes when the last one is dropped.
#[derive(Clone)]
pub struct MediaPipeline {
    inner: Arc<Inner>,
}

/// A handle that does not keep its pipeline alive.
#[derive(Clone)]
pub struct WeakMediaPipeline {
    inner: Weak<Inner>,
}

impl WeakMediaPipeline {
    /// The pipeline, unless it is gone.
    pub fn upgrade(&self) -> Option<MediaPipeline> {
        self.inner.upgrade().map(|inner| MediaPipeline { inner })
    }
}

struct Inner {
    id: u64,
    name: String,
    planner: Planner,
    shown: Arc<Shown>,
    // When the last handle goes, so does this sender, and the actor closes the pipeline.
    commands: mpsc::UnboundedSender<Command>,
}

impl MediaPipeline {
    pub(crate) fn create(
        id: u64,
        spec: GraphSpec,
        catalog: Arc<Catalog>,
        planner: Planner,
        runtime: &tokio::runtime::Handle,
        options: &PipelineOptions,
    ) -> Result<Self, GraphError> {
        let plan = planner.plan(&spec, None)?;
        let name = spec.name.clone();
        let shown = Arc::new(Shown {
            spec: RwLock::new(Arc::new(spec)),
            plan: RwLock::new(Arc::new(plan)),
            state: watch::Sender::new(PipelineState::Building),
            outcome: watch::Sender::new(None),
            last_stats: Mutex::default(),
            events: broadcast::Sender::new(EVENT_BACKLOG),
        });
        let (commands, receiver) = mpsc::unbounded_channel();
        let actor = Actor::new(id, name.clone(), catalog, planner.clone(), shown.clone(), receiver, options);
        runtime.spawn(actor.run());
        Ok(MediaPipeline { inner: Arc::new(Inner { id, name, planner, shown, commands }) })
    }

    /// A number that no other pipeline of this engine has.
    pub fn id(&self) -> u64 {
        self.inner.id
    }

    /// The graph's name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The graph as it is now.
    pub fn spec(&self) -> Arc<GraphSpec> {
        self.inner.shown.spec.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The plan of the graph as it is now.
    pub fn plan(&self) -> Arc<Plan> {
        self.inner.shown.plan.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The state now.
    pub fn state(&self) -> PipelineState {
        *self.inner.shown.state.borrow()
    }

    pub(crate) fn watch_state(&self) -> watch::Receiver<PipelineState> {
        self.inner.shown.state.subscribe()
    }

    /// The events from now on. Subscribe before [`MediaPipeline::start`] to miss none.
    pub fn events(&self) -> EventStream {
        EventStream::new(self.inner.shown.events.subscribe())
    }

    /// A handle that does not keep the pipeline alive.
    pub fn downgrade(&self) -> WeakMediaPipeline {
        WeakMediaPipeline { inner: Arc::downgrade(&self.inner) }
    }

    async fn ask<R>(&self, command: impl FnOnce(oneshot::Sender<R>) -> Command) -> Option<R> {
        let (reply, answer) = oneshot::channel();
        self.inner.commands.send(command(reply)).ok()?;
        answer.await.ok()
    }

    /// Builds the graph and lets media flow.
    ///
    /// # Errors
    ///
    /// [`ChangeError`] if an element cannot be made or linked; the pipeline has then ended. Failures of media come
    /// as events.
    pub async fn start(&self) -> Result<(), ChangeError> {
        self.ask(Command::Start).await.unwrap_or(Err(ChangeError::Ended))
    }

    /// Changes the running graph into another: what is the same in both goes on untouched.
    ///
    /// # Errors
    ///
    /// [`ChangeError::Graph`] if the new graph is wrong; otherwise as the first step that failed. The graph is then
    /// as before.
    pub async fn apply(&self, spec: GraphSpec) -> Result<(), ChangeError> {
        self.change(Box::new(move |_| Ok(spec))).await
    }

    async fn change(&self, edit: Edit) -> Result<(), ChangeError> {
        self.ask(|reply| Command::Change(edit, reply)).await.unwrap_or(Err(ChangeError::Ended))
    }

    /// A change whose result is checked like any description.
    async fn edit(
        &self,
        edit: impl FnOnce(&GraphSpec) -> Result<Document, ChangeError> + Send + 'static,
    ) -> Result<(), ChangeError> {
        let planner = self.inner.planner.clone();
        self.change(Box::new(move |spec| Ok(planner.check(&edit(spec)?, Completeness::Partial)?))).await
    }

    /// Adds an element; it works once it is linked.
    ///
    /// # Errors
    ///
    /// [`ChangeError::Graph`] if the type, the id or a property is wrong.
    pub async fn add(
        &self,
        id: &str,
        type_name: &str,
        properties: serde_json::Value,
    ) -> Result<MediaElement, ChangeError> {
        let (element, type_name) = (id.to_owned(), type_name.to_owned());
        self.edit(move |spec| Ok(Document::from(spec).element(element, type_name, properties))).await?;
        Ok(MediaElement::new(self.clone(), id.to_owned()))
    }

    /// Links elements while media flows, in the words of a description: `camera.video -> recorder`.
    ///
    /// # Errors
    ///
    /// [`ChangeError::Graph`] if the link is wrong.
    pub async fn connect(&self, link: &str) -> Result<(), ChangeError> {
        let link = link.to_owned();
        self.edit(move |spec| Ok(Document::from(spec).link(link))).await
    }

    /// Takes away the links from one element to another, all media.
    ///
    /// # Errors
    ///
    /// [`ChangeError::NoElement`] if one of them does not exist.
    pub async fn disconnect(&self, from: &str, to: &str) -> Result<(), ChangeError> {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.change(Box::new(move |spec| {
            for id in [&from, &to] {
                if !spec.nodes.contains_key(id) {
                    return Err(ChangeError::NoElement(id.clone()));
                }
            }
            let mut spec = spec.clone();
            spec.links.retain(|l| l.from.node != from || l.to.node != to);
            Ok(spec)
        }))
        .await
    }

    /// Takes an element out, with its links; a recorder finalises its file first.
    ///
    /// # Errors
    ///
    /// [`ChangeError::NoElement`] if it does not exist.
    pub async fn release(&self, id: &str) -> Result<(), ChangeError> {
        let id = id.to_owned();
        self.change(Box::new(move |spec| {
            let mut spec = spec.clone();
            if spec.nodes.shift_remove(&id).is_none() {
                return Err(ChangeError::NoElement(id));
            }
            spec.links.retain(|l| l.from.node != id && l.to.node != id);
            Ok(spec)
        }))
        .await
    }

    /// Sets a property of an element. One that cannot change while media flows restarts the element.
    ///
    /// # Errors
    ///
    /// [`ChangeError::Graph`] if the property or value is wrong, [`ChangeError::NoElement`] without such an element.
    pub async fn set(&self, id: &str, name: &str, value: serde_json::Value) -> Result<(), ChangeError> {
        let (id, name) = (id.to_owned(), name.to_owned());
        self.edit(move |spec| {
            let mut spec = spec.clone();
            let node = spec.nodes.get_mut(&id).ok_or(ChangeError::NoElement(id))?;
            node.properties.insert(name.replace('-', "_"), value);
            Ok(Document::from(&spec))
        })
        .await
    }

    /// The element of that id.
    pub fn element(&self, id: &str) -> Option<MediaElement> {
        self.spec().nodes.contains_key(id).then(|| MediaElement::new(self.clone(), id.to_owned()))
    }

    /// The numbers now; after the pipeline has ended, the last ones.
    pub async fn stats(&self) -> PipelineStats {
        match self.ask(Command::Stats).await {
            Some(stats) => stats,
            None => self.inner.shown.last_stats.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    pub(crate) async fn gst_element(&self, id: &str) -> Option<gst::Element> {
        self.ask(|reply| Command::Element(id.to_owned(), reply)).await.flatten()
    }

    /// The element types that its graph may use.
    pub(crate) fn catalog(&self) -> &Catalog {
        &self.inner.planner.catalog
    }

    /// Ends the sources; recordings are finalised. Await [`MediaPipeline::wait`] for the end.
    pub fn drain(&self) {
        let _ = self.inner.commands.send(Command::Drain);
    }

    /// Ends the sources, finalises everything within the time limit, and returns how it ended.
    pub async fn stop(&self, limit: Duration) -> Outcome {
        let _ = self.inner.commands.send(Command::Stop(limit));
        self.wait().await
    }

    /// Stops at once; recordings may be left unfinished.
    pub async fn abort(&self) -> Outcome {
        let _ = self.inner.commands.send(Command::Abort);
        self.wait().await
    }

    /// Waits until the pipeline has ended and everything was given back.
    pub async fn wait(&self) -> Outcome {
        let mut outcome = self.inner.shown.outcome.subscribe();
        match outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone(),
            Err(_) => None,
        }
        .unwrap_or(Outcome { result: OutcomeKind::Stopped, failures: Vec::new() })
    }
}
