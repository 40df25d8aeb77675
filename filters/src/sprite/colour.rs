//! From a picture file's colours to those of the frames that it is drawn on.

use gst_video::{VideoColorMatrix, VideoColorRange, VideoFormat, VideoInfo};

/// Turns red, green, blue and alpha into what the frames have, premultiplied by alpha.
pub enum Colours {
    Rgba,
    Bgra,
    /// Luma, U, V.
    Yuv(Box<Matrix>),
}

/// What each component is made of.
pub struct Matrix {
    rows: [[f32; 3]; 3],
    offsets: [f32; 3],
}

impl Colours {
    /// The conversion for frames of this format.
    pub fn new(info: &VideoInfo) -> Self {
        match info.format() {
            VideoFormat::I420 | VideoFormat::Nv12 => Colours::Yuv(Box::new(Matrix::new(info))),
            VideoFormat::Bgra => Colours::Bgra,
            _ => Colours::Rgba,
        }
    }

    /// Converts one pixel.
    pub fn convert(&self, [r, g, b, a]: [u8; 4]) -> [u8; 4] {
        let times = |c: u8| ((u32::from(c) * u32::from(a) + 127) / 255) as u8;
        match self {
            Colours::Rgba => [times(r), times(g), times(b), a],
            Colours::Bgra => [times(b), times(g), times(r), a],
            Colours::Yuv(matrix) => {
                let alpha = f32::from(a) / 255.0;
                let [y, u, v]: [u8; 3] = std::array::from_fn(|i| {
                    let [of_red, of_green, of_blue] = matrix.rows[i];
                    let sum = of_red * f32::from(r) + of_green * f32::from(g) + of_blue * f32::from(b);
                    ((sum + matrix.offsets[i]) * alpha).round().clamp(0.0, 255.0) as u8
                });
                [y, u, v, a]
            }
        }
    }
}

impl Matrix {
    fn new(info: &VideoInfo) -> Self {
        let colorimetry = info.colorimetry();
        let (red, blue) = match colorimetry.matrix() {
            VideoColorMatrix::Bt709 => (0.2126, 0.0722),
            VideoColorMatrix::Bt2020 => (0.2627, 0.0593),
            _ => (0.299, 0.114),
        };
        let full = colorimetry.range() == VideoColorRange::Range0_255;
        let (luma, chroma, black) = if full { (1.0, 1.0, 0.0) } else { (219.0 / 255.0, 224.0 / 255.0, 16.0) };
        let green = 1.0 - red - blue;
        let row = |values: [f32; 3], scale: f32| values.map(|v| v * scale);
        Matrix {
            rows: [
                row([red, green, blue], luma),
                row([-red, -green, 1.0 - blue], chroma / (2.0 * (1.0 - blue))),
                row([1.0 - red, -green, -blue], chroma / (2.0 * (1.0 - red))),
            ],
            offsets: [black, 128.0, 128.0],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_colours_have_their_known_codes() {
        gst::init().unwrap();
        let info = VideoInfo::builder(VideoFormat::I420, 320, 240).build().unwrap();
        let colours = Colours::new(&info);
        for (rgb, yuv) in [
            ([255, 0, 0, 255], [81, 90, 240, 255]),
            ([0, 255, 0, 255], [145, 54, 34, 255]),
            ([255, 255, 255, 255], [235, 128, 128, 255]),
            ([0, 0, 0, 255], [16, 128, 128, 255]),
            ([0, 0, 0, 0], [0, 0, 0, 0]),
        ] {
            let close = colours.convert(rgb).iter().zip(yuv).all(|(a, b): (&u8, u8)| a.abs_diff(b) <= 1);
            assert!(close, "{rgb:?} became {:?}", colours.convert(rgb));
        }
    }
}
