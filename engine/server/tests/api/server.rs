//! A server in this process.

use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

use anabranch_engine::{Engine, Outcome};
use anabranch_server::{App, Config, Server};
use tokio::sync::oneshot;

use crate::client::{Answer, Request};

/// A running server on a free port; stopped when dropped.
pub struct Running {
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Vec<(String, Outcome)>>>,
}

impl Running {
    /// With this configuration (TOML).
    pub fn start(config: &str) -> Running {
        let config = Config::parse(std::path::Path::new("/test.toml"), config).unwrap();
        Running::with(Config { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..config })
    }

    pub fn with(config: Config) -> Running {
        let (stop, stopped) = oneshot::channel();
        let (address_out, address) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async move {
                let app = App::new(Engine::new().unwrap(), config);
                let server = Server::bind(app).await.unwrap();
                address_out.send(server.address()).unwrap();
                server
                    .run(async {
                        // A test that is over has dropped the other end.
                        let _ = stopped.await;
                    })
                    .await
            })
        });
        let address = address.recv_timeout(Duration::from_secs(20)).unwrap();
        Running { address, stop: Some(stop), thread: Some(thread) }
    }

    /// Ends it; how its pipelines ended.
    pub fn stop(mut self) -> Vec<(String, Outcome)> {
        self.stop.take();
        self.thread.take().unwrap().join().unwrap()
    }

    pub fn get(&self, path: &str) -> Answer {
        Request::new("GET", path).send(self.address)
    }

    pub fn delete(&self, path: &str) -> Answer {
        Request::new("DELETE", path).send(self.address)
    }

    pub fn post(&self, path: &str, kind: &str, body: impl Into<Vec<u8>>) -> Answer {
        Request::new("POST", path).body(kind, body).send(self.address)
    }

    /// Creates a pipeline from YAML.
    pub fn create(&self, yaml: &str) -> Answer {
        self.post("/api/v1/pipelines", "application/yaml", yaml)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the server panicked");
        }
    }
}
