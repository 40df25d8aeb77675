//! How elements meet a web server without either knowing the other: an element says by the action signal `web` what it
//! gives and takes by HTTP, and whoever runs the pipeline serves that at an address of his own.
//!
//! ```text
//! element --signal `web`--> Arc<dyn Web> --get--> Reply          (a playlist, a segment, a stream without an end)
//!                                        --take-> Box<dyn Upload> (a request's body, piece by piece)
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use gst::glib;
use gst::glib::subclass::Signal;
use gst::prelude::*;
use serde_json::Value;

pub use bytes::Bytes;

/// The signal's name.
pub const SIGNAL: &str = "web";

/// What an element gives and takes by HTTP. Nothing here may block.
pub trait Web: Send + Sync {
    /// Answers a GET.
    ///
    /// # Errors
    ///
    /// Why there is nothing to be had.
    fn get(self: Arc<Self>, request: Request) -> BoxFuture<'static, Result<Reply, WebError>> {
        let error = WebError::new(WebErrorKind::WrongWay, "nothing can be fetched from this element");
        drop(request);
        Box::pin(async move { Err(error) })
    }

    /// Begins to take the body of a POST.
    ///
    /// # Errors
    ///
    /// Why the element takes none, or none now.
    fn take(self: Arc<Self>, request: Request) -> Result<Box<dyn Upload>, WebError> {
        drop(request);
        Err(WebError::new(WebErrorKind::WrongWay, "nothing can be sent to this element"))
    }
}

/// What a client asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// What follows the element's own address, without a slash at either end; empty: the element itself.
    pub path: String,
    /// The query's names and values, decoded.
    pub query: Vec<(String, String)>,
    /// The media type of the body, without parameters, lower case; empty if none was given.
    pub media_type: String,
}

/// What a client gets.
pub struct Reply {
    /// The media type.
    pub media_type: String,
    /// How long others may keep it, seconds; 0: not at all.
    pub keep_seconds: u32,
    /// The bytes.
    pub body: ReplyBody,
}

/// The bytes of a [`Reply`].
pub enum ReplyBody {
    /// All of them.
    Whole(Bytes),
    /// As they come. A stream that is dropped costs nothing more.
    Growing(BoxStream<'static, Bytes>),
}

/// A body that is being taken. One that is dropped without [`Upload::finish`] was cut off.
pub trait Upload: Send {
    /// Hands in the next piece; ready when there is room for another.
    ///
    /// # Errors
    ///
    /// Why the element takes no more of it.
    fn push(&mut self, piece: Bytes) -> BoxFuture<'_, Result<(), WebError>>;

    /// The body has ended: well, or, with a reason, cut off. Ready when the element has read all of it; gives what
    /// there is to say about it.
    ///
    /// # Errors
    ///
    /// Why the body could not be used.
    fn finish(self: Box<Self>, cut: Option<String>) -> BoxFuture<'static, Result<Value, WebError>>;
}

/// Why a request was not served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct WebError {
    /// The sort of failure, for programs.
    pub kind: WebErrorKind,
    /// A sentence for people.
    pub text: String,
}

/// The sort of failure of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebErrorKind {
    /// There is nothing of that name, or no longer.
    NotFound,
    /// The element only gives, or only takes.
    WrongWay,
    /// Somebody else does that now.
    Busy,
    /// Not now; perhaps later.
    NotNow,
    /// The request or its body is wrong.
    Invalid,
}

impl WebError {
    /// An error of this kind.
    pub fn new(kind: WebErrorKind, text: impl Into<String>) -> Self {
        WebError { kind, text: text.into() }
    }
}

static SERVED: AtomicBool = AtomicBool::new(false);

/// This process brings to the web what its elements have for it. Elements that are of no use without that refuse to start
/// where nobody has said so.
pub fn announce_server() {
    SERVED.store(true, Ordering::Release);
}

/// Whether somebody has called [`announce_server`].
pub fn is_served() -> bool {
    SERVED.load(Ordering::Acquire)
}

/// The signal, for `ObjectImpl::signals` of an element that is served by HTTP.
pub fn signal<T: IsA<gst::Element>>(web: impl Fn(&T) -> Arc<dyn Web> + Send + Sync + 'static) -> Signal {
    Signal::builder(SIGNAL)
        .return_type::<glib::BoxedAnyObject>()
        .action()
        .class_handler(move |values| {
            let element = values.first().and_then(|v| v.get::<T>().ok())?;
            Some(glib::BoxedAnyObject::new(web(&element)).to_value())
        })
        .build()
}

/// What an element gives and takes by HTTP; none if it is not for that.
pub fn of(element: &impl IsA<gst::Element>) -> Option<Arc<dyn Web>> {
    let element = element.as_ref();
    glib::subclass::SignalId::lookup(SIGNAL, element.type_())?;
    let object = element.emit_by_name::<Option<glib::BoxedAnyObject>>(SIGNAL, &[])?;
    let web = object.try_borrow::<Arc<dyn Web>>().ok()?;
    Some(web.clone())
}
