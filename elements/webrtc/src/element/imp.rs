//! The GObject: ports, properties, commands and states.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use anabranch_graph::format::Medium;
use anabranch_kit::command::{self, Answer};
use anabranch_kit::endpoint::stats as streams;
use anabranch_kit::endpoint::{Endpoint, EndpointError, ReceivePort, Shell, TaskHandle, ghost, templates};
use anabranch_kit::params::ParamStore;
use glib::subclass::Signal;
use glib::subclass::prelude::*;
use gst::prelude::*;
use gst::subclass::prelude::*;
use serde_json::Value;
use tokio::sync::mpsc;

use super::describe::SUMMARY;
use super::warm_up::warm_up;
use crate::media::data::{self, Budget, Message, Output};
use crate::media::ports::{Ports, Streams};
use crate::media::send::SendPort;
use crate::options::Options;
use crate::peer::{self, AnswerSlot, Request};

#[derive(Default)]
pub struct WebRtc {
    params: ParamStore<Options>,
    shell: Shell<Arc<Ports>, TaskHandle<Request>>,
    /// Where the data port's messages go.
    messages: Arc<Mutex<Option<mpsc::UnboundedSender<Request>>>>,
}

#[glib::object_subclass]
impl ObjectSubclass for WebRtc {
    const NAME: &'static str = "AbWebRtc";
    type Type = super::WebRtc;
    type ParentType = gst::Bin;
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Endpoint for WebRtc {
    type Ports = Arc<Ports>;
    type Live = TaskHandle<Request>;

    fn shell(&self) -> &Shell<Arc<Ports>, TaskHandle<Request>> {
        &self.shell
    }

    fn make_ports(&self) -> Result<Arc<Ports>, EndpointError> {
        let element = self.obj();
        let bin: &gst::Bin = element.upcast_ref();
        let ghost = |name: &str| ghost(bin, name);
        let output = |medium: Medium| -> Result<ReceivePort, EndpointError> {
            Ok(ReceivePort::new(ghost(&format!("src_{medium}"))?, medium, "webrtc"))
        };
        let budget = Arc::new(Budget::default());
        let messages = self.messages.clone();
        let deliver = move |message: Message| {
            if let Some(sender) = lock(&messages).as_ref() {
                // The task is ending: then nobody takes messages.
                let _ = sender.send(Request::Data(message));
            }
        };
        let ports = Ports {
            video_in: SendPort::new(bin, ghost("sink_video")?, Medium::Video)?,
            audio_in: SendPort::new(bin, ghost("sink_audio")?, Medium::Audio)?,
            video_out: output(Medium::Video)?,
            audio_out: output(Medium::Audio)?,
            data_out: Output::new(bin, &ghost("src_data")?)?,
            data_budget: budget.clone(),
            streams: Streams::default(),
        };
        let template = element.pad_template("sink_data");
        let template = template.ok_or_else(|| EndpointError::failed("no pad template 'sink_data'"))?;
        element.add_pad(&data::input(&template, &budget, deliver))?;
        Ok(Arc::new(ports))
    }

    fn outputs(ports: &Arc<Ports>) -> Vec<&ReceivePort> {
        vec![&ports.video_out, &ports.audio_out]
    }

    fn start(&self, ports: &Arc<Ports>) -> Result<TaskHandle<Request>, EndpointError> {
        warm_up();
        ports.streams.write(Vec::new());
        let handle = peer::start(self.obj().upcast_ref(), ports, self.params.get())
            .ok_or_else(|| EndpointError::failed("there are no threads left for a WebRTC peer"))?;
        *lock(&self.messages) = Some(handle.sender());
        Ok(handle)
    }

    fn stop(&self, task: TaskHandle<Request>) {
        self.shut_data();
        lock(&self.messages).take();
        task.stop();
    }
}

impl WebRtc {
    /// Nobody waits in the data port any more.
    fn shut_data(&self) {
        if let Some(ports) = self.shell.ports() {
            ports.data_budget.set_open(false);
        }
    }

    fn command(&self, name: &str, arguments: Value, answer: Answer) {
        let request =
            |name, arguments, answer| Request::Command { name, arguments, answer: AnswerSlot(answer) };
        self.shell.command(name, arguments, answer, request);
    }

    fn changed(&self, name: &str) {
        self.shell.tell(Request::Property(name.to_owned(), Box::new(self.params.get())));
    }

    fn stats(&self) -> gst::Structure {
        let stats = gst::Structure::builder("stats");
        let Some(ports) = self.shell.ports() else { return stats.build() };
        let mut stats = stats
            .field("video-dropped", ports.video_in.dropped())
            .field("audio-dropped", ports.audio_in.dropped())
            .field("key-frames-requested-by-peer", ports.video_in.key_frame_requests())
            .field("key-frames-requested-of-peer", ports.video_out.key_frame_requests())
            .field("messages-lost", ports.data_out.lost())
            .build();
        let (streams, ask) = ports.streams.read();
        streams::write(&mut stats, &streams);
        if ask {
            self.shell.tell(Request::Look);
        }
        stats
    }
}

impl ObjectImpl for WebRtc {
    anabranch_kit::object_properties!(params: Options, stats: WebRtc::stats, changed: WebRtc::changed);

    fn signals() -> &'static [Signal] {
        static SIGNALS: LazyLock<Vec<Signal>> = LazyLock::new(|| {
            vec![command::signal(|element: &super::WebRtc, name, arguments, answer| {
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

impl GstObjectImpl for WebRtc {}

impl ElementImpl for WebRtc {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Anabranch WebRTC endpoint",
                "Source/Sink/Network/WebRTC",
                SUMMARY,
                "The Anabranch developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            templates(&["sink_video", "sink_audio", "sink_data", "src_video", "src_audio", "src_data"])
        });
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::PausedToReady {
            self.shut_data();
        }
        self.switch(transition)
    }
}

impl BinImpl for WebRtc {
    fn handle_message(&self, message: gst::Message) {
        // What goes wrong inside concerns the present peer. The element stays, for the next one.
        if let gst::MessageView::Error(error) = message.view() {
            let source = message.src().map(|s| s.name().to_string()).unwrap_or_default();
            let text = format!("{source}: {}", error.error().message());
            let detail = error.debug().map(|d| d.to_string()).unwrap_or_default();
            tracing::info!(text = %text, detail = %detail, "an element of the peer has trouble");
            // An association is in error, too, when the peer closes it.
            let is_data = source.starts_with("sctp");
            self.shell.tell(Request::Trouble { text, fatal: !is_data });
            return;
        }
        self.parent_handle_message(message);
    }
}
