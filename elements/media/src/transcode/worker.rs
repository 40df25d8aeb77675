//! Work that streaming threads and callers must not do themselves: building and taking down elements. Jobs of one
//! hub run one after the other, in order, on a thread of GStreamer's pool; an idle hub holds no thread.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use gst::prelude::*;

use super::Transcode;

type Job = Box<dyn FnOnce(&Transcode) + Send>;

/// The jobs of one hub.
#[derive(Default)]
pub(super) struct Worker {
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    running: bool,
}

/// A lock whose owner panicked is still a lock: its data is only ever replaced as a whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Worker {
    /// Runs `job` after those that are waiting already.
    pub(super) fn run(&self, hub: &Transcode, job: impl FnOnce(&Transcode) + Send + 'static) {
        let start = {
            let mut queue = lock(&self.queue);
            queue.jobs.push_back(Box::new(job));
            !std::mem::replace(&mut queue.running, true)
        };
        if start {
            hub.call_async(|hub| hub.worker().work(hub));
        }
    }

    /// Runs `job` and waits for its result, at most `limit`; `None` if it took longer.
    pub(super) fn run_and_wait<T: Send + 'static>(
        &self,
        hub: &Transcode,
        limit: Duration,
        job: impl FnOnce(&Transcode) -> T + Send + 'static,
    ) -> Option<T> {
        let (done, result) = mpsc::sync_channel(1);
        self.run(hub, move |hub| {
            // Nobody waits any more after the limit.
            let _ = done.send(job(hub));
        });
        result.recv_timeout(limit).ok()
    }

    /// Runs `job` after `delay`, unless the hub is gone by then.
    pub(super) fn run_after(
        &self,
        hub: &Transcode,
        delay: Duration,
        job: impl FnOnce(&Transcode) + Send + 'static,
    ) {
        let clock = gst::SystemClock::obtain();
        let at = clock.time() + gst::ClockTime::from_nseconds(delay.as_nanos() as u64);
        let weak = hub.downgrade();
        let alarm = clock.new_single_shot_id(at);
        // A clock that refuses means only that the job is not done later; it is always a courtesy.
        let _ = alarm.wait_async(move |_, _, _| {
            if let Some(hub) = weak.upgrade() {
                hub.worker().run(&hub, job);
            }
        });
    }

    fn work(&self, hub: &Transcode) {
        loop {
            let job = {
                let mut queue = lock(&self.queue);
                let Some(job) = queue.jobs.pop_front() else {
                    queue.running = false;
                    return;
                };
                job
            };
            job(hub);
        }
    }
}
