//! Blending layers onto frames, in the frame's own format.

use anabranch_kit::frame::Frame;

use super::layer::{Layer, Placement, Sheet};
use super::picture::Sprite;

/// Draws one sprite; remembers the last layout, which is free when the place does not change.
#[derive(Default)]
pub struct Painter {
    last: Option<(Placement, usize, usize)>,
    layer: Layer,
}

impl Painter {
    /// Draws the sprite into the frame, which has the format that the sprite was made for.
    pub fn draw(&mut self, sprite: &Sprite, place: &Placement, frame: &mut Frame<'_>) {
        let (width, height) = (frame.width(), frame.height());
        let wanted = Some((*place, width, height));
        if self.last != wanted {
            self.layer.lay(sprite, place, width, height);
            self.last = wanted;
        }
        for (plane, sheet) in self.layer.sheets.iter().enumerate().take(frame.n_planes()) {
            blend(sheet, plane, frame);
        }
    }
}

fn blend(sheet: &Sheet, plane: usize, frame: &mut Frame<'_>) {
    let (mut light, mut alpha) = (&sheet.light[..], &sheet.alpha[..]);
    let mut rows = frame.rows_mut(plane).enumerate();
    for span in &sheet.spans {
        let (lights, alphas) = (light.split_at(span.length), alpha.split_at(span.length));
        (light, alpha) = (lights.1, alphas.1);
        let Some((_, row)) = rows.find(|(y, _)| *y == span.y) else { return };
        if let Some(below) = row.get_mut(span.start..span.start + span.length) {
            cover(below, lights.0, alphas.0);
        }
    }
}

/// Adds light to what is seen through something of this alpha. In 16 bits and without a branch, so that the compiler does
/// many bytes at once.
fn cover(below: &mut [u8], light: &[u8], alpha: &[u8]) {
    for ((below, light), alpha) in below.iter_mut().zip(light).zip(alpha) {
        let product = u16::from(*below) * u16::from(255 - *alpha) + 128;
        *below = light.saturating_add(((product + (product >> 8)) >> 8) as u8);
    }
}

#[cfg(test)]
mod tests {
    use gst_video::{VideoFormat, VideoFrame, VideoInfo};

    use super::*;

    /// Draws a red sprite over the middle of a black frame and returns the frame's bytes, plane by plane.
    fn draw(format: VideoFormat, width: u32, height: u32, alpha: u8) -> Vec<Vec<Vec<u8>>> {
        gst::init().unwrap();
        let info = VideoInfo::builder(format, width, height).build().unwrap();
        let mut buffer = gst::Buffer::with_size(info.size()).unwrap();
        {
            let mut map = buffer.make_mut().map_writable().unwrap();
            match format {
                VideoFormat::I420 | VideoFormat::Nv12 => {
                    let luma = info.offset()[1];
                    map[..luma].fill(16);
                    map[luma..].fill(128);
                }
                _ => map.chunks_mut(4).for_each(|p| p.copy_from_slice(&[0, 0, 0, 255])),
            }
        }
        let mut mapped = VideoFrame::from_buffer_writable(buffer, &info).unwrap();
        let mut frame = Frame::new(&mut mapped, None, 0);
        let red = Sprite::new(4, 4, &[[255, 0, 0, alpha]; 16], &info);
        let place = Placement {
            x: f64::from(width) / 2.0,
            y: f64::from(height) / 2.0,
            width: f64::from(width) * 2.0,
            height: f64::from(height) * 2.0,
            angle: 0.0,
            opacity: 1.0,
        };
        let mut painter = Painter::default();
        painter.draw(&red, &place, &mut frame);
        (0..frame.n_planes()).map(|p| frame.rows(p).map(<[u8]>::to_vec).collect()).collect()
    }

    #[test]
    fn red_is_red_in_every_format_and_size() {
        for (width, height) in [(33, 17), (1, 1), (2, 3), (64, 48)] {
            for (format, expected) in [
                (VideoFormat::Rgba, vec![vec![255u8, 0, 0, 255]]),
                (VideoFormat::Bgra, vec![vec![0, 0, 255, 255]]),
                (VideoFormat::I420, vec![vec![81], vec![90], vec![240]]),
                (VideoFormat::Nv12, vec![vec![81], vec![90, 240]]),
            ] {
                for (plane, pixel) in draw(format, width, height, 255).iter().zip(&expected) {
                    for bytes in plane.iter().flat_map(|row| row.chunks_exact(pixel.len())) {
                        let close = bytes.iter().zip(pixel).all(|(a, b)| a.abs_diff(*b) <= 1);
                        assert!(close, "{format:?} {width}x{height}: {bytes:?} is not {pixel:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn half_transparent_red_on_black_is_dark_red() {
        let rgba = draw(VideoFormat::Rgba, 8, 8, 128);
        assert_eq!(rgba[0][4][..4], [128, 0, 0, 255]);
        let yuv = draw(VideoFormat::I420, 8, 8, 128);
        for (plane, expected) in [49u8, 109, 184].into_iter().enumerate() {
            assert!(yuv[plane][2][2].abs_diff(expected) <= 1, "{plane}: {}", yuv[plane][2][2]);
        }
    }

    #[test]
    fn nothing_is_changed_where_the_sprite_is_transparent() {
        for format in [VideoFormat::Rgba, VideoFormat::I420, VideoFormat::Nv12] {
            let black = draw(format, 20, 10, 0);
            let dark = |row: &Vec<u8>| row.iter().all(|b| matches!(b, 0 | 16 | 128 | 255));
            assert!(black.iter().flatten().all(dark));
        }
    }
}
