//! Looks for tracks that do not come.

use super::*;

impl Recorder {
    /// Goes on without a track that does not come, or falls silent while the other goes on.
    pub(super) fn look(&self) {
        let (timeout, silence) = self.params.with(|p| {
            (Duration::from_millis(p.track_timeout_ms), Duration::from_millis(p.silence_timeout_ms))
        });
        let mut missing = None;
        let mut silent = None;
        let linked = self.linked();
        {
            let state = lock(&self.state);
            for (index, linked) in linked.into_iter().enumerate() {
                let (this, other) = (&state.tracks[index], &state.tracks[1 - index]);
                match state.phase {
                    Phase::Waiting if this.first().is_none() && !this.ended && linked => {
                        let patient = state.first.is_none_or(|first| first.elapsed() < timeout);
                        let lead = other.lead();
                        if other.first().is_some() && !patient && (other.ended || lead >= timeout) {
                            missing = Some(index);
                        }
                    }
                    Phase::Running if !state.pauses.is_paused() => {
                        let parts: Vec<_> =
                            state.parts.iter().filter(|part| part.takes(index)).cloned().collect();
                        let quiet = this.arrival.is_none_or(|a| a.elapsed() >= silence);
                        let ahead = other.newest.unwrap_or(0) - this.newest.unwrap_or(0);
                        let ahead = Duration::from_nanos(ahead.max(0) as u64) >= silence;
                        if !parts.is_empty() && !this.ended && quiet && (ahead || other.ended) {
                            silent = Some((index, parts));
                        }
                    }
                    _ => {}
                }
            }
        }
        if let Some(index) = missing {
            let started = self.start_if_ready(true).unwrap_or(false);
            let without = lock(&self.state).current.as_ref().is_some_and(|part| part.input(index).is_none());
            if started && without {
                let reason = format!(
                    "No {} came within {:.1} s: the recording starts without it.",
                    MEDIA[index],
                    timeout.as_secs_f64()
                );
                message::post(
                    &*self.obj(),
                    "track-missing",
                    json!({"medium": MEDIA[index], "reason": reason}),
                );
            }
        }
        if let Some((index, parts)) = silent {
            let reason = format!(
                "No {} came for {:.1} s: the file goes on without it.",
                MEDIA[index],
                silence.as_secs_f64()
            );
            message::post(&*self.obj(), "track-missing", json!({"medium": MEDIA[index], "reason": reason}));
            for part in parts {
                part.end_track(index);
            }
        }
    }
}
