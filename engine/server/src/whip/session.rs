//! Peers that came by WHIP or WHEP.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anabranch_engine::{Event, EventKind, MediaElement, PipelineState};
use anabranch_graph::spec::GraphSpec;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::App;
use crate::events::Notice;

/// A peer that is not connected after this time is given up.
const CONNECT_LIMIT: Duration = Duration::from_secs(30);

/// Which way media go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// WHIP: into an element that was there before.
    Publish,
    /// WHEP: out of an element that was made for it.
    Play,
}

/// One peer.
pub(crate) struct Session {
    /// Its secret part of the address.
    pub id: String,
    /// Which way media go.
    pub kind: Kind,
    /// The pipeline's name.
    pub pipeline: String,
    /// The engine's number of the pipeline.
    pub number: u64,
    /// The element that was asked for.
    pub endpoint: String,
    /// The element that is the peer.
    pub element: MediaElement,
    /// The token's name.
    pub token: String,
    created: SystemTime,
    state: Mutex<State>,
    over: CancellationToken,
}

/// What changes during a session.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// The entity tag: another after each ICE restart.
    pub tag: String,
    /// The client's last offer.
    pub offer: String,
    /// `new`, `connecting`, `connected`, ...
    pub peer: String,
}

impl Session {
    /// What changes, as it is now.
    pub fn state(&self) -> State {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After an ICE restart: the new offer; returns the new entity tag.
    pub fn restarted(&self, offer: String) -> String {
        let mut state = self.lock();
        state.offer = offer;
        state.tag = new_tag();
        state.tag.clone()
    }

    /// Whether its element was made for it and goes with it.
    pub fn is_viewer(&self) -> bool {
        self.kind == Kind::Play
    }

    /// As the API shows it: without what would let somebody else end it.
    pub fn view(&self) -> Value {
        let created = self.created.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        json!({
            "kind": match self.kind { Kind::Publish => "publish", Kind::Play => "play" },
            "endpoint": self.endpoint,
            "element": self.element.id(),
            "peer": self.state().peer,
            "created": created,
        })
    }
}

fn new_tag() -> String {
    format!("\"{}\"", uuid::Uuid::new_v4().simple())
}

/// All of them.
#[derive(Default)]
pub(crate) struct Sessions {
    sessions: Mutex<HashMap<String, Arc<Session>>>,
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session of that id.
    pub fn get(&self, id: &str) -> Option<Arc<Session>> {
        self.lock().get(id).cloned()
    }

    /// How many publish and play now.
    pub fn count(&self) -> (usize, usize) {
        let sessions = self.lock();
        let publishing = sessions.values().filter(|s| s.kind == Kind::Publish).count();
        (publishing, sessions.len() - publishing)
    }

    /// Those of a pipeline.
    pub fn of_pipeline(&self, pipeline: &str) -> Vec<Arc<Session>> {
        self.lock().values().filter(|s| s.pipeline == pipeline).cloned().collect()
    }

    /// Whether somebody publishes into that element.
    pub fn publishes(&self, number: u64, element: &str) -> bool {
        let sessions = self.lock();
        sessions.values().any(|s| s.kind == Kind::Publish && s.number == number && s.element.id() == element)
    }

    /// Forgets the sessions of a pipeline that ends: their elements end with it.
    pub fn forget_pipeline(&self, pipeline: &str) {
        self.lock().retain(|_, session| {
            if session.pipeline == pipeline {
                session.over.cancel();
            }
            session.pipeline != pipeline
        });
    }

