//! The one-file audio filter: a params struct, an [`AudioFilter`] and one line of
//! [`register_audio_filter!`](crate::register_audio_filter).
//!
//! It is as with video ([`crate::filter`]): the result is a GStreamer element and an entry of the catalogue, with the same
//! events, commands, statistics and protection against filters that panic, hang or fail. Samples are 32-bit floats, the
//! channels interleaved; the engine converts what comes. A filter that only listens changes nothing, and the sound goes
//! on as it came.

mod resample;

use gst_audio::AudioInfo;
use serde_json::Value;

pub use resample::Resampler;

use crate::command::{CommandError, CommandResult};
use crate::filter::{Context, FilterError, Named, Stage, describe};
use crate::params::Params;
use anabranch_graph::catalog::{Direction, ElementDescriptor, PortSpec};
use anabranch_graph::format::{Format, Medium};

/// The only sample format, `F32LE`.
const LAYOUT: gst_audio::AudioFormat = gst_audio::AudioFormat::F32le;

/// Changes sound, or listens to it.
pub trait AudioFilter: Sized + Send + 'static {
    /// The element's properties.
    type Params: Params;

    /// Looks at the properties before anything starts: missing files, values that exclude each other.
    ///
    /// # Errors
    ///
    /// Whatever it says, the element does not start.
    fn check(_params: &Self::Params) -> Result<(), FilterError> {
        Ok(())
    }

    /// Makes the filter for sound of one rate and number of channels. Called again when these change, when a property
    /// changes that is not live, and after a panic.
    ///
    /// # Errors
    ///
    /// [`FilterError::Fatal`] stops the element, anything else lets sound pass and tries again later.
    fn new(params: &Self::Params, info: &AudioInfo) -> Result<Self, FilterError>;

    /// Takes the next piece of sound, of any length. It runs on the filter's own thread, and the sound waits for it no
    /// longer than the element's `budget-ms`.
    ///
    /// # Errors
    ///
    /// See [`FilterError`].
    fn process(
        &mut self,
        params: &Self::Params,
        sound: &mut Sound,
        ctx: &mut Context,
    ) -> Result<(), FilterError>;

    /// The names of its commands; the element refuses others.
    const COMMANDS: &'static [&'static str] = &[];

    /// Carries out a command; as [`VideoFilter::command`](crate::filter::VideoFilter::command).
    ///
    /// # Errors
    ///
    /// Goes back to who gave the command.
    fn command(&mut self, name: &str, _arguments: &Value, _ctx: &mut Context) -> CommandResult {
        Err(CommandError::unknown(name))
    }

    /// Takes over what commands have taught the old filter, when a new one is made.
    fn take_over(&mut self, _old: Self) {}
}

/// A piece of sound.
#[derive(Debug, Default)]
pub struct Sound {
    samples: Vec<f32>,
    channels: usize,
    rate: u32,
    pts: Option<gst::ClockTime>,
    changed: bool,
}

impl Sound {
    /// Sound from interleaved samples, for tests.
    pub fn new(samples: Vec<f32>, channels: usize, rate: u32, pts: Option<gst::ClockTime>) -> Self {
        Sound { samples, channels: channels.max(1), rate: rate.max(1), pts, changed: false }
    }

    /// The samples, 1 is full scale; those of all channels, then those of all channels at the next moment.
    pub fn samples(&self) -> &[f32] {
        &self.samples
    }

    /// The samples, to be changed.
    pub fn samples_mut(&mut self) -> &mut [f32] {
        self.changed = true;
        &mut self.samples
    }

    /// How many channels there are.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Samples per second, of each channel.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// How many moments there are: samples of one channel.
    pub fn frames(&self) -> usize {
        self.samples.len() / self.channels.max(1)
    }

    /// When it is heard.
    pub fn pts(&self) -> Option<gst::ClockTime> {
        self.pts
    }

    /// The mean of all channels.
    pub fn mono(&self) -> impl Iterator<Item = f32> {
        let share = 1.0 / self.channels.max(1) as f32;
        self.samples.chunks_exact(self.channels.max(1)).map(move |moment| moment.iter().sum::<f32>() * share)
    }
}

