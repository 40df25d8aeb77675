//! From the packets of two tracks to fragments, for whoever keeps or sends them.

use super::cutter::{Cutter, Fragment};
use super::interleave::Interleaver;
use super::track::{Sample, TrackFormat};

/// How much of one track may wait until the other one has come, nanoseconds of media.
const PATIENCE: i64 = 2_000_000_000;

/// Takes what a [`Mill`] makes.
pub trait Consumer {
    /// A file begins, or what comes from here on needs another header.
    fn begin(&mut self, tracks: &[Option<TrackFormat>; 2]);
    /// The next fragment.
    fn fragment(&mut self, tracks: &[Option<TrackFormat>; 2], fragment: Fragment);
    /// Nothing more comes.
    fn end(&mut self);
}

/// A track on its way in.
#[derive(Debug, Default)]
struct Input {
    format: Option<TrackFormat>,
    waiting: Vec<Sample>,
    /// The first packet that can be decoded has come.
    begun: bool,
    over: bool,
}

/// What the caller should do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Advice {
    /// Ask the source for a key frame.
    pub ask_key: bool,
    /// Everything has ended, and the consumer knows.
    pub ended: bool,
    /// The file goes on without this track.
    pub without: Option<usize>,
}

struct Running {
    tracks: [Option<TrackFormat>; 2],
    order: Interleaver,
    cutter: Cutter,
}

/// Makes fragments.
pub struct Mill<C> {
    /// The longest fragment, nanoseconds.
    most: i64,
    inputs: [Input; 2],
    running: Option<Running>,
    ended: bool,
    /// Who gets the fragments.
    pub consumer: C,
}

impl<C: Consumer> Mill<C> {
    /// With fragments of at most `most` nanoseconds.
    pub fn new(most: i64, consumer: C) -> Self {
        Mill { most, inputs: Default::default(), running: None, ended: false, consumer }
    }

    /// A track is, from its next packet on, of this format.
    pub fn format(&mut self, track: usize, format: TrackFormat) -> Advice {
        let input = &mut self.inputs[track];
        input.over = false;
        self.ended = false;
        let breaks = input.format.as_ref().is_some_and(|before| format.breaks(before));
        input.format = Some(format);
        if breaks {
            input.begun = false;
            input.waiting.clear();
            if self.running.is_some() {
                self.flush();
                return Advice { ask_key: track == 0, ..Advice::default() };
            }
        }
        Advice::default()
    }

    /// Forgets everything that is on its way; the consumer gets a new beginning with the next packets.
    pub fn reset(&mut self) {
        self.flush();
        for input in &mut self.inputs {
            *input = Input { format: input.format.take(), over: input.over, ..Input::default() };
        }
    }

    /// A packet has come. `linked`: which tracks can come at all.
    pub fn sample(&mut self, sample: Sample, linked: [bool; 2]) -> Advice {
        let input = &mut self.inputs[sample.track];
        if input.over || input.format.is_none() {
            return Advice::default();
        }
        if !input.begun && !sample.key {
            return Advice { ask_key: true, ..Advice::default() };
        }
        input.begun = true;
        match &mut self.running {
            Some(running) if running.tracks[sample.track].is_some() => {
                running.order.push(sample);
                self.grind()
            }
            // It was begun without this track.
            Some(_) => Advice::default(),
            None => {
                let track = sample.track;
                input.waiting.push(sample);
                self.start(track, linked)
            }
        }
    }

    /// A track has nothing before this time.
    pub fn reach(&mut self, track: usize, time: i64) {
        if let Some(running) = &mut self.running {
            running.order.reach(track, time);
        }
        self.grind();
    }

    /// A track has ended.
    pub fn end(&mut self, track: usize, linked: [bool; 2]) -> Advice {
        self.inputs[track].over = true;
        let mut advice = match &mut self.running {
            Some(running) => {
                running.order.end(track);
                self.grind()
            }
            None => self.start(track, linked),
        };
        if (0..2).all(|i| self.inputs[i].over || !linked[i]) && !self.ended {
            self.flush();
            self.ended = true;
            self.consumer.end();
            advice.ended = true;
        }
        advice
    }

    /// Begins if it is known which tracks there are.
    fn start(&mut self, newest: usize, linked: [bool; 2]) -> Advice {
        let has = |input: &Input| !input.waiting.is_empty();
        if !self.inputs.iter().any(has) {
            return Advice::default();
        }
        let span = |input: &Input| {
            input.waiting.last().zip(input.waiting.first()).map_or(0, |(last, first)| last.dts - first.dts)
        };
        let patient = self.inputs.iter().all(|input| span(input) < PATIENCE);
        let missing = (0..2).find(|i| linked[*i] && !has(&self.inputs[*i]) && !self.inputs[*i].over);
        if missing.is_some() && patient {
            return Advice::default();
        }
        let tracks: [Option<TrackFormat>; 2] = std::array::from_fn(|i| {
            let input = &self.inputs[i];
            has(input).then(|| input.format.clone()).flatten()
        });
        let leader = usize::from(tracks[0].is_none());
        let mut order = Interleaver::new([tracks[0].is_some(), tracks[1].is_some()]);
        // Sound from before the first picture would be a file that cannot be entered at its beginning.
        let from = self.inputs[leader].waiting.first().map_or(i64::MIN, |s| s.dts);
        for (index, input) in self.inputs.iter_mut().enumerate() {
            for sample in input.waiting.drain(..).filter(|s| index == leader || s.dts >= from) {
                order.push(sample);
            }
            if input.over {
                order.end(index);
            }
        }
        self.consumer.begin(&tracks);
        self.running = Some(Running { tracks, order, cutter: Cutter::new(leader, self.most) });
        let advice = self.grind();
        Advice { without: missing.filter(|i| *i != newest), ..advice }
    }

