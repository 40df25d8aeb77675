//! From a frame of the stream to a slot that Python sees, and back.

use anabranch_kit::frame::Picture;
use anabranch_kit::sample::{self, Sample};
use gst_video::prelude::*;
use gst_video::{
    VideoConverter, VideoConverterConfig, VideoFormat, VideoFrameRef, VideoInfo, VideoResamplerMethod,
};

use crate::colours::{self, Coding};
use crate::ring::Slot;

/// Converts pictures of one size and format to those that a filter wants. The usual ways are quick ones of their own; the
/// rest goes through GStreamer's converter.
pub struct Pictures {
    stream: VideoInfo,
    wanted: VideoInfo,
    coding: Option<Coding>,
    there: Option<VideoConverter>,
    back: Option<VideoConverter>,
}

impl Pictures {
    /// From pictures like `stream` to ones of this format, whose longer side is at most `longest` pixels (0: the
    /// stream's own size).
    ///
    /// # Errors
    ///
    /// GStreamer cannot convert between the two.
    pub fn new(stream: &VideoInfo, format: VideoFormat, longest: usize) -> Result<Self, String> {
        let (width, height) = sample::fit(stream.width() as usize, stream.height() as usize, longest);
        let wanted = VideoInfo::builder(format, width as u32, height as u32)
            .fps(stream.fps())
            .build()
            .map_err(|_| format!("there are no {format} pictures of {width}x{height}"))?;
        Ok(Pictures { stream: stream.clone(), wanted, coding: Coding::of(stream), there: None, back: None })
    }

    /// The pictures in the slots.
    pub fn wanted(&self) -> &VideoInfo {
        &self.wanted
    }

    fn is_same(&self) -> bool {
        self.stream.format() == self.wanted.format() && self.is_whole()
    }

    fn is_whole(&self) -> bool {
        let (a, b) = (&self.stream, &self.wanted);
        (a.width(), a.height()) == (b.width(), b.height())
    }

    fn fill_quickly(
        &self,
        frame: &VideoFrameRef<&gst::BufferRef>,
        target: &mut VideoFrameRef<&mut gst::BufferRef>,
    ) -> Option<()> {
        if self.is_whole() {
            let coding = self.coding?;
            return match self.wanted.format() {
                VideoFormat::Gray8 => coding.to_grey(frame, target),
                _ => coding.to_rgb(frame, target),
            };
        }
        let may_shrink = match frame.format() {
            VideoFormat::I420 | VideoFormat::Nv12 => self.coding.is_some_and(Coding::is_limited),
            format => matches!(format, VideoFormat::Rgba | VideoFormat::Bgra),
        };
        may_shrink.then(|| shrink(frame, target))?
    }

    /// Copies a frame into a slot.
    ///
    /// # Errors
    ///
    /// The frame cannot be mapped.
    pub fn fill(&mut self, frame: &VideoFrameRef<&gst::BufferRef>, slot: Slot) -> Result<(), String> {
        let mut memory = gst::Buffer::from_mut_slice(slot);
        let target = memory.get_mut().ok_or("a new buffer is shared")?;
        let mut target = VideoFrameRef::from_buffer_ref_writable(target, &self.wanted)
            .map_err(|_| "the shared memory cannot be mapped")?;
        if self.is_same() {
            return frame.copy(&mut target).map_err(|_| "the frame cannot be copied".to_owned());
        }
        if self.fill_quickly(frame, &mut target).is_none() {
            converter(&mut self.there, &self.stream, &self.wanted)?.frame_ref(frame, &mut target);
        }
        Ok(())
    }

    /// Copies a slot into a frame.
    ///
    /// # Errors
    ///
    /// The frame cannot be mapped.
    pub fn take_back(
        &mut self,
        mut slot: Slot,
        frame: &mut VideoFrameRef<&mut gst::BufferRef>,
    ) -> Result<(), String> {
        if self.wanted.format() == VideoFormat::Gray8 && self.coding.is_some_and(Coding::is_limited) {
            // GStreamer's converter takes grey for brightness as the stream codes it.
            colours::limit(slot.as_mut());
        }
        let memory = gst::Buffer::from_mut_slice(slot);
        let source = VideoFrameRef::from_buffer_ref_readable(&memory, &self.wanted)
            .map_err(|_| "the shared memory cannot be mapped")?;
        if self.is_same() {
            return source.copy(frame).map_err(|_| "the frame cannot be copied".to_owned());
        }
        let quick = self.coding.filter(|_| self.is_whole());
        if quick.and_then(|coding| coding.take_rgb(&source, frame)).is_none() {
            converter(&mut self.back, &self.wanted, &self.stream)?.frame_ref(&source, frame);
        }
        Ok(())
    }
}

