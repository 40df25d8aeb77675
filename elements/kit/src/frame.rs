//! Pictures as filters see them: planes, rows and strides.

use gst_video::prelude::*;
use gst_video::{VideoFormat, VideoFrame, VideoInfo, video_frame::Writable};

/// A picture that a filter may change in place.
pub struct Frame<'a> {
    frame: &'a mut VideoFrame<Writable>,
    pts: Option<gst::ClockTime>,
    number: u64,
}

impl<'a> Frame<'a> {
    /// A view of a mapped frame; `number` counts the frames of the stream.
    pub fn new(frame: &'a mut VideoFrame<Writable>, pts: Option<gst::ClockTime>, number: u64) -> Self {
        Frame { frame, pts, number }
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.frame.width() as usize
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.frame.height() as usize
    }

    /// The pixel format, one of the filter's `FORMATS`.
    pub fn format(&self) -> VideoFormat {
        self.frame.format()
    }

    /// Everything that GStreamer knows of the format.
    pub fn info(&self) -> &VideoInfo {
        self.frame.info()
    }

    /// When the picture is to be shown.
    pub fn pts(&self) -> Option<gst::ClockTime> {
        self.pts
    }

    /// How many frames this filter was given before.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// How many planes there are: 1 for RGBA, BGRA and GRAY8, 2 for NV12, 3 for I420.
    pub fn n_planes(&self) -> usize {
        self.frame.n_planes() as usize
    }

    /// Bytes from one row of a plane to the next.
    pub fn stride(&self, plane: usize) -> usize {
        stride(self.frame.info(), plane)
    }

    /// The rows of a plane, each as long as the picture is wide (without padding).
    pub fn rows(&self, plane: usize) -> impl Iterator<Item = &[u8]> {
        let (stride, bytes, rows) = layout(self.frame.info(), plane);
        let data = self.frame.planes_data()[plane];
        data.chunks(stride.max(1)).take(rows).map(move |row| &row[..bytes.min(row.len())])
    }

    /// The rows of a plane, to be changed.
    pub fn rows_mut(&mut self, plane: usize) -> impl Iterator<Item = &mut [u8]> {
        let (stride, bytes, rows) = layout(self.frame.info(), plane);
        let [a, b, c, d] = self.frame.planes_data_mut();
        let data = match plane {
            0 => a,
            1 => b,
            2 => c,
            _ => d,
        };
        data.chunks_mut(stride.max(1)).take(rows).map(move |row| {
            let end = bytes.min(row.len());
            &mut row[..end]
        })
    }

    /// The picture, to be read.
    pub fn picture(&self) -> Picture<'_> {
        Picture { info: self.frame.info(), planes: self.frame.planes_data() }
    }

    /// The planes' bytes, to be changed; see [`Frame::stride`]. Planes that do not exist are empty.
    pub fn planes_mut(&mut self) -> [&mut [u8]; 4] {
        self.frame.planes_data_mut()
    }
}

/// A picture that can only be read.
#[derive(Clone, Copy)]
pub struct Picture<'a> {
    info: &'a VideoInfo,
    planes: [&'a [u8]; 4],
}

impl<'a> Picture<'a> {
    /// A view of planes that are laid out as `info` says.
    pub fn new(info: &'a VideoInfo, planes: [&'a [u8]; 4]) -> Self {
        Picture { info, planes }
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.info.width() as usize
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.info.height() as usize
    }

    /// The pixel format.
    pub fn format(&self) -> VideoFormat {
        self.info.format()
    }

    /// The bytes of a plane.
    pub fn plane(&self, plane: usize) -> &'a [u8] {
        self.planes[plane]
    }

    /// Bytes from one row of a plane to the next.
    pub fn stride(&self, plane: usize) -> usize {
        stride(self.info, plane)
    }

    /// The row `y` of a plane; empty if there is no such row.
    pub fn row(&self, plane: usize, y: usize) -> &'a [u8] {
        let start = (y * self.stride(plane)).min(self.planes[plane].len());
        &self.planes[plane][start..]
    }

    /// Whether colours are coded as in BT.709, as high definition is; otherwise as in BT.601.
    pub fn is_bt709(&self) -> bool {
        self.info.colorimetry().matrix() == gst_video::VideoColorMatrix::Bt709
    }
}

fn stride(info: &VideoInfo, plane: usize) -> usize {
    info.stride().get(plane).and_then(|s| usize::try_from(*s).ok()).unwrap_or(0)
}

/// Stride, bytes of picture in a row, and number of rows of a plane.
fn layout(info: &VideoInfo, plane: usize) -> (usize, usize, usize) {
    let (width, height) = (info.width() as usize, info.height() as usize);
    let (bytes, rows) = match (info.format(), plane) {
        (VideoFormat::I420, 1 | 2) => (width.div_ceil(2), height.div_ceil(2)),
        (VideoFormat::Nv12, 1) => (width.div_ceil(2) * 2, height.div_ceil(2)),
        (VideoFormat::I420 | VideoFormat::Nv12 | VideoFormat::Gray8, _) => (width, height),
        _ => (width * info.comp_pstride(0).max(1) as usize, height),
    };
    (stride(info, plane), bytes, rows)
}
