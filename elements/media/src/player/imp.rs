//! What GObject and GStreamer call: properties, commands, pads and states.

use std::sync::mpsc::channel;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anabranch_kit::command::{self, Answer, CommandError, CommandErrorKind};
use anabranch_kit::endpoint::stats as streams;
use anabranch_kit::message;
use anabranch_kit::params::ParamStore;
use glib::subclass::Signal;
use glib::subclass::prelude::*;
use gst::prelude::*;
use gst::subclass::prelude::*;
use serde_json::{Value, json};

use super::control::{Control, Settings, Status};
use super::fill::{self, Slate};
use super::flow::{Flow, nanos};
use super::location::{Kind, Location};
use super::note::{Failure, Note};
use super::outlet::Outlet;
use super::source::Source;
use super::timeline::Rhythm;
use super::{MEDIA, Params, SUMMARY, WhileAway};
use crate::pads;

/// The element `abplayer`.
#[derive(Default)]
pub struct Player {
    params: ParamStore<Params>,
    /// The way out; made with the pads.
    outlet: OnceLock<Arc<Outlet>>,
    status: Arc<Mutex<Status>>,
    started: Mutex<Started>,
    /// An error was posted: it is said once.
    failed: Mutex<bool>,
}

/// What runs between NULL and NULL.
#[derive(Default)]
struct Started {
    location: Option<Location>,
    slate: Option<Slate>,
    rhythm: Rhythm,
    threads: Vec<JoinHandle<()>>,
}

#[glib::object_subclass]
impl ObjectSubclass for Player {
    const NAME: &'static str = "AbPlayer";
    type Type = super::Player;
    type ParentType = gst::Element;
}

impl Player {
    fn started(&self) -> std::sync::MutexGuard<'_, Started> {
        self.started.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn outlet(&self) -> &Arc<Outlet> {
        self.outlet.get().expect("it is made when the element is constructed")
    }

    fn stats(&self) -> gst::Structure {
        let (state, session, away, absences) = {
            let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
            (status.state, status.session.clone(), status.away, status.absences)
        };
        let ms = |time: Option<gst::ClockTime>| time.map_or(0, |time| time.mseconds());
        let queued = session.as_ref().map_or(0, |s| s.streams().tracks.iter().filter(|t| t.queued).count());
        let (rounds, end) = self.outlet().with(|flow| (flow.rounds, flow.timeline.end()));
        let mut stats = gst::Structure::builder("stats")
            .field("state", state.name())
            .field("playing", u64::from(state == super::control::State::Playing))
            .field("position", ms(self.outlet().position()))
            .field("duration", ms(session.as_ref().and_then(|s| s.duration())))
            .field("seekable", u64::from(session.as_ref().is_some_and(|s| s.is_seekable())))
            .field("away", u64::from(away))
            .field("absences", absences)
            .field("rounds", rounds)
            .field("position-ms", ms(Some(super::flow::time(end))))
            .field("queued-tracks", queued as u64)
            .build();
        if let Some(rtpbin) = session.and_then(|session| session.rtp()) {
            streams::write(&mut stats, &streams::received_by(&rtpbin));
        }
        stats
    }

    fn command(&self, name: &str, arguments: Value, answer: Answer) {
        let running = !self.started().threads.is_empty();
        if running {
            self.outlet().note(Note::Command { name: name.to_owned(), arguments, answer });
        } else {
            answer.send(Err(CommandError::new(
                CommandErrorKind::Conflict,
                "not-started",
                "the player's pipeline does not run",
            )));
        }
    }

    /// Posts one error, and no second one.
    pub(super) fn fail(&self, failure: &Failure) {
        if std::mem::replace(&mut *self.failed.lock().unwrap_or_else(PoisonError::into_inner), true) {
            return;
        }
        let error = glib::Error::with_domain(failure.error.domain(), failure.code(), &failure.text);
        let message = gst::message::Error::builder_from_error(error)
            .debug_if_some((!failure.debug.is_empty()).then_some(failure.debug.as_str()))
            .src(&*self.obj())
            .build();
        let _ = self.obj().post_message(message);
    }