/// A small copy in the format of the target.
fn shrink(
    frame: &VideoFrameRef<&gst::BufferRef>,
    target: &mut VideoFrameRef<&mut gst::BufferRef>,
) -> Option<()> {
    let longest = target.width().max(target.height()) as usize;
    let sample = Sample::take(&Picture::new(frame.info(), frame.planes_data()), longest);
    let (format, step) = (target.format(), target.info().comp_pstride(0) as usize);
    let stride = colours::stride(target.info(), 0)? as usize;
    if (sample.width, sample.height) != (target.width() as usize, target.height() as usize) {
        return None;
    }
    let rows = target.plane_data_mut(0).ok()?.chunks_mut(stride);
    for (from, to) in sample.rgb.chunks(sample.width * 3).zip(rows) {
        let pixels = from.as_chunks::<3>().0.iter().zip(to.chunks_exact_mut(step));
        match format {
            VideoFormat::Rgb => to.get_mut(..from.len())?.copy_from_slice(from),
            VideoFormat::Bgr => pixels.for_each(|([r, g, b], to)| to.copy_from_slice(&[*b, *g, *r])),
            VideoFormat::Rgba => pixels.for_each(|([r, g, b], to)| to.copy_from_slice(&[*r, *g, *b, 255])),
            VideoFormat::Bgra => pixels.for_each(|([r, g, b], to)| to.copy_from_slice(&[*b, *g, *r, 255])),
            VideoFormat::Gray8 => pixels.for_each(|(rgb, to)| to[0] = sample::brightness(rgb)),
            _ => return None,
        }
    }
    Some(())
}

