//! The player's control thread: alone it opens, holds, seeks and closes sessions. Commands, the pipeline's state and what
//! sessions say reach it as notes, one after the other.

mod commands;

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anabranch_kit::command::Answer;
use anabranch_kit::message;
use gst::prelude::*;
use serde_json::{Value, json};

use super::location::Kind;
use super::note::{Failure, Note};
use super::outlet::Outlet;
use super::retry;
use super::session::Session;
use super::source::Source;
use super::timeline::Rhythm;

/// How often it looks whether all is well.
const LOOK: Duration = Duration::from_millis(250);

/// A file that brings nothing for so long, and on which nothing works, is damaged. Less would be too little for a busy
/// machine or a slow disk, which may take a second to open it.
const DAMAGED_AFTER: Duration = Duration::from_secs(3);

/// How long a camera may take until its first media come.
const FIRST_MEDIA_LIMIT: Duration = Duration::from_secs(10);

/// How long a camera that announced a stream may take to send it, once the other one flows.
const STREAM_LIMIT: Duration = Duration::from_secs(5);

/// What a player does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Nothing is open.
    #[default]
    Stopped,
    /// Media come, or the player waits for a source that is away.
    Playing,
    /// It holds where it is.
    Paused,
    /// It is over.
    Ended,
}

impl State {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            State::Stopped => "stopped",
            State::Playing => "playing",
            State::Paused => "paused",
            State::Ended => "ended",
        }
    }
}

/// What is settled when the player starts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What is read, and how.
    pub source: Source,
    /// How time goes.
    pub rhythm: Rhythm,
    /// It starts by itself.
    pub autoplay: bool,
    /// Again at the end.
    pub repeat: bool,
    /// Its end is not passed on.
    pub keep_open: bool,
    /// Where it starts.
    pub start: gst::ClockTime,
    /// A source that goes away is waited for.
    pub reconnect: bool,
    /// After how long without media a camera is away.
    pub silence: Duration,
    /// The output goes on while the source is away.
    pub fills: bool,
}

/// What others may look at.
#[derive(Default)]
pub struct Status {
    /// What the player does.
    pub state: State,
    /// The session, while there is one.
    pub session: Option<Arc<Session>>,
    /// The source is away.
    pub away: bool,
    /// How often the source was away.
    pub absences: u64,
}

/// The source is away.
struct Away {
    since: Instant,
    attempt: u32,
    /// When to look next; none while a look or an attempt is under way.
    next: Option<Instant>,
}

/// The control thread's own.
pub struct Control {
    pub player: glib::WeakRef<super::Player>,
    pub outlet: Arc<Outlet>,
    pub status: Arc<Mutex<Status>>,
    pub settings: Settings,
    pub notes: Receiver<Note>,
    pub session: Option<Arc<Session>>,
    pub state: State,
    away: Option<Away>,
    /// The pipeline has played.
    played: bool,
    /// Seeks that came before the streams were known.
    seeks: Vec<(gst::ClockTime, Answer)>,
    /// This session has been told to go to its start.
    started: bool,
}

impl Control {
    /// Of this player.
    pub fn new(
        player: &super::Player,
        outlet: Arc<Outlet>,
        status: Arc<Mutex<Status>>,
        settings: Settings,
        notes: Receiver<Note>,
    ) -> Self {
        Control {
            player: player.downgrade(),
            outlet,
            status,
            settings,
            notes,
            session: None,
            state: State::Stopped,
            away: None,
            played: false,
            seeks: Vec::new(),
            started: false,
        }
    }

    /// Runs until it is told to quit.
    pub fn run(mut self) {
        if self.settings.autoplay {
            self.enter(State::Playing);
            if !self.is_live() {
                self.open();
            }
        }
        loop {
            match self.notes.recv_timeout(self.patience()) {
                Ok(Note::Quit) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(note) => self.hear(note),
                Err(RecvTimeoutError::Timeout) => self.look(),
            }
        }
        self.close();
        self.with_status(|status| *status = Status::default());
    }

    fn is_live(&self) -> bool {
        self.settings.rhythm == Rhythm::Live
    }

    fn patience(&self) -> Duration {
        let next = self.away.as_ref().and_then(|away| away.next);
        let quiet = !self.is_live()
            && self.away.is_none()
            && self.session.as_ref().is_none_or(|session| session.is_complete());
        match next {
            Some(next) => next.saturating_duration_since(Instant::now()).min(LOOK),
            None if quiet => Duration::from_secs(3600),
            None => LOOK,
        }
    }

