//! Where the streaming thread and the supervisor meet.

use std::collections::VecDeque;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anabranch_kit::filter::{Reason, Trust};
use serde_json::{Map, Value, json};

use crate::declared::Declared;
use crate::process::Process;
use crate::results::Answer;
use crate::ring::Ring;
use crate::wire;

/// The name under which troubles are told.
pub const NAME: &str = "python-filter";

/// A worker that takes frames.
pub struct Ready {
    /// The process.
    pub process: Arc<Process>,
    /// What its file declares.
    pub declared: Declared,
    /// Which worker it is, counted from the first.
    pub generation: u64,
}

/// A frame that a worker is to look at.
pub struct Look {
    /// The worker that it is for.
    pub generation: u64,
    /// Its number.
    pub seq: u64,
    /// What the worker is told of it.
    pub message: Value,
    /// Shared memory that the worker does not know yet.
    pub ring: Option<Arc<Ring>>,
}

/// What happened and how long it took, since the element was started.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Answers.
    pub looks: u64,
    /// Frames whose turn it was while the worker was busy or not there.
    pub missed: u64,
    /// Frames that passed as they were because the answer did not come in time, or was thrown away for that.
    pub late: u64,
    /// Workers started after the first.
    pub restarts: u64,
    /// The number of the worker's process, 0 if there is none.
    pub pid: u32,
    /// Nanoseconds that the filter itself took.
    pub own: Nanos,
    /// Nanoseconds from handing a frame over to the answer, without those that the filter itself took.
    pub transit: Nanos,
    /// The same for the last frame that waited for its own answer, until it had it.
    pub round_trip: Duration,
}

/// Average and maximum of a time.
#[derive(Clone, Debug, Default)]
pub struct Nanos {
    count: u64,
    total: u64,
    most: u64,
}

impl Nanos {
    fn add(&mut self, ns: u64) {
        self.count += 1;
        self.total = self.total.saturating_add(ns);
        self.most = self.most.max(ns);
    }

    /// The average.
    pub fn average(&self) -> u64 {
        self.total.checked_div(self.count).unwrap_or(0)
    }

    /// The maximum.
    pub fn most(&self) -> u64 {
        self.most
    }
}

/// An answer on its way to the streaming thread: `None` if the filter failed at the frame.
pub struct Taken {
    /// The frame that was answered.
    pub seq: u64,
    /// When the frame was handed over.
    begun: Instant,
    /// How long it took altogether.
    pub took: Duration,
    /// The answer.
    pub answer: Option<Answer>,
}

/// Where the streaming thread and the supervisor meet.
pub struct Stage {
    inner: Mutex<Inner>,
    changed: Condvar,
    /// What is written to the first wakes the supervisor, who waits at the second.
    wake: [UnixStream; 2],
}

struct Inner {
    ready: Option<Arc<Ready>>,
    params: Map<String, Value>,
    pending: Option<(u64, Instant)>,
    answers: VecDeque<Taken>,
    trust: Trust,
    counts: Counts,
    /// What makes the element fail.
    fatal: Option<String>,
    /// The first worker is ready, or could not be.
    settled: bool,
    interrupted: bool,
    closed: bool,
}