/// The converter, made when it is first needed.
fn converter<'a>(
    place: &'a mut Option<VideoConverter>,
    from: &VideoInfo,
    to: &VideoInfo,
) -> Result<&'a VideoConverter, String> {
    if place.is_none() {
        let mut config = VideoConverterConfig::new();
        config.set_resampler_method(VideoResamplerMethod::Linear);
        config.set_threads(1);
        let made = VideoConverter::new(from, to, Some(config))
            .map_err(|_| format!("{} cannot be made of {}", to.format(), from.format()))?;
        *place = Some(made);
    }
    place.as_ref().ok_or_else(|| "no converter".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::ring::Ring;

    fn there_and_back(stream: VideoFormat, wanted: VideoFormat, longest: usize) -> Vec<(u8, u8)> {
        gst::init().unwrap();
        let info = VideoInfo::builder(stream, 37, 23).build().unwrap();
        let mut buffer = gst::Buffer::with_size(info.size()).unwrap();
        {
            let mut frame =
                VideoFrameRef::from_buffer_ref_writable(buffer.get_mut().unwrap(), &info).unwrap();
            for plane in 0..frame.n_planes() {
                frame.plane_data_mut(plane).unwrap().fill(if plane == 0 { 90 } else { 128 });
            }
        }
        let before = buffer.clone();
        let mut pictures = Pictures::new(&info, wanted, longest).unwrap();
        let ring = Arc::new(Ring::new(1, pictures.wanted().size()).unwrap());
        let frame = VideoFrameRef::from_buffer_ref_readable(&before, &info).unwrap();
        pictures.fill(&frame, ring.slot(0)).unwrap();
        {
            let mut copy = buffer.copy_deep().unwrap();
            let mut frame = VideoFrameRef::from_buffer_ref_writable(copy.get_mut().unwrap(), &info).unwrap();
            frame.plane_data_mut(0).unwrap().fill(0);
            pictures.take_back(ring.slot(0), &mut frame).unwrap();
            drop(frame);
            buffer = copy;
        }
        let after = VideoFrameRef::from_buffer_ref_readable(&buffer, &info).unwrap();
        let step = if info.n_planes() == 1 { info.comp_pstride(0) as usize } else { 1 };
        let row = |f: &VideoFrameRef<&gst::BufferRef>| f.plane_data(0).unwrap()[..37 * step].to_vec();
        row(&frame).into_iter().zip(row(&after)).collect()
    }

    /// A picture with edges and colours, through the quick way and through GStreamer's.
    fn both_ways(stream: &str, wanted: VideoFormat, longest: usize) -> (Vec<u8>, Vec<u8>) {
        let caps = format!("video/x-raw,{stream},width=322,height=181").parse::<gst::Caps>().unwrap();
        let info = VideoInfo::from_caps(&caps).unwrap();
        let mut buffer = gst::Buffer::with_size(info.size()).unwrap();
        {
            let mut frame =
                VideoFrameRef::from_buffer_ref_writable(buffer.get_mut().unwrap(), &info).unwrap();
            for plane in 0..frame.n_planes() {
                let stride = frame.plane_stride()[plane as usize] as usize;
                for (y, row) in frame.plane_data_mut(plane).unwrap().chunks_mut(stride).enumerate() {
                    for (x, byte) in row.iter_mut().enumerate() {
                        // Brightness over nearly all of the range, and colours that are in all of it.
                        let value = if plane == 0 { 60 + x / 4 + y / 3 } else { 118 + x / 16 + y / 32 };
                        *byte = value.min(200) as u8;
                    }
                }
            }
        }
        let frame = VideoFrameRef::from_buffer_ref_readable(&buffer, &info).unwrap();
        let mut pictures = Pictures::new(&info, wanted, longest).unwrap();
        let slow = pictures.wanted.clone();
        let mut expected = gst::Buffer::with_size(slow.size()).unwrap();
        {
            let mut to = VideoFrameRef::from_buffer_ref_writable(expected.get_mut().unwrap(), &slow).unwrap();
            assert!(pictures.fill_quickly(&frame, &mut to).is_some(), "{stream} {wanted}: not quick");
            converter(&mut None, &info, &slow).unwrap().frame_ref(&frame, &mut to);
        }
        let ring = Arc::new(Ring::new(1, pictures.wanted().size()).unwrap());
        pictures.fill(&frame, ring.slot(0)).unwrap();
        let row = pictures.wanted().width() as usize * pictures.wanted().comp_pstride(0) as usize;
        let stride = pictures.wanted().stride()[0] as usize;
        let rows = |bytes: &[u8]| -> Vec<u8> {
            bytes.chunks(stride).take(slow.height() as usize).flat_map(|line| line[..row].to_vec()).collect()
        };
        let mut quick = rows(ring.slot(0).as_ref());
        if wanted == VideoFormat::Gray8 && pictures.coding.unwrap().is_limited() {
            // GStreamer's grey is brightness as the stream codes it, from 16 to 235.
            colours::limit(&mut quick);
        }
        let expected = rows(&expected.map_readable().unwrap());
        (quick, expected)
    }

    #[test]
    fn the_quick_ways_give_what_gstreamer_gives() {
        // GStreamer's quick way to RGB makes green 4 too dark.
        gst::init().unwrap();
        let coded = ["bt601", "bt709", "1:4:0:0"];
        let streams = coded.iter().flat_map(|coded| {
            ["I420", "NV12"].map(|format| format!("format={format},colorimetry=(string){coded}"))
        });
        for stream in streams {
            for wanted in
                [VideoFormat::Rgb, VideoFormat::Bgr, VideoFormat::Rgba, VideoFormat::Bgra, VideoFormat::Gray8]
            {
                for longest in [0, 161] {
                    let is_full = stream.ends_with("1:4:0:0");
                    // Grey is brightness as the stream weighs colours; GStreamer's is always weighed as in BT.601.
                    let is_weighed = wanted == VideoFormat::Gray8 && stream.ends_with("bt709");
                    if (is_full && longest > 0) || is_weighed {
                        continue;
                    }
                    let (quick, slow) = both_ways(&stream, wanted, longest);
                    let sum: u64 = quick.iter().zip(&slow).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
                    let mean = sum as f64 / quick.len() as f64;
                    assert!(quick.len() == slow.len() && mean < 3.0, "{stream} {wanted} {longest}: {mean}");
                }
            }
        }
    }

    #[test]
    fn pictures_come_back_as_they_went() {
        for stream in
            [VideoFormat::I420, VideoFormat::Nv12, VideoFormat::Rgba, VideoFormat::Bgra, VideoFormat::Gray8]
        {
            for wanted in [VideoFormat::Rgb, VideoFormat::Bgr, VideoFormat::Rgba, VideoFormat::Bgra] {
                for longest in [0, 20] {
                    // Alpha is 90 in a picture with alpha, and what has none gives it back as 255.
                    let worst = there_and_back(stream, wanted, longest)
                        .iter()
                        .filter(|(_, b)| *b != 255)
                        .map(|(a, b)| a.abs_diff(*b))
                        .max();
                    assert!(worst.is_some_and(|worst| worst <= 2), "{stream} {wanted} {longest}: {worst:?}");
                }
            }
        }
    }
}
