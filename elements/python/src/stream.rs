//! What the streaming thread does with each frame.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use anabranch_kit::analyzer::Mode;
use anabranch_kit::regions::{self, Region};
use anabranch_kit::results::{self, Detection};
use anabranch_kit::track::{TrackOptions, Tracker};
use gst_video::{VideoFrameRef, VideoInfo};
use serde_json::{Value, json};

use crate::element::Params;
use crate::pictures::Pictures;
use crate::ring::Ring;
use crate::stage::{Look, Ready, Stage, Taken};

/// How long the first frame waits for the worker to load its file.
const START_LIMIT: Duration = Duration::from_secs(20);
/// A film that is worked on faster than real time may leave the worker behind: from this much of the film on, frames
/// wait for it, for `PATIENCE` at most. Video in real time never waits.
const BEHIND: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_millis(100);
/// Frames that answers may still come for: more than a filter takes at a time.
const MOST_KNOWN: usize = 64;

/// What there is to tell: names and data of messages.
pub type Messages = Vec<(String, Value)>;

/// A stream of pictures of one size and format.
pub struct Stream {
    info: VideoInfo,
    /// What the worker is given, and for which worker it was made.
    given: Option<Given>,
    tracker: Tracker,
    /// Regions that the filter follows itself, and when they were found.
    own: Option<(Duration, Vec<Region>)>,
    scalars: BTreeMap<String, f64>,
    /// Events that belong to the next frame.
    events: Vec<(String, Value)>,
    frames: u64,
    seq: u64,
    since_look: u32,
    last_look: Option<gst::ClockTime>,
    known: VecDeque<(u64, Duration)>,
    is_settled: bool,
}

/// The shared memory that one worker knows, and how pictures get into it.
struct Given {
    generation: u64,
    size: u32,
    pictures: Pictures,
    ring: Arc<Ring>,
    is_told: bool,
}

impl Stream {
    /// For pictures like these.
    pub fn new(info: VideoInfo) -> Self {
        Stream {
            info,
            given: None,
            tracker: Tracker::default(),
            own: None,
            scalars: BTreeMap::new(),
            events: Vec::new(),
            frames: 0,
            seq: 0,
            since_look: u32::MAX,
            last_look: None,
            known: VecDeque::new(),
            is_settled: false,
        }
    }

    /// Pictures look otherwise from now on; the rest is kept.
    pub fn set_info(&mut self, info: VideoInfo) {
        self.info = info;
        self.given = None;
    }

    /// Shows a frame to the filter if its turn has come, and puts on it what is known.
    ///
    /// # Errors
    ///
    /// The filter will never work: its parameters are wrong, or its pictures cannot be made.
    pub fn frame(
        &mut self,
        stage: &Stage,
        params: &Params,
        buffer: &mut gst::Buffer,
    ) -> Result<Messages, String> {
        let mut messages = Vec::new();
        if !self.is_settled {
            self.is_settled = true;
            stage.settle(START_LIMIT)?;
        }
        let time = buffer.pts().unwrap_or_default();
        let number = self.frames;
        self.frames += 1;
        self.since_look = self.since_look.saturating_add(1);
        let is_inline = params.mode == Mode::Inline;
        self.tracker.set_exact(is_inline);
        let hold = Duration::from_millis(params.hold_ms.into());
        self.tracker.set_options(TrackOptions { threshold: 0.0, hold });
        if !is_inline && self.is_left_behind(stage, time) {
            stage.await_free(PATIENCE);
        }
        for taken in stage.take_answers() {
            self.take_in(stage, params, taken);
        }
        if self.is_due(stage, params, time)
            && let Some(ready) = stage.free()
            && let Some(slot) = self.look(stage, &ready, params, buffer, time, number)?
        {
            self.since_look = 0;
            self.last_look = Some(time);
            if is_inline {
                self.wait(stage, params, slot, buffer, &mut messages)?;
            }
        }
        self.dress(buffer, time, hold);
        Ok(messages)
    }

    fn is_due(&self, stage: &Stage, params: &Params, time: gst::ClockTime) -> bool {
        if params.mode != Mode::Latest {
            return self.since_look >= params.every.max(1);
        }
        let rate = if params.rate > 0.0 { params.rate } else { stage.rate() };
        let Some(last) = self.last_look.filter(|_| rate > 0.0) else { return true };
        // A hair early is in time: frame times are rounded.
        let pause = gst::ClockTime::from_seconds_f64((1.0 / rate - 0.002).max(0.0));
        time < last || time >= last + pause
    }

    /// Whether pictures come clearly faster than real time, and the worker's answer is late for that.
    fn is_left_behind(&self, stage: &Stage, time: gst::ClockTime) -> bool {
        let (Some(since), Some(last)) = (stage.busy_since(), self.last_look) else { return false };
        let film = Duration::from(time.saturating_sub(last));
        film >= BEHIND && since.elapsed() < film * 3 / 4
    }

