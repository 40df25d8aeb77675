//! The sound half of the test source, as a plain GStreamer source.

use std::sync::{LazyLock, Mutex, PoisonError};

use glib::subclass::prelude::*;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::base_src::CreateSuccess;
use gst_base::subclass::prelude::*;

use super::Params;
use super::tone::Tone;

/// Buffers per second.
const BUFFERS_PER_SECOND: u64 = 50;

/// What the sound is to be, and how far it is.
#[derive(Clone, Debug)]
pub struct Settings {
    tone: Tone,
    /// Samples to make; `None`: endless.
    samples: Option<u64>,
    next: u64,
}

impl Settings {
    /// The settings that the element's properties stand for.
    pub fn new(params: &Params) -> Self {
        let tone =
            Tone { frequency: params.tone, rate: params.sample_rate, channels: params.channels as usize };
        let samples = params.length().map(|length| {
            (u128::from(length.nseconds()) * u128::from(params.sample_rate) / 1_000_000_000) as u64
        });
        Settings { tone, samples, next: 0 }
    }
}

mod imp {
    use super::*;

    #[derive(Default)]
    pub struct TestAudio {
        pub(super) settings: Mutex<Option<Settings>>,
        running: Mutex<Option<Settings>>,
    }

    impl TestAudio {
        fn caps_of(settings: &Settings) -> Option<gst::Caps> {
            let info = gst_audio::AudioInfo::builder(
                gst_audio::AudioFormat::S16le,
                settings.tone.rate,
                settings.tone.channels as u32,
            );
            info.build().and_then(|info| info.to_caps()).ok()
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for TestAudio {
        const NAME: &'static str = "AbTestAudio";
        type Type = super::TestAudio;
        type ParentType = gst_base::PushSrc;
    }

    impl ObjectImpl for TestAudio {}
    impl GstObjectImpl for TestAudio {}

    impl ElementImpl for TestAudio {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "Test sound",
                    "Source/Audio",
                    "A tone with a marker each second",
                    "The Anabranch developers",
                )
            });
            Some(&METADATA)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> =
                LazyLock::new(|| crate::pads::templates(&[("src", gst::PadDirection::Src)]));
            &TEMPLATES
        }
    }

    impl BaseSrcImpl for TestAudio {
        fn start(&self) -> Result<(), gst::ErrorMessage> {
            let settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let settings = settings.ok_or_else(|| {
                gst::error_msg!(gst::CoreError::Failed, ("The test source has no settings."))
            })?;
            if Self::caps_of(&settings).is_none() {
                return Err(gst::error_msg!(
                    gst::LibraryError::Settings,
                    (
                        "Sound of {} Hz, {} channels cannot be made.",
                        settings.tone.rate,
                        settings.tone.channels
                    )
                ));
            }
            *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(settings);
            Ok(())
        }

        fn caps(&self, filter: Option<&gst::Caps>) -> Option<gst::Caps> {
            let settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let caps = settings.and_then(|s| Self::caps_of(&s))?;
            Some(match filter {
                Some(filter) => filter.intersect_with_mode(&caps, gst::CapsIntersectMode::First),
                None => caps,
            })
        }
    }

    impl PushSrcImpl for TestAudio {
        fn create(&self, _buffer: Option<&mut gst::BufferRef>) -> Result<CreateSuccess, gst::FlowError> {
            let (tone, first, count) = {
                let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
                let running = running.as_mut().ok_or(gst::FlowError::Flushing)?;
                let first = running.next;
                let usual = (u64::from(running.tone.rate) / BUFFERS_PER_SECOND).max(1);
                let left = running.samples.map_or(usual, |samples| samples.saturating_sub(first));
                running.next += usual.min(left);
                (running.tone.clone(), first, usual.min(left))
            };
            if count == 0 {
                return Err(gst::FlowError::Eos);
            }
            let size = count as usize * 2 * tone.channels;
            let mut buffer = gst::Buffer::with_size(size).map_err(|_| gst::FlowError::Error)?;
            let time = |sample: u64| {
                let ticks = u128::from(sample) * 1_000_000_000 / u128::from(tone.rate);
                gst::ClockTime::from_nseconds(ticks as u64)
            };
            let sound = buffer.make_mut();
            sound.set_pts(time(first));
            sound.set_duration(time(first + count) - time(first));
            sound.set_offset(first);
            sound.set_offset_end(first + count);
            let mut map = sound.map_writable().map_err(|_| gst::FlowError::Error)?;
            tone.fill(first, &mut map);
            drop(map);
            Ok(CreateSuccess::NewBuffer(buffer))
        }
    }
}

glib::wrapper! {
    /// Makes a tone as fast as it is taken.
    pub struct TestAudio(ObjectSubclass<imp::TestAudio>)
        @extends gst_base::PushSrc, gst_base::BaseSrc, gst::Element, gst::Object;
}

impl TestAudio {
    /// A source with these settings.
    pub fn new(settings: Settings) -> Self {
        let source: Self = glib::Object::builder().property("name", "audio").build();
        source.upcast_ref::<gst_base::BaseSrc>().set_format(gst::Format::Time);
        *source.imp().settings.lock().unwrap_or_else(PoisonError::into_inner) = Some(settings);
        source
    }
}
