//! Changes of a pipeline's graph, and what follows in the engine.

use std::sync::Arc;

use anabranch_engine::ErrorInfo;
use anabranch_engine::{ChangeError, ErrorKind};
use anabranch_graph::spec::GraphSpec;
use anabranch_graph::{Completeness, check_all};
use tokio::sync::OwnedMutexGuard;

use super::Kurento;
use super::error::{Code, RpcError};
use super::graph::Graph;
use super::object::{Pipeline, lock};

impl Kurento {
    /// Changes a pipeline's graph and leads the engine to it; after an error both are as before.
    pub(super) async fn edit<R>(
        &self,
        pipeline: &Pipeline,
        change: impl FnOnce(&mut Graph) -> R,
    ) -> Result<R, RpcError> {
        let graph = pipeline.graph.clone().lock_owned().await;
        self.edit_locked(pipeline, graph, change).await
    }

    /// The same for who has waited for its turn already.
    pub(super) async fn edit_locked<R>(
        &self,
        pipeline: &Pipeline,
        mut graph: OwnedMutexGuard<Graph>,
        change: impl FnOnce(&mut Graph) -> R,
    ) -> Result<R, RpcError> {
        let mut new = graph.clone();
        let out = change(&mut new);
        let engine = self.app.engine();
        let document = new.document(engine.catalog());
        let checked = check_all(&document, engine.catalog(), Some(engine.machine()), Completeness::Partial);
        let mut spec = checked.spec.ok_or_else(|| {
            let mistakes: Vec<&str> = checked.diagnostics.iter().map(|d| d.message.as_str()).collect();
            RpcError::new(Code::IllegalParam, mistakes.join("; "))
        })?;
        let _changing = pipeline.hosted.changing.lock().await;
        let running = pipeline.media().spec();
        keep_strangers(&mut spec, &running, pipeline);
        // An object may get many elements after it was made: a filter has one for each of its pictures.
        self.app.registry().room_for_more(spec.nodes.len().saturating_sub(running.nodes.len()), 0)?;
        pipeline.media().apply(spec).await.map_err(|error| refused(&error))?;
        *lock(&pipeline.taps) = Arc::new(new.taps(engine.catalog()));
        *graph = new;
        Ok(out)
    }
}

/// Elements that were added by others, such as viewers that came by WHEP, stay with their links as far as both ends do.
fn keep_strangers(spec: &mut GraphSpec, running: &GraphSpec, pipeline: &Pipeline) {
    let strange = |node: &str| pipeline.object_of(node).is_none();
    for (id, node) in running.nodes.iter().filter(|(id, _)| strange(id)) {
        spec.nodes.insert(id.clone(), node.clone());
    }
    for link in &running.links {
        let (from, to) = (&link.from.node, &link.to.node);
        if (strange(from) || strange(to)) && spec.nodes.contains_key(from) && spec.nodes.contains_key(to) {
            spec.links.push(link.clone());
        }
    }
}

fn refused(error: &ChangeError) -> RpcError {
    let mut refused = RpcError::from_change(error);
    if error.kind() == ErrorKind::InvalidInput {
        refused.code = Code::IllegalParam;
    }
    refused
}
