//! Following regions from picture to picture, so that what is drawn on them moves smoothly.
//!
//! Detections come a few times a second and a little late; pictures want regions at every frame. Each track keeps
//! position and speed of its box and key points (an alpha-beta filter whose gain grows with the surprise: a face that
//! rests is held still, one that moves is followed). A correction is not shown at once but eased in, so nothing jumps.

use std::time::Duration;

use crate::regions::Region;

/// How regions are followed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrackOptions {
    /// The score that a new thing must have; one that is followed already may have less.
    pub threshold: f32,
    /// How long a thing is kept that is not found any more.
    pub hold: Duration,
}

impl Default for TrackOptions {
    fn default() -> Self {
        TrackOptions { threshold: 0.5, hold: Duration::from_millis(400) }
    }
}

/// A followed thing may have this part of a new one's score.
const KEEP_SHARE: f32 = 0.6;
/// Boxes that overlap less are not the same thing, unless their centres are close.
const LEAST_OVERLAP: f32 = 0.15;
/// Centres are close within this part of the box's size.
const CLOSE: f32 = 0.7;
/// Speeds are believed for this long after a detection.
const HORIZON: f64 = 0.25;
/// Corrections are eased in with this time constant.
const EASE: f64 = 0.06;
/// A step back or forth in time of this size is a new stream.
const GAP: f64 = 2.0;

/// Follows regions of one kind.
#[derive(Debug, Default)]
pub struct Tracker {
    options: TrackOptions,
    tracks: Vec<Track>,
    next: u64,
    now: f64,
    /// See [`Tracker::set_exact`].
    exact: bool,
    last_update: Option<f64>,
}

#[derive(Debug)]
struct Track {
    id: u64,
    label: String,
    score: f32,
    /// The last that were not empty: not every look finds them.
    attributes: serde_json::Map<String, serde_json::Value>,
    /// Box centre and size, then the key points' coordinates.
    values: Vec<Value>,
    updated: f64,
    seen: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Value {
    position: f64,
    speed: f64,
    /// What was shown beyond the filter's own value at the last correction.
    excess: f64,
}

impl Value {
    /// The filter's own value at a time after its last correction.
    fn expected(&self, after: f64) -> f64 {
        // The speed fades out, so a thing that is lost comes to rest.
        let after = after.max(0.0);
        let way = if after < HORIZON { after - after * after / (2.0 * HORIZON) } else { HORIZON / 2.0 };
        self.position + self.speed * way
    }

    fn shown(&self, after: f64) -> f64 {
        self.expected(after) + self.excess * (-after.max(0.0) / EASE).exp()
    }
}

impl Tracker {
    /// A tracker with these options.
    pub fn new(options: TrackOptions) -> Self {
        Tracker { options, ..Tracker::default() }
    }

    /// Changes the options.
    pub fn set_options(&mut self, options: TrackOptions) {
        self.options = options;
    }

    /// Whether regions are shown as they were found, without smoothing, and, at the very time of an update, only those
    /// that were found in it: for measuring a detector picture by picture.
    pub fn set_exact(&mut self, exact: bool) {
        self.exact = exact;
    }

    /// Takes what was found in the picture of this time. Times are those of the media.
    pub fn update(&mut self, time: Duration, found: &[Region]) {
        let time = time.as_secs_f64();
        self.check_time(time);
        self.drop_lost(time);
        self.last_update = Some(time);
        let mut free: Vec<&Region> = found.iter().collect();
        free.sort_by(|a, b| b.score.total_cmp(&a.score));
        let mut tracks: Vec<usize> = (0..self.tracks.len()).collect();
        // Best pairs first.
        while let Some((at_track, at_region)) = self.best_pair(time, &tracks, &free) {
            let region = free.remove(at_region);
            let index = tracks.remove(at_track);
            let now = self.now;
            self.tracks[index].correct(time, now, region, self.exact);
        }
        for region in free {
            if region.score >= self.options.threshold {
                self.next += 1;
                self.tracks.push(Track::new(self.next, time, region));
            }
        }
        self.drop_lost(time);
    }

