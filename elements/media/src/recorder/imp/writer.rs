//! The writer: the one thread that opens files and pushes into them.

use super::*;

/// How often it looks at what has come, unless the bell rings.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The same while the muxer holds more than it should.
const LOOK_SOON: Duration = Duration::from_millis(5);

impl Recorder {
    /// Starts the writer and the thread that waits for the disk.
    pub(super) fn start_writer(&self) {
        self.desk.open();
        match Disk::start(&self.obj(), self.desk.clone()) {
            Ok(disk) => *lock(&self.disk) = Some(Arc::new(disk)),
            Err(error) => return self.no_thread(&error),
        }
        let (desk, weak) = (self.desk.clone(), self.obj().downgrade());
        let thread = std::thread::Builder::new().name("abrecorder-write".into()).spawn(move || {
            let mut pause = LOOK_EVERY;
            while let Some(news) = desk.wait(pause) {
                let Some(recorder) = weak.upgrade() else { return };
                let held = recorder.imp().attend(news);
                pause = if held { LOOK_SOON } else { LOOK_EVERY };
            }
        });
        match thread {
            Ok(thread) => *lock(&self.writer) = Some(thread),
            Err(error) => self.no_thread(&error),
        }
    }

    fn no_thread(&self, error: &std::io::Error) {
        let text = format!("The recorder cannot start a thread: {error}.");
        self.fail(gst::ResourceError::Failed, &text, None);
    }

    pub(super) fn stop_writer(&self) {
        self.desk.stop();
        if let Some(thread) = lock(&self.writer).take()
            // The last reference may be given up by the writer itself.
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
        // Waits until everything that was to be closed is.
        let disk = lock(&self.disk).take();
        drop(disk);
    }

    /// Does what there is to do; `true` if something is held back for a moment.
    fn attend(&self, news: Vec<(u32, News)>) -> bool {
        for (part, news) in news {
            self.hear(part, news);
        }
        self.look_at_disk();
        self.look();
        if lock(&self.state).phase == Phase::Waiting {
            // What goes wrong here has been posted as an error.
            let _ = self.start_if_ready(false);
        }
        let held = self.drain_all();
        {
            let mut state = lock(&self.state);
            let parts = state.parts.clone();
            for (index, track) in state.tracks.iter_mut().enumerate() {
                track.queued = parts.iter().map(|part| part.queued(index).bytes).sum();
            }
        }
        self.close_whole_parts();
        self.finish_if_done();
        self.room.notify_all();
        held
    }

    /// Writes all that can be written; `true` if something is held back because the muxer has enough.
    pub(super) fn drain_all(&self) -> bool {
        loop {
            let mut moved = false;
            let mut held = false;
            for index in 0..2 {
                // What goes wrong here has been posted as an error, and is told to those who bring more.
                match self.drain(index) {
                    Ok(drained) => {
                        moved |= drained.moved;
                        held |= drained.held;
                    }
                    Err(_) => return false,
                }
            }
            if !moved {
                return held;
            }
        }
    }
}
