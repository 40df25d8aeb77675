//! What the picture looks like when nobody is in it.
//!
//! Each pixel has a mean and a mean deviation (a running Gaussian in whole numbers). At first the mean goes towards what it
//! sees in steps that get smaller, whatever their size, which ends at the median: people who walk through the first
//! pictures leave nothing behind. Later only pixels that look like background are learnt from; others are foreground and
//! are taken over slowly ([`Settings::absorb`]), so that a crowd that stands stays a crowd. A change of light over the whole
//! picture is taken out first.

use std::time::Duration;

use super::grey::Grey;
use super::mask::Mask;
use super::parts::{Part, Parts};

/// Fixed point: 8 bits of fraction.
const ONE: i32 = 256;
/// Learning takes so many pictures.
const LEARNING: u32 = 40;
/// The first step towards what is seen while learning, in grey levels.
const FIRST_STEP: i32 = 24 * ONE;
/// Background that is known follows by a part of the difference: 1/2^5.
const FOLLOW: i32 = 5;
/// The deviation follows by 1/2^6.
const SETTLE: i32 = 6;
/// No pixel is believed to be quieter than this, in grey levels.
const QUIET: i32 = 2 * ONE;
/// Nor noisier.
const NOISY: i32 = 20 * ONE;

/// How sensitive the model is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// The least difference from the background that counts, in grey levels.
    pub least: i32,
    /// How many times the usual deviation counts.
    pub deviations: i32,
    /// After which time something that stays becomes background.
    pub absorb: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { least: 16, deviations: 4, absorb: Duration::from_secs(120) }
    }
}

/// The model.
#[derive(Clone, Debug, Default)]
pub struct Background {
    width: usize,
    height: usize,
    mean: Vec<i32>,
    deviation: Vec<i32>,
    /// How long each pixel has been foreground, in milliseconds.
    age: Vec<u32>,
    pictures: u32,
    light: i32,
}

impl Background {
    /// How much it knows, 0 to 1.
    pub fn known(&self) -> f32 {
        self.pictures.min(LEARNING) as f32 / LEARNING as f32
    }

    /// Forgets everything: there was a cut, or the camera was moved.
    pub fn reset(&mut self) {
        *self = Background::default();
    }

    /// Learns from a picture and says which pixels are not background. `since` is the time since the last picture.
    pub fn look(&mut self, grey: &Grey, since: Duration, settings: &Settings) -> Mask {
        if (grey.width, grey.height) != (self.width, self.height) {
            *self = Background {
                width: grey.width,
                height: grey.height,
                mean: grey.pixels.iter().map(|p| i32::from(*p) * ONE).collect(),
                deviation: vec![QUIET * 2; grey.pixels.len()],
                age: vec![0; grey.pixels.len()],
                pictures: 0,
                light: 0,
            };
        }
        self.light = self.change_of_light(grey);
        let learning = self.pictures < LEARNING;
        let step = FIRST_STEP / (self.pictures as i32 + 1).min(LEARNING as i32 * 2 / 3);
        self.pictures = self.pictures.saturating_add(1);
        let since = since.as_millis().min(10_000) as u32;
        let absorb = settings.absorb.as_millis().min(u128::from(u32::MAX / 2)) as u32;
        let (light, least) = (self.light, settings.least * ONE);
        let mut mask = Mask::empty(self.width, self.height);
        let pixels = self.mean.iter_mut().zip(&mut self.deviation).zip(&mut self.age);
        for (((mean, deviation), age), (pixel, bit)) in pixels.zip(grey.pixels.iter().zip(&mut mask.bits)) {
            *mean += light;
            let difference = i32::from(*pixel) * ONE - *mean;
            let distance = difference.abs();
            let foreground = distance > least.max(settings.deviations * *deviation);
            *bit = u8::from(foreground);
            if learning {
                *mean += difference.clamp(-step, step);
                let calm = distance.min(NOISY);
                *deviation += (calm - *deviation) >> 4;
            } else if !foreground {
                *age = 0;
                *mean += difference >> FOLLOW;
                *deviation += (distance - *deviation) >> SETTLE;
            } else {
                *age += since;
                if *age > absorb {
                    *age = 0;
                    *mean += difference;
                }
            }
            *deviation = (*deviation).clamp(QUIET, NOISY);
        }
        mask
    }

    /// By how much most of the picture is brighter than the background, in grey levels with fraction: the median over a few
    /// hundred points, so that people do not count as light.
    fn change_of_light(&self, grey: &Grey) -> i32 {
        if self.pictures < 3 {
            return 0;
        }
        let step = (self.mean.len() / 500).max(1) | 1;
        let mut differences: Vec<i32> = grey
            .pixels
            .iter()
            .zip(&self.mean)
            .step_by(step)
            .map(|(pixel, mean)| i32::from(*pixel) * ONE - mean)
            .collect();
        let middle = differences.len() / 2;
        let (_, median, _) = differences.select_nth_unstable(middle);
        // Small changes are followed pixel by pixel.
        if median.abs() > 3 * ONE { *median } else { 0 }
    }

