//! What is on its way through a player: both tracks, and what decides whether they may go.

use std::time::{Duration, Instant};

use super::outlet::clock_now;
use super::timeline::{Nanos, Rhythm, Timeline};

/// What becomes of a track's media for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// They go.
    Pass,
    /// They wait.
    Wait,
    /// They are thrown away: a live source does not wait.
    Lose,
}

/// One of the two tracks.
#[derive(Debug, Default)]
pub struct TrackFlow {
    /// Its stream-start has gone out.
    started: bool,
    /// Its caps, as they went out.
    pub caps: Option<gst::Caps>,
    /// Its segment, as the session has it.
    segment: Option<gst::FormattedSegment<gst::ClockTime>>,
    /// The segment has not been sent yet, or not with this shift.
    dirty: bool,
    /// Serialised events that wait for the segment.
    pending: Vec<gst::Event>,
    /// Old data are thrown away until a seek has flushed them.
    pub seeking: bool,
    /// A flush is under way.
    pub flushing: bool,
    /// The session has such a stream.
    pub present: bool,
    /// It has ended for this round.
    pub ended: bool,
    /// Its end has gone out: nothing can follow.
    pub closed: bool,
    /// Only a key frame is of use now.
    pub need_key: bool,
    /// The next buffer is the first after a break.
    first: bool,
    /// The player makes its media now, because the source brings none.
    pub filling: bool,
    /// The segment that went out last is that of what the player makes.
    fill_segment: bool,
    /// The newest position in the medium.
    pub position: Option<gst::ClockTime>,
    /// When something came last.
    pub seen: Option<Instant>,
    /// Where the last buffer that went out ends, running time of the output.
    pub end: Nanos,
    /// Where what the player made itself ends.
    filled: Nanos,
    /// The last raw buffer, for who shows it on.
    pub last: Option<gst::Buffer>,
    /// Buffers that went out.
    pub buffers: u64,
}

impl TrackFlow {
    /// Whether its stream-start has gone out.
    pub fn has_begun(&self) -> bool {
        self.started
    }

    /// A flush is done.
    pub fn flushed(&mut self) {
        self.flushing = false;
        self.seeking = false;
        self.ended = false;
        self.dirty = false;
        self.segment = None;
        self.pending.clear();
        self.first = true;
    }
}

/// What is on its way.
#[derive(Debug, Default)]
pub struct Flow {
    /// Which session may pass.
    pub session: u64,
    /// The player's pads are open.
    pub open: bool,
    /// The player pauses, since this time of the clock.
    paused: Option<Nanos>,
    /// The pipeline plays.
    pub playing: bool,
    /// Since when it does not, if it has.
    halted: Option<Nanos>,
    /// The player may make media itself while the source brings none.
    pub fills: bool,
    /// How time goes.
    pub rhythm: Rhythm,
    /// Whether what comes while the player pauses is lost. Otherwise it waits.
    pub loses: bool,
    /// The session's end is passed on.
    pub passes_end: bool,
    /// Raw buffers are kept for the time when the source is away.
    pub keeps_last: bool,
    /// The source is away.
    pub away: bool,
    /// The clock and the base time.
    pub clock: Option<gst::Clock>,
    /// The base time.
    pub base: Nanos,
    /// Both tracks' time.
    pub timeline: Timeline,
    /// Rounds that have ended.
    pub rounds: u64,
    /// Where a seek went, until media come.
    pub sought: Option<gst::ClockTime>,
    /// Video and audio.
    pub tracks: [TrackFlow; 2],
}

impl Flow {
    /// Nothing is on its way.
    pub fn new(rhythm: Rhythm, keeps_last: bool) -> Self {
        Flow { rhythm, keeps_last, ..Flow::default() }
    }

    /// The clock's time, or for a live source its running time.
    pub fn clock_now(&self) -> Nanos {
        let now = clock_now(self.clock.as_ref());
        if self.rhythm == Rhythm::Live { now - self.base } else { now }
    }

    /// Another session begins: what earlier ones still send is refused.
    pub fn new_session(&mut self) -> u64 {
        self.session += 1;
        self.timeline.begin_stretch();
        self.sought = None;
        for track in &mut self.tracks {
            track.flushed();
            track.position = None;
            track.seen = None;
            track.present = false;
            track.need_key = self.rhythm == Rhythm::Live;
        }
        self.session
    }

    /// Nothing is let through until [`Flow::resume`].
    pub fn pause(&mut self) {
        if self.paused.is_none() {
            self.paused = Some(clock_now(self.clock.as_ref()));
        }
    }