    fn with_status<R>(&self, change: impl FnOnce(&mut Status) -> R) -> R {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn post(&self, name: &str, data: Value) {
        if let Some(player) = self.player.upgrade() {
            message::post(&player, name, data);
        }
    }

    fn enter(&mut self, state: State) {
        let fills = self.settings.fills && state == State::Playing;
        self.outlet.change(|flow| flow.fills = fills);
        if std::mem::replace(&mut self.state, state) != state {
            self.with_status(|status| status.state = state);
            self.post("player-state", json!({"state": state.name()}));
        }
    }

    fn hear(&mut self, note: Note) {
        let own = |id: u64| self.session.as_ref().is_some_and(|session| session.id == id);
        match note {
            Note::Command { name, arguments, answer } => self.command(&name, &arguments, answer),
            Note::Playing => self.play_begins(),
            Note::Paused | Note::Quit => {}
            Note::Ended(id) if own(id) => self.ended(),
            Note::Failed(id, failure) if own(id) => self.failed(failure),
            Note::Known(id) if own(id) => self.known(),
            Note::Back(id) if own(id) => self.back(),
            Note::Probed(attempt, listens) => self.probed(attempt, listens),
            _ => {}
        }
        self.look();
    }

    /// The pipeline plays: now a live source's times mean something.
    fn play_begins(&mut self) {
        let again = std::mem::replace(&mut self.played, true);
        if self.is_live() && self.state == State::Playing {
            if again {
                // The base time has moved.
                self.close();
            }
            self.open();
        }
    }

    /// Opens a session.
    fn open(&mut self) {
        let Some(player) = self.player.upgrade() else { return };
        self.close();
        let settings = &self.settings;
        let live = self.is_live();
        let known = self.outlet.with(|flow| flow.tracks.iter().any(|t| t.buffers > 0));
        let recoverable = settings.reconnect && (self.away.is_some() || live && (settings.fills || known));
        let seeks = settings.start > gst::ClockTime::ZERO && !live;
        let passes_end = !settings.repeat && !settings.keep_open && !live;
        let id = self.outlet.change(|flow| {
            flow.loses = live;
            flow.passes_end = passes_end;
            let id = flow.new_session();
            for track in &mut flow.tracks {
                track.seeking = seeks;
            }
            id
        });
        self.outlet.keep_times();
        self.started = !seeks;
        match Session::open(id, &self.settings.source, &self.outlet, &player, recoverable) {
            Ok(session) => {
                self.with_status(|status| status.session = Some(session.clone()));
                self.session = Some(session);
            }
            Err(error) => {
                player.post_error_message(error);
                self.enter(State::Stopped);
            }
        }
    }

    /// Closes the session; what it still sends is refused.
    fn close(&mut self) {
        self.outlet.change(|flow| flow.session += 1);
        self.with_status(|status| status.session = None);
        if let Some(session) = self.session.take() {
            session.close();
        }
        for (_, answer) in self.seeks.drain(..) {
            answer.send(Err(commands::stopped()));
        }
    }

    fn known(&mut self) {
        let Some(session) = self.session.clone() else { return };
        if !std::mem::replace(&mut self.started, true) {
            self.seek_to_start(&session);
        }
        if self.is_live() {
            session.recoverable.store(self.settings.reconnect, Ordering::Release);
        } else if self.settings.reconnect && self.settings.source.kind != Kind::File {
            // A broadcast by HLS or HTTP: nobody knows its end.
            let broadcast = session.duration().is_none() && !session.is_seekable();
            session.recoverable.store(broadcast, Ordering::Release);
        }
        // Only the last of several counts.
        let mut seeks = std::mem::take(&mut self.seeks);
        if let Some((position, answer)) = seeks.pop() {
            let done = self.seek(&session, position);
            for (_, earlier) in seeks {
                earlier.send(done.clone());
            }
            answer.send(done);
        }
    }

    /// Goes to the position that the description asks for.
    fn seek_to_start(&mut self, session: &Session) {
        let start = self.settings.start;
        let location = &self.settings.source.location;
        let seconds = start.nseconds() as f64 / 1e9;
        if let Some(length) = session.duration().filter(|length| start >= *length) {
            session.fail(Failure::resource(
                gst::ResourceError::Seek,
                format!(
                    "`start` is {seconds} s, but '{location}' is only {:.3} s long: choose an earlier start.",
                    length.seconds_f64()
                ),
            ));
        } else if !session.seek(start) {
            session.fail(Failure::resource(
                gst::ResourceError::Seek,
                format!("'{location}' cannot start at {seconds} s because its source cannot seek."),
            ));
        }
    }

    fn ended(&mut self) {
        let Some(session) = self.session.clone() else { return };
        if self.settings.repeat {
            return self.next_round(&session);
        }
        let endless = self.is_live() && !session.is_seekable();
        if endless && self.settings.reconnect && !self.outlet.with(|flow| flow.is_over()) {
            let location = &self.settings.source.location;
            return self.go_away(format!("'{location}' has stopped sending."));
        }
        self.close();
        self.enter(State::Ended);
        if !self.settings.keep_open {
            for index in 0..2 {
                self.outlet.end(index);
            }
        }
    }

    /// Starts the medium again, where it ended in running time.
    fn next_round(&mut self, session: &Session) {
        let moved = self.outlet.change(|flow| {
            let begun = flow.timeline.shift().is_some();
            flow.rounds += u64::from(begun);
            begun
        });
        let location = &self.settings.source.location;
        if !moved {
            let text = format!("'{location}' cannot be repeated: there was no media in it.");
            session.fail(Failure::stream(gst::StreamError::Failed, text));
        } else if !session.seek(self.settings.start) {
            session.fail(Failure::resource(
                gst::ResourceError::Seek,
                format!(
                    "'{location}' cannot be repeated because its source cannot go back: save it as a file first."
                ),
            ));
        }
    }

    fn failed(&mut self, failure: Failure) {
        let recoverable =
            self.session.as_ref().is_some_and(|session| session.recoverable.load(Ordering::Acquire));
        if recoverable && !self.outlet.with(|flow| flow.is_over()) {
            return self.go_away(failure.text);
        }
        // The session has posted the error.
        self.close();
        self.enter(State::Stopped);
    }

    /// The source is away, or still away.
    fn go_away(&mut self, reason: String) {
        self.close();
        if let Some(away) = &mut self.away {
            // Somebody listened, or there would have been no session.
            away.next = Some(Instant::now() + retry::pause(away.attempt, true));
            away.attempt += 1;
            return;
        }
        self.away = Some(Away { since: Instant::now(), attempt: 0, next: Some(Instant::now()) });
        self.outlet.change(|flow| flow.away = true);
        self.with_status(|status| {
            status.away = true;
            status.absences += 1;
        });
        self.post("source-away", json!({"reason": reason}));
    }

    fn back(&mut self) {
        let Some(away) = self.away.take() else { return };
        self.with_status(|status| status.away = false);
        if let Some(session) = &self.session {
            session.recoverable.store(true, Ordering::Release);
        }
        self.post("source-back", json!({"away_ms": away.since.elapsed().as_millis() as u64}));
    }

    fn probed(&mut self, attempt: u64, listens: bool) {
        let waiting = self.state == State::Playing || self.state == State::Paused;
        let Some(away) = self.away.as_mut().filter(|away| u64::from(away.attempt) == attempt && waiting)
        else {
            return;
        };
        if listens {
            self.open();
        } else {
            away.next = Some(Instant::now() + retry::pause(away.attempt, false));
            away.attempt += 1;
        }
    }

    /// Looks whether something is due.
    fn look(&mut self) {
        if let Some(away) = &mut self.away
            && away.next.is_some_and(|next| next <= Instant::now())
        {
            away.next = None;
            let attempt = u64::from(away.attempt);
            let (outlet, location) = (self.outlet.clone(), self.settings.source.location.clone());
            let looks = std::thread::Builder::new()
                .name("player-look".into())
                .spawn(move || outlet.note(Note::Probed(attempt, retry::listens(&location))));
            if looks.is_err() {
                self.probed(attempt, true);
            }
        }
        let Some(session) = self.session.clone() else { return };
        if self.is_live() {
            self.look_at_camera(&session);
        } else if !session.is_complete()
            && session.begun.elapsed() > DAMAGED_AFTER
            && !matches!(self.settings.source.kind, Kind::Playlist(_))
            && !session.works()
        {
            // parsebin loses the error of a demuxer that gives up while it is being started.
            let text =
                format!("'{}' is damaged: its streams could not be read.", self.settings.source.location);
            session.fail(Failure::stream(gst::StreamError::Demux, text));
        }
    }

    fn look_at_camera(&mut self, session: &Session) {
        if self.outlet.with(|flow| flow.is_over()) {
            self.close();
            return self.enter(State::Ended);
        }
        let location = &self.settings.source.location;
        let seen = self.outlet.with(|flow| flow.tracks.iter().filter_map(|t| t.seen).max());
        // A recording on the server stands still while it is paused.
        if self.state != State::Playing && !self.outlet.with(|flow| flow.loses) {
            return;
        }
        if seen.is_some() && self.settings.reconnect {
            // It has been there, so it may come back.
            session.recoverable.store(true, Ordering::Release);
        }
        match seen {
            Some(seen) if seen.elapsed() > self.settings.silence => {
                session.fail(Failure::resource(
                    gst::ResourceError::Read,
                    format!("'{location}' has sent nothing for {:.1} s.", seen.elapsed().as_secs_f64()),
                ));
            }
            None if session.begun.elapsed() > FIRST_MEDIA_LIMIT => session.fail(Failure::resource(
                gst::ResourceError::Read,
                format!(
                    "'{location}' answers, but its media do not arrive: is UDP blocked on the way? Try `protocols: tcp`."
                ),
            )),
            Some(_) if session.begun.elapsed() > STREAM_LIMIT && !session.is_complete() => {
                session.no_more_streams();
            }
            _ => {}
        }
    }
}
