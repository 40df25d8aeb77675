//! From what waits at the inputs to files: the gate in front of the first one, and the way from one to the next.

use super::*;
use crate::recorder::growing::MOST_STORED;

/// How much longer sound may be than pictures without being by itself, nanoseconds.
const OUTLASTS: i64 = 1_000_000_000;
/// How often a key frame is asked for with which the next file can begin.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// What came of writing what waits at an input.
#[derive(Debug, Default)]
pub(super) struct Drained {
    /// Something was taken from what waits.
    pub moved: bool,
    /// Something is held back, because the muxer has enough.
    pub held: bool,
}

impl Recorder {
    /// Opens the first file if it is known which tracks it has; `true` if it did.
    pub(super) fn start_if_ready(&self, out_of_patience: bool) -> Result<bool, gst::FlowError> {
        let linked = self.linked();
        let limit = self.params.with(|p| (p.backlog_mb as usize) << 20);
        let plan = {
            let mut state = lock(&self.state);
            if state.phase != Phase::Waiting {
                return Ok(false);
            }
            let has = |index: usize| state.tracks[index].first().is_some();
            let over = |index: usize| state.tracks[index].ended || !linked[index];
            if !has(0) && !has(1) {
                // Unlinked inputs are those of a recorder that is still being built.
                let came = (0..2).any(|index| state.tracks[index].ended);
                if came && over(0) && over(1) {
                    state.phase = Phase::Done;
                    drop(state);
                    self.nothing_came();
                }
                return Ok(false);
            }
            let missing = (0..2).any(|index| !has(index) && !over(index));
            let full = (0..2).any(|index| state.tracks[index].pending_bytes > limit);
            if missing && !full && !out_of_patience {
                return Ok(false);
            }
            self.plan(&state, None, "start")
        };
        self.open(plan).map(|()| true)
    }

    /// The next file. It begins with the packet that track `from` has next, or, if none is named, with the first that
    /// any track has.
    fn plan(&self, state: &State, from: Option<usize>, reason: &'static str) -> Plan {
        let container = self.container();
        let (location, spool) = self.params.with(|p| (p.location.clone(), p.spool.clone()));
        let number = self.written.next(&location, state.opened + 1);
        let mut caps = [None, None];
        let (mut start, mut offset) = (i64::MAX, i64::MAX);
        for (index, track) in state.tracks.iter().enumerate() {
            let next = match track.pending.front() {
                Some(Item::Packet { caps: c, pts, dts, .. }) => {
                    caps[index] = Some(c.clone());
                    Some((*pts, *dts))
                }
                _ => None,
            };
            let stays = track.lives(index) || track.homeless && !track.ended;
            if from.is_some() && caps[index].is_none() && stays {
                // It goes on in the new file with what it has now.
                caps[index] = track.caps.clone();
            }
            if let Some((pts, dts)) = next
                && from.is_none_or(|from| from == index)
                && let Some(time) = pts.or(dts)
            {
                start = start.min(time);
                // MP4 has decoding times and cannot hold negative ones.
                let zero = if container == Container::Mp4 { dts.unwrap_or(time).min(time) } else { time };
                offset = offset.min(zero);
            }
        }
        let location = target::part(&location, number);
        let (file, forward_only, remote) = match Destination::parse(&location) {
            Ok(Destination::File(file)) => (file, false, false),
            Ok(place) => {
                let file = destination::spool_file(&destination::spool_folder(&spool), &location);
                (file.to_string_lossy().into_owned(), place.is_forward_only(container), true)
            }
            // It was looked at when the element started.
            Err(_) => (location.clone(), false, false),
        };
        Plan { number, location, file, remote, forward_only, container, caps, start, offset, reason }
    }

    /// Opens a file, and tells.
    fn open(&self, plan: Plan) -> Result<(), gst::FlowError> {
        self.written.add(&plan.location);
        let opened = Part::open(&*self.obj(), plan).map_err(|error| self.fail_with(error));
        let Ok(part) = opened else { return Err(gst::FlowError::Error) };
        let part = Arc::new(part);
        let plan = &part.plan;
        let upload = Destination::parse(&plan.location).and_then(|place| {
            let options = self.params.with(|p| p.store_options.clone());
            let content = plan.container.content_type();
            Upload::start(&place, &options, part.file().clone(), content, (self.desk.clone(), plan.number))
        });
        let upload = match upload {
            Ok(upload) => upload,
            Err(text) => {
                part.close(&*self.obj());
                // Nothing has been written to it.
                let _ = std::fs::remove_file(&part.plan.file);
                self.fail(gst::ResourceError::Settings, &text, None);
                return Err(gst::FlowError::Error);
            }
        };
        if let Some(disk) = &*lock(&self.disk) {
            disk.keep(&part);
        }
        let (first, seconds, bytes) = {
            let mut state = lock(&self.state);
            state.tracks.iter_mut().for_each(|track| {
                track.homeless = false;
                track.asked = None;
            });
            if state.phase == Phase::Waiting {
                state.phase = Phase::Running;
            }
            let before = state.totals();
            state.opened = plan.number;
            state.split = false;
            state.current = Some(part.clone());
            state.parts.push(part.clone());
            let first = state.parts_done == 0 && state.parts.len() == 1;
            state.uploads.extend(upload.map(|upload| (plan.number, upload)));
            (first, before.0, before.1)
        };
        let location = without_password(&plan.location);
        if first {
            message::post(&*self.obj(), "recording-started", json!({"location": location}));
        }
        if plan.number > 1 {
            let data = json!({
                "location": location, "part": plan.number, "reason": plan.reason,
                "seconds": (seconds * 1000.0).round() / 1000.0, "bytes": bytes,
            });
            message::post(&*self.obj(), "recording-part", data);
        }
        Ok(())
    }