    /// Goes on.
    pub fn resume(&mut self) {
        let Some(since) = self.paused.take() else { return };
        for track in self.tracks.iter_mut().filter(|t| t.seen.is_some()) {
            track.seen = Some(Instant::now());
        }
        if self.rhythm == Rhythm::Paced {
            let now = clock_now(self.clock.as_ref());
            self.timeline.pause(now - since);
            for track in &mut self.tracks {
                track.dirty |= track.segment.is_some();
            }
        }
    }

    /// The pipeline goes to PLAYING, with this clock and base time.
    pub fn run(&mut self, clock: Option<gst::Clock>, base: Nanos) {
        self.clock = clock;
        self.base = base;
        self.playing = true;
        if let Some(since) = self.halted.take() {
            self.timeline.halt(clock_now(self.clock.as_ref()) - since);
        }
    }

    /// The pipeline goes to PAUSED.
    pub fn halt(&mut self) {
        self.playing = false;
        self.halted = Some(clock_now(self.clock.as_ref()));
    }

    /// Whether nobody wants any more of what there is.
    pub fn is_over(&self) -> bool {
        self.tracks.iter().any(|t| t.present) && self.tracks.iter().all(|t| t.closed || !t.present)
    }

    /// Whether it pauses.
    pub fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// What becomes of this track's media for now.
    pub fn hold(&mut self, index: usize) -> Hold {
        let waits_for_pipeline = !self.playing && self.rhythm != Rhythm::Fastest;
        match (self.paused.is_some() || waits_for_pipeline, self.loses) {
            (false, _) => Hold::Pass,
            (true, false) => Hold::Wait,
            (true, true) => {
                self.tracks[index].need_key = true;
                self.tracks[index].first = true;
                Hold::Lose
            }
        }
    }

    /// The running time at which a buffer lies in its session, and its end.
    fn lies(&self, index: usize, buffer: &gst::BufferRef) -> Option<(Nanos, Nanos)> {
        let at = buffer.pts().or(buffer.dts())?;
        let running = self.tracks[index].segment.as_ref()?.to_running_time(at)?;
        Some((nanos(running), nanos(running) + buffer.duration().map_or(0, nanos)))
    }

    /// How long a buffer has to wait; none if it may go.
    pub fn wait_for(&mut self, index: usize, buffer: &gst::BufferRef) -> Option<Duration> {
        let (at, _) = self.lies(index, buffer)?;
        let now = self.clock_now();
        let placed = self.timeline.place(self.rhythm, at, now);
        if self.rhythm != Rhythm::Paced {
            return None;
        }
        let left = self.timeline.due(placed)? - now;
        u64::try_from(left).ok().filter(|left| *left > 0).map(Duration::from_nanos)
    }

    /// A buffer goes out: the events that go before it, whether it is the first after a break, and whether it ends the
    /// source's absence. None if it may not go after all.
    pub fn commit(
        &mut self,
        session: u64,
        index: usize,
        buffer: &gst::Buffer,
    ) -> Option<(Vec<gst::Event>, bool, bool)> {
        let here = self.tracks[index].flushing || self.tracks[index].seeking;
        if self.session != session || !self.open || here {
            return None;
        }
        let lies = self.lies(index, buffer);
        let now = self.clock_now();
        let placed = lies.map(|(at, end)| (self.timeline.place(self.rhythm, at, now), end - at));
        if let Some((at, length)) = placed {
            if at < self.tracks[index].filled - length / 2 {
                // The player itself has filled this time.
                return None;
            }
            self.timeline.advance(at + length);
        }
        let events = self.preface(index);
        let keeps_last = self.keeps_last;
        let back = std::mem::take(&mut self.away);
        self.sought = None;
        let track = &mut self.tracks[index];
        if let Some((at, length)) = placed {
            track.end = track.end.max(at + length);
        }
        if let Some(segment) = &track.segment
            && let Some(pts) = buffer.pts().or(buffer.dts())
        {
            track.position = segment.to_stream_time(pts).or(track.position);
        }
        if keeps_last {
            track.last = Some(buffer.clone());
        }
        track.filling = false;
        track.fill_segment = false;
        track.need_key = false;
        track.buffers += 1;
        Some((events, std::mem::take(&mut track.first), back))
    }

    /// The segment of this stretch, if it has not been sent, and what waited for it.
    fn preface(&mut self, index: usize) -> Vec<gst::Event> {
        let shift = self.timeline.shift().unwrap_or(0);
        let track = &mut self.tracks[index];
        let mut events = Vec::new();
        if track.dirty
            && let Some(segment) = &track.segment
        {
            track.dirty = false;
            events.push(gst::event::Segment::new(&shifted(segment, shift)));
            events.append(&mut track.pending);
        }
        events
    }

