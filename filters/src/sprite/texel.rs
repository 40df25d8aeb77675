//! Pictures of which points between pixels are asked for: scaling and turning come down to this.

/// A few components of up to 8 bits in lanes of 16 bits, so that all are mixed at once; 0 is transparent.
pub trait Texel: Copy + Default + PartialEq + Send + Sync + 'static {
    /// The same without gaps: drawing waits for memory more than for anything else.
    type Packed: Copy + Default + PartialEq + std::fmt::Debug + Send + Sync + 'static;

    /// What this kind of picture keeps of three components (premultiplied by alpha) and alpha.
    fn pack(components: [u8; 4]) -> Self::Packed;

    /// The mixture of two neighbours and the two below them: shares of the right ones and of the lower ones, of 256.
    fn mix(upper: [Self::Packed; 2], lower: [Self::Packed; 2], right: u32, below: u32) -> Self;
}

/// The first component and alpha: luma.
impl Texel for u32 {
    type Packed = u16;

    fn pack([first, _, _, alpha]: [u8; 4]) -> u16 {
        u16::from_le_bytes([first, alpha])
    }

    #[inline(always)]
    fn mix(upper: [u16; 2], lower: [u16; 2], right: u32, below: u32) -> Self {
        // Both columns at once.
        let pair = |[a, b]: [u16; 2]| spread(u32::from(a) | u32::from(b) << 16);
        let columns = between(pair(upper), pair(lower), below);
        between(columns & 0xffff_ffff, columns >> 32, right) as u32
    }
}

/// All four.
impl Texel for u64 {
    type Packed = u32;

    fn pack(components: [u8; 4]) -> u32 {
        u32::from_le_bytes(components)
    }

    #[inline(always)]
    fn mix(upper: [u32; 2], lower: [u32; 2], right: u32, below: u32) -> Self {
        let row = |[a, b]: [u32; 2]| between(spread(a), spread(b), right);
        between(row(upper), row(lower), below)
    }
}

const LANES: u64 = 0x00ff_00ff_00ff_00ff;

/// Four bytes, each in a lane of 16 bits.
#[inline(always)]
fn spread(bytes: u32) -> u64 {
    let halves = (u64::from(bytes) | u64::from(bytes) << 16) & 0x0000_ffff_0000_ffff;
    (halves | halves << 8) & LANES
}

/// Between `a` (0) and `b` (256): a * 256 + (b - a) * share. The difference of one lane borrows from the next, but in the
/// sum every lane is between 0 and 255 * 256 again, so that the whole number is right; with the half it still fits.
#[inline(always)]
fn between(a: u64, b: u64, share: u32) -> u64 {
    let sum = (a << 8).wrapping_add(b.wrapping_sub(a).wrapping_mul(share.into()));
    sum.wrapping_add(0x0080_0080_0080_0080) >> 8 & LANES
}

/// One size of a picture.
#[derive(Clone, Debug)]
pub struct Grid<T: Texel> {
    pub width: usize,
    pub height: usize,
    /// With a transparent pixel around them, so that a point near the edge needs no thought.
    texels: Vec<T::Packed>,
    /// For each block of the texels, whether it or one of the blocks around it shows anything.
    shows: Vec<bool>,
}

/// The side of a block, in texels.
const BLOCK: usize = 8;

/// A straight line of points: where it starts and how it goes on, in pixels of a grid.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    pub start: (f64, f64),
    pub step: (f64, f64),
}

/// Pixels as numbers with 32 bits of fraction.
fn fixed(pixels: f64) -> i64 {
    (pixels * (1u64 << 32) as f64) as i64
}