/// The ports of an audio filter.
pub fn ports() -> Vec<PortSpec> {
    [(Direction::Input, "sink"), (Direction::Output, "src")]
        .map(|(direction, pad)| PortSpec {
            name: "audio".into(),
            direction,
            medium: Medium::Audio,
            pad: pad.into(),
            formats: vec![Format::RawAudio],
            layouts: vec![LAYOUT.to_str().to_string()],
            required: direction == Direction::Input,
            multiple: false,
        })
        .to_vec()
}

/// An audio filter as a stage of the shell.
pub struct Audio<F>(F);

/// A buffer on its way through a filter.
pub struct Piece {
    buffer: gst::Buffer,
    sound: Sound,
}

impl<F: AudioFilter + Named> Stage for Audio<F> {
    type Params = F::Params;
    type Info = AudioInfo;
    type Media = Piece;

    const NAME: &'static str = F::NAME;
    const CLASS: &'static str = "Filter/Effect/Audio";
    const COMMANDS: &'static [&'static str] = F::COMMANDS;

    fn descriptor() -> ElementDescriptor {
        F::descriptor()
    }

    fn pad_templates() -> Vec<gst::PadTemplate> {
        let caps = gst_audio::AudioCapsBuilder::new_interleaved().format(LAYOUT).build();
        describe::same_caps(&caps)
    }

    fn info(caps: &gst::CapsRef) -> Option<AudioInfo> {
        AudioInfo::from_caps(caps).ok()
    }

    fn check(params: &F::Params) -> Result<(), FilterError> {
        F::check(params)
    }

    fn make(params: &F::Params, info: &AudioInfo) -> Result<Self, FilterError> {
        F::new(params, info).map(Audio)
    }

    fn open(buffer: gst::Buffer, info: &AudioInfo, _ctx: &mut Context) -> Result<Piece, gst::Buffer> {
        let read = |map: &[u8]| map.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
        let Some(samples) = buffer.map_readable().ok().map(|map| read(&map)) else { return Err(buffer) };
        let sound = Sound::new(samples, info.channels() as usize, info.rate(), buffer.pts());
        Ok(Piece { buffer, sound })
    }

    fn run(&mut self, params: &F::Params, piece: &mut Piece, ctx: &mut Context) -> Result<(), FilterError> {
        self.0.process(params, &mut piece.sound, ctx)
    }

    fn close(piece: Piece) -> gst::Buffer {
        let Piece { mut buffer, sound } = piece;
        if sound.changed
            && let Ok(mut map) = buffer.make_mut().map_writable()
        {
            for (bytes, sample) in map.as_chunks_mut::<4>().0.iter_mut().zip(&sound.samples) {
                *bytes = sample.to_le_bytes();
            }
        }
        buffer
    }

    fn finish(_buffer: &mut gst::Buffer, _info: &AudioInfo, _ctx: &Context) {}

    fn command(&mut self, name: &str, arguments: &Value, ctx: &mut Context) -> CommandResult {
        self.0.command(name, arguments, ctx)
    }

    fn take_over(&mut self, old: Self) {
        self.0.take_over(old.0);
    }
}

/// Registers an [`AudioFilter`](crate::audio::AudioFilter) as an element type.
///
/// `doc`, `events`, `example` and `realtime` may be left out, in this order.
#[macro_export]
macro_rules! register_audio_filter {
    (
        $filter:ty,
        name: $name:literal,
        type_name: $type_name:literal,
        summary: $summary:expr,
        author: $author:expr
        $(, doc: $doc:expr)?
        $(, events: [$($event:ty),* $(,)?])?
        $(, example: $example:expr)?
        $(, realtime: $realtime:expr)?
        $(,)?
    ) => {
        $crate::__register! {
            $filter, $crate::filter::Shell<$crate::audio::Audio<$filter>>,
            <$filter as $crate::audio::AudioFilter>::Params, $crate::audio::ports(), $name, $type_name, $summary,
            $author, [$($doc)?], [$($($event),*)?], [$($example)?], [$($realtime)?]
        }
    };
}