    /// Keeps the viewers of a pipeline whose graph becomes `spec`, which knows nothing of them.
    pub fn carry_over(&self, pipeline: &str, before: &GraphSpec, spec: &mut GraphSpec) {
        for session in self.of_pipeline(pipeline).iter().filter(|s| s.kind == Kind::Play) {
            let id = session.element.id();
            let Some(node) = before.nodes.get(id).filter(|_| !spec.nodes.contains_key(id)) else { continue };
            spec.nodes.insert(id.to_owned(), node.clone());
            let feeds = |from: &str| {
                let type_of = |spec: &GraphSpec| spec.nodes.get(from).map(|n| n.type_name.clone());
                type_of(before).is_some() && type_of(before) == type_of(spec)
            };
            let links: Vec<_> =
                before.links.iter().filter(|l| l.to.node == id && feeds(&l.from.node)).cloned().collect();
            spec.links.extend(links);
        }
    }
}

/// What a session is made of.
pub(crate) struct NewSession {
    pub kind: Kind,
    pub pipeline: String,
    pub number: u64,
    pub endpoint: String,
    pub element: MediaElement,
    pub token: String,
    pub offer: String,
}

/// Begins a session and watches its peer; `events` were heard since before the offer.
pub(crate) fn begin(app: &App, new: NewSession, events: broadcast::Receiver<Notice>) -> Arc<Session> {
    let session = Arc::new(Session {
        id: uuid::Uuid::new_v4().simple().to_string(),
        kind: new.kind,
        pipeline: new.pipeline,
        number: new.number,
        endpoint: new.endpoint,
        element: new.element,
        token: new.token,
        created: SystemTime::now(),
        state: Mutex::new(State { tag: new_tag(), offer: new.offer, peer: "new".to_owned() }),
        over: CancellationToken::new(),
    });
    app.sessions().lock().insert(session.id.clone(), session.clone());
    tokio::spawn(watch(app.clone(), session.clone(), events));
    session
}

/// Ends a session; false if it had ended before.
pub(crate) async fn end(app: &App, session: &Session, why: &str) -> bool {
    if app.sessions().lock().remove(&session.id).is_none() {
        return false;
    }
    session.over.cancel();
    let (pipeline, element) = (session.pipeline.as_str(), session.element.id());
    tracing::info!(target: "api", pipeline, element, peer = session.id, "session ended: {why}");
    let done = match session.kind {
        Kind::Publish => {
            session.element.command("reset", &json!({})).await.map(drop).map_err(|e| e.to_string())
        }
        Kind::Play => session.element.release().await.map_err(|e| e.to_string()),
    };
    if let Err(error) = done {
        tracing::debug!(target: "api", pipeline, element, peer = session.id, "{error}");
    }
    true
}

/// Ends the session when its peer is gone.
async fn watch(app: App, session: Arc<Session>, mut events: broadcast::Receiver<Notice>) {
    let deadline = tokio::time::sleep(CONNECT_LIMIT);
    let mut deadline = std::pin::pin!(deadline);
    let mut connected = false;
    // What is heard before its own peer begins is about the peer that the element had before it.
    let mut begun = false;
    let why = loop {
        tokio::select! {
            () = session.over.cancelled() => return,
            () = &mut deadline, if !connected => break "the peer did not connect",
            event = events.recv() => match event {
                Ok(notice) if notice.number == session.number => match heard(&session, &notice.event, &mut begun) {
                    Heard::Nothing => {}
                    Heard::Connected => connected = true,
                    Heard::Gone(why) => break why,
                },
                Ok(_) => {}
                // The state may have changed unheard.
                Err(RecvError::Lagged(_)) => {
                    begun = true;
                    match session.element.command("state", &json!({})).await {
                        Ok(state) if matches!(state["peer"].as_str(), Some("failed" | "closed")) => {
                            break "the peer is gone";
                        }
                        Ok(state) => connected |= state["peer"] == "connected",
                        Err(_) => {}
                    }
                }
                Err(RecvError::Closed) => return,
            }
        }
    };
    end(&app, &session, why).await;
}

enum Heard {
    Nothing,
    Connected,
    Gone(&'static str),
}

fn heard(session: &Session, event: &Event, begun: &mut bool) -> Heard {
    match &event.kind {
        EventKind::StateChanged { state: PipelineState::Stopped } => Heard::Gone("the pipeline has ended"),
        EventKind::Element { name, data }
            if name == "peer-state" && event.element.as_deref() == Some(session.element.id()) =>
        {
            let state = data["state"].as_str().unwrap_or_default();
            *begun |= state == "new";
            if !*begun {
                return Heard::Nothing;
            }
            session.lock().peer = state.to_owned();
            match state {
                "connected" => Heard::Connected,
                "failed" => Heard::Gone("the peer is gone"),
                "closed" => Heard::Gone("the peer closed"),
                _ => Heard::Nothing,
            }
        }
        EventKind::ElementFailed { .. } if event.element.as_deref() == Some(session.element.id()) => {
            Heard::Gone("the element failed")
        }
        _ => Heard::Nothing,
    }
}
