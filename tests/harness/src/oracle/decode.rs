//! Decodes a file with GStreamer into frames and samples.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use gst::prelude::*;
use gst_video::prelude::*;

/// One decoded picture.
#[derive(Clone, Debug, PartialEq)]
pub struct PictureFrame {
    /// When it is shown, from the start of the file.
    pub pts: Duration,
    /// Width, pixels.
    pub width: u32,
    /// Height, pixels.
    pub height: u32,
    /// Mean of the luma, 0..=255.
    pub brightness: f64,
    /// The frame counter that `test-source` painted, if it can be read.
    pub counter: Option<u64>,
}

/// All decoded sound, mixed to one channel.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sound {
    /// Samples per second.
    pub rate: u32,
    /// When the first sample is heard, from the start of the file.
    pub start: Duration,
    /// The samples, -1.0..=1.0.
    pub samples: Vec<f32>,
    /// Where the sound is not continuous: time of the sample before and of the sample after the jump.
    pub gaps: Vec<(Duration, Duration)>,
}

impl Sound {
    /// How long it sounds.
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.samples.len() as f64 / f64::from(self.rate.max(1)))
    }

    /// The samples between two points of time, from the start of the file.
    pub fn between(&self, from: Duration, to: Duration) -> &[f32] {
        let index = |at: Duration| {
            let at = at.saturating_sub(self.start).as_secs_f64() * f64::from(self.rate);
            (at as usize).min(self.samples.len())
        };
        &self.samples[index(from)..index(to)]
    }
}

/// A decoded file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded {
    /// The pictures, in the order in which they came; empty if there is no video.
    pub frames: Vec<PictureFrame>,
    /// The sound; none if there is no audio.
    pub sound: Option<Sound>,
}

impl Decoded {
    /// The counters of all frames; an error names the first frame without one.
    pub fn counters(&self) -> Result<Vec<u64>> {
        self.frames
            .iter()
            .enumerate()
            .map(|(i, f)| {
                f.counter.ok_or_else(|| anyhow!("frame {i} at {:?} has no readable counter", f.pts))
            })
            .collect()
    }

    /// The counters of all frames; an error unless they follow each other, but for `lost` that may be missing in between:
    /// those that a busy machine has lost and reported.
    pub fn counters_in_order(&self, lost: u64) -> Result<Vec<u64>> {
        let counters = self.counters()?;
        let mut missing = 0;
        for pair in counters.windows(2) {
            if pair[1] <= pair[0] {
                bail!("{} after {}: {counters:?}", pair[1], pair[0]);
            }
            missing += pair[1] - pair[0] - 1;
        }
        if missing > lost {
            bail!("{missing} frames are missing, {lost} were lost: {counters:?}");
        }
        Ok(counters)
    }

    /// An error unless the counters are exactly `range`, in order.
    pub fn expect_counters(&self, range: std::ops::Range<u64>) -> Result<()> {
        let counters = self.counters()?;
        let wanted: Vec<u64> = range.clone().collect();
        if counters == wanted {
            return Ok(());
        }
        let at = counters
            .iter()
            .zip(&wanted)
            .position(|(a, b)| a != b)
            .unwrap_or(counters.len().min(wanted.len()));
        bail!(
            "{} frames, {} wanted ({range:?}); first difference at frame {at}: {:?} instead of {:?}",
            counters.len(),
            wanted.len(),
            counters.get(at),
            wanted.get(at)
        )
    }
}

/// Decodes a whole file.
pub fn decode(path: impl AsRef<Path>) -> Result<Decoded> {
    decode_with(path, |_, _| ())
}

