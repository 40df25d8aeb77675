//! The recorder itself: two inputs, a gate in front of the first file, and files one after another.
//!
//! What comes is put down at its input, which costs the bringer nothing, and one thread, the *writer*, takes it from there.
//! It waits until it is known which tracks there are (at once if both have come, or one has come and the other has ended
//! or is not linked; after `track_timeout_ms` otherwise). Then it opens a file with exactly these tracks. When a track
//! changes in a way that the container cannot hold, when one appears that the file was started without, or when a file is
//! long or large enough, it opens the next one; each track moves there on its own when its running time gets there.
//!
//! A second thread waits for the disk (closing, syncing), and one for each part brings it to a destination elsewhere. They
//! tell the writer by its desk; only the writer opens files, pushes into them and posts what became of them. No lock is held
//! meanwhile.

mod commands;
mod element;
mod ending;
mod input;
mod watch;
mod write;
mod writer;
mod written;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anabranch_graph::format::Medium;
use anabranch_kit::command::{Answer, CommandError, CommandErrorKind};
use anabranch_kit::message;
use anabranch_kit::params::ParamStore;
use glib::subclass::prelude::*;
use gst::prelude::*;
use gst::subclass::prelude::*;
use serde_json::{Value, json};

use super::container::Container;
use super::desk::Desk;
use super::destination::{self, Destination};
use super::disk::Disk;
use super::part::{MEDIA, Part, Plan};
use super::pauses::Pauses;
use super::track::{Accepted, Item, Track};
use super::upload::{News, Upload};
use super::{Behind, Params, SUMMARY};
use crate::file_target as target;
use crate::pads;
use crate::player::location::without_password;
use anabranch_kit::caps::format_of;
use written::Written;

/// How much media rings for the writer: threads that wake each other for every packet would cost more than the writing. In
/// real time the writer looks more often than that by itself; this is for films that come faster.
const BATCH: Duration = Duration::from_millis(500);
/// How much of a track is written before the other one has its turn.
const TURN: Duration = Duration::from_millis(250);
/// The same in bytes.
const BATCH_BYTES: usize = 1 << 20;

/// Where a recording is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// It is not yet known which tracks there are.
    #[default]
    Waiting,
    /// Packets are written.
    Running,
    /// All is written, or nothing will be.
    Done,
    /// It failed, and has said so.
    Failed,
}

/// An error that is told when all files have been closed.
#[derive(Clone, Debug)]
struct Trouble {
    kind: gst::ResourceError,
    text: String,
}

#[derive(Default)]
struct State {
    phase: Phase,
    tracks: [Track; 2],
    pauses: Pauses,
    /// The newest file.
    current: Option<Arc<Part>>,
    /// All files that are not yet finished.
    parts: Vec<Arc<Part>>,
    /// Parts that are being closed, by number.
    closing: Vec<u32>,
    /// Those of them that go elsewhere.
    uploads: Vec<(u32, Upload)>,
    /// How many files were opened.
    opened: u32,
    /// What the finished ones hold.
    parts_done: u64,
    bytes_done: u64,
    seconds_done: f64,
    /// The next file is to be begun.
    split: bool,
    /// It was told to stop.
    stopped: bool,
    /// What ends the recording.
    trouble: Option<Trouble>,
    /// Who waits for the end.
    stops: Vec<Answer>,
    /// When the first packet came.
    first: Option<Instant>,
    /// When it was last said that packets are thrown away.
    told: Option<Instant>,
    /// How many were thrown away because the disk did not keep up.
    dropped: u64,
}

/// The element `abrecorder`.
#[derive(Default)]
pub struct Recorder {
    params: ParamStore<Params>,
    container: Mutex<Option<Container>>,
    state: Mutex<State>,
    /// There is room again for what comes.
    room: Condvar,
    failed: AtomicBool,
    desk: Arc<Desk>,
    writer: Mutex<Option<JoinHandle<()>>>,
    disk: Mutex<Option<Arc<Disk>>>,
    /// What this element and those before it in this run have written.
    written: Written,
    /// The two inputs, looked up for each packet.
    inputs: OnceLock<[gst::Pad; 2]>,
}

