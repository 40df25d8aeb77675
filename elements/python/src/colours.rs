//! Colours of whole pictures, quickly: what every frame in full size goes through.

use gst_video::prelude::*;
use gst_video::{VideoColorMatrix, VideoColorRange, VideoFormat, VideoFrameRef, VideoInfo};
use yuv::{BufferStoreMut, YuvBiPlanarImage, YuvBiPlanarImageMut, YuvPlanarImage, YuvPlanarImageMut};
use yuv::{YuvConversionMode, YuvRange, YuvStandardMatrix};

const MODE: YuvConversionMode = YuvConversionMode::Balanced;

/// How brightness and colour of a stream are coded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coding {
    range: YuvRange,
    matrix: YuvStandardMatrix,
}

impl Coding {
    /// That of an I420 or NV12 stream; `None` if it is one that only GStreamer's converter knows.
    pub fn of(stream: &VideoInfo) -> Option<Coding> {
        if !matches!(stream.format(), VideoFormat::I420 | VideoFormat::Nv12) {
            return None;
        }
        let range = match stream.colorimetry().range() {
            VideoColorRange::Range0_255 => YuvRange::Full,
            VideoColorRange::Range16_235 => YuvRange::Limited,
            _ => return None,
        };
        let matrix = match stream.colorimetry().matrix() {
            VideoColorMatrix::Bt601 => YuvStandardMatrix::Bt601,
            VideoColorMatrix::Bt709 => YuvStandardMatrix::Bt709,
            VideoColorMatrix::Bt2020 => YuvStandardMatrix::Bt2020,
            _ => return None,
        };
        Some(Coding { range, matrix })
    }

    /// Whether brightness goes from 16 to 235 and not from 0 to 255.
    pub fn is_limited(self) -> bool {
        self.range == YuvRange::Limited
    }

    /// I420 or NV12 to RGB, BGR, RGBA or BGRA of the same size; `None` if it cannot.
    pub fn to_rgb(
        self,
        from: &VideoFrameRef<&gst::BufferRef>,
        to: &mut VideoFrameRef<&mut gst::BufferRef>,
    ) -> Option<()> {
        let Coding { range, matrix } = self;
        let format = to.format();
        let stride = stride(to.info(), 0)?;
        let rgb = to.plane_data_mut(0).ok()?;
        let (width, height) = (from.width(), from.height());
        let plane = |n: u32| Some((from.plane_data(n).ok()?, self::stride(from.info(), n as usize)?));
        let (y_plane, y_stride) = plane(0)?;
        if from.format() == VideoFormat::Nv12 {
            let (uv_plane, uv_stride) = plane(1)?;
            let image = YuvBiPlanarImage { y_plane, y_stride, uv_plane, uv_stride, width, height };
            let convert = match format {
                VideoFormat::Rgb => yuv::yuv_nv12_to_rgb,
                VideoFormat::Bgr => yuv::yuv_nv12_to_bgr,
                VideoFormat::Rgba => yuv::yuv_nv12_to_rgba,
                VideoFormat::Bgra => yuv::yuv_nv12_to_bgra,
                _ => return None,
            };
            return convert(&image, rgb, stride, range, matrix, MODE).ok();
        }
        let ((u_plane, u_stride), (v_plane, v_stride)) = (plane(1)?, plane(2)?);
        let image = YuvPlanarImage { y_plane, y_stride, u_plane, u_stride, v_plane, v_stride, width, height };
        let convert = match format {
            VideoFormat::Rgb => yuv::yuv420_to_rgb,
            VideoFormat::Bgr => yuv::yuv420_to_bgr,
            VideoFormat::Rgba => yuv::yuv420_to_rgba,
            VideoFormat::Bgra => yuv::yuv420_to_bgra,
            _ => return None,
        };
        convert(&image, rgb, stride, range, matrix).ok()
    }

