//! `test-peer`: sends a moving picture, and takes what it is told to want.

use std::sync::{Arc, LazyLock, Mutex};

use anabranch_engine::graph::catalog::{Direction, ElementDescriptor, PortSpec, Role};
use anabranch_engine::graph::format::{Format, Medium};
use anabranch_kit::command::{self, Answer, CommandError};
use anabranch_kit::registry::Registration;
use glib::subclass::prelude::*;
use gst::prelude::*;
use gst::subclass::prelude::*;
use serde_json::{Value, json};

#[derive(Default)]
struct Got {
    /// Names of the caps that came with buffers, in order.
    caps: Vec<String>,
    waiting: Vec<(String, Answer)>,
}

mod imp {
    use super::*;

    #[derive(Default)]
    pub struct TestPeer {
        pub(super) got: Arc<Mutex<Got>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for TestPeer {
        const NAME: &'static str = "AbTestPeer";
        type Type = super::TestPeer;
        type ParentType = gst::Bin;
    }

    impl ObjectImpl for TestPeer {
        fn signals() -> &'static [glib::subclass::Signal] {
            static SIGNALS: LazyLock<Vec<glib::subclass::Signal>> = LazyLock::new(|| {
                vec![command::signal(|peer: &super::TestPeer, name, arguments, answer| {
                    peer.imp().command(name, arguments, answer);
                })]
            });
            &SIGNALS
        }

        fn constructed(&self) {
            self.parent_constructed();
            let bin = self.obj();
            let source = gst::ElementFactory::make("videotestsrc").property("is-live", true).build().unwrap();
            let sink = gst::ElementFactory::make("fakesink")
                .property("sync", false)
                .property("async", false)
                .build()
                .unwrap();
            bin.add_many([&source, &sink]).unwrap();
            let out = source.static_pad("src").unwrap();
            bin.add_pad(&gst::GhostPad::builder_with_target(&out).unwrap().name("src_video").build())
                .unwrap();
            let pad = sink.static_pad("sink").unwrap();
            let got = self.got.clone();
            pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, move |pad, _| {
                let Some(caps) = pad.current_caps() else { return gst::PadProbeReturn::Ok };
                let name = caps.structure(0).unwrap().name().to_string();
                let mut got = got.lock().unwrap();
                if got.caps.last() != Some(&name) {
                    got.caps.push(name.clone());
                }
                let ready: Vec<_> = got.waiting.extract_if(.., |(wanted, _)| *wanted == name).collect();
                drop(got);
                ready.into_iter().for_each(|(_, answer)| answer.send(Ok(Value::Null)));
                gst::PadProbeReturn::Ok
            });
            bin.add_pad(&gst::GhostPad::builder_with_target(&pad).unwrap().name("sink_video").build())
                .unwrap();
        }
    }

    impl TestPeer {
        fn command(&self, name: &str, arguments: Value, answer: Answer) {
            match name {
                "got" => {
                    let caps = self.got.lock().unwrap().caps.clone();
                    answer.send(Ok(json!(caps)));
                }
                "await-caps" => {
                    let wanted = arguments["name"].as_str().unwrap().to_owned();
                    self.got.lock().unwrap().waiting.push((wanted, answer));
                }
                "want" => {
                    anabranch_kit::message::post(&*self.obj(), "wants", arguments);
                    answer.send(Ok(Value::Null));
                }
                other => answer.send(Err(CommandError::unknown(other))),
            }
        }
    }

    impl GstObjectImpl for TestPeer {}
    impl ElementImpl for TestPeer {}
    impl BinImpl for TestPeer {}
}

glib::wrapper! {
    pub struct TestPeer(ObjectSubclass<imp::TestPeer>) @extends gst::Bin, gst::Element, gst::Object;
}

fn port(direction: Direction, pad: &str, formats: Vec<Format>) -> PortSpec {
    PortSpec {
        name: "video".into(),
        direction,
        medium: Medium::Video,
        pad: pad.into(),
        formats,
        layouts: Vec::new(),
        required: false,
        multiple: false,
    }
}

fn describe() -> ElementDescriptor {
    ElementDescriptor {
        name: "test-peer".into(),
        factory: "abtestpeer".into(),
        role: Role::Endpoint,
        summary: "A peer of the test's own.".into(),
        description: String::new(),
        author: String::new(),
        example: String::new(),
        ports: vec![
            port(Direction::Input, "sink_video", vec![Format::Vp8, Format::H264, Format::RawVideo]),
            port(Direction::Output, "src_video", vec![]),
        ],
        properties: Vec::new(),
        events: Vec::new(),
        requires: Vec::new(),
        realtime: true,
        refine: None,
    }
}

anabranch_kit::inventory::submit! {
    Registration {
        descriptor: describe,
        register: |plugin| {
            gst::Element::register(plugin, "abtestpeer", gst::Rank::NONE, TestPeer::static_type())
        },
    }
}
