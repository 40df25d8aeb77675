//! Kurento's JSON-RPC over WebSocket, at `/kurento`: a translator onto the engine's API.
//!
//! - [`surface`](surface) has the facts of Kurento's API, [`table`] says what each of them is in the engine; dispatch,
//!   `getInfo` and the page `KURENTO.md` come from these two.
//! - [`graph`] is a pipeline as clients see it; the engine's graph follows from it.
//! - [`session`], [`subscription`], [`transaction`], [`check`], [`flow`] and [`rpc`] are pure: no sockets, no clock.
//! - [`connection`] is one WebSocket; [`methods`] what it asks; the rest are the operations, class by class.

mod check;
mod collect;
mod connection;
mod create;
mod detectors;
mod elements;
mod error;
mod events;
mod filters;
mod graph;
mod hubs;
mod invoke;
mod manager;
mod methods;
mod negotiation;
mod object;
mod page;
mod peer;
mod picture;
mod pipelines;
mod post;
mod properties;
mod rpc;
mod session;
mod stats;
mod subscription;
mod surface;
mod table;
mod transaction;
mod uri;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Query, State, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Extension, Router};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use connection::Outbox;
use error::{Code, RpcError};
use object::{Common, Kind, MANAGER, Object};
use session::Sessions;
use subscription::Subscriptions;
use surface::surface;

use crate::access::{Grant, Scope};
use crate::config::Limits;
use crate::{App, Problem};

/// The routes of Kurento's protocol. Call it within a tokio runtime: it starts the collector of forgotten objects.
pub fn router(app: &App) -> Router<App> {
    let kurento = Kurento::new(app.clone());
    Router::new().route("/kurento", any(upgrade)).layer(Extension(kurento))
}

#[derive(Deserialize)]
struct Token {
    access_token: Option<String>,
}

async fn upgrade(
    State(app): State<App>,
    Extension(kurento): Extension<Arc<Kurento>>,
    Query(token): Query<Token>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let Ok(upgrade) = upgrade else {
        let kind = [(header::CONTENT_TYPE, "text/markdown; charset=utf-8"), (header::UPGRADE, "websocket")];
        return (StatusCode::UPGRADE_REQUIRED, kind, page::page()).into_response();
    };
    let grant = match app.access().grant(&headers, token.access_token.as_deref()) {
        Ok(grant) => grant,
        Err(problem) => return problem.into_response(),
    };
    if let Err(problem) = grant.require(Scope::Control, None) {
        return problem.into_response();
    }
    let limit = app.limits().message_bytes;
    let upgrade = upgrade.max_message_size(limit).max_frame_size(limit);
    upgrade.on_upgrade(move |socket| connection::serve(kurento, socket, grant))
}

/// What all connections share.
pub(crate) struct Kurento {
    app: App,
    /// Tells this server from others, and from itself after a restart.
    server_id: String,
    state: Mutex<Shared>,
}

#[derive(Default)]
struct Shared {
    objects: BTreeMap<Arc<str>, Arc<Object>>,
    sessions: Sessions,
    subscriptions: Subscriptions,
}

impl Kurento {
    fn new(app: App) -> Arc<Self> {
        let manager = Object {
            id: MANAGER.into(),
            class: surface().class("ServerManager").expect("the surface has it"),
            parent: None,
            pipeline: None,
            created: now_seconds(),
            order: object::next_order(),
            common: Mutex::<Common>::default(),
            kind: Kind::Manager,
        };
        let kurento = Kurento { app, server_id: uuid::Uuid::new_v4().to_string(), state: Mutex::default() };
        kurento.shared().objects.insert(manager.id.clone(), Arc::new(manager));
        let kurento = Arc::new(kurento);
        collect::start(&kurento);
        kurento
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        object::lock(&self.state)
    }

    fn limits(&self) -> &Limits {
        self.app.limits()
    }

    fn stopping(&self) -> &CancellationToken {
        self.app.stopping()
    }

    /// The object of that id, if the token is for its pipeline.
    fn object(&self, id: &str, grant: &Grant) -> Result<Arc<Object>, RpcError> {
        let object = self.shared().objects.get(id).cloned();
        object.filter(|object| may_use(grant, object)).ok_or_else(|| RpcError::no_object(id))
    }

    /// The children of an object, oldest first.
    fn children(&self, id: &str) -> Vec<Arc<Object>> {
        let prefix = format!("{id}/");
        let shared = self.shared();
        let below = shared
            .objects
            .range::<str, _>((std::ops::Bound::Included(prefix.as_str()), std::ops::Bound::Unbounded));
        let mut children: Vec<Arc<Object>> = below
            .take_while(|(key, _)| key.starts_with(&prefix))
            .map(|(_, object)| object.clone())
            .filter(|object| object.parent.as_deref() == Some(id))
            .collect();
        children.sort_by_key(|object| object.order);
        children
    }

    /// A connection has gone.
    fn left(&self, outbox: &Outbox) {
        self.shared().sessions.leave(outbox);
    }
}

/// Whether a token is for an object. What it is not for, it does not see.
fn may_use(grant: &Grant, object: &Object) -> bool {
    object.pipeline().is_none_or(|pipeline| grant.covers(&pipeline.hosted.id))
}

fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn now_millis() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis())
        .unwrap_or(u64::MAX)
}

impl From<Problem> for RpcError {
    fn from(problem: Problem) -> Self {
        use crate::problem::Code as Other;
        let code = match problem.code {
            Other::PipelineLimit | Other::ElementLimit | Other::PeerLimit => Code::NotEnoughResources,
            Other::Policy => Code::IllegalParam,
            _ => Code::Unexpected,
        };
        RpcError::new(code, problem.detail)
    }
}
