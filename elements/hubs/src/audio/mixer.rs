//! Sums of sound, one for each listener: a thread that adds up 20 ms at a time.
//!
//! Everything is whole numbers, so that a party's own sound taken off the sum leaves exactly the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::convert::Convert;
use super::ring::Ring;
use super::{CHANNELS, CHUNK, caps, sample_at, time_of};
use crate::clock::{Clock, Pulse};
use crate::inlet::Feed;
use crate::lock;
use crate::outlet::Outlet;
use crate::timeline::{MS, Timeline};

/// How far ahead of its time sound is taken; what comes earlier waits.
const AHEAD: i64 = 500 * MS;

/// Who hears whom.
#[derive(Clone, Debug)]
pub enum Rule {
    /// Everybody hears all others; who sends nothing hears all.
    AllButSelf,
    /// Each listener hears these.
    Matrix(BTreeMap<String, BTreeSet<String>>),
}

/// The sound of one party.
pub struct Voice {
    timeline: Arc<Timeline>,
    clock: Clock,
    caps: Mutex<Option<gst::Caps>>,
    ring: Arc<Mutex<Line>>,
    convert: Mutex<Option<Arc<Convert>>>,
    flushing: Mutex<bool>,
    changed: Condvar,
}

#[derive(Default)]
struct Line {
    ring: Ring,
    offset: i64,
    moved: bool,
    late: u64,
}

impl Line {
    fn write(&mut self, buffer: &gst::Buffer) {
        let Some(pts) = buffer.pts() else { return };
        let Ok(map) = buffer.map_readable() else { return };
        let samples: Vec<i16> =
            map.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
        let at = sample_at(pts.nseconds() as i64 + self.offset);
        let exactly = std::mem::replace(&mut self.moved, false);
        self.late += self.ring.write(at, &samples, exactly) as u64;
    }
}

