//! Frames in memory that is shared with a worker: a few slots, used in turn.
//!
//! The memory is sealed: its size never changes, so whatever the other process does, reading and writing here cannot
//! fault. What the other process writes into a slot at the wrong time is a wrong picture, no more: slots are copied from
//! and to, byte by byte, and nothing in them is believed.

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::Arc;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::unistd::ftruncate;

const PAGE: usize = 4096;

/// Slots in shared memory.
pub struct Ring {
    memory: OwnedFd,
    base: NonNull<u8>,
    slots: usize,
    slot_bytes: usize,
}

// SAFETY: the mapping belongs to the ring alone, is not tied to a thread, and is only reached through slots.
unsafe impl Send for Ring {}
// SAFETY: as above; two threads never use one slot at a time: the streaming thread alone hands out slots.
unsafe impl Sync for Ring {}

impl Ring {
    /// Slots of at least this many bytes.
    ///
    /// # Errors
    ///
    /// There is no memory, or the size is nothing.
    pub fn new(slots: usize, bytes: usize) -> io::Result<Ring> {
        let slot_bytes = bytes.max(1).next_multiple_of(PAGE);
        let total = slots.checked_mul(slot_bytes).ok_or(io::ErrorKind::InvalidInput)?;
        let length = NonZeroUsize::new(total).ok_or(io::ErrorKind::InvalidInput)?;
        let memory = memfd_create("anabranch-frames", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
        ftruncate(&memory, i64::try_from(total).map_err(|_| io::ErrorKind::InvalidInput)?)?;
        let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        fcntl(&memory, FcntlArg::F_ADD_SEALS(seals))?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at a place that the system chooses; it is unmapped when the ring is dropped.
        let base = unsafe { mmap(None, length, access, MapFlags::MAP_SHARED, &memory, 0)? }.cast();
        Ok(Ring { memory, base, slots, slot_bytes })
    }

    /// How many slots there are.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Bytes of a slot.
    pub fn slot_bytes(&self) -> usize {
        self.slot_bytes
    }

    /// The memory itself, to be handed to the worker.
    pub fn memory(&self) -> BorrowedFd<'_> {
        self.memory.as_fd()
    }

    /// One slot; a number beyond the last counts on from the first.
    pub fn slot(self: &Arc<Self>, number: usize) -> Slot {
        Slot { ring: self.clone(), offset: (number % self.slots) * self.slot_bytes }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping that `new` made, with its size; slots hold the ring, so nobody reaches it any more.
        let _ = unsafe { munmap(self.base.cast(), self.slots * self.slot_bytes) };
    }
}

/// The bytes of one slot.
pub struct Slot {
    ring: Arc<Ring>,
    offset: usize,
}

impl AsRef<[u8]> for Slot {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: within the mapping, which outlives the slot. The worker is told to leave it alone; if it does not, the
        // bytes are those of a wrong picture, and any bytes are a picture.
        unsafe { std::slice::from_raw_parts(self.ring.base.as_ptr().add(self.offset), self.ring.slot_bytes) }
    }
}

impl AsMut<[u8]> for Slot {
    fn as_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above; the streaming thread has one slot at a time.
        unsafe {
            std::slice::from_raw_parts_mut(self.ring.base.as_ptr().add(self.offset), self.ring.slot_bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_apart_and_keep_their_bytes() {
        let ring = Arc::new(Ring::new(3, 5000).unwrap());
        assert_eq!(ring.slot_bytes(), 8192);
        for n in 0..3 {
            ring.slot(n).as_mut().fill(n as u8 + 1);
        }
        for n in 0..6 {
            assert!(ring.slot(n).as_ref().iter().all(|b| *b == (n % 3) as u8 + 1));
        }
    }

    #[test]
    fn nobody_can_cut_the_memory_short() {
        let ring = Ring::new(1, 1).unwrap();
        let other = ring.memory().try_clone_to_owned().unwrap();
        assert!(ftruncate(other, 0).is_err());
    }
}
