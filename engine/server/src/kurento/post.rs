//! `HttpPostEndpoint`: what comes by POST becomes a source.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::Kurento;
use super::error::{Code, RpcError};
use super::object::{Kind, Object, lock};

/// What is known of an endpoint that takes bodies.
pub(crate) struct Post {
    /// Its element.
    pub node: String,
    /// A session lasts so long after its last body.
    pub patience: Duration,
    /// Bodies that began.
    pub bodies: u64,
    /// A body is coming.
    pub busy: bool,
    /// There is a session.
    pub open: bool,
}

impl Post {
    /// Nothing has come yet.
    pub fn new(node: String, patience: Duration) -> Self {
        Post { node, patience, bodies: 0, busy: false, open: false }
    }
}

fn post(object: &Object) -> Option<&Mutex<Post>> {
    match &object.kind {
        Kind::Post(post) => Some(post),
        _ => None,
    }
}

impl Kurento {
    /// Where bodies are to be sent: the server's route of the element.
    pub(super) fn post_url(&self, object: &Object) -> Result<Value, RpcError> {
        let node = post(object).map(|post| lock(post).node.clone());
        let node = node.ok_or_else(|| RpcError::unsupported("the object takes no bodies"))?;
        let pipeline = object.pipeline().ok_or_else(|| RpcError::no_object(&object.id))?;
        let address = self.app.address().ok_or_else(|| {
            RpcError::new(Code::HttpRegistration, "the server does not listen: nobody can send it anything")
        })?;
        let scheme = if self.app.config().tls.is_some() { "https" } else { "http" };
        let name = &pipeline.hosted.id;
        Ok(json!(format!("{scheme}://{address}/media/{name}/{node}")))
    }

    /// Events of the element.
    pub(super) fn on_post_event(self: &Arc<Self>, object: &Arc<Object>, name: &str) {
        let Some(post) = post(object) else { return };
        match name {
            "body-began" => {
                let first = {
                    let mut post = lock(post);
                    (post.bodies, post.busy) = (post.bodies + 1, true);
                    !std::mem::replace(&mut post.open, true)
                };
                if first {
                    self.raise(object, "MediaSessionStarted", json!({}));
                }
            }
            "body-ended" | "body-cut" | "body-unreadable" => {
                lock(post).busy = false;
                if name == "body-ended" {
                    self.raise(object, "EndOfStream", json!({}));
                }
                self.end_session_soon(object, post);
            }
            _ => {}
        }
    }

    /// Ends the session unless another body comes in time.
    fn end_session_soon(self: &Arc<Self>, object: &Arc<Object>, post: &Mutex<Post>) {
        let (bodies, patience) = {
            let post = lock(post);
            (post.bodies, post.patience)
        };
        let (kurento, object) = (Arc::downgrade(self), Arc::downgrade(object));
        tokio::spawn(async move {
            tokio::time::sleep(patience).await;
            let (Some(kurento), Some(object)) = (kurento.upgrade(), object.upgrade()) else { return };
            let ended = match &object.kind {
                Kind::Post(post) => {
                    let mut post = lock(post);
                    post.bodies == bodies && !post.busy && std::mem::replace(&mut post.open, false)
                }
                _ => false,
            };
            if ended {
                kurento.raise(&object, "MediaSessionTerminated", json!({}));
            }
        });
    }
}
