//! From a picture to a network's input.

use anabranch_kit::inference::Tensor;
use anabranch_kit::sample::Sample;

pub use super::scan::resized;

/// How a picture becomes a network's input.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Its size.
    pub size: Size,
    /// How the picture is fitted in.
    pub fit: Fit,
    /// The order of the colours.
    pub colour: Colour,
    /// What is subtracted from each component (0 to 255), in the input's order of colours.
    pub mean: [f32; 3],
    /// What the difference is multiplied with.
    pub scale: [f32; 3],
    /// The order of the numbers.
    pub layout: Layout,
    /// The component (0 to 255) of what the picture does not fill; `None`: the mean, which becomes 0.
    pub pad: Option<f32>,
}

/// The size of a network's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Always this: width, height.
    Fixed(usize, usize),
    /// The picture's own shape, shrunk to a longer side; each side is filled up to a multiple.
    Fitted {
        /// The longer side.
        longest: usize,
        /// Both sides are multiples of it.
        multiple: usize,
    },
    /// This height, and a width that keeps the picture's shape, between two limits.
    Line {
        /// The height.
        height: usize,
        /// The least width; it grows by doubling, so that few sizes occur.
        least: usize,
        /// The greatest width.
        most: usize,
    },
}

/// How a picture is fitted into another shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// It is stretched.
    #[default]
    Stretch,
    /// It keeps its shape, with bars on both sides.
    Letterbox,
    /// It keeps its shape, with bars on the right or below.
    Corner,
}

/// The order of colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Colour {
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Blue, green, red.
    Bgr,
    /// Brightness only.
    #[serde(alias = "gray")]
    Grey,
}

/// The order of numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// One colour after the other.
    #[default]
    Nchw,
    /// One pixel after the other.
    Nhwc,
}

/// Where the picture is in an input: relative coordinates from the input's pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mapping {
    /// The input's width and height.
    pub width: usize,
    /// See `width`.
    pub height: usize,
    left: f32,
    top: f32,
    across: f32,
    down: f32,
}

impl Mapping {
    /// A column of the input, as a part of the picture's width.
    pub fn x(&self, x: f32) -> f32 {
        (x - self.left) * self.across
    }

    /// A row of the input, as a part of the picture's height.
    pub fn y(&self, y: f32) -> f32 {
        (y - self.top) * self.down
    }

    /// A length across, as a part of the picture's width.
    pub fn across(&self, length: f32) -> f32 {
        length * self.across
    }

    /// A length down, as a part of the picture's height.
    pub fn down(&self, length: f32) -> f32 {
        length * self.down
    }
}

impl Input {
    /// The usual: red, green, blue from 0 to 255, stretched.
    pub fn plain(width: usize, height: usize) -> Self {
        Input {
            size: Size::Fixed(width, height),
            fit: Fit::Stretch,
            colour: Colour::Rgb,
            mean: [0.0; 3],
            scale: [1.0; 3],
            layout: Layout::Nchw,
            pad: None,
        }
    }

    /// Width and height of the input for a picture.
    fn size(&self, width: usize, height: usize) -> (usize, usize) {
        match self.size {
            Size::Fixed(width, height) => (width, height),
            Size::Fitted { longest, multiple } => {
                let (width, height) = anabranch_kit::sample::fit(width, height, longest);
                (width.next_multiple_of(multiple.max(1)), height.next_multiple_of(multiple.max(1)))
            }
            Size::Line { height: line, least, most } => {
                let wanted = (width * line).div_ceil(height.max(1));
                let mut across = least.max(1);
                while across < wanted && across < most {
                    across *= 2;
                }
                (across.min(most.max(1)), line)
            }
        }
    }

    /// The shape of the input for a picture of a size.
    pub fn shape(&self, width: usize, height: usize) -> [usize; 4] {
        let (width, height) = self.size(width, height);
        let channels = if self.colour == Colour::Grey { 1 } else { 3 };
        match self.layout {
            Layout::Nchw => [1, channels, height, width],
            Layout::Nhwc => [1, height, width, channels],
        }
    }

    /// The input for a picture, and where the picture is in it.
    pub fn prepare(&self, sample: &Sample) -> (Tensor, Mapping) {
        let (width, height) = self.size(sample.width, sample.height);
        let (inner_width, inner_height) = self.inner(sample, width, height);
        let (left, top) = match self.fit {
            Fit::Letterbox => ((width - inner_width) / 2, (height - inner_height) / 2),
            Fit::Stretch | Fit::Corner => (0, 0),
        };
        let resized = resized(sample, inner_width, inner_height);
        let picture = resized.as_ref().unwrap_or(sample);
        let channels = if self.colour == Colour::Grey { 1 } else { 3 };
        let (plane, step) = match self.layout {
            Layout::Nchw => (width * height, 1),
            Layout::Nhwc => (1, channels),
        };
        let mut data = vec![0.0; channels * width * height];
        if let Some(pad) = self.pad {
            let fill: Vec<f32> = (0..channels).map(|c| (pad - self.mean[c]) * self.scale[c]).collect();
            for (at, value) in data.iter_mut().enumerate() {
                *value = fill[if self.layout == Layout::Nchw { at / plane } else { at % channels }];
            }
        }
        for (row, line) in picture.rgb.chunks_exact(3 * inner_width).enumerate() {
            for channel in 0..channels {
                let (mean, scale) = (self.mean[channel], self.scale[channel]);
                let start = channel * plane + ((row + top) * width + left) * step;
                let target = data[start..].iter_mut().step_by(step);
                for (value, pixel) in target.zip(line.as_chunks::<3>().0) {
                    let component = match self.colour {
                        Colour::Rgb => f32::from(pixel[channel]),
                        Colour::Bgr => f32::from(pixel[2 - channel]),
                        Colour::Grey => grey(*pixel),
                    };
                    *value = (component - mean) * scale;
                }
            }
        }
        let mapping = Mapping {
            width,
            height,
            left: left as f32,
            top: top as f32,
            across: 1.0 / inner_width as f32,
            down: 1.0 / inner_height as f32,
        };
        (Tensor { shape: self.shape(sample.width, sample.height).to_vec(), data }, mapping)
    }

