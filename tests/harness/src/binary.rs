//! Runs the built `anabranch` binary as a person or a script would.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;

/// The folder into which cargo builds (`target`), found from where the running test or benchmark lies.
pub fn target_folder() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    // target/release/deps/test-0123456789abcdef, target/release/bench-name: cargo keeps its notes in the
    // profile's folder (its CACHEDIR.TAG is missing where somebody else made the folder).
    let profile = program.ancestors().find(|folder| folder.join(".fingerprint").is_dir());
    let folder = profile.and_then(Path::parent);
    Ok(folder.context("the test does not lie in a target folder")?.to_owned())
}

/// The built binary: `$ANABRANCH`, or `anabranch` beside the running test or benchmark.
pub fn path() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("ANABRANCH") {
        return Ok(path.into());
    }
    let program = std::env::current_exe()?;
    let beside = program.ancestors().skip(1).take(2).map(|folder| folder.join("anabranch"));
    let found = beside.into_iter().find(|path| path.is_file());
    found.context("the binary is not built: cargo build --release -p anabranch")
}

/// The root of the project.
pub fn project_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).map(Path::to_owned).unwrap_or_default()
}

/// A command line of `anabranch`.
#[derive(Clone, Debug, Default)]
pub struct Anabranch {
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    folder: Option<PathBuf>,
    file_limit: Option<u32>,
}

impl Anabranch {
    /// With these arguments.
    pub fn new<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        Self { arguments: arguments.into_iter().map(|a| a.as_ref().to_owned()).collect(), ..Self::default() }
    }

    /// `anabranch run DESCRIPTION --events json`.
    pub fn run(description: impl AsRef<OsStr>) -> Self {
        Self::new(["run".as_ref(), description.as_ref(), "--events".as_ref(), "json".as_ref()])
    }

    /// One more argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// More arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// With this in the environment.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// In this folder.
    pub fn current_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// No file that it writes may get larger than this, KiB: what is beyond fails, as on a full disk.
    pub fn file_limit(mut self, kib: u32) -> Self {
        self.file_limit = Some(kib);
        self
    }

    /// As a command, for those who want more than this driver does.
    pub fn command(&self) -> Result<Command> {
        let mut command = match self.file_limit {
            None => Command::new(path()?),
            Some(kib) => {
                // Without the trap a write beyond the limit would kill the process.
                let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", u64::from(kib) * 2);
                let mut shell = Command::new("sh");
                shell.arg("-c").arg(script).arg(path()?);
                shell
            }
        };
        command.args(&self.arguments).stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(k, v)| (k, v)));
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        Ok(command)
    }

    /// Starts it.
    pub fn spawn(&self) -> Result<Running> {
        let mut child = self.command()?.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let id = child.id();
        let stdout = child.stdout.take().context("no stdout")?;
        let stderr = child.stderr.take().context("no stderr")?;
        let (line_sender, lines) = channel();
        let out = std::thread::spawn(move || {
            let mut text = String::new();
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                text.push_str(&line);
                text.push('\n');
                line_sender.send(line).ok();
            }
            text
        });
        let err = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            BufReader::new(stderr).read_to_end(&mut bytes).ok();
            String::from_utf8_lossy(&bytes).into_owned()
        });
        let (end_sender, end) = channel();
        std::thread::spawn(move || end_sender.send(wait(child)).ok());
        Ok(Running { id, lines, seen: Vec::new(), out: Some(out), err: Some(err), end, ended: false })
    }

    /// Runs it to its end, at most 60 seconds.
    pub fn finish(&self) -> Result<Finished> {
        self.spawn()?.finish(Duration::from_secs(60))
    }
}

fn wait(mut child: Child) -> Option<i32> {
    child.wait().ok().and_then(|s| s.code())
}

/// A run that has not been waited for. Killed when dropped.
#[derive(Debug)]
pub struct Running {
    id: u32,
    lines: Receiver<String>,
    seen: Vec<Value>,
    out: Option<JoinHandle<String>>,
    err: Option<JoinHandle<String>>,
    end: Receiver<Option<i32>>,
    ended: bool,
}

impl Running {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Events that were read so far.
    pub fn events(&self) -> &[Value] {
        &self.seen
    }

    /// Waits for an event (a JSON line of stdout) that `wanted` accepts; earlier ones that were not asked for yet are
    /// looked at, too.
    pub fn wait_for(&mut self, limit: Duration, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let deadline = Instant::now() + limit;
        if let Some(found) = self.seen.iter().find(|e| wanted(e)) {
            return Ok(found.clone());
        }
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
                    self.seen.push(event.clone());
                    if wanted(&event) {
                        return Ok(event);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    bail!("the event did not come within {limit:?}; there were {:#?}", self.seen)
                }
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("the program ended without the event; there were {:#?}", self.seen)
                }
            }
        }
    }

    /// Sends a signal by name: `INT`, `TERM`, `KILL`.
    pub fn signal(&self, name: &str) -> Result<()> {
        let done = Command::new("kill").arg(format!("-{name}")).arg(self.id.to_string()).status()?;
        if done.success() { Ok(()) } else { Err(anyhow!("kill -{name} {} failed", self.id)) }
    }

    /// Waits for its end; after `limit` it is killed, and that is an error.
    pub fn finish(mut self, limit: Duration) -> Result<Finished> {
        let started = Instant::now();
        let code = match self.end.recv_timeout(limit) {
            Ok(code) => {
                self.ended = true;
                code
            }
            Err(_) => {
                self.signal("KILL").ok();
                self.end.recv().ok();
                self.ended = true;
                let (stdout, stderr) = (join(self.out.take()), join(self.err.take()));
                bail!("not done after {limit:?}\nstdout:\n{stdout}\nstderr:\n{stderr}");
            }
        };
        let (stdout, stderr) = (join(self.out.take()), join(self.err.take()));
        let events = stdout.lines().filter_map(|l| serde_json::from_str(l).ok()).collect();
        Ok(Finished { code, stdout, stderr, events, took: started.elapsed() })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            self.signal("KILL").ok();
        }
    }
}

fn join(reader: Option<JoinHandle<String>>) -> String {
    reader.and_then(|r| r.join().ok()).unwrap_or_default()
}

/// What a finished run left.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
    /// The lines of stdout that are JSON.
    pub events: Vec<Value>,
    /// How long was waited for its end.
    pub took: Duration,
}

impl Finished {
    /// An error with all that it wrote unless it ended with this code.
    pub fn expect_code(self, code: i32) -> Result<Self> {
        if self.code == Some(code) {
            return Ok(self);
        }
        bail!("exit code {:?}, {code} wanted\nstdout:\n{}\nstderr:\n{}", self.code, self.stdout, self.stderr)
    }

    /// How many frames it says that a busy machine has lost.
    pub fn frames_lost(&self) -> u64 {
        self.events_named("frames-dropped").filter_map(|e| e["count"].as_u64()).sum()
    }

    /// The events of that kind (their `event` field).
    pub fn events_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Value> + 'a {
        self.events.iter().filter(move |e| e["event"] == name)
    }
}
