//! Events: the engine's, under Kurento's names, and the translator's own.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use anabranch_engine::{Event, EventKind, EventStream, PipelineState, Transcoding};
use anabranch_graph::catalog::Direction;
use anabranch_graph::format::{Format, Medium};
use serde_json::{Map, Value, json};

use super::graph::Link;
use super::object::{Kind, MANAGER, Object, Pipeline, lock};
use super::{Kurento, now_millis, rpc, table};

/// Counters of frames are looked at this often.
const LOOK: Duration = Duration::from_millis(500);

/// The name of a medium on the wire.
pub(super) fn medium_name(medium: Medium) -> &'static str {
    match medium {
        Medium::Audio => "AUDIO",
        Medium::Video => "VIDEO",
        Medium::Data => "DATA",
    }
}

impl Kurento {
    /// Sends an event to who has subscribed to it. `fields` is an object.
    pub(super) fn raise(&self, object: &Object, event: &str, fields: Value) {
        let listeners: Vec<_> = {
            let shared = self.shared();
            let listeners = shared.subscriptions.listeners(&object.id, event);
            let outboxes =
                listeners.into_iter().filter_map(|l| Some((shared.sessions.outbox(&l.session)?, l.spelling)));
            outboxes.collect()
        };
        if listeners.is_empty() {
            return;
        }
        let millis = now_millis();
        let mut data = Map::new();
        data.insert("source".into(), Value::from(&*object.id));
        data.insert("tags".into(), object.tags_in_events());
        data.insert("timestampMillis".into(), Value::from(millis.to_string()));
        if !matches!(event, "ObjectCreated" | "ObjectDestroyed" | "Error") {
            data.insert("type".into(), Value::from(event));
        }
        if let Value::Object(fields) = fields {
            data.extend(fields);
        }
        for (outbox, spelling) in listeners {
            let mut data = data.clone();
            if spelling != event {
                // A client of Kurento 6.
                data.insert("type".into(), Value::from(&*spelling));
                data.insert("timestamp".into(), Value::from((millis / 1000).to_string()));
            }
            outbox.event(rpc::text(rpc::event(&object.id, &spelling, &data)));
        }
    }

    /// The same for an object that is known by its id.
    fn raise_by_id(&self, id: &str, event: &str, fields: Value) {
        let object = self.shared().objects.get(id).cloned();
        if let Some(object) = object {
            self.raise(&object, event, fields);
        }
    }

    /// Says what links came or went.
    pub(super) fn tell_links(&self, links: &[Link], event: &str) {
        for link in links {
            let fields = json!({
                "sink": &*link.sink,
                "mediaType": medium_name(link.medium),
                "sourceMediaDescription": "default",
                "sinkMediaDescription": "default",
            });
            self.raise_by_id(&link.source, event, fields);
        }
    }

    pub(super) fn tell_created(&self, id: &str) {
        self.raise_by_id(MANAGER, "ObjectCreated", json!({"object": id}));
    }

    pub(super) fn tell_destroyed(&self, id: &str) {
        self.raise_by_id(MANAGER, "ObjectDestroyed", json!({"objectId": id}));
    }

    /// Says that something failed.
    pub(super) fn tell_error(&self, object: &Object, kind: &str, description: String) {
        tracing::info!(target: "api", object = %object.id, kind, description, "kurento: error event");
        self.raise(object, "Error", json!({"description": description, "errorCode": 0, "type": kind}));
    }

