//! Small RGB copies of pictures, for analysers.

use gst_video::VideoFormat;

use crate::frame::Picture;

/// A small copy of a picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Red, green and blue of each pixel, row by row, without padding.
    pub rgb: Vec<u8>,
}

/// The size of a picture shrunk so that its longer side is at most `longest`, never enlarged, at least 1x1.
pub fn fit(width: usize, height: usize, longest: usize) -> (usize, usize) {
    let long = width.max(height);
    if long <= longest || longest == 0 {
        return (width.max(1), height.max(1));
    }
    let scale = |side: usize| ((side * longest + long / 2) / long).max(1);
    (scale(width), scale(height))
}

/// The brightness of a pixel with red, green and blue, as in BT.601.
pub fn brightness([red, green, blue]: &[u8; 3]) -> u8 {
    // The weights are 77 + 150 + 29 = 256.
    ((u16::from(*red) * 77 + u16::from(*green) * 150 + u16::from(*blue) * 29 + 128) >> 8) as u8
}

impl Sample {
    /// A copy whose longer side is at most `longest` pixels.
    pub fn take(picture: &Picture<'_>, longest: usize) -> Sample {
        let (width, height) = fit(picture.width(), picture.height(), longest);
        let mut sample = Sample { width, height, rgb: Vec::with_capacity(width * height * 3) };
        let columns = Spans::new(picture.width(), width);
        let rows = Spans::new(picture.height(), height);
        match picture.format() {
            VideoFormat::I420 | VideoFormat::Nv12 => sample.add_yuv(picture, &columns, &rows),
            VideoFormat::Gray8 => sample.add_packed(picture, &columns, &rows, 1, [0, 0, 0]),
            VideoFormat::Bgra | VideoFormat::Bgrx => {
                sample.add_packed(picture, &columns, &rows, 4, [2, 1, 0]);
            }
            _ => sample.add_packed(picture, &columns, &rows, 4, [0, 1, 2]),
        }
        sample
    }

    fn add_packed(
        &mut self,
        picture: &Picture<'_>,
        columns: &Spans,
        rows: &Spans,
        step: usize,
        order: [usize; 3],
    ) {
        let bytes = picture.width() * step;
        let mut sums = vec![0u16; bytes];
        for (top, count) in rows.iter() {
            let count = count.min(MOST_ROWS);
            sums.fill(0);
            for y in top..top + count {
                for (sum, byte) in sums.iter_mut().zip(picture.row(0, y)) {
                    *sum += u16::from(*byte);
                }
            }
            for (left, across) in columns.iter() {
                let mut sum = [0u32; 3];
                for pixel in sums[left * step..(left + across) * step].chunks_exact(step) {
                    for (sum, at) in sum.iter_mut().zip(order) {
                        *sum += u32::from(pixel[at]);
                    }
                }
                let n = (count * across) as u32;
                self.rgb.extend(sum.map(|s| ((s + n / 2) / n) as u8));
            }
        }
    }

    fn add_yuv(&mut self, picture: &Picture<'_>, columns: &Spans, rows: &Spans) {
        // Fixed point, 16 bits of fraction, limited range: red from V, green from U and V, blue from U.
        let [rv, gu, gv, bu] = match picture.is_bt709() {
            true => [117_489i32, 13_976, 34_925, 138_438],
            false => [104_597, 25_675, 53_279, 132_201],
        };
        let planar = picture.format() == VideoFormat::I420;
        let (width, height) = (picture.width(), picture.height());
        let mut sums = vec![0u16; width];
        let mut totals: Vec<u32> = Vec::with_capacity(self.width);
        self.rgb.resize(self.width * self.height * 3, 0);
        for (row, (top, count)) in rows.iter().enumerate() {
            let count = count.min(MOST_ROWS);
            sums.fill(0);
            for y in top..top + count {
                for (sum, luma) in sums.iter_mut().zip(picture.row(0, y)) {
                    *sum += u16::from(*luma);
                }
            }
            let chroma_y = (top + count / 2).min(height - 1) / 2;
            let (us, vs) = (picture.row(1, chroma_y), if planar { picture.row(2, chroma_y) } else { &[] });
            totals.clear();
            columns.add_to(&sums, &mut totals);
            let line = self.rgb.as_chunks_mut::<3>().0.iter_mut().skip(row * self.width);
            for ((rgb, sum), (left, across)) in line.zip(&totals).zip(columns.iter()) {
                let n = (count * across) as u32;
                // A shift is much quicker than a division, and pictures are halved and quartered most often.
                let mean = match n.is_power_of_two() {
                    true => (sum + n / 2) >> n.trailing_zeros(),
                    false => (sum + n / 2) / n,
                };
                let y = 76_309 * (mean as i32 - 16);
                let x = (left + across / 2).min(width - 1) / 2;
                let (u, v) = if planar { (us[x], vs[x]) } else { (us[2 * x], us[2 * x + 1]) };
                let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
                let byte = |value: i32| ((value + (1 << 15)) >> 16).clamp(0, 255) as u8;
                *rgb = [byte(y + rv * v), byte(y - gu * u - gv * v), byte(y + bu * u)];
            }
        }
    }
}

