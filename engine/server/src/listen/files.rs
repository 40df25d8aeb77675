//! How many files and sockets this process may have open.

/// Raises the limit to what the system allows; returns the limit then, or none if it cannot be known.
pub(crate) fn raise_limit() -> Option<u64> {
    let limit = read()?;
    if limit.rlim_cur < limit.rlim_max {
        let wanted = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
        // SAFETY: the pointer is valid for the call. If it fails, the limit stays.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const wanted) };
    }
    self::limit()
}

/// The limit now.
pub(crate) fn limit() -> Option<u64> {
    read().map(|limit| limit.rlim_cur)
}

fn read() -> Option<libc::rlimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is valid for the call.
    let done = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    (done == 0).then_some(limit)
}
