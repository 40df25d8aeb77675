//! The end of objects: released by a client, or held by nobody any more.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::Kurento;
use super::object::{Kind, Object, lock};

/// Every period a pass: sessions that were not used since the pass before go.
pub(crate) const PERIOD: Duration = Duration::from_secs(240);
/// How long recordings of a pipeline that is released may take to be finalised.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Starts the collector; it ends with the server.
pub(super) fn start(kurento: &Arc<Kurento>) {
    let (weak, stopping) = (Arc::downgrade(kurento), kurento.stopping().clone());
    tokio::spawn(async move {
        tokio::select! {
            () = stopping.cancelled() => {}
            () = run(weak) => {}
        }
    });
}

async fn run(kurento: Weak<Kurento>) {
    let mut quarters = tokio::time::interval(PERIOD / 4);
    quarters.tick().await;
    for quarter in 1_u64.. {
        quarters.tick().await;
        let Some(kurento) = kurento.upgrade() else { return };
        kurento.shared().sessions.touch_connected();
        if quarter.is_multiple_of(4) {
            kurento.pass().await;
        }
    }
}

impl Kurento {
    /// Ends the sessions that were not used since the last pass.
    async fn pass(self: &Arc<Self>) {
        let unused = self.shared().sessions.pass();
        for session in unused {
            tracing::info!(target: "api", %session, "kurento: a session was not used and ends");
            self.end_session(&session, false).await;
        }
    }

    /// Ends a session. What it alone held goes with it; with `release` everything that it held.
    pub(super) async fn end_session(self: &Arc<Self>, session: &str, release: bool) {
        let objects: Vec<Arc<Object>> = {
            let mut shared = self.shared();
            shared.subscriptions.forget_session(session);
            let held = shared.sessions.remove(session).unwrap_or_default();
            let goes = held.iter().filter(|id| release || !shared.sessions.is_held(id));
            goes.filter_map(|id| shared.objects.get(id).cloned()).collect()
        };
        for object in objects {
            self.destroy(&object).await;
        }
    }

    /// The session lets go of an object and what is in it; what nobody holds any more goes.
    pub(super) async fn let_go(self: &Arc<Self>, session: &str, object: &Arc<Object>) {
        let mut below = vec![object.clone()];
        let mut at = 0;
        while at < below.len() {
            let children = self.children(&below[at].id);
            below.extend(children);
            at += 1;
        }
        for object in below.into_iter().rev() {
            let held = {
                let mut shared = self.shared();
                shared.sessions.let_go(session, &object.id);
                shared.sessions.is_held(&object.id)
            };
            if !held {
                self.destroy(&object).await;
            }
        }
    }

    /// Ends an object and what is in it. The manager stays.
    pub(super) fn destroy<'a>(self: &'a Arc<Self>, object: &'a Arc<Object>) -> BoxFuture<'a, ()> {
        async move {
            if matches!(object.kind, Kind::Manager) {
                return;
            }
            // Whoever takes it out of the list ends it: two clients may release it at once.
            let mine = self.shared().objects.remove(&object.id).is_some();
            if !mine {
                return;
            }
            // A pipeline takes its elements along; a hub's ports are elements of their own.
            let is_hub = matches!(object.kind, Kind::Hub(_));
            for child in self.children(&object.id) {
                match is_hub {
                    true => self.destroy(&child).await,
                    false => self.forget(&child),
                }
            }
            let pipeline = object.pipeline();
            match (&object.kind, pipeline) {
                (Kind::Pipeline, Some(pipeline)) => {
                    pipeline.media().stop(STOP_LIMIT).await;
                    self.app.registry().forget(&pipeline.hosted);
                }
                (_, Some(pipeline)) => self.take_out(pipeline, object).await,
                _ => {}
            }
            self.forget(object);
        }
        .boxed()
    }

    /// Takes an element out of its pipeline's graph.
    async fn take_out(self: &Arc<Self>, pipeline: &super::object::Pipeline, object: &Arc<Object>) {
        let removed = self.edit(pipeline, |graph| graph.remove(&object.id)).await;
        match removed {
            Ok(links) => self.tell_links(&links, "ElementDisconnected"),
            Err(error) => {
                tracing::warn!(target: "api", object = %object.id, error = error.message, "kurento: release failed");
            }
        }
        lock(&pipeline.nodes).retain(|_, owner| *owner != object.id);
    }

    /// Nobody knows the object any more.
    fn forget(&self, object: &Object) {
        {
            let mut shared = self.shared();
            shared.objects.remove(&object.id);
            shared.sessions.forget(&object.id);
        }
        self.tell_destroyed(&object.id);
        self.shared().subscriptions.forget_object(&object.id);
    }
}
