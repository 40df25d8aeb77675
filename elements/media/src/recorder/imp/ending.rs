//! How files end, and the recording with them.

use super::*;
use crate::recorder::growing;

impl Recorder {
    /// News of a part.
    pub(super) fn hear(&self, number: u32, news: News) {
        let part = lock(&self.state).parts.iter().find(|p| p.plan.number == number).cloned();
        let Some(part) = part else { return };
        let location = without_password(&part.plan.location);
        let obj = self.obj();
        match news {
            News::Closed => {
                // What went wrong with it is told before it is forgotten.
                self.look_at_disk();
                self.finish_part(&part);
            }
            News::Stored => {
                self.forget_upload(number);
                // It has arrived, so the copy has done its duty.
                let _ = std::fs::remove_file(&part.plan.file);
                self.finish_part(&part);
            }
            News::Away(reason) => {
                message::post(&*obj, "destination-away", json!({"location": location, "reason": reason}));
            }
            News::Back(away) => {
                let data = json!({"location": location, "away_ms": away.as_millis() as u64});
                message::post(&*obj, "destination-back", data);
            }
            News::Refused(reason) => {
                self.forget_upload(number);
                let file = &part.plan.file;
                let data = json!({"location": location, "file": file, "reason": reason});
                message::post(&*obj, "recording-kept", data);
                let text =
                    format!("'{location}' cannot be written: {reason}. The recording is kept in '{file}'.");
                lock(&self.state).give_up(gst::ResourceError::Write, text);
                self.finish_part(&part);
            }
        }
    }

    fn forget_upload(&self, number: u32) {
        let upload = {
            let mut state = lock(&self.state);
            let index = state.uploads.iter().position(|(n, _)| *n == number);
            index.map(|index| state.uploads.swap_remove(index))
        };
        // Its thread has told its last news, so this waits for nothing.
        drop(upload);
    }

    /// Ends the recording in order when a file can no longer be written.
    pub(super) fn look_at_disk(&self) {
        let found = {
            let state = lock(&self.state);
            if state.trouble.is_some() || state.phase == Phase::Failed {
                return;
            }
            state.parts.iter().find_map(|part| Some((part.clone(), part.file().trouble()?)))
        };
        let Some((part, trouble)) = found else { return };
        let file = &part.plan.file;
        let (kind, text) = match trouble {
            growing::Trouble::Full => {
                let data = json!({
                    "location": file, "bytes": part.bytes(),
                    "seconds": (part.seconds() * 1000.0).round() / 1000.0,
                });
                message::post(&*self.obj(), "disk-full", data);
                (gst::ResourceError::NoSpaceLeft, target::full(file))
            }
            growing::Trouble::Other(reason) => {
                (gst::ResourceError::Write, format!("'{file}' cannot be written: {reason}."))
            }
        };
        lock(&self.state).give_up(kind, text);
    }

    /// Has those closed into which their muxers have written all.
    pub(super) fn close_whole_parts(&self) {
        let whole: Vec<_> = {
            let mut state = lock(&self.state);
            let whole = |part: &&Arc<Part>| part.is_whole() && !state.closing.contains(&part.plan.number);
            let whole: Vec<_> = state.parts.iter().filter(whole).cloned().collect();
            state.closing.extend(whole.iter().map(|part| part.plan.number));
            whole
        };
        let disk = lock(&self.disk).clone();
        for part in whole {
            if let Some(disk) = &disk {
                disk.close(part);
            }
        }
    }

    /// A part is closed or has arrived: when both are so, tells that it is finished.
    fn finish_part(&self, part: &Arc<Part>) {
        let number = part.plan.number;
        {
            let mut state = lock(&self.state);
            let arriving = state.uploads.iter().any(|(n, _)| *n == number);
            if arriving || !part.file().is_closed() || part.is_finished() {
                return;
            }
            part.set_finished();
            state.parts.retain(|other| !Arc::ptr_eq(other, part));
            state.closing.retain(|n| *n != number);
            state.parts_done += 1;
            state.bytes_done += part.bytes();
            state.seconds_done += part.seconds();
        }
        let data = json!({
            "location": without_password(&part.plan.location),
            "part": number,
            "bytes": part.bytes(),
            "seconds": (part.seconds() * 1000.0).round() / 1000.0,
        });
        message::post(&*self.obj(), "recording-finished", data);
    }

    /// Nothing came, and nothing was written.
    pub(super) fn nothing_came(&self) {
        let location = self.params.with(|p| without_password(&p.location));
        let text = format!("Nothing was recorded to '{location}': no media came.");
        message::post(&*self.obj(), "recording-empty", json!({"location": location, "reason": text}));
        self.answer_stops();
        self.post_end();
    }

    fn post_end(&self) {
        // Without a bus nobody waits for it.
        let _ = self.obj().post_message(gst::message::Eos::builder().src(&*self.obj()).build());
    }

    /// Says that all is recorded once all tracks have ended and all files are where they belong.
    pub(super) fn finish_if_done(&self) {
        let linked = self.linked();
        let (trouble, data) = {
            let mut state = lock(&self.state);
            let over = (0..2).all(|index| {
                let track = &state.tracks[index];
                (track.ended || !linked[index]) && track.pending.is_empty()
            });
            if state.phase != Phase::Running || !over || !state.parts.is_empty() {
                return;
            }
            let trouble = state.trouble.take();
            if trouble.is_none() {
                state.phase = Phase::Done;
            }
            (trouble, state.summary())
        };
        self.room.notify_all();
        message::post(&*self.obj(), "recording-stopped", data);
        self.answer_stops();
        match trouble {
            Some(Trouble { kind, text }) => self.fail(kind, &text, None),
            None => self.post_end(),
        }
    }

    /// Tells those who asked for the end what there is.
    fn answer_stops(&self) {
        let (stops, summary) = {
            let mut state = lock(&self.state);
            (std::mem::take(&mut state.stops), state.summary())
        };
        for stop in stops {
            stop.send(Ok(summary.clone()));
        }
    }
}

impl State {
    /// Seconds and bytes so far.
    pub(super) fn totals(&self) -> (f64, u64) {
        self.parts.iter().fold((self.seconds_done, self.bytes_done), |(seconds, bytes), part| {
            (seconds + part.seconds(), bytes + part.bytes())
        })
    }

    /// What there is, for events and answers.
    pub(super) fn summary(&self) -> Value {
        let (seconds, bytes) = self.totals();
        json!({
            "parts": self.parts_done + self.parts.len() as u64,
            "seconds": (seconds * 1000.0).round() / 1000.0,
            "bytes": bytes,
        })
    }

    /// Ends all tracks; what waits is still written.
    pub(super) fn end_all(&mut self) {
        for track in &mut self.tracks {
            if !track.ended {
                track.ended = true;
                track.push(Item::End);
            }
        }
    }

    /// Ends all tracks without what waits; the error is told when all files are closed.
    fn give_up(&mut self, kind: gst::ResourceError, text: String) {
        if self.trouble.is_some() {
            return;
        }
        self.trouble = Some(Trouble { kind, text });
        for track in &mut self.tracks {
            while track.pop().is_some() {}
            track.ended = true;
            track.push(Item::End);
        }
    }
}
