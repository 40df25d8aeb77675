//! One WebSocket: frames in, answers and events out, in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use futures::stream::SplitSink;
use futures::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Kurento;
use super::error::{Code, RpcError};
use super::rpc;
use crate::access::Grant;

/// Messages that wait for a client that reads slowly; more than these end its connection.
const BACKLOG: usize = 4096;
/// A client that takes nothing for so long is gone.
const WRITE_LIMIT: Duration = Duration::from_secs(30);

/// Where a connection's messages go. Clones lead to the same connection.
#[derive(Clone)]
pub(crate) struct Outbox {
    connection: u64,
    sender: mpsc::Sender<String>,
    overrun: CancellationToken,
}

impl Outbox {
    /// For a new connection, with the other end.
    pub fn new() -> (Self, mpsc::Receiver<String>) {
        static CONNECTIONS: AtomicU64 = AtomicU64::new(1);
        let (sender, receiver) = mpsc::channel(BACKLOG);
        let connection = CONNECTIONS.fetch_add(1, Ordering::Relaxed);
        (Outbox { connection, sender, overrun: CancellationToken::new() }, receiver)
    }

    /// Whether both lead to the same connection.
    pub fn is_same(&self, other: &Outbox) -> bool {
        self.connection == other.connection
    }

    /// Sends an event; a client that does not read its events loses its connection, not the others their memory.
    pub fn event(&self, text: String) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.sender.try_send(text) {
            self.overrun.cancel();
        }
    }

    async fn answer(&self, text: String) {
        // The writer has ended: so will the reader.
        let _ = self.sender.send(text).await;
    }
}

/// What a connection knows about its client.
pub(crate) struct Client {
    pub outbox: Outbox,
    /// The session of requests that name none.
    pub session: Option<Arc<str>>,
    pub grant: Grant,
}

/// Serves a connection until it ends.
pub(crate) async fn serve(kurento: Arc<Kurento>, socket: WebSocket, grant: Grant) {
    let (outbox, messages) = Outbox::new();
    let (sink, mut stream) = socket.split();
    let closing = CancellationToken::new();
    let reason = Arc::new(std::sync::Mutex::new(None));
    let writer = tokio::spawn(write(sink, messages, closing.clone(), reason.clone()));
    let mut client = Client { outbox: outbox.clone(), session: None, grant };
    let mut rate = Rate::new(kurento.limits().requests_per_second, kurento.limits().request_burst);
    let stopping = kurento.stopping().clone();
    let close = loop {
        let message = tokio::select! {
            biased;
            () = stopping.cancelled() => break Some((close_code::AWAY, "the server is stopping")),
            () = outbox.overrun.cancelled() => break Some((close_code::POLICY, "messages are not read")),
            () = closing.cancelled() => break None,
            message = stream.next() => message,
        };
        let frame = match message {
            Some(Ok(Message::Text(text))) => Bytes::from(text),
            Some(Ok(Message::Binary(bytes))) => bytes,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            Some(Ok(Message::Close(_))) | None => break None,
            Some(Err(error)) => {
                tracing::debug!(target: "api", %error, "kurento: a connection broke");
                let too_big =
                    error.to_string().contains("too long") || error.to_string().contains("Space limit");
                break too_big.then_some((close_code::SIZE, "the message is too large"));
            }
        };
        let answer = if rate.admits(Instant::now()) {
            kurento.handle(&mut client, &frame).await
        } else {
            refuse(&frame)
        };
        if let Some(answer) = answer {
            outbox.answer(answer).await;
        }
    };
    kurento.left(&outbox);
    *super::object::lock(&reason) = close;
    closing.cancel();
    let _ = writer.await;
}

/// The answer to a request that comes too soon.
fn refuse(frame: &[u8]) -> Option<String> {
    let error = RpcError::new(Code::NotEnoughResources, "too many requests a second on this connection");
    let id = match rpc::parse(frame) {
        Ok(request) => request.id?,
        Err((id, _)) => id,
    };
    Some(rpc::text(rpc::response(&id, &Err(error))))
}

type CloseReason = Arc<std::sync::Mutex<Option<(u16, &'static str)>>>;

async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    mut messages: mpsc::Receiver<String>,
    closing: CancellationToken,
    reason: CloseReason,
) {
    loop {
        let text = tokio::select! {
            biased;
            () = closing.cancelled() => break,
            text = messages.recv() => text,
        };
        let Some(text) = text else { break };
        let sent = tokio::time::timeout(WRITE_LIMIT, sink.send(Message::Text(text.into()))).await;
        if !matches!(sent, Ok(Ok(()))) {
            closing.cancel();
            return;
        }
    }
    let frame = super::object::lock(&reason).map(|(code, reason)| CloseFrame { code, reason: reason.into() });
    let _ = tokio::time::timeout(Duration::from_secs(1), sink.send(Message::Close(frame))).await;
}

/// How many requests a connection may send.
struct Rate {
    per_second: f64,
    burst: f64,
    left: f64,
    at: Instant,
}

impl Rate {
    fn new(per_second: u32, burst: u32) -> Self {
        let burst = f64::from(burst.max(1));
        Rate { per_second: f64::from(per_second.max(1)), burst, left: burst, at: Instant::now() }
    }

    fn admits(&mut self, now: Instant) -> bool {
        let gained = now.duration_since(self.at).as_secs_f64() * self.per_second;
        self.left = (self.left + gained).min(self.burst);
        self.at = now;
        if self.left < 1.0 {
            return false;
        }
        self.left -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_let_through_and_then_the_rate() {
        let mut rate = Rate::new(10, 3);
        let start = Instant::now();
        let admitted: Vec<bool> = (0..5).map(|_| rate.admits(start)).collect();
        assert_eq!(admitted, [true, true, true, false, false]);
        assert!(rate.admits(start + Duration::from_millis(110)));
        assert!(!rate.admits(start + Duration::from_millis(120)));
    }

    #[test]
    fn events_for_a_client_that_does_not_read_end_its_connection() {
        let (outbox, _messages) = Outbox::new();
        for _ in 0..BACKLOG {
            outbox.event("{}".into());
        }
        assert!(!outbox.overrun.is_cancelled());
        outbox.event("{}".into());
        assert!(outbox.overrun.is_cancelled());
    }
}
