//! Small grey pictures and pyramids of them.

use anabranch_kit::sample::{Sample, brightness};

/// A grey picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grey {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// One byte for each pixel, row by row, without padding.
    pub pixels: Vec<u8>,
}

impl Grey {
    /// The brightness of a small colour picture.
    pub fn of(sample: &Sample) -> Self {
        let pixels = sample.rgb.as_chunks::<3>().0.iter().map(brightness).collect();
        Grey { width: sample.width, height: sample.height, pixels }
    }

    /// A picture of that size whose pixels a function gives.
    #[cfg(test)]
    pub fn new(width: usize, height: usize, shade: impl Fn(usize, usize) -> u8) -> Self {
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| shade(x, y));
        Grey { width, height, pixels: pixels.collect() }
    }

    /// One row.
    pub fn row(&self, y: usize) -> &[u8] {
        &self.pixels[y * self.width..(y + 1) * self.width]
    }

    /// Half the size, each pixel the mean of four. An odd last column or row is left out unless it is the only one.
    pub fn half(&self) -> Grey {
        let (width, height) = ((self.width / 2).max(1), (self.height / 2).max(1));
        if self.width < 2 || self.height < 2 {
            let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
            let at =
                |x: usize, y: usize| self.pixels[y.min(self.height - 1) * self.width + x.min(self.width - 1)];
            return Grey { width, height, pixels: pixels.map(|(x, y)| at(2 * x, 2 * y)).collect() };
        }
        let mut pixels = Vec::with_capacity(width * height);
        for y in 0..height {
            let (upper, lower) = (self.row(2 * y), self.row(2 * y + 1));
            let pairs = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0);
            pixels.extend(pairs.map(|([a, b], [c, d])| {
                ((u16::from(*a) + u16::from(*b) + u16::from(*c) + u16::from(*d) + 2) >> 2) as u8
            }));
        }
        Grey { width, height, pixels }
    }

    /// The brightness between pixels; what is outside is as the nearest pixel. Coordinates are of pixel centres.
    pub fn between(&self, x: f32, y: f32) -> f32 {
        let (x, y) = (x.clamp(0.0, (self.width - 1) as f32), y.clamp(0.0, (self.height - 1) as f32));
        let (left, top) = (x as usize, y as usize);
        let (right, below) = ((left + 1).min(self.width - 1), (top + 1).min(self.height - 1));
        let (dx, dy) = (x - left as f32, y - top as f32);
        let at = |x: usize, y: usize| f32::from(self.pixels[y * self.width + x]);
        let upper = at(left, top) + dx * (at(right, top) - at(left, top));
        let lower = at(left, below) + dx * (at(right, below) - at(left, below));
        upper + dy * (lower - upper)
    }

    /// How unlike another picture of this size it is, apart from a change of light: the mean difference of a few hundred
    /// points, of 255. Pictures of different sizes have nothing in common.
    pub fn difference(&self, other: &Grey) -> u32 {
        if (self.width, self.height) != (other.width, other.height) || self.pixels.is_empty() {
            return 255;
        }
        let step = (self.pixels.len() / 768).max(1) | 1;
        let pairs = || {
            self.pixels.iter().zip(&other.pixels).step_by(step).map(|(a, b)| i32::from(*a) - i32::from(*b))
        };
        let count = pairs().count().max(1) as i32;
        let light = pairs().sum::<i32>() / count;
        pairs().map(|d| (d - light).unsigned_abs()).sum::<u32>() / count as u32
    }
}

/// A picture and smaller and smaller copies of it.
#[derive(Clone, Debug, Default)]
pub struct Pyramid {
    /// The largest first.
    pub levels: Vec<Grey>,
}

impl Pyramid {
    /// With so many levels at most, none of them smaller than 16 pixels unless the picture is.
    pub fn new(grey: Grey, levels: usize) -> Self {
        let mut all = vec![grey];
        while all.len() < levels {
            match all.last() {
                Some(last) if last.width >= 32 && last.height >= 32 => all.push(last.half()),
                _ => break,
            }
        }
        Pyramid { levels: all }
    }

    /// The picture itself.
    pub fn base(&self) -> &Grey {
        // There is always one: `new` starts with it; a pyramid by default has none and is never asked.
        &self.levels[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grey_is_the_brightness() {
        let sample = Sample {
            width: 4,
            height: 1,
            rgb: [[255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 255, 0]].concat(),
        };
        assert_eq!(Grey::of(&sample).pixels, [255, 0, 77, 149]);
    }

    #[test]
    fn halves_are_means_at_any_size() {
        let grey = Grey { width: 3, height: 2, pixels: vec![10, 20, 99, 30, 41, 99] };
        assert_eq!(grey.half(), Grey { width: 1, height: 1, pixels: vec![25] });
        assert_eq!(Grey::new(1, 5, |_, y| y as u8).half(), Grey { width: 1, height: 2, pixels: vec![0, 2] });
        assert_eq!(Grey::new(1, 1, |_, _| 7).half().pixels, [7]);
        let sizes: Vec<usize> =
            Pyramid::new(Grey::new(100, 70, |_, _| 0), 4).levels.iter().map(|l| l.width).collect();
        assert_eq!(sizes, [100, 50, 25], "the next would be too small");
    }

    #[test]
    fn between_pixels_it_is_smooth_and_outside_it_goes_on() {
        let grey = Grey::new(4, 4, |x, y| (10 * x + 40 * y) as u8);
        assert_eq!(grey.between(1.5, 2.25), 105.0);
        assert_eq!(grey.between(-3.0, 9.0), 120.0);
    }

    #[test]
    fn light_is_no_difference_and_another_picture_is() {
        let a = Grey::new(64, 48, |x, _| (x * 2) as u8);
        let lit = Grey::new(64, 48, |x, _| (x * 2 + 40) as u8);
        let other = Grey::new(64, 48, |x, y| ((63 - x) * 2 + y) as u8);
        assert_eq!(a.difference(&lit), 0);
        assert!(a.difference(&other) > 40);
        assert_eq!(a.difference(&Grey::new(2, 2, |_, _| 0)), 255);
    }
}
