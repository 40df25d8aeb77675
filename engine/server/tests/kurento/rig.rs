//! A server and clients that speak the protocol by hand.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anabranch_engine::{Engine, graph::Document};
use anabranch_server::{App, Config, Server};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Nothing in these tests takes longer.
pub const LIMIT: Duration = Duration::from_secs(45);

pub struct Rig {
    pub address: SocketAddr,
    pub app: App,
    pub folder: tempfile::TempDir,
}

impl Rig {
    pub async fn new() -> Rig {
        Rig::with(|_| {}).await
    }

    /// A server with this configuration.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Rig {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config { listen: "127.0.0.1:0".parse().unwrap(), ..Config::default() };
        config.files.read = vec![folder.path().to_owned(), pictures()];
        config.files.write = vec![folder.path().to_owned()];
        config.limits.requests_per_second = 100_000;
        config.limits.request_burst = 100_000;
        change(&mut config);
        let app = App::new(Engine::new().unwrap(), config);
        let server = Server::bind(app.clone()).await.unwrap();
        let address = server.address();
        tokio::spawn(server.run(std::future::pending()));
        Rig { address, app, folder }
    }

    pub async fn client(&self) -> Client {
        Client::connect(self.address, &[]).await.unwrap()
    }

    /// A file in the server's folder, as an address.
    pub fn file(&self, name: &str) -> String {
        format!("file://{}", self.folder.path().join(name).display())
    }

    /// A short film in the server's folder, as an address.
    pub async fn film(&self, name: &str, frames: u32) -> String {
        let path = self.folder.path().join(name);
        let text = format!("test-source frames={frames} -> recorder location={}", path.display());
        let engine = self.app.engine();
        let pipeline = engine.create(engine.check(&Document::one_liner(text)).unwrap()).unwrap();
        pipeline.start().await.unwrap();
        tokio::time::timeout(LIMIT, pipeline.wait()).await.unwrap();
        self.file(name)
    }
}

pub fn pictures() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines").canonicalize().unwrap()
}

pub fn hat() -> String {
    format!("file://{}/hat.png", pictures().display())
}

pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub struct Client {
    pub socket: Socket,
    pub session: Option<String>,
    next: u64,
    events: VecDeque<Value>,
}

/// An error as it came: code, text, type.
pub type Refused = (i64, String, Option<String>);