    /// A file could not be begun. The error is posted as it is: only GStreamer can read the sentence in it.
    fn fail_with(&self, error: gst::ErrorMessage) {
        self.fail_by("a file of the recording could not be begun", || self.post_error_message(error));
    }

    /// Writes what waits at an input, at most a batch, so that the other one keeps up.
    pub(super) fn drain(&self, index: usize) -> Result<Drained, gst::FlowError> {
        let mut drained = Drained::default();
        let mut batch: Option<Batch> = None;
        loop {
            let step = self.next_step(index);
            drained.moved |= !matches!(step, Step::Idle | Step::Hold | Step::Refuse(_));
            // Packets are written together, in front of whatever else comes.
            let goes_on = match (&step, &batch) {
                (Step::Write { part, .. }, Some(batch)) => Arc::ptr_eq(part, &batch.part),
                _ => false,
            };
            if let Some(full) = batch.take_if(|_| !goes_on) {
                full.part.write(index, full.packets).map_err(|error| self.refused(index, error))?;
            }
            match step {
                Step::Idle => return Ok(drained),
                Step::Hold => {
                    drained.held = true;
                    return Ok(drained);
                }
                Step::Skip => {}
                Step::Refuse(error) => return Err(error),
                Step::Open(plan) => self.open(plan)?,
                Step::AskForKey => {
                    if let Some(pad) = self.obj().static_pad("sink_video") {
                        self.ask_for_key_frame(&pad);
                    }
                }
                Step::Move { old, new, stream_start, tags } => {
                    old.iter().for_each(|part| part.end_track(index));
                    new.begin(index, stream_start, &tags);
                }
                Step::Write { part, buffer, pts, dts } => {
                    let single = part.plan.container == Container::Jpeg;
                    let time = dts.or(pts).unwrap_or_default();
                    let packet = part.fit(buffer, pts, dts);
                    let now = batch.get_or_insert_with(|| Batch { part, begin: time, packets: Vec::new() });
                    now.packets.push(packet);
                    let turn = (time - now.begin).unsigned_abs() > TURN.as_nanos() as u64;
                    if !(turn || single) {
                        continue;
                    }
                    if let Some(full) = batch.take() {
                        full.part.write(index, full.packets).map_err(|error| self.refused(index, error))?;
                    }
                    if single {
                        let mut state = lock(&self.state);
                        state.stopped = true;
                        state.end_all();
                    }
                    if turn {
                        return Ok(drained);
                    }
                }
                Step::End(parts) => {
                    for part in parts {
                        part.end_track(index);
                    }
                    return Ok(drained);
                }
            }
        }
    }

    /// A muxer did not take a packet.
    fn refused(&self, index: usize, error: gst::FlowError) -> gst::FlowError {
        let (failed, caps) = {
            let state = lock(&self.state);
            (state.phase == Phase::Failed, state.tracks[index].caps.clone())
        };
        if failed {
            return gst::FlowError::Error;
        }
        if let (gst::FlowError::NotNegotiated, Some(caps)) = (error, caps) {
            self.refuse_detail(index, &caps);
        }
        error
    }

