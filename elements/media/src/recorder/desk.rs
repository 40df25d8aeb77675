//! What the recorder's threads share: a bell that wakes the writer, and a tray for news.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::upload::News;

/// What the writer finds on its desk.
#[derive(Debug, Default)]
struct Tray {
    stop: bool,
    rung: bool,
    news: Vec<(u32, News)>,
}

/// The desk of a recorder's writer.
#[derive(Debug, Default)]
pub struct Desk {
    tray: Mutex<Tray>,
    bell: Condvar,
}

impl Desk {
    fn tray(&self) -> MutexGuard<'_, Tray> {
        self.tray.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new shift begins.
    pub fn open(self: &Arc<Self>) {
        *self.tray() = Tray::default();
    }

    /// Wakes the writer.
    pub fn ring(&self) {
        self.tray().rung = true;
        self.bell.notify_all();
    }

    /// Tells the writer something about a part, and wakes it.
    pub fn tell(&self, part: u32, news: News) {
        self.tray().news.push((part, news));
        self.ring();
    }

    /// Sends the writer home.
    pub fn stop(&self) {
        self.tray().stop = true;
        self.bell.notify_all();
    }

    /// Waits for the bell, at most so long: the news, or `None` when it is time to go home.
    pub fn wait(&self, most: Duration) -> Option<Vec<(u32, News)>> {
        let tray = self.tray();
        let waiting = |tray: &mut Tray| !tray.stop && !tray.rung;
        let (mut tray, _) =
            self.bell.wait_timeout_while(tray, most, waiting).unwrap_or_else(PoisonError::into_inner);
        tray.rung = false;
        (!tray.stop).then(|| std::mem::take(&mut tray.news))
    }
}
