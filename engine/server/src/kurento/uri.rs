//! Operations of players and recorders: their element exists from start to stop.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::Kurento;
use super::error::{Code, RpcError};
use super::graph::Node;
use super::object::{Kind, Object, Uri, UriState, lock};

/// The path of a `file:` address; what is none stays as it is.
pub(super) fn path_of(uri: &str) -> String {
    let url = url::Url::parse(uri).ok().filter(|url| url.scheme() == "file");
    let path = url.and_then(|url| url.to_file_path().ok());
    path.and_then(|path| path.into_os_string().into_string().ok()).unwrap_or_else(|| uri.to_owned())
}

fn uri(object: &Object) -> Result<&Mutex<Uri>, RpcError> {
    match &object.kind {
        Kind::Uri(uri) => Ok(uri),
        _ => Err(RpcError::unsupported("the object plays nothing")),
    }
}

impl Kurento {
    /// Adds the element. One that runs goes on.
    pub(super) async fn start(
        self: &Arc<Self>,
        object: &Arc<Object>,
        _what: &str,
    ) -> Result<Value, RpcError> {
        let uri = uri(object)?;
        let pipeline = object.pipeline().ok_or_else(|| RpcError::no_object(&object.id))?;
        let (type_name, mut properties, before) = {
            let mut uri = lock(uri);
            if uri.state == UriState::Start {
                return Ok(Value::Null);
            }
            let before = std::mem::replace(&mut uri.state, UriState::Start);
            (uri.type_name, uri.properties.clone(), before)
        };
        if before == UriState::Pause {
            return self.resume(object, uri, type_name).await;
        }
        let result = async {
            self.admit(type_name, &mut properties).await?;
            let node = pipeline.node_name(type_name, &object.id);
            let new = Node { id: node.clone(), type_name: type_name.into(), properties };
            lock(uri).node = Some(node);
            self.edit(pipeline, |graph| {
                if let Some(block) = graph.block_mut(&object.id) {
                    block.nodes.push(new);
                }
            })
            .await
        };
        if let Err(error) = result.await {
            let mut uri = lock(uri);
            (uri.state, uri.node) = (UriState::Stop, None);
            return Err(error);
        }
        self.raise(object, "UriEndpointStateChanged", json!({"state": "START"}));
        if type_name == "recorder" {
            self.raise(object, "Recording", json!({}));
        }
        Ok(Value::Null)
    }

    /// Goes on after a pause.
    async fn resume(
        &self,
        object: &Arc<Object>,
        uri: &Mutex<Uri>,
        type_name: &str,
    ) -> Result<Value, RpcError> {
        let recorder = type_name == "recorder";
        let command = if recorder { "resume" } else { "play" };
        if let Err(error) = self.command(object, command, &json!({})).await {
            lock(uri).state = UriState::Pause;
            return Err(error);
        }
        self.raise(object, "UriEndpointStateChanged", json!({"state": "START"}));
        if recorder {
            self.raise(object, "Recording", json!({}));
        }
        Ok(Value::Null)
    }

    /// Holds a player or recorder where it is.
    pub(super) async fn pause(&self, object: &Arc<Object>) -> Result<Value, RpcError> {
        let uri = uri(object)?;
        if lock(uri).state != UriState::Start {
            return Ok(Value::Null);
        }
        self.command(object, "pause", &json!({})).await?;
        lock(uri).state = UriState::Pause;
        self.raise(object, "UriEndpointStateChanged", json!({"state": "PAUSE"}));
        if object.class.name == "RecorderEndpoint" {
            self.raise(object, "Paused", json!({}));
        }
        Ok(Value::Null)
    }

    /// Where a player is and what it plays; nothing while it does not run.
    pub(super) async fn playing(&self, object: &Object) -> Value {
        match super::invoke::element(object) {
            Ok(_) => self.command(object, "status", &json!({})).await.unwrap_or_default(),
            Err(_) => Value::Null,
        }
    }