impl Client {
    pub async fn connect(address: SocketAddr, headers: &[(&'static str, &str)]) -> Result<Client, String> {
        let mut request = format!("ws://{address}/kurento").into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let (socket, _) =
            tokio_tungstenite::connect_async(request).await.map_err(|error| error.to_string())?;
        Ok(Client { socket, session: None, next: 1, events: VecDeque::new() })
    }

    pub async fn send(&mut self, text: impl ToString) {
        self.socket.send(Message::text(text.to_string())).await.unwrap();
    }

    /// The next message; none when the connection has ended.
    pub async fn receive(&mut self) -> Option<Value> {
        loop {
            let Ok(message) = tokio::time::timeout(LIMIT, self.socket.next()).await else {
                panic!("nothing came in time; events that came: {:#?}", self.events);
            };
            match message {
                Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Binary(_))) => panic!("the server answers with text"),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// The answer to that request; events are kept.
    pub async fn answer(&mut self, id: &Value) -> Value {
        loop {
            let message = self.receive().await.expect("an answer");
            if message["method"] == "onEvent" {
                self.events.push_back(message["params"]["value"].clone());
            } else if message["id"] == *id {
                return message;
            } else {
                panic!("an answer to something else: {message}");
            }
        }
    }

    /// Sends a request and returns its id.
    pub async fn ask(&mut self, method: &str, mut params: Value) -> Value {
        let id = json!(self.next);
        self.next += 1;
        if let (Some(session), None) = (&self.session, params.get("sessionId")) {
            params["sessionId"] = json!(session);
        }
        self.send(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})).await;
        id
    }

    pub async fn call(&mut self, method: &str, params: Value) -> Result<Value, Refused> {
        let id = self.ask(method, params).await;
        let message = self.answer(&id).await;
        if let Some(error) = message.get("error") {
            return Err(refused(error));
        }
        let result = message["result"].clone();
        if let Some(session) = result.get("sessionId").and_then(Value::as_str) {
            self.session = Some(session.to_owned());
        }
        Ok(result)
    }

    pub async fn create(&mut self, class: &str, parameters: Value) -> Result<String, Refused> {
        let params = json!({"type": class, "constructorParams": parameters, "properties": {}});
        let result = self.call("create", params).await?;
        Ok(result["value"].as_str().expect("an id").to_owned())
    }

    pub async fn pipeline(&mut self) -> String {
        self.call("create", json!({"type": "MediaPipeline", "properties": {}})).await.unwrap()["value"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    pub async fn element(&mut self, class: &str, pipeline: &str) -> String {
        self.create(class, json!({"mediaPipeline": pipeline})).await.unwrap()
    }

    pub async fn invoke(
        &mut self,
        object: &str,
        operation: &str,
        parameters: Value,
    ) -> Result<Value, Refused> {
        let params = json!({"object": object, "operation": operation, "operationParams": parameters});
        Ok(self.call("invoke", params).await?["value"].clone())
    }

    pub async fn get(&mut self, object: &str, operation: &str) -> Value {
        self.invoke(object, operation, json!({})).await.unwrap()
    }

    pub async fn subscribe(&mut self, object: &str, events: &[&str]) {
        for event in events {
            self.call("subscribe", json!({"object": object, "type": event})).await.unwrap();
        }
    }

    /// The next event of that object and type for which `fits` holds; its data. Others are kept.
    pub async fn event_where(&mut self, object: &str, kind: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let fits = |e: &Value| e["object"] == object && e["type"] == kind && fits(&e["data"]);
        if let Some(at) = self.events.iter().position(&fits) {
            return self.events.remove(at).unwrap()["data"].clone();
        }
        loop {
            let message = self.receive().await.expect("the connection");
            let event = message["params"]["value"].clone();
            assert_eq!(message["method"], "onEvent", "{message}");
            if fits(&event) {
                return event["data"].clone();
            }
            self.events.push_back(event);
        }
    }

    pub async fn event(&mut self, object: &str, kind: &str) -> Value {
        self.event_where(object, kind, |_| true).await
    }

    /// The next event of that object that is of one of these types; its data with the type.
    pub async fn any_event_of(&mut self, object: &str, kinds: &[&str]) -> Value {
        let fits = |e: &Value| e["object"] == object && kinds.iter().any(|kind| e["type"] == *kind);
        if let Some(at) = self.events.iter().position(fits) {
            return self.events.remove(at).unwrap()["data"].clone();
        }
        loop {
            let message = self.receive().await.expect("the connection");
            let event = message["params"]["value"].clone();
            if fits(&event) {
                return event["data"].clone();
            }
            self.events.push_back(event);
        }
    }

    /// Events that came and nobody asked for, of that type.
    pub fn came(&self, kind: &str) -> usize {
        self.events.iter().filter(|event| event["type"] == kind).count()
    }

    /// All that came so far and was not asked for; the connection is asked once, so that all before that is there.
    pub async fn drain(&mut self) -> Vec<Value> {
        self.call("ping", json!({})).await.unwrap();
        self.events.drain(..).collect()
    }

    /// The next event of any kind.
    pub async fn any_event(&mut self) -> Value {
        if let Some(event) = self.events.pop_front() {
            return event;
        }
        let message = self.receive().await.expect("the connection");
        assert_eq!(message["method"], "onEvent", "{message}");
        message["params"]["value"].clone()
    }
}

pub fn refused(error: &Value) -> Refused {
    (
        error["code"].as_i64().unwrap(),
        error["message"].as_str().unwrap().to_owned(),
        error["data"]["type"].as_str().map(str::to_owned),
    )
}
