//! The elements: one GStreamer element for each hub, and the hub-port.

mod alpha_blending;
mod arguments;
mod audio_mixer;
mod composite;
mod describe;
mod dispatcher;
mod dispatcher_one_to_many;
mod hub_port;
mod mixer;
mod pad;
mod selector;
mod shell;

pub use alpha_blending::AlphaBlending;
pub use audio_mixer::AudioMixer;
pub use composite::Composite;
pub use dispatcher::Dispatcher;
pub use dispatcher_one_to_many::DispatcherOneToMany;
pub use hub_port::HubPort;
pub use mixer::Mixer;
pub use pad::HubPad;
pub use selector::Selector;

/// A hub's element: `hub_element!(Composite, "AbComposite", "abcomposite", composite_describe)`. The module has a struct
/// `Params` with an `impl super::HubType for Kind`, and `SUMMARY` and `describe`.
macro_rules! hub_element {
    ($name:ident, $gtype:literal, $factory:literal) => {
        mod imp {
            use std::sync::LazyLock;

            use anabranch_kit::command;
            use anabranch_kit::params::{ParamStore, table};
            use glib::subclass::Signal;
            use glib::subclass::prelude::*;
            use gst::prelude::*;
            use gst::subclass::prelude::*;

            use super::super::shell::{self, Shell};

            #[derive(Default)]
            pub struct $name {
                params: ParamStore<super::Params>,
                shell: Shell,
            }

            #[glib::object_subclass]
            impl ObjectSubclass for $name {
                const NAME: &'static str = $gtype;
                type Type = super::$name;
                type ParentType = gst::Bin;
            }

            impl ObjectImpl for $name {
                fn properties() -> &'static [glib::ParamSpec] {
                    static ALL: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
                        let mut all = table::<super::Params>().param_specs();
                        all.push(anabranch_kit::params::Table::stats_spec());
                        all.push(super::super::pipeline_id());
                        all
                    });
                    &ALL
                }

                fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
                    if pspec.name() == super::super::PIPELINE_ID {
                        // Its type was checked by GObject.
                        self.shell
                            .set_pipeline(value.get::<Option<String>>().ok().flatten().unwrap_or_default());
                        return;
                    }
                    match self.params.set_value(pspec.name(), value) {
                        Ok(()) => {
                            if let Some(hub) = self.shell.hub() {
                                super::apply(hub, &self.params.get());
                            }
                        }
                        Err(error) => anabranch_kit::params::report(self.obj().upcast_ref(), &error),
                    }
                }

                fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
                    match pspec.name() {
                        super::super::PIPELINE_ID => self.shell.pipeline().to_value(),
                        "stats" => self.shell.hub().map(|hub| hub.stats()).to_value(),
                        _ => self.params.value(pspec),
                    }
                }

                fn signals() -> &'static [Signal] {
                    static SIGNALS: LazyLock<Vec<Signal>> = LazyLock::new(|| {
                        vec![command::signal(|element: &super::$name, name, arguments, answer| {
                            let result = match element.imp().shell.hub() {
                                Some(hub) => super::command(hub, name, arguments),
                                None => Err(command::CommandError::unknown(name)),
                            };
                            answer.send(result);
                        })]
                    });
                    &SIGNALS
                }

                fn constructed(&self) {
                    self.parent_constructed();
                    let params = self.params.get();
                    self.shell.construct(self.obj().upcast_ref(), super::make(&params));
                    if let Some(hub) = self.shell.hub() {
                        super::apply(hub, &params);
                    }
                }
            }

            impl GstObjectImpl for $name {}

            impl ElementImpl for $name {
                fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
                    static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                        gst::subclass::ElementMetadata::new(
                            concat!("Anabranch hub ", $factory),
                            "Filter/Generic/Hub",
                            super::SUMMARY,
                            "The Anabranch developers",
                        )
                    });
                    Some(&METADATA)
                }

                fn pad_templates() -> &'static [gst::PadTemplate] {
                    static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> =
                        LazyLock::new(|| shell::templates(super::MEDIA));
                    &TEMPLATES
                }

                fn request_new_pad(
                    &self,
                    template: &gst::PadTemplate,
                    name: Option<&str>,
                    _caps: Option<&gst::Caps>,
                ) -> Option<gst::Pad> {
                    self.shell.request(self.obj().upcast_ref(), template, name)
                }

                fn release_pad(&self, pad: &gst::Pad) {
                    self.shell.release(self.obj().upcast_ref(), pad);
                }

                fn send_event(&self, event: gst::Event) -> bool {
                    if !shell::is_end(&event) {
                        return self.parent_send_event(event);
                    }
                    if let Some(hub) = self.shell.hub() {
                        hub.end();
                    }
                    true
                }

                fn change_state(
                    &self,
                    transition: gst::StateChange,
                ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
                    let bin = self.obj();
                    self.shell.before(bin.upcast_ref(), transition);
                    let success = self.parent_change_state(transition)?;
                    self.shell.after(transition, success).map_err(|error| {
                        self.post_error_message(error);
                        gst::StateChangeError
                    })
                }
            }

            impl BinImpl for $name {}
        }

        glib::wrapper! {
            #[doc = concat!("The element `", $factory, "`.")]
            pub struct $name(ObjectSubclass<imp::$name>)
                @extends gst::Bin, gst::Element, gst::Object, @implements gst::ChildProxy;
        }

        anabranch_kit::inventory::submit! {
            anabranch_kit::registry::Registration {
                descriptor: describe,
                register: |plugin| {
                    use gst::prelude::*;
                    gst::Element::register(plugin, $factory, gst::Rank::NONE, $name::static_type())
                },
            }
        }
    };
}
use hub_element;

/// The property by which the engine tells which pipeline an element belongs to.
pub(crate) const PIPELINE_ID: &str = "pipeline-id";

/// Its description.
fn pipeline_id() -> glib::ParamSpec {
    use gst::prelude::*;
    glib::ParamSpecString::builder(PIPELINE_ID)
        .nick("Pipeline id")
        .blurb("The pipeline in which hubs and their ports find each other")
        .build()
}
