//! Two tracks in the order of their times.

use std::collections::VecDeque;

use super::track::Sample;

/// How far one track may run ahead before it no longer waits for the other, nanoseconds.
const PATIENCE: i64 = 1_000_000_000;
/// How long the last packet of a track lasts that has only one, nanoseconds.
const USUAL: i64 = 20_000_000;

#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<Sample>,
    /// Nothing before this time comes any more.
    reached: Option<i64>,
    last_duration: Option<i64>,
    over: bool,
}

/// Puts packets of two tracks in order. Each waits until it is known how long it lasts and that the other track has
/// nothing that comes before it.
#[derive(Debug)]
pub struct Interleaver {
    lanes: [Lane; 2],
}

impl Interleaver {
    /// For the tracks that are there.
    pub fn new(present: [bool; 2]) -> Self {
        Interleaver { lanes: present.map(|there| Lane { over: !there, ..Lane::default() }) }
    }

    /// A packet has come.
    pub fn push(&mut self, mut sample: Sample) {
        let lane = &mut self.lanes[sample.track];
        // Decoding times never go back.
        if let Some(before) = lane.waiting.back().map(|s| s.dts).max(lane.reached) {
            sample.dts = sample.dts.max(before);
        }
        lane.reached = Some(sample.dts);
        lane.waiting.push_back(sample);
    }

    /// A track has nothing before this time.
    pub fn reach(&mut self, track: usize, time: i64) {
        let lane = &mut self.lanes[track];
        lane.reached = lane.reached.max(Some(time));
    }

    /// A track has ended.
    pub fn end(&mut self, track: usize) {
        self.lanes[track].over = true;
    }

    /// Whether both have ended and nothing waits.
    pub fn is_over(&self) -> bool {
        self.lanes.iter().all(|lane| lane.over && lane.waiting.is_empty())
    }

    /// When the first packet that waits is decoded.
    pub fn first(&self) -> Option<i64> {
        self.lanes.iter().filter_map(|lane| Some(lane.waiting.front()?.dts)).min()
    }

    /// The next packet, with its duration, if it is known that it is the next.
    pub fn pop(&mut self) -> Option<Sample> {
        let head = |lane: &Lane| lane.waiting.front().map(|s| s.dts);
        let index = match (head(&self.lanes[0]), head(&self.lanes[1])) {
            (Some(video), Some(audio)) => usize::from(audio < video),
            (Some(_), None) => 0,
            (None, Some(_)) => 1,
            (None, None) => return None,
        };
        let time = head(&self.lanes[index])?;
        let other = &self.lanes[1 - index];
        let lane = &self.lanes[index];
        let lead = lane.reached.map_or(0, |reached| reached - time);
        let in_order = other.over || other.reached.is_some_and(|t| t >= time) || lead > PATIENCE;
        let next = lane.waiting.get(1).map(|s| s.dts);
        if !in_order || (next.is_none() && !lane.over) {
            return None;
        }
        let lane = &mut self.lanes[index];
        let mut sample = lane.waiting.pop_front()?;
        let usual = lane.last_duration.unwrap_or(USUAL);
        sample.duration = next.map_or(usual, |next| next - time);
        if sample.duration > 0 {
            lane.last_duration = Some(sample.duration);
        }
        Some(sample)
    }
}