impl Stage {
    /// For a filter with these parameters.
    ///
    /// # Errors
    ///
    /// The system has no file descriptor left.
    pub fn new(params: Map<String, Value>) -> std::io::Result<Arc<Stage>> {
        let (here, there) = UnixStream::pair()?;
        here.set_nonblocking(true)?;
        let inner = Inner {
            ready: None,
            params,
            pending: None,
            answers: VecDeque::new(),
            trust: Trust::aside(),
            counts: Counts::default(),
            fatal: None,
            settled: false,
            interrupted: false,
            closed: false,
        };
        Ok(Arc::new(Stage { inner: Mutex::new(inner), changed: Condvar::new(), wake: [here, there] }))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // What the streaming thread and the element do.

    /// Waits until the first worker is ready or could not be made.
    ///
    /// # Errors
    ///
    /// A sentence: its parameters are wrong.
    pub fn settle(&self, limit: Duration) -> Result<(), String> {
        let inner = self.lock();
        let waits = |inner: &mut Inner| !inner.settled && !inner.interrupted && !inner.closed;
        let (mut inner, _) =
            self.changed.wait_timeout_while(inner, limit, waits).unwrap_or_else(PoisonError::into_inner);
        inner.settled = true;
        inner.fatal.clone().map_or(Ok(()), Err)
    }

    /// The worker, if it can take a frame now; counts the frame as missed otherwise.
    pub fn free(&self) -> Option<Arc<Ready>> {
        let mut inner = self.lock();
        let may = inner.pending.is_none() && inner.trust.may_run(Instant::now()) && !inner.interrupted;
        let ready = inner.ready.clone().filter(|_| may);
        inner.counts.missed += u64::from(ready.is_none());
        ready
    }

    /// Hands a frame over; `false` if the worker is not there any more.
    pub fn hand_over(&self, look: &Look) -> bool {
        let mut inner = self.lock();
        let Some(ready) = inner.ready.clone().filter(|r| r.generation == look.generation && !inner.closed)
        else {
            return false;
        };
        let socket = ready.process.socket().as_fd();
        let sent = look.ring.as_ref().map_or(Ok(()), |ring| {
            let message = json!({"op": "ring", "slots": ring.slots(), "slot_bytes": ring.slot_bytes()});
            wire::send(socket, &message, Some(ring.memory()))
        });
        if sent.and_then(|()| wire::send(socket, &look.message, None)).is_err() {
            // It does not read, or is gone: the supervisor will see its end.
            ready.process.kill();
            return false;
        }
        inner.pending = Some((look.seq, Instant::now()));
        true
    }

    /// Waits for the answer to a frame; `None` if it is late.
    pub fn await_answer(&self, seq: u64, budget: Option<Duration>) -> Option<Taken> {
        let deadline = budget.map(|budget| Instant::now() + budget);
        let mut inner = self.lock();
        loop {
            if let Some(at) = inner.answers.iter().position(|taken| taken.seq == seq) {
                let taken = inner.answers.remove(at)?;
                let own = taken.answer.as_ref().map_or(0, |answer| answer.ns);
                inner.counts.round_trip = taken.begun.elapsed().saturating_sub(Duration::from_nanos(own));
                return Some(taken);
            }
            let is_pending = inner.pending.is_some_and(|(pending, _)| pending == seq);
            if !is_pending || inner.interrupted || inner.closed {
                return None;
            }
            inner = match deadline {
                None => self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.checked_duration_since(Instant::now()).filter(|d| !d.is_zero())?;
                    self.changed.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Waits until the worker is free, at most so long.
    pub fn await_free(&self, limit: Duration) {
        let inner = self.lock();
        let waits = |inner: &mut Inner| inner.pending.is_some() && !inner.interrupted && !inner.closed;
        drop(self.changed.wait_timeout_while(inner, limit, waits));
    }

    /// How often the filter itself wants to look, in looks per second; 0 is as often as it can.
    pub fn rate(&self) -> f64 {
        self.lock().ready.as_ref().map_or(0.0, |ready| ready.declared.rate)
    }

    /// Since when the worker has been busy with a frame.
    pub fn busy_since(&self) -> Option<Instant> {
        self.lock().pending.map(|(_, since)| since)
    }

    /// All answers that have come.
    pub fn take_answers(&self) -> VecDeque<Taken> {
        std::mem::take(&mut self.lock().answers)
    }

    /// Counts an answer that did not come in time. Returns what is to be told, if it is a trouble.
    pub fn note_late(&self, trouble: Option<String>) -> Option<Value> {
        let mut inner = self.lock();
        inner.counts.late += 1;
        let detail = trouble.filter(|_| !inner.interrupted && inner.pending.is_some())?;
        inner.trust.trouble(Instant::now(), NAME, Reason::Late, &detail)
    }

    /// Changes the filter's parameters.
    ///
    /// # Errors
    ///
    /// A sentence that names the parameter and what it takes; nothing changes.
    pub fn set_params(&self, params: &Map<String, Value>) -> Result<(), String> {
        let mut inner = self.lock();
        if let Some(ready) = inner.ready.clone() {
            ready.declared.check(params)?;
            let message = json!({"op": "params", "values": params});
            if wire::send(ready.process.socket().as_fd(), &message, None).is_err() {
                ready.process.kill();
            }
        }
        inner.params.clone_from(params);
        Ok(())
    }

    /// The counters.
    pub fn counts(&self) -> Counts {
        self.lock().counts.clone()
    }

    /// Ends all waits, so that the streaming thread can stop.
    pub fn interrupt(&self) {
        self.lock().interrupted = true;
        self.changed.notify_all();
    }

    /// Ends the worker and the supervisor.
    pub fn close(&self) {
        let ready = {
            let mut inner = self.lock();
            inner.closed = true;
            inner.counts.pid = 0;
            inner.ready.take()
        };
        if let Some(ready) = ready {
            ready.process.kill();
        }
        self.changed.notify_all();
        self.wake();
    }

    fn wake(&self) {
        // It is full only if the supervisor has not yet seen that it was woken.
        let _ = (&self.wake[0]).write(&[1]);
    }

    // What the supervisor does.

    /// Becomes readable when the stage is closed.
    pub fn woken(&self) -> &UnixStream {
        &self.wake[1]
    }

    /// Whether it is over.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// The filter's parameters.
    pub fn params(&self) -> Map<String, Value> {
        self.lock().params.clone()
    }

    /// Whether a worker may be started.
    pub fn may_start(&self) -> bool {
        self.lock().trust.may_run(Instant::now())
    }

    /// A worker is there; what the one before was given is lost.
    pub fn enter(&self, ready: Arc<Ready>) {
        let mut inner = self.lock();
        inner.counts.pid = ready.process.pid();
        inner.counts.restarts += u64::from(ready.generation > 1);
        // Parameters may have changed since it was greeted.
        let message = json!({"op": "params", "values": inner.params});
        if wire::send(ready.process.socket().as_fd(), &message, None).is_err() {
            ready.process.kill();
        }
        inner.ready = Some(ready);
        inner.pending = None;
        inner.settled = true;
        drop(inner);
        self.changed.notify_all();
    }

    /// The worker is gone.
    pub fn leave(&self, generation: u64) {
        let mut inner = self.lock();
        if inner.ready.as_ref().is_some_and(|ready| ready.generation == generation) {
            inner.ready = None;
            inner.pending = None;
            inner.counts.pid = 0;
        }
        drop(inner);
        self.changed.notify_all();
    }

    /// The first worker could not be made: nobody waits for it any longer.
    pub fn give_up_waiting(&self) {
        self.lock().settled = true;
        self.changed.notify_all();
    }

    /// The element is to fail.
    pub fn fail(&self, text: String) {
        let mut inner = self.lock();
        inner.fatal = Some(text);
        inner.settled = true;
        drop(inner);
        self.changed.notify_all();
    }

    /// Takes an answer. Returns what is to be told: that the filter works again.
    pub fn answer(&self, generation: u64, seq: u64, answer: Option<Answer>) -> Option<Value> {
        let mut inner = self.lock();
        let begun = inner.pending.filter(|(pending, _)| *pending == seq)?.1;
        if inner.ready.as_ref().is_none_or(|ready| ready.generation != generation) {
            return None;
        }
        inner.pending = None;
        let took = begun.elapsed();
        let mut told = None;
        if let Some(answer) = &answer {
            inner.counts.looks += 1;
            inner.counts.own.add(answer.ns);
            let all = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
            inner.counts.transit.add(all.saturating_sub(answer.ns));
            told = inner.trust.good(Instant::now(), NAME);
        }
        // Nobody has come for the old ones: the stream stands still.
        while inner.answers.len() >= 8 {
            inner.answers.pop_front();
        }
        inner.answers.push_back(Taken { seq, begun, took, answer });
        drop(inner);
        self.changed.notify_all();
        told
    }

    /// Whether nothing is known of the first worker yet.
    pub fn is_unsettled(&self) -> bool {
        !self.lock().settled
    }

    /// The worker said something that cannot be understood: the frame that it has counts as failed.
    pub fn answer_any(&self, generation: u64) {
        let pending = self.lock().pending;
        if let Some((seq, _)) = pending {
            self.answer(generation, seq, None);
        }
    }

    /// Notes a trouble. Returns what is to be told.
    pub fn trouble(&self, reason: Reason, detail: &str) -> Option<Value> {
        self.lock().trust.trouble(Instant::now(), NAME, reason, detail)
    }
}