impl<T: Texel> Grid<T> {
    pub fn new(width: usize, height: usize, pixel: impl Fn(usize, usize) -> [u8; 4]) -> Self {
        let mut texels = vec![T::Packed::default(); (width + 2) * (height + 2)];
        let (across, down) = ((width + 2).div_ceil(BLOCK), (height + 2).div_ceil(BLOCK));
        let mut shows = vec![false; across * down];
        for y in 0..height {
            for x in 0..width {
                let texel = T::pack(pixel(x, y));
                texels[(y + 1) * (width + 2) + x + 1] = texel;
                if texel != T::Packed::default() {
                    let (column, row) = ((x + 1) / BLOCK, (y + 1) / BLOCK);
                    for row in row.saturating_sub(1)..(row + 2).min(down) {
                        let near = column.saturating_sub(1)..(column + 2).min(across);
                        shows[row * across..][near].fill(true);
                    }
                }
            }
        }
        Grid { width, height, texels, shows }
    }

    /// Reads the texels of the first `count` points of a line into `out`, without most of the transparent ones at both
    /// ends; returns how many points were left out at the beginning.
    pub fn read(&self, walk: &Walk, count: usize, out: &mut Vec<T>) -> usize {
        out.clear();
        let across = inside(walk.start.0, walk.step.0, self.width, count);
        let down = inside(walk.start.1, walk.step.1, self.height, count);
        let (mut first, mut last) = (across.0.max(down.0), across.1.min(down.1));
        // The transparent border shifts everything by one pixel; a pixel's centre is half a pixel on.
        let (x, y) = (fixed(walk.start.0 + 0.5), fixed(walk.start.1 + 0.5));
        let (step_x, step_y) = (fixed(walk.step.0), fixed(walk.step.1));
        let at = |column: usize| {
            let go = |start: i64, step: i64| start.wrapping_add(step.wrapping_mul(column as i64));
            (go(x, step_x), go(y, step_y))
        };
        let is_inside = |(x, y): (i64, i64)| {
            let within = |v: i64, size: usize| v >= 0 && (v >> 32) as usize <= size;
            within(x, self.width) && within(y, self.height)
        };
        // A line is inside if both its ends are: nothing needs to be looked at point by point.
        while first < last && !is_inside(at(first)) {
            first += 1;
        }
        while first < last && !is_inside(at(last - 1)) {
            last -= 1;
        }
        // Where nothing shows, the points less than a block away are transparent as well.
        let stride = ((BLOCK - 1) as f64 / walk.step.0.hypot(walk.step.1)).clamp(1.0, 4096.0) as usize;
        while first < last && !self.shows(at(first)) {
            first += stride;
        }
        while first < last && !self.shows(at(last - 1)) {
            last = last.saturating_sub(stride);
        }
        if first >= last {
            return first;
        }
        let (mut x, mut y) = at(first);
        out.resize(last - first, T::default());
        for texel in out.iter_mut() {
            *texel = self.at((x, y));
            (x, y) = (x.wrapping_add(step_x), y.wrapping_add(step_y));
        }
        first
    }

    fn shows(&self, (x, y): (i64, i64)) -> bool {
        let across = (self.width + 2).div_ceil(BLOCK);
        self.shows[(y >> 32) as usize / BLOCK * across + (x >> 32) as usize / BLOCK]
    }

    /// The colour at a point, which is inside; between pixels it is a mixture of four.
    #[inline(always)]
    fn at(&self, (x, y): (i64, i64)) -> T {
        let stride = self.width + 2;
        let corner = (y >> 32) as usize * stride + (x >> 32) as usize;
        let two = |start: usize| {
            let texels = self.texels.get(start..).and_then(<[T::Packed]>::first_chunk::<2>);
            texels.copied().unwrap_or_default()
        };
        let share = |v: i64| (v as u32) >> 24;
        T::mix(two(corner), two(corner + stride), share(x), share(y))
    }
}

