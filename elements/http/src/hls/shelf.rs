//! What a playlist and its files are made of: segments, their parts, headers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::watch;

use crate::mux::Container;
use crate::mux::cutter::Fragment;
use crate::mux::mill::Consumer;
use crate::mux::track::TrackFormat;
use crate::shell::lock;

/// Segments that can still be fetched after they have left the playlist.
const SPARE: usize = 3;
/// A segment may be this much shorter than asked, nanoseconds: frames do not fall on whole seconds.
const TOLERANCE: i64 = 60_000_000;

/// A piece of a segment.
#[derive(Clone, Debug)]
pub struct Part {
    /// Nanoseconds.
    pub duration: i64,
    /// Whether a decoder can begin here.
    pub independent: bool,
    /// A fragment of MP4.
    pub bytes: Bytes,
}

/// A segment; the newest one may still grow.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Counts from 0.
    pub number: u64,
    /// Its parts; empty if its bytes are only in the folder.
    pub parts: Vec<Part>,
    /// Nanoseconds so far.
    pub duration: i64,
    /// The header that it needs.
    pub header: u32,
    /// Whether it is complete.
    pub done: bool,
}

impl Segment {
    /// Bytes of the parts that are in memory.
    pub fn size(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes.len() as u64).sum()
    }

    /// All of it.
    pub fn bytes(&self) -> Bytes {
        let mut all = Vec::with_capacity(self.size() as usize);
        self.parts.iter().for_each(|part| all.extend_from_slice(&part.bytes));
        all.into()
    }
}

/// A header and what it says.
#[derive(Clone, Debug)]
pub struct Header {
    /// Counts from 1.
    pub number: u32,
    /// `ftyp` and `moov`.
    pub bytes: Bytes,
    /// `codecs=`.
    pub codecs: String,
    /// Pixels; 0 without pictures.
    pub size: (u32, u32),
}

/// Something for the folder.
#[derive(Clone, Debug)]
pub enum Chore {
    /// Write a header.
    Header(Header),
    /// Write a segment, and the playlist anew.
    Segment(Segment),
    /// Remove a segment that nobody needs any more.
    Remove(u64),
    /// The playlist has ended.
    End,
}

/// What is on the shelf now.
#[derive(Debug, Default)]
pub struct Contents {
    /// The newest header last.
    pub headers: Vec<Header>,
    /// Segments, oldest first.
    pub segments: VecDeque<Segment>,
    /// Nothing more comes.
    pub ended: bool,
    /// The longest segment so far, nanoseconds.
    pub longest: i64,
    /// Bytes of media so far.
    pub bytes: u64,
    /// Bytes of the segments that are complete, and how long they last.
    pub complete: (u64, i64),
    /// The highest bit rate of a segment so far, bits per second.
    pub peak: u64,
    /// Discontinuities that have left the playlist.
    pub gone: u64,
}

/// Bits per second; none if nothing is there yet.
pub fn bit_rate(bytes: u64, nanos: i64) -> Option<u64> {
    (bytes > 0 && nanos > 0).then(|| (bytes as f64 * 8e9 / nanos as f64).ceil() as u64)
}

/// Headers and segments, and who waits for more.
pub struct Shelf {
    contents: Mutex<Contents>,
    bell: watch::Sender<u64>,
}

impl Shelf {
    /// Empty.
    pub fn new() -> Arc<Self> {
        Arc::new(Shelf { contents: Mutex::default(), bell: watch::Sender::new(0) })
    }

    /// Looks at what there is.
    pub fn look<R>(&self, look: impl FnOnce(&Contents) -> R) -> R {
        look(&lock(&self.contents))
    }

    /// Waits until `look` gives something.
    pub async fn wait_for<R>(&self, mut look: impl FnMut(&Contents) -> Option<R>) -> Option<R> {
        let mut bell = self.bell.subscribe();
        loop {
            if let Some(found) = self.look(&mut look) {
                return Some(found);
            }
            bell.changed().await.ok()?;
        }
    }

    /// Nothing more comes, whatever is missing.
    pub fn close(&self) {
        lock(&self.contents).ended = true;
        self.ring();
    }

    fn ring(&self) {
        self.bell.send_modify(|count| *count += 1);
    }
}

/// A source that does not answer is asked for a key frame again after so much of media, nanoseconds.
const ASK_AGAIN: i64 = 1_000_000_000;

/// Puts fragments onto a shelf.
pub struct Filler {
    shelf: Arc<Shelf>,
    /// How long a segment is to be, nanoseconds.
    target: i64,
    /// Segments in the playlist; 0: all.
    window: usize,
    /// Whether parts of old segments are kept in a folder only.
    in_folder: bool,
    base: Option<i64>,
    fragments: u32,
    next: u64,
    /// What the folder's keeper has to do.
    pub chores: Vec<Chore>,
    /// How long the open segment was when a key frame was asked for, nanoseconds.
    asked: Option<i64>,
    /// A key frame is needed now for the segment to end in time.
    pub wants_key: bool,
}

