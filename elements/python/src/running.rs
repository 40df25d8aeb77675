//! One worker under supervision: what it says, what it prints, and how it ends.

use std::os::fd::AsFd;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags};
use serde_json::Value;

use crate::process::{Lines, Output, Process, how};
use crate::wire::Incoming;

/// How long a worker that hangs has to begin to print where it is: a busy machine may let it wait for its turn.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long it then has for the rest.
const REST: Duration = Duration::from_millis(150);

/// A worker process that the supervisor looks after.
pub struct Running {
    /// The process.
    pub process: Arc<Process>,
    /// Which worker it is, counted from the first.
    pub generation: u64,
    /// When it was started.
    pub started: Instant,
    /// It has loaded its file.
    pub is_ready: bool,
    /// Why its file could not be loaded.
    pub failed: Option<String>,
    /// It has hung: what is to be told, and when it is killed.
    ending: Option<(String, Instant)>,
    /// What it prints.
    pub printed: [Lines; 2],
    output: Output,
    incoming: Incoming,
    is_open: bool,
    woken: Woken,
}

/// What there is to look at. A frame waits for its answer: what is not there is not asked for.
#[derive(Clone, Copy, Default)]
struct Woken {
    ended: bool,
    said: bool,
    printed: [bool; 2],
}

impl Running {
    /// Looks after a process that was started now.
    pub fn new(process: Process, output: Output, generation: u64) -> Self {
        Running {
            process: Arc::new(process),
            generation,
            started: Instant::now(),
            is_ready: false,
            failed: None,
            ending: None,
            printed: [Lines::default(), Lines::default()],
            output,
            incoming: Incoming::default(),
            is_open: true,
            woken: Woken::default(),
        }
    }

    /// What to wait for.
    pub fn poll<'a>(&'a self, all: &mut Vec<PollFd<'a>>) {
        all.push(PollFd::new(self.process.ended(), PollFlags::POLLIN));
        if self.is_open {
            all.push(PollFd::new(self.process.socket().as_fd(), PollFlags::POLLIN));
        }
        let pipes = [self.output.stdout.as_fd(), self.output.stderr.as_fd()];
        for (lines, pipe) in self.printed.iter().zip(pipes) {
            if lines.is_open() {
                all.push(PollFd::new(pipe, PollFlags::POLLIN));
            }
        }
    }

    /// Takes note of what [`Running::poll`] waited for: what came of it, in the same order.
    pub fn note(&mut self, mut woken: impl Iterator<Item = bool>) {
        let mut next = |waited: bool| waited && woken.next().unwrap_or(true);
        self.woken = Woken {
            ended: next(true),
            said: next(self.is_open),
            printed: [next(self.printed[0].is_open()), next(self.printed[1].is_open())],
        };
    }

    /// How it ended, if it has.
    pub fn reap(&self) -> Option<ExitStatus> {
        self.woken.ended.then(|| self.process.reap()).flatten()
    }

    /// Takes in what it said and printed; with its end, all that there is.
    pub fn read(&mut self) -> Vec<Result<Value, String>> {
        let Woken { ended, said: has_said, printed } = self.woken;
        let [out, err] = &mut self.printed;
        if out.is_open() && (ended || printed[0]) {
            out.read(&mut self.output.stdout);
        }
        if err.is_open() && (ended || printed[1]) {
            err.read(&mut self.output.stderr);
            if let Some((_, at)) = &mut self.ending {
                *at = (*at).min(Instant::now() + REST);
            }
        }
        if self.is_open && (ended || has_said) {
            self.is_open = self.incoming.read(self.process.socket()).unwrap_or(false);
        }
        let mut said = Vec::new();
        loop {
            match self.incoming.next() {
                Ok(Some(message)) => said.push(Ok(message)),
                Ok(None) => return said,
                Err(problem) => {
                    // Where the next message begins is not known any more.
                    said.push(Err(problem));
                    self.is_open = false;
                    self.process.kill();
                    return said;
                }
            }
        }
    }

    /// It hangs: lets it print where it is, and ends it then.
    pub fn end(&mut self, why: String) {
        if self.ending.is_none() {
            self.process.ask_where();
            self.ending = Some((why, Instant::now() + LAST_WORDS));
        }
    }

    /// When [`Running::kill_if_due`] wants to be called.
    pub fn due(&self) -> Option<Instant> {
        self.ending.as_ref().map(|(_, at)| *at)
    }

    /// Ends it when it has had the time to print where it is.
    pub fn kill_if_due(&self, now: Instant) {
        if self.due().is_some_and(|at| now >= at) {
            self.process.kill();
        }
    }

    /// Whether it was ended because it hung.
    pub fn hung(&self) -> bool {
        self.ending.is_some()
    }

    /// What to tell of its end.
    pub fn last_words(&self, status: ExitStatus, python: &str) -> String {
        if let Some(text) = &self.failed {
            return text.clone();
        }
        let tail = self.printed[1].tail();
        if !self.is_ready && tail.contains("No module named 'numpy'") {
            return format!(
                "{python} has no numpy: install it (apt-get install python3-numpy, or pip install numpy), or name \
                 another interpreter with the property python"
            );
        }
        let text = match &self.ending {
            Some((why, _)) => why.clone(),
            None => how(status),
        };
        if tail.is_empty() { text } else { format!("{text}\n{tail}") }
    }
}
