//! Processor time of the threads that do the filters' work.

use std::collections::{BTreeMap, BTreeSet};

/// Threads of the program's own runtime: they carry commands and statistics, not pictures.
const RUNTIME: &str = "tokio-rt-worker";

/// Adds up the processor time of threads that are born after it was made: those of the filters. The threads that decode
/// the film are older.
pub struct Meter {
    old: BTreeSet<u32>,
    base: BTreeMap<u32, u64>,
}

impl Meter {
    /// Notes which threads there are; the filters' threads come later.
    pub fn new() -> Self {
        Meter { old: threads().into_keys().collect(), base: BTreeMap::new() }
    }

    /// Begins to count from here.
    pub fn reset(&mut self) {
        self.base = self.now();
    }

    /// Nanoseconds since the last reset.
    pub fn nanoseconds(&self) -> u64 {
        let now = self.now();
        now.iter().map(|(id, time)| time.saturating_sub(self.base.get(id).copied().unwrap_or(0))).sum()
    }

    fn now(&self) -> BTreeMap<u32, u64> {
        let mut threads = threads();
        threads.retain(|id, _| !self.old.contains(id));
        threads
    }
}

/// Nanoseconds on a processor of each thread of this program, by its number; without those of the runtime.
fn threads() -> BTreeMap<u32, u64> {
    let Ok(entries) = std::fs::read_dir("/proc/self/task") else { return BTreeMap::new() };
    let times = entries.flatten().filter_map(|entry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let name = std::fs::read_to_string(entry.path().join("comm")).ok()?;
        let text = std::fs::read_to_string(entry.path().join("schedstat")).ok()?;
        let time = text.split_whitespace().next()?.parse().ok()?;
        (name.trim() != RUNTIME).then_some((id, time))
    });
    times.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_threads_that_came_later_count() {
        let (begin, wait) = std::sync::mpsc::channel::<()>();
        let spin = |milliseconds: u128| {
            let end = std::time::Instant::now();
            let mut sum = 0u64;
            while end.elapsed().as_millis() < milliseconds {
                sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(7));
            }
        };
        let old = std::thread::spawn(move || {
            wait.recv().unwrap();
            spin(30);
        });
        let mut meter = Meter::new();
        meter.reset();
        begin.send(()).unwrap();
        old.join().unwrap();
        assert_eq!(meter.nanoseconds(), 0);
        let (done, finished) = std::sync::mpsc::channel::<()>();
        let (let_go, go) = std::sync::mpsc::channel::<()>();
        let young = std::thread::spawn(move || {
            spin(30);
            done.send(()).unwrap();
            // It lives until it was looked at.
            go.recv().unwrap();
        });
        finished.recv().unwrap();
        let time = meter.nanoseconds();
        assert!(time > 1_000_000, "{time}");
        let_go.send(()).unwrap();
        young.join().unwrap();
    }
}