    /// The other way.
    pub fn take_rgb(
        self,
        from: &VideoFrameRef<&gst::BufferRef>,
        to: &mut VideoFrameRef<&mut gst::BufferRef>,
    ) -> Option<()> {
        let Coding { range, matrix } = self;
        let (rgb, rgb_stride) = (from.plane_data(0).ok()?, stride(from.info(), 0)?);
        let (width, height) = (from.width(), from.height());
        let strides = [0, 1, 2].map(|n| stride(to.info(), n));
        let format = to.format();
        let [y, u, v, _] = to.planes_data_mut();
        let (y_plane, y_stride) = (BufferStoreMut::Borrowed(y), strides[0]?);
        if format == VideoFormat::Nv12 {
            let (uv_plane, uv_stride) = (BufferStoreMut::Borrowed(u), strides[1]?);
            let mut image = YuvBiPlanarImageMut { y_plane, y_stride, uv_plane, uv_stride, width, height };
            let convert = match from.format() {
                VideoFormat::Rgb => yuv::rgb_to_yuv_nv12,
                VideoFormat::Bgr => yuv::bgr_to_yuv_nv12,
                VideoFormat::Rgba => yuv::rgba_to_yuv_nv12,
                VideoFormat::Bgra => yuv::bgra_to_yuv_nv12,
                _ => return None,
            };
            return convert(&mut image, rgb, rgb_stride, range, matrix, MODE).ok();
        }
        let (u_plane, u_stride) = (BufferStoreMut::Borrowed(u), strides[1]?);
        let (v_plane, v_stride) = (BufferStoreMut::Borrowed(v), strides[2]?);
        let mut image =
            YuvPlanarImageMut { y_plane, y_stride, u_plane, u_stride, v_plane, v_stride, width, height };
        let convert = match from.format() {
            VideoFormat::Rgb => yuv::rgb_to_yuv420,
            VideoFormat::Bgr => yuv::bgr_to_yuv420,
            VideoFormat::Rgba => yuv::rgba_to_yuv420,
            VideoFormat::Bgra => yuv::bgra_to_yuv420,
            _ => return None,
        };
        convert(&mut image, rgb, rgb_stride, range, matrix, MODE).ok()
    }

    /// Brightness alone, 0 to 255 whatever the stream's range; `None` if it cannot.
    pub fn to_grey(
        self,
        from: &VideoFrameRef<&gst::BufferRef>,
        to: &mut VideoFrameRef<&mut gst::BufferRef>,
    ) -> Option<()> {
        let width = from.width() as usize;
        let (from_stride, to_stride) = (stride(from.info(), 0)?, stride(to.info(), 0)?);
        let lumas = from.plane_data(0).ok()?.chunks(from_stride as usize);
        let greys = to.plane_data_mut(0).ok()?.chunks_mut(to_stride as usize);
        for (luma, grey) in lumas.zip(greys).take(from.height() as usize) {
            let (luma, grey) = (luma.get(..width)?, grey.get_mut(..width)?);
            match self.is_limited() {
                false => grey.copy_from_slice(luma),
                // 149 / 128 is 255 / 219: 16 to 235 become 0 to 255.
                true => grey.iter_mut().zip(luma).for_each(|(grey, luma)| {
                    *grey = ((u16::from(*luma).saturating_sub(16) * 149 + 64) >> 7).min(255) as u8;
                }),
            }
        }
        Some(())
    }
}

/// Brightness from 0 to 255 becomes brightness from 16 to 235: the other way of [`Coding::to_grey`].
pub fn limit(grey: &mut [u8]) {
    for grey in grey {
        *grey = 16 + ((u16::from(*grey) * 110 + 64) >> 7) as u8;
    }
}

/// Bytes from one row of a plane to the next; `None` if it has none, or runs upwards.
pub fn stride(info: &VideoInfo, plane: usize) -> Option<u32> {
    info.stride().get(plane).and_then(|stride| u32::try_from(*stride).ok()).filter(|stride| *stride > 0)
}
