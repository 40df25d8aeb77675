//! What is put behind people: a picture in the frames' own format.

use anabranch_kit::frame::Frame;
use anabranch_kit::sample::Sample;
use gst_video::{VideoFormat, VideoInfo};

use crate::mosaic::{Area, Channel, channels};
use crate::nets::input::resized;
use crate::sprite::Colours;

/// The samples of each channel, row by row.
pub struct Backdrop {
    channels: Vec<Vec<u8>>,
}

impl Backdrop {
    /// One colour.
    pub fn plain(colour: [u8; 3], info: &VideoInfo) -> Self {
        let (width, height) = (info.width() as usize, info.height() as usize);
        Backdrop::of(&Sample { width, height, rgb: colour.repeat(width * height) }, info)
    }

    /// A picture that fills the frame; what is too much is cut off on both sides.
    pub fn filled(picture: &Sample, info: &VideoInfo) -> Self {
        let (width, height) = (info.width() as usize, info.height() as usize);
        let wide = picture.width * height > width * picture.height;
        let (across, down) = match wide {
            true => ((picture.width * height).div_ceil(picture.height.max(1)).max(width), height),
            false => (width, (picture.height * width).div_ceil(picture.width.max(1)).max(height)),
        };
        let scaled = resized(picture, across, down);
        let scaled = scaled.as_ref().unwrap_or(picture);
        let (left, top) = ((across - width) / 2, (down - height) / 2);
        let rows = scaled.rgb.chunks_exact(3 * across).skip(top).take(height);
        let rgb = rows.flat_map(|row| &row[3 * left..3 * (left + width)]).copied().collect();
        Backdrop::of(&Sample { width, height, rgb }, info)
    }

    fn of(picture: &Sample, info: &VideoInfo) -> Self {
        let colours = Colours::new(info);
        let yuv = matches!(info.format(), VideoFormat::I420 | VideoFormat::Nv12);
        let pixel = |x: usize, y: usize| {
            let at = 3 * (y * picture.width + x);
            [picture.rgb[at], picture.rgb[at + 1], picture.rgb[at + 2], 255]
        };
        let part = Area { left: 0, top: 0, right: picture.width, bottom: picture.height };
        let make = |(number, channel): (usize, Channel)| -> Vec<u8> {
            let area = part.shrunk(channel.shrink);
            // Packed channels are in the order of the bytes; of the planes the third is V.
            let component = if yuv { number } else { channel.first };
            let place = |at: usize, size: usize| (at * channel.shrink).min(size - 1);
            (0..area.bottom)
                .flat_map(|y| (0..area.right).map(move |x| (x, y)))
                .map(|(x, y)| {
                    let rgba = pixel(place(x, picture.width), place(y, picture.height));
                    colours.convert(rgba)[component]
                })
                .collect()
        };
        Backdrop { channels: channels(info.format()).into_iter().enumerate().map(make).collect() }
    }

    /// Puts it where `keep` (0 to 1) does not keep the frame.
    pub fn mix(
        &self,
        frame: &mut Frame<'_>,
        channel: Channel,
        part: Area,
        keep: impl Fn(usize, usize) -> f32,
    ) {
        let number = channels(frame.format())
            .iter()
            .position(|c| (c.plane, c.first) == (channel.plane, channel.first))
            .unwrap_or_default();
        let Some(samples) = self.channels.get(number).filter(|s| s.len() == part.right * part.bottom) else {
            return;
        };
        let lines = frame.rows_mut(channel.plane).zip(samples.chunks_exact(part.right)).enumerate();
        for (y, (line, backdrop)) in lines {
            let values = line.iter_mut().skip(channel.first).step_by(channel.step);
            for (x, (value, behind)) in values.zip(backdrop).enumerate() {
                let behind = f32::from(*behind);
                *value = (behind + (f32::from(*value) - behind) * keep(x, y)).round() as u8;
            }
        }
    }
}
