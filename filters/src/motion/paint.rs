//! Drawing lines, tints and heat maps into frames, in the frame's own format.

use anabranch_kit::frame::Frame;
use gst_video::{VideoFormat, VideoInfo};

use super::mask::Mask;
use super::polygon::Polygon;
use crate::sprite::Colours;

/// A colour in the format of some frames.
#[derive(Clone, Copy, Debug)]
pub struct Brush {
    components: [u8; 3],
}

impl Brush {
    /// The colour (red, green, blue) for frames like these.
    pub fn new(info: &VideoInfo, rgb: [u8; 3]) -> Self {
        let [r, g, b] = rgb;
        if info.format() == VideoFormat::Gray8 {
            let grey = (u16::from(r) * 77 + u16::from(g) * 150 + u16::from(b) * 29 + 128) >> 8;
            return Brush { components: [grey as u8, 0, 0] };
        }
        let [first, second, third, _] = Colours::new(info).convert([r, g, b, 255]);
        Brush { components: [first, second, third] }
    }
}

/// A canvas: a frame's planes.
pub struct Canvas<'a> {
    planes: [&'a mut [u8]; 4],
    strides: [usize; 3],
    format: VideoFormat,
    width: usize,
    height: usize,
}

/// Moves a byte towards a colour.
fn mix(byte: &mut u8, colour: u8, alpha: u8) {
    let product = i32::from(*byte) * (255 - i32::from(alpha)) + i32::from(colour) * i32::from(alpha) + 127;
    *byte = (product / 255) as u8;
}

impl<'a> Canvas<'a> {
    /// The canvas of a frame.
    pub fn new(frame: &'a mut Frame<'_>) -> Self {
        let (width, height, format) = (frame.width(), frame.height(), frame.format());
        let mut strides = [0; 3];
        for (plane, stride) in strides.iter_mut().enumerate().take(frame.n_planes()) {
            *stride = frame.stride(plane);
        }
        Canvas { planes: frame.planes_mut(), strides, format, width, height }
    }

