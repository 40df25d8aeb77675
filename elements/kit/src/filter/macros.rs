//! The GStreamer class of one filter. A class cannot be generic, so a macro makes it; it only forwards to the shell.

/// Registers a [`VideoFilter`](crate::filter::VideoFilter) as an element type.
///
/// `doc`, `events`, `example` and `realtime` may be left out, in this order.
#[macro_export]
macro_rules! register_filter {
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
            $filter, $crate::filter::Shell<$crate::filter::Video<$filter>>,
            <$filter as $crate::filter::VideoFilter>::Params,
            $crate::filter::video_ports(<$filter as $crate::filter::VideoFilter>::FORMATS), $name, $type_name,
            $summary, $author, [$($doc)?], [$($($event),*)?], [$($example)?], [$($realtime)?]
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __register {
    (
        $filter:ty, $shell:ty, $params:ty, $ports:expr, $name:literal, $type_name:literal, $summary:expr, $author:expr,
        [$($doc:expr)?], [$($event:ty),*], [$($example:expr)?], [$($realtime:expr)?]
    ) => {
        impl $crate::filter::Named for $filter {
            const NAME: &'static str = $name;

            fn descriptor() -> $crate::graph::catalog::ElementDescriptor {
                #[allow(unused_mut, unused_assignments)]
                let (mut doc, mut example, mut realtime) = ("", "", false);
                $( doc = $doc; )?
                $( example = $example; )?
                $( realtime = $realtime; )?
                $crate::filter::Facts {
                    name: $name,
                    summary: $summary,
                    doc,
                    author: $author,
                    example,
                    events: vec![$($crate::filter::event_spec::<$event>()),*],
                    realtime,
                    ports: $ports,
                    more: <$shell>::more_properties(),
                }
                .descriptor::<$params>()
            }
        }

        const _: () = {
            use ::std::sync::OnceLock;
            use $crate::glib;
            use $crate::gst;
            use $crate::gst::glib::subclass::prelude::*;
            use $crate::gst::prelude::*;
            use $crate::gst::subclass::prelude::*;
            use $crate::gst_base;
            use $crate::gst_base::subclass::prelude::*;

            #[derive(Default)]
            pub struct Imp {
                shell: $shell,
            }

            #[glib::object_subclass]
            impl ObjectSubclass for Imp {
                const NAME: &'static str = $type_name;
                type Type = Element;
                type ParentType = gst_base::BaseTransform;
            }

            glib::wrapper! {
                pub struct Element(ObjectSubclass<Imp>)
                    @extends gst_base::BaseTransform, gst::Element, gst::Object;
            }

            impl ObjectImpl for Imp {
                fn properties() -> &'static [glib::ParamSpec] {
                    static ALL: OnceLock<Vec<glib::ParamSpec>> = OnceLock::new();
                    ALL.get_or_init(<$shell>::properties)
                }

                fn signals() -> &'static [glib::subclass::Signal] {
                    static ALL: OnceLock<Vec<glib::subclass::Signal>> = OnceLock::new();
                    ALL.get_or_init(|| {
                        vec![$crate::command::signal(|element: &Element, name, arguments, answer| {
                            element.imp().shell.command(element.upcast_ref(), name, arguments, answer);
                        })]
                    })
                }

                fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
                    self.shell.set_property(self.obj().upcast_ref(), value, pspec);
                }

                fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
                    self.shell.property(pspec)
                }
            }

            impl GstObjectImpl for Imp {}

            impl ElementImpl for Imp {
                fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
                    static META: OnceLock<gst::subclass::ElementMetadata> = OnceLock::new();
                    Some(META.get_or_init(<$shell>::metadata))
                }

                fn pad_templates() -> &'static [gst::PadTemplate] {
                    static PADS: OnceLock<Vec<gst::PadTemplate>> = OnceLock::new();
                    PADS.get_or_init(<$shell>::pad_templates)
                }

                fn change_state(
                    &self,
                    transition: gst::StateChange,
                ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
                    if transition == gst::StateChange::PausedToReady {
                        self.shell.interrupt();
                    }
                    self.parent_change_state(transition)
                }
            }

            impl BaseTransformImpl for Imp {
                const MODE: gst_base::subclass::BaseTransformMode =
                    gst_base::subclass::BaseTransformMode::AlwaysInPlace;
                const PASSTHROUGH_ON_SAME_CAPS: bool = false;
                const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

                fn start(&self) -> Result<(), gst::ErrorMessage> {
                    match self.shell.start() {
                        Err(problem) if self.shell.passes_on_error() => {
                            self.obj().post_error_message(problem);
                            Ok(())
                        }
                        started => started,
                    }
                }

                fn stop(&self) -> Result<(), gst::ErrorMessage> {
                    self.shell.stop();
                    Ok(())
                }

                fn set_caps(&self, incaps: &gst::Caps, _outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
                    self.shell.set_caps(incaps)
                }

                fn sink_event(&self, event: gst::Event) -> bool {
                    self.shell.sink_event(&event);
                    self.parent_sink_event(event)
                }

                // Never called: `generate_output` does the work. It is here to tell the base class the mode.
                fn transform_ip(&self, _buffer: &mut gst::BufferRef) -> Result<gst::FlowSuccess, gst::FlowError> {
                    Ok(gst::FlowSuccess::Ok)
                }

                fn generate_output(
                    &self,
                ) -> Result<gst_base::subclass::base_transform::GenerateOutputSuccess, gst::FlowError> {
                    use gst_base::subclass::base_transform::GenerateOutputSuccess;
                    match self.take_queued_buffer() {
                        Some(buffer) => self.shell.generate_output(self.obj().upcast_ref(), buffer),
                        None => Ok(GenerateOutputSuccess::NoOutput),
                    }
                }
            }

            $crate::inventory::submit! {
                $crate::registry::Registration {
                    descriptor: <$filter as $crate::filter::Named>::descriptor,
                    register: |plugin| {
                        gst::Element::register(
                            plugin,
                            &<$filter as $crate::filter::Named>::factory(),
                            gst::Rank::NONE,
                            Element::static_type(),
                        )
                    },
                }
            }
        };
    };
}