/// The points of `count` that fall into a picture of this size, one of the two coordinates only. The picture reaches half
/// a pixel further, where it fades out.
fn inside(start: f64, step: f64, size: usize, count: usize) -> (usize, usize) {
    let (low, high) = (-0.49 - start, size as f64 + 0.49 - start);
    if step.abs() < 1e-9 {
        return if low <= 0.0 && high >= 0.0 { (0, count) } else { (0, 0) };
    }
    let (a, b) = (low / step, high / step);
    let limit = |v: f64| v.clamp(0.0, count as f64);
    (limit(a.min(b).ceil()) as usize, limit(a.max(b).floor() + 1.0) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_pixels_is_a_mixture_and_outside_is_nothing() {
        let grid: Grid<u64> = Grid::new(2, 1, |x, _| if x == 0 { [0; 4] } else { [200; 4] });
        let at = |x: f64, y: f64| {
            let mut out = Vec::new();
            grid.read(&Walk { start: (x, y), step: (1.0, 0.0) }, 1, &mut out);
            out.first().copied()
        };
        assert_eq!(at(1.0, 0.5), Some(spread(u64::pack([100; 4]))));
        assert_eq!(at(1.5, 0.5), Some(spread(u64::pack([200; 4]))));
        assert_eq!(at(2.0, 0.5), Some(spread(u64::pack([100; 4]))), "the edge fades out");
        assert_eq!(at(2.5, 0.5), None);
        assert_eq!(at(-0.5, -0.5), None);
        assert_eq!(at(f64::MAX, 0.5), None);
    }

    #[test]
    fn mixtures_are_exact_at_both_ends() {
        for byte in 0..=255u8 {
            let (a, b) = ([byte, 255 - byte, byte, 255], [0, 255, 7, byte]);
            let (a, b) = (spread(u64::pack(a)), spread(u64::pack(b)));
            assert_eq!((between(a, b, 0), between(a, b, 256), between(a, a, 77)), (a, b, a));
        }
    }

    #[test]
    fn luma_is_mixed_as_the_rest_is() {
        let grid = |x: usize, y: usize| [(x * 50) as u8, 0, 0, 255 - (y * 60) as u8];
        let (luma, all) = (Grid::<u32>::new(5, 4, grid), Grid::<u64>::new(5, 4, grid));
        let walk = Walk { start: (0.3, 0.2), step: (0.23, 0.17) };
        let (mut narrow, mut wide) = (Vec::new(), Vec::new());
        assert_eq!(luma.read(&walk, 20, &mut narrow), all.read(&walk, 20, &mut wide));
        assert!(narrow.len() > 15 && narrow.len() == wide.len());
        for (narrow, wide) in narrow.iter().zip(&wide) {
            assert!((*narrow as u8).abs_diff(*wide as u8) <= 1);
            assert!(((narrow >> 16) as u8).abs_diff((wide >> 48) as u8) <= 1);
        }
    }

    #[test]
    fn the_points_inside_are_found() {
        assert_eq!(inside(0.5, 1.0, 10, 100), (0, 10));
        assert_eq!(inside(-4.5, 1.0, 10, 100), (5, 15));
        assert_eq!(inside(9.5, -1.0, 10, 100), (0, 10));
        assert_eq!(inside(5.0, 0.0, 10, 100), (0, 100));
        assert_eq!(inside(15.0, 0.0, 10, 100), (0, 0));
        assert_eq!(inside(500.0, 1.0, 10, 100).0, 0);
    }

    #[test]
    fn transparent_ends_are_left_out_and_nothing_else() {
        let grid: Grid<u32> =
            Grid::new(300, 1, |x, _| if (150..153).contains(&x) { [9, 0, 0, 255] } else { [0; 4] });
        let mut out = Vec::new();
        for step in [0.3, 1.0, 1.9, 20.0] {
            let count = (290.0 / step) as usize;
            let first = grid.read(&Walk { start: (5.5, 0.5), step: (step, 0.0) }, count, &mut out);
            assert!(out.len() < (60.0 / step) as usize + 3, "{step}: {}", out.len());
            for column in 0..count {
                let x = 5.5 + step * column as f64;
                let texel = column.checked_sub(first).and_then(|i| out.get(i)).copied().unwrap_or_default();
                // Within half a pixel of the edge it fades.
                if (x - 151.5).abs() < 0.9 {
                    assert_eq!(texel, 9 | 255 << 16, "{step}: {x}");
                } else if (x - 151.5).abs() > 2.1 {
                    assert_eq!(texel, 0, "{step}: {x}");
                }
            }
        }
    }
}
