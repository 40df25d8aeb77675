//! Events of all pipelines in one place, and the last ones of each.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use anabranch_engine::{Event, EventKind, PipelineState};
use serde::Serialize;
use tokio::sync::broadcast;

use crate::registry::Hosted;

/// Events that a slow listener may be behind before it loses some.
const BACKLOG: usize = 4096;
/// Events that are kept of each pipeline.
const KEPT: usize = 512;

/// The last events of a pipeline.
#[derive(Debug, Default)]
pub(crate) struct History {
    events: Mutex<VecDeque<Arc<Event>>>,
}

impl History {
    fn push(&self, event: Arc<Event>) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if events.len() == KEPT {
            events.pop_front();
        }
        events.push_back(event);
    }

    /// The events after that number.
    pub fn after(&self, seq: u64) -> Vec<Arc<Event>> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.iter().filter(|e| e.seq > seq).cloned().collect()
    }
}

/// An event with the name of its pipeline on the network.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Notice {
    /// The event; its `pipeline` is the name on the network.
    #[serde(flatten)]
    pub event: Arc<Event>,
    /// The engine's number of the pipeline: tells two of one name apart.
    #[serde(skip)]
    pub number: u64,
}

/// Hears all pipelines.
pub(crate) struct Hub {
    sender: broadcast::Sender<Notice>,
}

impl Default for Hub {
    fn default() -> Self {
        Hub { sender: broadcast::Sender::new(BACKLOG) }
    }
}

impl Hub {
    /// Everything from now on.
    pub fn listen(&self) -> broadcast::Receiver<Notice> {
        self.sender.subscribe()
    }

    /// Says something that no pipeline said itself.
    pub fn say(&self, event: Arc<Event>) {
        // Nobody listening is fine.
        let _ = self.sender.send(Notice { event, number: 0 });
    }

    /// Follows a pipeline until it has stopped. Call it before the pipeline is started.
    pub fn follow(&self, hosted: &Hosted) {
        let mut events = hosted.pipeline.events();
        // Not the pipeline itself: it must be able to go.
        let (sender, history, number) = (self.sender.clone(), hosted.history.clone(), hosted.pipeline.id());
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                log(&event);
                history.push(event.clone());
                // Nobody listening is fine.
                let _ = sender.send(Notice { event, number });
            }
        });
    }
}

fn log(event: &Event) {
    let (pipeline, element) = (event.pipeline.as_str(), event.element.as_deref().unwrap_or_default());
    match &event.kind {
        EventKind::StateChanged { state } => {
            let name = state_name(*state);
            tracing::info!(target: "pipeline", pipeline, "{name}");
        }
        EventKind::ElementFailed { reason, detail, consequence, .. } => {
            tracing::error!(target: "pipeline", pipeline, element, detail, consequence, "{reason}");
        }
        EventKind::Warning { reason, detail } => {
            tracing::warn!(target: "pipeline", pipeline, element, detail, "{reason}");
        }
        kind => {
            if tracing::enabled!(target: "pipeline", tracing::Level::DEBUG) {
                let text = serde_json::to_string(kind).unwrap_or_default();
                tracing::debug!(target: "pipeline", pipeline, element, "{text}");
            }
        }
    }
}

/// A state's name on the wire.
pub(crate) fn state_name(state: PipelineState) -> &'static str {
    match state {
        PipelineState::Building => "building",
        PipelineState::Starting => "starting",
        PipelineState::Running => "running",
        PipelineState::Draining => "draining",
        PipelineState::Stopping => "stopping",
        PipelineState::Stopped => "stopped",
    }
}
