//! What happens in a pipeline, as typed facts for the application.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use anabranch_graph::catalog::Direction;
use anabranch_graph::spec::OnError;
use futures::Stream;
use serde::Serialize;
use serde_json::Value;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;

/// One fact about a pipeline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// Counts the pipeline's events from 1; a gap means that events were lost to a slow receiver.
    pub seq: u64,
    /// Seconds since the pipeline was created.
    pub time: f64,
    /// The pipeline's name.
    pub pipeline: String,
    /// The element that it is about; none if it is about the pipeline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub element: Option<String>,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum EventKind {
    /// The pipeline's state changed.
    StateChanged {
        /// The state now.
        state: PipelineState,
    },
    /// An element failed. What follows depends on its `on-error` policy.
    ElementFailed {
        /// Why, in plain words.
        reason: String,
        /// What GStreamer said, for whoever looks deeper.
        detail: String,
        /// The policy that applies.
        policy: OnError,
        /// What happens now, in plain words.
        consequence: String,
    },
    /// An element was built anew after a failure.
    ElementRestarted {
        /// How often this element was restarted so far.
        attempt: u32,
    },
    /// Something is not as it should be, but the element goes on.
    Warning {
        /// What, in plain words.
        reason: String,
        /// What GStreamer said.
        detail: String,
    },
    /// An element got and finished all that it will get.
    EndOfStream,
    /// The output hub began to decode or encode for a consumer.
    TranscodingStarted(Transcoding),
    /// The output hub stopped decoding or encoding for a consumer.
    TranscodingStopped(Transcoding),
    /// A consumer gets nothing because no allowed format fits.
    NotServed {
        /// The element that asked.
        consumer: String,
        /// Why.
        reason: String,
    },
    /// Frames were lost.
    FramesDropped {
        /// How many since the last such event.
        count: u64,
        /// Why, naming the slow part.
        reason: String,
    },
    /// A filter panics, hangs or fails; the video goes on.
    FilterTrouble {
        /// What it did.
        reason: String,
        /// Its own words.
        detail: String,
        /// What happens to the frames.
        consequence: String,
    },
    /// A filter works again after trouble.
    FilterRecovered {
        /// What happened in between.
        detail: String,
    },
    /// Media began to flow through a port of an element, or have not come for two seconds.
    Flow {
        /// The port.
        port: String,
        /// Into the element or out of it.
        direction: Direction,
        /// Whether they flow now.
        flowing: bool,
    },
    /// The graph was changed while it ran.
    GraphChanged {
        /// The steps taken, in words.
        steps: Vec<String>,
    },
    /// An element's own event.
    Element {
        /// The event's name in the catalogue.
        name: String,
        /// Its data.
        data: Value,
    },
    /// The receiver was too slow and lost events. Only the slow receiver sees this.
    EventsLost {
        /// How many.
        count: u64,
    },
}

/// A transcode, and who asked for it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Transcoding {
    /// The element that asked.
    pub consumer: String,
    /// What the source produces.
    pub from: String,
    /// What the consumer gets.
    pub to: String,
    /// The decoder's factory, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decoder: Option<String>,
    /// The encoder's factory, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoder: Option<String>,
    /// Why.
    pub reason: String,
}

/// A pipeline's life. It only moves forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PipelineState {
    /// Created, nothing started.
    Building,
    /// Being started.
    Starting,
    /// Media may flow.
    Running,
    /// Sources have ended, recordings are being finalised.
    Draining,
    /// Being torn down.
    Stopping,
    /// Everything was given back.
    Stopped,
}

/// How a pipeline ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// Whether it ended well.
    pub result: OutcomeKind,
    /// What failed, in the order in which it happened.
    pub failures: Vec<Failure>,
}

/// How a pipeline ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutcomeKind {
    /// All media was processed.
    Done,
    /// It was stopped before the media ended.
    Stopped,
    /// An element failed that the description did not allow to fail.
    Failed,
    /// A time limit ran out before everything was finalised.
    TimedOut,
}

/// The failure of an element.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Failure {
    /// The element.
    pub element: String,
    /// Why, in plain words.
    pub reason: String,
    /// What GStreamer said.
    pub detail: String,
    /// Whether the description said by its policy that this may happen.
    pub allowed: bool,
}

/// A pipeline's events from the moment of the subscription on. It ends after the state `stopped`.
pub struct EventStream {
    inner: BroadcastStream<Arc<Event>>,
    ended: bool,
}

impl EventStream {
    pub(crate) fn new(receiver: tokio::sync::broadcast::Receiver<Arc<Event>>) -> Self {
        Self { inner: BroadcastStream::new(receiver), ended: false }
    }

    /// The next event; none after the pipeline has stopped.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        futures::StreamExt::next(self).await
    }
}

impl Stream for EventStream {
    type Item = Arc<Event>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let item = std::task::ready!(Pin::new(&mut self.inner).poll_next(cx));
        let event = match item {
            None => return Poll::Ready(None),
            Some(Ok(event)) => event,
            Some(Err(BroadcastStreamRecvError::Lagged(count))) => Arc::new(Event {
                seq: 0,
                time: 0.0,
                pipeline: String::new(),
                element: None,
                kind: EventKind::EventsLost { count },
            }),
        };
        self.ended = matches!(event.kind, EventKind::StateChanged { state: PipelineState::Stopped });
        Poll::Ready(Some(event))
    }
}

impl EventKind {
    /// The kind for a message that an element posted by [`anabranch_kit::message::post`].
    pub(crate) fn from_message(name: String, data: Value) -> EventKind {
        let text = |key: &str| data.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let transcoding = || serde_json::from_value::<Transcoding>(data.clone()).unwrap_or_default();
        match name.as_str() {
            "transcoding-started" => EventKind::TranscodingStarted(transcoding()),
            "transcoding-stopped" => EventKind::TranscodingStopped(transcoding()),
            "not-served" => EventKind::NotServed { consumer: text("consumer"), reason: text("reason") },
            "frames-dropped" => EventKind::FramesDropped {
                count: data.get("count").and_then(Value::as_u64).unwrap_or_default(),
                reason: text("reason"),
            },
            "filter-trouble" => EventKind::FilterTrouble {
                reason: text("reason"),
                detail: text("detail"),
                consequence: text("consequence"),
            },
            "filter-recovered" => EventKind::FilterRecovered { detail: text("detail") },
            _ => EventKind::Element { name, data },
        }
    }
}
