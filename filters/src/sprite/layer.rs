//! A sprite laid out for one place in the frame: scaled and turned, byte for byte as the frame's planes are.

use super::picture::{Sprite, Texels};
use super::texel::{Grid, Texel, Walk};

/// Where a sprite is drawn, in pixels of the frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// Centre, from the left.
    pub x: f64,
    /// Centre, from the top.
    pub y: f64,
    /// Width before turning.
    pub width: f64,
    /// Height before turning.
    pub height: f64,
    /// Angle in radians, clockwise.
    pub angle: f64,
    /// 0 is invisible, 1 is as in the file.
    pub opacity: f64,
}

impl Placement {
    /// The same place in planes of half the size.
    fn halved(&self) -> Placement {
        let half = |v: f64| v / 2.0;
        Placement {
            x: half(self.x),
            y: half(self.y),
            width: half(self.width),
            height: half(self.height),
            ..*self
        }
    }

    fn shows(&self) -> bool {
        let finite = [self.x, self.y, self.width, self.height, self.angle].iter().all(|v| v.is_finite());
        finite && self.width >= 0.5 && self.height >= 0.5 && self.opacity > 0.0
    }
}

/// The parts of a placed sprite that lie in the frame. Its memory is used again by the next layout.
#[derive(Clone, Debug, Default)]
pub struct Layer {
    /// One for each plane of the frame.
    pub sheets: [Sheet; 3],
    scratch: (Vec<u32>, Vec<u64>),
}

/// What is drawn on one plane.
#[derive(Clone, Debug, Default)]
pub struct Sheet {
    /// From top to bottom, at most one per row.
    pub spans: Vec<Span>,
    /// What is added to each byte of the plane, span after span.
    pub light: Vec<u8>,
    /// How much of each byte is covered.
    pub alpha: Vec<u8>,
}

/// A stretch of one row of a plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub y: usize,
    /// Its first byte in the row.
    pub start: usize,
    /// In bytes.
    pub length: usize,
}

impl Sheet {
    fn clear(&mut self) {
        self.spans.clear();
        self.light.clear();
        self.alpha.clear();
    }

    /// Adds a stretch of a row with `N` bytes for each texel.
    #[inline(always)]
    fn add<T: Copy, const N: usize>(
        &mut self,
        y: usize,
        x: usize,
        texels: &[T],
        opacity: u32,
        split: impl Fn(T) -> ([u8; N], u8),
    ) {
        let (old, length) = (self.light.len(), N * texels.len());
        self.spans.push(Span { y, start: N * x, length });
        self.light.resize(old + length, 0);
        self.alpha.resize(old + length, 0);
        let (light, alpha) = (&mut self.light[old..], &mut self.alpha[old..]);
        let (lights, alphas) = (light.as_chunks_mut::<N>().0, alpha.as_chunks_mut::<N>().0);
        for ((light, alpha), texel) in lights.iter_mut().zip(alphas).zip(texels) {
            let (components, share) = split(*texel);
            *light = components;
            *alpha = [share; N];
        }
        if opacity < 256 {
            for byte in light.iter_mut().chain(alpha) {
                *byte = ((u32::from(*byte) * opacity) >> 8) as u8;
            }
        }
    }
}

impl Layer {
    /// Lays a sprite out for a frame; nothing is left of what was there before.
    pub fn lay(&mut self, sprite: &Sprite, place: &Placement, width: usize, height: usize) {
        self.sheets.iter_mut().for_each(Sheet::clear);
        if !place.shows() {
            return;
        }
        let opacity = (place.opacity.min(1.0) * 256.0) as u32;
        let [first, second, third] = &mut self.sheets;
        let (narrow, wide) = (&mut self.scratch.0, &mut self.scratch.1);
        match &sprite.texels {
            Texels::Packed(sizes) => lay(sizes, place, width, height, wide, |y, x, texels| {
                let bytes = |t: u64| [t as u8, (t >> 16) as u8, (t >> 32) as u8, (t >> 48) as u8];
                first.add(y, x, texels, opacity, |t| (bytes(t), (t >> 48) as u8));
            }),
            Texels::Yuv { luma, chroma, planar } => {
                lay(luma, place, width, height, narrow, |y, x, texels| {
                    first.add(y, x, texels, opacity, |t| ([t as u8], (t >> 16) as u8));
                });
                // One point in the middle of each 2x2 pixels.
                let (place, width, height) = (place.halved(), width.div_ceil(2), height.div_ceil(2));
                lay(chroma, &place, width, height, wide, |y, x, texels| {
                    let (u, v) = (|t: u64| (t >> 16) as u8, |t: u64| (t >> 32) as u8);
                    let alpha = |t: u64| (t >> 48) as u8;
                    if *planar {
                        second.add(y, x, texels, opacity, |t| ([u(t)], alpha(t)));
                        third.add(y, x, texels, opacity, |t| ([v(t)], alpha(t)));
                    } else {
                        second.add(y, x, texels, opacity, |t| ([u(t), v(t)], alpha(t)));
                    }
                });
            }
        }
    }
}

