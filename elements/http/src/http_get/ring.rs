//! What the viewers of a growing file read from: its header and its newest fragments. A viewer reads at its own speed; one
//! that falls behind what is kept goes on at the newest key frame.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::watch;

use crate::mux::Container;
use crate::mux::cutter::Fragment;
use crate::mux::mill::Consumer;
use crate::mux::track::TrackFormat;
use crate::shell::lock;

/// Most that is kept, bytes.
const MAX_BYTES: usize = 64 << 20;

struct Piece {
    number: u64,
    key: bool,
    end: i64,
    bytes: Bytes,
}

#[derive(Default)]
struct State {
    header: Option<Bytes>,
    media_type: &'static str,
    /// Counts headers: what follows another one is another file.
    file: u64,
    pieces: VecDeque<Piece>,
    bytes: usize,
    next: u64,
    ended: bool,
}

impl State {
    fn newest_key(&self) -> Option<&Piece> {
        self.pieces.iter().rev().find(|piece| piece.key)
    }
}

/// The header and the newest fragments.
pub struct Ring {
    state: Mutex<State>,
    /// Changes whenever there is something new.
    bell: watch::Sender<u64>,
    /// How often a viewer was too slow.
    pub skips: AtomicU64,
    /// How much was handed to viewers, bytes.
    pub sent: AtomicU64,
}

/// Where a viewer is.
#[derive(Default)]
pub struct Cursor {
    file: Option<u64>,
    next: Option<u64>,
}

/// What a viewer gets next.
enum Next {
    Bytes(Bytes),
    Wait,
    End,
}

impl Ring {
    /// Nothing yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Ring {
            state: Mutex::default(),
            bell: watch::Sender::new(0),
            skips: AtomicU64::new(0),
            sent: AtomicU64::new(0),
        })
    }

    /// Nothing more comes; viewers end when they have read what there is.
    pub fn close(&self) {
        lock(&self.state).ended = true;
        self.ring();
    }

    /// Forgets everything: nobody watches.
    pub fn clear(&self) {
        let mut state = lock(&self.state);
        state.header = None;
        state.pieces.clear();
        state.bytes = 0;
    }

    fn ring(&self) {
        self.bell.send_modify(|count| *count += 1);
    }

    /// The media type, once a file has begun; none if it has ended before.
    pub async fn media_type(&self) -> Option<&'static str> {
        let mut bell = self.bell.subscribe();
        loop {
            {
                let state = lock(&self.state);
                if state.header.is_some() && state.newest_key().is_some() {
                    return Some(state.media_type);
                }
                if state.ended {
                    return None;
                }
            }
            bell.changed().await.ok()?;
        }
    }

    /// What a viewer reads next; none at the end.
    pub async fn read(&self, cursor: &mut Cursor) -> Option<Bytes> {
        let mut bell = self.bell.subscribe();
        loop {
            match self.look(cursor) {
                Next::Bytes(bytes) => {
                    self.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                    return Some(bytes);
                }
                Next::End => return None,
                Next::Wait => bell.changed().await.ok()?,
            }
        }
    }

    fn look(&self, cursor: &mut Cursor) -> Next {
        let state = lock(&self.state);
        let file = match (cursor.file, &state.header) {
            (None, Some(header)) => {
                cursor.file = Some(state.file);
                return Next::Bytes(header.clone());
            }
            (None, None) => return if state.ended { Next::End } else { Next::Wait },
            (Some(file), _) => file,
        };
        if file != state.file {
            // What comes now has another header, which cannot come in the middle.
            return Next::End;
        }
        let oldest = state.pieces.front().map_or(state.next, |piece| piece.number);
        let wanted = match cursor.next {
            Some(next) if next >= oldest => Some(next),
            Some(next) => {
                let key = state.newest_key().map(|piece| piece.number).filter(|number| *number >= next);
                if key.is_some() {
                    self.skips.fetch_add(1, Ordering::Relaxed);
                }
                key
            }
            None => state.newest_key().map(|piece| piece.number),
        };
        let piece = wanted.and_then(|number| state.pieces.get((number - oldest) as usize));
        match piece {
            Some(piece) => {
                cursor.next = Some(piece.number + 1);
                Next::Bytes(piece.bytes.clone())
            }
            None if state.ended => Next::End,
            None => Next::Wait,
        }
    }
}

/// Writes into a ring.
pub struct Writer {
    ring: Arc<Ring>,
    container: Container,
    /// How much is kept for viewers that are slow, nanoseconds.
    backlog: i64,
    fragments: u32,
    base: Option<i64>,
}

impl Writer {
    /// For a ring that keeps `backlog` nanoseconds.
    pub fn new(ring: Arc<Ring>, container: Container, backlog: i64) -> Self {
        Writer { ring, container, backlog, fragments: 0, base: None }
    }
}

impl Consumer for Writer {
    fn begin(&mut self, tracks: &[Option<TrackFormat>; 2]) {
        self.fragments = 0;
        self.base = None;
        {
            let mut state = lock(&self.ring.state);
            state.header = Some(self.container.header(tracks));
            state.media_type = self.container.media_type(tracks[0].is_some());
            state.file += 1;
            state.pieces.clear();
            state.bytes = 0;
            state.ended = false;
        }
        self.ring.ring();
    }

    fn fragment(&mut self, tracks: &[Option<TrackFormat>; 2], mut fragment: Fragment) {
        fragment.shift(-*self.base.get_or_insert(fragment.start));
        self.fragments += 1;
        let bytes = self.container.fragment(self.fragments, tracks, &fragment);
        let end = fragment.start + fragment.duration;
        {
            let mut state = lock(&self.ring.state);
            let number = state.next;
            state.next += 1;
            state.bytes += bytes.len();
            state.pieces.push_back(Piece { number, key: fragment.key, end, bytes });
            // Newcomers begin at the newest key frame: that and what follows stays.
            while state.pieces.len() > 1
                && (end - state.pieces[0].end > self.backlog || state.bytes > MAX_BYTES)
                && (state.bytes > MAX_BYTES
                    || state.newest_key().is_some_and(|k| k.number > state.pieces[0].number))
            {
                let old = state.pieces.pop_front().map_or(0, |piece| piece.bytes.len());
                state.bytes -= old;
            }
        }
        self.ring.ring();
    }

    fn end(&mut self) {
        self.ring.close();
    }
}