    fn grind(&mut self) -> Advice {
        if let Some(running) = &mut self.running {
            while let Some(sample) = running.order.pop() {
                if let Some(fragment) = running.cutter.push(sample) {
                    self.consumer.fragment(&running.tracks, fragment);
                }
            }
        }
        Advice::default()
    }

    /// Gives out what there is.
    fn flush(&mut self) {
        if let Some(running) = &mut self.running {
            running.order.end(0);
            running.order.end(1);
        }
        self.grind();
        if let Some(mut running) = self.running.take()
            && let Some(fragment) = running.cutter.finish()
        {
            self.consumer.fragment(&running.tracks, fragment);
        }
    }
}

#[cfg(test)]
mod tests {
    use anabranch_graph::format::Format;
    use bytes::Bytes;

    use super::*;

    const MS: i64 = 1_000_000;

    #[derive(Default)]
    struct Seen {
        begun: Vec<[bool; 2]>,
        fragments: Vec<Fragment>,
        ended: bool,
    }

    impl Consumer for Seen {
        fn begin(&mut self, tracks: &[Option<TrackFormat>; 2]) {
            self.begun.push([tracks[0].is_some(), tracks[1].is_some()]);
        }
        fn fragment(&mut self, _: &[Option<TrackFormat>; 2], fragment: Fragment) {
            self.fragments.push(fragment);
        }
        fn end(&mut self) {
            self.ended = true;
        }
    }

    fn format(format: Format, width: u32, rate: u32) -> TrackFormat {
        let codec_data = Bytes::new();
        TrackFormat { format, width, height: width, rate, channels: 2, codec_data, profile: 0, depth: 8 }
    }

    fn sample(track: usize, ms: i64, key: bool) -> Sample {
        Sample { track, data: Bytes::from_static(b"x"), pts: ms * MS, dts: ms * MS, duration: 0, key }
    }

    fn mill() -> Mill<Seen> {
        let mut mill = Mill::new(200 * MS, Seen::default());
        mill.format(0, format(Format::Vp9, 320, 0));
        mill.format(1, format(Format::Opus, 0, 48_000));
        mill
    }

    const BOTH: [bool; 2] = [true, true];

    #[test]
    fn fragments_begin_at_key_frames_and_are_no_longer_than_asked() {
        let mut mill = mill();
        for frame in 0..50 {
            mill.sample(sample(0, frame * 40, frame % 12 == 0), BOTH);
            mill.sample(sample(1, frame * 40, true), BOTH);
            mill.sample(sample(1, frame * 40 + 20, true), BOTH);
        }
        mill.end(0, BOTH);
        assert!(mill.end(1, BOTH).ended && mill.consumer.ended);
        let seen = &mill.consumer;
        assert_eq!(seen.begun, [[true, true]]);
        assert!(seen.fragments.iter().all(|f| f.duration <= 200 * MS), "{:?}", seen.fragments);
        assert_eq!(seen.fragments.iter().filter(|f| f.key).count(), 5);
        for fragment in &seen.fragments {
            let key = |s: &Sample| s.track == 0 && s.key;
            assert!(fragment.samples.iter().skip(1).all(|s| !key(s)), "a key frame in the middle");
            assert!(fragment.samples.iter().all(|s| s.dts >= fragment.start && s.duration > 0));
        }
        let count: usize = seen.fragments.iter().map(|f| f.samples.len()).sum();
        assert_eq!(count, 150, "nothing is lost");
        let ends: Vec<i64> = seen.fragments.iter().map(|f| f.start + f.duration).collect();
        let starts: Vec<i64> = seen.fragments.iter().map(|f| f.start).collect();
        assert_eq!(ends[..ends.len() - 1], starts[1..]);
    }

    #[test]
    fn a_track_that_does_not_come_is_not_waited_for_for_ever() {
        let mut mill = mill();
        let mut without = None;
        for frame in 0..100 {
            let advice = mill.sample(sample(0, frame * 40, frame % 25 == 0), BOTH);
            without = without.or(advice.without);
        }
        assert_eq!(without, Some(1));
        assert_eq!(mill.consumer.begun, [[true, false]]);
    }

    #[test]
    fn the_first_picture_is_a_key_frame_and_is_asked_for() {
        let mut mill = mill();
        assert!(mill.sample(sample(0, 0, false), BOTH).ask_key);
        mill.end(1, BOTH);
        mill.sample(sample(0, 40, true), BOTH);
        mill.sample(sample(0, 80, false), BOTH);
        assert_eq!(mill.consumer.begun, [[true, false]]);
    }

    #[test]
    fn another_size_begins_anew_and_loses_nothing() {
        let mut mill = mill();
        mill.format(0, format(Format::H264, 320, 0));
        mill.end(1, BOTH);
        for frame in 0..10 {
            mill.sample(sample(0, frame * 40, frame == 0), BOTH);
        }
        assert!(mill.format(0, format(Format::H264, 640, 0)).ask_key);
        for frame in 10..20 {
            mill.sample(sample(0, frame * 40, frame == 10), BOTH);
        }
        mill.end(0, BOTH);
        assert_eq!(mill.consumer.begun.len(), 2);
        let count: usize = mill.consumer.fragments.iter().map(|f| f.samples.len()).sum();
        assert_eq!(count, 20);
    }
}
