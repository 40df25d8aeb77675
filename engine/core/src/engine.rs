//! The process-wide owner of pipelines.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anabranch_graph::catalog::Catalog;
use anabranch_graph::plan::Plan;
use anabranch_graph::spec::GraphSpec;
use anabranch_graph::{Completeness, Document};

use crate::capabilities::Machine;
use crate::error::{EngineError, GraphError};
use crate::pipeline::{MediaPipeline, PipelineOptions, Planner, WeakMediaPipeline};

/// Owns GStreamer, the catalogue and the pipelines of this process. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    planner: Planner,
    runtime: tokio::runtime::Handle,
    ids: AtomicU64,
    pipelines: Mutex<Vec<WeakMediaPipeline>>,
}

impl Engine {
    /// Starts GStreamer and registers every element type that is linked into the program. Call it within a tokio
    /// runtime; pipelines live on it.
    ///
    /// # Errors
    ///
    /// [`EngineError`] if GStreamer does not start or there is no runtime.
    pub fn new() -> Result<Self, EngineError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| EngineError::NoRuntime)?;
        gst::init()?;
        anabranch_kit::registry::register_all(None)?;
        let planner =
            Planner { catalog: Arc::new(anabranch_kit::registry::catalog()), machine: Arc::default() };
        Ok(Engine {
            inner: Arc::new(Inner {
                planner,
                runtime,
                ids: AtomicU64::new(1),
                pipelines: Mutex::new(Vec::new()),
            }),
        })
    }

    /// The element types that descriptions may use.
    pub fn catalog(&self) -> &Catalog {
        &self.inner.planner.catalog
    }

    /// What this machine can do.
    pub fn machine(&self) -> &Machine {
        &self.inner.planner.machine
    }

    /// Checks a description.
    ///
    /// # Errors
    ///
    /// All mistakes at once.
    pub fn check(&self, document: &Document) -> Result<GraphSpec, GraphError> {
        self.inner.planner.check(document, Completeness::Complete)
    }

    /// Plans a graph, without looking into the media that it names.
    ///
    /// # Errors
    ///
    /// What this machine cannot do.
    pub fn plan(&self, spec: &GraphSpec) -> Result<Plan, GraphError> {
        self.inner.planner.plan(spec, None)
    }

    /// Creates a pipeline; nothing is started.
    ///
    /// # Errors
    ///
    /// What this machine cannot do.
    pub fn create(&self, spec: GraphSpec) -> Result<MediaPipeline, GraphError> {
        self.create_with(spec, &PipelineOptions::default())
    }

    /// As [`Engine::create`], with options.
    ///
    /// # Errors
    ///
    /// What this machine cannot do.
    pub fn create_with(
        &self,
        spec: GraphSpec,
        options: &PipelineOptions,
    ) -> Result<MediaPipeline, GraphError> {
        let inner = &self.inner;
        let id = inner.ids.fetch_add(1, Ordering::Relaxed);
        let pipeline = MediaPipeline::create(
            id,
            spec,
            inner.planner.catalog.clone(),
            inner.planner.clone(),
            &inner.runtime,
            options,
        )?;
        let mut pipelines = inner.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        pipelines.retain(|p| p.upgrade().is_some());
        pipelines.push(pipeline.downgrade());
        Ok(pipeline)
    }

    /// The pipelines that live now.
    pub fn pipelines(&self) -> Vec<MediaPipeline> {
        let pipelines = self.inner.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        pipelines.iter().filter_map(WeakMediaPipeline::upgrade).collect()
    }
}
