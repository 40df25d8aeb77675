//! The protocol's methods.

use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::connection::Client;
use super::error::{Code, RpcError};
use super::object::MANAGER;
use super::rpc::{self, Request};
use super::surface::surface;
use super::{Kurento, table, transaction};
use crate::access::Grant;

/// Sessions that may exist at once.
const MAX_SESSIONS: usize = 100_000;
/// Subscriptions that an object may have.
const MAX_SUBSCRIPTIONS: usize = 1000;
/// Operations of one transaction.
const MAX_OPERATIONS: usize = 1000;

/// Who asks.
pub(crate) struct Asker<'a> {
    pub session: Arc<str>,
    pub grant: &'a Grant,
}

impl Kurento {
    /// Answers a frame; none for a request without an id.
    pub(super) async fn handle(self: &Arc<Self>, client: &mut Client, frame: &[u8]) -> Option<String> {
        let request = match rpc::parse(frame) {
            Ok(request) => request,
            Err((id, error)) => return Some(rpc::text(rpc::response(&id, &Err(error)))),
        };
        let mut hasher = DefaultHasher::new();
        hasher.write(frame);
        let fingerprint = hasher.finish();
        let named = request.params.get("sessionId").and_then(Value::as_str).map(str::to_owned);
        let id = request.id.clone();
        if let (Some(session), Some(id)) = (&named, &id) {
            let kept = self.shared().sessions.answered(session, id, fingerprint, Instant::now());
            if let Some(response) = kept {
                return Some(rpc::text(response));
            }
        }
        let cached = !matches!(request.method.as_str(), "ping" | "keepAlive" | "closeSession");
        let result = self.execute(client, request).await;
        let id = id.filter(|id| !id.is_null())?;
        let response = rpc::response(&id, &result);
        if let (Some(session), true) = (named, cached) {
            self.shared().sessions.keep(&session, id, fingerprint, response.clone(), Instant::now());
        }
        Some(rpc::text(response))
    }

    async fn execute(self: &Arc<Self>, client: &mut Client, request: Request) -> Result<Value, RpcError> {
        let Request { method, params, .. } = request;
        match method.as_str() {
            "ping" => self.ping(client, &params),
            "connect" => self.connect_session(client, &params),
            "closeSession" => self.close_session(client, &params).await,
            "transaction" => {
                let session = self.session(client, &params)?;
                let asker = Asker { session: session.clone(), grant: &client.grant };
                let value = self.transaction(&asker, params).await?;
                Ok(json!({"value": value, "sessionId": session}))
            }
            "create" | "invoke" | "describe" | "subscribe" | "unsubscribe" | "release" | "ref" | "unref"
            | "keepAlive" => {
                if matches!(method.as_str(), "ref" | "unref" | "keepAlive")
                    && !params.contains_key("sessionId")
                {
                    return Err(RpcError::missing("sessionId"));
                }
                let session = self.session(client, &params)?;
                let asker = Asker { session: session.clone(), grant: &client.grant };
                let mut result = self.perform(&asker, &method, params).await?;
                result.insert("sessionId".into(), Value::from(&*session));
                Ok(Value::Object(result))
            }
            _ => Err(RpcError::new(Code::MethodNotFound, format!("Method '{method}' not found"))),
        }
    }

    /// The session of a request, which is the connection's from now on.
    fn session(&self, client: &mut Client, params: &Map<String, Value>) -> Result<Arc<str>, RpcError> {
        let mut shared = self.shared();
        let session = match params.get("sessionId") {
            Some(Value::String(id)) if id.is_empty() || id.len() > 128 => {
                return Err(RpcError::new(Code::InvalidSession, "Invalid session"));
            }
            Some(Value::String(id)) => shared.sessions.find(id).unwrap_or_else(|| id.as_str().into()),
            None | Some(Value::Null) => match &client.session {
                Some(session) => session.clone(),
                None => uuid::Uuid::new_v4().to_string().into(),
            },
            Some(_) => return Err(RpcError::mistyped("sessionId", "a string")),
        };
        if shared.sessions.len() >= MAX_SESSIONS && shared.sessions.find(&session).is_none() {
            return Err(RpcError::new(Code::NotEnoughResources, "the server has too many sessions"));
        }
        shared.sessions.enter(&session, &client.outbox);
        client.session = Some(session.clone());
        Ok(session)
    }

    fn ping(&self, client: &Client, params: &Map<String, Value>) -> Result<Value, RpcError> {
        let named = params.get("sessionId").and_then(Value::as_str);
        let session = named.or(client.session.as_deref());
        let mut result = json!({"value": "pong"});
        if let Some(session) = session {
            self.shared().sessions.touch(session);
            result["sessionId"] = session.into();
        }
        Ok(result)
    }

    fn connect_session(&self, client: &mut Client, params: &Map<String, Value>) -> Result<Value, RpcError> {
        if let Some(id) = params.get("sessionId").filter(|id| !id.is_null()) {
            let id = id.as_str().ok_or_else(|| RpcError::mistyped("sessionId", "a string"))?;
            if self.shared().sessions.find(id).is_none() {
                return Err(RpcError::new(Code::InvalidSession, "Invalid session"));
            }
        }
        let session = self.session(client, params)?;
        Ok(json!({"serverId": self.server_id, "sessionId": session}))
    }