    /// Colours a stretch of a row: `start` to `end` (not included), with this much of the brush (255 is all).
    pub fn span(&mut self, y: usize, start: usize, end: usize, brush: &Brush, alpha: u8) {
        let end = end.min(self.width);
        if y >= self.height || start >= end {
            return;
        }
        let [a, b, c] = brush.components;
        let row = |plane: &'_ mut [u8], stride: usize, y: usize, from: usize, to: usize| -> (usize, usize) {
            let limit = plane.len();
            ((y * stride + from).min(limit), (y * stride + to).min(limit))
        };
        match self.format {
            VideoFormat::I420 | VideoFormat::Nv12 | VideoFormat::Gray8 => {
                let (from, to) = row(self.planes[0], self.strides[0], y, start, end);
                self.planes[0][from..to].iter_mut().for_each(|byte| mix(byte, a, alpha));
                if self.format == VideoFormat::Gray8 || y % 2 == 1 {
                    return;
                }
                let (left, right) = (start / 2, end.div_ceil(2));
                if self.format == VideoFormat::Nv12 {
                    let (from, to) = row(self.planes[1], self.strides[1], y / 2, 2 * left, 2 * right);
                    for [u, v] in self.planes[1][from..to].as_chunks_mut::<2>().0 {
                        mix(u, b, alpha);
                        mix(v, c, alpha);
                    }
                } else {
                    for (plane, colour) in [(1, b), (2, c)] {
                        let (from, to) = row(self.planes[plane], self.strides[plane], y / 2, left, right);
                        self.planes[plane][from..to].iter_mut().for_each(|byte| mix(byte, colour, alpha));
                    }
                }
            }
            _ => {
                let (from, to) = row(self.planes[0], self.strides[0], y, 4 * start, 4 * end);
                for [first, second, third, _] in self.planes[0][from..to].as_chunks_mut::<4>().0 {
                    mix(first, a, alpha);
                    mix(second, b, alpha);
                    mix(third, c, alpha);
                }
            }
        }
    }

    /// Fills a polygon.
    pub fn fill(&mut self, polygon: &Polygon, brush: &Brush, alpha: u8) {
        let (width, height) = (self.width as f64, self.height as f64);
        let lowest = polygon.points.iter().map(|p| p[1]).fold(f64::INFINITY, f64::min);
        let highest = polygon.points.iter().map(|p| p[1]).fold(f64::NEG_INFINITY, f64::max);
        let clip = |v: f64| (v * height).clamp(0.0, height) as usize;
        let mut crossings = Vec::new();
        for y in clip(lowest)..(clip(highest) + 1).min(self.height) {
            let line = (y as f64 + 0.5) / height;
            crossings.clear();
            crossings.extend(
                polygon
                    .sides()
                    .filter(|([_, y1], [_, y2])| (*y1 > line) != (*y2 > line))
                    .map(|([x1, y1], [x2, y2])| x1 + (line - y1) / (y2 - y1) * (x2 - x1)),
            );
            crossings.sort_by(f64::total_cmp);
            for pair in crossings.as_chunks::<2>().0 {
                let pixel = |x: f64| (x * width - 0.5).ceil().clamp(0.0, width) as usize;
                self.span(y, pixel(pair[0]), pixel(pair[1]), brush, alpha);
            }
        }
    }

    /// Draws a line between two relative points, `thick` pixels wide.
    pub fn line(&mut self, from: [f64; 2], to: [f64; 2], thick: f64, brush: &Brush, alpha: u8) {
        let (width, height) = (self.width as f64, self.height as f64);
        let (dx, dy) = ((to[0] - from[0]) * width, (to[1] - from[1]) * height);
        let length = dx.hypot(dy);
        if !length.is_finite() || length == 0.0 {
            return;
        }
        // Half a width along it, so that corners are closed, and across it.
        let (ax, ay) = (dx / length * thick / 2.0 / width, dy / length * thick / 2.0 / height);
        let (nx, ny) = (-dy / length * thick / 2.0 / width, dx / length * thick / 2.0 / height);
        let [x1, y1] = [from[0] - ax, from[1] - ay];
        let [x2, y2] = [to[0] + ax, to[1] + ay];
        let corners = vec![[x1 + nx, y1 + ny], [x2 + nx, y2 + ny], [x2 - nx, y2 - ny], [x1 - nx, y1 - ny]];
        self.fill(&Polygon::new(corners), brush, alpha);
    }

    /// Draws the outline of a polygon.
    pub fn outline(&mut self, polygon: &Polygon, brush: &Brush) {
        let thick = self.line_width();
        let sides: Vec<_> = polygon.sides().collect();
        sides.into_iter().for_each(|(from, to)| self.line(from, to, thick, brush, 255));
    }

    /// A width of lines that can be seen at any size.
    pub fn line_width(&self) -> f64 {
        (self.height.max(self.width) as f64 / 320.0).max(2.0)
    }

    /// Colours what belongs to a small mask of the whole picture.
    pub fn tint(&mut self, mask: &Mask, brush: &Brush, alpha: u8) {
        if mask.width == 0 || mask.height == 0 {
            return;
        }
        for y in 0..self.height {
            let row = y * mask.height / self.height;
            let bits = &mask.bits[row * mask.width..(row + 1) * mask.width];
            let mut at = 0;
            while let Some(first) = bits[at..].iter().position(|bit| *bit != 0) {
                let start = at + first;
                let end = bits[start..].iter().position(|bit| *bit == 0).map_or(mask.width, |n| start + n);
                let pixel = |x: usize| (x * self.width).div_ceil(mask.width);
                self.span(y, pixel(start), pixel(end), brush, alpha);
                at = end;
            }
        }
    }

    /// Lays a small map of the whole picture over it: nothing where it is 0, then from blue over green and yellow to red.
    pub fn heat(&mut self, map: &[u8], width: usize, height: usize, brushes: &Ramp) {
        if width == 0 || height == 0 || map.len() < width * height {
            return;
        }
        for y in 0..self.height {
            let row = &map[y * height / self.height * width..][..width];
            for (x, value) in row.iter().enumerate().filter(|(_, value)| **value > 8) {
                let pixel = |x: usize| (x * self.width).div_ceil(width);
                let alpha = 40 + value / 2;
                self.span(y, pixel(x), pixel(x + 1), &brushes.0[usize::from(*value) / 16], alpha);
            }
        }
    }
}

