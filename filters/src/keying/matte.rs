//! Replacing the backdrop in a frame.

use anabranch_kit::frame::Frame;
use gst_video::VideoFormat;

use super::backdrop::Backdrop;
use super::key::{Key, Learning, Look};

/// Replaces the backdrop; keeps its tables and buffers from frame to frame.
#[derive(Debug, Default)]
pub struct Keyer {
    table: Vec<[u8; 3]>,
    made_for: Option<(Key, Look)>,
    matte: Vec<u8>,
    smoothed: Vec<u8>,
}

/// Cb and Cr of red, green and blue, full range.
fn chroma([r, g, b]: [u8; 3]) -> [u8; 2] {
    let (r, g, b) = (i32::from(r), i32::from(g), i32::from(b));
    // 16 bits of fraction.
    let u = ((-11_059 * r - 21_709 * g + 32_768 * b + (1 << 15)) >> 16) + 128;
    let v = ((32_768 * r - 27_439 * g - 5_329 * b + (1 << 15)) >> 16) + 128;
    [u.clamp(0, 255) as u8, v.clamp(0, 255) as u8]
}

/// The order of red, green and blue in a packed format.
fn order(format: VideoFormat) -> [usize; 3] {
    if format == VideoFormat::Bgra { [2, 1, 0] } else { [0, 1, 2] }
}

/// Counts the colours of a rectangle (left, top, right, bottom, in pixels) of a frame.
pub fn learn(learning: &mut Learning, frame: &Frame<'_>, [left, top, right, bottom]: [usize; 4]) {
    let picture = frame.picture();
    let (right, bottom) = (right.min(frame.width()), bottom.min(frame.height()));
    match frame.format() {
        VideoFormat::I420 | VideoFormat::Nv12 => {
            let planar = frame.format() == VideoFormat::I420;
            for y in top / 2..bottom.div_ceil(2) {
                let (us, vs) = (picture.row(1, y), if planar { picture.row(2, y) } else { &[] });
                for x in left / 2..right.div_ceil(2) {
                    let pair =
                        if planar { us.get(x).zip(vs.get(x)) } else { us.get(2 * x).zip(us.get(2 * x + 1)) };
                    if let Some((u, v)) = pair {
                        learning.add(*u, *v);
                    }
                }
            }
        }
        format => {
            let order = order(format);
            for y in top..bottom {
                let row = picture.row(0, y).as_chunks::<4>().0;
                for pixel in row.get(left..right.min(row.len())).unwrap_or_default() {
                    let [u, v] = chroma(order.map(|i| pixel[i]));
                    learning.add(u, v);
                }
            }
        }
    }
}

/// From the background towards the foreground.
fn mix(front: u8, back: u8, opacity: u8) -> u8 {
    let (f, b, o) = (u32::from(front), u32::from(back), u32::from(opacity));
    ((f * o + b * (255 - o) + 127) / 255) as u8
}

impl Keyer {
    /// Replaces the backdrop of a frame.
    pub fn replace(&mut self, frame: &mut Frame<'_>, key: &Key, look: &Look, backdrop: &Backdrop) {
        if self.made_for != Some((*key, *look)) {
            self.table = key.table(look);
            self.made_for = Some((*key, *look));
        }
        match frame.format() {
            VideoFormat::I420 => self.planar(frame, look, backdrop),
            VideoFormat::Nv12 => self.half_planar(frame, look, backdrop),
            format => self.packed(frame, order(format), look, backdrop),
        }
    }

    fn planar(&mut self, frame: &mut Frame<'_>, look: &Look, backdrop: &Backdrop) {
        let (width, height) = (frame.width().div_ceil(2), frame.height().div_ceil(2));
        let strides = [1, 2].map(|plane| frame.stride(plane));
        let [_, us, vs, _] = frame.planes_mut();
        self.matte.clear();
        for y in 0..height {
            let row = us[y * strides[0]..][..width].iter_mut().zip(&mut vs[y * strides[1]..][..width]);
            for (u, v) in row {
                let [opacity, clean_u, clean_v] = self.table[usize::from(*u) * 256 + usize::from(*v)];
                self.matte.push(opacity);
                (*u, *v) = (clean_u, clean_v);
            }
        }
        self.smooth(width, height, look);
        for plane in [1, 2] {
            for ((y, row), matte) in frame.rows_mut(plane).enumerate().zip(self.smoothed.chunks(width.max(1)))
            {
                let back = backdrop.row(plane, y, row.len());
                for (x, (byte, opacity)) in row.iter_mut().zip(matte).enumerate() {
                    *byte = mix(*byte, back.at(x), *opacity);
                }
            }
        }
        self.luma(frame, width, backdrop);
    }