/// Calls `row` with each row of the placed picture that has something: its y, its first x and its texels.
fn lay<T: Texel>(
    sizes: &[Grid<T>],
    place: &Placement,
    width: usize,
    height: usize,
    scratch: &mut Vec<T>,
    mut row: impl FnMut(usize, usize, &[T]),
) {
    let Some(grid) = best(sizes, place) else { return };
    let (sin, cos) = place.angle.sin_cos();
    // Half the size of the turned sprite's bounding box, and a pixel for the soft edge.
    let reach_x = (place.width * cos.abs() + place.height * sin.abs()) / 2.0 + 1.0;
    let reach_y = (place.width * sin.abs() + place.height * cos.abs()) / 2.0 + 1.0;
    let clip = |centre: f64, reach: f64, size: usize| {
        let start = (centre - reach).floor().clamp(0.0, size as f64) as usize;
        start..(centre + reach).ceil().clamp(0.0, size as f64) as usize
    };
    let (columns, rows) = (clip(place.x, reach_x, width), clip(place.y, reach_y, height));
    // From a pixel of the frame back to the sprite's.
    let (per_x, per_y) = (grid.width as f64 / place.width, grid.height as f64 / place.height);
    for y in rows {
        let (dx, dy) = (columns.start as f64 + 0.5 - place.x, y as f64 + 0.5 - place.y);
        let start = (
            (cos * dx + sin * dy) * per_x + grid.width as f64 / 2.0,
            (cos * dy - sin * dx) * per_y + grid.height as f64 / 2.0,
        );
        let first = grid.read(&Walk { start, step: (cos * per_x, -sin * per_y) }, columns.len(), scratch);
        if !scratch.is_empty() {
            row(y, columns.start + first, scratch);
        }
    }
}

/// The smallest copy that is not smaller than what is to be drawn.
fn best<'a, T: Texel>(sizes: &'a [Grid<T>], place: &Placement) -> Option<&'a Grid<T>> {
    let fits = |g: &&Grid<T>| g.width as f64 >= place.width && g.height as f64 >= place.height;
    sizes.iter().rev().find(fits).or(sizes.first())
}

#[cfg(test)]
mod tests {
    use gst_video::{VideoFormat, VideoInfo};

    use super::*;

    fn sprite(pixels: &[[u8; 4]]) -> Sprite {
        gst::init().unwrap();
        let info = VideoInfo::builder(VideoFormat::Rgba, 8, 8).build().unwrap();
        Sprite::new(16, 8, pixels, &info)
    }

    fn white() -> Sprite {
        sprite(&[[255; 4]; 128])
    }

    fn place(x: f64, y: f64, width: f64, height: f64, angle: f64) -> Placement {
        Placement { x, y, width, height, angle, opacity: 1.0 }
    }

    /// The drawn RGBA pixels by their place.
    fn laid(sprite: &Sprite, place: &Placement, width: usize, height: usize) -> Vec<(usize, usize, [u8; 4])> {
        let mut layer = Layer::default();
        layer.lay(&white(), &Placement { x: 1.0, y: 1.0, ..*place }, width, height);
        layer.lay(sprite, place, width, height);
        let sheet = &layer.sheets[0];
        let mut light = sheet.light.as_chunks::<4>().0.iter();
        assert_eq!(sheet.light.len(), sheet.alpha.len());
        let mut all = Vec::new();
        for span in &sheet.spans {
            let columns = span.start / 4..(span.start + span.length) / 4;
            all.extend(columns.zip(&mut light).map(|(x, pixel)| (x, span.y, *pixel)));
        }
        all
    }

    #[test]
    fn the_area_is_right_at_any_angle() {
        for degrees in [0.0f64, 30.0, 45.0, 90.0, 217.0] {
            let place = place(50.0, 50.0, 40.0, 20.0, degrees.to_radians());
            let area: f64 = laid(&white(), &place, 100, 100).iter().map(|p| f64::from(p.2[3]) / 255.0).sum();
            assert!((area - 800.0).abs() < 24.0, "{degrees}: {area}");
        }
    }

    #[test]
    fn it_turns_clockwise() {
        // Half black, half white, white on the right; turned by 90 degrees the white is below.
        let mut pixels = vec![[0, 0, 0, 255]; 128];
        pixels.chunks_mut(16).for_each(|row| row[8..].fill([255; 4]));
        let place = place(10.0, 10.0, 16.0, 8.0, std::f64::consts::FRAC_PI_2);
        let all = laid(&sprite(&pixels), &place, 20, 20);
        let red = |x: usize, y: usize| all.iter().find(|p| (p.0, p.1) == (x, y)).unwrap().2[0];
        assert!(red(10, 15) > 250 && red(10, 5) < 5);
    }

    #[test]
    fn what_is_outside_is_cut_off() {
        assert!(laid(&white(), &place(-30.0, 10.0, 20.0, 10.0, 0.0), 100, 100).is_empty());
        assert!(laid(&white(), &place(f64::NAN, 10.0, 20.0, 10.0, 0.0), 100, 100).is_empty());
        let all = laid(&white(), &place(0.0, 0.0, 20.0, 10.0, 0.0), 7, 3);
        assert_eq!(all.len(), 21);
        assert!(all.iter().all(|p| p.0 < 7 && p.1 < 3 && p.2 == [255; 4]));
        assert_eq!(laid(&white(), &place(0.5, 0.5, 5e5, 5e5, 0.3), 1, 1), [(0, 0, [255; 4])]);
    }

    #[test]
    fn opacity_scales_all_of_it() {
        let half = Placement { opacity: 0.5, ..place(50.0, 50.0, 20.0, 10.0, 0.0) };
        assert_eq!(laid(&white(), &half, 100, 100).iter().map(|p| p.2[3]).max(), Some(127));
    }

    #[test]
    fn the_size_fits_what_is_drawn() {
        let sizes = [32, 16, 8].map(|side| Grid::<u32>::new(side, side / 2, |_, _| [0; 4]));
        let width = |drawn: f64| best(&sizes, &place(0.0, 0.0, drawn, 4.0, 0.0)).unwrap().width;
        assert_eq!([7.0, 8.0, 10.0, 17.0, 900.0].map(width), [8, 8, 16, 32, 32]);
    }
}