    /// What is to be done next with an input.
    fn next_step(&self, index: usize) -> Step {
        let (split_time, split_size) = self.params.with(|p| (p.split_time, p.split_size));
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        match state.phase {
            Phase::Waiting => return Step::Idle,
            Phase::Failed => return Step::Refuse(gst::FlowError::Error),
            Phase::Done => return Step::Refuse(gst::FlowError::Eos),
            Phase::Running => {}
        }
        let Some(current) = state.current.clone() else { return Step::Idle };
        let video_lives = current.takes(0) || state.tracks[0].lives(0);
        let track = &mut state.tracks[index];
        let (time, is_key, caps) = match track.pending.front() {
            None => return Step::Idle,
            Some(Item::End) => {
                track.pop();
                track.output = None;
                return Step::End(state.parts.iter().filter(|p| p.takes(index)).cloned().collect());
            }
            Some(item @ Item::Packet { caps, .. }) => (item.time(), item.is_key(), caps.clone()),
        };
        let Some(time) = time else {
            // Without any time there is no place for it in a file.
            return track.skip();
        };
        if index == 1 && video_lives && state.tracks[0].passed.is_none_or(|passed| passed < time) {
            // Only up to where video is: a change of video may still send it to the next file.
            return Step::Idle;
        }
        let track = &mut state.tracks[index];
        let output = track.output.clone();
        let is_current = output.as_ref().is_some_and(|(part, _)| Arc::ptr_eq(part, &current));
        // Video may have begun several parts before audio gets to the first of them.
        let place =
            state.parts.iter().rev().find(|part| part.plan.start <= time && part.takes(index)).cloned();
        let stays =
            place.as_ref().zip(output.as_ref()).is_some_and(|(place, (part, _))| Arc::ptr_eq(place, part));
        if let Some(place) = place.filter(|_| !stays) {
            if !is_key {
                // It goes on where it is until its next key frame.
                if track.asked.is_none_or(|asked| asked.elapsed() > ASK_EVERY) {
                    track.asked = Some(Instant::now());
                    return Step::AskForKey;
                }
                let stays = output
                    .filter(|(part, had)| part.takes(index) && part.plan.container.can_go_on(had, &caps));
                return match stays {
                    Some((part, _)) => track.write(part),
                    None => track.skip(),
                };
            }
            let had = place.plan.caps[index].clone().unwrap_or_else(|| caps.clone());
            track.output = Some((place.clone(), had));
            let left = |part: &&Arc<Part>| part.plan.number < place.plan.number && part.takes(index);
            let old = state.parts.iter().filter(left).cloned().collect();
            let (stream_start, tags) = (track.stream_start.clone(), track.tags.clone());
            return Step::Move { old, new: place, stream_start, tags };
        }
        let Some((part, had)) = output.filter(|(part, _)| part.takes(index)) else {
            // The file was started without this track, or went on without it.
            track.output = None;
            if time < current.plan.start {
                return track.skip();
            }
            if index == 0 && is_key || !video_lives {
                return self.open_next(state, index, "track");
            }
            let track = &mut state.tracks[index];
            track.pop();
            // The next key frame begins a file that has a place for it.
            return if std::mem::replace(&mut track.homeless, true) { Step::Skip } else { Step::AskForKey };
        };
        let changed = !part.plan.container.can_go_on(&had, &caps);
        // Sound that only outlasts the pictures a little begins no part.
        let alone = !video_lives && state.tracks[0].passed.is_none_or(|passed| time > passed + OUTLASTS);
        let leads = index == 0 || alone;
        // A file that has nothing in it yet is not left.
        let something = is_current && time > current.plan.start;
        let since = (time - current.plan.start) as f64 / 1e9;
        let due = match () {
            () if !(something && leads) => None,
            () if state.tracks[1 - index].homeless => Some("track"),
            () if state.split => Some("asked"),
            () if split_time > 0.0 && since >= split_time => Some("time"),
            () if part.plan.remote && part.expected_bytes() >= MOST_STORED => Some("size"),
            () if split_size > 0.0 && part.expected_bytes() as f64 >= split_size * 1e6 => Some("size"),
            () => None,
        };
        let due = if is_current && changed { Some("format") } else { due };
        let track = &mut state.tracks[index];
        if let Some(reason) = due {
            if is_key {
                return self.open_next(state, index, reason);
            }
            if track.asked.is_none_or(|asked| asked.elapsed() > ASK_EVERY) {
                track.asked = Some(Instant::now());
                return Step::AskForKey;
            }
        }
        if changed {
            // It cannot be decoded before its next key frame, which begins the next file.
            return track.skip();
        }
        // Given more, a muxer that waits for the disk would hold it all in memory.
        let other = part.takes(1 - index).then(|| part.queued(1 - index));
        let own = part.queued(index);
        track.queued = own.bytes;
        if part.plan.container.has_enough(own, other) {
            return Step::Hold;
        }
        track.write(part)
    }

    fn open_next(&self, state: &State, from: usize, reason: &'static str) -> Step {
        Step::Open(self.plan(state, Some(from), reason))
    }
}

/// Packets of one track that go into one file together.
struct Batch {
    part: Arc<Part>,
    /// The time of the first, nanoseconds.
    begin: i64,
    packets: Vec<gst::Buffer>,
}

/// What is to be done next with an input.
enum Step {
    /// Nothing, until more comes.
    Idle,
    /// Nothing for a moment: the muxer has enough.
    Hold,
    /// A packet was thrown away.
    Skip,
    /// No more is taken.
    Refuse(gst::FlowError),
    /// A file is to be opened.
    Open(Plan),
    /// The next file needs a key frame.
    AskForKey,
    /// The track leaves these files and enters another.
    Move { old: Vec<Arc<Part>>, new: Arc<Part>, stream_start: Option<gst::Event>, tags: Vec<gst::Event> },
    /// A packet goes into a file.
    Write { part: Arc<Part>, buffer: gst::Buffer, pts: Option<i64>, dts: Option<i64> },
    /// The track ends in these files.
    End(Vec<Arc<Part>>),
}

impl Track {
    /// Throws away the packet that has waited longest.
    fn skip(&mut self) -> Step {
        self.pop();
        Step::Skip
    }

    /// Writes the packet that has waited longest.
    fn write(&mut self, part: Arc<Part>) -> Step {
        match self.pop() {
            Some(Item::Packet { buffer, pts, dts, .. }) => Step::Write { part, buffer, pts, dts },
            _ => Step::Idle,
        }
    }
}
