//! The GObject: ports, properties, commands and states.

use std::sync::{Arc, LazyLock, Mutex};

use anabranch_graph::format::Medium;
use anabranch_kit::command::{self, Answer};
use anabranch_kit::endpoint::{Endpoint, EndpointError, ReceivePort, Shell, TaskHandle, ghost, templates};
use anabranch_kit::message;
use anabranch_kit::params::ParamStore;
use glib::subclass::Signal;
use glib::subclass::prelude::*;
use gst::prelude::*;
use gst::subclass::prelude::*;
use serde_json::{Value, json};

use super::Options;
use super::describe::SUMMARY;
use super::task::{self, Ports, Request};
use crate::media::send::{SendPort, Told};
use crate::session::summary;

const MEDIA: [Medium; 2] = [Medium::Video, Medium::Audio];

#[derive(Default)]
pub struct Rtp {
    params: ParamStore<Options>,
    shell: Shell<Arc<Ports>, TaskHandle<Request>>,
}

#[glib::object_subclass]
impl ObjectSubclass for Rtp {
    const NAME: &'static str = "AbRtp";
    type Type = super::Rtp;
    type ParentType = gst::Bin;
}

impl Endpoint for Rtp {
    type Ports = Arc<Ports>;
    type Live = TaskHandle<Request>;

    fn shell(&self) -> &Shell<Arc<Ports>, TaskHandle<Request>> {
        &self.shell
    }

    fn make_ports(&self) -> Result<Arc<Ports>, EndpointError> {
        let element = self.obj();
        let bin: &gst::Bin = element.upcast_ref();
        let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
        for medium in MEDIA {
            let pad = ghost(bin, &format!("sink_{medium}"))?;
            let weak = bin.downgrade();
            let port = SendPort::new(bin, &pad, medium, false, move |told| {
                if let (Told::Failed(error), Some(bin)) = (told, weak.upgrade()) {
                    let reason = format!("the {medium} is not sent: {error}");
                    message::post(&bin, "track-trouble", json!({"medium": medium, "reason": reason}));
                }
            })?;
            inputs.push((medium, port));
        }
        for medium in MEDIA {
            let pad = ghost(bin, &format!("src_{medium}"))?;
            outputs.push((medium, ReceivePort::new(pad, medium, "rtp")));
        }
        Ok(Arc::new(Ports { inputs, outputs, session: Mutex::default() }))
    }

    fn outputs(ports: &Arc<Ports>) -> Vec<&ReceivePort> {
        ports.outputs.iter().map(|(_, port)| port).collect()
    }

    fn start(&self, ports: &Arc<Ports>) -> Result<TaskHandle<Request>, EndpointError> {
        task::start(self.obj().upcast_ref(), ports, self.params.get())
            .ok_or_else(|| EndpointError::failed("there are no threads left for an RTP peer"))
    }

    fn stop(&self, task: TaskHandle<Request>) {
        task.stop();
    }
}

impl Rtp {
    fn command(&self, name: &str, arguments: Value, answer: Answer) {
        let request = |name, arguments, answer| Request::Command { name, arguments, answer };
        self.shell.command(name, arguments, answer, request);
    }

    fn stats(&self) -> gst::Structure {
        let Some(ports) = self.shell.ports() else { return gst::Structure::new_empty("stats") };
        let known = ports.session().map(|session| session.stats());
        let mut structure = summary(&known.unwrap_or_default());
        for (medium, port) in &ports.inputs {
            structure.set(format!("{medium}-dropped"), port.dropped());
            structure.set(format!("{medium}-key-frames-requested-by-peer"), port.key_frame_requests());
        }
        for (medium, port) in &ports.outputs {
            structure.set(format!("{medium}-key-frames-requested-of-peer"), port.key_frame_requests());
        }
        structure
    }
}

impl ObjectImpl for Rtp {
    anabranch_kit::object_properties!(params: Options, stats: Rtp::stats);

    fn signals() -> &'static [Signal] {
        static SIGNALS: LazyLock<Vec<Signal>> = LazyLock::new(|| {
            vec![command::signal(|element: &super::Rtp, name, arguments, answer| {
                element.imp().command(name, arguments, answer);
            })]
        });
        &SIGNALS
    }

    fn constructed(&self) {
        self.parent_constructed();
        self.set_up();
    }
}

impl GstObjectImpl for Rtp {}

impl ElementImpl for Rtp {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Anabranch RTP endpoint",
                "Source/Sink/Network/RTP",
                SUMMARY,
                "The Anabranch developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> =
            LazyLock::new(|| templates(&["sink_video", "sink_audio", "src_video", "src_audio"]));
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        self.switch(transition)
    }
}

impl BinImpl for Rtp {
    fn handle_message(&self, message: gst::Message) {
        match message.view() {
            // What goes wrong inside concerns the present peer. The element stays, for the next one.
            gst::MessageView::Error(error) => {
                let source = message.src().map(|s| s.name().to_string()).unwrap_or_default();
                self.shell.tell(Request::Trouble(format!("{source}: {}", error.error().message())));
            }
            gst::MessageView::Warning(warning) => {
                if let Some(source) = message.src() {
                    // One for each packet would be a flood.
                    let why = crate::session::why(warning);
                    self.shell.tell(Request::Unsent { sink: source.downgrade(), why });
                }
            }
            _ => self.parent_handle_message(message),
        }
    }
}