    /// An event of a session: what of it goes out, and if it is an end, whether all has ended now.
    pub fn sort(&mut self, index: usize, event: gst::Event) -> (Vec<gst::Event>, Option<bool>) {
        let none = (Vec::new(), None);
        let stale = self.tracks[index].seeking
            && matches!(event.type_(), gst::EventType::Segment | gst::EventType::Gap | gst::EventType::Eos);
        if self.tracks[index].closed || stale {
            return none;
        }
        match event.view() {
            gst::EventView::StreamStart(_) | gst::EventView::StreamCollection(_) => {
                // To who is behind, it is one stream for ever.
                let is_start = event.type_() == gst::EventType::StreamStart;
                let track = &mut self.tracks[index];
                let new = !track.started || !is_start && track.buffers == 0;
                track.started |= is_start;
                if new { (vec![event], None) } else { none }
            }
            gst::EventView::Caps(caps) => {
                let track = &mut self.tracks[index];
                let caps = caps.caps_owned();
                if track.caps.as_ref() == Some(&caps) {
                    return none;
                }
                track.caps = Some(caps);
                (vec![event], None)
            }
            gst::EventView::Segment(segment) => {
                let Some(segment) = segment.segment().downcast_ref::<gst::ClockTime>() else {
                    return (vec![event], None);
                };
                self.tracks[index].segment = Some(segment.clone());
                self.tracks[index].dirty = true;
                none
            }
            gst::EventView::Gap(gap) => {
                let (start, length) = gap.get();
                let lies = self.tracks[index].segment.as_ref().and_then(|s| s.to_running_time(start));
                let Some(at) = lies.map(nanos).filter(|_| self.timeline.shift().is_some()) else {
                    return none;
                };
                let now = self.clock_now();
                let placed = self.timeline.place(self.rhythm, at, now) + length.map_or(0, nanos);
                self.timeline.advance(placed);
                let mut events = self.preface(index);
                events.push(event);
                (events, None)
            }
            gst::EventView::Eos(_) => {
                let passes = self.passes_end;
                let track = &mut self.tracks[index];
                track.ended = true;
                track.closed |= passes;
                let all = self.tracks.iter().all(|t| t.ended || !t.present);
                (if passes { vec![event] } else { Vec::new() }, Some(all))
            }
            _ if event.is_serialized() && self.tracks[index].dirty => {
                self.tracks[index].pending.push(event);
                none
            }
            _ => (vec![event], None),
        }
    }

    /// What goes before a buffer that the player made itself.
    pub fn commit_fill(
        &mut self,
        index: usize,
        caps: Option<gst::Caps>,
        at: Nanos,
        length: Nanos,
    ) -> Vec<gst::Event> {
        self.timeline.advance(at + length);
        let track = &mut self.tracks[index];
        track.end = track.end.max(at + length);
        track.filled = track.end;
        let mut events = Vec::new();
        if !track.started {
            track.started = true;
            events.push(gst::event::StreamStart::builder(&format!("fill/{index}")).build());
        }
        if let Some(caps) = caps.filter(|caps| track.caps.as_ref() != Some(caps)) {
            events.push(gst::event::Caps::new(&caps));
            track.caps = Some(caps);
        }
        if !track.fill_segment {
            // Times of these buffers are running times.
            events.push(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
            track.fill_segment = true;
            track.dirty = track.segment.is_some();
        }
        track.buffers += 1;
        events
    }
}

/// A segment whose running times are so much later.
fn shifted(
    segment: &gst::FormattedSegment<gst::ClockTime>,
    shift: Nanos,
) -> gst::FormattedSegment<gst::ClockTime> {
    let mut segment = segment.clone();
    let base = segment.base().map_or(0, nanos) + shift;
    if base < 0 {
        segment.set_base(gst::ClockTime::ZERO);
        segment.set_offset(segment.offset().unwrap_or_default() + time(-base));
    } else {
        segment.set_base(time(base));
    }
    segment
}

/// A clock time as nanoseconds.
pub(super) fn nanos(time: gst::ClockTime) -> Nanos {
    Nanos::from(time.nseconds())
}

/// Nanoseconds as a clock time; zero if they are negative.
pub(super) fn time(nanos: Nanos) -> gst::ClockTime {
    gst::ClockTime::from_nseconds(u64::try_from(nanos).unwrap_or(0))
}