    /// Takes a player to another position, milliseconds.
    pub(super) async fn seek(&self, object: &Object, position: &Value) -> Result<(), RpcError> {
        let position = position.as_i64().and_then(|position| u64::try_from(position).ok());
        let position =
            position.ok_or_else(|| RpcError::new(Code::Seek, "a position is 0 or more milliseconds"))?;
        let sought = self.command(object, "seek", &json!({"position": position})).await;
        sought.map(|_| ()).map_err(|error| {
            RpcError::new(Code::Seek, format!("the position cannot be set: {}", error.message))
        })
    }

    /// Takes the element out. A recorder finalises its file; whoever waits hears of it then.
    pub(super) async fn stop(self: &Arc<Self>, object: &Arc<Object>, wait: bool) -> Result<Value, RpcError> {
        let Some(node) = stop_now(uri(object)?) else { return Ok(Value::Null) };
        let pipeline = object.pipeline().cloned().ok_or_else(|| RpcError::no_object(&object.id))?;
        // The turn is taken here, so that what the client asks next comes after it.
        let graph = pipeline.graph.clone().lock_owned().await;
        let (kurento, object) = (self.clone(), object.clone());
        let work = async move {
            let id = object.id.clone();
            let taken = kurento.edit_locked(&pipeline, graph, |graph| {
                if let Some(block) = graph.block_mut(&id) {
                    block.nodes.retain(|old| old.id != node);
                }
            });
            let taken = taken.await;
            kurento.tell_stopped(&object);
            taken
        };
        if wait {
            work.await?;
        } else {
            tokio::spawn(work);
        }
        Ok(Value::Null)
    }

    fn tell_stopped(&self, object: &Object) {
        self.raise(object, "UriEndpointStateChanged", json!({"state": "STOP"}));
        if object.class.name == "RecorderEndpoint" {
            self.raise(object, "Stopped", json!({}));
        }
    }

    /// Everything was played, or a recorder's sources have ended.
    pub(super) async fn on_end(self: &Arc<Self>, object: &Arc<Object>, node: &str) {
        let Kind::Uri(uri) = &object.kind else { return };
        let (current, recorder, stops) = {
            let uri = lock(uri);
            (uri.node.as_deref() == Some(node), uri.type_name == "recorder", uri.stop_on_end)
        };
        if !current {
            return;
        }
        if !recorder {
            self.raise(object, "EndOfStream", json!({}));
        }
        if (!recorder || stops)
            && let Err(error) = self.stop(object, false).await
        {
            tracing::warn!(target: "api", object = %object.id, error = error.message, "kurento: stop failed");
        }
    }

    /// An element has failed and was taken out.
    pub(super) async fn on_failure(self: &Arc<Self>, object: &Arc<Object>, node: &str, description: String) {
        let kind = match object.class.name.as_str() {
            "PlayerEndpoint" => "INVALID_MEDIA",
            "RecorderEndpoint" => "RESOURCE_ERROR_WRITE",
            _ => "UNEXPECTED_ELEMENT_ERROR",
        };
        self.tell_error(object, kind, description);
        if let Kind::Uri(uri) = &object.kind
            && lock(uri).node.as_deref() == Some(node)
            && let Err(error) = self.stop(object, false).await
        {
            tracing::warn!(target: "api", object = %object.id, error = error.message, "kurento: stop failed");
        }
    }

    /// Something that a player or recorder says itself.
    pub(super) fn on_uri_event(&self, object: &Object, name: &str) {
        if name == "recording-empty" {
            let text = "nothing came, and no file was written".to_owned();
            self.tell_error(object, "RESOURCE_ERROR_WRITE", text);
        }
    }
}

/// Notes that it is stopped; returns the element that has to go.
fn stop_now(uri: &Mutex<Uri>) -> Option<String> {
    let mut uri = lock(uri);
    uri.state = UriState::Stop;
    uri.node.take()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_addresses_become_paths() {
        for (uri, path) in [
            ("file:///tmp/a%20b.webm", "/tmp/a b.webm"),
            ("/tmp/a.webm", "/tmp/a.webm"),
            ("a.webm", "a.webm"),
            ("http://example.org/a.png", "http://example.org/a.png"),
            ("file://other/a.webm", "file://other/a.webm"),
        ] {
            assert_eq!(path_of(uri), path);
        }
    }
}
