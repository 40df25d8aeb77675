//! `pass-through`: video of any format goes through untouched.

use std::sync::LazyLock;

use anabranch_graph::catalog::{Direction, ElementDescriptor, PortSpec, Role};
use anabranch_graph::format::Medium;
use anabranch_kit::params::{ParamStore, table};
use anabranch_kit::registry::Registration;
use glib::subclass::prelude::*;
use gst::prelude::*;
use gst::subclass::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pads;

/// The properties of `pass-through`: none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {}

mod imp {
    use super::*;

    pub struct PassThrough {
        params: ParamStore<Params>,
        sink: gst::Pad,
        src: gst::Pad,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for PassThrough {
        const NAME: &'static str = "AbPassThrough";
        type Type = super::PassThrough;
        type ParentType = gst::Element;

        fn with_class(class: &Self::Class) -> Self {
            let template =
                |name: &str| class.pad_template(name).expect("the class has templates of these names");
            let flags =
                gst::PadFlags::PROXY_CAPS | gst::PadFlags::PROXY_ALLOCATION | gst::PadFlags::PROXY_SCHEDULING;
            let sink = gst::Pad::builder_from_template(&template("sink"))
                .chain_function(|_, parent, buffer| {
                    Self::catch_panic_pad_function(
                        parent,
                        || Err(gst::FlowError::Error),
                        |imp| imp.src.push(buffer),
                    )
                })
                .chain_list_function(|_, parent, list| {
                    Self::catch_panic_pad_function(
                        parent,
                        || Err(gst::FlowError::Error),
                        |imp| imp.src.push_list(list),
                    )
                })
                .flags(flags)
                .build();
            let src = gst::Pad::builder_from_template(&template("src")).flags(flags).build();
            PassThrough { params: ParamStore::default(), sink, src }
        }
    }

    impl ObjectImpl for PassThrough {
        anabranch_kit::object_properties!(params: Params);

        fn constructed(&self) {
            self.parent_constructed();
            for pad in [&self.sink, &self.src] {
                // The names are the class's own, so they are free.
                let _ = self.obj().add_pad(pad);
            }
        }
    }

    impl GstObjectImpl for PassThrough {}

    impl ElementImpl for PassThrough {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "Anabranch pass-through",
                    "Filter/Video",
                    SUMMARY,
                    "The Anabranch developers",
                )
            });
            Some(&METADATA)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
                pads::templates(&[("sink", gst::PadDirection::Sink), ("src", gst::PadDirection::Src)])
            });
            &TEMPLATES
        }
    }
}

glib::wrapper! {
    /// The element `abpassthrough`.
    pub struct PassThrough(ObjectSubclass<imp::PassThrough>) @extends gst::Element, gst::Object;
}

const SUMMARY: &str = "Lets video of any format through untouched.";

const DESCRIPTION: &str = "\
Does nothing: what comes in goes out, encoded or raw. It is a place in the graph where something may be linked later, and \
the measure of what a filter costs.

    player uri=talk.mp4 -> pass-through -> recorder location=copy.mp4
";

fn port(direction: Direction, pad: &str) -> PortSpec {
    PortSpec {
        name: "video".into(),
        direction,
        medium: Medium::Video,
        pad: pad.into(),
        formats: Vec::new(),
        layouts: Vec::new(),
        required: direction == Direction::Input,
        multiple: false,
    }
}

fn describe() -> ElementDescriptor {
    ElementDescriptor {
        name: "pass-through".into(),
        factory: "abpassthrough".into(),
        role: Role::Filter,
        summary: SUMMARY.into(),
        description: DESCRIPTION.into(),
        author: "The Anabranch developers".into(),
        example: "test-source frames=100 -> pass-through -> null-sink".into(),
        ports: vec![port(Direction::Input, "sink"), port(Direction::Output, "src")],
        properties: table::<Params>().properties().to_vec(),
        events: Vec::new(),
        requires: Vec::new(),
        realtime: false,
        refine: None,
    }
}

anabranch_kit::inventory::submit! {
    Registration {
        descriptor: describe,
        register: |plugin| {
            gst::Element::register(plugin, "abpassthrough", gst::Rank::NONE, PassThrough::static_type())
        },
    }
}
