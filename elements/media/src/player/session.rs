//! One session of a player: a pipeline of its own that reads the source and takes it apart, from its start until it is
//! stopped, ends or fails. The next one is built anew, and who is behind the player notices nothing but the time.

mod lead;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anabranch_graph::format::Medium;
use anabranch_kit::caps::format_of_structure;
use anabranch_kit::message;
use gst::prelude::*;
use serde_json::json;

pub use self::lead::is_playlist;
use self::lead::keep_packets;
use super::entry::Entry;
use super::location::Location;
use super::note::{Failure, Note};
use super::outlet::Outlet;
use super::source::Source;
use super::track::Track;
use super::trouble;
use crate::pads;

/// How long the threads of a stopped session get to finish what they say.
const QUIET_LIMIT: Duration = Duration::from_millis(250);

/// What is known of a session's streams.
#[derive(Default)]
pub struct Streams {
    /// Video and audio.
    pub tracks: [Track; 2],
    /// Parsers that were made, and those of them that have shown all their streams.
    parsers: usize,
    exposed: usize,
    /// The source brings no more streams.
    no_more: bool,
    /// What else is in the source, by name.
    others: Vec<String>,
    /// Description of a plugin that GStreamer missed.
    missing_plugin: Option<String>,
}

/// One session.
pub struct Session {
    /// Its number, which its media carry.
    pub id: u64,
    /// When it began.
    pub begun: Instant,
    /// Its pipeline.
    pub pipeline: gst::Pipeline,
    outlet: Arc<Outlet>,
    player: glib::WeakRef<super::Player>,
    location: Location,
    raw: bool,
    streams: Mutex<Streams>,
    complete: AtomicBool,
    failed: AtomicBool,
    /// A failure is no error: the player tries again.
    pub recoverable: AtomicBool,
}

impl Session {
    /// Opens a source; its media come through the outlet.
    ///
    /// # Errors
    ///
    /// An element is missing.
    pub fn open(
        id: u64,
        source: &Source,
        outlet: &Arc<Outlet>,
        player: &super::Player,
        recoverable: bool,
    ) -> Result<Arc<Self>, gst::ErrorMessage> {
        let pipeline = gst::Pipeline::builder().name(format!("{}:{id}", player.name())).build();
        let session = Arc::new(Session {
            id,
            begun: Instant::now(),
            pipeline,
            outlet: outlet.clone(),
            player: player.downgrade(),
            location: source.location.clone(),
            raw: source.raw,
            streams: Mutex::default(),
            complete: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            recoverable: AtomicBool::new(recoverable),
        });
        if let Some(clock) = outlet.with(|flow| flow.clock.clone()) {
            // The player's own time: what comes live has the running times of the whole.
            session.pipeline.use_clock(Some(&clock));
            session.pipeline.set_start_time(gst::ClockTime::NONE);
            session.pipeline.set_base_time(outlet.with(|flow| super::flow::time(flow.base)));
        }
        if let Some(bus) = session.pipeline.bus() {
            let weak = Arc::downgrade(&session);
            bus.set_sync_handler(move |_, message| {
                if let Some(session) = weak.upgrade() {
                    session.hear(message);
                }
                gst::BusSyncReply::Drop
            });
        }
        if let Err(error) = source.build(&session) {
            session.close();
            return Err(error);
        }
        // What goes wrong here is said on the bus.
        let _ = session.pipeline.set_state(gst::State::Playing);
        Ok(session)
    }

    /// Stops it and gives everything back. The outlet must refuse its media already, or its threads would not end.
    pub fn close(&self) {
        self.failed.store(true, Ordering::Release);
        let _ = self.pipeline.set_state(gst::State::Null);
        // A bin's messages reach its parent through a bare pointer: see `Domain::stop` of the engine.
        let children = self.pipeline.children();
        for child in &children {
            let _ = self.pipeline.remove(child);
        }
        *self.streams() = Streams::default();
        let quiet_by = Instant::now() + QUIET_LIMIT;
        while children.iter().any(|child| child.ref_count() > 1) && Instant::now() < quiet_by {
            std::thread::sleep(Duration::from_millis(1));
        }
        if let Some(bus) = self.pipeline.bus() {
            bus.unset_sync_handler();
            bus.set_flushing(true);
        }
    }

