//! The queue inside a bridge: bounded, shared by one producer and one consumer thread.
//!
//! All channels that end in the same failure domain form a [`Group`] with one lock, because whether a channel is full
//! depends on its siblings: a muxer that waits for sound must get it even if pictures have filled their channel (the
//! demuxer that feeds both has one thread). So a waiting channel may grow beyond its limit while a sibling is empty.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anabranch_graph::plan::Overflow;

/// A waiting channel never holds more than this, whatever its siblings do.
const HARD_LIMIT_BYTES: usize = 256 << 20;
/// Where the producer may wait, nothing is live: the consumer takes this many buffers in a row, so that the two threads
/// do not wake each other packet by packet.
const BATCH_BUFFERS: usize = 32;
/// How long the consumer waits for a batch to fill.
const BATCH_PAUSE: Duration = Duration::from_millis(10);
/// A producer waits this long for a consumer that takes nothing, then the consumer loses frames.
const STALL_LIMIT: Duration = Duration::from_secs(10);

/// What crosses a bridge.
#[derive(Debug)]
pub enum Item {
    /// Media.
    Buffer(gst::Buffer),
    /// A serialised event.
    Event(gst::Event),
}

struct Queued {
    item: Item,
    since: Instant,
}

/// Counters of one channel.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ChannelStats {
    /// Buffers that went in.
    pub buffers: u64,
    /// Bytes that went in.
    pub bytes: u64,
    /// Buffers that were dropped because the consumer was too slow.
    pub dropped: u64,
    /// Buffers that wait now.
    pub waiting: usize,
    /// Media time that waits now, nanoseconds.
    pub fill_ns: u64,
    /// Time that buffers spent in the channel, nanoseconds, moving average.
    pub latency_ns: u64,
}

#[derive(Default)]
struct State {
    /// The consumer waits here; goes with the group's lock.
    readable: Arc<Condvar>,
    /// Somebody waits for the consumer: it must not wait for a batch to fill.
    urgent: bool,
    items: VecDeque<Queued>,
    bytes: usize,
    buffers: usize,
    newest_pts: Option<gst::ClockTime>,
    oldest_pts: Option<gst::ClockTime>,
    /// The consumer is gone for good: everything is thrown away.
    closed: bool,
    /// The consumer's pad is not active.
    reader_flushing: bool,
    /// The producer's pad is not active.
    writer_flushing: bool,
    /// End of stream went in.
    ended: bool,
    /// After a drop, only a key frame helps the consumer.
    wants_key: bool,
    /// The consumer stalled: do not wait for it until it moves again.
    stalled: bool,
    stats: ChannelStats,
}

impl State {
    fn fill(&self) -> gst::ClockTime {
        match (self.oldest_pts, self.newest_pts) {
            (Some(a), Some(b)) if self.buffers > 0 => b.saturating_sub(a),
            _ => gst::ClockTime::ZERO,
        }
    }

    fn starving(&self) -> bool {
        self.items.is_empty() && !self.ended && !self.closed
    }
}

/// The channels of one consumer domain.
#[derive(Clone, Default)]
pub struct Group {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    channels: Mutex<Vec<Option<State>>>,
    /// Producers wait here until a channel has drained to half, or a sibling starves.
    writable: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Vec<Option<State>>> {
        // A panic under this lock cannot leave the queue inconsistent: each change is one push or pop.
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Group {
    /// Opens a channel in this group.
    pub fn channel(&self, overflow: Overflow, max: Duration) -> Channel {
        let mut channels = self.shared.lock();
        let readable = Arc::new(Condvar::new());
        let state = State { readable: readable.clone(), reader_flushing: true, ..State::default() };
        let index = match channels.iter().position(Option::is_none) {
            Some(free) => {
                channels[free] = Some(state);
                free
            }
            None => {
                channels.push(Some(state));
                channels.len() - 1
            }
        };
        let max = gst::ClockTime::from_nseconds(max.as_nanos() as u64);
        Channel { inner: Arc::new(Inner { shared: self.shared.clone(), index, overflow, max, readable }) }
    }
}

/// One bridge's queue.
#[derive(Clone)]
pub struct Channel {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    index: usize,
    overflow: Overflow,
    max: gst::ClockTime,
    readable: Arc<Condvar>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let gone = self.shared.lock()[self.index].take();
        self.shared.writable.notify_all();
        // Buffers are freed outside the lock.
        drop(gone);
    }
}

/// What became of an item that was pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It waits for the consumer.
    Queued,
    /// The consumer is too slow: it was dropped. `first` tells the first of a series.
    Dropped {
        /// Whether the buffer before this one was still delivered.
        first: bool,
    },
    /// The consumer took nothing for so long that the producer stopped waiting.
    Stalled,
    /// The consumer is gone.
    Gone,
    /// The producer's own pad is being deactivated.
    Flushing,
}