    async fn close_session(
        self: &Arc<Self>,
        client: &mut Client,
        params: &Map<String, Value>,
    ) -> Result<Value, RpcError> {
        let id = text(params, "sessionId")?;
        let release = match params.get("release") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(release)) => *release,
            Some(Value::String(word)) => {
                word.parse().map_err(|_| RpcError::mistyped("release", "a boolean"))?
            }
            Some(_) => return Err(RpcError::mistyped("release", "a boolean")),
        };
        if client.session.as_deref() == Some(id) {
            client.session = None;
        }
        self.end_session(id, release).await;
        Ok(Value::Null)
    }

    /// One of the methods that belong to a session and may be part of a transaction. Returns the result without the
    /// session.
    async fn perform(
        self: &Arc<Self>,
        asker: &Asker<'_>,
        method: &str,
        params: Map<String, Value>,
    ) -> Result<Map<String, Value>, RpcError> {
        let value = match method {
            "create" => Value::from(self.create(asker, &params).await?),
            "invoke" => self.invoke(asker, &params).await?,
            "describe" => return self.describe(asker, &params),
            "subscribe" => Value::from(self.subscribe(asker, &params)?),
            "unsubscribe" => {
                let object = text(&params, "object")?;
                self.shared().subscriptions.remove(object, text(&params, "subscription")?);
                return Ok(Map::new());
            }
            "release" => {
                let id = text(&params, "object")?;
                let object = self.object(id, asker.grant);
                match object {
                    Ok(object) => self.destroy(&object).await,
                    Err(error) if error.code == Code::NoCommit => return Err(error),
                    // It is gone, as was wished.
                    Err(_) => {}
                }
                return Ok(Map::new());
            }
            "ref" => {
                let object = self.object(text(&params, "object")?, asker.grant)?;
                self.hold(&asker.session, &object);
                return Ok(Map::new());
            }
            "unref" => {
                let object = self.object(text(&params, "object")?, asker.grant)?;
                self.let_go(&asker.session, &object).await;
                return Ok(Map::new());
            }
            "keepAlive" => return Ok(Map::new()),
            _ => return Err(RpcError::new(Code::MethodNotFound, format!("Method '{method}' not found"))),
        };
        Ok(Map::from_iter([("value".to_owned(), value)]))
    }

    async fn transaction(
        self: &Arc<Self>,
        asker: &Asker<'_>,
        mut params: Map<String, Value>,
    ) -> Result<Value, RpcError> {
        let Some(Value::Array(operations)) = params.remove("operations") else {
            return Err(match params.contains_key("operations") {
                true => RpcError::mistyped("operations", "a list"),
                false => RpcError::missing("operations"),
            });
        };
        if operations.len() > MAX_OPERATIONS {
            return Err(RpcError::new(Code::MalformedTransaction, "the transaction has too many operations"));
        }
        transaction::check_ids(&operations)?;
        let (mut responses, mut results) = (Vec::new(), Vec::new());
        for operation in operations {
            let (id, result) = match rpc::read(operation) {
                Err((id, error)) => (id, Err(error)),
                Ok(request) => {
                    let mut params = Value::Object(request.params);
                    transaction::substitute(&mut params, &results);
                    let Value::Object(params) = params else { continue };
                    let id = request.id.unwrap_or_default();
                    (id, self.perform(asker, &request.method, params).await)
                }
            };
            let result = result.map(|mut result| {
                results.push(result.get("value").cloned().unwrap_or_default());
                result.insert("sessionId".into(), Value::from(&*asker.session));
                Value::Object(result)
            });
            responses.push(rpc::response(&id, &result));
            if result.is_err() {
                break;
            }
        }
        Ok(Value::Array(responses))
    }

    fn describe(
        &self,
        asker: &Asker<'_>,
        params: &Map<String, Value>,
    ) -> Result<Map<String, Value>, RpcError> {
        let object = self.object(text(params, "object")?, asker.grant)?;
        self.hold(&asker.session, &object);
        let surface = surface();
        let ancestors = surface.family(object.class).skip(1);
        let hierarchy: Vec<Value> = ancestors.map(|class| class.qualified().into()).collect();
        let Value::Object(result) = json!({
            "type": object.class.name,
            "qualifiedType": object.class.qualified(),
            "hierarchy": hierarchy,
        }) else {
            return Ok(Map::new());
        };
        Ok(result)
    }

    fn subscribe(&self, asker: &Asker<'_>, params: &Map<String, Value>) -> Result<String, RpcError> {
        let spelling = text(params, "type")?;
        let object = self.object(text(params, "object")?, asker.grant)?;
        let event = table::event(spelling);
        if !surface().sends(object.class, event) {
            let text = format!("Event type '{spelling}' not found");
            return Err(RpcError::new(Code::EventNotSupported, text));
        }
        self.hold(&asker.session, &object);
        let id = uuid::Uuid::new_v4().to_string();
        let mut shared = self.shared();
        if shared.subscriptions.count(&object.id) >= MAX_SUBSCRIPTIONS {
            return Err(RpcError::new(Code::NotEnoughResources, "the object has too many subscriptions"));
        }
        shared.subscriptions.add(id.clone(), &object.id, &asker.session, event, spelling);
        Ok(id)
    }

    /// The session keeps the object and what it is in alive.
    pub(super) fn hold(&self, session: &str, object: &super::Object) {
        let mut shared = self.shared();
        if &*object.id != MANAGER {
            shared.sessions.hold(session, &object.id);
            let mut parent = object.parent.clone();
            while let Some(id) = parent {
                shared.sessions.hold(session, &id);
                parent = shared.objects.get(&id).and_then(|object| object.parent.clone());
            }
        }
    }
}

/// A parameter that must be text.
pub(super) fn text<'a>(params: &'a Map<String, Value>, name: &str) -> Result<&'a str, RpcError> {
    match params.get(name) {
        None | Some(Value::Null) => Err(RpcError::missing(name)),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(RpcError::mistyped(name, "a string")),
    }
}
