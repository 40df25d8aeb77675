//! One worker process: how it is started and how it ends.

use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use serde_json::Value;

use crate::package;
use crate::program;
use crate::wire;

/// What the interpreter is given to begin with: the package of this program goes before an installed one, and nothing
/// is looked for in the current folder.
const BEGIN: &str = "import sys; sys.path = [sys.argv[1]] + [p for p in sys.path if p]; \
                     from anabranch.worker import main; main()";

/// A worker process, from its start to its end. It ends with its last owner.
pub struct Process {
    child: Mutex<Option<Child>>,
    pid: Pid,
    descriptor: OwnedFd,
    socket: UnixStream,
}

/// What a worker prints.
pub struct Output {
    /// Its standard output.
    pub stdout: ChildStdout,
    /// Its standard error.
    pub stderr: ChildStderr,
}

/// An interpreter that can import the package; what it is to do is left to add. Its process group is its own, so that
/// what it starts ends with it.
///
/// # Errors
///
/// The package cannot be written anywhere.
pub fn interpreter(python: &str) -> io::Result<Command> {
    let folder = package::folder()?;
    let mut path = folder.into_os_string();
    if let Some(more) = std::env::var_os("PYTHONPATH").filter(|more| !more.is_empty()) {
        path.push(":");
        path.push(more);
    }
    let mut command = Command::new(program::find(python));
    command.env("PYTHONPATH", path).env("PYTHONUNBUFFERED", "1").env("PYTHONDONTWRITEBYTECODE", "1");
    // One thread a worker, unless somebody says otherwise: the other processors belong to the video.
    for name in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"] {
        if std::env::var_os(name).is_none() {
            command.env(name, "1");
        }
    }
    command.process_group(0);
    Ok(command)
}