/// Decodes a whole file and shows every picture (I420) with its number to `look`.
pub fn decode_with(
    path: impl AsRef<Path>,
    look: impl FnMut(usize, &gst_video::VideoFrameRef<&gst::BufferRef>) + Send + 'static,
) -> Result<Decoded> {
    gst::init()?;
    let path = path.as_ref();
    let out = Arc::new(Mutex::new(Decoded::default()));
    let pipeline = gst::Pipeline::new();
    let source = make("filesrc")?;
    source.set_property("location", path.to_str().context("a file name that is not UTF-8")?);
    let decoder = make("decodebin")?;
    pipeline.add_many([&source, &decoder])?;
    source.link(&decoder)?;

    let look = Arc::new(Mutex::new(look));
    let weak = pipeline.downgrade();
    let shared = Arc::clone(&out);
    decoder.connect_pad_added(move |decoder, pad| {
        let Some(pipeline) = weak.upgrade() else { return };
        let medium = pad.current_caps().or_else(|| Some(pad.query_caps(None)));
        let name =
            medium.as_ref().and_then(|c| c.structure(0)).map(|s| s.name().to_string()).unwrap_or_default();
        let result = if name.starts_with("video/") {
            attach_video(&pipeline, pad, Arc::clone(&shared), Arc::clone(&look))
        } else if name.starts_with("audio/") {
            attach_audio(&pipeline, pad, Arc::clone(&shared))
        } else {
            Ok(())
        };
        if let Err(err) = result {
            gst::element_error!(
                decoder,
                gst::LibraryError::Failed,
                ("the oracle cannot read {name}: {err:#}")
            );
        }
    });

    pipeline.set_state(gst::State::Playing).ok();
    let bus = pipeline.bus().context("a pipeline without a bus")?;
    let mut result = Err(anyhow!("{}: decoding did not end within 120 s", path.display()));
    let wanted = [gst::MessageType::Eos, gst::MessageType::Error];
    if let Some(message) = bus.timed_pop_filtered(gst::ClockTime::from_seconds(120), &wanted) {
        result = match message.view() {
            gst::MessageView::Error(err) => Err(anyhow!(
                "{} does not decode: {} ({})",
                path.display(),
                err.error(),
                err.debug().unwrap_or_default()
            )),
            _ => Ok(()),
        };
    }
    pipeline.set_state(gst::State::Null)?;
    result?;
    let decoded = std::mem::take(&mut *lock(&out));
    Ok(decoded)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn make(factory: &str) -> Result<gst::Element> {
    gst::ElementFactory::make(factory).build().with_context(|| format!("element {factory}"))
}

/// Adds queue, converters and an appsink behind a decoder's pad.
fn attach(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    converters: &[&str],
    caps: gst::Caps,
    callback: impl FnMut(gst::Sample) -> Result<()> + Send + 'static,
) -> Result<()> {
    let mut chain = vec![make("queue")?];
    for name in converters {
        chain.push(make(name)?);
    }
    let mut callback = callback;
    let sink = gst_app::AppSink::builder()
        .caps(&caps)
        .sync(false)
        .callbacks(
            gst_app::AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                    callback(sample).map_err(|err| {
                        gst::element_error!(sink, gst::LibraryError::Failed, ("{err:#}"));
                        gst::FlowError::Error
                    })?;
                    Ok(gst::FlowSuccess::Ok)
                })
                .build(),
        )
        .build();
    chain.push(sink.upcast());
    pipeline.add_many(&chain)?;
    gst::Element::link_many(&chain)?;
    for element in &chain {
        element.sync_state_with_parent()?;
    }
    let sink_pad = chain.first().and_then(|e| e.static_pad("sink")).context("a queue without a sink pad")?;
    pad.link(&sink_pad)?;
    Ok(())
}

/// The running time of a sample's buffer.
fn running_time(sample: &gst::Sample) -> Result<(gst::Buffer, Duration)> {
    let buffer = sample.buffer_owned().context("a sample without a buffer")?;
    let pts = buffer.pts().context("a buffer without a time stamp")?;
    let time = sample
        .segment()
        .and_then(|s| s.downcast_ref::<gst::ClockTime>())
        .and_then(|s| s.to_running_time(pts))
        .unwrap_or(pts);
    Ok((buffer, time.into()))
}

fn attach_video<L>(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    out: Arc<Mutex<Decoded>>,
    look: Arc<Mutex<L>>,
) -> Result<()>
where
    L: FnMut(usize, &gst_video::VideoFrameRef<&gst::BufferRef>) + Send + 'static,
{
    let caps = gst::Caps::builder("video/x-raw").field("format", "I420").build();
    attach(pipeline, pad, &["videoconvert"], caps, move |sample| {
        let (buffer, pts) = running_time(&sample)?;
        let info = gst_video::VideoInfo::from_caps(sample.caps().context("a sample without caps")?)?;
        let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(&buffer, &info)
            .map_err(|_| anyhow!("a frame that cannot be mapped"))?;
        let luma = frame.plane_data(0)?;
        let stride = frame.plane_stride()[0] as usize;
        let (width, height) = (info.width() as usize, info.height() as usize);
        let sum: u64 =
            luma.chunks(stride).take(height).flat_map(|row| &row[..width]).map(|&v| u64::from(v)).sum();
        let counter = crate::barcode::read(luma, stride, width, height);
        let number = lock(&out).frames.len();
        (lock(&look))(number, &frame);
        lock(&out).frames.push(PictureFrame {
            pts,
            width: info.width(),
            height: info.height(),
            brightness: sum as f64 / (width * height).max(1) as f64,
            counter,
        });
        Ok(())
    })
}

fn attach_audio(pipeline: &gst::Pipeline, pad: &gst::Pad, out: Arc<Mutex<Decoded>>) -> Result<()> {
    const RATE: u32 = 48_000;
    let caps = gst::Caps::builder("audio/x-raw")
        .field("format", "F32LE")
        .field("layout", "interleaved")
        .field("rate", RATE as i32)
        .field("channels", 1i32)
        .build();
    lock(&out).sound = Some(Sound { rate: RATE, ..Sound::default() });
    attach(pipeline, pad, &["audioconvert", "audioresample"], caps, move |sample| {
        let (buffer, pts) = running_time(&sample)?;
        let map = buffer.map_readable()?;
        let samples = map.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        let mut out = lock(&out);
        let sound = out.sound.get_or_insert_with(Sound::default);
        if sound.samples.is_empty() {
            sound.start = pts;
        } else {
            let expected = sound.start + sound.duration() + jumped(&sound.gaps);
            if pts.abs_diff(expected) > Duration::from_millis(15) {
                sound.gaps.push((expected, pts));
            }
        }
        sound.samples.extend(samples);
        Ok(())
    })
}

/// How much time all gaps so far have skipped.
fn jumped(gaps: &[(Duration, Duration)]) -> Duration {
    gaps.iter().map(|(before, after)| after.saturating_sub(*before)).sum()
}
