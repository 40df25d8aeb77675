//! Accepts connections and answers on them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use axum::response::IntoResponse;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::Client;
use super::connections::{Busy, Connections, Slot};
use super::stream::Stream;
use crate::problem::{Code, Problem};

/// After a failure to accept, which the next try would meet as well.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest that a refused client is told why.
const REFUSAL_LIMIT: Duration = Duration::from_secs(1);
/// Most bytes of a request's head.
const HEAD_BYTES: usize = 64 << 10;

/// What connections are accepted with.
#[derive(Clone)]
pub(crate) struct Door {
    pub router: Router,
    pub tls: Option<TlsAcceptor>,
    pub connections: Arc<Connections>,
    /// A request's head must be there within this time.
    pub head_limit: Duration,
    pub stopping: CancellationToken,
}

/// Accepts connections until the server is stopped.
pub(crate) async fn accept(listener: TcpListener, door: Door) {
    loop {
        let accepted = tokio::select! {
            () = door.stopping.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Too many open files, most likely: room is made where nobody waits for an answer.
                let closed = door.connections.evict_one();
                tracing::warn!(target: "api", closed, "cannot accept a connection: {error}");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        match door.connections.admit(address.ip()) {
            Some(slot) => {
                tokio::spawn(answer(stream, address, slot, door.clone()));
            }
            None if door.tls.is_none() => {
                tokio::spawn(refuse(stream));
            }
            None => {}
        }
    }
}

/// Says to a client that there is no room.
async fn refuse(mut stream: TcpStream) {
    let body = Problem::new(Code::ConnectionLimit, "the server has no room for another connection");
    let body = body.body().to_string();
    let text = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 5\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    // A client that does not listen is not told.
    let _ = tokio::time::timeout(REFUSAL_LIMIT, async {
        stream.write_all(text.as_bytes()).await?;
        stream.shutdown().await
    })
    .await;
}

async fn answer(stream: TcpStream, address: SocketAddr, slot: Arc<Slot>, door: Door) {
    // Small answers go at once.
    let _ = stream.set_nodelay(true);
    let stream = match &door.tls {
        None => Stream::Plain(stream, slot.clone()),
        Some(tls) => {
            let handshake = tokio::time::timeout(door.head_limit, tls.accept(stream));
            let stream = tokio::select! {
                done = handshake => done,
                () = slot.over().cancelled() => return,
            };
            match stream {
                Ok(Ok(stream)) => Stream::Tls(Box::new(stream), slot.clone()),
                Ok(Err(error)) => {
                    tracing::debug!(target: "api", %address, "no TLS: {error}");
                    return;
                }
                Err(_) => return,
            }
        }
    };
    let router = door.router.clone();
    let place = slot.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (router, busy) = (router.clone(), place.busy());
        async move { Ok::<_, Infallible>(respond(router, request, address, busy).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(door.head_limit)
        .max_buf_size(HEAD_BYTES)
        .half_close(false)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let over = slot.over().clone();
    drop(slot);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = over.cancelled() => return,
        () = door.stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(target: "api", %address, "connection: {error}");
    }
}

async fn respond(
    router: Router,
    request: Request<Incoming>,
    address: SocketAddr,
    busy: Busy,
) -> Response<Answer> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(Client(address));
    let Ok(response) = router.oneshot(request).await;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        busy.forever();
        return response.map(|body| Answer { body, _busy: None });
    }
    response.into_response().map(|body| Answer { body, _busy: Some(busy) })
}

/// The body of an answer; the connection is busy until it is sent.
struct Answer {
    body: Body,
    _busy: Option<Busy>,
}

impl HttpBody for Answer {
    type Data = bytes::Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