    pub(super) fn streams(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether all its streams are known.
    pub fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Acquire)
    }

    /// Whether anything in it still works on the source.
    pub fn works(&self) -> bool {
        let works = |element: gst::Element| {
            element.pads().iter().any(|pad| pad.task_state() == gst::TaskState::Started)
        };
        self.pipeline.iterate_recurse().into_iter().flatten().any(works)
    }

    /// The pad that the first track comes out of.
    pub fn pad(&self) -> Option<gst::Pad> {
        self.streams().tracks.iter().find_map(|t| t.pad.clone())
    }

    /// How long the medium is, if that is known.
    pub fn duration(&self) -> Option<gst::ClockTime> {
        let mut query = gst::query::Duration::new(gst::Format::Time);
        match (self.pad()?.query(&mut query), query.result()) {
            (true, gst::GenericFormattedValue::Time(length)) => length,
            _ => None,
        }
    }

    /// What receives a camera's packets; none if the source is no camera.
    pub fn rtp(&self) -> Option<gst::Element> {
        let source = self.pipeline.by_name("source")?.downcast::<gst::Bin>().ok()?;
        source.by_name("manager").filter(|manager| manager.factory().is_some_and(|f| f.name() == "rtpbin"))
    }

    /// Whether one can go to another position in the medium.
    pub fn is_seekable(&self) -> bool {
        let mut query = gst::query::Seeking::new(gst::Format::Time);
        self.pad().is_some_and(|pad| pad.query(&mut query)) && query.result().0
    }

    /// Goes to a position: a flushing seek whose flush stays inside the session. `false` if it cannot.
    pub fn seek(&self, position: gst::ClockTime) -> bool {
        let Some(pad) = self.pad() else { return false };
        let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE;
        let none = gst::ClockTime::NONE;
        let seek = gst::event::Seek::new(1.0, flags, gst::SeekType::Set, position, gst::SeekType::None, none);
        self.outlet.change(|flow| {
            flow.timeline.begin_stretch();
            for track in flow.tracks.iter_mut().filter(|t| t.present) {
                track.seeking = true;
                track.ended = false;
            }
        });
        let sent = pad.send_event(seek);
        self.outlet.change(|flow| {
            for track in &mut flow.tracks {
                track.seeking = false;
            }
        });
        for track in &mut self.streams().tracks {
            track.ended = false;
        }
        sent
    }

    /// Passes an event on to the source.
    pub fn send_upstream(&self, index: usize, event: gst::Event) -> bool {
        let pad = self.streams().tracks[index].pad.clone();
        pad.is_some_and(|pad| pad.send_event(event))
    }

    fn hear(&self, message: &gst::Message) {
        match message.view() {
            gst::MessageView::Error(error) => {
                let missing = self.streams().missing_plugin.clone();
                let debug = error.debug().unwrap_or_default();
                let original = error.error();
                let text = trouble::sentence(&self.location, &original, &debug, missing.as_deref());
                let debug = format!("{}: {debug}", original.message());
                self.fail(Failure { error: original, text, debug });
            }
            gst::MessageView::Element(element) => {
                let Some(structure) = element.structure().filter(|s| s.name() == "missing-plugin") else {
                    return;
                };
                self.streams().missing_plugin = structure.get::<String>("name").ok();
                if let Some(player) = self.player.upgrade() {
                    let copy = gst::message::Element::builder(structure.to_owned()).src(&player).build();
                    let _ = player.post_message(copy);
                }
            }
            _ => {}
        }
    }

    /// It can go on no more. Said once.
    pub fn fail(&self, failure: Failure) {
        if self.failed.swap(true, Ordering::AcqRel) {
            return;
        }
        if !self.recoverable.load(Ordering::Acquire)
            && let Some(player) = self.player.upgrade()
        {
            // At once, before the streams end.
            player.fail(&failure);
        }
        self.outlet.note(Note::Failed(self.id, failure));
    }

    /// The source brings no more streams.
    pub fn no_more_streams(&self) {
        self.streams().no_more = true;
        self.check_complete();
    }

    /// Takes a stream of the source apart: each of its media comes out encoded, or decoded in raw mode.
    ///
    /// # Errors
    ///
    /// An element is missing, or the stream cannot be linked.
    pub fn take_apart(self: &Arc<Self>, pad: &gst::Pad) -> Result<(), gst::ErrorMessage> {
        let failed = || pads::link_failed("The player's insides");
        let number = {
            let mut streams = self.streams();
            streams.parsers += 1;
            streams.parsers
        };
        let factory = if self.raw { "decodebin" } else { "parsebin" };
        let parse = pads::make(factory, &format!("parse_{number}"))?;
        if let Some(bin) = parse.downcast_ref::<gst::Bin>()
            && !self.raw
        {
            bin.connect_element_added(|_, element| keep_packets(element));
        }
        // A playlist inside a playlist is handed out as it is, not opened: it may name itself.
        parse.connect("autoplug-continue", false, |values| {
            let caps = values.get(2).and_then(|v| v.get::<gst::Caps>().ok());
            Some(!caps.is_some_and(|caps| is_playlist(&caps))).map(|go_on| go_on.to_value())
        });
        let weak = Arc::downgrade(self);
        let shown = Arc::new(AtomicBool::new(false));
        parse.connect_pad_added(move |_, pad| {
            let Some(session) = weak.upgrade() else { return };
            // All pads are shown before anything is let through any of them.
            let (weak, shown) = (weak.clone(), shown.clone());
            pad.add_probe(gst::PadProbeType::DATA_DOWNSTREAM, move |_, _| {
                if !shown.swap(true, Ordering::AcqRel)
                    && let Some(session) = weak.upgrade()
                {
                    session.streams().exposed += 1;
                    session.check_complete();
                }
                gst::PadProbeReturn::Remove
            });
            session.pad_added(pad);
        });
        let weak = Arc::downgrade(self);
        parse.connect_pad_removed(move |_, pad| {
            if let Some(session) = weak.upgrade() {
                session.pad_removed(pad);
            }
        });
        self.pipeline.add(&parse).map_err(|_| failed())?;
        let sink = parse.static_pad("sink").ok_or_else(failed)?;
        pad.link(&sink).map_err(|_| failed())?;
        parse.sync_state_with_parent().map_err(|_| failed())
    }

    /// A stream was found: its first of a kind is played, others are named and left.
    fn pad_added(self: &Arc<Self>, pad: &gst::Pad) {
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        if is_playlist(&caps) {
            let text = format!(
                "'{}' names playlists where media should be: it names itself, or a list of lists.",
                self.location
            );
            return self.fail(Failure::stream(gst::StreamError::WrongType, text));
        }
        let Some(structure) = caps.structure(0) else { return };
        let format = format_of_structure(structure);
        let index = match format.medium() {
            Medium::Video => Some(0),
            Medium::Audio => Some(1),
            Medium::Data => None,
        };
        let taken = index.is_some_and(|index| {
            let mut streams = self.streams();
            let track = &mut streams.tracks[index];
            let free = track.pad.is_none();
            if free {
                track.pad = Some(pad.clone());
                track.ended = false;
            }
            free
        });
        if caps.is_fixed() || !taken {
            self.tell(&caps, taken);
        } else {
            // Its parser has not seen enough yet.
            let weak = Arc::downgrade(self);
            pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
                let Some(gst::PadProbeData::Event(event)) = &info.data else {
                    return gst::PadProbeReturn::Ok;
                };
                let gst::EventView::Caps(caps) = event.view() else { return gst::PadProbeReturn::Ok };
                if let Some(session) = weak.upgrade() {
                    session.tell(caps.caps(), taken);
                }
                gst::PadProbeReturn::Remove
            });
        }
        if !taken {
            let encoding = structure.get::<String>("encoding-name");
            self.streams().others.push(encoding.unwrap_or_else(|_| format.name().to_owned()));
            pad.add_probe(gst::PadProbeType::DATA_DOWNSTREAM, move |_, _| gst::PadProbeReturn::Handled);
        }
        if let Some(index) = index.filter(|_| taken)
            && let Err(error) = self.expose(index, pad)
        {
            gst::error!(gst::CAT_RUST, obj = pad, "{error:?}");
            let text = "A stream could not be joined to the player's output.";
            self.fail(Failure::resource(gst::ResourceError::Failed, text));
        }
    }

    /// Says what was found.
    fn tell(&self, caps: &gst::CapsRef, taken: bool) {
        let Some(structure) = caps.structure(0) else { return };
        let format = format_of_structure(structure);
        let mut data = json!({
            "medium": format.medium().name(), "format": format.name(), "used": taken, "caps": caps.to_string(),
        });
        for field in ["width", "height", "rate", "channels"] {
            if let Ok(value) = structure.get::<i32>(field) {
                data[field] = value.into();
            }
        }
        if let Ok(rate) = structure.get::<gst::Fraction>("framerate") {
            data["fps"] = (f64::from(rate.numer()) / f64::from(rate.denom().max(1))).into();
        }
        if let Some(player) = self.player.upgrade() {
            message::post(&player, "stream-found", data);
        }
    }

    fn expose(self: &Arc<Self>, index: usize, pad: &gst::Pad) -> Result<(), gst::ErrorMessage> {
        let failed = || pads::link_failed("A stream of the player");
        let medium = super::MEDIA[index];
        self.outlet.change(|flow| {
            let track = &mut flow.tracks[index];
            track.present = true;
            track.ended = false;
        });
        if !self.raw {
            let weak = Arc::downgrade(self);
            let kinds = gst::PadProbeType::BUFFER
                | gst::PadProbeType::BUFFER_LIST
                | gst::PadProbeType::EVENT_DOWNSTREAM
                | gst::PadProbeType::EVENT_FLUSH;
            pad.add_probe(kinds, move |pad, info| {
                if let Some(session) = weak.upgrade() {
                    session.watch_lead(index, pad, info);
                }
                gst::PadProbeReturn::Ok
            });
        }
        let queue = self.pipeline.by_name(&format!("lead_{medium}"));
        // A chained file begins its next part: what follows is there already.
        let next = match queue.or_else(|| self.pipeline.by_name(&format!("out_{medium}"))) {
            Some(next) => next,
            None => {
                let entry = Entry::new(&format!("out_{medium}"), self.outlet.clone(), self.id, index);
                self.pipeline.add(&entry).map_err(|_| failed())?;
                entry.sync_state_with_parent().map_err(|_| failed())?;
                entry.upcast()
            }
        };
        let sink = next.static_pad("sink").ok_or_else(failed)?;
        if let Some(old) = sink.peer() {
            let _ = old.unlink(&sink);
        }
        pad.link(&sink).map(|_| ()).map_err(|_| failed())
    }

    fn pad_removed(&self, pad: &gst::Pad) {
        let mut streams = self.streams();
        for track in &mut streams.tracks {
            if track.pad.as_ref() == Some(pad) {
                track.pad = None;
            }
        }
    }

    /// Once all streams are known, those that are missing end here and now.
    fn check_complete(&self) {
        let missing: Vec<usize> = {
            let streams = self.streams();
            if !streams.no_more || streams.exposed < streams.parsers {
                return;
            }
            (0..2).filter(|i| streams.tracks[*i].pad.is_none()).collect()
        };
        if self.failed.load(Ordering::Acquire) || self.complete.swap(true, Ordering::AcqRel) {
            return;
        }
        if missing.len() == 2 {
            let others = self.streams().others.join(", ");
            let text = match others.is_empty() {
                true => {
                    format!("'{}' has neither video nor audio in it that could be played.", self.location)
                }
                false => format!("'{}' has only {others} in it, which nothing here can play.", self.location),
            };
            self.complete.store(false, Ordering::Release);
            return self.fail(Failure::stream(gst::StreamError::WrongType, text));
        }
        for index in missing {
            if !self.outlet.with(|flow| flow.tracks[index].has_begun()) {
                self.outlet.end(index);
            }
        }
        self.outlet.note(Note::Known(self.id));
    }
}
