//! What is in a scene besides its background: what moves, and what only stands there.

use std::collections::VecDeque;
use std::time::Duration;

use super::background::{Background, Settings};
use super::corners::corners;
use super::flow::follow;
use super::grey::{Grey, Pyramid};
use super::mask::Mask;
use super::parts::{Parts, parts};

/// The difference between two pictures a tenth of a second apart that is motion, in grey levels. Noise stays below.
const CHANGE: u8 = 13;
/// Something that moved within this time counts as moving: legs stand still at every step.
const LASTS: Duration = Duration::from_millis(400);
/// Motion is looked for over this time: a slow walk is a pixel or two by then, and a run less than a window.
const BASE: Duration = Duration::from_millis(120);
/// After so long without a picture, what was before has nothing to do with what is now.
const GAP: Duration = Duration::from_millis(1500);
/// The mean difference of brightness that makes a cut, of 255.
const CUT: u32 = 28;
/// Ghosts are looked for every so many pictures.
const HAUNT: u32 = 6;
/// At most so many places are followed.
const PLACES: usize = 160;

/// A scene that is watched.
#[derive(Debug, Default)]
pub struct Scene {
    background: Background,
    /// Pictures of the last moments, the newest last.
    past: VecDeque<(Duration, Pyramid)>,
    /// For how many more milliseconds each pixel counts as moving.
    lasting: Vec<u16>,
    looks: u32,
}

/// What is seen in one picture.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// What moves.
    pub moving: Mask,
    /// What does not belong there but does not move.
    pub still: Mask,
    /// The parts of both together.
    pub parts: Parts,
    /// How much of the background is known, 0 to 1.
    pub known: f32,
    /// Whether this is the first picture of a new scene.
    pub cut: bool,
}

/// How far a place has moved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Where it is now, in pixels.
    pub at: [f32; 2],
    /// Its speed, in pixels per second.
    pub speed: [f32; 2],
}

impl Scene {
    /// Looks at the picture of this time. `least_area` is the number of pixels that a part must have.
    pub fn look(&mut self, grey: Grey, time: Duration, settings: &Settings, least_area: usize) -> Seen {
        let last = self.past.back();
        let since = last.map_or(Duration::ZERO, |(last, _)| time.saturating_sub(*last));
        let cut = last.is_some_and(|(last, pyramid)| {
            time < *last || since > GAP * 20 || pyramid.base().difference(&grey) > CUT
        });
        if cut {
            self.background.reset();
        }
        if cut || since > GAP {
            self.past.clear();
        }
        if cut || self.lasting.len() != grey.pixels.len() {
            self.lasting = vec![0; grey.pixels.len()];
            self.past.clear();
        }
        self.looks = self.looks.wrapping_add(1);
        let mut all = self.background.look(&grey, since, settings).smooth(1).close(2);
        let small = parts(&all);
        small.erase(&mut all, |_, part| part.area < least_area);
        self.note_motion(&grey, since);
        let moving = self.moving(&grey).and(&all);
        let mut found = parts(&all);
        if self.looks.is_multiple_of(HAUNT) && self.background.known() >= 1.0 {
            self.drop_ghosts(&grey, &moving, &mut all, &mut found);
        }
        let still = all.without(&moving);
        self.past.push_back((time, Pyramid::new(grey, 3)));
        while self.past.len() > 2 && self.past.get(1).is_some_and(|(t, _)| time.saturating_sub(*t) >= BASE) {
            self.past.pop_front();
        }
        Seen { moving: moving.and(&all), still, parts: found, known: self.background.known(), cut }
    }

    /// Notes where the picture differs from the one of a moment ago.
    fn note_motion(&mut self, grey: &Grey, since: Duration) {
        let gone = since.as_millis().min(60_000) as u16;
        self.lasting.iter_mut().for_each(|left| *left = left.saturating_sub(gone));
        let Some((_, before)) = self.past.front() else { return };
        let before = before.base();
        let bits =
            grey.pixels.iter().zip(&before.pixels).map(|(a, b)| u8::from(a.abs_diff(*b) > CHANGE)).collect();
        let changed = Mask { width: grey.width, height: grey.height, bits }.smooth(1);
        let lasts = LASTS.as_millis() as u16;
        for (left, bit) in self.lasting.iter_mut().zip(&changed.bits) {
            *left = (*left).max(lasts * u16::from(*bit));
        }
    }

    /// What has moved lately, with what is between: of somebody in plain clothes only the edges change.
    fn moving(&self, grey: &Grey) -> Mask {
        let bits = self.lasting.iter().map(|left| u8::from(*left > 0)).collect();
        let radius = (grey.width.max(grey.height) / 40).max(2);
        Mask { width: grey.width, height: grey.height, bits }.close(radius)
    }

