//! Makes the one media of a mount, which all its clients share.

use std::sync::{Mutex, PoisonError, Weak};

use glib::subclass::prelude::*;
use gst::prelude::*;
use gst_rtsp_server::prelude::*;
use gst_rtsp_server::subclass::prelude::*;
use gst_rtsp_server::{RTSPMedia, RTSPMediaFactory, gst_rtsp};

use crate::outlet::Outlet;

mod imp {
    use super::*;

    #[derive(Default)]
    pub struct Factory {
        pub(super) outlet: Mutex<Weak<Outlet>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Factory {
        const NAME: &'static str = "AbRtspFactory";
        type Type = super::Factory;
        type ParentType = RTSPMediaFactory;
    }

    impl ObjectImpl for Factory {}

    impl RTSPMediaFactoryImpl for Factory {
        /// One media, whatever query an address has.
        fn gen_key(&self, _url: &gst_rtsp::RTSPUrl) -> Option<glib::GString> {
            Some("media".into())
        }

        fn create_element(&self, _url: &gst_rtsp::RTSPUrl) -> Option<gst::Element> {
            let outlet = self.outlet.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
            // None would be an assertion that fails; a bin without streams is refused by the server.
            let bin = outlet.map_or_else(gst::Bin::new, |outlet| outlet.make());
            Some(bin.upcast())
        }

        fn media_configure(&self, media: &RTSPMedia) {
            self.parent_media_configure(media);
            let outlet = self.outlet.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(clock) = outlet.upgrade().and_then(|outlet| outlet.clock()) {
                media.set_clock(Some(&clock));
            }
            media.connect_unprepared(move |media| {
                if let Some(outlet) = outlet.upgrade() {
                    outlet.unprepared(&media.element());
                }
            });
        }
    }
}

glib::wrapper! {
    /// Makes the media of a mount.
    pub struct Factory(ObjectSubclass<imp::Factory>) @extends RTSPMediaFactory;
}

impl Factory {
    /// For the media of an outlet.
    pub fn new(outlet: &std::sync::Arc<Outlet>) -> Self {
        let factory: Self = glib::Object::new();
        *factory.imp().outlet.lock().unwrap_or_else(PoisonError::into_inner) =
            std::sync::Arc::downgrade(outlet);
        factory.set_shared(true);
        factory
    }
}