    fn drop_lost(&mut self, time: f64) {
        let hold = self.options.hold.as_secs_f64();
        self.tracks.retain(|t| time - t.seen <= hold);
    }

    fn best_pair(&self, time: f64, tracks: &[usize], regions: &[&Region]) -> Option<(usize, usize)> {
        let mut best = None;
        let mut best_match = 0.0;
        for (at_track, index) in tracks.iter().enumerate() {
            let expected = self.tracks[*index].region(|v| v.expected(time - self.tracks[*index].updated));
            for (at_region, region) in regions.iter().enumerate() {
                if region.label != expected.label || region.score < self.options.threshold * KEEP_SHARE {
                    continue;
                }
                let overlap = expected.overlap(region);
                let (a, b) = (expected.centre(), region.centre());
                let size = expected.width.max(region.width).max(1e-6);
                let tall = expected.height.max(region.height).max(1e-6);
                let apart = ((a.0 - b.0) / size).hypot((a.1 - b.1) / tall);
                let ratio =
                    (expected.width / region.width.max(1e-6)).max(region.width / expected.width.max(1e-6));
                if overlap < LEAST_OVERLAP && (apart > CLOSE || ratio > 1.8) {
                    continue;
                }
                let matching = 1.0 + overlap - apart.min(1.0) * 0.5;
                if matching > best_match {
                    best_match = matching;
                    best = Some((at_track, at_region));
                }
            }
        }
        best
    }

    /// The regions at a time, which is as a rule a little later than that of the last update.
    pub fn regions(&mut self, time: Duration) -> Vec<Region> {
        let time = time.as_secs_f64();
        self.check_time(time);
        self.now = time;
        let found_now = self.exact && self.last_update == Some(time);
        let hold = if found_now { 0.0 } else { self.options.hold.as_secs_f64() };
        self.tracks
            .iter()
            .filter(|t| time - t.seen <= hold)
            .map(|t| t.region(|v| v.shown(time - t.updated)))
            .collect()
    }

    /// Forgets everything, for instance after a seek.
    pub fn clear(&mut self) {
        self.tracks.clear();
    }

    fn check_time(&mut self, time: f64) {
        let newest = self.tracks.iter().map(|t| t.updated).fold(f64::MIN, f64::max);
        if !self.tracks.is_empty()
            && (time < newest - GAP || time > newest + GAP.max(self.options.hold.as_secs_f64()))
        {
            self.clear();
        }
    }
}

impl Track {
    fn new(id: u64, time: f64, region: &Region) -> Self {
        let values = measured(region).map(|position| Value { position, ..Value::default() }).collect();
        Track {
            id,
            label: region.label.clone(),
            score: region.score,
            attributes: region.attributes.clone(),
            values,
            updated: time,
            seen: time,
        }
    }

    /// Takes over a detection made at `time`, when `now` is the time of the newest picture shown.
    fn correct(&mut self, time: f64, now: f64, region: &Region, exact: bool) {
        if !region.attributes.is_empty() {
            self.attributes.clone_from(&region.attributes);
        }
        let gap = (time - self.updated).max(1e-3);
        let size = f64::from(region.width.max(region.height)).max(1e-6);
        let now = now.max(time);
        let same_points = region.keypoints.len() * 2 + 4 == self.values.len();
        if !same_points {
            let attributes = std::mem::take(&mut self.attributes);
            *self = Track { attributes, ..Track::new(self.id, time, region) };
            return;
        }
        for (value, measured) in self.values.iter_mut().zip(measured(region)) {
            let shown = value.shown(now - self.updated);
            let expected = value.expected(gap);
            let surprise = measured - expected;
            // 2 % of the box's size is noise, 12 % is movement.
            let gain = ((surprise.abs() / size - 0.02) / 0.10).clamp(0.0, 1.0);
            let alpha = if exact { 1.0 } else { 0.3 + 0.6 * gain };
            let beta = 0.05 + 0.45 * gain;
            let speed_now = value.speed * (1.0 - gap / HORIZON).max(0.0);
            value.position = expected + alpha * surprise;
            value.speed = speed_now + beta * surprise / gap.max(0.02);
            value.excess = shown - value.expected(now - time);
            // The easing runs from the correction's time: scale up for the part that has gone by.
            value.excess *= if exact { 0.0 } else { ((now - time) / EASE).min(4.0).exp() };
        }
        self.score += if exact { 1.0 } else { 0.5 } * (region.score - self.score);
        self.updated = time;
        self.seen = time;
    }

