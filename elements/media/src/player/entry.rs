//! The end of a track inside a player's session: what arrives goes on to the player's own pad, in the same thread.

use std::sync::{Arc, LazyLock, OnceLock};

use glib::subclass::prelude::*;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::outlet::Outlet;

mod imp {
    use super::*;

    /// The element `AbPlayerEntry`.
    pub struct Entry {
        sink: gst::Pad,
        pub(super) way: OnceLock<Way>,
    }

    /// Where media go from here.
    pub struct Way {
        pub outlet: Arc<Outlet>,
        /// Which session this is, and which of the two tracks.
        pub session: u64,
        pub index: usize,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Entry {
        const NAME: &'static str = "AbPlayerEntry";
        type Type = super::Entry;
        type ParentType = gst::Element;

        fn with_class(class: &Self::Class) -> Self {
            let template = class.pad_template("sink").expect("the class has this template");
            let sink = gst::Pad::builder_from_template(&template)
                .chain_function(|_, parent, buffer| {
                    Self::catch_panic_pad_function(
                        parent,
                        || Err(gst::FlowError::Error),
                        |imp| match imp.way.get() {
                            Some(way) => way.outlet.buffer(way.session, way.index, buffer),
                            None => Err(gst::FlowError::Flushing),
                        },
                    )
                })
                .event_function(|_, parent, event| {
                    Self::catch_panic_pad_function(
                        parent,
                        || false,
                        |imp| {
                            imp.way.get().is_some_and(|way| way.outlet.event(way.session, way.index, event))
                        },
                    )
                })
                .query_function(|pad, parent, query| {
                    Self::catch_panic_pad_function(
                        parent,
                        || false,
                        |imp| {
                            let asked = matches!(
                                query.view(),
                                gst::QueryView::Caps(_)
                                    | gst::QueryView::AcceptCaps(_)
                                    | gst::QueryView::Allocation(_)
                            );
                            let way = imp.way.get().filter(|_| asked);
                            way.is_some_and(|way| way.outlet.ask(way.index, query))
                                || gst::Pad::query_default(pad, Some(&*imp.obj()), query)
                        },
                    )
                })
                .build();
            Entry { sink, way: OnceLock::new() }
        }
    }

    impl ObjectImpl for Entry {
        fn constructed(&self) {
            self.parent_constructed();
            self.obj().set_element_flags(gst::ElementFlags::SINK);
            // The name is the class's own, so it is free.
            let _ = self.obj().add_pad(&self.sink);
        }
    }

    impl GstObjectImpl for Entry {}

    impl ElementImpl for Entry {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "End of a player's track",
                    "Sink",
                    "Hands a track to the player's own pad",
                    "The Anabranch developers",
                )
            });
            Some(&METADATA)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> =
                LazyLock::new(|| crate::pads::templates(&[("sink", gst::PadDirection::Sink)]));
            &TEMPLATES
        }
    }
}

glib::wrapper! {
    /// Hands what comes on its pad `sink` to an [`Outlet`].
    pub struct Entry(ObjectSubclass<imp::Entry>) @extends gst::Element, gst::Object;
}

impl Entry {
    /// The end of track `index` of that session.
    pub fn new(name: &str, outlet: Arc<Outlet>, session: u64, index: usize) -> Self {
        let entry: Self = glib::Object::builder().property("name", name).build();
        // It is new, so nothing is set yet.
        let _ = entry.imp().way.set(imp::Way { outlet, session, index });
        entry
    }
}
