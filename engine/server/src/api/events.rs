//! Events as server-sent events and over WebSockets.

use std::convert::Infallible;
use std::time::Duration;

use anabranch_engine::{Event, EventKind, PipelineState};
use axum::Json;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Method, header};
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::{Stream, StreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;

use super::table::{JSON, Route};
use crate::App;
use crate::access::{Grant, Scope};
use crate::events::Notice;
use crate::problem::{Code, Problem};

/// A silent stream says so this often, so that whoever is between does not close it.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A listener that takes nothing for this time is let go.
const SEND_LIMIT: Duration = Duration::from_secs(20);

const STREAM: &str = "text/event-stream";
const AFTER: (&str, &str) =
    ("after", "First those of the last 512 events that have a greater `seq`; `Last-Event-ID` does the same.");
const TOKEN: (&str, &str) = ("access_token", "The token, for browsers, which send no headers here.");

pub(crate) const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        path: "/api/v1/events",
        id: "streamAllEvents",
        tag: "events",
        scope: Some(Scope::Observe),
        summary: "Events of all pipelines that the token is for, as server-sent events, or over a WebSocket if asked.",
        query: &[TOKEN],
        takes: &[],
        answers: &[
            (200, STREAM, "Events, each a line of JSON."),
            (101, "", "A WebSocket: each message is an event."),
        ],
        problems: &[],
        handler: || get(all),
    },
    Route {
        method: Method::GET,
        path: "/api/v1/pipelines/{pipeline}/events",
        id: "streamEvents",
        tag: "events",
        scope: Some(Scope::Observe),
        summary: "Events of a pipeline, as server-sent events, or over a WebSocket if asked. It ends after the state `stopped`.",
        query: &[AFTER, TOKEN],
        takes: &[],
        answers: &[
            (200, STREAM, "Events, each a line of JSON."),
            (101, "", "A WebSocket: each message is an event."),
        ],
        problems: &[Code::NoPipeline],
        handler: || get(of_pipeline),
    },
    Route {
        method: Method::GET,
        path: "/api/v1/pipelines/{pipeline}/history",
        id: "listEvents",
        tag: "events",
        scope: Some(Scope::Observe),
        summary: "The last events of a pipeline, at most 512.",
        query: &[("after", "Only those with a greater `seq`.")],
        takes: &[],
        answers: &[(200, JSON, "Events, oldest first.")],
        problems: &[Code::NoPipeline],
        handler: || get(history),
    },
];

#[derive(Deserialize)]
struct From {
    after: Option<u64>,
}

async fn history(
    State(app): State<App>,
    Path(id): Path<String>,
    from: Result<Query<From>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let from = super::pipelines::query(from)?;
    let hosted = app.registry().get(&id)?;
    Ok(Json(json!({ "events": hosted.history.after(from.after.unwrap_or(0)) })))
}

async fn of_pipeline(
    State(app): State<App>,
    Path(id): Path<String>,
    from: Result<Query<From>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
    socket: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let from = super::pipelines::query(from)?;
    let hosted = app.registry().get(&id)?;
    let last = headers.get("last-event-id").and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
    // Listen first, then look back: nothing falls between.
    let live = listen(&app);
    let number = hosted.pipeline.id();
    let mut past = hosted.history.after(0);
    // Not the pipeline's state, which is known before the last event is here: that event would be missed.
    let ended = past.last().is_some_and(|event| is_last(event));
    match last.or(from.after) {
        Some(seq) => past.retain(|event| event.seq > seq),
        None => past.clear(),
    }
    let seen = past.last().map_or(0, |e| e.seq);
    let past = stream::iter(past.into_iter().map(move |event| Heard::Notice(Notice { event, number })));
    let live = live.filter(move |heard| {
        let wanted = match heard {
            Heard::Notice(n) => n.number == number && n.event.seq > seen,
            Heard::Lost(_) => true,
        };
        std::future::ready(wanted)
    });
    // It ends after the last event; of a pipeline that has ended there is nothing to wait for.
    let events = past.chain(live.take_until(async move {
        if !ended {
            std::future::pending::<()>().await;
        }
    }));
    let events = stream::unfold(Some(Box::pin(events)), |events| async {
        let mut events = events?;
        let heard = events.next().await?;
        let rest = (!heard.is_last()).then_some(events);
        Some((heard, rest))
    });
    Ok(answer(&app, events, socket))
}

async fn all(
    State(app): State<App>,
    grant: Grant,
    socket: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Response {
    let events = listen(&app).filter(move |heard| {
        std::future::ready(match heard {
            Heard::Notice(notice) => grant.covers(&notice.event.pipeline),
            Heard::Lost(_) => true,
        })
    });
    answer(&app, events, socket)
}

/// What a listener hears.
enum Heard {
    Notice(Notice),
    /// So many were lost because it was too slow.
    Lost(u64),
}

impl Heard {
    fn is_last(&self) -> bool {
        matches!(self, Heard::Notice(notice) if is_last(&notice.event))
    }

    fn json(&self) -> String {
        match self {
            Heard::Notice(notice) => serde_json::to_string(notice).unwrap_or_default(),
            Heard::Lost(count) => json!({ "event": "events-lost", "count": count }).to_string(),
        }
    }
}

/// Whether a pipeline says nothing more after this.
fn is_last(event: &Event) -> bool {
    event.kind == EventKind::StateChanged { state: PipelineState::Stopped }
}

fn listen(app: &App) -> impl Stream<Item = Heard> + Send + use<> {
    BroadcastStream::new(app.hub().listen()).map(|item| match item {
        Ok(notice) => Heard::Notice(notice),
        Err(BroadcastStreamRecvError::Lagged(count)) => Heard::Lost(count),
    })
}

fn answer(
    app: &App,
    events: impl Stream<Item = Heard> + Send + 'static,
    socket: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Response {
    let events = events.take_until(app.stopping().clone().cancelled_owned());
    match socket {
        Ok(socket) => {
            // Clients have nothing to say here.
            let socket = socket.max_message_size(4096).max_frame_size(4096);
            socket.on_upgrade(|socket| send(socket, events))
        }
        Err(_) => {
            let events = events.map(|heard| {
                let mut event = SseEvent::default().data(heard.json());
                if let Heard::Notice(notice) = &heard {
                    event = event.id(notice.event.seq.to_string());
                }
                Ok::<_, Infallible>(event)
            });
            let mut response =
                Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response();
            let no_store = axum::http::HeaderValue::from_static("no-store");
            response.headers_mut().insert(header::CACHE_CONTROL, no_store);
            response
        }
    }
}

async fn send(mut socket: WebSocket, events: impl Stream<Item = Heard> + Send + 'static) {
    let mut events = std::pin::pin!(events);
    let mut pings = tokio::time::interval(KEEP_ALIVE);
    loop {
        let message = tokio::select! {
            heard = events.next() => match heard {
                Some(heard) => Message::text(heard.json()),
                None => break,
            },
            received = socket.recv() => match received {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
            _ = pings.tick() => Message::Ping(bytes::Bytes::new()),
        };
        match tokio::time::timeout(SEND_LIMIT, socket.send(message)).await {
            Ok(Ok(())) => {}
            _ => return,
        }
    }
    // The client may be gone already.
    let _ = socket.send(Message::Close(None)).await;
}
