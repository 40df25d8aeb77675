//! A listening server.

use std::net::SocketAddr;
use std::time::Duration;

use anabranch_engine::{Outcome, OutcomeKind};
use axum::Router;
use axum::middleware::from_fn_with_state;
use futures::future::join_all;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::Guard;
use crate::listen::{self, Connections, Door, TlsError};
use crate::notify::{notify, watchdog};
use crate::problem::{Code, Problem};
use crate::supervise::{self, DescriptionError, Standing};
use crate::{App, api};

/// After the pipelines have ended, answers under way get this long.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// Open files that are kept for pipelines when connections take the rest.
const FILES_FOR_MEDIA: u64 = 512;

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        reason: std::io::Error,
    },
    /// Everybody who reaches that address could do everything.
    #[error(
        "{0} can be reached from other machines, and there is no token: add [[tokens]] to the configuration, listen on \
         127.0.0.1, or say --insecure-listen if that is meant"
    )]
    Insecure(SocketAddr),
    /// Certificate or key cannot be used.
    #[error("tls: {0}")]
    Tls(#[from] TlsError),
    /// A description of the configuration cannot be used.
    #[error("pipelines: {0}")]
    Description(#[from] DescriptionError),
}

/// A server that listens.
pub struct Server {
    app: App,
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    standing: Vec<Standing>,
    guard: Option<Guard>,
}

impl Server {
    /// Checks what the configuration names and listens as it says. Nothing is answered before [`Server::run`].
    ///
    /// # Errors
    ///
    /// [`ServeError`].
    pub async fn bind(app: App) -> Result<Self, ServeError> {
        let config = app.config();
        let wanted = config.listen;
        if !wanted.ip().is_loopback() && app.access().is_open() && !config.insecure_listen {
            return Err(ServeError::Insecure(wanted));
        }
        let tls = config.tls.as_ref().map(listen::acceptor).transpose()?;
        let standing = supervise::read(&app)?;
        let failed = |reason| ServeError::Listen { address: wanted, reason };
        let listener = TcpListener::bind(wanted).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        app.set_address(address);
        Ok(Server { app, listener, address, tls, standing, guard: None })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:8888`.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Has the guard answer for as long as the server runs. What the server's own descriptions name is open to it.
    #[must_use]
    pub fn with_guard(mut self, guard: Guard) -> Self {
        for standing in &self.standing {
            standing.trust(&self.app);
        }
        self.guard = Some(guard);
        self
    }

    /// Answers until `stop` is done; then accepts nothing more, ends all pipelines, so that recordings are finalised,
    /// and returns how they ended, by name.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Vec<(String, Outcome)> {
        let app = self.app;
        let limits = app.limits();
        if self.guard.is_none() && std::env::var_os("http_proxy").is_some_and(|proxy| !proxy.is_empty()) {
            tracing::warn!(
                "http_proxy is set: that proxy decides where redirects and playlists of media lead, not [network]"
            );
        }
        let most = match listen::files::raise_limit() {
            Some(files) => {
                let room = files.saturating_sub(FILES_FOR_MEDIA).max(files / 2);
                limits.connections.min(usize::try_from(room).unwrap_or(usize::MAX))
            }
            None => limits.connections,
        };
        if most < limits.connections {
            let wanted = limits.connections;
            tracing::warn!(target: "api", most, wanted, "fewer connections: this process may open too few files (ulimit -n)");
        }
        let connections = Connections::new(most, limits.connections_per_client);
        let door = Door {
            router: router(&app),
            tls: self.tls,
            connections: connections.clone(),
            head_limit: Duration::from_secs(limits.header_seconds.max(1)),
            stopping: app.stopping().clone(),
        };
        app.set_connections(connections.clone());
        let guard = self.guard.map(|guard| tokio::spawn(guard.run(app.policy().clone())));
        supervise::start(&app, self.standing);
        let accepting = tokio::spawn(listen::accept(self.listener, door));
        notify("READY=1");
        tokio::select! {
            () = stop => {}
            () = app.stopping().cancelled() => {}
            () = alive() => {}
        }
        notify("STOPPING=1");
        app.stopping().cancel();
        // It ends by itself now, and with it the listening socket.
        let _ = accepting.await;
        let limit = Duration::from_secs(app.config().stop_seconds);
        let all = app.registry().all();
        let ends = all.iter().filter(|p| !p.has_ended()).map(|hosted| async move {
            let stopping = tokio::time::timeout(limit * 2 + ANSWER_LIMIT, hosted.pipeline.stop(limit));
            let hung = Outcome { result: OutcomeKind::TimedOut, failures: Vec::new() };
            (hosted.id.clone(), stopping.await.unwrap_or(hung))
        });
        let outcomes = join_all(ends).await;
        // What has not been answered by then is cut off.
        let _ = tokio::time::timeout(ANSWER_LIMIT, connections.gone()).await;
        if let Some(guard) = guard {
            guard.abort();
        }
        outcomes
    }
}

/// Tells systemd that the service lives, if it wants to know; never ends.
async fn alive() {
    let Some(every) = watchdog() else { return std::future::pending().await };
    let mut ticks = tokio::time::interval(every);
    loop {
        ticks.tick().await;
        notify("WATCHDOG=1");
    }
}

/// Everything that the server answers.
pub(crate) fn router(app: &App) -> Router {
    let router = Router::new().merge(api::router(app)).merge(crate::console::router());
    let router = router.merge(crate::kurento::router(app));
    router
        .fallback(|| async { Problem::new(Code::NotFound, "there is nothing at this path") })
        .method_not_allowed_fallback(|| async {
            Problem::new(Code::Method, "this resource does not take this method")
        })
        .layer(from_fn_with_state(app.clone(), api::guard::admit))
        .with_state(app.clone())
}
