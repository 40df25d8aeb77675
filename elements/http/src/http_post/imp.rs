//! The element behind `http-post`: for each body an appsrc and a parsebin of its own; for each track a queue, and what
//! keeps the pace, for all bodies.

use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock, Mutex};

use anabranch_graph::format::Medium;
use anabranch_kit::caps::format_of_structure;
use anabranch_kit::endpoint::{EndpointError, make, templates};
use anabranch_kit::message;
use anabranch_kit::params::ParamStore;
use anabranch_kit::web::{Request, Upload, Web, WebError, WebErrorKind};
use glib::subclass::prelude::*;
use gst::prelude::*;
use gst::subclass::prelude::*;
use serde_json::json;

use super::body::{Body, End, Sender, WAITING};
use super::passing::Tracks;
use super::{Pace, Params, SUMMARY};
use crate::intake::MEDIA;
use crate::shell::{self, lock};

/// How far one track may lie ahead of the other in a body.
const LEAD: gst::ClockTime = gst::ClockTime::from_seconds(2);
/// The same in bytes.
const LEAD_BYTES: u32 = 64 << 20;

/// The element `abhttppost`.
#[derive(Default)]
pub struct HttpPost {
    params: ParamStore<Params>,
    tracks: Mutex<Tracks>,
    body: Mutex<Option<Arc<Body>>>,
    /// Where the two tracks go in.
    entries: Mutex<[Option<gst::Pad>; 2]>,
    /// With `once`: the first body has ended.
    over: Mutex<bool>,
}

#[glib::object_subclass]
impl ObjectSubclass for HttpPost {
    const NAME: &'static str = "AbHttpPost";
    type Type = super::HttpPost;
    type ParentType = gst::Bin;
}

/// What becomes of an event.
enum Verdict {
    Pass,
    Drop,
    Replace(gst::Event),
}

impl HttpPost {
    fn stats(&self) -> gst::Structure {
        let body = lock(&self.body).clone();
        let tracks = lock(&self.tracks);
        gst::Structure::builder("stats")
            .field("bodies", tracks.bodies)
            .field("receiving", u64::from(body.is_some()))
            .field("bytes", body.map_or(0, |b| b.bytes.load(Ordering::Relaxed)))
            .field("position-ms", (tracks.end / 1_000_000).max(0) as u64)
            .build()
    }

    /// How long the newest body was, seconds.
    pub(super) fn seconds(&self) -> f64 {
        let tracks = lock(&self.tracks);
        (tracks.end - tracks.start).max(0) as f64 / 1e9
    }

    /// What lies behind the outputs for all bodies.
    fn build(&self) -> Result<(), gst::ErrorMessage> {
        let bin = self.obj();
        let failed = || {
            gst::error_msg!(
                gst::CoreError::Negotiation,
                ("The insides of http-post could not be linked inside the element.")
            )
        };
        let realtime = self.params.with(|p| p.pace != Pace::Fastest);
        for name in MEDIA {
            let queue = make("queue").map_err(|error| error.message())?;
            queue.set_property("max-size-time", LEAD.nseconds());
            queue.set_property("max-size-bytes", LEAD_BYTES);
            queue.set_property("max-size-buffers", 0u32);
            let pace =
                make(if realtime { "clocksync" } else { "identity" }).map_err(|error| error.message())?;
            bin.add_many([&queue, &pace]).map_err(|_| failed())?;
            queue.link(&pace).map_err(|_| failed())?;
            let ghost = bin.static_pad(&format!("src_{name}")).and_downcast::<gst::GhostPad>();
            let (Some(ghost), Some(src), Some(sink)) =
                (ghost, pace.static_pad("src"), queue.static_pad("sink"))
            else {
                return Err(failed());
            };
            ghost.set_target(Some(&src)).map_err(|_| failed())?;
            lock(&self.entries)[usize::from(name == "audio")] = Some(sink);
        }
        Ok(())
    }

    fn take_down(&self) {
        let bin = self.obj();
        for pad in bin.src_pads().into_iter().filter_map(|p| p.downcast::<gst::GhostPad>().ok()) {
            // Taking the target away from a ghost pad cannot fail.
            let _ = pad.set_target(None::<&gst::Pad>);
        }
        for child in bin.children() {
            let _ = child.set_state(gst::State::Null);
            let _ = bin.remove(&child);
        }
        *lock(&self.entries) = [None, None];
    }

