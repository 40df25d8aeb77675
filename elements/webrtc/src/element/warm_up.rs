//! What takes long the first time is done before the first peer comes.

use std::sync::{Condvar, Mutex, Once, PoisonError};
use std::time::Duration;

use anabranch_graph::format::Format;

use anabranch_kit::endpoint::codec;
use anabranch_kit::endpoint::runtime;

use crate::transport;

/// Loads plugins, makes the process's certificate and negotiates with nobody, once, on another thread.
pub(super) fn warm_up() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // A program may end while the other thread is at work: libraries must not be taken apart under it.
        openssl_sys::init();
        // SAFETY: the function is there as long as the program, and does nothing but wait.
        unsafe { libc::atexit(wait) };
        runtime::spawn_blocking(|| {
            transport::webrtcbin::warm_up();
            let codecs = Format::KNOWN.iter().flat_map(codec::factories);
            for factory in ["capssetter", "sctpenc", "sctpdec", "rtpjitterbuffer"].iter().chain(codecs) {
                // What is missing is told when somebody wants it.
                let _ = anabranch_kit::endpoint::make(factory);
            }
            *lock() = true;
            ENDED.notify_all();
        });
    });
}

static DONE: Mutex<bool> = Mutex::new(false);
static ENDED: Condvar = Condvar::new();
/// Whatever may hold the work up does not hold up the end of the program for longer.
const LIMIT: Duration = Duration::from_secs(5);

fn lock() -> std::sync::MutexGuard<'static, bool> {
    DONE.lock().unwrap_or_else(PoisonError::into_inner)
}

extern "C" fn wait() {
    let _ = ENDED.wait_timeout_while(lock(), LIMIT, |done| !*done);
}
