//! A picture with transparency, in several sizes and in the colours of the frames that it is drawn on.

use std::path::{Path, PathBuf};

use anabranch_kit::filter::FilterError;
use gst_video::{VideoFormat, VideoInfo};

use super::colour::Colours;
use super::texel::{Grid, Texel};

/// A picture to be drawn: its pixels as the frames have them, premultiplied by alpha, and copies of half, a quarter ...
/// the size, so that it can be drawn small without flicker.
#[derive(Clone, Debug)]
pub struct Sprite {
    pub(super) texels: Texels,
    aspect: f64,
}

/// The sizes of a sprite, the largest one first, in the parts that the planes of frames need.
#[derive(Clone, Debug)]
pub(super) enum Texels {
    /// For frames with one plane.
    Packed(Vec<Grid<u64>>),
    /// For frames with chroma in planes of half the size: two of them, or one with both.
    Yuv { luma: Vec<Grid<u32>>, chroma: Vec<Grid<u64>>, planar: bool },
}

/// A file's path: `file:///a/b.png` or a plain path.
fn file_path(location: &str) -> PathBuf {
    match location.strip_prefix("file://") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(location),
    }
}

/// What stops an image property from being used, without reading the whole file.
pub fn check(location: Option<&str>) -> Result<(), FilterError> {
    open(location).map(|_| ())
}

type Reader = image::ImageReader<std::io::BufReader<std::fs::File>>;

fn open(location: Option<&str>) -> Result<(PathBuf, Reader), FilterError> {
    let location = location.filter(|l| !l.is_empty()).ok_or_else(|| {
        FilterError::fatal("there is no image; set the property 'image' to a PNG or JPEG file")
    })?;
    let path = file_path(location);
    let unreadable = |reason: &dyn std::fmt::Display| {
        FilterError::fatal(format!("cannot read the image {}: {reason}", path.display()))
    };
    if path.is_dir() {
        return Err(unreadable(&"it is a folder"));
    }
    let reader = image::ImageReader::open(&path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => unreadable(&"there is no such file"),
        _ => unreadable(&e),
    })?;
    let reader = reader.with_guessed_format().map_err(|e| unreadable(&e))?;
    if reader.format().is_none() {
        return Err(unreadable(&"it is neither PNG nor JPEG"));
    }
    Ok((path, reader))
}

impl Sprite {
    /// Reads a PNG or JPEG file, to be drawn on frames of this format.
    ///
    /// # Errors
    ///
    /// A sentence that names the file.
    pub fn load(location: Option<&str>, info: &VideoInfo) -> Result<Self, FilterError> {
        let (path, reader) = open(location)?;
        let picture = reader
            .decode()
            .map_err(|e| FilterError::fatal(format!("cannot read the image {}: {e}", shown(&path))))?
            .into_rgba8();
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let pixels = picture.pixels().map(|p| p.0).collect::<Vec<_>>();
        Ok(Sprite::new(width, height, &pixels, info))
    }

    /// A sprite from red, green, blue and alpha (not premultiplied), to be drawn on frames of this format.
    pub fn new(width: usize, height: usize, pixels: &[[u8; 4]], info: &VideoInfo) -> Self {
        let colours = Colours::new(info);
        let pixels = pixels.iter().map(|p| colours.convert(*p)).collect();
        let mut sizes = vec![Size { width, height, pixels }];
        while let Some(last) = sizes.last().filter(|s| s.width > 8 && s.height > 8) {
            let smaller = last.half();
            sizes.push(smaller);
        }
        let texels = match colours {
            Colours::Yuv(_) => Texels::Yuv {
                luma: grids(&sizes),
                chroma: grids(&sizes),
                planar: info.format() == VideoFormat::I420,
            },
            Colours::Rgba | Colours::Bgra => Texels::Packed(grids(&sizes)),
        };
        Sprite { texels, aspect: width as f64 / height.max(1) as f64 }
    }

    /// Width divided by height.
    pub fn aspect(&self) -> f64 {
        self.aspect
    }
}

/// One size of a picture, while a sprite is made.
struct Size {
    width: usize,
    height: usize,
    pixels: Vec<[u8; 4]>,
}

impl Size {
    fn half(&self) -> Size {
        let (width, height) = (self.width / 2, self.height / 2);
        let mut pixels = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                let corner = 2 * y * self.width + 2 * x;
                let four = [0, 1, self.width, self.width + 1].map(|offset| self.pixels[corner + offset]);
                let mean = |c: usize| ((four.iter().map(|p| u32::from(p[c])).sum::<u32>() + 2) / 4) as u8;
                pixels.push(std::array::from_fn(mean));
            }
        }
        Size { width, height, pixels }
    }
}

fn grids<T: Texel>(sizes: &[Size]) -> Vec<Grid<T>> {
    sizes.iter().map(|s| Grid::new(s.width, s.height, |x, y| s.pixels[y * s.width + x])).collect()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::super::texel::Walk;
    use super::*;

    fn rgba() -> VideoInfo {
        gst::init().unwrap();
        VideoInfo::builder(gst_video::VideoFormat::Rgba, 8, 8).build().unwrap()
    }

    #[test]
    fn smaller_copies_keep_the_average() {
        let sprite = Sprite::new(32, 16, &[[100, 50, 0, 255]; 512], &rgba());
        let Texels::Packed(sizes) = &sprite.texels else { panic!("RGBA is packed") };
        assert_eq!(sizes.len(), 2);
        let mut out = Vec::new();
        let first = sizes[1].read(&Walk { start: (0.5, 0.5), step: (1.0, 0.0) }, 100, &mut out);
        assert_eq!((first, out), (0, vec![100 | 50 << 16 | 255 << 48; 16]));
        assert_eq!(sprite.aspect(), 2.0);
    }

    #[test]
    fn what_cannot_be_read_is_said_in_a_sentence() {
        let said = |location: Option<&str>| check(location).unwrap_err().to_string();
        assert!(said(None).contains("set the property 'image'"));
        assert!(said(Some("/nowhere/hat.png")).contains("/nowhere/hat.png: there is no such file"));
        assert!(said(Some("file:///nowhere/hat.png")).contains("no such file"));
        assert!(said(Some("/")).contains("is a folder"));
        assert!(
            said(Some(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))).contains("neither PNG nor JPEG")
        );
    }
}