    /// Begins to take a body.
    fn open(&self, request: &Request) -> Result<Arc<Body>, WebError> {
        let bin = self.obj();
        let not_now = |text: &str| WebError::new(WebErrorKind::NotNow, text);
        if bin.current_state() < gst::State::Paused {
            return Err(not_now("the element does not run yet"));
        }
        if *lock(&self.over) {
            return Err(WebError::new(WebErrorKind::WrongWay, "the source has ended with its first body"));
        }
        let missing = |_: EndpointError| {
            not_now("a GStreamer element is missing: `anabranch doctor` names its package")
        };
        let source = make("appsrc").map_err(missing)?;
        let parser = make("parsebin").map_err(missing)?;
        let Ok(source) = source.downcast::<gst_app::AppSrc>() else {
            return Err(not_now("GStreamer's appsrc is something else"));
        };
        source.set_format(gst::Format::Bytes);
        source.set_max_bytes(WAITING);
        source.set_property("min-percent", 50u32);
        let body = Body::new(source, parser);
        {
            let mut current = lock(&self.body);
            if current.is_some() {
                return Err(WebError::new(WebErrorKind::Busy, "another body is being taken"));
            }
            *current = Some(body.clone());
        }
        lock(&self.tracks).begin();
        let (weak, whole) = (bin.downgrade(), Arc::downgrade(&body));
        body.parser.connect_pad_added(move |_, pad| {
            if let (Some(bin), Some(body)) = (weak.upgrade(), whole.upgrade()) {
                bin.imp().pad_added(&body, pad);
            }
        });
        message::post(&*bin, "body-began", json!({"media_type": request.media_type}));
        let started = bin
            .add_many([body.source.upcast_ref::<gst::Element>(), &body.parser])
            .and_then(|()| body.source.link(&body.parser))
            .and_then(|()| body.parser.sync_state_with_parent())
            .and_then(|()| body.source.sync_state_with_parent());
        if started.is_err() {
            self.close(&body, End::Unreadable("GStreamer could not begin to read it".into()));
            return Err(not_now("the body cannot be taken"));
        }
        Ok(body)
    }

    /// A stream was found: the first of a kind is used.
    fn pad_added(&self, body: &Arc<Body>, pad: &gst::Pad) {
        let bin = self.obj();
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let Some(structure) = caps.structure(0) else { return };
        let format = format_of_structure(structure);
        let index = match format.medium() {
            Medium::Video => Some(0),
            Medium::Audio => Some(1),
            Medium::Data => None,
        };
        let taken = index.filter(|index| {
            let mut tracks = lock(&self.tracks);
            let track = &mut tracks.tracks[*index];
            let free = track.pad.is_none() && !track.absent;
            if free {
                track.pad = Some(pad.clone());
            }
            free
        });
        let (weak, whole) = (bin.downgrade(), Arc::downgrade(body));
        let kinds = gst::PadProbeType::DATA_DOWNSTREAM
            | gst::PadProbeType::EVENT_DOWNSTREAM
            | gst::PadProbeType::EVENT_FLUSH;
        pad.add_probe(kinds, move |_, info| {
            let (Some(bin), Some(body)) = (weak.upgrade(), whole.upgrade()) else {
                return gst::PadProbeReturn::Ok;
            };
            bin.imp().all_known(&body);
            match taken {
                Some(index) => bin.imp().passing(&body, index, info),
                None => gst::PadProbeReturn::Handled,
            }
        });
        let entry = taken.and_then(|index| lock(&self.entries)[index].clone());
        if let Some(entry) = entry {
            if let Some(old) = entry.peer() {
                // The one before is about to be removed.
                let _ = old.unlink(&entry);
            }
            if let Err(error) = pad.link(&entry) {
                gst::error!(gst::CAT_RUST, imp = self, "a body's stream cannot be linked: {error}");
            }
        }
        let data = json!({
            "medium": format.medium().name(), "format": format.name(), "used": taken.is_some(),
            "caps": caps.to_string(),
        });
        message::post(&*bin, "stream-found", data);
    }

    /// parsebin shows all streams before it lets anything through: what the first body does not have is absent.
    fn all_known(&self, body: &Body) {
        if body.complete.swap(true, Ordering::AcqRel) {
            return;
        }
        let missing: Vec<usize> = {
            let mut tracks = lock(&self.tracks);
            let missing = |t: &super::passing::Track| t.pad.is_none() && !t.begun && !t.absent;
            let found: Vec<usize> = (0..2).filter(|i| missing(&tracks.tracks[*i])).collect();
            found.iter().for_each(|i| tracks.tracks[*i].absent = true);
            found
        };
        for index in missing {
            let entry = lock(&self.entries)[index].clone();
            if let Some(entry) = entry {
                entry.send_event(gst::event::StreamStart::new(&format!("absent/{}", MEDIA[index])));
                entry.send_event(gst::event::Eos::new());
            }
        }
    }