/// Enough rows for a good mean, and few enough for a sum of bytes in 16 bits.
const MOST_ROWS: usize = 256;

/// Which source pixels make each target pixel, along one side.
struct Spans {
    /// The first source pixel and how many there are.
    all: Vec<(usize, usize)>,
    /// How many there are, if it is the same number for all and no neighbour shares them. (At ratios such as 4:3 all are
    /// made of two as well, but neighbours share them.)
    step: Option<usize>,
}

impl Spans {
    fn new(from: usize, to: usize) -> Self {
        let spans = (0..to).map(|i| {
            let start = i * from / to;
            // At least one pixel; neighbours share one where the ratio is not whole, which smooths the picture.
            let end = ((i + 1) * from).div_ceil(to).clamp(start + 1, from.max(start + 1));
            (start, end - start)
        });
        let all: Vec<(usize, usize)> = spans.collect();
        let step = all.first().map(|(_, count)| *count);
        let step = step.filter(|step| all.iter().enumerate().all(|(at, span)| *span == (step * at, *step)));
        Spans { all, step }
    }

    /// Appends the sum of the source pixels of each target pixel.
    fn add_to(&self, sums: &[u16], totals: &mut Vec<u32>) {
        // With a step that is known when this is compiled, several are added at once.
        fn each<const STEP: usize>(sums: &[u16]) -> impl Iterator<Item = u32> {
            sums.as_chunks::<STEP>().0.iter().map(|chunk| chunk.iter().map(|v| u32::from(*v)).sum())
        }
        let count = self.all.len();
        match self.step {
            Some(1) => totals.extend(each::<1>(sums).take(count)),
            Some(2) => totals.extend(each::<2>(sums).take(count)),
            Some(3) => totals.extend(each::<3>(sums).take(count)),
            Some(4) => totals.extend(each::<4>(sums).take(count)),
            _ => totals.extend(self.iter().map(|(left, across)| -> u32 {
                sums[left..left + across].iter().map(|v| u32::from(*v)).sum()
            })),
        }
    }

    fn iter(&self) -> impl Iterator<Item = (usize, usize)> {
        self.all.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use gst_video::VideoInfo;

    use super::*;

    #[test]
    fn the_longer_side_is_limited_and_the_shape_kept() {
        assert_eq!(fit(640, 480, 320), (320, 240));
        assert_eq!(fit(480, 640, 320), (240, 320));
        assert_eq!(fit(176, 144, 320), (176, 144));
        assert_eq!(fit(4000, 1, 320), (320, 1));
    }

    #[test]
    fn edges_stay_where_they_are_at_every_ratio() {
        gst::init().unwrap();
        let info = VideoInfo::builder(VideoFormat::I420, 64, 4).build().unwrap();
        let luma: Vec<u8> = (0..4 * 64).map(|at| if at % 64 < 48 { 16 } else { 235 }).collect();
        let chroma = vec![128; 64];
        let picture = Picture::new(&info, [&luma, &chroma, &chroma, &[]]);
        for longest in [64, 48, 43, 40, 32, 24, 16] {
            let sample = Sample::take(&picture, longest);
            let row = &sample.rgb[..3 * sample.width];
            let dark = row.chunks(3).filter(|pixel| pixel[0] < 128).count();
            let expected = 0.75 * longest as f32;
            assert!(
                (dark as f32 - expected).abs() <= 1.0,
                "{longest}: the edge is at {dark}, not at {expected}"
            );
        }
    }

    #[test]
    fn colours_come_out_right_from_every_format() {
        gst::init().unwrap();
        // A red picture: R 255 in RGBA, and Y 81 U 90 V 240 in BT.601.
        for (format, planes, limit) in [
            (VideoFormat::Rgba, vec![[255u8, 0, 0, 255].repeat(12)], 0u8),
            (VideoFormat::Bgra, vec![[0u8, 0, 255, 255].repeat(12)], 0),
            (VideoFormat::I420, vec![vec![81; 12], vec![90; 4], vec![240; 4]], 2),
            (VideoFormat::Nv12, vec![vec![81; 12], [90, 240].repeat(4)], 2),
        ] {
            let info = VideoInfo::builder(format, 4, 3).build().unwrap();
            let mut data: [&[u8]; 4] = [&[]; 4];
            let mut padded = Vec::new();
            for (plane, bytes) in planes.iter().enumerate() {
                // Pad the rows out to the stride that the format wants.
                let stride = info.stride()[plane] as usize;
                let rows = if plane == 0 { 3 } else { 2 };
                let width = bytes.len() / rows;
                padded.push(
                    bytes
                        .chunks(width)
                        .flat_map(|r| [r, &vec![0; stride - width]].concat())
                        .collect::<Vec<_>>(),
                );
            }
            for (slot, bytes) in data.iter_mut().zip(&padded) {
                *slot = bytes;
            }
            let sample = Sample::take(&Picture::new(&info, data), 2);
            assert_eq!((sample.width, sample.height), (2, 2), "{format:?}");
            for pixel in sample.rgb.chunks(3) {
                assert!(
                    pixel[0] >= 255 - limit && pixel[1] <= limit && pixel[2] <= limit,
                    "{format:?} {pixel:?}"
                );
            }
        }
    }
}
