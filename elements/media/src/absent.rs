//! A source without media, for a port whose stream does not exist: stream-start and EOS, no caps.

use glib::prelude::*;
use glib::subclass::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;

mod imp {
    use std::sync::LazyLock;

    use super::*;

    #[derive(Default)]
    pub struct AbsentTrack;

    #[glib::object_subclass]
    impl ObjectSubclass for AbsentTrack {
        const NAME: &'static str = "AbAbsentTrack";
        type Type = super::AbsentTrack;
        type ParentType = gst_base::PushSrc;
    }

    impl ObjectImpl for AbsentTrack {}
    impl GstObjectImpl for AbsentTrack {}

    impl ElementImpl for AbsentTrack {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "Absent track",
                    "Source",
                    "Says that there is no such stream",
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

    impl BaseSrcImpl for AbsentTrack {
        /// Settles on no caps at all: EOS before caps is what says that the track is absent.
        fn negotiate(&self) -> Result<(), gst::LoggableError> {
            Ok(())
        }
    }

    impl PushSrcImpl for AbsentTrack {
        fn create(
            &self,
            _buffer: Option<&mut gst::BufferRef>,
        ) -> Result<gst_base::subclass::base_src::CreateSuccess, gst::FlowError> {
            Err(gst::FlowError::Eos)
        }
    }
}

glib::wrapper! {
    /// Pushes stream-start and EOS, and nothing else, from a thread of its own.
    pub struct AbsentTrack(ObjectSubclass<imp::AbsentTrack>)
        @extends gst_base::PushSrc, gst_base::BaseSrc, gst::Element, gst::Object;
}

impl AbsentTrack {
    /// A new one; `name` says which track is absent.
    pub fn new(name: &str) -> Self {
        let source: Self = glib::Object::builder().property("name", name).build();
        source.upcast_ref::<gst_base::BaseSrc>().set_format(gst::Format::Time);
        source
    }
}