    fn half_planar(&mut self, frame: &mut Frame<'_>, look: &Look, backdrop: &Backdrop) {
        let (width, height) = (frame.width().div_ceil(2), frame.height().div_ceil(2));
        self.matte.clear();
        for row in frame.rows_mut(1) {
            for [u, v] in row.as_chunks_mut::<2>().0 {
                let [opacity, clean_u, clean_v] = self.table[usize::from(*u) * 256 + usize::from(*v)];
                self.matte.push(opacity);
                (*u, *v) = (clean_u, clean_v);
            }
        }
        self.smooth(width, height, look);
        for ((y, row), matte) in frame.rows_mut(1).enumerate().zip(self.smoothed.chunks(width.max(1))) {
            let back = backdrop.row(1, y, row.len());
            for (x, (pair, opacity)) in row.as_chunks_mut::<2>().0.iter_mut().zip(matte).enumerate() {
                *pair = [mix(pair[0], back.at(2 * x), *opacity), mix(pair[1], back.at(2 * x + 1), *opacity)];
            }
        }
        self.luma(frame, width, backdrop);
    }

    /// Luma has two pixels for each of the matte's: between two of them the matte is a mixture.
    fn luma(&self, frame: &mut Frame<'_>, width: usize, backdrop: &Backdrop) {
        for (y, row) in frame.rows_mut(0).enumerate() {
            let matte = &self.smoothed[y / 2 * width..(y / 2 + 1) * width];
            let back = backdrop.row(0, y, row.len());
            for (x, byte) in row.iter_mut().enumerate() {
                let here = u16::from(matte[x / 2]);
                let beside = if x % 2 == 0 { (x / 2).saturating_sub(1) } else { (x / 2 + 1).min(width - 1) };
                let opacity = (3 * here + u16::from(matte[beside]) + 2) / 4;
                *byte = mix(*byte, back.at(x), opacity as u8);
            }
        }
    }

    fn packed(&mut self, frame: &mut Frame<'_>, order: [usize; 3], look: &Look, backdrop: &Backdrop) {
        let (width, height) = (frame.width(), frame.height());
        self.matte.clear();
        for row in frame.rows_mut(0) {
            for pixel in row.as_chunks_mut::<4>().0 {
                let [u, v] = chroma(order.map(|i| pixel[i]));
                let [opacity, clean_u, clean_v] = self.table[usize::from(u) * 256 + usize::from(v)];
                self.matte.push(opacity);
                let (du, dv) = (i32::from(clean_u) - i32::from(u), i32::from(clean_v) - i32::from(v));
                if (du, dv) != (0, 0) {
                    // 16 bits of fraction: how red, green and blue change with Cr and Cb.
                    let changes = [91_881 * dv, -22_554 * du - 46_802 * dv, 116_130 * du];
                    for (at, change) in order.into_iter().zip(changes) {
                        let value = i32::from(pixel[at]) + ((change + (1 << 15)) >> 16);
                        pixel[at] = value.clamp(0, 255) as u8;
                    }
                }
            }
        }
        self.smooth(width, height, look);
        for ((y, row), matte) in frame.rows_mut(0).enumerate().zip(self.smoothed.chunks(width.max(1))) {
            let back = backdrop.row(0, y, row.len());
            for (x, (pixel, opacity)) in row.as_chunks_mut::<4>().0.iter_mut().zip(matte).enumerate() {
                if *opacity < 255 {
                    for (i, byte) in pixel.iter_mut().enumerate().take(3) {
                        *byte = mix(*byte, back.at(4 * x + i), *opacity);
                    }
                }
            }
        }
    }

    /// The mean of three by three, which takes out specks and makes edges soft; none at no softness.
    fn smooth(&mut self, width: usize, height: usize, look: &Look) {
        self.smoothed.clear();
        if look.softness <= 0.0 || width < 2 || height < 2 {
            self.smoothed.extend_from_slice(&self.matte);
            return;
        }
        let mut sums = vec![0u16; width];
        for y in 0..height {
            let rows = [y.saturating_sub(1), y, (y + 1).min(height - 1)];
            sums.fill(0);
            for row in rows {
                let row = &self.matte[row * width..(row + 1) * width];
                sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += u16::from(*value));
            }
            let matte = &self.matte[y * width..(y + 1) * width];
            let mean = |x: usize| {
                let (left, right) = (x.saturating_sub(1), (x + 1).min(width - 1));
                // Never more than its own: what is backdrop must not come back at the edges.
                matte[x].min(((sums[left] + sums[x] + sums[right] + 4) / 9) as u8)
            };
            self.smoothed.extend((0..width).map(mean));
        }
    }
}
