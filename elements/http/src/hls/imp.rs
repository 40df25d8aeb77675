//! The element behind `hls`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use anabranch_kit::message;
use anabranch_kit::params::ParamStore;
use anabranch_kit::web::{Reply, ReplyBody, Request, WebError, WebErrorKind};
use bytes::Bytes;
use glib::subclass::prelude::*;
use gst::subclass::prelude::*;
use serde_json::json;

use super::folder::{Folder, INDEX, MASTER};
use super::playlist::{self, Style};
use super::shelf::{Contents, Filler, Shelf};
use super::{Params, SUMMARY};
use crate::mux::Container;
use crate::mux::mill::Mill;
use crate::shell::{self, Answering, Muxing, Store, Works, lock};

const PLAYLIST: &str = "application/vnd.apple.mpegurl";
const MP4: &str = "video/mp4";
/// How long segments and headers may be kept by others, seconds: their names never mean anything else.
const KEEP: u32 = 3600;
/// How long a client waits for the first segment.
const PATIENCE: Duration = Duration::from_secs(10);

/// The element `abhls`.
#[derive(Default)]
pub struct Hls {
    params: ParamStore<Params>,
    works: Works<Filler, Shelf>,
    folder: Mutex<Option<Arc<Folder>>>,
    /// Held while the folder is written: things are done in their order.
    writing: Mutex<()>,
    failed: AtomicBool,
    /// When somebody fetched something last.
    read: Mutex<Option<Instant>>,
}

#[glib::object_subclass]
impl ObjectSubclass for Hls {
    const NAME: &'static str = "AbHls";
    type Type = super::Hls;
    type ParentType = gst::Element;
}

impl Muxing for Hls {
    type Consumer = Filler;
    type Store = Shelf;

    fn works(&self) -> &Works<Filler, Shelf> {
        &self.works
    }

    fn open(&self) -> Result<(), gst::ErrorMessage> {
        let params = self.params.get();
        let settings = |text: String| gst::error_msg!(gst::ResourceError::OpenWrite, ("{text}"));
        let style = self.style();
        let folder = match params.folder.as_str() {
            "" if !anabranch_kit::web::is_served() => {
                return Err(shell::needs_server("hls without a `folder`"));
            }
            "" if style.window == 0 => {
                return Err(settings("A playlist that keeps everything needs a `folder`.".into()));
            }
            "" => None,
            path => Some(Arc::new(Folder::open(path, style).map_err(settings)?)),
        };
        *lock(&self.folder) = folder;
        Ok(())
    }

    fn run(&self) -> (Container, Mill<Filler>, Arc<Shelf>) {
        let style = self.style();
        let shelf = Shelf::new();
        let in_folder = lock(&self.folder).is_some();
        let filler = Filler::new(shelf.clone(), style.target, style.window, in_folder);
        let part = if style.part > 0 { style.part } else { style.target };
        self.failed.store(false, Ordering::Release);
        (Container::Mp4, Mill::new(part, filler), shelf)
    }

    fn serve(&self, shelf: Arc<Shelf>, request: Request) -> Answering {
        *lock(&self.read) = Some(Instant::now());
        let (folder, style) = (lock(&self.folder).clone(), self.style());
        Box::pin(async move {
            let number = |name: &str| {
                let value = request.query.iter().find(|(n, _)| n == name).map(|(_, value)| value);
                value.and_then(|value| value.parse::<u64>().ok())
            };
            let patience = PATIENCE.max(Duration::from_nanos(style.target.unsigned_abs()) * 3);
            let waited = tokio::time::timeout(
                patience,
                find(&shelf, &style, &request.path, number("_HLS_msn"), number("_HLS_part")),
            );
            let found =
                waited.await.map_err(|_| WebError::new(WebErrorKind::NotNow, "it has not come in time"))?;
            match found {
                Found::Playlist(text) => Ok(reply(PLAYLIST, 0, text.into())),
                Found::Media(bytes) => Ok(reply(MP4, KEEP, bytes)),
                Found::InFolder(name) => {
                    let path = folder.map(|folder| folder.file(&name));
                    let bytes = match path {
                        Some(path) => tokio::fs::read(path).await.ok(),
                        None => None,
                    };
                    bytes.map(|bytes| reply(MP4, KEEP, bytes.into())).ok_or_else(|| nothing(&name))
                }
                Found::Nothing => Err(nothing(&request.path)),
            }
        })
    }

    /// Who plays is some segments behind, and wants to see the end.
    fn linger(&self) -> Option<gst::ClockTime> {
        let read = *lock(&self.read);
        let behind = Duration::from_nanos(self.style().target.unsigned_abs()) * 3;
        read.filter(|at| at.elapsed() < behind * 2)?;
        gst::ClockTime::try_from(behind).ok()
    }

    fn settled(&self) {
        if self.works.with(|mill| std::mem::take(&mut mill.consumer.wants_key)) == Some(true) {
            self.push_key_request();
        }
        let (folder, shelf) = (lock(&self.folder).clone(), self.works.store());
        let (Some(folder), Some(shelf)) = (folder, shelf) else { return };
        let trouble = {
            let _turn = lock(&self.writing);
            let chores =
                self.works.with(|mill| std::mem::take(&mut mill.consumer.chores)).unwrap_or_default();
            chores.into_iter().find_map(|chore| folder.carry_out(chore, &shelf).err())
        };
        if let Some((path, error)) = trouble
            && !self.failed.swap(true, Ordering::AcqRel)
        {
            let kind = match error.kind() {
                std::io::ErrorKind::StorageFull => gst::ResourceError::NoSpaceLeft,
                _ => gst::ResourceError::Write,
            };
            self.post_error_message(gst::error_msg!(
                kind,
                ("'{}' cannot be written: {error}.", path.display())
            ));
        }
    }
}

