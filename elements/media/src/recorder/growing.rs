//! A file that grows while it is read by others: what one part of a recording is written to.
//!
//! Some room is kept behind its end, so that an index can still be written when the disk is full. A write that fails
//! makes it *broken*: what comes later is thrown away, and the file stays what it was, playable up to there.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Room that is kept behind the end, bytes: the least, and what is asked for at a time.
const RESERVE: u64 = 1 << 20;
/// How far ahead of what is needed the room is taken, bytes: asking the file system for each packet would cost time.
const STEP: u64 = 4 << 20;
/// The pieces in which a change is noted, bytes; also the pieces in which a store gets the file: the least that S3 takes.
pub const PIECE: u64 = 5 << 20;
/// The most that a store takes as one object in such pieces, bytes: S3 takes 10,000.
pub const MOST_STORED: u64 = 9_900 * PIECE;

/// Why a file can no longer be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The disk is full; the file can still be ended well.
    Full,
    /// Something else, in the system's words.
    Other(String),
}

#[derive(Debug, Default)]
struct State {
    /// Bytes up to which the file system has promised room; `None` if it makes no promises.
    reserved: Option<u64>,
    /// Pieces of which something was written a second time.
    rewritten: BTreeSet<u64>,
    trouble: Option<Trouble>,
}

/// A file that grows.
#[derive(Debug)]
pub struct Growing {
    path: PathBuf,
    file: File,
    length: AtomicU64,
    broken: AtomicBool,
    closed: AtomicBool,
    unsynced: AtomicBool,
    state: Mutex<State>,
    wake: Notify,
}

fn lock(mutex: &Mutex<State>) -> MutexGuard<'_, State> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Growing {
    /// Makes the file; one that exists is replaced.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path);
        // A pipe or a device may be there for writing only.
        let file = file.or_else(|_| OpenOptions::new().write(true).create(true).truncate(true).open(path))?;
        let growing = Growing {
            path: path.to_owned(),
            file,
            length: AtomicU64::new(0),
            broken: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            unsynced: AtomicBool::new(false),
            state: Mutex::default(),
            wake: Notify::new(),
        };
        if growing.file.metadata().is_ok_and(|m| m.is_file()) {
            for size in [STEP, RESERVE, RESERVE / 8] {
                if growing.promise(size).is_ok() {
                    lock(&growing.state).reserved = Some(size);
                    break;
                }
            }
        }
        Ok(growing)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How long it is, bytes.
    pub fn length(&self) -> u64 {
        self.length.load(Ordering::Acquire)
    }

    /// Whether nothing more will be written to it.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Whether a write has failed, so that something is missing at its end.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// Why it can no longer be written, if so.
    pub fn trouble(&self) -> Option<Trouble> {
        lock(&self.state).trouble.clone()
    }

    /// Whether the file system promises room up to `end`; it takes that room.
    fn promise(&self, end: u64) -> io::Result<()> {
        let start = self.length();
        let (Ok(offset), Ok(size)) = (i64::try_from(start), i64::try_from(end.saturating_sub(start))) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        // SAFETY: a call with a descriptor that this value owns, and numbers.
        let result =
            unsafe { libc::fallocate(self.file.as_raw_fd(), libc::FALLOC_FL_KEEP_SIZE, offset, size.max(1)) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Keeps room behind `end`, or notes that the disk is as good as full.
    fn keep_room(&self, end: u64) {
        let mut state = lock(&self.state);
        let Some(reserved) = state.reserved else { return };
        if state.trouble.is_some() || end + RESERVE <= reserved {
            return;
        }
        drop(state);
        let next = [end + STEP, end + RESERVE].into_iter().find(|next| self.promise(*next).is_ok());
        state = lock(&self.state);
        match next {
            Some(next) => state.reserved = Some(next),
            // What has been promised so far is left for the end.
            None => state.trouble = Some(Trouble::Full),
        }
    }

    /// Writes there. What goes wrong is noted; see [`Growing::trouble`].
    pub fn write(&self, at: u64, data: &[u8]) {
        if self.broken.load(Ordering::Acquire) || self.is_closed() {
            return;
        }
        let (end, length) = (at + data.len() as u64, self.length());
        self.keep_room(end.max(length));
        match self.write_all(at, data) {
            Ok(()) => {
                self.length.fetch_max(end, Ordering::AcqRel);
                self.unsynced.store(true, Ordering::Release);
                if at < length && !data.is_empty() {
                    lock(&self.state).rewritten.extend(at / PIECE..=(end - 1) / PIECE);
                }
            }
            Err(error) => {
                self.broken.store(true, Ordering::Release);
                let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
                let trouble = if full { Trouble::Full } else { Trouble::Other(error.to_string()) };
                lock(&self.state).trouble = Some(trouble);
            }
        }
        self.wake.notify_one();
    }

    fn write_all(&self, at: u64, data: &[u8]) -> io::Result<()> {
        match self.file.write_all_at(data, at) {
            // A pipe has no places, only an order.
            Err(error) if error.raw_os_error() == Some(libc::ESPIPE) => {
                if at < self.length() {
                    Ok(())
                } else {
                    io::Write::write_all(&mut &self.file, data)
                }
            }
            result => result,
        }
    }

    /// Reads what is there from `at`, at most `most` bytes.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn read(&self, at: u64, most: usize) -> io::Result<Vec<u8>> {
        let there = self.length().saturating_sub(at).min(most as u64);
        let mut data = vec![0; usize::try_from(there).unwrap_or(most)];
        self.file.read_exact_at(&mut data, at)?;
        Ok(data)
    }

    /// Waits until more has been written or it has been closed. For one reader.
    pub async fn changed(&self) {
        self.wake.notified().await;
    }

    /// Whether something in a piece was written a second time since [`Growing::take_rewritten`].
    pub fn is_rewritten(&self, piece: u64) -> bool {
        lock(&self.state).rewritten.contains(&piece)
    }

    /// The same, and forgets it.
    pub fn take_rewritten(&self, piece: u64) -> bool {
        lock(&self.state).rewritten.remove(&piece)
    }

    /// Brings what is written to the disk, if there is anything new. It may take long.
    pub fn sync(&self) {
        if self.unsynced.swap(false, Ordering::AcqRel) {
            // A disk that fails says so when it is written to; pipes have nothing to be synced.
            let _ = self.file.sync_data();
        }
    }

    /// Nothing more will be written: gives back the room behind the end, and brings everything to the disk.
    pub fn close(&self) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        if lock(&self.state).reserved.is_some() {
            // A file that is a little too large on disk is no reason to complain.
            let _ = self.file.set_len(self.length());
        }
        let _ = self.file.sync_all();
        self.wake.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_is_changed_and_gives_back_its_reserve() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let file = Growing::create(&path).unwrap();
        file.write(0, b"hello ");
        file.write(6, b"world");
        assert!(!file.take_rewritten(0));
        file.write(0, b"J");
        assert!(file.take_rewritten(0) && !file.take_rewritten(0));
        assert_eq!(file.read(0, 100).unwrap(), b"Jello world");
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 11, "the reserve does not count");
        file.sync();
        file.close();
        file.write(11, b"!");
        assert_eq!((file.length(), file.trouble()), (11, None));
        use std::os::unix::fs::MetadataExt;
        assert!(std::fs::metadata(&path).unwrap().blocks() * 512 < RESERVE);
    }

    #[test]
    fn a_full_disk_is_noted() {
        let file = Growing::create(Path::new("/dev/full")).unwrap();
        file.write(0, b"hello");
        assert_eq!((file.length(), file.trouble()), (0, Some(Trouble::Full)));
    }
}