    fn region(&self, value: impl Fn(&Value) -> f64) -> Region {
        let v: Vec<f32> = self.values.iter().map(|v| value(v) as f32).collect();
        let (width, height) = (v[2].max(0.0), v[3].max(0.0));
        Region {
            label: self.label.clone(),
            x: v[0] - width / 2.0,
            y: v[1] - height / 2.0,
            width,
            height,
            score: self.score,
            track: Some(self.id),
            keypoints: v[4..].as_chunks::<2>().0.to_vec(),
            attributes: self.attributes.clone(),
        }
    }
}

/// What a track follows: centre and size of the box, then the key points.
fn measured(region: &Region) -> impl Iterator<Item = f64> {
    let (x, y) = region.centre();
    [x, y, region.width, region.height]
        .into_iter()
        .chain(region.keypoints.iter().flatten().copied())
        .map(f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(x: f32, y: f32) -> Region {
        Region {
            label: "face".into(),
            x: x - 0.1,
            y: y - 0.1,
            width: 0.2,
            height: 0.2,
            score: 0.9,
            keypoints: vec![[x - 0.05, y], [x + 0.05, y]],
            ..Region::default()
        }
    }

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn the_first_detection_shows_at_once_as_it_is() {
        let mut tracker = Tracker::default();
        assert!(tracker.regions(ms(0)).is_empty());
        tracker.update(ms(0), &[face(0.5, 0.5)]);
        let shown = &tracker.regions(ms(33))[0];
        assert_eq!(shown.track, Some(1));
        assert!((shown.x - 0.4).abs() < 1e-6 && shown.keypoints.len() == 2);
    }

    #[test]
    fn a_moving_face_is_followed_without_jumps() {
        // A quarter of the picture's width a second, found 10 times a second, 30 ms late; 30 pictures a second.
        let at = |t: f64| 0.2 + 0.25 * t as f32;
        let mut tracker = Tracker::default();
        let (mut last, mut last_step) = (None::<f32>, None::<f32>);
        let mut worst_lag = 0f32;
        for frame in 0..90u64 {
            let time = frame * 33;
            if frame % 3 == 1 {
                let seen = time - 33;
                tracker.update(ms(seen), &[face(at(seen as f64 / 1e3), 0.5)]);
            }
            if let Some(region) = tracker.regions(ms(time)).first() {
                assert_eq!(region.track, Some(1));
                let x = region.centre().0;
                if let Some(last) = last {
                    let step: f32 = x - last;
                    // It takes a few looks to learn how fast it is.
                    if let Some(last_step) = last_step.filter(|_| frame > 12) {
                        assert!((step - last_step).abs() < 0.006, "frame {frame}: {step} after {last_step}");
                    }
                    last_step = Some(step);
                }
                last = Some(x);
                if frame > 30 {
                    worst_lag = worst_lag.max((x - at(time as f64 / 1e3)).abs());
                }
            }
        }
        assert!(worst_lag < 0.03, "{worst_lag}");
    }

    #[test]
    fn noise_on_a_face_at_rest_is_smoothed_away() {
        let mut tracker = Tracker::default();
        let noise = [0.004f32, -0.003, 0.002, -0.004, 0.003, -0.002, 0.001, -0.004];
        let mut shown = Vec::new();
        for frame in 0..160u64 {
            if frame % 3 == 0 {
                tracker.update(ms(frame * 33), &[face(0.5 + noise[frame as usize / 3 % 8], 0.5)]);
            }
            shown.push(tracker.regions(ms(frame * 33))[0].centre().0);
        }
        let late = &shown[60..];
        let spread = late.iter().fold(0f32, |worst, x| worst.max((x - 0.5).abs()));
        assert!(spread < 0.003, "{spread}");
        let jerk = late.windows(2).fold(0f32, |worst, w| worst.max((w[1] - w[0]).abs()));
        assert!(jerk < 0.0015, "{jerk}");
    }

    #[test]
    fn faces_keep_their_numbers_and_lost_ones_go_after_a_while() {
        let mut tracker = Tracker::default();
        tracker.update(ms(0), &[face(0.2, 0.5), face(0.8, 0.5)]);
        tracker.update(ms(100), &[face(0.79, 0.5), face(0.21, 0.5)]);
        let ids = |regions: Vec<Region>| regions.iter().map(|r| (r.track, r.x < 0.5)).collect::<Vec<_>>();
        assert_eq!(ids(tracker.regions(ms(100))), [(Some(1), true), (Some(2), false)]);
        for n in 2..6 {
            tracker.update(ms(100 * n), &[face(0.21, 0.5)]);
        }
        assert_eq!(tracker.regions(ms(500)).len(), 2, "held for 400 ms");
        assert_eq!(ids(tracker.regions(ms(520))), [(Some(1), true)]);
        tracker.update(ms(600), &[face(0.8, 0.5)]);
        assert_eq!(tracker.regions(ms(600))[1].track, Some(3), "a number is never used twice");
    }

    #[test]
    fn weak_detections_keep_a_face_but_do_not_start_one() {
        let mut tracker = Tracker::default();
        let weak = Region { score: 0.4, ..face(0.5, 0.5) };
        tracker.update(ms(0), std::slice::from_ref(&weak));
        assert!(tracker.regions(ms(0)).is_empty());
        tracker.update(ms(100), &[face(0.5, 0.5)]);
        tracker.update(ms(450), std::slice::from_ref(&weak));
        assert_eq!(tracker.regions(ms(800)).len(), 1);
    }

    #[test]
    fn a_jump_in_time_starts_over() {
        let mut tracker = Tracker::default();
        tracker.update(ms(10_000), &[face(0.5, 0.5)]);
        assert!(tracker.regions(ms(0)).is_empty());
        tracker.update(ms(0), &[face(0.5, 0.5)]);
        assert_eq!(tracker.regions(ms(0)).len(), 1);
    }

    #[test]
    fn exact_regions_are_those_of_the_picture() {
        let mut tracker = Tracker::default();
        tracker.set_exact(true);
        tracker.update(ms(0), &[face(0.5, 0.5), face(0.2, 0.5)]);
        assert_eq!(tracker.regions(ms(0)).len(), 2);
        let moved = Region { score: 0.7, ..face(0.52, 0.5) };
        tracker.update(ms(100), std::slice::from_ref(&moved));
        let shown = tracker.regions(ms(100));
        assert_eq!(shown.len(), 1, "the other one is not in this picture");
        assert!((shown[0].x - moved.x).abs() < 1e-6 && (shown[0].score - 0.7).abs() < 1e-6);
        assert_eq!(tracker.regions(ms(133)).len(), 2, "but it is held between looks");
    }

    #[test]
    fn attributes_stay_until_there_are_others() {
        let named = |text: &str| {
            let attributes = [("text".to_owned(), text.into())].into_iter().collect();
            Region { attributes, ..face(0.5, 0.5) }
        };
        let mut tracker = Tracker::default();
        let mut shown = |time: u64, found: Region| {
            tracker.update(ms(time), &[found]);
            tracker.regions(ms(time))[0].attributes.get("text").cloned()
        };
        assert_eq!(shown(0, named("a")), Some("a".into()));
        assert_eq!(shown(100, face(0.5, 0.5)), Some("a".into()));
        assert_eq!(shown(200, named("b")), Some("b".into()));
    }
}
