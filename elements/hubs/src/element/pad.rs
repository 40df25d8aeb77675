//! The sink pads of hubs and hub-ports.

use std::sync::Mutex;

use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::lock;

/// Told whose media a pad takes.
type OnSource = Box<dyn Fn(&str) + Send + Sync>;

mod imp {
    use super::*;

    #[derive(Default, glib::Properties)]
    #[properties(wrapper_type = super::HubPad)]
    pub struct HubPad {
        /// The element whose media come here: the name by which the hub knows the party.
        #[property(get, set = Self::set_source, blurb = "The element whose media come here: the party's name")]
        source: Mutex<String>,
        pub(super) on_source: Mutex<Option<OnSource>>,
    }

    impl HubPad {
        fn set_source(&self, source: String) {
            *lock(&self.source) = source.clone();
            // Taken out meanwhile, so that no lock is held.
            let told = lock(&self.on_source).take();
            if let Some(told) = told {
                told(&source);
                lock(&self.on_source).get_or_insert(told);
            }
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for HubPad {
        const NAME: &'static str = "AbHubPad";
        type Type = super::HubPad;
        type ParentType = gst::Pad;
    }

    #[glib::derived_properties]
    impl ObjectImpl for HubPad {}
    impl GstObjectImpl for HubPad {}
    impl PadImpl for HubPad {}
}

glib::wrapper! {
    /// A pad by which a party's media enter a hub. Its property `source` names the party.
    pub struct HubPad(ObjectSubclass<imp::HubPad>) @extends gst::Pad, gst::Object;
}

impl HubPad {
    /// Who is told when the party's name is set.
    pub fn on_source(&self, told: impl Fn(&str) + Send + Sync + 'static) {
        *lock(&self.imp().on_source) = Some(Box::new(told));
    }
}
