//! `app-source`: a program hands media in.

use std::sync::LazyLock;

use anabranch_graph::catalog::{Direction, ElementDescriptor, Part, PropertyMap, Refined, Role};
use anabranch_graph::format::Medium;
use anabranch_kit::params::{ParamStore, table};
use anabranch_kit::registry::Registration;
use glib::subclass::prelude::*;
use gst::prelude::*;
use gst::subclass::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Which, format_of, port};
use crate::absent::AbsentTrack;
use crate::{pads, refine};

/// The properties of `app-source`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// What the program hands in, as GStreamer caps; empty: it says so with its first frame.
    pub caps: String,
    /// Whether it is video or audio; the other port ends at once.
    pub medium: Which,
    /// Whether frames come at the pace of the clock, as from a camera.
    pub live: bool,
    /// Whether handing in waits when the graph is slower, instead of losing the oldest frames.
    pub block: bool,
    /// Most frames that wait to be taken; 0: no limit.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub max_buffers: u64,
}

impl Default for Params {
    fn default() -> Self {
        Params { caps: String::new(), medium: Which::Video, live: false, block: true, max_buffers: 30 }
    }
}

mod imp {
    use super::*;

    #[derive(Default)]
    pub struct AppSource {
        params: ParamStore<Params>,
    }

    impl AppSource {
        fn inner(&self) -> Option<gst_app::AppSrc> {
            self.obj().by_name("appsrc")?.downcast().ok()
        }

        fn configure(&self) -> Result<(), gst::ErrorMessage> {
            let params = self.params.get();
            let bin = self.obj();
            let failed = || pads::link_failed("The application source's insides");
            let Some(inner) = self.inner() else {
                return Err(pads::make("appsrc", "appsrc").err().unwrap_or_else(failed));
            };
            if !params.caps.is_empty() {
                let caps: gst::Caps = params.caps.parse().map_err(|_| {
                    gst::error_msg!(
                        gst::LibraryError::Settings,
                        ("'{}' are not valid caps; write for instance video/x-raw,format=I420,width=640,height=480,framerate=30/1.", params.caps)
                    )
                })?;
                inner.set_caps(Some(&caps));
            }
            inner.set_is_live(params.live);
            inner.set_block(params.block);
            inner.set_max_buffers(params.max_buffers);
            inner.set_leaky_type(if params.block {
                gst_app::AppLeakyType::None
            } else {
                gst_app::AppLeakyType::Downstream
            });
            let absent = AbsentTrack::new("absent");
            bin.add(&absent).map_err(|_| failed())?;
            let pads =
                [(params.medium, inner.static_pad("src")), (params.medium.other(), absent.static_pad("src"))];
            for (which, pad) in pads {
                let ghost = pads::ghost(&*bin, &format!("src_{}", which.name())).ok_or_else(failed)?;
                let pad = pad.ok_or_else(failed)?;
                pads::hold_while_unlinked(&ghost, &pad);
                ghost.set_target(Some(&pad)).map_err(|_| failed())?;
            }
            Ok(())
        }

        fn take_down(&self) {
            let bin = self.obj();
            for pad in bin.src_pads().into_iter().filter_map(|p| p.downcast::<gst::GhostPad>().ok()) {
                // Taking the target away from a ghost pad cannot fail.
                let _ = pad.set_target(None::<&gst::Pad>);
            }
            if let Some(absent) = bin.by_name("absent") {
                let _ = absent.set_state(gst::State::Null);
                let _ = bin.remove(&absent);
            }
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for AppSource {
        const NAME: &'static str = "AbAppSource";
        type Type = super::AppSource;
        type ParentType = gst::Bin;
    }

    impl ObjectImpl for AppSource {
        anabranch_kit::object_properties!(params: Params);

        fn constructed(&self) {
            self.parent_constructed();
            let bin = self.obj();
            bin.set_suppressed_flags(gst::ElementFlags::SOURCE | gst::ElementFlags::SINK);
            bin.set_element_flags(gst::ElementFlags::SOURCE);
            pads::add_ghosts(&*bin);
            // Missing appsrc is reported when the element is started.
            if let Ok(inner) = pads::make("appsrc", "appsrc") {
                inner.set_property("format", gst::Format::Time);
                inner.set_property("max-bytes", 0u64);
                let _ = bin.add(&inner);
            }
        }
    }

    impl GstObjectImpl for AppSource {}

    impl ElementImpl for AppSource {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "Anabranch application source",
                    "Source/Audio/Video",
                    SUMMARY,
                    "The Anabranch developers",
                )
            });
            Some(&METADATA)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
                pads::templates(&[
                    ("src_video", gst::PadDirection::Src),
                    ("src_audio", gst::PadDirection::Src),
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

    impl BinImpl for AppSource {}
}

glib::wrapper! {
    /// The element `abappsource`.
    pub struct AppSource(ObjectSubclass<imp::AppSource>)
        @extends gst::Bin, gst::Element, gst::Object, @implements gst::ChildProxy;
}

const SUMMARY: &str = "Takes media from the program that runs the pipeline.";

const DESCRIPTION: &str = "\
The program hands frames in, raw or encoded, through the Rust API (`element.app_source()`), each with a timestamp that \
counts from the pipeline's start. One element hands in one medium, `video` unless `medium: audio`; the other port ends at \
once.

With `block: true` handing in waits when the graph is slower; with `block: false` the oldest waiting frames are lost. From \
a shell there is nobody to hand anything in.

    app-source caps=video/x-raw,format=I420,width=640,height=480,framerate=30/1 -> recorder location=a.webm
";

fn describe() -> ElementDescriptor {
    ElementDescriptor {
        name: "app-source".into(),
        factory: "abappsource".into(),
        role: Role::Source,
        summary: SUMMARY.into(),
        description: DESCRIPTION.into(),
        author: "The Anabranch developers".into(),
        example: "app-source -> recorder location=a.webm".into(),
        ports: vec![
            port(Medium::Video, Direction::Output, Vec::new()),
            port(Medium::Audio, Direction::Output, Vec::new()),
        ],
        properties: table::<Params>().properties().to_vec(),
        events: Vec::new(),
        requires: vec!["appsrc".into()],
        realtime: false,
        refine: Some(refine),
    }
}

fn refine(properties: &PropertyMap) -> Refined {
    let flag = |name: &str| properties.get(name).and_then(serde_json::Value::as_bool);
    let mut refined = Refined {
        paced: flag("live").filter(|live| *live),
        parts: vec![Part { factory: "appsrc".into(), why: "takes frames from the program".into() }],
        ..Refined::default()
    };
    let medium: Which =
        properties.get("medium").and_then(|v| serde_json::from_value(v.clone()).ok()).unwrap_or_default();
    if let Some(caps) = refine::text(properties, "caps") {
        let problem = match format_of(caps) {
            Some(format) if format.medium().name() == medium.name() => return refined,
            Some(_) => format!("'{caps}' is not {}, which `medium` says", medium.name()),
            None => format!("'{caps}' are not valid GStreamer caps"),
        };
        refined.problems.push(("caps".into(), problem));
    }
    refined
}

anabranch_kit::inventory::submit! {
    Registration {
        descriptor: describe,
        register: |plugin| {
            gst::Element::register(plugin, "abappsource", gst::Rank::NONE, AppSource::static_type())
        },
    }
}