    /// Whether a part that stays is only the hole that something has left in a background that was learnt with it: its
    /// outline is in the background, but not in the picture.
    pub fn is_ghost(&self, index: usize, part: &Part, parts: &Parts, grey: &Grey) -> bool {
        let mean = |x: usize, y: usize| self.mean[y * self.width + x] / ONE;
        let pixel = |x: usize, y: usize| i32::from(grey.pixels[y * self.width + x]);
        let (mut there, mut here) = (0i64, 0i64);
        let mut edges = 0;
        let runs = parts.runs.iter().filter(|run| run.part == index);
        for run in runs.filter(|run| run.y > 0 && run.y + 1 < self.height) {
            for x in [run.start, run.end] {
                // Across the part's left and right edges, two pixels on each side.
                if x < 2 || x + 2 > self.width {
                    continue;
                }
                let (a, b) = (x - 2, x + 1);
                there += i64::from((mean(a, run.y) - mean(b, run.y)).abs());
                here += i64::from((pixel(a, run.y) - pixel(b, run.y)).abs());
                edges += 1;
            }
        }
        // Clearly more in the background, on average by six grey levels.
        edges >= 4 && part.area > 0 && there > 2 * here && there - here > 6 * edges
    }

    /// Takes what is seen there for background from now on.
    pub fn adopt(&mut self, index: usize, parts: &Parts, grey: &Grey) {
        for run in parts.runs.iter().filter(|run| run.part == index) {
            // A little beyond its edge, where the mask was cut off.
            let (start, end) = (run.start.saturating_sub(2), (run.end + 2).min(self.width));
            for at in run.y * self.width + start..run.y * self.width + end {
                self.mean[at] = i32::from(grey.pixels[at]) * ONE;
                self.age[at] = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parts::parts;
    use super::super::staging::{Stage, disc};
    use super::*;

    const TICK: Duration = Duration::from_millis(40);

    #[test]
    fn noise_is_background_and_a_disc_is_not() {
        let mut background = Background::default();
        let stage = Stage::new(96, 72);
        for n in 0..60 {
            background.look(&stage.empty(n), TICK, &Settings::default());
        }
        assert_eq!(background.known(), 1.0);
        assert_eq!(background.look(&stage.empty(61), TICK, &Settings::default()).smooth(1).count(), 0);
        let truth = disc(48.0, 36.0, 12.0);
        let seen = background.look(&stage.with(62, &[truth]), TICK, &Settings::default()).smooth(1);
        let exact = stage.truth(&[truth]);
        let wrong = seen.without(&exact).count() + exact.without(&seen).count();
        assert!(wrong * 8 < exact.count(), "{wrong} of {}", exact.count());
    }

    #[test]
    fn people_in_the_first_pictures_leave_nothing_behind() {
        let mut background = Background::default();
        let stage = Stage::new(96, 72);
        for n in 0..50 {
            let walker = disc(10.0 + 1.6 * n as f32, 36.0, 8.0);
            background.look(&stage.with(n, &[walker]), TICK, &Settings::default());
        }
        let left = background.look(&stage.empty(51), TICK, &Settings::default()).smooth(1);
        assert_eq!(left.count(), 0);
    }

    #[test]
    fn who_stands_stays_until_the_time_is_over() {
        let mut background = Background::default();
        let stage = Stage::new(64, 48);
        let settings = Settings { absorb: Duration::from_secs(4), ..Settings::default() };
        for n in 0..60 {
            background.look(&stage.empty(n), TICK, &settings);
        }
        let count = |n: u32, background: &mut Background| {
            background.look(&stage.with(n, &[disc(32.0, 24.0, 10.0)]), TICK, &settings).smooth(1).count()
        };
        let first = count(60, &mut background);
        let later: Vec<usize> = (61..155).map(|n| count(n, &mut background)).collect();
        assert!(later.iter().all(|area| area.abs_diff(first) < first / 10), "{first} {later:?}");
        let last = (155..180).map(|n| count(n, &mut background)).last().unwrap();
        assert_eq!(last, 0);
    }

    #[test]
    fn light_is_not_foreground() {
        let mut background = Background::default();
        let stage = Stage::new(96, 72);
        for n in 0..60 {
            background.look(&stage.empty(n), TICK, &Settings::default());
        }
        for n in 60..70 {
            let mut lit = stage.with(n, &[disc(48.0, 36.0, 8.0)]);
            lit.pixels.iter_mut().for_each(|p| *p = p.saturating_add(30));
            let seen = background.look(&lit, TICK, &Settings::default()).smooth(1).count();
            assert!((150..260).contains(&seen), "{seen} of 201");
        }
    }

    #[test]
    fn a_ghost_is_told_from_somebody_who_stands() {
        let stage = Stage::new(96, 72);
        let stands = disc(30.0, 36.0, 9.0);
        let leaves = disc(66.0, 36.0, 9.0);
        let mut background = Background::default();
        // One of them is there while it learns and then gone; the other one comes after that.
        for n in 0..60 {
            background.look(&stage.with(n, &[leaves]), TICK, &Settings::default());
        }
        let grey = stage.with(61, &[stands]);
        let mask = background.look(&grey, TICK, &Settings::default()).smooth(1);
        let found = parts(&mask);
        assert_eq!(found.parts.len(), 2);
        for (index, part) in found.parts.iter().enumerate() {
            let ghost = background.is_ghost(index, part, &found, &grey);
            assert_eq!(ghost, part.centre[0] > 48.0, "{part:?}");
            if ghost {
                background.adopt(index, &found, &grey);
            }
        }
        let mask = background.look(&stage.with(62, &[stands]), TICK, &Settings::default()).smooth(1);
        assert_eq!(parts(&mask).parts.len(), 1);
    }
}
