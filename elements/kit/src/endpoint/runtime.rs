//! The threads on which endpoints negotiate and watch their peers: one set for all of a process.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

/// How long a thread for blocking work waits for more.
const KEEP_ALIVE: Duration = Duration::from_secs(2);

/// The runtime of all endpoints of this process; `None` if the machine has no threads left.
pub fn handle() -> Option<&'static Handle> {
    static RUNTIME: OnceLock<Option<Runtime>> = OnceLock::new();
    let build = || {
        Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("ab-endpoints")
            .thread_keep_alive(KEEP_ALIVE)
            .enable_all()
            .build()
            .inspect_err(|error| tracing::error!(%error, "no threads for endpoints"))
            .ok()
    };
    RUNTIME.get_or_init(build).as_ref().map(Runtime::handle)
}

/// Runs this soon on one of the runtime's threads.
pub fn spawn(future: impl Future<Output = ()> + Send + 'static) {
    if let Some(handle) = handle() {
        handle.spawn(future);
    }
}

/// Runs this after a while, on one of the runtime's threads.
pub fn later(wait: Duration, work: Box<dyn FnOnce() + Send>) {
    spawn(async move {
        tokio::time::sleep(wait).await;
        work();
    });
}

/// Runs this on a thread that may block.
pub fn spawn_blocking(work: impl FnOnce() + Send + 'static) {
    if let Some(handle) = handle() {
        handle.spawn_blocking(work);
    }
}
