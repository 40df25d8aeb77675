//! The player's commands: play, pause, stop, seek, status.

use anabranch_kit::command::{CommandError, CommandErrorKind, CommandResult};

use super::*;

impl Control {
    pub(super) fn command(&mut self, name: &str, arguments: &Value, answer: Answer) {
        let done = match name {
            "play" => self.play(),
            "pause" => self.pause(),
            "stop" => {
                self.stop();
                Ok(())
            }
            "seek" => return self.seek_command(arguments, answer),
            "status" => Ok(()),
            other => Err(CommandError::unknown(other)),
        };
        answer.send(done.map(|()| self.report()));
    }

    /// What every command answers.
    fn report(&self) -> Value {
        let session = self.session.as_ref();
        let ms = |time: gst::ClockTime| time.mseconds();
        json!({
            "state": self.state.name(),
            "position": self.outlet.position().map(ms),
            "duration": session.and_then(|s| s.duration()).map(ms),
            "seekable": session.is_some_and(|s| s.is_seekable()),
            "away": self.away.is_some(),
        })
    }

    fn play(&mut self) -> Result<(), CommandError> {
        match self.state {
            State::Playing => {}
            State::Paused => {
                if let Some(session) = self.session.as_ref().filter(|_| self.is_live()) {
                    let _ = session.pipeline.set_state(gst::State::Playing);
                }
                self.outlet.change(|flow| flow.resume());
                self.enter(State::Playing);
            }
            State::Stopped | State::Ended => {
                if self.outlet.with(|flow| flow.tracks.iter().all(|t| t.closed)) {
                    return Err(CommandError::new(
                        CommandErrorKind::Conflict,
                        "ended",
                        "the player has ended, and so have those behind it; with `keep_open` it can begin again",
                    ));
                }
                self.enter(State::Playing);
                if !self.is_live() || self.played {
                    self.open();
                }
            }
        }
        Ok(())
    }

    fn pause(&mut self) -> Result<(), CommandError> {
        match self.state {
            State::Paused => {}
            State::Stopped | State::Ended => return Err(stopped()),
            State::Playing => {
                if self.is_live() {
                    // A recording on a server stops sending; a camera cannot, and is not looked at meanwhile.
                    let recording = self.session.as_ref().filter(|session| session.is_seekable());
                    self.outlet.change(|flow| flow.loses = recording.is_none());
                    if let Some(session) = recording {
                        let _ = session.pipeline.set_state(gst::State::Paused);
                    }
                }
                self.outlet.change(|flow| flow.pause());
                self.enter(State::Paused);
            }
        }
        Ok(())
    }

    fn stop(&mut self) {
        self.close();
        self.away = None;
        self.outlet.change(|flow| {
            flow.away = false;
            flow.resume();
        });
        self.with_status(|status| status.away = false);
        self.enter(State::Stopped);
    }

    fn seek_command(&mut self, arguments: &Value, answer: Answer) {
        let Some(position) = arguments["position"].as_u64() else {
            return answer.send(Err(CommandError::new(
                CommandErrorKind::InvalidInput,
                "no-position",
                "give `position`, milliseconds from the beginning",
            )));
        };
        let position = gst::ClockTime::from_mseconds(position);
        match (self.state, self.session.clone()) {
            (State::Stopped | State::Ended, _) => answer.send(Err(stopped())),
            (_, None) => answer.send(Err(CommandError::new(
                CommandErrorKind::Conflict,
                "source-away",
                "the source is away",
            ))),
            (_, Some(session)) if !session.is_complete() => self.seeks.push((position, answer)),
            (_, Some(session)) => answer.send(self.seek(&session, position)),
        }
    }

    pub(super) fn seek(&mut self, session: &Session, position: gst::ClockTime) -> CommandResult {
        if !session.is_seekable() {
            return Err(not_seekable());
        }
        if let Some(length) = session.duration().filter(|length| position > *length) {
            return Err(CommandError::new(
                CommandErrorKind::InvalidInput,
                "after-the-end",
                format!("the medium is only {} ms long", length.mseconds()),
            ));
        }
        self.outlet.change(|flow| flow.sought = Some(position));
        if !session.seek(position) {
            self.outlet.change(|flow| flow.sought = None);
            return Err(not_seekable());
        }
        Ok(self.report())
    }
}

pub(super) fn stopped() -> CommandError {
    CommandError::new(CommandErrorKind::Conflict, "stopped", "the player is stopped: send `play` first")
}

fn not_seekable() -> CommandError {
    CommandError::new(
        CommandErrorKind::Unsupported,
        "not-seekable",
        "one cannot go to another position in this medium",
    )
}
