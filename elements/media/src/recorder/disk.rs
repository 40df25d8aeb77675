//! The thread that waits for the disk, so that the writer need not.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Recorder;
use super::desk::Desk;
use super::part::Part;
use super::upload::News;

/// How often what is written is brought to the disk: what a power cut loses at most. More often, and the file system makes
/// writers wait for it; a killed process loses nothing that is written.
const SYNC_EVERY: Duration = Duration::from_secs(5);

/// Something to do.
enum Job {
    /// From now on, bring it to the disk now and then.
    Keep(Weak<Part>),
    /// It is whole: stop its elements, close its file, and tell the writer.
    Close(Arc<Part>),
}

/// The thread that waits for the disk.
#[derive(Debug)]
pub struct Disk {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Disk {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// No thread is to be had.
    pub fn start(recorder: &Recorder, desk: Arc<Desk>) -> std::io::Result<Self> {
        let (jobs, inbox) = channel();
        let bin = glib::prelude::ObjectExt::downgrade(recorder);
        let thread = std::thread::Builder::new()
            .name("abrecorder-disk".into())
            .spawn(move || work(&inbox, &bin, &desk))?;
        Ok(Disk { jobs: Some(jobs), thread: Some(thread) })
    }

    fn send(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            // The thread lives as long as this value.
            let _ = jobs.send(job);
        }
    }

    /// Brings a part to the disk now and then.
    pub fn keep(&self, part: &Arc<Part>) {
        self.send(Job::Keep(Arc::downgrade(part)));
    }

    /// Closes a part and tells the desk.
    pub fn close(&self, part: Arc<Part>) {
        self.send(Job::Close(part));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            // The last reference to the recorder may be given up by this very thread.
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

fn work(inbox: &Receiver<Job>, bin: &glib::WeakRef<Recorder>, desk: &Desk) {
    let mut kept: Vec<Weak<Part>> = Vec::new();
    loop {
        match inbox.recv_timeout(SYNC_EVERY) {
            Ok(Job::Keep(part)) => kept.push(part),
            Ok(Job::Close(part)) => {
                if let Some(bin) = bin.upgrade() {
                    part.close(&bin);
                }
                desk.tell(part.plan.number, News::Closed);
            }
            Err(RecvTimeoutError::Timeout) => {
                kept.retain(|part| part.upgrade().is_some_and(|part| !part.file().is_closed()));
                for part in kept.iter().filter_map(Weak::upgrade) {
                    part.file().sync();
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
