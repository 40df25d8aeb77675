//! The thread that starts workers, listens to them, ends them, and starts them anew.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anabranch_kit::filter::Reason;
use nix::poll::{PollFd, PollFlags, poll};
use serde_json::{Value, json};

use crate::process::Process;
use crate::results::Said;
use crate::running::Running;
use crate::stage::{NAME, Ready, Stage};

/// How often the file is looked at, and what is printed is passed on.
const TICK: Duration = Duration::from_millis(200);
/// How long a worker may take to load its file: it may have to load a model.
const START_LIMIT: Duration = Duration::from_secs(20);

/// Tells an event: its name and its data.
pub type Tell = Arc<dyn Fn(&str, Value) + Send + Sync>;

/// What the supervisor has to know.
#[derive(Clone)]
pub struct Orders {
    /// The filter's file, absolute.
    pub file: PathBuf,
    /// The interpreter.
    pub python: String,
    /// Megabytes of data that the worker may have; 0 is no limit.
    pub memory_mb: u32,
    /// Whether the video goes before it.
    pub background: bool,
    /// How long it may be busy with one frame.
    pub patience: Arc<dyn Fn() -> Duration + Send + Sync>,
    /// Tells what happened. Called without any lock.
    pub tell: Tell,
}

/// When a file was written, as far as one can tell.
type Stamp = Option<(SystemTime, u64)>;