impl Filler {
    /// For segments of `target` nanoseconds.
    pub fn new(shelf: Arc<Shelf>, target: i64, window: usize, in_folder: bool) -> Self {
        Filler {
            shelf,
            target,
            window,
            in_folder,
            base: None,
            fragments: 0,
            next: 0,
            chores: Vec::new(),
            asked: None,
            wants_key: false,
        }
    }

    fn close_segment(&mut self) {
        let done = {
            let mut contents = lock(&self.shelf.contents);
            let Some(open) = contents.segments.back_mut().filter(|s| !s.done) else { return };
            open.done = true;
            let (done, duration) = (open.clone(), open.duration);
            let bytes = done.size();
            contents.longest = contents.longest.max(duration);
            contents.complete.0 += bytes;
            contents.complete.1 += duration;
            contents.peak = contents.peak.max(bit_rate(bytes, duration).unwrap_or(0));
            done
        };
        if self.in_folder {
            self.chores.push(Chore::Segment(done));
            self.thin_out();
        }
        self.clear_out();
    }

    /// What is in the folder need not be in memory as well, apart from the newest.
    fn thin_out(&mut self) {
        let mut contents = lock(&self.shelf.contents);
        let count = contents.segments.len();
        for segment in contents.segments.iter_mut().take(count.saturating_sub(SPARE)) {
            segment.parts.clear();
        }
    }

    /// Takes segments off the shelf that have left the playlist for some time.
    fn clear_out(&mut self) {
        if self.window == 0 {
            return;
        }
        let mut contents = lock(&self.shelf.contents);
        while contents.segments.len() > self.window + SPARE {
            let Some(old) = contents.segments.pop_front() else { return };
            let next = contents.segments.front().map_or(old.header, |s| s.header);
            if next != old.header {
                contents.gone += 1;
                contents.headers.retain(|h| h.number >= next);
            }
            if self.in_folder {
                self.chores.push(Chore::Remove(old.number));
            }
        }
    }
}

impl Consumer for Filler {
    fn begin(&mut self, tracks: &[Option<TrackFormat>; 2]) {
        self.close_segment();
        let present = || tracks.iter().flatten();
        let header = {
            let mut contents = lock(&self.shelf.contents);
            let header = Header {
                number: contents.headers.last().map_or(0, |h| h.number) + 1,
                bytes: Container::Mp4.header(tracks),
                codecs: present().map(TrackFormat::codec).collect::<Vec<_>>().join(","),
                size: present().map(|t| (t.width, t.height)).next().unwrap_or_default(),
            };
            contents.headers.push(header.clone());
            contents.ended = false;
            header
        };
        if self.in_folder {
            self.chores.push(Chore::Header(header));
        }
    }

    fn fragment(&mut self, tracks: &[Option<TrackFormat>; 2], mut fragment: Fragment) {
        fragment.shift(-*self.base.get_or_insert(fragment.start));
        self.fragments += 1;
        let part = Part {
            duration: fragment.duration,
            independent: fragment.key,
            bytes: Container::Mp4.fragment(self.fragments, tracks, &fragment),
        };
        let open = self.shelf.look(|c| c.segments.back().filter(|s| !s.done).map(|s| s.duration));
        let ends = open.is_some_and(|duration| fragment.key && duration >= self.target - TOLERANCE);
        if ends {
            self.close_segment();
        }
        {
            let mut contents = lock(&self.shelf.contents);
            contents.bytes += part.bytes.len() as u64;
            let header = contents.headers.last().map_or(1, |h| h.number);
            match contents.segments.back_mut().filter(|s| !s.done) {
                Some(segment) => {
                    segment.duration += part.duration;
                    segment.parts.push(part);
                    let due = segment.duration >= self.target - TOLERANCE;
                    let waited = self.asked.is_none_or(|at| segment.duration - at >= ASK_AGAIN);
                    if due && waited {
                        self.asked = Some(segment.duration);
                        self.wants_key = true;
                    }
                }
                None => {
                    let duration = part.duration;
                    let number = self.next;
                    self.next += 1;
                    contents.segments.push_back(Segment {
                        number,
                        parts: vec![part],
                        duration,
                        header,
                        done: false,
                    });
                    self.asked = None;
                    self.wants_key = false;
                }
            }
        }
        self.shelf.ring();
    }

    fn end(&mut self) {
        self.close_segment();
        if self.in_folder {
            self.chores.push(Chore::End);
        }
        self.shelf.close();
    }
}
