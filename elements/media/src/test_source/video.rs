//! The picture half of the test source, as a plain GStreamer source.

use std::sync::{LazyLock, Mutex, PoisonError};

use glib::subclass::prelude::*;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::base_src::CreateSuccess;
use gst_base::subclass::prelude::*;

use super::picture::{Layout, Painter};
use super::{Params, Pattern};

/// What the pictures are to be.
#[derive(Clone, Debug)]
pub struct Settings {
    width: u32,
    height: u32,
    fps: gst::Fraction,
    /// Frames to make; `None`: endless.
    frames: Option<u64>,
    pattern: Pattern,
}

impl Settings {
    /// The settings that the element's properties stand for.
    pub fn new(params: &Params) -> Self {
        let fps = params.frame_rate();
        Settings {
            width: params.width,
            height: params.height,
            fps,
            frames: params.length().map(|length| {
                let ticks = u128::from(length.nseconds()) * fps.numer() as u128;
                let second = 1_000_000_000 * fps.denom() as u128;
                // The length of a whole number of frames comes back as that number.
                ((ticks + second / 2) / second) as u64
            }),
            pattern: params.pattern,
        }
    }
}

struct Running {
    painter: Painter,
    pool: gst::BufferPool,
    caps: gst::Caps,
    settings: Settings,
    next: u64,
}

mod imp {
    use super::*;

    #[derive(Default)]
    pub struct TestVideo {
        pub(super) settings: Mutex<Option<Settings>>,
        pub(super) running: Mutex<Option<Running>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for TestVideo {
        const NAME: &'static str = "AbTestVideo";
        type Type = super::TestVideo;
        type ParentType = gst_base::PushSrc;
    }

    impl ObjectImpl for TestVideo {}
    impl GstObjectImpl for TestVideo {}

    impl ElementImpl for TestVideo {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "Test pictures",
                    "Source/Video",
                    "Moving pictures with a frame counter",
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

    impl BaseSrcImpl for TestVideo {
        fn start(&self) -> Result<(), gst::ErrorMessage> {
            let settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let settings = settings.ok_or_else(|| {
                gst::error_msg!(gst::CoreError::Failed, ("The test source has no settings."))
            })?;
            let refused = |_| {
                gst::error_msg!(
                    gst::LibraryError::Settings,
                    ("Pictures of {}x{} cannot be made.", settings.width, settings.height)
                )
            };
            let info =
                gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, settings.width, settings.height)
                    .fps(settings.fps)
                    .build()
                    .map_err(refused)?;
            let caps = info.to_caps().map_err(refused)?;
            let pool = gst::BufferPool::new();
            let mut config = pool.config();
            config.set_params(Some(&caps), info.size() as u32, 2, 0);
            pool.set_config(config).and_then(|()| pool.set_active(true)).map_err(refused)?;
            let layout = Layout {
                size: info.size(),
                offsets: std::array::from_fn(|plane| info.offset()[plane]),
                strides: std::array::from_fn(|plane| info.stride()[plane] as usize),
                width: info.width() as usize,
                height: info.height() as usize,
            };
            let painter = Painter::new(layout, settings.pattern);
            *self.running.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(Running { painter, pool, caps, settings, next: 0 });
            Ok(())
        }

        fn stop(&self) -> Result<(), gst::ErrorMessage> {
            let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(running) = running {
                // Buffers that are still on their way free themselves later.
                let _ = running.pool.set_active(false);
            }
            Ok(())
        }

        fn caps(&self, filter: Option<&gst::Caps>) -> Option<gst::Caps> {
            let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            let caps = running.as_ref().map_or_else(
                || gst_video::VideoCapsBuilder::new().format(gst_video::VideoFormat::I420).build(),
                |r| r.caps.clone(),
            );
            Some(match filter {
                Some(filter) => filter.intersect_with_mode(&caps, gst::CapsIntersectMode::First),
                None => caps,
            })
        }

        fn decide_allocation(&self, _query: &mut gst::query::Allocation) -> Result<(), gst::LoggableError> {
            // The pictures come from a pool of this element's own.
            Ok(())
        }
    }

    impl PushSrcImpl for TestVideo {
        fn create(&self, _buffer: Option<&mut gst::BufferRef>) -> Result<CreateSuccess, gst::FlowError> {
            let pool = {
                let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
                let running = running.as_ref().ok_or(gst::FlowError::Flushing)?;
                if running.settings.frames.is_some_and(|frames| running.next >= frames) {
                    return Err(gst::FlowError::Eos);
                }
                running.pool.clone()
            };
            let mut buffer = pool.acquire_buffer(None)?;
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            let running = running.as_mut().ok_or(gst::FlowError::Flushing)?;
            let (frame, fps) = (running.next, running.settings.fps);
            running.next += 1;
            let time = |frame: u64| {
                let ticks = u128::from(frame) * 1_000_000_000 * fps.denom() as u128;
                gst::ClockTime::from_nseconds((ticks / fps.numer() as u128) as u64)
            };
            let picture = buffer.make_mut();
            picture.set_pts(time(frame));
            picture.set_duration(time(frame + 1) - time(frame));
            picture.set_offset(frame);
            picture.set_offset_end(frame + 1);
            let mut map = picture.map_writable().map_err(|_| gst::FlowError::Error)?;
            running.painter.paint(frame, &mut map);
            drop(map);
            Ok(CreateSuccess::NewBuffer(buffer))
        }
    }
}

glib::wrapper! {
    /// Makes moving pictures with a frame counter as fast as they are taken.
    pub struct TestVideo(ObjectSubclass<imp::TestVideo>)
        @extends gst_base::PushSrc, gst_base::BaseSrc, gst::Element, gst::Object;
}

impl TestVideo {
    /// A source with these settings.
    pub fn new(settings: Settings) -> Self {
        let source: Self = glib::Object::builder().property("name", "video").build();
        source.upcast_ref::<gst_base::BaseSrc>().set_format(gst::Format::Time);
        *source.imp().settings.lock().unwrap_or_else(PoisonError::into_inner) = Some(settings);
        source
    }
}
