//! `app-sink`: a program takes media out.

use std::sync::LazyLock;

use anabranch_graph::catalog::{Direction, ElementDescriptor, Part, PropertyMap, Refined, Role};
use anabranch_graph::format::{Format, Medium};
use anabranch_kit::params::{ParamStore, table};
use anabranch_kit::registry::Registration;
use glib::subclass::prelude::*;
use gst::prelude::*;
use gst::subclass::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Which, format_of, port};
use crate::{pads, refine};

/// The properties of `app-sink`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// What the program takes: `any` (as it comes), `raw`, or GStreamer caps such as `video/x-raw,format=RGBA`.
    pub accept: String,
    /// Whether it takes video or audio; the other port is thrown away.
    pub medium: Which,
    /// Whether the oldest waiting frames are lost when the program is slow, instead of the graph waiting.
    pub drop: bool,
    /// Most frames that wait for the program; 0: no limit.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub max_buffers: u32,
}

impl Default for Params {
    fn default() -> Self {
        Params { accept: "raw".into(), medium: Which::Video, drop: false, max_buffers: 30 }
    }
}

/// What the program takes.
enum Accept {
    Any,
    Raw,
    Caps(gst::Caps),
}

impl Accept {
    fn parse(text: &str) -> Result<Self, String> {
        match text.trim() {
            "" | "any" => Ok(Accept::Any),
            "raw" => Ok(Accept::Raw),
            text => text.parse().map(Accept::Caps).map_err(|_| {
                format!(
                    "'{text}' is neither `any` nor `raw` nor GStreamer caps such as video/x-raw,format=RGBA"
                )
            }),
        }
    }
}

mod imp {
    use super::*;

    #[derive(Default)]
    pub struct AppSink {
        params: ParamStore<Params>,
    }

    impl AppSink {
        fn configure(&self) -> Result<(), gst::ErrorMessage> {
            let params = self.params.get();
            let bin = self.obj();
            let failed = || pads::link_failed("The application sink's insides");
            let inner = bin.by_name("appsink").and_then(|e| e.downcast::<gst_app::AppSink>().ok());
            let Some(inner) = inner else {
                return Err(pads::make("appsink", "appsink").err().unwrap_or_else(failed));
            };
            let accept = Accept::parse(&params.accept)
                .map_err(|problem| gst::error_msg!(gst::LibraryError::Settings, ("`accept`: {problem}.")))?;
            let raw = Format::raw(match params.medium {
                Which::Video => Medium::Video,
                Which::Audio => Medium::Audio,
            });
            let raw: Option<gst::Caps> = raw.and_then(|f| f.caps().parse().ok());
            let (caps, convert) = match accept {
                Accept::Any => (None, false),
                Accept::Raw => (raw, false),
                Accept::Caps(caps) => {
                    let is_raw = raw.is_some_and(|raw| raw.can_intersect(&caps));
                    (Some(caps), is_raw)
                }
            };
            inner.set_caps(caps.as_ref());
            inner.set_max_buffers(params.max_buffers);
            inner.set_drop(params.drop);
            let mut first: gst::Element = inner.clone().upcast();
            if convert {
                let factories: &[&str] = match params.medium {
                    Which::Video => &["videoscale", "videoconvert"],
                    Which::Audio => &["audioresample", "audioconvert"],
                };
                for factory in factories {
                    let element = pads::make(factory, factory)?;
                    bin.add(&element).map_err(|_| failed())?;
                    element.link(&first).map_err(|_| failed())?;
                    first = element;
                }
            }
            self.open(params.medium, &first)?;
            let rest = pads::make("fakesink", "rest")?;
            for property in ["sync", "async", "enable-last-sample"] {
                rest.set_property(property, false);
            }
            bin.add(&rest).map_err(|_| failed())?;
            self.open(params.medium.other(), &rest)?;
            for (which, sink) in [(params.medium, inner.upcast()), (params.medium.other(), rest)] {
                if let Some(ghost) = pads::ghost(&*bin, &format!("sink_{}", which.name())) {
                    pads::count_if_linked(&ghost, &sink);
                }
            }
            Ok(())
        }

        fn open(&self, which: Which, first: &gst::Element) -> Result<(), gst::ErrorMessage> {
            let failed = || pads::link_failed("The application sink's insides");
            let pad = first.static_pad("sink").ok_or_else(failed)?;
            let ghost = pads::ghost(&*self.obj(), &format!("sink_{}", which.name())).ok_or_else(failed)?;
            ghost.set_target(Some(&pad)).map_err(|_| failed())
        }

