//! What a process holds: threads, file descriptors, memory. Read from /proc.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// What a process holds at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holdings {
    /// Threads.
    pub threads: usize,
    /// Open file descriptors.
    pub descriptors: usize,
    /// Resident memory, bytes.
    pub memory: u64,
}

impl Holdings {
    /// Of this process.
    pub fn own() -> Result<Self> {
        Self::of("self")
    }

    /// Of the process with that id.
    pub fn of_process(id: u32) -> Result<Self> {
        Self::of(&id.to_string())
    }

    fn of(process: &str) -> Result<Self> {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).context("no such process")?;
        let field = |name: &str| -> Option<u64> {
            status.lines().find_map(|l| l.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
        };
        Ok(Self {
            threads: field("Threads:").context("no number of threads")? as usize,
            descriptors: std::fs::read_dir(format!("/proc/{process}/fd"))?.count(),
            memory: field("VmRSS:").context("no resident size")? * 1024,
        })
    }

    /// What the process with that id holds as soon as `enough` is content and no thread or descriptor has come or gone
    /// for a second; or after 15 seconds.
    pub fn settled(id: u32, enough: impl Fn(&Self) -> bool) -> Result<Self> {
        let began = Instant::now();
        let mut last = (Self::of_process(id)?, began);
        loop {
            let now = Self::of_process(id)?;
            if (now.threads, now.descriptors) != (last.0.threads, last.0.descriptors) {
                last = (now, Instant::now());
            }
            let calm = last.1.elapsed() > Duration::from_secs(1);
            if (calm && enough(&now)) || began.elapsed() > Duration::from_secs(15) {
                return Ok(now);
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Whether threads and descriptors are no more than `base`'s, and memory at most `grown` bytes more.
    pub fn is_back_at(&self, base: &Self, grown: u64) -> bool {
        self.threads <= base.threads
            && self.descriptors <= base.descriptors
            && self.memory <= base.memory + grown
    }
}

/// CPU time that a process has used so far, seconds: user and system together, its waited-for children left out.
pub fn cpu_seconds(id: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).context("no such process")?;
    // The name, in brackets, may contain blanks.
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks: u64 =
        fields.get(11..13).context("a short stat line")?.iter().filter_map(|f| f.parse::<u64>().ok()).sum();
    // USER_HZ is 100 on every Linux.
    Ok(ticks as f64 / 100.0)
}

/// The CPU time of one thread of this process, found by its name.
#[derive(Debug, Default)]
pub struct ThreadClock {
    file: Option<PathBuf>,
    last: Option<u64>,
}

impl ThreadClock {
    /// Milliseconds of CPU since the last call; `None` at the first one, and if there is no thread of that name. The
    /// newest one is taken: those of earlier runs may not have ended yet.
    pub fn since_last(&mut self, name: &str) -> Option<f64> {
        if self.file.is_none() {
            self.file = find_thread(name);
        }
        let now = nanoseconds(self.file.as_ref()?)?;
        let last = self.last.replace(now)?;
        Some(now.saturating_sub(last) as f64 / 1e6)
    }
}

/// CPU time that the calling thread has used so far, milliseconds.
pub fn own_thread_ms() -> Result<f64> {
    let nanoseconds = nanoseconds(Path::new("/proc/thread-self/schedstat")).context("no schedstat")?;
    Ok(nanoseconds as f64 / 1e6)
}

/// The first number is the time that the thread ran.
fn nanoseconds(file: &Path) -> Option<u64> {
    std::fs::read_to_string(file).ok()?.split_whitespace().next()?.parse().ok()
}

fn find_thread(name: &str) -> Option<PathBuf> {
    let tasks = std::fs::read_dir("/proc/self/task").ok()?.flatten();
    let named = tasks.filter(|task| {
        std::fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim_end() == name)
    });
    let newest = named.filter_map(|t| t.file_name().to_str()?.parse::<u32>().ok()).max()?;
    Some(PathBuf::from(format!("/proc/self/task/{newest}/schedstat")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_file_is_seen() {
        let before = Holdings::own().unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        let with = Holdings::own().unwrap();
        assert_eq!(with.descriptors, before.descriptors + 1);
        drop(file);
        assert!(Holdings::own().unwrap().descriptors <= before.descriptors);
        assert!(cpu_seconds(std::process::id()).unwrap() >= 0.0);
    }
}
