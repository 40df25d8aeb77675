//! Whether a filter is to be given the next frame. No threads, no GStreamer: times are passed in.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// The first pause of a filter that failed twice; it doubles with each further failure.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A filter has recovered when it has worked for this long, or for this many frames.
const PROBATION: Duration = Duration::from_secs(1);
const PROBATION_FRAMES: u32 = 30;
/// A lasting trouble is reported once, and then this often.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It panicked, and has to be made anew.
    Panic,
    /// It did not answer in time.
    Late,
    /// It returned an error.
    Error,
    /// It could not be made.
    Start,
    /// The process that it is in has ended.
    Crash,
    /// It did not answer in time, and was ended.
    Hang,
}

impl Reason {
    fn name(self) -> &'static str {
        match self {
            Reason::Panic => "panic",
            Reason::Late => "late",
            Reason::Error => "error",
            Reason::Start => "start",
            Reason::Crash => "crash",
            Reason::Hang => "hang",
        }
    }
}

/// The record of one filter.
#[derive(Debug, Default)]
pub struct Trust {
    /// Whether frames do not wait for the filter in the first place.
    aside: bool,
    failures: u32,
    retry_at: Option<Instant>,
    last_trouble: Option<Instant>,
    last_report: Option<Instant>,
    last_reason: Option<Reason>,
    good_frames: u32,
    unreported: u64,
    total: u64,
}

impl Trust {
    /// The record of one that the video does not wait for.
    pub fn aside() -> Self {
        Trust { aside: true, ..Trust::default() }
    }

    /// Whether the filter may be given a frame.
    pub fn may_run(&self, now: Instant) -> bool {
        self.retry_at.is_none_or(|at| now >= at)
    }

    /// Notes a failure. Returns the data of a `filter-trouble` message, unless one like it was sent a moment ago.
    pub fn trouble(&mut self, now: Instant, filter: &str, reason: Reason, detail: &str) -> Option<Value> {
        self.total += 1;
        self.good_frames = 0;
        self.last_trouble = Some(now);
        let pause = match reason {
            // An error costs nothing: the next frame may well be fine.
            Reason::Error => None,
            _ => {
                self.failures += 1;
                let doublings = self.failures.saturating_sub(2).min(10);
                let pause = (FIRST_PAUSE * (1 << doublings)).min(LONGEST_PAUSE);
                // The first panic is forgiven: the filter is made anew and tried at once.
                (reason == Reason::Late || self.failures > 1).then_some(pause)
            }
        };
        self.retry_at = pause.map(|pause| now + pause);
        let repeated = self.last_reason == Some(reason)
            && self.last_report.is_some_and(|at| now.duration_since(at) < REPORT_EVERY);
        if repeated {
            self.unreported += 1;
            return None;
        }
        self.last_report = Some(now);
        self.last_reason = Some(reason);
        let consequence = match (reason, pause) {
            (Reason::Late, _) if self.aside => "video goes on without it until it answers".to_owned(),
            (Reason::Error, _) if self.aside => "video goes on; the next look is tried as usual".to_owned(),
            (_, pause) if self.aside => {
                let seconds = pause.unwrap_or_default().as_secs_f64();
                format!("video goes on without it; it is started anew in {seconds} s")
            }
            (Reason::Error, _) => "this frame passes unchanged; the next one is tried as usual".to_owned(),
            (Reason::Late, Some(pause)) => format!(
                "one frame is lost; frames pass unchanged until the filter answers and {} s have gone by",
                pause.as_secs_f64()
            ),
            (_, Some(pause)) => {
                format!("frames pass unchanged; the filter is started anew in {} s", pause.as_secs_f64())
            }
            (_, None) => "this frame passes as it is; the filter is started anew".to_owned(),
        };
        let mut data = json!({
            "filter": filter,
            "reason": reason.name(),
            "detail": detail,
            "consequence": consequence,
        });
        if self.unreported > 0 {
            data["repeated"] = Value::from(std::mem::take(&mut self.unreported));
        }
        Some(data)
    }

    /// Notes a frame that went well. Returns the data of a `filter-recovered` message when a trouble is over.
    pub fn good(&mut self, now: Instant, filter: &str) -> Option<Value> {
        let since = self.last_trouble?;
        self.good_frames += 1;
        if self.good_frames < PROBATION_FRAMES && now.duration_since(since) < PROBATION {
            return None;
        }
        let troubles = self.total;
        *self = Trust { aside: self.aside, ..Trust::default() };
        Some(json!({ "filter": filter, "troubles": troubles }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_a_minute() {
        let mut trust = Trust::default();
        let start = Instant::now();
        assert!(trust.may_run(start));
        let mut pauses = Vec::new();
        for _ in 0..10 {
            trust.trouble(start, "x", Reason::Panic, "");
            pauses.push(trust.retry_at.map_or(0, |at| at.duration_since(start).as_millis()));
        }
        assert_eq!(pauses, [0, 500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000]);
        assert!(!trust.may_run(start + Duration::from_secs(59)));
        assert!(trust.may_run(start + Duration::from_secs(60)));
    }

    #[test]
    fn a_lasting_trouble_is_reported_every_ten_seconds() {
        let mut trust = Trust::default();
        let start = Instant::now();
        let mut reports = 0;
        for frame in 0..300 {
            let now = start + Duration::from_millis(100 * frame);
            reports += usize::from(trust.trouble(now, "x", Reason::Error, "no").is_some());
        }
        assert_eq!(reports, 3);
        let data = trust.trouble(start + Duration::from_secs(31), "x", Reason::Error, "no").unwrap();
        assert_eq!(data["repeated"], 99);
    }

    #[test]
    fn recovery_is_told_once_and_not_too_soon() {
        let mut trust = Trust::default();
        let start = Instant::now();
        assert!(trust.good(start, "x").is_none());
        trust.trouble(start, "x", Reason::Late, "slow");
        assert!(trust.good(start + Duration::from_millis(10), "x").is_none());
        let told = trust.good(start + Duration::from_secs(2), "x").unwrap();
        assert_eq!(told, json!({"filter": "x", "troubles": 1}));
        assert!(trust.good(start + Duration::from_secs(3), "x").is_none());
    }
}