impl Channel {
    fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        let mut channels = self.inner.shared.lock();
        let state = channels[self.inner.index].as_mut().expect("a channel lives as long as its handles");
        f(state)
    }

    fn wake(&self) {
        self.inner.readable.notify_all();
        self.inner.shared.writable.notify_all();
    }

    fn is_full(&self, channels: &[Option<State>]) -> bool {
        self.holds_more_than(channels, self.inner.max)
    }

    fn holds_more_than(&self, channels: &[Option<State>], max: gst::ClockTime) -> bool {
        let Some(state) = &channels[self.inner.index] else { return false };
        // Two buffers may always wait: one alone could be longer than the limit.
        if state.buffers < 2 || (state.fill() <= max && state.bytes < HARD_LIMIT_BYTES) {
            return false;
        }
        match self.inner.overflow {
            Overflow::Drop => true,
            Overflow::Wait => {
                state.bytes >= HARD_LIMIT_BYTES || !channels.iter().flatten().any(State::starving)
            }
        }
    }

    /// Puts a buffer in; waits or drops when the channel is full, as the plan says.
    pub fn push_buffer(&self, buffer: gst::Buffer) -> Pushed {
        let shared = &self.inner.shared;
        let size = buffer.size();
        let time = buffer.dts_or_pts();
        let is_key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        let mut channels = shared.lock();
        if self.is_full(&channels) {
            match self.inner.overflow {
                Overflow::Drop => return self.drop_one(&mut channels),
                Overflow::Wait => {
                    let limit = Instant::now() + STALL_LIMIT;
                    // Down to half, so that the two threads do not wake each other for each buffer.
                    while self.holds_more_than(&channels, self.inner.max / 2) {
                        let Some(state) = channels[self.inner.index].as_mut() else { return Pushed::Gone };
                        if state.closed {
                            return Pushed::Gone;
                        }
                        if state.writer_flushing {
                            return Pushed::Flushing;
                        }
                        let left = limit.saturating_duration_since(Instant::now());
                        if state.stalled || left.is_zero() {
                            let first = !std::mem::replace(&mut state.stalled, true);
                            let dropped = self.drop_one(&mut channels);
                            return if first { Pushed::Stalled } else { dropped };
                        }
                        // Nobody may pause over a few packets while this thread, which brings them all, waits.
                        for sibling in channels.iter_mut().flatten() {
                            sibling.urgent = true;
                            sibling.readable.notify_one();
                        }
                        channels = shared
                            .writable
                            .wait_timeout(channels, left)
                            .unwrap_or_else(PoisonError::into_inner)
                            .0;
                    }
                }
            }
        }
        let Some(state) = channels[self.inner.index].as_mut() else { return Pushed::Gone };
        if state.closed {
            return Pushed::Gone;
        }
        if state.wants_key {
            if !is_key {
                state.stats.dropped += 1;
                return Pushed::Dropped { first: false };
            }
            state.wants_key = false;
        }
        state.stats.buffers += 1;
        state.stats.bytes += size as u64;
        state.bytes += size;
        state.buffers += 1;
        if let Some(time) = time {
            state.newest_pts = Some(time);
            if state.oldest_pts.is_none() || state.buffers == 1 {
                state.oldest_pts = Some(time);
            }
        }
        state.items.push_back(Queued { item: Item::Buffer(buffer), since: Instant::now() });
        let wake = self.inner.overflow == Overflow::Drop || state.buffers == 1 || self.has_batch(state);
        drop(channels);
        if wake {
            self.inner.readable.notify_one();
        }
        Pushed::Queued
    }

    fn has_batch(&self, state: &State) -> bool {
        state.urgent || state.buffers >= BATCH_BUFFERS || state.fill() >= self.inner.max / 4
    }

    fn drop_one(&self, channels: &mut [Option<State>]) -> Pushed {
        let Some(state) = channels[self.inner.index].as_mut() else { return Pushed::Gone };
        state.stats.dropped += 1;
        let first = !std::mem::replace(&mut state.wants_key, true);
        Pushed::Dropped { first }
    }

    /// Puts an event in; events are never dropped unless the consumer is gone.
    pub fn push_event(&self, event: gst::Event) -> bool {
        let is_eos = event.type_() == gst::EventType::Eos;
        let starts = event.type_() == gst::EventType::StreamStart;
        let accepted = self.with(|state| {
            if state.closed {
                return false;
            }
            if is_eos {
                state.ended = true;
            } else if starts {
                state.ended = false;
            }
            state.urgent = true;
            state.items.push_back(Queued { item: Item::Event(event), since: Instant::now() });
            true
        });
        self.wake();
        accepted
    }

    /// Takes the next item, waiting for it; none when the consumer's pad is deactivated or the channel closed.
    pub fn pop(&self) -> Option<Item> {
        let shared = &self.inner.shared;
        let mut channels = shared.lock();
        // Until when a batch may fill; only after the channel was empty.
        let mut batch_by = None;
        let mut was_empty = false;
        loop {
            let state = channels[self.inner.index].as_mut()?;
            if state.reader_flushing || (state.closed && state.items.is_empty()) {
                return None;
            }
            if state.items.is_empty() {
                state.urgent = false;
                was_empty = self.inner.overflow == Overflow::Wait;
                channels = self.inner.readable.wait(channels).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            if was_empty && !state.closed && !self.has_batch(state) {
                let by = *batch_by.get_or_insert_with(|| Instant::now() + BATCH_PAUSE);
                let left = by.saturating_duration_since(Instant::now());
                if !left.is_zero() {
                    let waited = self.inner.readable.wait_timeout(channels, left);
                    channels = waited.unwrap_or_else(PoisonError::into_inner).0;
                    continue;
                }
            }
            let Queued { item, since } = state.items.pop_front()?;
            state.stalled = false;
            if let Item::Buffer(buffer) = &item {
                state.bytes -= buffer.size();
                state.buffers -= 1;
                state.oldest_pts = buffer.dts_or_pts().or(state.oldest_pts);
                let waited = since.elapsed().as_nanos() as u64;
                state.stats.latency_ns = (state.stats.latency_ns * 15 + waited) / 16;
            }
            if state.items.is_empty() || state.fill() <= self.inner.max / 2 {
                shared.writable.notify_all();
            }
            return Some(item);
        }
    }

    /// Throws away what waits, as a flush upstream asks; end of stream is forgotten.
    pub fn clear(&self) {
        let old = self.with(|state| {
            state.bytes = 0;
            state.buffers = 0;
            state.oldest_pts = None;
            state.newest_pts = None;
            state.ended = false;
            std::mem::take(&mut state.items)
        });
        self.wake();
        drop(old);
    }

    /// The consumer goes: nothing more goes in. What waits can still be taken unless `discard`.
    pub fn close(&self, discard: bool) {
        let old = self.with(|state| {
            state.closed = true;
            if discard {
                state.bytes = 0;
                state.buffers = 0;
                std::mem::take(&mut state.items)
            } else {
                VecDeque::new()
            }
        });
        self.wake();
        drop(old);
    }

    /// Ends the stream for the consumer, after what waits; nothing more goes in.
    pub fn finish(&self) {
        let ended = self.with(|state| state.ended);
        if !ended {
            self.push_event(gst::event::Eos::new());
        }
        self.close(false);
    }

    pub(super) fn set_reader_flushing(&self, flushing: bool) {
        self.with(|state| state.reader_flushing = flushing);
        self.wake();
    }

    pub(super) fn set_writer_flushing(&self, flushing: bool) {
        self.with(|state| state.writer_flushing = flushing);
        self.wake();
    }

    /// The counters now.
    pub fn stats(&self) -> ChannelStats {
        self.with(|state| ChannelStats {
            waiting: state.buffers,
            fill_ns: state.fill().nseconds(),
            ..state.stats
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(ms: u64, key: bool) -> gst::Buffer {
        let mut buffer = gst::Buffer::with_size(10).unwrap();
        let b = buffer.get_mut().unwrap();
        b.set_pts(gst::ClockTime::from_mseconds(ms));
        if !key {
            b.set_flags(gst::BufferFlags::DELTA_UNIT);
        }
        buffer
    }

    fn pts(item: Option<Item>) -> u64 {
        match item {
            Some(Item::Buffer(b)) => b.pts().unwrap().mseconds(),
            other => panic!("no buffer: {other:?}"),
        }
    }

    #[test]
    fn drops_until_a_key_frame_when_full() {
        gst::init().unwrap();
        let channel = Group::default().channel(Overflow::Drop, Duration::from_millis(100));
        channel.set_reader_flushing(false);
        for ms in [0, 50, 150] {
            assert_eq!(channel.push_buffer(buffer(ms, ms == 0)), Pushed::Queued);
        }
        assert_eq!(channel.push_buffer(buffer(160, false)), Pushed::Dropped { first: true });
        assert_eq!(pts(channel.pop()), 0);
        assert_eq!(pts(channel.pop()), 50);
        assert_eq!(channel.push_buffer(buffer(170, false)), Pushed::Dropped { first: false });
        assert_eq!(channel.push_buffer(buffer(180, true)), Pushed::Queued);
        assert_eq!(pts(channel.pop()), 150);
        assert_eq!(pts(channel.pop()), 180);
        assert_eq!(channel.stats().dropped, 2);
    }

    #[test]
    fn waits_for_the_reader_and_loses_nothing() {
        gst::init().unwrap();
        let channel = Group::default().channel(Overflow::Wait, Duration::from_millis(10));
        channel.set_reader_flushing(false);
        let writer = channel.clone();
        let thread = std::thread::spawn(move || {
            for ms in 0..500 {
                assert_eq!(writer.push_buffer(buffer(ms, true)), Pushed::Queued);
            }
            writer.finish();
        });
        for ms in 0..500 {
            assert_eq!(pts(channel.pop()), ms);
        }
        assert!(matches!(channel.pop(), Some(Item::Event(e)) if e.type_() == gst::EventType::Eos));
        assert!(channel.pop().is_none());
        thread.join().unwrap();
    }

    #[test]
    fn grows_while_a_sibling_starves() {
        gst::init().unwrap();
        let group = Group::default();
        let video = group.channel(Overflow::Wait, Duration::from_millis(10));
        let audio = group.channel(Overflow::Wait, Duration::from_millis(10));
        for ms in 0..100 {
            assert_eq!(video.push_buffer(buffer(ms, true)), Pushed::Queued);
        }
        assert_eq!(audio.push_buffer(buffer(0, true)), Pushed::Queued);
        assert!(video.is_full(&group.shared.lock()));
        audio.finish();
        audio.set_reader_flushing(false);
        assert_eq!(pts(audio.pop()), 0);
        assert!(audio.pop().is_some());
        assert!(video.is_full(&group.shared.lock()), "an ended sibling does not starve");
    }

    #[test]
    fn a_gone_consumer_never_blocks() {
        gst::init().unwrap();
        let channel = Group::default().channel(Overflow::Wait, Duration::from_millis(1));
        channel.close(true);
        for ms in 0..100 {
            assert_eq!(channel.push_buffer(buffer(ms, true)), Pushed::Gone);
        }
    }
}
