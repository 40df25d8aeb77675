//! A thread of its own for work that must never hold up a streaming thread.
//!
//! There is one slot each way. What is offered while the worker is busy replaces what was offered before (the newest
//! wins, nothing queues up). Waiting for an answer has a deadline and can be interrupted. A worker is never joined:
//! one that hangs is left behind and ends by itself when its step returns.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::turns::Turns;

/// How many workers' threads there are.
static THREADS: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// Counts a thread as long as it lives.
struct Alive;

impl Alive {
    fn new() -> Self {
        *THREADS.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Alive
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        *THREADS.0.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        THREADS.1.notify_all();
    }
}

/// Waits until the threads of all workers have ended; false if that took longer than `limit`. A program does so before it
/// ends: a thread that computes with a library whose memory is being given back would crash it.
pub fn wait_for_all(limit: Duration) -> bool {
    let count = THREADS.0.lock().unwrap_or_else(PoisonError::into_inner);
    let waited = THREADS.1.wait_timeout_while(count, limit, |count| *count > 0);
    !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
}

/// A handle to the thread; dropping it tells the thread to end, without waiting for it.
pub struct Worker<I, O> {
    shared: Arc<Shared<I, O>>,
}

struct Shared<I, O> {
    slot: Mutex<Slot<I, O>>,
    input: Condvar,
    output: Condvar,
}

struct Slot<I, O> {
    input: Option<I>,
    /// Comes first, and nothing of it is left out.
    aside: VecDeque<I>,
    output: Option<O>,
    busy_since: Option<Instant>,
    closed: bool,
    interrupted: bool,
}

impl<I, O> Shared<I, O> {
    fn lock(&self) -> MutexGuard<'_, Slot<I, O>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives a [`Worker`] work from any thread, beside what its owner gives it.
pub struct SideDoor<I>(Box<dyn Fn(I) -> Result<(), I> + Send + Sync>);

impl<I> SideDoor<I> {
    /// Queues something that is done before the next input, and whose output is thrown away.
    ///
    /// # Errors
    ///
    /// The worker is gone; the work is given back.
    pub fn offer(&self, input: I) -> Result<(), I> {
        (self.0)(input)
    }
}

/// Ends the waits of a [`Worker`]'s owner, from any thread.
pub struct Interrupter(Box<dyn Fn() + Send + Sync>);

impl Interrupter {
    /// Makes a wait in progress, and all later ones, return at once.
    pub fn interrupt(&self) {
        (self.0)();
    }
}

impl<I: Send + 'static, O: Send + 'static> Worker<I, O> {
    /// Starts a thread that runs `step` for each input. `step` catches its own panics; one that escapes ends the
    /// thread, which then looks busy for ever.
    ///
    /// # Errors
    ///
    /// The system has no thread left.
    pub fn spawn(name: &str, step: impl FnMut(I) -> O + Send + 'static) -> std::io::Result<Self> {
        Self::start(name, None, step)
    }

    /// As [`Worker::spawn`], for one that waits for its turn before it takes an input: until then the newest one wins.
    pub(crate) fn spawn_in_turn(
        name: &str,
        turns: &'static Turns,
        step: impl FnMut(I) -> O + Send + 'static,
    ) -> std::io::Result<Self> {
        Self::start(name, Some(turns), step)
    }