/// The colours of a heat map.
pub struct Ramp([Brush; 16]);

impl Ramp {
    /// For frames like these.
    pub fn new(info: &VideoInfo) -> Self {
        Ramp(std::array::from_fn(|step| {
            let t = step as f32 / 15.0;
            let part = |centre: f32| ((1.5 - 4.0 * (t - centre).abs()).clamp(0.0, 1.0) * 255.0) as u8;
            Brush::new(info, [part(0.85), part(0.5), part(0.15)])
        }))
    }
}

#[cfg(test)]
mod tests {
    use gst_video::VideoFrame;

    use super::*;

    const FORMATS: [VideoFormat; 5] =
        [VideoFormat::I420, VideoFormat::Nv12, VideoFormat::Rgba, VideoFormat::Bgra, VideoFormat::Gray8];

    /// Lets something draw red on a black frame and returns the frame's first plane, its stride and the info.
    fn draw(
        format: VideoFormat,
        width: u32,
        height: u32,
        act: impl Fn(&mut Canvas<'_>, &Brush),
    ) -> (Vec<u8>, usize) {
        gst::init().unwrap();
        let info = VideoInfo::builder(format, width, height).build().unwrap();
        let mut buffer = gst::Buffer::with_size(info.size()).unwrap();
        buffer.make_mut().map_writable().unwrap().fill(0);
        let mut mapped = VideoFrame::from_buffer_writable(buffer, &info).unwrap();
        let mut frame = Frame::new(&mut mapped, None, 0);
        act(&mut Canvas::new(&mut frame), &Brush::new(&info, [255, 0, 0]));
        let stride = frame.stride(0);
        (frame.picture().plane(0).to_vec(), stride)
    }

    #[test]
    fn a_rectangle_has_its_area_in_every_format() {
        for format in FORMATS {
            let corners = vec![[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]];
            let (plane, _) =
                draw(format, 40, 20, |c, brush| c.fill(&Polygon::new(corners.clone()), brush, 255));
            let touched = plane.iter().filter(|b| **b != 0).count();
            assert_eq!(touched, 20 * 10, "{format:?}");
        }
    }

    #[test]
    fn odd_and_tiny_frames_take_everything() {
        for format in FORMATS {
            for (width, height) in [(33, 17), (1, 1), (2, 3)] {
                let (plane, _) = draw(format, width, height, |c, brush| {
                    c.outline(&Polygon::new(vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]), brush);
                    c.line([-3.0, 0.5], [4.0, 0.5], 2.0, brush, 255);
                    c.line([0.5, 0.5], [0.5, 0.5], 2.0, brush, 255);
                    c.tint(&Mask { width: 2, height: 2, bits: vec![1, 0, 0, 1] }, brush, 255);
                });
                assert!(plane.iter().any(|b| *b != 0), "{format:?} {width}x{height}");
            }
        }
    }

    #[test]
    fn a_mask_is_stretched_over_the_picture() {
        let mask = Mask { width: 2, height: 2, bits: vec![0, 1, 0, 0] };
        let (plane, stride) = draw(VideoFormat::Gray8, 10, 6, |c, brush| c.tint(&mask, brush, 255));
        for (at, byte) in plane.iter().enumerate() {
            let (x, y) = (at % stride, at / stride);
            assert_eq!(*byte > 0, (5..10).contains(&x) && y < 3, "{x} {y}");
        }
    }

    #[test]
    fn heat_goes_from_blue_to_red() {
        gst::init().unwrap();
        let info = VideoInfo::builder(VideoFormat::Rgba, 8, 8).build().unwrap();
        let ramp = Ramp::new(&info);
        let [cold, hot] = [ramp.0[1], ramp.0[15]].map(|b| b.components);
        assert!(cold[2] > cold[0] && hot[0] > hot[2]);
        let (plane, _) = draw(VideoFormat::Rgba, 4, 1, |c, _| c.heat(&[0, 255], 2, 1, &ramp));
        assert_eq!(plane[..8], [0; 8]);
        assert!(plane[8] > 100 && plane[12] > 100);
    }
}
