//! Counters of one filter.

use std::collections::BTreeMap;
use std::time::Duration;

/// What a filter has done since it was started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stats {
    pub(crate) frames: u64,
    pub(crate) passed_through: u64,
    pub(crate) dropped: u64,
    pub(crate) times: Times,
    /// Numbers of the filter's own, the newest.
    pub(crate) scalars: BTreeMap<String, f64>,
}

impl Stats {
    pub(crate) fn to_structure(&self) -> gst::Structure {
        let structure = gst::Structure::builder("stats")
            .field("frames", self.frames)
            .field("passed-through", self.passed_through)
            .field("dropped", self.dropped);
        with_scalars(self.times.add_to(structure).build(), &self.scalars)
    }
}

/// Statistics with a filter's own numbers.
pub(crate) fn with_scalars(mut structure: gst::Structure, scalars: &BTreeMap<String, f64>) -> gst::Structure {
    for (name, value) in scalars {
        structure.set(name.as_str(), *value);
    }
    structure
}

/// How long something took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times {
    count: u64,
    total: Duration,
    longest: Duration,
}

impl Times {
    pub(crate) fn add(&mut self, time: Duration) {
        self.count += 1;
        self.total += time;
        self.longest = self.longest.max(time);
    }

    /// The fields `processing-ns-average` and `processing-ns-max`.
    pub(crate) fn add_to(&self, structure: gst::structure::Builder) -> gst::structure::Builder {
        let nanos = |d: Duration| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
        structure
            .field("processing-ns-average", nanos(self.total).checked_div(self.count).unwrap_or(0))
            .field("processing-ns-max", nanos(self.longest))
    }
}