        fn take_down(&self) {
            let bin = self.obj();
            for pad in bin.sink_pads().into_iter().filter_map(|p| p.downcast::<gst::GhostPad>().ok()) {
                // Taking the target away from a ghost pad cannot fail.
                let _ = pad.set_target(None::<&gst::Pad>);
            }
            for child in bin.children().into_iter().filter(|child| child.name() != "appsink") {
                let _ = child.set_state(gst::State::Null);
                let _ = bin.remove(&child);
            }
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for AppSink {
        const NAME: &'static str = "AbAppSink";
        type Type = super::AppSink;
        type ParentType = gst::Bin;
    }

    impl ObjectImpl for AppSink {
        anabranch_kit::object_properties!(params: Params);

        fn constructed(&self) {
            self.parent_constructed();
            let bin = self.obj();
            bin.set_suppressed_flags(gst::ElementFlags::SOURCE | gst::ElementFlags::SINK);
            bin.set_element_flags(gst::ElementFlags::SINK);
            pads::add_ghosts(&*bin);
            // Missing appsink is reported when the element is started.
            if let Ok(inner) = pads::make("appsink", "appsink") {
                for property in ["sync", "async", "enable-last-sample"] {
                    inner.set_property(property, false);
                }
                let _ = bin.add(&inner);
            }
        }
    }

    impl GstObjectImpl for AppSink {}

    impl ElementImpl for AppSink {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "Anabranch application sink",
                    "Sink/Audio/Video",
                    SUMMARY,
                    "The Anabranch developers",
                )
            });
            Some(&METADATA)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
                pads::templates(&[
                    ("sink_video", gst::PadDirection::Sink),
                    ("sink_audio", gst::PadDirection::Sink),
                ])
            });
            &TEMPLATES
        }

        fn change_state(
            &self,
            transition: gst::StateChange,
        ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
            if transition == gst::StateChange::NullToReady
                && let Err(error) = self.configure()
            {
                self.take_down();
                self.post_error_message(error);
                return Err(gst::StateChangeError);
            }
            let result = self.parent_change_state(transition);
            if transition == gst::StateChange::ReadyToNull {
                self.take_down();
            }
            result
        }
    }

    impl BinImpl for AppSink {}
}

glib::wrapper! {
    /// The element `abappsink`.
    pub struct AppSink(ObjectSubclass<imp::AppSink>)
        @extends gst::Bin, gst::Element, gst::Object, @implements gst::ChildProxy;
}

const SUMMARY: &str = "Gives media to the program that runs the pipeline.";

const DESCRIPTION: &str = "\
The program takes frames out through the Rust API (`element.app_sink()`). `accept: raw` (the default) gives pictures or \
sound, decoded if need be; `any` gives packets as they come; GStreamer caps such as `video/x-raw,format=RGBA,width=320,\
height=240` give raw media converted to that.

With `drop: true` a slow program loses the oldest waiting frames; otherwise the graph waits for it (in real time the \
bridge in front of it then drops). It never waits for the clock.

    test-source -> app-sink accept=video/x-raw,format=RGBA
";

fn describe() -> ElementDescriptor {
    ElementDescriptor {
        name: "app-sink".into(),
        factory: "abappsink".into(),
        role: Role::Sink,
        summary: SUMMARY.into(),
        description: DESCRIPTION.into(),
        author: "The Anabranch developers".into(),
        example: "test-source frames=100 -> app-sink".into(),
        ports: vec![
            port(Medium::Video, Direction::Input, vec![Format::RawVideo]),
            port(Medium::Audio, Direction::Input, vec![Format::RawAudio]),
        ],
        properties: table::<Params>().properties().to_vec(),
        events: Vec::new(),
        requires: vec!["appsink".into()],
        realtime: false,
        refine: Some(refine),
    }
}

fn refine(properties: &PropertyMap) -> Refined {
    let mut refined = Refined {
        parts: vec![Part { factory: "appsink".into(), why: "keeps frames for the program".into() }],
        ..Refined::default()
    };
    let medium: Which =
        properties.get("medium").and_then(|v| serde_json::from_value(v.clone()).ok()).unwrap_or_default();
    // The port that nobody reads takes anything, so that nothing is decoded for it.
    refined.formats.push((medium.other().name().into(), Vec::new()));
    let Some(text) = refine::text(properties, "accept") else { return refined };
    match Accept::parse(text) {
        Ok(Accept::Any) => refined.formats.push((medium.name().into(), Vec::new())),
        Ok(Accept::Raw) => {}
        Ok(Accept::Caps(_)) => match format_of(text) {
            Some(format) if format.medium().name() == medium.name() => {
                refined.formats.push((medium.name().into(), vec![format]));
            }
            _ => refined.problems.push(("accept".into(), format!("'{text}' is not {}", medium.name()))),
        },
        Err(problem) => refined.problems.push(("accept".into(), problem)),
    }
    refined
}

anabranch_kit::inventory::submit! {
    Registration {
        descriptor: describe,
        register: |plugin| {
            gst::Element::register(plugin, "abappsink", gst::Rank::NONE, AppSink::static_type())
        },
    }
}
