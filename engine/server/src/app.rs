//! What every handler gets.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use anabranch_engine::Engine;
use tokio_util::sync::CancellationToken;

use crate::access::rate::Rates;
use crate::config::{Config, Limits};
use crate::events::Hub;
use crate::listen::Connections;
use crate::pictures::Pictures;
use crate::whip::session::Sessions;
use crate::{Access, Policy, Registry};

/// Engine, configuration and state of a server. Cheap to clone.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    config: Config,
    access: Access,
    policy: Policy,
    registry: Registry,
    hub: Arc<Hub>,
    sessions: Sessions,
    pictures: Pictures,
    rates: Rates,
    waiting: Mutex<Vec<String>>,
    connections: OnceLock<Arc<Connections>>,
    address: OnceLock<SocketAddr>,
    started: Instant,
    stopping: CancellationToken,
}

impl App {
    /// The state of a server with this configuration.
    pub fn new(engine: Engine, config: Config) -> Self {
        let access = Access::new(&config.tokens);
        anabranch_engine::web::announce_server();
        let policy = Policy::new(&config.files, &config.network, &config.gstreamer, &config.webrtc);
        let hub = Arc::new(Hub::default());
        let inner = Inner {
            registry: Registry::new(engine.clone(), config.limits.clone(), hub.clone()),
            sessions: Sessions::default(),
            pictures: Pictures::default(),
            rates: Rates::new(&config.limits),
            waiting: Mutex::default(),
            connections: OnceLock::new(),
            address: OnceLock::new(),
            started: Instant::now(),
            stopping: CancellationToken::new(),
            engine,
            config,
            access,
            policy,
            hub,
        };
        App { inner: Arc::new(inner) }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// The limits of the configuration.
    pub fn limits(&self) -> &Limits {
        &self.inner.config.limits
    }

    /// Who may do what.
    pub fn access(&self) -> &Access {
        &self.inner.access
    }

    /// What clients may name.
    pub fn policy(&self) -> &Policy {
        &self.inner.policy
    }

    /// The pipelines.
    pub fn registry(&self) -> &Registry {
        &self.inner.registry
    }

    /// Events of all pipelines.
    pub(crate) fn hub(&self) -> &Hub {
        &self.inner.hub
    }

    /// Peers that came by WHIP and WHEP.
    pub(crate) fn sessions(&self) -> &Sessions {
        &self.inner.sessions
    }

    /// Pictures that are made now.
    pub(crate) fn pictures(&self) -> &Pictures {
        &self.inner.pictures
    }

    /// Requests a second.
    pub(crate) fn rates(&self) -> &Rates {
        &self.inner.rates
    }

    /// Pipelines of the configuration that do not run yet.
    pub(crate) fn waiting_for(&self) -> Vec<String> {
        self.inner.waiting.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the pipelines that must run before the server is ready.
    pub(crate) fn wait_for(&self, names: Vec<String>) {
        *self.inner.waiting.lock().unwrap_or_else(PoisonError::into_inner) = names;
    }

    /// A pipeline of the configuration runs.
    pub(crate) fn runs(&self, name: &str) {
        self.inner.waiting.lock().unwrap_or_else(PoisonError::into_inner).retain(|n| n != name);
    }

    /// The connections, once the server runs.
    pub(crate) fn connections(&self) -> Option<&Connections> {
        self.inner.connections.get().map(|c| &**c)
    }

    pub(crate) fn set_connections(&self, connections: Arc<Connections>) {
        // A second server on one state would count in the first one's metrics; nothing else depends on it.
        let _ = self.inner.connections.set(connections);
    }

    /// Where the server listens, once it does.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.inner.address.get().copied()
    }

    pub(crate) fn set_address(&self, address: SocketAddr) {
        // The first of several servers on one state is the one that clients are told of.
        let _ = self.inner.address.set(address);
    }

    /// When the server was started.
    pub fn started(&self) -> Instant {
        self.inner.started
    }

    /// Cancelled when the server is being stopped: long-lived connections end then.
    pub fn stopping(&self) -> &CancellationToken {
        &self.inner.stopping
    }
}
