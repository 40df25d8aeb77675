//! Finding the thing that has the calibrated colour.

use anabranch_kit::sample::Sample;

use crate::motion::colour::{Likeness, hsv};
use crate::motion::mask::Mask;
use crate::motion::parts::{Part, parts};

/// A pixel must be so much like the thing, of 255.
const ALIKE: u8 = 140;
/// The least part that is the pointer, relative to the picture's area.
const LEAST: f32 = 0.0004;
/// How much of the box around it a pointer fills at least: a ball fills 0.79, a bar across the picture less.
const FILL: f32 = 0.35;
/// A part at the place where the pointer was counts so many times.
const FAITH: f32 = 3.0;

/// Looks for a colour in small pictures.
#[derive(Clone, Debug, Default)]
pub struct Search {
    likeness: Option<Likeness>,
    last: Option<[f32; 2]>,
}

/// Where the pointer is, relative to the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// Its middle.
    pub at: [f32; 2],
    /// The box around it: left and upper edge, width and height.
    pub area: [f32; 4],
    /// How sure it is, 0 to 1.
    pub score: f32,
}

impl Search {
    /// Whether it knows a colour.
    pub fn is_calibrated(&self) -> bool {
        self.likeness.is_some()
    }

    /// Learns the colour of a rectangle (left, top, right, bottom, relative to the picture), as opposed to the rest of the
    /// picture. Returns its mean colour, or `None` if there is nothing in it.
    pub fn calibrate(&mut self, sample: &Sample, [left, top, right, bottom]: [f32; 4]) -> Option<[u8; 3]> {
        let clip = |v: f32, size: usize| (v * size as f32).round().clamp(0.0, size as f32) as usize;
        let columns = clip(left, sample.width)..clip(right, sample.width);
        let rows = clip(top, sample.height)..clip(bottom, sample.height);
        // The thing may be larger than the rectangle: what is close to it is neither the thing nor the rest.
        let (wide, high) = (right - left, bottom - top);
        let near_columns = clip(left - wide, sample.width)..clip(right + wide, sample.width);
        let near_rows = clip(top - high, sample.height)..clip(bottom + high, sample.height);
        let (mut thing, mut rest) = (Vec::new(), Vec::new());
        let mut sums = [0u64; 3];
        for (at, rgb) in sample.rgb.as_chunks::<3>().0.iter().enumerate() {
            if columns.contains(&(at % sample.width)) && rows.contains(&(at / sample.width)) {
                thing.push(hsv(*rgb));
                sums.iter_mut().zip(rgb).for_each(|(sum, value)| *sum += u64::from(*value));
            } else if !near_columns.contains(&(at % sample.width))
                || !near_rows.contains(&(at / sample.width))
            {
                rest.push(hsv(*rgb));
            }
        }
        if thing.is_empty() {
            return None;
        }
        self.likeness = Some(Likeness::learn(&thing, &rest));
        self.last = None;
        Some(sums.map(|sum| (sum / thing.len() as u64) as u8))
    }

    /// Looks for the pointer.
    pub fn look(&mut self, sample: &Sample) -> Option<Found> {
        let likeness = self.likeness.as_ref()?;
        let (width, height) = (sample.width as f32, sample.height as f32);
        let bits = sample.rgb.as_chunks::<3>().0.iter().map(|rgb| u8::from(likeness.of(hsv(*rgb)) >= ALIKE));
        let mask = Mask { width: sample.width, height: sample.height, bits: bits.collect() };
        let found = parts(&mask.smooth(1).close(2));
        let least = (LEAST * width * height).max(4.0);
        let fill = |part: &Part| {
            part.area as f32 / ((part.right - part.left) * (part.bottom - part.top)).max(1) as f32
        };
        let weight = |part: &Part| {
            let here = [part.centre[0] / width, part.centre[1] / height];
            let near = self.last.is_some_and(|last| (last[0] - here[0]).hypot(last[1] - here[1]) < 0.12);
            part.area as f32 * fill(part) * if near { FAITH } else { 1.0 }
        };
        let fits = found.parts.iter().filter(|part| part.area as f32 >= least && fill(part) >= FILL);
        let best = fits.max_by(|a, b| weight(a).total_cmp(&weight(b)));
        let found = best.map(|part| Found {
            at: [(part.centre[0] + 0.5) / width, (part.centre[1] + 0.5) / height],
            area: [
                part.left as f32 / width,
                part.top as f32 / height,
                (part.right - part.left) as f32 / width,
                (part.bottom - part.top) as f32 / height,
            ],
            // A ball is as sure as it gets.
            score: (fill(part) / 0.75).min(1.0),
        });
        self.last = found.map(|found| found.at);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A room with a red curtain, somebody's face and hands, and a blue ball.
    fn room(ball: Option<[f32; 2]>) -> Sample {
        let (width, height) = (160, 120);
        let mut rgb = Vec::with_capacity(width * height * 3);
        for y in 0..height {
            for x in 0..width {
                let grain = ((x * 37 + y * 61) % 11) as u8;
                let near = |cx: f32, cy: f32, r: f32| (x as f32 - cx).hypot(y as f32 - cy) <= r;
                let colour = match ball {
                    Some([bx, by]) if near(bx, by, 9.0) => [25, 60, 190],
                    _ if near(80.0, 30.0, 14.0) || near(120.0, 80.0, 8.0) => [205, 150, 120],
                    _ if x < 30 => [150, 30, 40],
                    _ => [120, 125, 130],
                };
                rgb.extend(colour.map(|c: u8| c + grain));
            }
        }
        Sample { width, height, rgb }
    }

    #[test]
    fn the_ball_is_found_where_it_is() {
        let mut search = Search::default();
        assert_eq!(search.look(&room(Some([50.0, 50.0]))), None, "nothing is known yet");
        // It is held into the calibration region, which it does not fill.
        let colour = search.calibrate(&room(Some([50.0, 50.0])), [0.25, 0.34, 0.38, 0.5]).unwrap();
        assert!(colour[2] > colour[0], "{colour:?}");
        assert!(search.is_calibrated());
        for n in 0..20 {
            let truth = [20.0 + 6.0 * n as f32, 60.0 + 2.0 * n as f32];
            let found = search.look(&room(Some(truth))).unwrap();
            let error = (found.at[0] * 160.0 - truth[0] - 0.5).hypot(found.at[1] * 120.0 - truth[1] - 0.5);
            assert!(error < 1.5, "{error} pixels at {n}");
            assert!((found.area[2] * 160.0 - 19.0).abs() < 4.0 && found.score > 0.8, "{found:?}");
        }
        assert_eq!(search.look(&room(None)), None);
    }

    #[test]
    fn a_thing_larger_than_the_region_is_learnt() {
        let mut search = Search::default();
        // The ball is 19 pixels wide, the region 8, and nothing else in the room is like it.
        search.calibrate(&room(Some([50.0, 50.0])), [0.29, 0.38, 0.34, 0.45]).unwrap();
        let found = search.look(&room(Some([100.0, 90.0]))).unwrap();
        assert!((found.at[0] * 160.0 - 100.0).abs() < 2.0, "{found:?}");
    }

    #[test]
    fn an_empty_region_teaches_nothing() {
        assert_eq!(Search::default().calibrate(&room(None), [2.0, 2.0, 3.0, 3.0]), None);
    }
}