    /// Looks at the properties before anything runs.
    fn prepare(&self) -> Result<(), String> {
        let params = self.params.get();
        let location = Location::parse(&params.uri)?;
        if let Some(reason) = location.check()? {
            message::post(&*self.obj(), "file-incomplete", json!({"reason": reason}));
        }
        let live = location.kind() == Kind::Rtsp;
        let slate = match params.while_away {
            WhileAway::Slate if params.slate.is_empty() => {
                return Err("`while_away: slate` needs a picture: name it with `slate`.".into());
            }
            WhileAway::Slate => Some(Slate::read(&params.slate)?),
            _ => None,
        };
        let rhythm = match (live, params.pace.is_realtime()) {
            (true, _) => Rhythm::Live,
            (false, true) => Rhythm::Paced,
            (false, false) => Rhythm::Fastest,
        };
        let mut started = self.started();
        *started = Started { location: Some(location), slate, rhythm, threads: Vec::new() };
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = false;
        drop(started);
        self.outlet().change(|flow| {
            *flow = Flow::new(rhythm, live && params.while_away != WhileAway::Nothing);
        });
        Ok(())
    }

    /// Starts the threads.
    fn launch(&self) -> Result<(), gst::ErrorMessage> {
        let params = self.params.get();
        let (location, slate, rhythm) = {
            let started = self.started();
            (started.location.clone(), started.slate.clone(), started.rhythm)
        };
        let Some(location) = location else { return Ok(()) };
        let kind = location.kind();
        let fills = kind == Kind::Rtsp && params.while_away != WhileAway::Nothing;
        let settings = Settings {
            source: Source {
                kind,
                location,
                raw: params.while_away != WhileAway::Nothing,
                latency: params.latency,
                protocols: params.protocols,
            },
            rhythm,
            autoplay: params.autoplay,
            repeat: params.repeat,
            keep_open: params.keep_open,
            start: gst::ClockTime::from_seconds_f64(params.start),
            reconnect: params.reconnect,
            silence: Duration::from_millis(u64::from(params.silence_timeout_ms)),
            fills,
        };
        let (sender, notes) = channel();
        self.outlet().tell(Some(sender));
        self.outlet().change(|flow| {
            flow.open = true;
            flow.clock = Some(gst::SystemClock::obtain());
        });
        let player = self.obj().clone();
        let control = Control::new(&player, self.outlet().clone(), self.status.clone(), settings, notes);
        let failed =
            |_| gst::error_msg!(gst::CoreError::Thread, ("The system has no thread left for the player."));
        let thread =
            std::thread::Builder::new().name("player".into()).spawn(|| control.run()).map_err(failed)?;
        self.started().threads.push(thread);
        if fills {
            let thread = fill::start(self.outlet().clone(), slate).map_err(failed)?;
            self.started().threads.push(thread);
        }
        Ok(())
    }

    /// Ends the threads. The pads refuse media already.
    fn halt(&self) {
        self.outlet().note(Note::Quit);
        self.outlet().tell(None);
        let threads = std::mem::take(&mut self.started().threads);
        for thread in threads {
            // It cannot have panicked in a way that matters now.
            let _ = thread.join();
        }
        for index in 0..2 {
            let _ = self.outlet().pad(index).stop_task();
        }
    }

    fn index_of(pad: &gst::Pad) -> usize {
        usize::from(pad.name() == "src_audio")
    }

    fn upstream_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        let index = Self::index_of(pad);
        let passes = matches!(event.type_(), gst::EventType::Reconfigure | gst::EventType::CustomUpstream);
        let session = self.status.lock().unwrap_or_else(PoisonError::into_inner).session.clone();
        match session.filter(|_| passes) {
            Some(session) => session.send_upstream(index, event),
            None => false,
        }
    }

    fn query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        let session = self.status.lock().unwrap_or_else(PoisonError::into_inner).session.clone();
        match query.view_mut() {
            gst::QueryViewMut::Latency(latency) => {
                let live = self.started().rhythm == Rhythm::Live;
                let most = gst::ClockTime::from_mseconds(u64::from(self.params.with(|p| p.latency)));
                latency.set(live, if live { most } else { gst::ClockTime::ZERO }, gst::ClockTime::NONE);
                true
            }
            gst::QueryViewMut::Position(position) if position.format() == gst::Format::Time => {
                let at = self.outlet().position();
                position.set(at);
                at.is_some()
            }
            gst::QueryViewMut::Duration(duration) if duration.format() == gst::Format::Time => {
                let length = session.and_then(|s| s.duration());
                duration.set(length);
                length.is_some()
            }
            _ => gst::Pad::query_default(pad, Some(&*self.obj()), query),
        }
    }
}

