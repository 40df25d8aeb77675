//! Memory goes back to the system when a graph has gone.

/// Gives back free memory that the C library keeps. It keeps an arena for each thread that ever allocated at the same
/// time as another, and a graph has many short-lived threads: without this, memory grows with the busiest moment and
/// stays there.
pub(crate) fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim has no preconditions; it takes the allocator's own locks.
    unsafe {
        libc::malloc_trim(0);
    }
}
