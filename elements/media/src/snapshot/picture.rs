//! From a video frame to a PNG or JPEG file.

use std::path::Path;

use anabranch_graph::catalog::PropertyMap;
use image::ImageEncoder;

use crate::refine;

/// A file format for pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// PNG, without loss.
    Png,
    /// JPEG.
    Jpeg,
}

impl Kind {
    /// The format that a location's extension stands for.
    ///
    /// # Errors
    ///
    /// What is wrong with the location, as a sentence for a person.
    pub fn of(location: &str) -> Result<Self, String> {
        let extension = Path::new(location).extension().and_then(|e| e.to_str()).unwrap_or_default();
        match extension.to_ascii_lowercase().as_str() {
            "png" => Ok(Kind::Png),
            "jpg" | "jpeg" => Ok(Kind::Jpeg),
            _ => Err(format!("'{location}' does not end in .png, .jpg or .jpeg, which tells the format.")),
        }
    }

    /// The same from a description's properties; `None` if there is no location yet.
    pub fn asked(properties: &PropertyMap) -> Option<Result<Self, String>> {
        refine::text(properties, "location").map(Kind::of)
    }

    /// Encodes RGB pixels that lie without gaps.
    ///
    /// # Errors
    ///
    /// What the encoder says.
    pub fn encode(self, rgb: &[u8], width: u32, height: u32, quality: u8) -> Result<Vec<u8>, String> {
        let mut file = Vec::new();
        let colour = image::ExtendedColorType::Rgb8;
        let result = match self {
            Kind::Png => {
                image::codecs::png::PngEncoder::new(&mut file).write_image(rgb, width, height, colour)
            }
            Kind::Jpeg => image::codecs::jpeg::JpegEncoder::new_with_quality(&mut file, quality)
                .write_image(rgb, width, height, colour),
        };
        result.map(|()| file).map_err(|error| error.to_string())
    }
}

/// The name of picture number `number` (from 1): `{n}`, `%d` and `%04d` in the location become the number. Without any of
/// them each picture takes the place of the one before.
pub fn name(location: &str, number: u64) -> String {
    if location.contains("{n}") {
        return location.replace("{n}", &number.to_string());
    }
    let Some(percent) = location.find('%') else { return location.to_owned() };
    let rest = &location[percent + 1..];
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    if rest.as_bytes().get(digits) != Some(&b'd') {
        return location.to_owned();
    }
    let width = rest[..digits].parse::<usize>().unwrap_or(0).min(20);
    let filled = if rest.starts_with('0') { format!("{number:0width$}") } else { format!("{number:width$}") };
    format!("{}{filled}{}", &location[..percent], &rest[digits + 1..])
}

/// The RGB pixels of a frame, without gaps.
///
/// # Errors
///
/// GStreamer cannot convert from this format.
pub fn rgb(buffer: &gst::BufferRef, info: &gst_video::VideoInfo) -> Result<Vec<u8>, String> {
    let failed = |what: &str| format!("a picture in the format {} {what}", info.format());
    let target = gst_video::VideoInfo::builder(gst_video::VideoFormat::Rgb, info.width(), info.height())
        .fps(info.fps())
        .interlace_mode(info.interlace_mode())
        .build()
        .map_err(|_| failed("has no size"))?;
    let converter = gst_video::VideoConverter::new(info, &target, None)
        .map_err(|_| failed("cannot be converted to RGB"))?;
    let source = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, info)
        .map_err(|_| failed("cannot be read"))?;
    let mut out = gst::Buffer::with_size(target.size()).map_err(|_| failed("needs too much memory"))?;
    {
        let out = out.get_mut().ok_or_else(|| failed("cannot be written"))?;
        let mut frame = gst_video::VideoFrameRef::from_buffer_ref_writable(out, &target)
            .map_err(|_| failed("cannot be written"))?;
        converter.frame_ref(&source, &mut frame);
    }
    let map = out.map_readable().map_err(|_| failed("cannot be read back"))?;
    let (stride, row) = (target.stride()[0] as usize, target.width() as usize * 3);
    Ok(map.chunks(stride).take(target.height() as usize).flat_map(|line| &line[..row]).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_where_the_location_says() {
        for (location, number, expected) in [
            ("a.png", 3, "a.png"),
            ("a-{n}.png", 3, "a-3.png"),
            ("a-%d.png", 12, "a-12.png"),
            ("a-%04d.png", 12, "a-0012.png"),
            ("a-%3d.png", 1, "a-  1.png"),
            ("100%.png", 1, "100%.png"),
            ("%s.png", 1, "%s.png"),
            ("%", 1, "%"),
        ] {
            assert_eq!(name(location, number), expected);
        }
    }

    #[test]
    fn the_extension_tells_the_format() {
        assert_eq!(Kind::of("x/a.PNG"), Ok(Kind::Png));
        assert_eq!(Kind::of("a.jpeg"), Ok(Kind::Jpeg));
        assert!(Kind::of("a.gif").unwrap_err().contains(".png"));
    }
}