    /// Turns the engine's events of a pipeline over until it ends.
    pub(super) fn watch(self: &Arc<Self>, pipeline: &Arc<Pipeline>, mut events: EventStream) {
        let (kurento, weak) = (Arc::downgrade(self), Arc::downgrade(pipeline));
        tokio::spawn(async move {
            let mut look = tokio::time::interval(LOOK);
            look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                let event = tokio::select! {
                    biased;
                    event = events.next() => match event {
                        Some(event) => Some(event),
                        None => return,
                    },
                    _ = look.tick() => None,
                };
                let Some((kurento, pipeline)) = both(&kurento, &weak) else { return };
                match event {
                    Some(event) => kurento.on_event(&pipeline, &event).await,
                    None => kurento.look_at_flow(&pipeline).await,
                }
            }
        });
    }

    async fn on_event(self: &Arc<Self>, pipeline: &Arc<Pipeline>, event: &Event) {
        let Some(node) = &event.element else {
            if matches!(event.kind, EventKind::StateChanged { state: PipelineState::Stopped }) {
                let object = self.shared().objects.get(&pipeline.id).cloned();
                if let Some(object) = object {
                    let text = "the pipeline has ended".to_owned();
                    self.tell_error(&object, "UNEXPECTED_PIPELINE_ERROR", text);
                }
            }
            return;
        };
        let Some(id) = pipeline.object_of(node) else { return };
        let Some(object) = self.shared().objects.get(&id).cloned() else { return };
        match &event.kind {
            EventKind::Element { name, data } => match &object.kind {
                Kind::WebRtc(peer) => self.on_peer_event(&object, peer, name, data),
                Kind::Uri(_) => self.on_uri_event(&object, name),
                Kind::Post(_) => self.on_post_event(&object, name),
                _ => {
                    if let Some((event, fields)) = table::found(&object.class.name, name, data) {
                        self.raise(&object, event, fields);
                    }
                }
            },
            EventKind::EndOfStream => self.on_end(&object, node).await,
            EventKind::ElementFailed { reason, detail, consequence, .. } => {
                let description = format!("{reason}; {consequence} ({detail})");
                self.on_failure(&object, node, description).await;
            }
            EventKind::FilterTrouble { reason, detail, consequence } => {
                let description = format!("{reason}; {consequence} ({detail})");
                self.tell_error(&object, "UNEXPECTED_ELEMENT_ERROR", description);
            }
            EventKind::TranscodingStarted(transcoding) => {
                self.on_transcoding(pipeline, &object, transcoding, true)
            }
            EventKind::TranscodingStopped(transcoding) => {
                self.on_transcoding(pipeline, &object, transcoding, false)
            }
            _ => {}
        }
    }

    fn on_transcoding(&self, pipeline: &Pipeline, object: &Object, what: &Transcoding, started: bool) {
        let format = Format::KNOWN.iter().find(|format| format.name() == what.from);
        let (Some(medium), true) = (format.map(Format::medium), what.encoder.is_some()) else { return };
        let (before, now) = {
            let mut transcodes = lock(&pipeline.transcodes);
            let count = transcodes.entry((object.id.clone(), medium)).or_default();
            let before = *count;
            *count = if started { before + 1 } else { before.saturating_sub(1) };
            (before, *count)
        };
        if (before == 0) != (now == 0) {
            let state = if now > 0 { "TRANSCODING" } else { "NOT_TRANSCODING" };
            let fields = json!({"binName": "default", "mediaType": medium_name(medium), "state": state});
            self.raise(object, "MediaTranscodingStateChanged", fields);
        }
    }

    /// Looks at the counters of frames and says what began or ceased to flow.
    pub(super) async fn look_at_flow(&self, pipeline: &Pipeline) {
        let taps = lock(&pipeline.taps).clone();
        if taps.is_empty() && lock(&pipeline.flow).is_idle() {
            return;
        }
        let stats = pipeline.media().stats().await;
        let counters: Vec<_> = taps
            .iter()
            .map(|tap| {
                let ports = stats.elements.get(&tap.at.node).map(|element| match tap.at.direction {
                    Direction::Input => &element.inputs,
                    Direction::Output => &element.outputs,
                });
                let frames = ports.and_then(|ports| ports.get(&tap.at.port)).map_or(0, |port| port.frames);
                ((tap.object.clone(), tap.direction, tap.medium), frames)
            })
            .collect();
        let changes = lock(&pipeline.flow).observe(&counters, Instant::now());
        for ((object, direction, medium), flows) in changes {
            let event = match direction {
                Direction::Input => "MediaFlowInStateChanged",
                Direction::Output => "MediaFlowOutStateChanged",
            };
            let state = if flows { "FLOWING" } else { "NOT_FLOWING" };
            let fields = json!({"mediaType": medium_name(medium), "padName": "default", "state": state});
            self.raise_by_id(&object, event, fields);
        }
    }
}

fn both(kurento: &Weak<Kurento>, pipeline: &Weak<Pipeline>) -> Option<(Arc<Kurento>, Arc<Pipeline>)> {
    kurento.upgrade().zip(pipeline.upgrade())
}