    /// What the clock shows, as running time in nanoseconds; 0 where the clock does not matter.
    fn now(&self) -> i64 {
        if self.params.with(|p| p.pace == Pace::Fastest) {
            return 0;
        }
        self.obj().current_running_time().map_or(0, |t| t.nseconds() as i64)
    }

    /// Everything that comes out of a stream passes here, in its streaming thread.
    fn passing(&self, body: &Arc<Body>, index: usize, info: &mut gst::PadProbeInfo) -> gst::PadProbeReturn {
        let now = self.now();
        match &mut info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => {
                if lock(&self.tracks).retime(index, buffer.make_mut(), now) {
                    gst::PadProbeReturn::Ok
                } else {
                    gst::PadProbeReturn::Handled
                }
            }
            Some(gst::PadProbeData::BufferList(list)) => {
                let mut tracks = lock(&self.tracks);
                list.make_mut().foreach_mut(|mut buffer, _| {
                    let fits = tracks.retime(index, buffer.make_mut(), now);
                    std::ops::ControlFlow::Continue(fits.then_some(buffer))
                });
                gst::PadProbeReturn::Ok
            }
            Some(gst::PadProbeData::Event(event)) => match self.event_passing(body, index, event, now) {
                Verdict::Pass => gst::PadProbeReturn::Ok,
                Verdict::Drop => gst::PadProbeReturn::Handled,
                Verdict::Replace(event) => {
                    info.data = Some(gst::PadProbeData::Event(event));
                    gst::PadProbeReturn::Ok
                }
            },
            _ => gst::PadProbeReturn::Ok,
        }
    }

    fn event_passing(&self, body: &Arc<Body>, index: usize, event: &gst::Event, now: i64) -> Verdict {
        let mut tracks = lock(&self.tracks);
        match event.view() {
            gst::EventView::StreamStart(_) if tracks.tracks[index].begun => Verdict::Drop,
            gst::EventView::Segment(event) => {
                tracks.tracks[index].segment = event.segment().downcast_ref::<gst::ClockTime>().cloned();
                if std::mem::replace(&mut tracks.tracks[index].begun, true) {
                    return Verdict::Drop;
                }
                let segment = gst::FormattedSegment::<gst::ClockTime>::new();
                Verdict::Replace(gst::event::Segment::builder(&segment).seqnum(event.seqnum()).build())
            }
            gst::EventView::Gap(gap) => {
                let (time, duration) = gap.get();
                let Some(time) = tracks.time(index, Some(time), now).and_then(|t| u64::try_from(t).ok())
                else {
                    return Verdict::Drop;
                };
                let gap = gst::event::Gap::builder(gst::ClockTime::from_nseconds(time)).duration(duration);
                Verdict::Replace(gap.build())
            }
            gst::EventView::Eos(_) => {
                tracks.tracks[index].ended = true;
                if tracks.all_ended() {
                    drop(tracks);
                    let body = body.clone();
                    self.obj().call_async(move |bin| {
                        let cut = lock(&body.cut).clone();
                        bin.imp().close(&body, cut.map_or(End::Whole, End::Cut));
                    });
                }
                Verdict::Drop
            }
            gst::EventView::FlushStart(_) | gst::EventView::FlushStop(_) => Verdict::Drop,
            _ => Verdict::Pass,
        }
    }

    /// A body is no media. From any thread.
    pub(super) fn unreadable(&self, body: &Arc<Body>, reason: &str) {
        let cut = lock(&body.cut).clone();
        // One that was cut off is incomplete, of course.
        let end =
            cut.map_or_else(|| End::Unreadable(format!("The body cannot be read: {reason}.")), End::Cut);
        let body = body.clone();
        self.obj().call_async(move |bin| bin.imp().close(&body, end));
    }

    /// Takes a body's elements away and says how it ended; once. Not from a thread of theirs.
    fn close(&self, body: &Arc<Body>, end: End) {
        if body.ending.swap(true, Ordering::AcqRel) {
            return;
        }
        let bin = self.obj();
        for element in [body.source.upcast_ref::<gst::Element>(), &body.parser] {
            let _ = element.set_state(gst::State::Null);
            let _ = bin.remove(element);
        }
        let bytes = body.bytes.load(Ordering::Relaxed);
        let seconds = self.seconds();
        let used = matches!(end, End::Whole | End::Cut(_)) && body.complete.load(Ordering::Acquire);
        let is_last = used && self.params.with(|p| p.once);
        if is_last {
            *lock(&self.over) = true;
        }
        // Before it is told: whoever hears of it may send the next one at once.
        *lock(&self.body) = None;
        match &end {
            End::Whole => message::post(&*bin, "body-ended", json!({"bytes": bytes, "seconds": seconds})),
            End::Cut(reason) => {
                let data = json!({"reason": reason, "bytes": bytes, "seconds": seconds});
                message::post(&*bin, "body-cut", data);
            }
            End::Unreadable(reason) => {
                message::post(&*bin, "body-unreadable", json!({"reason": reason, "bytes": bytes}));
            }
            End::Stopped => {}
        }
        if is_last {
            for entry in lock(&self.entries).clone().into_iter().flatten() {
                entry.send_event(gst::event::Eos::new());
            }
        }
        body.over(end);
    }
}

