//! `null-sink`: takes video and audio of any format and throws them away.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use anabranch_graph::catalog::{Direction, ElementDescriptor, Part, PortSpec, PropertyMap, Refined, Role};
use anabranch_graph::format::{Format, Medium};
use anabranch_kit::params::{ParamStore, table};
use anabranch_kit::registry::Registration;
use glib::subclass::prelude::*;
use gst::prelude::*;
use gst::subclass::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pads;

/// What a null sink asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Accept {
    /// Media as they come.
    #[default]
    Any,
    /// Raw media, decoded if need be.
    Raw,
}

/// The properties of `null-sink`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// Whether it takes media as they come or has them decoded.
    pub accept: Accept,
}

mod imp {
    use std::sync::Arc;

    use super::*;

    /// What has come in on one port.
    #[derive(Debug, Default)]
    struct Count {
        buffers: AtomicU64,
        bytes: AtomicU64,
    }

    #[derive(Default)]
    pub struct NullSink {
        params: ParamStore<Params>,
        video: Arc<Count>,
        audio: Arc<Count>,
    }

    impl NullSink {
        fn stats(&self) -> gst::Structure {
            let get = |n: &AtomicU64| n.load(Ordering::Relaxed);
            gst::Structure::builder("stats")
                .field("video-buffers", get(&self.video.buffers))
                .field("video-bytes", get(&self.video.bytes))
                .field("audio-buffers", get(&self.audio.buffers))
                .field("audio-bytes", get(&self.audio.bytes))
                .build()
        }

        /// A sink behind the port, once the port is linked: a sink that nothing feeds would never see its EOS.
        fn open(&self, name: &str, count: &Arc<Count>) -> Result<(), gst::ErrorMessage> {
            let bin = self.obj();
            let failed = || pads::link_failed("The null sink's insides");
            let sink = pads::make("fakesink", name)?;
            for property in ["sync", "async", "enable-last-sample"] {
                sink.set_property(property, false);
            }
            bin.add(&sink).map_err(|_| failed())?;
            let pad = sink.static_pad("sink").ok_or_else(failed)?;
            let count = count.clone();
            pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, move |_, info| {
                let (buffers, bytes) = match &info.data {
                    Some(gst::PadProbeData::Buffer(buffer)) => (1, buffer.size()),
                    Some(gst::PadProbeData::BufferList(list)) => (list.len(), list.calculate_size()),
                    _ => (0, 0),
                };
                count.buffers.fetch_add(buffers as u64, Ordering::Relaxed);
                count.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
                gst::PadProbeReturn::Ok
            });
            let ghost = pads::ghost(&*bin, &format!("sink_{name}")).ok_or_else(failed)?;
            ghost.set_target(Some(&pad)).map_err(|_| failed())?;
            pads::count_if_linked(&ghost, &sink);
            Ok(())
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for NullSink {
        const NAME: &'static str = "AbNullSink";
        type Type = super::NullSink;
        type ParentType = gst::Bin;
    }

    impl ObjectImpl for NullSink {
        anabranch_kit::object_properties!(params: Params, stats: NullSink::stats);

        fn constructed(&self) {
            self.parent_constructed();
            let bin = self.obj();
            bin.set_suppressed_flags(gst::ElementFlags::SOURCE | gst::ElementFlags::SINK);
            bin.set_element_flags(gst::ElementFlags::SINK);
            pads::add_ghosts(&*bin);
            for (name, count) in [("video", &self.video), ("audio", &self.audio)] {
                if let Err(error) = self.open(name, count) {
                    gst::error!(gst::CAT_RUST, imp = self, "{error:?}");
                }
            }
        }
    }

    impl GstObjectImpl for NullSink {}

    impl ElementImpl for NullSink {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "Anabranch null sink",
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
    }

    impl BinImpl for NullSink {}
}

glib::wrapper! {
    /// The element `abnullsink`.
    pub struct NullSink(ObjectSubclass<imp::NullSink>)
        @extends gst::Bin, gst::Element, gst::Object, @implements gst::ChildProxy;
}

const SUMMARY: &str = "Takes video and audio of any format and throws them away.";

const DESCRIPTION: &str = "\
Throws away what it gets, in the format in which it comes: nothing is decoded for it, unless `accept: raw` asks for that. \
It never waits for the clock. Its \
statistics (`video_buffers`, `video_bytes`, `audio_buffers`, `audio_bytes`) say how much it got.

Useful to run a filter for its events only, and to measure.

    player uri=street.mp4 -> face-detector -> null-sink
";

fn port(name: &str, medium: Medium) -> PortSpec {
    PortSpec {
        name: name.into(),
        direction: Direction::Input,
        medium,
        pad: format!("sink_{name}"),
        formats: Vec::new(),
        layouts: Vec::new(),
        required: false,
        multiple: false,
    }
}

fn describe() -> ElementDescriptor {
    ElementDescriptor {
        name: "null-sink".into(),
        factory: "abnullsink".into(),
        role: Role::Sink,
        summary: SUMMARY.into(),
        description: DESCRIPTION.into(),
        author: "The Anabranch developers".into(),
        example: "test-source frames=100 -> null-sink".into(),
        ports: vec![port("video", Medium::Video), port("audio", Medium::Audio)],
        properties: table::<Params>().properties().to_vec(),
        events: Vec::new(),
        requires: vec!["fakesink".into()],
        realtime: false,
        refine: Some(refine),
    }
}

fn refine(properties: &PropertyMap) -> Refined {
    let raw = properties.get("accept").and_then(serde_json::Value::as_str) == Some("raw");
    let why = if raw { "it takes raw media" } else { "it takes anything" };
    let mut refined =
        Refined { parts: vec![Part { factory: "fakesink".into(), why: why.into() }], ..Refined::default() };
    if raw {
        refined.formats = vec![
            (Medium::Video.name().into(), vec![Format::RawVideo]),
            (Medium::Audio.name().into(), vec![Format::RawAudio]),
        ];
    }
    refined
}

anabranch_kit::inventory::submit! {
    Registration {
        descriptor: describe,
        register: |plugin| {
            gst::Element::register(plugin, "abnullsink", gst::Rank::NONE, NullSink::static_type())
        },
    }
}
