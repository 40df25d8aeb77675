//! Follows what any detector upstream finds: the same thing keeps the same number.

use std::collections::BTreeMap;
use std::time::Duration;

use anabranch_kit::filter::{Context, FilterError, VideoFilter};
use anabranch_kit::frame::Frame;
use anabranch_kit::register_filter;
use anabranch_kit::regions::Region;
use anabranch_kit::results::Detection;
use anabranch_kit::track::{TrackOptions, Tracker as Follower};
use gst_video::{VideoFormat, VideoInfo};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// What is followed, by its label; empty: everything.
    #[schemars(extend("x-live" = true))]
    pub labels: Vec<String>,
    /// The score that something new must have, 0 to 1; what is followed already may have less.
    #[schemars(range(min = 0.0, max = 1.0), extend("x-live" = true))]
    pub threshold: f64,
    /// In how many frames something must have been found before it counts.
    #[schemars(range(min = 1, max = 100), extend("x-live" = true))]
    pub confirm: u32,
    /// How long a thing is kept that is not found any more, in milliseconds.
    #[schemars(range(min = 0, max = 60000), extend("x-live" = true))]
    pub hold_ms: u32,
    /// Whether places are smoothed; otherwise they are as the detector says.
    #[schemars(extend("x-live" = true))]
    pub smooth: bool,
}

impl Default for Params {
    fn default() -> Self {
        Params { labels: Vec::new(), threshold: 0.0, confirm: 3, hold_ms: 1000, smooth: true }
    }
}

/// Something new is followed from now on.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TrackBegan {
    /// Its number.
    track: u64,
    /// What and where it is.
    detection: Detection,
}

/// Something is not followed any more.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TrackEnded {
    /// Its number.
    track: u64,
    /// What and where it was last.
    detection: Detection,
    /// Where its centre was at first.
    from: [f32; 2],
    /// Where its centre was last.
    to: [f32; 2],
    /// How long it was there, in seconds.
    seconds: f64,
}

/// The filter.
pub struct Tracker {
    follower: Follower,
    known: BTreeMap<u64, Known>,
}

/// What is remembered of a track.
struct Known {
    found: u32,
    told: bool,
    began: Duration,
    seen: Duration,
    from: (f32, f32),
    last: Region,
}

impl VideoFilter for Tracker {
    type Params = Params;
    const FORMATS: &'static [VideoFormat] = &[
        VideoFormat::I420,
        VideoFormat::Nv12,
        VideoFormat::Rgba,
        VideoFormat::Bgra,
        VideoFormat::Gray8,
    ];

    fn new(_: &Params, _: &VideoInfo) -> Result<Self, FilterError> {
        Ok(Tracker { follower: Follower::default(), known: BTreeMap::new() })
    }

    fn process(&mut self, params: &Params, frame: &mut Frame<'_>, ctx: &mut Context) -> Result<(), FilterError> {
        let wanted = |region: &&Region| params.labels.is_empty() || params.labels.contains(&region.label);
        let (found, others): (Vec<&Region>, Vec<&Region>) = ctx.regions().iter().partition(wanted);
        let found: Vec<Region> = found.into_iter().cloned().collect();
        let others: Vec<Region> = others.into_iter().cloned().collect();
        let now = Duration::from(frame.pts().unwrap_or_default());
        let followed = self.follow(params, now, &found, ctx);
        ctx.replace_regions();
        others.into_iter().chain(followed).for_each(|region| ctx.add_region(region));
        Ok(())
    }
}

impl Tracker {
    /// The things of this moment, with their numbers.
    fn follow(&mut self, params: &Params, now: Duration, found: &[Region], ctx: &mut Context) -> Vec<Region> {
        self.follower.set_options(TrackOptions {
            threshold: params.threshold as f32,
            hold: Duration::from_millis(params.hold_ms.into()),
        });
        self.follower.set_exact(!params.smooth);
        if !found.is_empty() {
            self.follower.update(now, found);
        }
        let mut followed = self.follower.regions(now);
        for region in &followed {
            let Some(track) = region.track else { continue };
            let known = self.known.entry(track).or_insert_with(|| Known {
                found: 0,
                told: false,
                began: now,
                seen: now,
                from: region.centre(),
                last: region.clone(),
            });
            // Held or found: a held one overlaps nothing that was found.
            if found.iter().any(|f| f.label == region.label && f.overlap(region) > 0.0) {
                known.found += 1;
                known.seen = now;
            }
            known.last = region.clone();
            if !known.told && known.found >= params.confirm {
                known.told = true;
                ctx.emit(TrackBegan { track, detection: Detection::from(region) });
            }
        }
        // Exact regions leave those out that were not found in this picture, though they are still followed.
        let hold = Duration::from_millis(params.hold_ms.into());
        let there = |track: &u64, known: &Known| {
            followed.iter().any(|r| r.track == Some(*track)) || (now >= known.seen && now - known.seen <= hold)
        };
        let gone: Vec<u64> = self.known.iter().filter(|(id, k)| !there(id, k)).map(|(id, _)| *id).collect();
        for track in gone {
            let Some(known) = self.known.remove(&track).filter(|k| k.told) else { continue };
            let to = known.last.centre();
            ctx.emit(TrackEnded {
                track,
                detection: Detection::from(&known.last),
                from: [known.from.0, known.from.1],
                to: [to.0, to.1],
                seconds: known.seen.saturating_sub(known.began).as_secs_f64(),
            });
        }
        followed.retain(|r| r.track.is_some_and(|track| self.known.get(&track).is_some_and(|k| k.told)));
        followed
    }
}