impl Process {
    /// Starts a worker and greets it.
    ///
    /// # Errors
    ///
    /// There is no such interpreter, or the system has no room for another process.
    pub fn start(python: &str, hello: &Value) -> io::Result<(Process, Output)> {
        let (here, there) = UnixStream::pair()?;
        here.set_nonblocking(true)?;
        let folder = package::folder()?;
        let mut child = interpreter(python)?
            .arg("-c")
            .arg(BEGIN)
            .arg(folder)
            .stdin(Stdio::from(OwnedFd::from(there)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        // Process numbers fit: the system's are of this very type.
        let pid = Pid::from_raw(child.id().cast_signed());
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let descriptor = watch(pid);
        let (Ok(descriptor), Some(stdout), Some(stderr)) = (descriptor, stdout, stderr) else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(io::Error::other("the system gives no descriptor for a process"));
        };
        // Reading what it prints never blocks.
        for pipe in [stdout.as_fd(), stderr.as_fd()] {
            fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        let process = Process { child: Mutex::new(Some(child)), pid, descriptor, socket: here };
        wire::send(process.socket().as_fd(), hello, None)?;
        Ok((process, Output { stdout, stderr }))
    }

    /// Its number in the system.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw().cast_unsigned()
    }

    /// The conversation with it.
    pub fn socket(&self) -> &UnixStream {
        &self.socket
    }

    /// Becomes readable when it has ended.
    pub fn ended(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    /// Asks it to print where it is.
    pub fn ask_where(&self) {
        let number: libc::c_int = Signal::SIGUSR2 as libc::c_int;
        // SAFETY: the descriptor is open, and there is no further information to point at. If the process is gone there
        // is nobody to ask.
        unsafe {
            let nothing = std::ptr::null::<libc::siginfo_t>();
            libc::syscall(libc::SYS_pidfd_send_signal, self.descriptor.as_raw_fd(), number, nothing, 0);
        }
    }

    /// Ends it and all that it started, now.
    pub fn kill(&self) {
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        // Only while its number is its own: once it has been waited for, another process may have it.
        if child.is_some() {
            let _ = killpg(self.pid, Signal::SIGKILL);
        }
    }

    /// Takes note of its end; `None` if it has not ended.
    pub fn reap(&self) -> Option<ExitStatus> {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = child.as_mut()?;
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        if matches!(waitid(Id::Pid(self.pid), flags), Ok(WaitStatus::StillAlive)) {
            return None;
        }
        // What it started would go on. Before it is waited for: until then its number, and its group's, is its own.
        let _ = killpg(self.pid, Signal::SIGKILL);
        let status = ended.wait().ok()?;
        *child = None;
        Some(status)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if let Some(mut child) = self.child.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // It was killed: this takes no time worth speaking of.
            let _ = child.wait();
        }
    }
}

/// A descriptor that becomes readable when a process ends.
fn watch(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: it takes two numbers and gives a new descriptor, which belongs to nobody else.
    unsafe {
        let descriptor = libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0);
        match libc::c_int::try_from(descriptor) {
            Ok(descriptor) if descriptor >= 0 => Ok(OwnedFd::from_raw_fd(descriptor)),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// How a process ended, for a sentence.
pub fn how(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(9), _) => "it was ended by signal 9 (SIGKILL)".to_owned(),
        (Some(11), _) => "it crashed with signal 11 (SIGSEGV)".to_owned(),
        (Some(6), _) => "it aborted with signal 6 (SIGABRT)".to_owned(),
        (Some(signal), _) => format!("it was ended by signal {signal}"),
        (None, Some(code)) => format!("it ended with exit code {code}"),
        (None, None) => "it ended".to_owned(),
    }
}

/// What a worker prints on one pipe: whole lines, of which a tail is kept and a limited part is passed on.
pub struct Lines {
    partial: Vec<u8>,
    tail: String,
    pending: String,
    left_out: usize,
    open: bool,
}

impl Default for Lines {
    fn default() -> Self {
        Lines { partial: Vec::new(), tail: String::new(), pending: String::new(), left_out: 0, open: true }
    }
}

/// So much of what a worker printed last is kept for the report of its end.
const TAIL: usize = 4000;
/// So much is passed on at a time.
const MOST_PENDING: usize = 4000;
/// A line longer than this is cut.
const LONGEST_LINE: usize = 1000;

impl Lines {
    /// Whether more may come.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Reads what there is, without waiting, up to a limit for one turn.
    pub fn read(&mut self, mut from: impl Read) {
        let mut chunk = [0; 4096];
        for _ in 0..16 {
            match from.read(&mut chunk) {
                Ok(0) => return self.open = false,
                Ok(got) => self.add(&chunk[..got]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.open = error.kind() == io::ErrorKind::WouldBlock,
            }
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if *byte != b'\n' {
                if self.partial.len() < LONGEST_LINE {
                    self.partial.push(*byte);
                }
                continue;
            }
            let line = String::from_utf8_lossy(&std::mem::take(&mut self.partial)).into_owned() + "\n";
            self.tail.push_str(&line);
            if self.tail.len() > 2 * TAIL {
                let cut = self.tail.len() - TAIL;
                let cut = (cut..self.tail.len()).find(|at| self.tail.is_char_boundary(*at)).unwrap_or(0);
                self.tail.drain(..cut);
            }
            if self.pending.len() + line.len() <= MOST_PENDING {
                self.pending.push_str(&line);
            } else {
                self.left_out += 1;
            }
        }
    }

    /// What was printed last.
    pub fn tail(&self) -> &str {
        self.tail.trim()
    }

    /// What is to be passed on, and how many lines were too many. Empty if there is nothing.
    pub fn take(&mut self) -> Option<(String, usize)> {
        if self.pending.is_empty() && self.left_out == 0 {
            return None;
        }
        Some((std::mem::take(&mut self.pending).trim_end().to_owned(), std::mem::take(&mut self.left_out)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_bounded() {
        let mut lines = Lines::default();
        let text: String = (0..10_000).map(|n| format!("line {n}\n")).collect();
        lines.add(text.as_bytes());
        lines.add(&[b'x'; 100_000]);
        let (shown, left_out) = lines.take().unwrap();
        assert!(shown.starts_with("line 0\n") && shown.len() <= MOST_PENDING);
        assert_eq!(shown.lines().count() + left_out, 10_000);
        assert!(lines.tail().ends_with("line 9999") && lines.tail().len() <= 2 * TAIL);
        assert!(lines.partial.len() <= LONGEST_LINE && lines.take().is_none());
    }
}