    /// Hands a frame over; the slot's number, if the worker took it.
    fn look(
        &mut self,
        stage: &Stage,
        ready: &Ready,
        params: &Params,
        buffer: &gst::BufferRef,
        time: gst::ClockTime,
        number: u64,
    ) -> Result<Option<usize>, String> {
        let given = match self.given.take() {
            Some(given) if given.generation == ready.generation && given.size == params.size => given,
            _ => Given::new(&self.info, ready, params.size)?,
        };
        let given = self.given.insert(given);
        self.seq += 1;
        let slot = (self.seq as usize) % given.ring.slots();
        let frame = VideoFrameRef::from_buffer_ref_readable(buffer, &self.info)
            .map_err(|_| "a frame cannot be mapped for reading")?;
        given.pictures.fill(&frame, given.ring.slot(slot))?;
        let wanted = given.pictures.wanted();
        let mut message = json!({
            "op": "frame", "seq": self.seq, "slot": slot, "format": ready.declared.format,
            "width": wanted.width(), "height": wanted.height(), "stride": wanted.stride()[0],
            "pts": time.nseconds(), "number": number, "full": [self.info.width(), self.info.height()],
        });
        let upstream = regions::read(buffer, self.info.width(), self.info.height());
        if !upstream.is_empty() {
            message["detections"] = upstream.iter().map(|r| json!(Detection::from(r))).collect();
        }
        let ring = (!given.is_told).then(|| given.ring.clone());
        let look = Look { generation: ready.generation, seq: self.seq, message, ring };
        if !stage.hand_over(&look) {
            self.given = None;
            return Ok(None);
        }
        given.is_told = true;
        self.known.push_back((self.seq, time.into()));
        if self.known.len() > MOST_KNOWN {
            self.known.pop_front();
        }
        Ok(Some(slot))
    }

    /// The frame waits for its own answer.
    fn wait(
        &mut self,
        stage: &Stage,
        params: &Params,
        slot: usize,
        buffer: &mut gst::Buffer,
        messages: &mut Messages,
    ) -> Result<(), String> {
        let budget = (params.budget_ms > 0).then(|| Duration::from_millis(params.budget_ms.into()));
        let Some(taken) = stage.await_answer(self.seq, budget) else {
            let detail = format!("a frame waited for it longer than {} ms", params.budget_ms);
            let told = stage.note_late(Some(detail));
            messages.extend(told.map(|data| ("filter-trouble".to_owned(), data)));
            return Ok(());
        };
        let is_changed = taken.answer.as_ref().is_some_and(|answer| answer.picture);
        let is_taken = self.take_in(stage, params, taken);
        if let Some(given) = self.given.as_mut().filter(|_| is_changed && is_taken) {
            // Copies only if somebody else holds the buffer too.
            let mut frame = VideoFrameRef::from_buffer_ref_writable(buffer.make_mut(), &self.info)
                .map_err(|_| "a frame cannot be mapped for writing")?;
            given.pictures.take_back(given.ring.slot(slot), &mut frame)?;
        }
        Ok(())
    }

    /// Takes in an answer; `false` if it is thrown away.
    fn take_in(&mut self, stage: &Stage, params: &Params, taken: Taken) -> bool {
        let Some(answer) = taken.answer else { return true };
        if params.deadline_ms > 0 && taken.took > Duration::from_millis(params.deadline_ms.into()) {
            stage.note_late(None);
            return false;
        }
        for one in answer.results {
            let Some(at) = self.known.iter().position(|(seq, _)| *seq == one.seq) else { continue };
            let (_, time) = self.known[at];
            let (found, is_own) = one.regions();
            if is_own {
                self.own = Some((time, found));
            } else {
                self.own = None;
                self.tracker.update(time, &found);
            }
            self.scalars.extend(one.scalars);
            self.events.extend(one.events.into_iter().map(|event| (event.name, event.data)));
        }
        true
    }

    /// Puts what is known on a frame.
    fn dress(&mut self, buffer: &mut gst::Buffer, time: gst::ClockTime, hold: Duration) {
        let now = Duration::from(time);
        let followed;
        let found: &[Region] = match &self.own {
            Some((at, own)) if now.abs_diff(*at) <= hold => own,
            Some(_) => &[],
            None => {
                followed = self.tracker.regions(now);
                &followed
            }
        };
        let events = std::mem::take(&mut self.events);
        if found.is_empty() && events.is_empty() && self.scalars.is_empty() {
            return;
        }
        // Adds metadata only: the pictures themselves are not copied even if somebody else holds the buffer.
        let buffer = buffer.make_mut();
        for region in found {
            regions::attach(buffer, region, self.info.width(), self.info.height());
        }
        results::attach(buffer, &self.scalars, &events);
    }

    /// How many frames there were, and the filter's own numbers.
    pub fn counts(&self) -> (u64, &BTreeMap<String, f64>) {
        (self.frames, &self.scalars)
    }
}

impl Given {
    fn new(info: &VideoInfo, ready: &Ready, size: u32) -> Result<Self, String> {
        let format = ready.declared.pixels().ok_or("it wants pictures of no known format")?;
        let longest = if size > 0 { size } else { ready.declared.size };
        let pictures = Pictures::new(info, format, longest as usize)?;
        let slots = ready.declared.slots.clamp(3, MOST_KNOWN);
        let ring = Ring::new(slots, pictures.wanted().size())
            .map_err(|error| format!("there is no memory for its frames: {error}"))?;
        Ok(Given { generation: ready.generation, size, pictures, ring: Arc::new(ring), is_told: false })
    }
}