struct Supervisor {
    stage: Arc<Stage>,
    orders: Orders,
    current: Option<Running>,
    /// The worker with the newly saved file, until it is ready.
    next: Option<Running>,
    generation: u64,
    /// Of the version of the file that was loaded.
    stamp: Stamp,
    /// Of the file when it was looked at last.
    seen: Stamp,
    messages: Vec<(&'static str, Value)>,
    events: Vec<(String, Value)>,
    ticked: Instant,
}

/// Runs a filter until its stage is closed.
pub fn run(stage: Arc<Stage>, orders: Orders) {
    let stamp = stamp(&orders.file);
    let mut supervisor = Supervisor {
        stage,
        orders,
        current: None,
        next: None,
        generation: 0,
        stamp,
        seen: stamp,
        messages: Vec::new(),
        events: Vec::new(),
        ticked: Instant::now(),
    };
    while !supervisor.stage.is_closed() {
        supervisor.turn();
        supervisor.tell();
    }
    // Workers end with their owner.
}

fn stamp(file: &Path) -> Stamp {
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

impl Supervisor {
    fn turn(&mut self) {
        self.wait();
        let now = Instant::now();
        if let Some(mut running) = self.current.take()
            && !self.look_after(&mut running, now)
        {
            self.current = Some(running);
        }
        if let Some(mut running) = self.next.take()
            && !self.look_after(&mut running, now)
        {
            // One that became ready has taken the other's place.
            let place = if running.is_ready { &mut self.current } else { &mut self.next };
            *place = Some(running);
        }
        if now.duration_since(self.ticked) >= TICK {
            self.ticked = now;
            self.pass_on_prints();
            self.look_at_file();
        }
        if self.current.is_none() && self.next.is_none() && self.stage.may_start() {
            self.next = self.start();
        }
    }

    fn wait(&mut self) {
        let mut all = vec![PollFd::new(self.stage.woken().as_fd(), PollFlags::POLLIN)];
        let mut limit = TICK;
        for running in self.current.iter().chain(&self.next) {
            running.poll(&mut all);
            if let Some(due) = running.due() {
                limit = limit.min(due.saturating_duration_since(Instant::now()));
            }
        }
        if self.generation == 0 {
            limit = Duration::ZERO;
        }
        // At most a tick, in milliseconds; a part of one more rather than one less.
        let limit = u8::try_from(limit.as_millis() + u128::from(!limit.is_zero())).unwrap_or(u8::MAX);
        // Interrupted, the next thing is to look at everything.
        let is_known = poll(&mut all, limit).is_ok();
        let woken: Vec<bool> = all.iter().map(|one| !is_known || one.any().unwrap_or(true)).collect();
        let mut woken = woken.into_iter().skip(1);
        for running in self.current.iter_mut().chain(&mut self.next) {
            running.note(&mut woken);
        }
    }

    /// Listens to a worker; `true` if it is gone.
    fn look_after(&mut self, running: &mut Running, now: Instant) -> bool {
        // Its end first: what it said before is read after that, and nothing of it is lost.
        let status = running.reap();
        for said in running.read() {
            self.heard(running, said.and_then(Said::read));
        }
        if let Some(status) = status {
            self.buried(running, status);
            return true;
        }
        running.kill_if_due(now);
        if !running.is_ready && now.duration_since(running.started) > START_LIMIT {
            running.end(format!("it was not ready after {} s", START_LIMIT.as_secs()));
        }
        let patience = (self.orders.patience)();
        if running.is_ready
            && self.stage.busy_since().is_some_and(|since| now.duration_since(since) > patience)
        {
            running.end(format!("it was busy with one frame for {} s", patience.as_secs_f64()));
        }
        false
    }

    fn heard(&mut self, running: &mut Running, said: Result<Said, String>) {
        match said {
            Ok(Said::Ready(declared)) if !running.is_ready => {
                running.is_ready = true;
                self.is_ready(running, declared);
            }
            Ok(Said::Ready(_)) => {}
            Ok(Said::Failed { text }) => running.failed = Some(text),
            Ok(Said::Result(answer)) => {
                for one in &answer.results {
                    self.events
                        .extend(one.events.iter().map(|event| (event.name.clone(), event.data.clone())));
                }
                let recovered = self.stage.answer(running.generation, answer.seq, Some(answer));
                self.messages.extend(recovered.map(|data| ("filter-recovered", data)));
            }
            Ok(Said::Error { seq, text }) => {
                let told = self.stage.trouble(Reason::Error, &text);
                self.messages.extend(told.map(|data| ("filter-trouble", data)));
                if let Some(seq) = seq {
                    self.stage.answer(running.generation, seq, None);
                }
            }
            Err(problem) => {
                let told =
                    self.stage.trouble(Reason::Error, &format!("what it said is not valid: {problem}"));
                self.messages.extend(told.map(|data| ("filter-trouble", data)));
                self.stage.answer_any(running.generation);
            }
        }
    }

    fn is_ready(&mut self, running: &Running, declared: crate::declared::Declared) {
        let is_first = self.stage.is_unsettled();
        if let Some(problem) = &declared.problem {
            if is_first {
                return self.stage.fail(problem.clone());
            }
            self.reload_trouble(problem, "the parameters that fit are kept, the others have their defaults");
        }
        if declared.pixels().is_none() {
            return self.stage.fail(format!(
                "it wants pictures in '{}'; there are RGB, BGR, GRAY, RGBA, BGRA",
                declared.format
            ));
        }
        if let Some(old) = self.current.take() {
            let params: Vec<&str> = declared.params.iter().map(|p| p.name.as_str()).collect();
            let file = self.orders.file.display().to_string();
            let data = json!({"filter": NAME, "file": file, "class": declared.name, "params": params});
            self.messages.push(("filter-reloaded", data));
            old.process.kill();
        }
        let ready = Ready { process: running.process.clone(), declared, generation: running.generation };
        self.stage.enter(Arc::new(ready));
    }

    /// A worker has ended.
    fn buried(&mut self, running: &Running, status: std::process::ExitStatus) {
        self.stage.leave(running.generation);
        if self.stage.is_closed() {
            return;
        }
        let detail = running.last_words(status, &self.orders.python);
        if !running.is_ready && self.current.is_some() {
            return self.reload_trouble(
                &detail,
                "the version before goes on; it is loaded anew when the file is saved",
            );
        }
        let reason = match (running.hung(), running.is_ready) {
            (true, _) => Reason::Hang,
            (false, true) => Reason::Crash,
            (false, false) => Reason::Start,
        };
        let told = self.stage.trouble(reason, &detail);
        self.messages.extend(told.map(|data| ("filter-trouble", data)));
        self.stage.give_up_waiting();
    }

    fn reload_trouble(&mut self, detail: &str, consequence: &str) {
        let data = json!({"filter": NAME, "reason": "reload", "detail": detail, "consequence": consequence});
        self.messages.push(("filter-trouble", data));
    }

    fn start(&mut self) -> Option<Running> {
        self.generation += 1;
        let hello = json!({
            "file": self.orders.file,
            "params": self.stage.params(),
            "memory_mb": self.orders.memory_mb,
            "background": self.orders.background,
        });
        match Process::start(&self.orders.python, &hello) {
            Ok((process, output)) => {
                let running = Running::new(process, output, self.generation);
                // The stage may have been closed while it was started: then it ends at once.
                (!self.stage.is_closed()).then_some(running)
            }
            Err(error) => {
                let python = &self.orders.python;
                let told =
                    self.stage.trouble(Reason::Start, &format!("'{python}' cannot be started: {error}"));
                self.messages.extend(told.map(|data| ("filter-trouble", data)));
                self.stage.give_up_waiting();
                None
            }
        }
    }

    /// Starts a worker with a file that was saved.
    fn look_at_file(&mut self) {
        let new = stamp(&self.orders.file);
        // While an editor replaces it, it is not there for a moment; while one writes it, half of it is there. It is
        // loaded as soon as it has been the same for a tick.
        let rests = std::mem::replace(&mut self.seen, new) == new;
        if new.is_none() || new == self.stamp || !rests {
            return;
        }
        self.stamp = new;
        // One that was about to load what is old by now.
        drop(self.next.take());
        self.next = self.start();
    }

    fn pass_on_prints(&mut self) {
        for running in self.current.iter_mut().chain(&mut self.next) {
            for (lines, stream) in running.printed.iter_mut().zip(["stdout", "stderr"]) {
                if let Some((text, left_out)) = lines.take() {
                    let mut data = json!({"filter": NAME, "stream": stream, "text": text});
                    if left_out > 0 {
                        data["lines_left_out"] = Value::from(left_out);
                    }
                    self.messages.push(("filter-log", data));
                }
            }
        }
    }

    fn tell(&mut self) {
        for (name, data) in std::mem::take(&mut self.messages) {
            (self.orders.tell)(name, data);
        }
        for (name, data) in std::mem::take(&mut self.events) {
            (self.orders.tell)(&name, data);
        }
    }
}