    fn start(
        name: &str,
        turns: Option<&'static Turns>,
        step: impl FnMut(I) -> O + Send + 'static,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            slot: Mutex::new(Slot {
                input: None,
                aside: VecDeque::new(),
                output: None,
                busy_since: None,
                closed: false,
                interrupted: false,
            }),
            input: Condvar::new(),
            output: Condvar::new(),
        });
        let inside = shared.clone();
        // Thread names are cut after 15 bytes by the system anyway.
        let name: String = name.chars().take(15).collect();
        let alive = Alive::new();
        std::thread::Builder::new().name(name).spawn(move || {
            let _alive = alive;
            // What it computes with goes before it is counted out.
            let (inside, mut step) = (inside, step);
            loop {
                let mut slot = inside.lock();
                let mut turn = None;
                let (input, aside) = loop {
                    if slot.closed {
                        return;
                    }
                    if let Some(input) = slot.aside.pop_front() {
                        break (input, true);
                    }
                    if let (Some(turns), true, true) = (turns, slot.input.is_some(), turn.is_none()) {
                        drop(slot);
                        turn = Some(turns.take());
                        slot = inside.lock();
                        continue;
                    }
                    match slot.input.take() {
                        Some(input) => break (input, false),
                        None => slot = inside.input.wait(slot).unwrap_or_else(PoisonError::into_inner),
                    }
                };
                slot.busy_since.get_or_insert_with(Instant::now);
                drop(slot);
                let output = step(input);
                drop(turn);
                if aside {
                    drop(output);
                    let mut slot = inside.lock();
                    if slot.input.is_none() {
                        slot.busy_since = None;
                    }
                    continue;
                }
                let mut slot = inside.lock();
                slot.output = Some(output);
                slot.busy_since = slot.input.is_some().then(Instant::now);
                drop(slot);
                inside.output.notify_one();
            }
        })?;
        Ok(Worker { shared })
    }

    /// Gives the worker something to do; returns what it had not yet begun, if anything.
    pub fn offer(&self, input: I) -> Option<I> {
        let mut slot = self.shared.lock();
        slot.busy_since.get_or_insert_with(Instant::now);
        let replaced = slot.input.replace(input);
        drop(slot);
        self.shared.input.notify_one();
        replaced
    }

    /// Whether what was offered has not been begun.
    pub fn has_waiting(&self) -> bool {
        self.shared.lock().input.is_some()
    }

    /// Gives the worker something in the place of what it has not begun.
    ///
    /// # Errors
    ///
    /// It has begun with it; what was to take its place is given back.
    pub fn replace(&self, input: I) -> Result<(), I> {
        let mut slot = self.shared.lock();
        match &mut slot.input {
            Some(old) => {
                let old = std::mem::replace(old, input);
                drop(slot);
                drop(old);
                Ok(())
            }
            None => Err(input),
        }
    }

    /// The answer if there is one.
    pub fn take(&self) -> Option<O> {
        self.shared.lock().output.take()
    }

    /// Waits for the answer: at most `limit`, or for ever. `None` if it is late or the wait was interrupted.
    pub fn wait(&self, limit: Option<Duration>) -> Option<O> {
        let deadline = limit.map(|limit| Instant::now() + limit);
        let mut slot = self.shared.lock();
        loop {
            if let Some(output) = slot.output.take() {
                return Some(output);
            }
            if slot.interrupted {
                return None;
            }
            slot = match deadline {
                None => self.shared.output.wait(slot).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.checked_duration_since(Instant::now()).filter(|d| !d.is_zero())?;
                    self.shared.output.wait_timeout(slot, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Since when the worker has had something to do.
    pub fn busy_since(&self) -> Option<Instant> {
        self.shared.lock().busy_since
    }

    /// Whether its waits have been ended.
    pub fn is_interrupted(&self) -> bool {
        self.shared.lock().interrupted
    }

    /// A way in for other threads.
    pub fn side_door(&self) -> SideDoor<I> {
        let shared = Arc::downgrade(&self.shared);
        SideDoor(Box::new(move |input| {
            let Some(shared) = shared.upgrade() else { return Err(input) };
            let mut slot = shared.lock();
            if slot.closed {
                return Err(input);
            }
            slot.aside.push_back(input);
            drop(slot);
            shared.input.notify_one();
            Ok(())
        }))
    }

    /// What ends this worker's waits.
    pub fn interrupter(&self) -> Interrupter {
        let shared = Arc::downgrade(&self.shared);
        Interrupter(Box::new(move || {
            if let Some(shared) = shared.upgrade() {
                shared.lock().interrupted = true;
                shared.output.notify_all();
            }
        }))
    }
}

impl<I, O> Drop for Worker<I, O> {
    fn drop(&mut self) {
        let mut slot = self.shared.lock();
        slot.closed = true;
        let left = (slot.input.take(), slot.output.take(), std::mem::take(&mut slot.aside));
        drop(slot);
        self.shared.input.notify_one();
        drop(left);
    }
}

/// Makes the calling thread one that computes in the background: on a busy machine the threads that carry the video go
/// before it. What is seen may be late, the video not.
#[cfg(target_os = "linux")]
pub(crate) fn yield_to_video() {
    /// The kernel's `struct sched_attr`, its first version.
    #[repr(C)]
    struct Attributes {
        size: u32,
        policy: u32,
        flags: u64,
        nice: i32,
        priority: u32,
        slice: u64,
        deadline: u64,
        period: u64,
    }
    // A share of a busy processor remains (SCHED_IDLE would leave almost nothing). The long slice is the price of it:
    // since Linux 6.12 a thread that wakes up goes before one with a longer slice at once, and need not wait for its
    // end, which are some milliseconds.
    let attributes = Attributes {
        size: size_of::<Attributes>() as u32,
        policy: libc::SCHED_BATCH as u32,
        flags: 0,
        nice: 10,
        priority: 0,
        slice: Duration::from_millis(100).as_nanos() as u64,
        deadline: 0,
        period: 0,
    };
    // SAFETY: both concern this thread only (id 0); the first reads `size` bytes of a structure that outlives the call,
    // the second touches no memory. If they are refused nothing changes.
    unsafe {
        if libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) != 0 {
            libc::setpriority(libc::PRIO_PROCESS, 0, attributes.nice);
        }
    }
}

/// Elsewhere all threads are equal.
#[cfg(not(target_os = "linux"))]
pub(crate) fn yield_to_video() {}

/// What a panic said.
pub(crate) fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "it said nothing".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn answers_come_back() {
        let worker = Worker::spawn("double", |n: u32| n * 2).unwrap();
        assert!(worker.offer(21).is_none());
        assert_eq!(worker.wait(None), Some(42));
        assert!(worker.busy_since().is_none());
    }

    #[test]
    fn the_newest_input_wins() {
        let (go, gate) = mpsc::channel::<()>();
        let (started, starts) = mpsc::channel::<u32>();
        let worker = Worker::spawn("newest", move |n: u32| {
            started.send(n).unwrap();
            gate.recv().unwrap();
            n
        })
        .unwrap();
        worker.offer(1);
        assert_eq!(starts.recv().unwrap(), 1);
        assert_eq!(worker.offer(2), None);
        assert_eq!(worker.offer(3), Some(2));
        go.send(()).unwrap();
        assert_eq!(starts.recv().unwrap(), 3);
        go.send(()).unwrap();
        while worker.wait(None) != Some(3) {}
    }

    #[test]
    fn what_comes_by_the_side_door_is_done_first_and_answers_nothing() {
        let (go, gate) = mpsc::channel::<()>();
        let (done, order) = mpsc::channel::<u32>();
        let worker = Worker::spawn("side", move |n: u32| {
            gate.recv().unwrap();
            done.send(n).unwrap();
            n
        })
        .unwrap();
        let door = worker.side_door();
        worker.offer(1);
        while worker.shared.lock().input.is_some() {
            std::thread::yield_now();
        }
        worker.offer(2);
        assert_eq!((door.offer(10), door.offer(11)), (Ok(()), Ok(())));
        for expected in [1, 10, 11, 2] {
            go.send(()).unwrap();
            assert_eq!(order.recv().unwrap(), expected);
        }
        while worker.wait(None) != Some(2) {}
        drop(worker);
        assert_eq!(door.offer(12), Err(12));
    }

    #[test]
    fn a_wait_ends_at_its_limit_and_when_interrupted() {
        let (go, gate) = mpsc::channel::<()>();
        let worker = Worker::spawn("stuck", move |(): ()| gate.recv().unwrap_or(())).unwrap();
        worker.offer(());
        assert_eq!(worker.wait(Some(Duration::from_millis(5))), None);
        assert!(worker.busy_since().is_some());
        let interrupter = worker.interrupter();
        let waiter = std::thread::spawn(move || worker.wait(None));
        interrupter.interrupt();
        assert_eq!(waiter.join().unwrap(), None);
        drop(go);
    }
}
