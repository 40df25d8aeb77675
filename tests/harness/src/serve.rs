//! Runs `anabranch serve` as its user would.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

/// A server that runs. Killed when dropped; [`Served::stop`] ends it politely.
pub struct Served {
    child: Child,
    url: String,
    log: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
    folder: TempDir,
}

impl Served {
    /// Starts it on a free port of 127.0.0.1 with this configuration (TOML), and waits until it says where it listens.
    pub fn start(configuration: &str) -> Result<Self> {
        Self::start_with(configuration, |_| ())
    }

    /// The same, with a change to the command line first.
    pub fn start_with(configuration: &str, change: impl FnOnce(&mut Command)) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("anabranch.toml");
        std::fs::write(&file, configuration)?;
        let mut command = Command::new(crate::binary::path()?);
        command.arg("serve").arg("--config").arg(&file).args(["--listen", "127.0.0.1:0"]);
        command.current_dir(crate::binary::project_root());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        change(&mut command);
        let mut child = command.spawn().context("anabranch serve")?;
        let log = Arc::new(Mutex::new(String::new()));
        let (sender, lines) = channel();
        let stdout = child.stdout.take().context("no stdout")?;
        let stderr = child.stderr.take().context("no stderr")?;
        let readers = vec![follow(stdout, log.clone(), sender.clone()), follow(stderr, log.clone(), sender)];
        let mut served = Self { child, url: String::new(), log, readers, folder };
        served.url = served.wait_for_url(&lines, Duration::from_secs(20))?;
        Ok(served)
    }

    fn wait_for_url(&self, lines: &Receiver<String>, limit: Duration) -> Result<String> {
        let deadline = Instant::now() + limit;
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    if let Some(url) = url_in(&line) {
                        return Ok(url);
                    }
                }
                Err(RecvTimeoutError::Timeout) => bail!("the server does not listen:\n{}", self.log()),
                Err(RecvTimeoutError::Disconnected) => bail!("the server has ended:\n{}", self.log()),
            }
        }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it has written that. What it has done may be seen before what it said of it has been read.
    ///
    /// # Errors
    /// If it does not within `limit`.
    pub fn wait_for_log(&self, text: &str, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        while !self.log().contains(text) {
            if Instant::now() > deadline {
                bail!("the server does not say '{text}':\n{}", self.log());
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        Ok(())
    }

    /// A folder of its own, gone with it.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Asks it to stop and waits for its end; returns what it wrote.
    ///
    /// # Errors
    /// If it does not end within `limit`, or not with exit code 0.
    pub fn stop(mut self, limit: Duration) -> Result<String> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        let deadline = Instant::now() + limit;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if Instant::now() > deadline {
                bail!("the server did not stop within {limit:?}:\n{}", self.log());
            }
            std::thread::park_timeout(Duration::from_millis(5));
        };
        // Its last words may still be in the pipes.
        for reader in self.readers.drain(..) {
            reader.join().ok();
        }
        if !status.success() {
            bail!("the server ended with {status}:\n{}", self.log());
        }
        Ok(self.log())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn follow(
    from: impl Read + Send + 'static,
    log: Arc<Mutex<String>>,
    lines: Sender<String>,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(std::io::Result::ok) {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log.push_str(&line);
            log.push('\n');
            drop(log);
            lines.send(line).ok();
        }
    })
}

/// `http://127.0.0.1:PORT` in a line of the log.
fn url_in(line: &str) -> Option<String> {
    let rest = &line[line.find("127.0.0.1:")? + "127.0.0.1:".len()..];
    let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
    port.parse::<u16>().ok().filter(|p| *p != 0).map(|port| format!("http://127.0.0.1:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_what_the_server_says() {
        let said = "INFO server: listening url=http://127.0.0.1:40123/ tokens=0";
        assert_eq!(url_in(said).as_deref(), Some("http://127.0.0.1:40123"));
        assert_eq!(url_in("starting on 127.0.0.1:0"), None);
        assert_eq!(url_in("nothing"), None);
    }
}
