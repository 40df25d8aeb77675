//! The commands `pause`, `resume`, `split` and `stop`.

use super::*;

impl Recorder {
    /// Carries out a command, or has the writer do so.
    pub(super) fn command(&self, name: &str, answer: Answer) {
        let over = matches!(lock(&self.state).phase, Phase::Done | Phase::Failed);
        if over && matches!(name, "pause" | "resume" | "split") {
            let text = format!("the recording has ended, so there is nothing to {name}");
            return answer.send(Err(CommandError::new(CommandErrorKind::Conflict, "recording-ended", text)));
        }
        match name {
            "pause" => {
                let (changed, summary) = {
                    let mut state = lock(&self.state);
                    (state.pauses.pause(), state.summary())
                };
                if changed {
                    message::post(&*self.obj(), "recording-paused", summary);
                }
                answer.send(Ok(Value::Null));
            }
            "resume" => {
                let (changed, summary) = {
                    let mut state = lock(&self.state);
                    (state.pauses.resume(), state.summary())
                };
                if changed {
                    self.ask_video_for_key_frame();
                    message::post(&*self.obj(), "recording-resumed", summary);
                }
                answer.send(Ok(Value::Null));
            }
            "split" => {
                let began = {
                    let mut state = lock(&self.state);
                    state.split = state.phase == Phase::Running;
                    state.split
                };
                if !began {
                    let text = "nothing has been recorded yet, so there is nothing to split";
                    return answer.send(Err(CommandError::new(
                        CommandErrorKind::Conflict,
                        "nothing-yet",
                        text,
                    )));
                }
                self.ask_video_for_key_frame();
                answer.send(Ok(Value::Null));
            }
            "stop" => {
                {
                    let mut state = lock(&self.state);
                    // Once it has ended nobody is left to answer those who wait.
                    if matches!(state.phase, Phase::Done | Phase::Failed) {
                        let summary = state.summary();
                        drop(state);
                        return answer.send(Ok(summary));
                    }
                    state.stopped = true;
                    state.end_all();
                    state.stops.push(answer);
                }
                self.desk.ring();
            }
            other => answer.send(Err(CommandError::unknown(other))),
        }
    }

    fn ask_video_for_key_frame(&self) {
        if let Some(inputs) = self.inputs.get().filter(|inputs| inputs[0].is_linked()) {
            self.ask_for_key_frame(&inputs[0]);
        }
    }
}
