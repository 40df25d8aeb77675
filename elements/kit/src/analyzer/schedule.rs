//! When an analyser looks: properties that all of them have.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which pictures an analyser looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The newest one, as soon as it is free, as often as its own rate allows. Video never waits.
    #[default]
    Latest,
    /// Each n-th one, or the first one after it at which the analyser is free. Video never waits.
    EveryN,
    /// Each n-th one, which waits for the answer: the results are those of this very picture, unsmoothed, and the same
    /// in every run.
    Inline,
}

/// When an analyser looks. The defaults cost the video nothing.
///
/// These names belong to the kit: an analyser's own properties are called otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Schedule {
    /// Which pictures are looked at: latest (the newest, never holds the video up), every-n, or inline (the picture
    /// waits for the answer).
    #[schemars(extend("x-live" = true))]
    pub mode: Mode,
    /// In the modes every-n and inline, how many pictures it is from one look to the next; 1 is all.
    #[schemars(range(min = 1, max = 1000), extend("x-live" = true))]
    pub every: u32,
    /// In the mode inline, how long a picture waits for the answer, in milliseconds; then it goes on with what is
    /// expected; 0 waits for ever.
    #[schemars(range(min = 0, max = 60000), extend("x-live" = true))]
    pub budget_ms: u32,
    /// Regions whose search took longer than this are thrown away, in milliseconds; 0 takes all.
    #[schemars(range(min = 0, max = 60000), extend("x-live" = true))]
    pub deadline_ms: u32,
}

impl Default for Schedule {
    fn default() -> Self {
        Schedule { mode: Mode::Latest, every: 1, budget_ms: 200, deadline_ms: 0 }
    }
}

impl Schedule {
    /// How long a picture waits for the answer about it; `None` is for ever.
    pub(super) fn budget(&self) -> Option<Duration> {
        (self.budget_ms > 0).then(|| Duration::from_millis(self.budget_ms.into()))
    }

    /// Whether an answer that took so long is thrown away.
    pub(super) fn is_too_late(&self, took: Duration) -> bool {
        self.deadline_ms > 0 && took > Duration::from_millis(self.deadline_ms.into())
    }
}

/// The property of analysers that can draw what they found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Switch {
    /// Whether what is found is drawn into the video.
    #[schemars(extend("x-live" = true))]
    pub draw: bool,
}
