//! One body: how it comes in, and what has become of it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anabranch_kit::web::{Upload, WebError, WebErrorKind};
use bytes::Bytes;
use futures::future::BoxFuture;
use gst::glib::subclass::prelude::*;
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};

use super::HttpPost;
use crate::shell::lock;

/// How much of a body waits to be read, bytes; more waits in the sender's socket.
pub const WAITING: u64 = 1 << 20;
/// How long after its end a body may show no stream at all before it counts as unreadable.
const PATIENCE: Duration = Duration::from_secs(5);

/// How a body ended.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// It was read to its end.
    Whole,
    /// It broke off.
    Cut(String),
    /// It is no media.
    Unreadable(String),
    /// The element was stopped.
    Stopped,
}

/// A body that is being taken.
pub struct Body {
    /// Where it goes in.
    pub source: gst_app::AppSrc,
    /// What takes it apart.
    pub parser: gst::Element,
    /// There is room for more.
    pub room: Arc<Notify>,
    /// How much came, bytes.
    pub bytes: AtomicU64,
    /// The sender broke off, and why.
    pub cut: Mutex<Option<String>>,
    /// All its streams are known.
    pub complete: AtomicBool,
    /// How it ended.
    pub end: watch::Sender<Option<End>>,
    /// Its end is being taken care of.
    pub ending: AtomicBool,
}

impl Body {
    /// What comes through `source` and is taken apart by `parser`.
    pub fn new(source: gst_app::AppSrc, parser: gst::Element) -> Arc<Self> {
        let room = Arc::new(Notify::new());
        let bell = room.clone();
        source.set_callbacks(
            gst_app::AppSrcCallbacks::builder().need_data(move |_, _| bell.notify_one()).build(),
        );
        Arc::new(Body {
            source,
            parser,
            room,
            bytes: AtomicU64::new(0),
            cut: Mutex::default(),
            complete: AtomicBool::new(false),
            end: watch::Sender::new(None),
            ending: AtomicBool::new(false),
        })
    }

    /// It is over.
    pub fn over(&self, end: End) {
        self.end.send_replace(Some(end));
        self.room.notify_one();
    }

    fn refusal(&self) -> Option<WebError> {
        match self.end.borrow().as_ref()? {
            End::Unreadable(reason) => Some(WebError::new(WebErrorKind::Invalid, reason.clone())),
            End::Stopped => Some(WebError::new(WebErrorKind::NotNow, "the element was stopped")),
            End::Whole | End::Cut(_) => None,
        }
    }
}

/// The sender's side of a body.
pub struct Sender {
    /// The body.
    pub body: Arc<Body>,
    /// Whose it is.
    pub element: gst::glib::WeakRef<HttpPost>,
    finished: bool,
}

impl Sender {
    /// Of a body that has just begun.
    pub fn new(body: Arc<Body>, element: gst::glib::WeakRef<HttpPost>) -> Self {
        Sender { body, element, finished: false }
    }

    fn end(&mut self, cut: Option<String>) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        *lock(&self.body.cut) = cut;
        // It may be over already; then nobody reads on.
        let _ = self.body.source.end_of_stream();
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.end(Some("the sender went away".to_owned()));
    }
}

impl Upload for Sender {
    fn push(&mut self, piece: Bytes) -> BoxFuture<'_, Result<(), WebError>> {
        Box::pin(async move {
            loop {
                let room = self.body.room.notified();
                if let Some(refusal) = self.body.refusal() {
                    return Err(refusal);
                }
                if self.body.source.current_level_bytes() < WAITING {
                    break;
                }
                room.await;
            }
            self.body.bytes.fetch_add(piece.len() as u64, Ordering::Relaxed);
            // If it takes no more, its end says why.
            let _ = self.body.source.push_buffer(gst::Buffer::from_slice(piece));
            Ok(())
        })
    }

    fn finish(mut self: Box<Self>, cut: Option<String>) -> BoxFuture<'static, Result<Value, WebError>> {
        Box::pin(async move {
            self.end(cut);
            let mut end = self.body.end.subscribe();
            while let Err(_late) = tokio::time::timeout(PATIENCE, end.wait_for(Option::is_some)).await {
                if !self.body.complete.load(Ordering::Acquire)
                    && let Some(element) = self.element.upgrade()
                {
                    element.imp().unreadable(&self.body, "there is no media in it that could be read");
                }
            }
            match self.body.refusal() {
                Some(refusal) => Err(refusal),
                None => {
                    let seconds = self.element.upgrade().map_or(0.0, |e| e.imp().seconds());
                    Ok(json!({"bytes": self.body.bytes.load(Ordering::Relaxed), "seconds": seconds}))
                }
            }
        })
    }
}