impl ObjectImpl for HttpPost {
    anabranch_kit::object_properties!(params: Params, stats: HttpPost::stats);

    fn signals() -> &'static [glib::subclass::Signal] {
        static SIGNALS: LazyLock<Vec<glib::subclass::Signal>> = LazyLock::new(|| {
            vec![anabranch_kit::web::signal(|element: &super::HttpPost| {
                Arc::new(Door(element.downgrade())) as Arc<dyn Web>
            })]
        });
        &SIGNALS
    }

    fn constructed(&self) {
        self.parent_constructed();
        let bin = self.obj();
        bin.set_suppressed_flags(gst::ElementFlags::SOURCE | gst::ElementFlags::SINK);
        bin.set_element_flags(gst::ElementFlags::SOURCE);
        for template in bin.pad_template_list() {
            let pad = gst::GhostPad::builder_from_template(&template).name(template.name_template()).build();
            // The names are the class's own, so they are free.
            let _ = bin.add_pad(&pad);
        }
    }
}

impl GstObjectImpl for HttpPost {}

impl ElementImpl for HttpPost {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Anabranch HTTP input",
                "Source/Network/Audio/Video",
                SUMMARY,
                "The Anabranch developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> =
            LazyLock::new(|| templates(&["src_video", "src_audio"]));
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::NullToReady {
            let ready = match anabranch_kit::web::is_served() {
                true => self.build(),
                false => Err(shell::needs_server("http-post")),
            };
            if let Err(error) = ready {
                self.take_down();
                self.post_error_message(error);
                return Err(gst::StateChangeError);
            }
            *lock(&self.tracks) = Tracks::default();
            *lock(&self.over) = false;
        }
        let result = self.parent_change_state(transition);
        if transition == gst::StateChange::PausedToReady {
            let body = lock(&self.body).clone();
            if let Some(body) = body {
                self.close(&body, End::Stopped);
            }
        }
        if transition == gst::StateChange::ReadyToNull {
            self.take_down();
        }
        result
    }
}

impl BinImpl for HttpPost {
    fn handle_message(&self, message: gst::Message) {
        if let gst::MessageView::Error(error) = message.view() {
            let body = lock(&self.body).clone();
            let own = |body: &Body| {
                let inside = |element: &gst::Object| {
                    message.src().is_some_and(|s| s == element || s.has_as_ancestor(element))
                };
                inside(body.source.upcast_ref()) || inside(body.parser.upcast_ref())
            };
            if let Some(body) = body.filter(|body| own(body)) {
                // A bad body is its sender's trouble, not the graph's.
                let text = error.error();
                self.unreadable(&body, text.message().trim_end_matches('.'));
                return;
            }
        }
        self.parent_handle_message(message);
    }
}

/// Where senders come in.
struct Door(glib::WeakRef<super::HttpPost>);

impl Web for Door {
    fn take(self: Arc<Self>, request: Request) -> Result<Box<dyn Upload>, WebError> {
        let element =
            self.0.upgrade().ok_or_else(|| WebError::new(WebErrorKind::NotNow, "the element is gone"))?;
        let body = element.imp().open(&request)?;
        Ok(Box::new(Sender::new(body, element.downgrade())))
    }
}
