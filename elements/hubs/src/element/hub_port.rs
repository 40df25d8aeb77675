//! `hub-port`: one party of a hub.

use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use anabranch_graph::catalog::{Direction, ElementDescriptor, PortSpec, PropertyMap, Refined, Role};
use anabranch_graph::format::Medium;
use anabranch_kit::message;
use anabranch_kit::params::{ParamStore, Table, table};
use anabranch_kit::registry::Registration;
use glib::subclass::prelude::*;
use gst::prelude::*;
use gst::subclass::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{HubPad, PIPELINE_ID, pipeline_id};
use crate::hub::Wants;
use crate::inlet::Inlet;
use crate::lock;
use crate::outlet::Outlet;
use crate::party::{MEDIA, Party, index};
use crate::room::{Room, room};
use crate::timeline::Timeline;

/// The properties of `hub-port`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// The hub that it is a port of: the id of a composite, audio-mixer, dispatcher or another hub of the same graph.
    #[schemars(extend("x-required" = true))]
    pub hub: String,
}

/// What a port sends and gets, by medium.
type Media = ([Option<Arc<Inlet>>; 2], [Option<Arc<Outlet>>; 2]);

mod imp {
    use super::*;

    #[derive(Default)]
    pub struct HubPort {
        params: ParamStore<Params>,
        pipeline: Mutex<String>,
        media: OnceLock<Media>,
        present: Mutex<Option<(Arc<Room>, Arc<Party>)>>,
    }

    impl HubPort {
        fn stats(&self) -> gst::Structure {
            let mut stats = gst::Structure::builder("stats");
            if let Some((inlets, outlets)) = self.media.get() {
                for medium in MEDIA {
                    let at = index(medium);
                    if let (Some(inlet), Some(outlet)) = (&inlets[at], &outlets[at]) {
                        stats = stats
                            .field(format!("{medium}-received"), inlet.received())
                            .field(format!("{medium}-sent"), outlet.sent())
                            .field(format!("{medium}-lost"), outlet.lost());
                    }
                }
            }
            stats.build()
        }

        fn enter(&self) {
            let Some((inlets, outlets)) = self.media.get() else { return };
            let party = Arc::new(Party {
                name: self.obj().name().to_string(),
                is_port: true,
                inlets: inlets.clone(),
                outlets: outlets.clone(),
                timeline: Arc::new(Timeline::new()),
            });
            let room = room(&lock(&self.pipeline), &self.params.get().hub);
            *lock(&self.present) = Some((room.clone(), party.clone()));
            let weak = self.obj().downgrade();
            room.enter(
                &party,
                Arc::new(move |wants| {
                    if let Some(port) = weak.upgrade() {
                        tell(&port, wants);
                    }
                }),
            );
        }

        fn leave(&self) {
            let present = lock(&self.present).take();
            if let Some((room, party)) = present {
                room.leave(&party);
            }
        }
    }

    /// Tells the engine what the hub takes.
    fn tell(port: &super::HubPort, wants: Wants) {
        for (medium, formats) in [(Medium::Video, wants.video), (Medium::Audio, wants.audio)] {
            let formats: Vec<&str> = formats.into_iter().collect();
            message::post(port, "wants", json!({"port": medium, "formats": formats}));
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for HubPort {
        const NAME: &'static str = "AbHubPort";
        type Type = super::HubPort;
        type ParentType = gst::Element;
    }

    impl ObjectImpl for HubPort {
        fn properties() -> &'static [glib::ParamSpec] {
            static ALL: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
                let mut all = table::<Params>().param_specs();
                all.extend([Table::stats_spec(), pipeline_id()]);
                all
            });
            &ALL
        }

        fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
            if pspec.name() == PIPELINE_ID {
                // Its type was checked by GObject.
                *lock(&self.pipeline) = value.get::<Option<String>>().ok().flatten().unwrap_or_default();
            } else if let Err(error) = self.params.set_value(pspec.name(), value) {
                anabranch_kit::params::report(self.obj().upcast_ref(), &error);
            }
        }

        fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
            match pspec.name() {
                PIPELINE_ID => lock(&self.pipeline).to_value(),
                "stats" => self.stats().to_value(),
                _ => self.params.value(pspec),
            }
        }

        fn constructed(&self) {
            self.parent_constructed();
            let element = self.obj();
            let (mut inlets, mut outlets) = ([None, None], [None, None]);
            for medium in MEDIA {
                let template = |side: &str| element.pad_template(&format!("{side}_{medium}"));
                let (Some(sink), Some(src)) = (template("sink"), template("src")) else { continue };
                let builder = gst::PadBuilder::<HubPad>::from_template(&sink).name(sink.name_template());
                let (inlet, pad) = Inlet::new(builder);
                // The names are the class's own, so they are free.
                let _ = element.add_pad(&pad);
                inlets[index(medium)] = Some(inlet);
                let (outlet, pad) = Outlet::new(&src, src.name_template(), medium);
                let _ = element.add_pad(&pad);
                outlets[index(medium)] = Some(outlet);
            }
            // Constructed once.
            let _ = self.media.set((inlets, outlets));
        }

        fn dispose(&self) {
            self.leave();
        }
    }

    impl GstObjectImpl for HubPort {}

    impl ElementImpl for HubPort {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "Anabranch hub port",
                    "Source/Sink/Hub",
                    SUMMARY,
                    "The Anabranch developers",
                )
            });
            Some(&METADATA)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
                let any = gst::Caps::new_any();
                let template = |name: String, direction, ty| {
                    gst::PadTemplate::with_gtype(&name, direction, gst::PadPresence::Always, &any, ty)
                        .expect("these names and caps make valid templates")
                };
                MEDIA
                    .into_iter()
                    .flat_map(|medium| {
                        [
                            template(
                                format!("sink_{medium}"),
                                gst::PadDirection::Sink,
                                HubPad::static_type(),
                            ),
                            template(
                                format!("src_{medium}"),
                                gst::PadDirection::Src,
                                gst::Pad::static_type(),
                            ),
                        ]
                    })
                    .collect()
            });
            &TEMPLATES
        }

        fn change_state(
            &self,
            transition: gst::StateChange,
        ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
            let success = self.parent_change_state(transition)?;
            match transition {
                gst::StateChange::ReadyToPaused => {
                    self.enter();
                    Ok(gst::StateChangeSuccess::NoPreroll)
                }
                gst::StateChange::PlayingToPaused => Ok(gst::StateChangeSuccess::NoPreroll),
                gst::StateChange::PausedToReady => {
                    self.leave();
                    Ok(success)
                }
                _ => Ok(success),
            }
        }
    }
}

glib::wrapper! {
    /// The element `abhubport`.
    pub struct HubPort(ObjectSubclass<imp::HubPort>) @extends gst::Element, gst::Object;
}

const SUMMARY: &str =
    "One party of a hub: what goes in is its media, what comes out is what the hub gives it.";

const DESCRIPTION: &str = "\
Joins a hub as a party. What is linked into the port is what the party sends; what is linked from it gets what the hub gives \
that party: of a composite the whole picture and all others' sound, of a dispatcher whom it was connected to, and so on. The \
property `hub` is the id of the hub in the same graph. A port is an element like any other: it is linked, unlinked and \
released while the hub runs, and each is a failure domain of its own.

    room:composite; ann:webrtc -> anns:hub-port hub=room -> ann; bob:webrtc -> bobs:hub-port hub=room -> bob
";

fn port(medium: Medium, direction: Direction) -> PortSpec {
    let side = if direction == Direction::Input { "sink" } else { "src" };
    PortSpec {
        name: medium.name().into(),
        direction,
        medium,
        pad: format!("{side}_{medium}"),
        // The hub says what it takes when it runs.
        formats: Vec::new(),
        layouts: Vec::new(),
        required: false,
        multiple: false,
    }
}

fn describe() -> ElementDescriptor {
    let inputs = MEDIA.map(|medium| port(medium, Direction::Input));
    let outputs = MEDIA.map(|medium| port(medium, Direction::Output));
    ElementDescriptor {
        name: "hub-port".into(),
        factory: "abhubport".into(),
        role: Role::Endpoint,
        summary: SUMMARY.into(),
        description: DESCRIPTION.into(),
        author: "The Anabranch developers".into(),
        example: "room:composite; test-source frames=100 -> hub-port hub=room -> null-sink".into(),
        ports: inputs.into_iter().chain(outputs).collect(),
        properties: table::<Params>().properties().to_vec(),
        events: Vec::new(),
        requires: Vec::new(),
        realtime: true,
        refine: Some(refine),
    }
}

fn refine(_: &PropertyMap) -> Refined {
    Refined { paced: Some(true), refers: vec![("hub".to_owned(), Role::Mixer)], ..Refined::default() }
}

anabranch_kit::inventory::submit! {
    Registration {
        descriptor: describe,
        register: |plugin| {
            gst::Element::register(plugin, "abhubport", gst::Rank::NONE, HubPort::static_type())
        },
    }
}
