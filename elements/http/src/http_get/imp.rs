//! The element behind `http-get`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use anabranch_graph::format::Medium;
use anabranch_kit::message;
use anabranch_kit::params::ParamStore;
use anabranch_kit::web::{Reply, ReplyBody, Request, WebError, WebErrorKind};
use futures::FutureExt;
use futures::future::ready;
use futures::stream::{StreamExt, unfold};
use glib::subclass::prelude::*;
use gst::subclass::prelude::*;
use serde_json::json;

use super::ring::{Cursor, Ring, Writer};
use super::{Params, SUMMARY};
use crate::mux::Container;
use crate::mux::mill::Mill;
use crate::shell::{self, Answering, Muxing, Store, Works};

/// How long a client waits for the first key frame.
const PATIENCE: Duration = Duration::from_secs(10);

/// The element `abhttpget`.
#[derive(Default)]
pub struct HttpGet {
    params: ParamStore<Params>,
    works: Works<Writer, Ring>,
    clients: AtomicUsize,
}

#[glib::object_subclass]
impl ObjectSubclass for HttpGet {
    const NAME: &'static str = "AbHttpGet";
    type Type = super::HttpGet;
    type ParentType = gst::Element;
}

impl Muxing for HttpGet {
    type Consumer = Writer;
    type Store = Ring;

    fn works(&self) -> &Works<Writer, Ring> {
        &self.works
    }

    fn open(&self) -> Result<(), gst::ErrorMessage> {
        if anabranch_kit::web::is_served() { Ok(()) } else { Err(shell::needs_server("http-get")) }
    }

    fn run(&self) -> (Container, Mill<Writer>, Arc<Ring>) {
        let params = self.params.get();
        let ring = Ring::new();
        let writer = Writer::new(ring.clone(), params.container, i64::from(params.backlog_ms) * 1_000_000);
        (params.container, Mill::new(i64::from(params.fragment_ms) * 1_000_000, writer), ring)
    }

    fn serve(&self, ring: Arc<Ring>, request: Request) -> Answering {
        if !request.path.is_empty() {
            let text = "http-get has one file, and no name for it";
            return ready(Err(WebError::new(WebErrorKind::NotFound, text))).boxed();
        }
        self.joined();
        let client = Client { element: self.obj().downgrade(), ring, cursor: Cursor::default() };
        Box::pin(async move {
            let begun = tokio::time::timeout(PATIENCE, client.ring.media_type()).await;
            let media_type = begun
                .map_err(|_| WebError::new(WebErrorKind::NotNow, "no media have come yet"))?
                .ok_or_else(|| WebError::new(WebErrorKind::NotFound, "the media have ended"))?;
            let stream = unfold(client, |mut client| async move {
                let bytes = client.ring.clone().read(&mut client.cursor).await?;
                Some((bytes, client))
            });
            Ok(Reply {
                media_type: media_type.to_owned(),
                keep_seconds: 0,
                body: ReplyBody::Growing(stream.boxed()),
            })
        })
    }
}

impl Store for Ring {
    fn close(&self) {
        Ring::close(self);
    }
}

impl HttpGet {
    fn stats(&self) -> gst::Structure {
        let ring = self.works.store();
        let number = |of: fn(&Ring) -> u64| ring.as_deref().map_or(0, of);
        gst::Structure::builder("stats")
            .field("clients", self.clients.load(Ordering::Relaxed) as u64)
            .field("skips", number(|r| r.skips.load(Ordering::Relaxed)))
            .field("bytes", number(|r| r.sent.load(Ordering::Relaxed)))
            .build()
    }

    /// Tells the engine what to bring: everything that fits, or nothing while nobody reads.
    fn want(&self, something: bool) {
        let container = self.params.with(|p| p.container);
        for medium in [Medium::Video, Medium::Audio] {
            let formats: Vec<&str> = match something {
                true => container.formats(medium).iter().map(|f| f.caps()).collect(),
                false => Vec::new(),
            };
            message::post(&*self.obj(), "wants", json!({"port": medium.name(), "formats": formats}));
        }
    }

    fn joined(&self) {
        let before = self.clients.fetch_add(1, Ordering::AcqRel);
        if before == 0 && self.params.with(|p| p.on_demand) {
            self.want(true);
        }
        message::post(&*self.obj(), "client-connected", json!({"clients": before + 1}));
    }

    fn left(&self) {
        let before = self.clients.fetch_sub(1, Ordering::AcqRel);
        if before == 1 && self.params.with(|p| p.on_demand) {
            self.want(false);
            self.works.with(Mill::reset);
            if let Some(ring) = self.works.store() {
                ring.clear();
            }
            if self.clients.load(Ordering::Acquire) > 0 {
                // Somebody came meanwhile, and may have been heard too early.
                self.want(true);
            }
        }
        message::post(&*self.obj(), "client-left", json!({"clients": before.saturating_sub(1)}));
    }
}

impl ObjectImpl for HttpGet {
    anabranch_kit::object_properties!(params: Params, stats: HttpGet::stats);

    fn signals() -> &'static [glib::subclass::Signal] {
        static SIGNALS: LazyLock<Vec<glib::subclass::Signal>> = LazyLock::new(shell::signals::<HttpGet>);
        &SIGNALS
    }

    fn constructed(&self) {
        self.parent_constructed();
        shell::add_inputs::<Self>(&self.obj());
    }
}

impl GstObjectImpl for HttpGet {}

impl ElementImpl for HttpGet {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Anabranch HTTP output",
                "Sink/Network/Audio/Video",
                SUMMARY,
                "The Anabranch developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(shell::input_templates);
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        self.switch(transition)
    }
}

/// One client; when it is dropped the client has gone.
struct Client {
    element: glib::WeakRef<super::HttpGet>,
    ring: Arc<Ring>,
    cursor: Cursor,
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(element) = self.element.upgrade() {
            element.imp().left();
        }
    }
}
