//! Where a fragment ends: before a key frame, or when it is long enough.

use super::track::Sample;

/// Packets that are written as one piece.
#[derive(Clone, Debug, Default)]
pub struct Fragment {
    /// The packets in the order of their decoding times.
    pub samples: Vec<Sample>,
    /// Whether a decoder can begin here.
    pub key: bool,
    /// When it begins, nanoseconds.
    pub start: i64,
    /// Until the next one, nanoseconds.
    pub duration: i64,
}

/// Cuts a stream of packets into fragments.
#[derive(Debug)]
pub struct Cutter {
    /// The track at whose packets is cut: video if there is any.
    leader: usize,
    /// The longest that a fragment may be, nanoseconds.
    most: i64,
    current: Fragment,
}

impl Cutter {
    /// Cuts at packets of track `leader`, so that no fragment lasts longer than `most` nanoseconds unless one packet
    /// does.
    pub fn new(leader: usize, most: i64) -> Self {
        Cutter { leader, most, current: Fragment::default() }
    }

    /// Takes the next packet; gives the fragment that has ended before it.
    pub fn push(&mut self, sample: Sample) -> Option<Fragment> {
        let leads = sample.track == self.leader;
        let begun = self.current.samples.iter().any(|s| s.track == self.leader);
        let is_long = sample.dts + sample.duration - self.current.start > self.most;
        let pictures = self.leader == 0;
        let ended = leads && begun && (is_long || (pictures && sample.key));
        let finished = ended.then(|| self.take(sample.dts));
        if self.current.samples.is_empty() {
            self.current.start = sample.dts;
        }
        if leads && !self.current.samples.iter().any(|s| s.track == self.leader) {
            self.current.key = sample.key;
        }
        self.current.samples.push(sample);
        finished.flatten()
    }

    /// What is left, when nothing more comes.
    pub fn finish(&mut self) -> Option<Fragment> {
        let end = self.current.samples.iter().filter(|s| s.track == self.leader).map(|s| s.dts + s.duration);
        let end = end.max().or_else(|| self.current.samples.iter().map(|s| s.dts + s.duration).max())?;
        self.take(end)
    }

    fn take(&mut self, end: i64) -> Option<Fragment> {
        let mut fragment = std::mem::take(&mut self.current);
        fragment.duration = (end - fragment.start).max(0);
        (!fragment.samples.is_empty()).then_some(fragment)
    }
}

impl Fragment {
    /// Moves it in time, nanoseconds.
    pub fn shift(&mut self, by: i64) {
        self.start += by;
        for sample in &mut self.samples {
            sample.pts += by;
            sample.dts += by;
        }
    }
}