impl Store for Shelf {
    fn close(&self) {
        Shelf::close(self);
    }
}

impl Hls {
    fn stats(&self) -> gst::Structure {
        let shelf = self.works.store();
        let of = |look: fn(&Contents) -> u64| shelf.as_ref().map_or(0, |shelf| shelf.look(look));
        gst::Structure::builder("stats")
            .field(
                "segments",
                of(|c| c.segments.iter().filter(|s| s.done).map(|s| s.number + 1).max().unwrap_or(0)),
            )
            .field("kept-segments", of(|c| c.segments.len() as u64))
            .field("bytes", of(|c| c.bytes))
            .build()
    }

    fn style(&self) -> Style {
        let params = self.params.get();
        let nanos = |ms: u32| i64::from(ms) * 1_000_000;
        Style {
            target: nanos(params.segment_ms),
            part: nanos(params.part_ms),
            window: params.window as usize,
            live: true,
        }
    }
}

impl ObjectImpl for Hls {
    anabranch_kit::object_properties!(params: Params, stats: Hls::stats);

    fn signals() -> &'static [glib::subclass::Signal] {
        static SIGNALS: LazyLock<Vec<glib::subclass::Signal>> = LazyLock::new(shell::signals::<Hls>);
        &SIGNALS
    }

    fn constructed(&self) {
        self.parent_constructed();
        shell::add_inputs::<Self>(&self.obj());
    }
}

impl GstObjectImpl for Hls {}

impl ElementImpl for Hls {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Anabranch HLS output",
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

    fn post_message(&self, message: gst::Message) -> bool {
        if matches!(message.view(), gst::MessageView::Eos(_))
            && let Some(shelf) = self.works.store()
        {
            let (segments, nanos) =
                shelf.look(|c| (c.segments.back().map_or(0, |s| s.number + 1), c.complete.1));
            let data = json!({"segments": segments, "seconds": nanos as f64 / 1e9});
            message::post(&*self.obj(), "playlist-ended", data);
        }
        self.parent_post_message(message)
    }
}

fn nothing(name: &str) -> WebError {
    WebError::new(WebErrorKind::NotFound, format!("there is no '{name}', or no longer"))
}

fn reply(media_type: &str, keep_seconds: u32, bytes: Bytes) -> Reply {
    Reply { media_type: media_type.to_owned(), keep_seconds, body: ReplyBody::Whole(bytes) }
}

enum Found {
    Playlist(String),
    Media(Bytes),
    InFolder(String),
    Nothing,
}

/// What a name means. Waits for what will come.
async fn find(shelf: &Shelf, style: &Style, name: &str, msn: Option<u64>, part: Option<u64>) -> Found {
    // Not every player knows parts, and gives up when there is no segment yet; one that asks for parts knows them.
    let begun = |c: &Contents| {
        c.ended || c.segments.front().is_some_and(|s| s.done || (style.part > 0 && msn.is_some()))
    };
    match name {
        INDEX => {
            let ready = |c: &Contents| {
                let has = msn.is_none_or(|msn| has(c, msn, part));
                (c.ended || (begun(c) && has)).then(|| playlist::media(c, style))
            };
            shelf.wait_for(ready).await.map_or(Found::Nothing, Found::Playlist)
        }
        MASTER => {
            let ready = |c: &Contents| begun(c).then(|| playlist::master(c));
            shelf.wait_for(ready).await.map_or(Found::Nothing, Found::Playlist)
        }
        name => {
            if let Some(number) = name.strip_prefix("init-").and_then(|n| n.strip_suffix(".mp4")) {
                let number: Option<u32> = number.parse().ok();
                let bytes = shelf
                    .look(|c| c.headers.iter().find(|h| Some(h.number) == number).map(|h| h.bytes.clone()));
                return bytes.map_or(Found::Nothing, Found::Media);
            }
            let Some(numbers) = name.strip_prefix("segment-").and_then(|n| n.strip_suffix(".m4s")) else {
                return Found::Nothing;
            };
            let (segment, part) = numbers.split_once('.').map_or((numbers, None), |(s, p)| (s, Some(p)));
            let (Ok(segment), Ok(part)) = (segment.parse(), part.map(str::parse).transpose()) else {
                return Found::Nothing;
            };
            shelf.wait_for(|c| piece(c, segment, part, name)).await.unwrap_or(Found::Nothing)
        }
    }
}

/// Whether a playlist has what a player waits for.
fn has(contents: &Contents, msn: u64, part: Option<u64>) -> bool {
    match contents.segments.iter().find(|s| s.number == msn) {
        Some(segment) => segment.done || part.is_some_and(|part| (segment.parts.len() as u64) > part),
        None => contents.segments.back().is_some_and(|last| last.number > msn),
    }
}

/// A segment or a part of it; none: it is the next one that will come.
fn piece(contents: &Contents, number: u64, part: Option<usize>, name: &str) -> Option<Found> {
    let next = contents.segments.back().map_or(0, |s| s.number + u64::from(s.done));
    let Some(segment) = contents.segments.iter().find(|s| s.number == number) else {
        return (contents.ended || number != next).then_some(Found::Nothing);
    };
    match part {
        None if segment.done && segment.parts.is_empty() => Some(Found::InFolder(name.to_owned())),
        None if segment.done => Some(Found::Media(segment.bytes())),
        None => Some(Found::Nothing),
        Some(part) => match segment.parts.get(part) {
            Some(piece) => Some(Found::Media(piece.bytes.clone())),
            None => (segment.done || part > segment.parts.len()).then_some(Found::Nothing),
        },
    }
}