#[glib::object_subclass]
impl ObjectSubclass for Recorder {
    const NAME: &'static str = "AbRecorder";
    type Type = super::Recorder;
    type ParentType = gst::Bin;
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Recorder {
    fn container(&self) -> Container {
        lock(&self.container).unwrap_or(Container::Mkv)
    }

    /// Whether the profile has a place for that input's medium.
    fn takes(&self, index: usize) -> bool {
        self.params.with(|p| p.profile).takes(self.container(), MEDIUM[index])
    }

    fn stats(&self) -> gst::Structure {
        let state = lock(&self.state);
        let open = |number: &dyn Fn(&Part) -> f64| state.parts.iter().map(|part| number(part)).sum::<f64>();
        gst::Structure::builder("stats")
            .field("parts", state.parts_done + state.parts.len() as u64)
            .field("bytes", state.bytes_done + open(&|part| part.bytes() as f64) as u64)
            .field("seconds", state.seconds_done + open(&Part::seconds))
            .field(
                "waiting-bytes",
                state.tracks.iter().map(|t| (t.pending_bytes + t.queued) as u64).sum::<u64>(),
            )
            .field("uploading", state.uploads.len() as u64)
            .field("frames-dropped", state.dropped)
            .build()
    }

    fn linked(&self) -> [bool; 2] {
        let linked = |index: usize| {
            self.takes(index) && self.inputs.get().is_some_and(|inputs| inputs[index].is_linked())
        };
        [linked(0), linked(1)]
    }

    /// Posts one error, and no second one; what comes later is refused.
    fn fail(&self, kind: gst::ResourceError, text: &str, debug: Option<&str>) {
        self.fail_by(text, || {
            let message =
                gst::message::Error::builder(kind, text).debug_if_some(debug).src(&*self.obj()).build();
            self.parent_handle_message(message);
        });
    }

    /// The same for an error that `post` has. It goes first: whoever is refused tells of that, which would hide why.
    fn fail_by(&self, text: &str, post: impl FnOnce()) {
        if self.failed.swap(true, Ordering::AcqRel) {
            return;
        }
        post();
        let stops = {
            let mut state = lock(&self.state);
            state.phase = Phase::Failed;
            std::mem::take(&mut state.stops)
        };
        self.room.notify_all();
        for stop in stops {
            stop.send(Err(CommandError::new(CommandErrorKind::Failed, "recording-failed", text)));
        }
    }

    fn chain(
        &self,
        index: usize,
        pad: &gst::Pad,
        buffer: gst::Buffer,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        if !self.takes(index) {
            return Ok(gst::FlowSuccess::Ok);
        }
        let (limit, behind) = self.params.with(|p| ((p.backlog_mb as usize) << 20, p.when_behind));
        let mut state = lock(&self.state);
        let mut told = None;
        loop {
            match state.phase {
                Phase::Failed => return Err(gst::FlowError::Error),
                Phase::Done => return Err(gst::FlowError::Eos),
                _ if state.tracks[index].ended => return Err(gst::FlowError::Eos),
                _ => {}
            }
            let track = &state.tracks[index];
            let waiting = track.pending_bytes + track.queued;
            if behind == Behind::Drop {
                told = state.drop_or_not(index, &buffer, waiting, limit);
                break;
            }
            if waiting <= limit || state.phase == Phase::Waiting && waiting <= limit * 2 {
                break;
            }
            self.desk.ring();
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let accepted = if state.tracks[index].dropping.is_some() {
            Accepted::Left
        } else {
            state.accept(index, buffer)?
        };
        let track = &state.tracks[index];
        let ring = accepted == Accepted::Taken
            && (state.phase == Phase::Waiting || track.pending_bytes >= BATCH_BYTES || track.lead() >= BATCH);
        drop(state);
        if let Some(count) = told {
            self.tell_drops(index, count);
        }
        if accepted == Accepted::LeftAndAsk {
            self.ask_for_key_frame(pad);
        }
        if ring {
            self.desk.ring();
        }
        Ok(gst::FlowSuccess::Ok)
    }

    fn tell_drops(&self, index: usize, count: u64) {
        let data = json!({
            "medium": MEDIA[index], "count": count,
            "reason": "The disk does not keep up: what comes is left out up to the next key frame."
        });
        message::post(&*self.obj(), "frames-dropped", data);
    }

    fn ask_for_key_frame(&self, pad: &gst::Pad) {
        pad.push_event(gst_video::UpstreamForceKeyUnitEvent::builder().all_headers(true).build());
    }

    fn reset(&self) {
        let (parts, uploads) = {
            let mut state = lock(&self.state);
            let old = std::mem::take(&mut *state);
            (old.parts, old.uploads)
        };
        for part in &parts {
            part.close(&*self.obj());
        }
        for (number, upload) in uploads {
            drop(upload);
            let Some(part) = parts.iter().find(|part| part.plan.number == number) else { continue };
            let data = json!({
                "location": without_password(&part.plan.location), "file": part.plan.file,
                "reason": "The recorder was stopped before all had arrived.",
            });
            message::post(&*self.obj(), "recording-kept", data);
        }
        self.failed.store(false, Ordering::Release);
    }
}

impl State {
    fn accept(&mut self, index: usize, buffer: gst::Buffer) -> Result<Accepted, gst::FlowError> {
        let caps = self.tracks[index].caps.clone().ok_or(gst::FlowError::NotNegotiated)?;
        let end = self.tracks.iter().filter_map(|track| track.newest).max();
        let video_leads = self.tracks[0].caps.is_some() && !self.tracks[0].ended;
        let leads = (index == 0) == video_leads;
        let accepted = self.tracks[index].accept(buffer, caps, &mut self.pauses, (leads, end));
        if accepted == Accepted::Taken {
            self.first.get_or_insert_with(Instant::now);
        }
        Ok(accepted)
    }

    /// Throws away what comes while too much waits: how many it were since that was last told, when it is to be told.
    fn drop_or_not(
        &mut self,
        index: usize,
        buffer: &gst::Buffer,
        waiting: usize,
        limit: usize,
    ) -> Option<u64> {
        let track = &mut self.tracks[index];
        let is_key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        match &mut track.dropping {
            None if waiting <= limit => None,
            None => {
                track.dropping = Some(0);
                self.dropped += 1;
                self.told = Some(Instant::now());
                Some(1)
            }
            Some(count) if is_key && waiting <= limit / 2 => {
                let count = *count;
                track.dropping = None;
                (count > 0).then_some(count)
            }
            Some(count) => {
                *count += 1;
                self.dropped += 1;
                let due = self.told.is_none_or(|told| told.elapsed() >= Duration::from_secs(1));
                due.then(|| {
                    self.told = Some(Instant::now());
                    std::mem::take(count)
                })
            }
        }
    }
}

/// The media of the two inputs.
const MEDIUM: [Medium; 2] = [Medium::Video, Medium::Audio];