    /// The size that the picture has in the input.
    fn inner(&self, sample: &Sample, width: usize, height: usize) -> (usize, usize) {
        match (self.size, self.fit) {
            (Size::Fitted { longest, .. }, _) => {
                anabranch_kit::sample::fit(sample.width, sample.height, longest)
            }
            (Size::Line { .. }, _) => {
                (((sample.width * height).div_ceil(sample.height.max(1))).clamp(1, width), height)
            }
            (Size::Fixed(..), Fit::Stretch) => (width, height),
            (Size::Fixed(..), Fit::Letterbox | Fit::Corner) => {
                let (w, h) = (sample.width.max(1), sample.height.max(1));
                if w * height > h * width {
                    (width, ((h * width + w / 2) / w).clamp(1, height))
                } else {
                    (((w * height + h / 2) / h).clamp(1, width), height)
                }
            }
        }
    }
}

/// Brightness, as in BT.601.
fn grey([red, green, blue]: [u8; 3]) -> f32 {
    0.299 * f32::from(red) + 0.587 * f32::from(green) + 0.114 * f32::from(blue)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(width: usize, height: usize) -> Sample {
        Sample { width, height, rgb: [10, 20, 30].repeat(width * height) }
    }

    #[test]
    fn colours_layouts_and_scales() {
        let mut input = Input { mean: [10.0; 3], scale: [0.1; 3], ..Input::plain(4, 2) };
        let (tensor, _) = input.prepare(&sample(8, 4));
        assert_eq!(tensor.shape, [1, 3, 2, 4]);
        assert_eq!((tensor.data[0], tensor.data[8], tensor.data[23]), (0.0, 1.0, 2.0));
        input.layout = Layout::Nhwc;
        input.colour = Colour::Bgr;
        let (tensor, _) = input.prepare(&sample(8, 4));
        assert_eq!((tensor.shape.as_slice(), &tensor.data[21..]), (&[1, 2, 4, 3][..], &[2.0, 1.0, 0.0][..]));
        input.colour = Colour::Grey;
        let (tensor, _) = input.prepare(&sample(8, 4));
        assert_eq!(tensor.shape, [1, 2, 4, 1]);
        assert!((tensor.data[0] - (18.15 - 10.0) * 0.1).abs() < 1e-4);
    }

    #[test]
    fn a_letterbox_keeps_the_shape_and_the_mapping_takes_it_back() {
        let input = Input { fit: Fit::Letterbox, pad: Some(114.0), ..Input::plain(8, 8) };
        let (tensor, mapping) = input.prepare(&sample(16, 8));
        assert_eq!((tensor.data[0], tensor.data[2 * 8], tensor.data[7 * 8]), (114.0, 10.0, 114.0));
        assert_eq!((mapping.x(4.0), mapping.y(2.0), mapping.y(6.0)), (0.5, 0.0, 1.0));
        let corner = Input { fit: Fit::Corner, ..input };
        let (tensor, mapping) = corner.prepare(&sample(16, 8));
        assert_eq!((tensor.data[0], tensor.data[4 * 8], mapping.y(4.0)), (10.0, 114.0, 1.0));
    }

    #[test]
    fn the_pictures_own_shape_is_filled_up() {
        let size = Size::Fitted { longest: 320, multiple: 32 };
        let input = Input { size, ..Input::plain(1, 1) };
        assert_eq!(input.shape(640, 480), [1, 3, 256, 320]);
        let (tensor, mapping) = input.prepare(&sample(33, 31));
        assert_eq!(tensor.shape, [1, 3, 32, 64]);
        assert_eq!((tensor.data[32], tensor.data[33]), (10.0, 0.0));
        assert_eq!((mapping.x(33.0), mapping.down(31.0)), (1.0, 1.0));
    }

    #[test]
    fn a_line_of_text_has_few_widths() {
        let size = Size::Line { height: 48, least: 160, most: 640 };
        let input = Input { size, ..Input::plain(1, 1) };
        assert_eq!(input.shape(100, 48), [1, 3, 48, 160]);
        assert_eq!(input.shape(100, 20), [1, 3, 48, 320]);
        assert_eq!(input.shape(1000, 20), [1, 3, 48, 640]);
        let (_, mapping) = input.prepare(&sample(100, 48));
        assert!((mapping.x(100.0) - 1.0).abs() < 1e-6);
    }
}