impl ObjectImpl for Player {
    anabranch_kit::object_properties!(params: Params, stats: Player::stats);

    fn signals() -> &'static [Signal] {
        static SIGNALS: LazyLock<Vec<Signal>> = LazyLock::new(|| {
            vec![command::signal(|element: &super::Player, name, arguments, answer| {
                element.imp().command(name, arguments, answer);
            })]
        });
        &SIGNALS
    }

    fn constructed(&self) {
        self.parent_constructed();
        let element = self.obj();
        element.set_element_flags(gst::ElementFlags::SOURCE);
        let pads = MEDIA.map(|medium| {
            let template = element
                .pad_template(&format!("src_{medium}"))
                .expect("the class has templates of these names");
            gst::Pad::builder_from_template(&template)
                .event_function(|pad, parent, event| {
                    Self::catch_panic_pad_function(parent, || false, |imp| imp.upstream_event(pad, event))
                })
                .query_function(|pad, parent, query| {
                    Self::catch_panic_pad_function(parent, || false, |imp| imp.query(pad, query))
                })
                .build()
        });
        for pad in &pads {
            // The names are the class's own, so they are free.
            let _ = element.add_pad(pad);
        }
        let _ = self.outlet.set(Arc::new(Outlet::new(pads)));
    }
}

impl GstObjectImpl for Player {}

impl ElementImpl for Player {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Anabranch player",
                "Source/Audio/Video",
                SUMMARY,
                "The Anabranch developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            pads::templates(&[("src_video", gst::PadDirection::Src), ("src_audio", gst::PadDirection::Src)])
        });
        &TEMPLATES
    }

    /// An end that is sent to the element ends both tracks.
    fn send_event(&self, event: gst::Event) -> bool {
        if event.type_() != gst::EventType::Eos {
            return self.parent_send_event(event);
        }
        for index in 0..MEDIA.len() {
            self.outlet().end(index);
        }
        true
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        match transition {
            gst::StateChange::NullToReady => {
                if let Err(text) = self.prepare() {
                    self.fail(&Failure::resource(gst::ResourceError::OpenRead, text));
                    return Err(gst::StateChangeError);
                }
            }
            gst::StateChange::PausedToPlaying => {
                let element = self.obj();
                let (clock, base) = (element.clock(), element.base_time().map_or(0, nanos));
                self.outlet().change(|flow| flow.run(clock, base));
                self.outlet().note(Note::Playing);
            }
            gst::StateChange::PlayingToPaused => {
                self.outlet().change(|flow| flow.halt());
                self.outlet().note(Note::Paused);
            }
            gst::StateChange::PausedToReady => self.outlet().change(|flow| {
                flow.open = false;
                flow.session += 1;
            }),
            _ => {}
        }
        let result = self.parent_change_state(transition)?;
        match transition {
            gst::StateChange::ReadyToPaused => {
                if let Err(error) = self.launch() {
                    self.post_error_message(error);
                    return Err(gst::StateChangeError);
                }
            }
            gst::StateChange::PausedToReady => {
                self.halt();
                self.outlet().change(|flow| *flow = Flow::new(flow.rhythm, flow.keeps_last));
            }
            gst::StateChange::ReadyToNull => *self.started() = Started::default(),
            _ => {}
        }
        let waits = self.started().rhythm != Rhythm::Fastest;
        let stays = matches!(transition, gst::StateChange::ReadyToPaused | gst::StateChange::PlayingToPaused);
        Ok(if waits && stays { gst::StateChangeSuccess::NoPreroll } else { result })
    }
}
