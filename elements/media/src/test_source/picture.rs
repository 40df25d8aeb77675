//! The pictures of the test source: a still background, something that moves, and the frame counter.

use super::Pattern;
use super::barcode;

/// Luma and the two colour-difference values of a colour, BT.601 video range.
type Yuv = [u8; 3];

/// 75 % colour bars: white, yellow, cyan, green, magenta, red, blue, black.
const BARS: [Yuv; 8] = [
    [180, 128, 128],
    [162, 44, 142],
    [131, 156, 44],
    [112, 72, 58],
    [84, 184, 198],
    [65, 100, 212],
    [35, 212, 114],
    [16, 128, 128],
];

/// Where the planes of an I420 picture lie in its buffer, in bytes and pixels.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Size of the whole buffer, bytes.
    pub size: usize,
    /// Where each plane begins, bytes.
    pub offsets: [usize; 3],
    /// How far apart the rows of each plane are, bytes.
    pub strides: [usize; 3],
    /// Picture width, pixels.
    pub width: usize,
    /// Picture height, pixels.
    pub height: usize,
}

/// Paints frame after frame.
pub struct Painter {
    layout: Layout,
    background: Vec<u8>,
}

impl Painter {
    /// A painter for pictures of this layout.
    pub fn new(layout: Layout, pattern: Pattern) -> Self {
        let mut background = vec![0; layout.size];
        let (width, height) = (layout.width, layout.height);
        let strip = strip(width, height);
        for y in 0..height {
            for x in 0..width {
                let mut colour = colour(pattern, x, y, width, height);
                if y < strip {
                    // Without colour, or a conversion to RGB would bend the levels.
                    colour = [colour[0], 128, 128];
                }
                background[layout.offsets[0] + y * layout.strides[0] + x] = colour[0];
                if x % 2 == 0 && y % 2 == 0 {
                    for plane in [1, 2] {
                        let at = layout.offsets[plane] + y / 2 * layout.strides[plane] + x / 2;
                        background[at] = colour[plane];
                    }
                }
            }
        }
        Painter { layout, background }
    }

    /// Paints frame number `frame` into a buffer of the layout's size.
    pub fn paint(&self, frame: u64, picture: &mut [u8]) {
        let size = self.background.len().min(picture.len());
        picture[..size].copy_from_slice(&self.background[..size]);
        let Layout { width, height, .. } = self.layout;
        let luma_end = self.layout.offsets[0] + self.layout.strides[0] * height;
        let Some(luma) = picture.get_mut(self.layout.offsets[0]..luma_end) else { return };
        paint_box(luma, self.layout.strides[0], width, height, frame);
        barcode::paint(luma, self.layout.strides[0], width, height, frame);
    }
}

fn colour(pattern: Pattern, x: usize, y: usize, width: usize, height: usize) -> Yuv {
    match pattern {
        Pattern::Bars => BARS[x * BARS.len() / width],
        Pattern::Gradient => {
            let ramp = |at: usize, of: usize| (40 + 176 * at / of) as u8;
            [ramp(x + y, width + height), ramp(x, width), ramp(y, height)]
        }
        Pattern::Black => [16, 128, 128],
    }
}

/// A light box on its way below the strip, 4 pixels a frame, there and back.
fn paint_box(luma: &mut [u8], stride: usize, width: usize, height: usize, frame: u64) {
    let strip = strip(width, height);
    let side = (width.min(height - strip) / 4).max(1);
    let (left, top) = (swing(frame * 4, width - side), strip + swing(frame * 2, height - strip - side));
    for row in luma.chunks_mut(stride).skip(top).take(side) {
        row[left..left + side].fill(210);
    }
}

/// Rows at the top that belong to the frame counter.
fn strip(width: usize, height: usize) -> usize {
    if barcode::fits(width, height) { barcode::strip_height(height) } else { 0 }
}

/// Runs from 0 to `room` and back, one step at a time.
fn swing(step: u64, room: usize) -> usize {
    if room == 0 {
        return 0;
    }
    let at = (step % (2 * room as u64)) as usize;
    if at > room { 2 * room - at } else { at }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(width: usize, height: usize) -> Layout {
        let half = width.div_ceil(2);
        let rows = height.div_ceil(2);
        Layout {
            size: width * height + 2 * half * rows,
            offsets: [0, width * height, width * height + half * rows],
            strides: [width, half, half],
            width,
            height,
        }
    }

    #[test]
    fn every_size_and_pattern_can_be_painted() {
        for (width, height) in [(1, 1), (2, 2), (3, 1), (1, 7), (17, 33), (64, 16), (65, 17), (320, 240)] {
            for pattern in [Pattern::Bars, Pattern::Gradient, Pattern::Black] {
                let layout = layout(width, height);
                let painter = Painter::new(layout.clone(), pattern);
                let mut picture = vec![0; layout.size];
                for frame in [0, 1, 2, 99, 12_345] {
                    painter.paint(frame, &mut picture);
                    if barcode::fits(width, height) {
                        assert_eq!(barcode::read(&picture, width, width, height), Some(frame));
                    }
                }
            }
        }
    }

    #[test]
    fn frames_differ() {
        let painter = Painter::new(layout(48, 12), Pattern::Black);
        let mut pictures = vec![vec![0; layout(48, 12).size]; 2];
        painter.paint(0, &mut pictures[0]);
        painter.paint(1, &mut pictures[1]);
        assert_ne!(pictures[0], pictures[1], "without a counter it is the box that moves");
    }
}
