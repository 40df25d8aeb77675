//! Brings a file to where it belongs while it grows.
//!
//! What is recorded lies on the disk here first. A thread for each part brings it to its destination; when that is away, it
//! tries again with growing pauses for as long as it takes, and nothing is lost. The copy goes when all has arrived.

mod http;
mod put;
mod store;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::desk::Desk;
use super::destination::Destination;
use super::growing::Growing;

/// The first pause after a failure.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What becomes of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Its file is closed.
    Closed,
    /// Its destination cannot be reached.
    Away(String),
    /// Its destination can be reached again, after so long.
    Back(Duration),
    /// All of it has arrived.
    Stored,
    /// Its destination does not want it.
    Refused(String),
}

/// Why a try failed.
#[derive(Debug)]
enum Failure {
    /// It may work later.
    Away(String),
    /// It will never work.
    Refused(String),
}

/// Tells the desk about one part.
#[derive(Clone)]
struct Teller {
    desk: Arc<Desk>,
    part: u32,
}

impl Teller {
    fn tell(&self, news: News) {
        self.desk.tell(self.part, news);
    }
}

/// Something that may be away.
struct Patience {
    teller: Teller,
    away: Option<Instant>,
    pause: Duration,
}

impl Patience {
    fn new(teller: Teller) -> Self {
        Patience { teller, away: None, pause: FIRST_PAUSE }
    }

    /// A try failed: tells that once, and says how long to wait.
    fn failed(&mut self, reason: String) -> Duration {
        if self.away.is_none() {
            self.away = Some(Instant::now());
            self.teller.tell(News::Away(reason));
        }
        let pause = self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        pause
    }

    /// A try went well.
    fn worked(&mut self) {
        self.pause = FIRST_PAUSE;
        if let Some(away) = self.away.take() {
            self.teller.tell(News::Back(away.elapsed()));
        }
    }

    /// Tries until it works or never will.
    async fn insist<T, F>(&mut self, mut attempt: impl FnMut() -> F) -> Result<T, String>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        loop {
            match attempt().await {
                Ok(value) => {
                    self.worked();
                    return Ok(value);
                }
                Err(Failure::Refused(reason)) => return Err(reason),
                Err(Failure::Away(reason)) => tokio::time::sleep(self.failed(reason)).await,
            }
        }
    }
}

/// Brings one part to its destination.
#[derive(Debug)]
pub struct Upload {
    /// Dropped, it ends the thread.
    cancel: Option<watch::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Upload {
    /// Starts to bring a file there; `options` are `key=value`. The desk hears what becomes of it.
    ///
    /// # Errors
    ///
    /// What is wrong with the destination or the options, as a sentence for a person.
    pub fn start(
        destination: &Destination,
        options: &[String],
        file: Arc<Growing>,
        content_type: &'static str,
        (desk, part): (Arc<Desk>, u32),
    ) -> Result<Option<Self>, String> {
        let teller = Teller { desk, part };
        let work: Pin<Box<dyn Future<Output = Result<(), String>> + Send>> = match destination {
            Destination::File(_) => return Ok(None),
            Destination::Put(url) => Box::pin(put::bring(url.clone(), file, content_type, teller.clone())),
            Destination::Store(url) => {
                let (store, path) = store::open(url, options)?;
                let teller = teller.clone();
                Box::pin(async move { store::bring(&*store, &path, &file, teller).await })
            }
        };
        let no_thread = |error: std::io::Error| format!("Nothing can be uploaded: {error}.");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
        let runtime = runtime.map_err(no_thread)?;
        let (cancel, mut cancelled) = watch::channel(());
        let thread = std::thread::Builder::new().name("abrecorder-upload".into()).spawn(move || {
            let news = runtime.block_on(async {
                tokio::select! {
                    result = work => Some(result.map_or_else(News::Refused, |()| News::Stored)),
                    _ = cancelled.changed() => None,
                }
            });
            if let Some(news) = news {
                teller.tell(news);
            }
        });
        let thread = thread.map_err(no_thread)?;
        Ok(Some(Upload { cancel: Some(cancel), thread: Some(thread) }))
    }
}

impl Drop for Upload {
    /// Gives up what has not arrived; the copy stays.
    fn drop(&mut self) {
        self.cancel = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