    fn drop_ghosts(&mut self, grey: &Grey, moving: &Mask, all: &mut Mask, found: &mut Parts) {
        let mut moved = vec![0; found.parts.len()];
        for run in &found.runs {
            let at = run.y * moving.width;
            moved[run.part] +=
                moving.bits[at + run.start..at + run.end].iter().filter(|bit| **bit != 0).count();
        }
        let mut ghosts = Vec::new();
        for (index, part) in found.parts.iter().enumerate() {
            if moved[index] * 20 < part.area && self.background.is_ghost(index, part, found, grey) {
                ghosts.push(index);
            }
        }
        if ghosts.is_empty() {
            return;
        }
        ghosts.iter().for_each(|index| self.background.adopt(*index, found, grey));
        found.erase(all, |index, _| ghosts.contains(&index));
        *found = parts(all);
    }

    /// How much of the background is known, 0 to 1.
    pub fn known(&self) -> f32 {
        self.background.known()
    }

    /// How places within `within` have moved in the last moment: those that can be followed and that did move, at least by
    /// `least` pixels per second.
    pub fn steps(&self, within: &Mask, least: f32) -> Vec<Step> {
        let (Some((then, before)), Some((now, after))) = (self.past.front(), self.past.back()) else {
            return Vec::new();
        };
        let seconds = now.saturating_sub(*then).as_secs_f32();
        if seconds <= 0.0 || self.past.len() < 2 {
            return Vec::new();
        }
        let base = after.base();
        let places = corners(base, within, (base.width / 32).max(6), PLACES);
        // From now back to then: what is followed is what moves now.
        let ways = follow(after, before, &places);
        let moved = places.iter().zip(ways).filter_map(|(at, way)| {
            let speed = way?.map(|w| -w / seconds);
            (speed[0].hypot(speed[1]) >= least).then_some(Step { at: *at, speed })
        });
        moved.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::staging::{Disc, Stage, disc};
    use super::*;

    fn time(n: u32) -> Duration {
        Duration::from_millis(u64::from(n) * 66)
    }

    /// Watches an empty scene until it is known, and then `discs` of each picture's number.
    fn watch(scene: &mut Scene, stage: &Stage, pictures: u32, discs: impl Fn(u32) -> Vec<Disc>) -> Seen {
        for n in 0..60 {
            scene.look(stage.empty(n), time(n), &Settings::default(), 20);
        }
        let mut seen = Seen::default();
        for n in 60..60 + pictures {
            seen = scene.look(stage.with(n, &discs(n - 60)), time(n), &Settings::default(), 20);
        }
        seen
    }

    #[test]
    fn who_walks_is_told_from_who_stands() {
        let (mut scene, stage) = (Scene::default(), Stage::new(160, 120));
        let people = |n: u32| vec![disc(30.0 + 1.5 * n as f32, 30.0, 11.0), disc(80.0, 90.0, 11.0)];
        let seen = watch(&mut scene, &stage, 40, people);
        assert_eq!((seen.parts.parts.len(), seen.known, seen.cut), (2, 1.0, false));
        let truth = people(39);
        let (walks, stands) = (stage.truth(&truth[..1]), stage.truth(&truth[1..]));
        for (mask, truth) in [(&seen.moving, &walks), (&seen.still, &stands)] {
            let wrong = mask.without(truth).count() + truth.without(mask).count();
            assert!(wrong * 8 < truth.count(), "{wrong} of {}", truth.count());
        }
    }

    #[test]
    fn steps_have_the_walkers_speed() {
        let (mut scene, stage) = (Scene::default(), Stage::new(160, 120));
        let seen =
            watch(&mut scene, &stage, 30, |n| vec![disc(30.0 + 1.2 * n as f32, 40.0 + 0.7 * n as f32, 14.0)]);
        let steps = scene.steps(&seen.moving, 4.0);
        assert!(steps.len() >= 4, "{steps:?}");
        let count = steps.len() as f32;
        let mean = [0, 1].map(|i| steps.iter().map(|s| s.speed[i]).sum::<f32>() / count * 0.066);
        assert!((mean[0] - 1.2).abs() < 0.1 && (mean[1] - 0.7).abs() < 0.1, "{mean:?}");
    }

    #[test]
    fn a_cut_begins_a_new_scene_and_a_pause_does_not() {
        let (mut scene, stage) = (Scene::default(), Stage::new(96, 72));
        watch(&mut scene, &stage, 1, |_| Vec::new());
        let later = Duration::from_secs(20);
        assert!(!scene.look(stage.empty(3), later, &Settings::default(), 20).cut);
        let other = Grey::new(96, 72, |x, y| if (x / 9 + y / 7) % 2 == 0 { 20 } else { 230 });
        let seen = scene.look(other, later + Duration::from_millis(40), &Settings::default(), 20);
        assert!(seen.cut && seen.known < 0.1);
        assert!(scene.look(stage.empty(4), Duration::ZERO, &Settings::default(), 20).cut, "time ran back");
        assert_eq!(scene.steps(&Mask::empty(96, 72), 0.0), []);
    }
}