impl Voice {
    fn new(timeline: &Arc<Timeline>, clock: &Clock) -> Arc<Voice> {
        Arc::new(Voice {
            timeline: timeline.clone(),
            clock: clock.clone(),
            caps: Mutex::default(),
            ring: Arc::default(),
            convert: Mutex::default(),
            flushing: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    /// Converters, made for the first buffer that needs them.
    fn converter(&self) -> Option<Arc<Convert>> {
        let mut convert = lock(&self.convert);
        if convert.is_none() {
            let ring = self.ring.clone();
            *convert = Convert::new(Arc::new(move |buffer| lock(&ring).write(buffer))).map(Arc::new);
        }
        convert.clone()
    }
}

impl Feed for Voice {
    fn caps(&self, caps: &gst::Caps) {
        *lock(&self.caps) = Some(caps.clone());
    }

    fn push(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        let (Some(now), Some(pts)) = (self.clock.now(), buffer.pts()) else {
            return Ok(gst::FlowSuccess::Ok);
        };
        let time = pts.nseconds() as i64;
        let offset = self.timeline.observe(now, time, self.clock.latency());
        let mut flushing = lock(&self.flushing);
        loop {
            if *flushing {
                return Ok(gst::FlowSuccess::Ok);
            }
            let early = self.clock.now().map_or(0, |now| time + offset - now - AHEAD);
            if early <= 0 {
                break;
            }
            let wait = Duration::from_nanos(early.unsigned_abs());
            flushing = self.changed.wait_timeout(flushing, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(flushing);
        {
            let mut line = lock(&self.ring);
            if line.offset != offset {
                (line.offset, line.moved) = (offset, true);
            }
        }
        let Some(own) = lock(&self.caps).clone() else { return Err(gst::FlowError::NotNegotiated) };
        if own.is_subset(&caps()) {
            lock(&self.ring).write(&buffer);
            return Ok(gst::FlowSuccess::Ok);
        }
        match self.converter() {
            Some(convert) => convert.push(buffer, &own),
            None => Err(gst::FlowError::NotSupported),
        }
    }

    fn end(&self) {
        self.timeline.reset();
    }

    fn flush(&self, flushing: bool) {
        *lock(&self.flushing) = flushing;
        self.changed.notify_all();
        if flushing {
            lock(&self.ring).ring.clear();
        }
    }
}

/// Adds up sound.
pub struct Mixer {
    clock: Clock,
    voices: Mutex<BTreeMap<String, Arc<Voice>>>,
    outlets: Mutex<BTreeMap<String, Arc<Outlet>>>,
    rule: Mutex<Rule>,
    ended: AtomicBool,
    /// Buffers that each listener was given.
    pub chunks: AtomicU64,
}

impl Mixer {
    /// A mixer without parties.
    pub fn new(clock: &Clock, rule: Rule) -> Arc<Mixer> {
        Arc::new(Mixer {
            clock: clock.clone(),
            voices: Mutex::default(),
            outlets: Mutex::default(),
            rule: Mutex::new(rule),
            ended: AtomicBool::new(false),
            chunks: AtomicU64::new(0),
        })
    }

    /// A party's sound; the one that it has already, if it has.
    pub fn voice(&self, name: &str, timeline: &Arc<Timeline>) -> Arc<Voice> {
        lock(&self.voices).entry(name.to_owned()).or_insert_with(|| Voice::new(timeline, &self.clock)).clone()
    }

    /// Somebody listens.
    pub fn add_outlet(&self, name: &str, outlet: &Arc<Outlet>) {
        lock(&self.outlets).insert(name.to_owned(), outlet.clone());
    }

    /// A party goes.
    pub fn leave(&self, name: &str) {
        lock(&self.voices).remove(name);
        lock(&self.outlets).remove(name);
    }

    /// Changes who hears whom.
    pub fn change(&self, change: impl FnOnce(&mut Rule)) {
        change(&mut lock(&self.rule));
    }

    /// Samples (of one channel) that came too late to be heard.
    pub fn late(&self) -> u64 {
        let voices: Vec<Arc<Voice>> = lock(&self.voices).values().cloned().collect();
        voices.iter().map(|voice| lock(&voice.ring).late).sum()
    }

    /// Stops giving sound out, or begins again.
    pub fn set_ended(&self, ended: bool) {
        self.ended.store(ended, Relaxed);
    }

    /// Gives sound out until the pulse stops. Runs on a thread of its own.
    pub fn run(&self, pulse: &Pulse) {
        let format = caps();
        let mut scratch = Scratch::default();
        let mut next = self.next();
        loop {
            let place = next * CHUNK as i64;
            if !pulse.wait_until(&self.clock, time_of(place) + self.clock.latency()) {
                return;
            }
            // Further behind than a listener has patience for: what is past cannot be made up for.
            let now = self.next();
            if now > next + 10 {
                next = now;
                continue;
            }
            next += 1;
            if !self.ended.load(Relaxed) {
                self.mix(place, &format, &mut scratch);
            }
        }
    }

    fn next(&self) -> i64 {
        sample_at((self.clock.now().unwrap_or(0) - self.clock.latency()).max(0)) / CHUNK as i64 + 1
    }

    fn mix(&self, place: i64, format: &gst::Caps, scratch: &mut Scratch) {
        let voices: Vec<(String, Arc<Voice>)> =
            lock(&self.voices).iter().map(|(name, voice)| (name.clone(), voice.clone())).collect();
        scratch.heard.clear();
        for (name, voice) in voices {
            let mut samples = scratch.spare.pop().unwrap_or_else(|| vec![0; CHUNK * CHANNELS]);
            match lock(&voice.ring).ring.read(place, &mut samples) {
                true => scratch.heard.push((name, samples)),
                false => scratch.spare.push(samples),
            }
        }
        let outlets: Vec<(String, Arc<Outlet>)> =
            lock(&self.outlets).iter().map(|(name, outlet)| (name.clone(), outlet.clone())).collect();
        let rule = lock(&self.rule).clone();
        scratch.total.clear();
        scratch.total.resize(CHUNK * CHANNELS, 0);
        if matches!(rule, Rule::AllButSelf) {
            for (_, samples) in &scratch.heard {
                add(&mut scratch.total, samples);
            }
        }
        let pts = gst::ClockTime::from_nseconds(time_of(place).unsigned_abs());
        let stamp = |mut buffer: gst::Buffer| {
            let writable = buffer.make_mut();
            writable.set_pts(pts);
            writable.set_duration(gst::ClockTime::from_mseconds(20));
            buffer
        };
        // Those who send nothing hear the same; it is made once.
        let mut whole = None;
        for (name, outlet) in outlets {
            let own = scratch.heard.iter().find(|(other, _)| *other == name).map(|(_, samples)| samples);
            let buffer = match (&rule, own) {
                (Rule::AllButSelf, None) => {
                    whole.get_or_insert_with(|| stamp(to_buffer(scratch.total.iter().copied()))).clone()
                }
                (Rule::AllButSelf, Some(own)) => stamp(to_buffer(
                    scratch.total.iter().zip(own).map(|(total, own)| total - i32::from(*own)),
                )),
                (Rule::Matrix(matrix), _) => {
                    let mut sum = vec![0; CHUNK * CHANNELS];
                    let sources = matrix.get(&name);
                    for (source, samples) in &scratch.heard {
                        if sources.is_some_and(|sources| sources.contains(source)) {
                            add(&mut sum, samples);
                        }
                    }
                    stamp(to_buffer(sum.into_iter()))
                }
            };
            outlet.caps(format);
            outlet.push(buffer);
        }
        scratch.spare.extend(scratch.heard.drain(..).map(|(_, samples)| samples));
        self.chunks.fetch_add(1, Relaxed);
    }
}

/// What is used again for every chunk.
#[derive(Default)]
struct Scratch {
    heard: Vec<(String, Vec<i16>)>,
    spare: Vec<Vec<i16>>,
    total: Vec<i32>,
}

fn add(total: &mut [i32], samples: &[i16]) {
    for (total, sample) in total.iter_mut().zip(samples) {
        *total += i32::from(*sample);
    }
}

/// Too loud a sum is cut off where the format ends.
fn to_buffer(samples: impl Iterator<Item = i32>) -> gst::Buffer {
    let mut bytes = Vec::with_capacity(CHUNK * CHANNELS * 2);
    for sample in samples {
        let sample = sample.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
        bytes.extend_from_slice(&sample.to_le_bytes());
    }
    gst::Buffer::from_mut_slice(bytes)
}
