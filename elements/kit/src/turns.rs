//! Who computes when: all analysers of the process take turns on as many processors as there are.
//!
//! Each analyser has a thread, but no more of them compute at once than there are processors; the others wait in the
//! order in which they came, so each stream gets its share. While an analyser waits for its turn its picture is
//! replaced by newer ones ([`crate::worker`]): what it looks at then is new. One that hangs loses its turn.

use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Who computes for longer is not counted any more: it may hang, and the others must go on.
const LEASE: Duration = Duration::from_secs(5);

/// A number of turns that are taken at the same time.
pub(crate) struct Turns {
    most: usize,
    lease: Duration,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    next: u64,
    waiting: VecDeque<u64>,
    running: Vec<(u64, Instant)>,
}

/// A turn; it ends when this is dropped.
pub(crate) struct Turn<'a> {
    turns: &'a Turns,
    number: u64,
}

/// Those of this process.
pub(crate) fn of_process() -> &'static Turns {
    static TURNS: LazyLock<Turns> = LazyLock::new(|| Turns::new(processors(), LEASE));
    &TURNS
}

/// How many processors there are.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

impl Turns {
    fn new(most: usize, lease: Duration) -> Self {
        Turns { most: most.max(1), lease, state: Mutex::default(), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn, behind those who came before.
    pub(crate) fn take(&self) -> Turn<'_> {
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        state.waiting.push_back(number);
        loop {
            let now = Instant::now();
            state.running.retain(|(_, since)| now.duration_since(*since) < self.lease);
            if state.waiting.front() == Some(&number) && state.running.len() < self.most {
                state.waiting.pop_front();
                state.running.push((number, now));
                drop(state);
                // The next one may have a turn too.
                self.changed.notify_all();
                return Turn { turns: self, number };
            }
            let waited = self.changed.wait_timeout(state, self.lease);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.lock().running.retain(|(number, _)| *number != self.number);
        self.turns.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn no_more_than_allowed_compute_at_once_and_each_gets_its_share() {
        let turns = Arc::new(Turns::new(2, LEASE));
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let threads: Vec<_> = (0..10)
            .map(|_| {
                let (turns, now, most) = (turns.clone(), now.clone(), most.clone());
                std::thread::spawn(move || {
                    for _ in 0..100 {
                        let _turn = turns.take();
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        now.fetch_sub(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(most.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn who_came_first_goes_first() {
        let turns = Arc::new(Turns::new(1, LEASE));
        let first = turns.take();
        let order = Arc::new(Mutex::new(Vec::new()));
        let threads: Vec<_> = (0..5)
            .map(|n| {
                let (waiting, order) = (turns.clone(), order.clone());
                let thread = std::thread::spawn(move || {
                    let _turn = waiting.take();
                    order.lock().unwrap().push(n);
                });
                while turns.lock().waiting.len() <= n {
                    std::thread::yield_now();
                }
                thread
            })
            .collect();
        drop(first);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn one_that_hangs_does_not_stop_the_others() {
        let turns = Turns::new(1, Duration::from_millis(20));
        let hung = turns.take();
        let begun = Instant::now();
        drop(turns.take());
        assert!(begun.elapsed() >= Duration::from_millis(20));
        drop(hung);
        assert!(turns.lock().running.is_empty());
    }
}