register_filter!(
    Tracker,
    name: "tracker",
    type_name: "AbTracker",
    summary: "Follows what any detector upstream finds: the same thing keeps the same number",
    author: "The Anabranch developers",
    doc: "Gives everything that detectors upstream have found a number that stays with it from frame to frame, whoever \
          the detector is: one of ours, a Python filter, an ONNX model, or another program's element that puts regions of \
          interest on the frames. Things are matched by how much they overlap with where they are expected from their \
          movement so far; what is lost for a moment is held.\n\n\
          It says `track-began` when something has been found in `confirm` frames, and `track-ended` with the way that it \
          went when it has been away for `hold-ms`. The regions on the frames are replaced by the followed ones; those \
          with other labels than `labels` stay as they are.",
    events: [TrackBegan, TrackEnded],
    example: "player uri=street.mp4 -> people-detector -> tracker -> null-sink",
);

#[cfg(test)]
mod tests {
    use super::*;

    anabranch_kit::filter_tests!(super::Tracker);

    fn thing(label: &str, x: f32) -> Region {
        Region { label: label.into(), x, y: 0.4, width: 0.1, height: 0.2, score: 0.9, ..Region::default() }
    }

    /// Shows frames 40 ms apart; returns what was followed in the last one, and the events with their frames.
    fn show(params: &Params, frames: &[Vec<Region>]) -> (Vec<Region>, Vec<(usize, String, u64)>) {
        let mut tracker = Tracker { follower: Follower::default(), known: BTreeMap::new() };
        let (mut last, mut events) = (Vec::new(), Vec::new());
        for (n, found) in frames.iter().enumerate() {
            let mut ctx = Context::default();
            last = tracker.follow(params, Duration::from_millis(40 * n as u64), found, &mut ctx);
            let said = ctx.take_events().into_iter();
            events.extend(said.map(|(name, data)| (n, name, data["track"].as_u64().unwrap())));
        }
        (last, events)
    }

    #[test]
    fn things_that_pass_each_other_keep_their_numbers() {
        let frames: Vec<Vec<Region>> = (0..40)
            .map(|n| {
                let step = n as f32 * 0.015;
                let mut down = thing("person", 0.2 + step);
                down.y = 0.5;
                vec![thing("person", 0.8 - step), down]
            })
            .collect();
        for smooth in [true, false] {
            let (last, events) = show(&Params { smooth, ..Params::default() }, &frames);
            let began: Vec<u64> = events.iter().map(|e| e.2).collect();
            assert_eq!((events.len(), began), (2, vec![1, 2]), "{events:?}");
            let left = last.iter().find(|r| r.track == Some(1)).unwrap();
            assert!(left.x < 0.3, "the first one has gone to the left: {last:?}");
        }
    }

    #[test]
    fn a_track_ends_after_a_while_and_flickers_never_begin() {
        let mut frames = vec![vec![thing("car", 0.5)]; 10];
        frames.extend(vec![Vec::new(); 10]);
        frames.extend(vec![vec![thing("car", 0.5)]; 3]);
        frames.extend(vec![Vec::new(); 40]);
        frames[5].push(thing("cat", 0.1));
        let (last, events) = show(&Params::default(), &frames);
        let names: Vec<_> = events.iter().map(|(n, name, _)| (*n, name.as_str())).collect();
        assert!(last.is_empty());
        assert_eq!(names, [(2, "track-began"), (48, "track-ended")], "held through the pause, gone 1 s after frame 22");
    }

    #[test]
    fn only_the_wanted_labels_are_replaced() {
        gst::init().unwrap();
        let info = VideoInfo::builder(VideoFormat::Gray8, 4, 4).build().unwrap();
        let params = Params { labels: vec!["car".into()], confirm: 1, ..Params::default() };
        let mut tracker = Tracker::new(&params, &info).unwrap();
        let buffer = gst::Buffer::with_size(info.size()).unwrap();
        let mut mapped = gst_video::VideoFrame::from_buffer_writable(buffer, &info).unwrap();
        let mut frame = Frame::new(&mut mapped, Some(gst::ClockTime::ZERO), 0);
        let upstream = vec![thing("car", 0.1), thing("dog", 0.6)];
        let mut ctx = Context::at(gst::ClockTime::ZERO, 0, upstream);
        tracker.process(&params, &mut frame, &mut ctx).unwrap();
        let put: Vec<_> = ctx.take_added().into_iter().map(|r| (r.label, r.track)).collect();
        assert_eq!(put, [("dog".to_owned(), None), ("car".to_owned(), Some(1))]);
    }
}
