//! The endpoint's task: it alone talks to the transport, one step at a time.

mod commands;
mod data;
mod events;
mod report;

use std::sync::Arc;

use anabranch_graph::format::{Format, Medium};
use anabranch_kit::command::{Answer, CommandError};
use anabranch_kit::endpoint::stats::from_w3c;
use anabranch_kit::message;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::media::data::Message;
use crate::media::ports::Ports;
use crate::options::Options;
use crate::transport::choose::{self, Asked, Choice};
use crate::transport::{Candidate, PeerState, Transport, TransportContext, TransportEvent};
use anabranch_kit::endpoint::{EndpointError, TaskHandle};

/// What the element asks of its task.
#[derive(Debug)]
pub enum Request {
    /// A command, with where to answer.
    Command { name: String, arguments: Value, answer: AnswerSlot },
    /// A message came in on the data port.
    Data(Message),
    /// An element inside has trouble; `fatal`: media cannot go on.
    Trouble { text: String, fatal: bool },
    /// Somebody wants to know how the streams are.
    Look,
    /// A live property changed.
    Property(String, Box<Options>),
}

/// An answer that prints as nothing.
pub struct AnswerSlot(pub Answer);

impl std::fmt::Debug for AnswerSlot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answer")
    }
}

/// Starts the task of an element. `None`: there are no threads left.
pub(crate) fn start(element: &gst::Bin, ports: &Arc<Ports>, options: Options) -> Option<TaskHandle<Request>> {
    let (events, happenings) = mpsc::unbounded_channel();
    let mut peer = Peer {
        element: element.clone(),
        ports: ports.clone(),
        options: Arc::new(options),
        transport: None,
        choice: None,
        events,
        happenings,
        session: Session::default(),
    };
    TaskHandle::start(|inbox, stopped| async move {
        tokio::select! {
            biased;
            _ = stopped => {}
            () = peer.run(inbox) => {}
        }
        peer.end().await;
    })
}

/// One peer after another, as seen from the element.
struct Peer {
    element: gst::Bin,
    ports: Arc<Ports>,
    options: Arc<Options>,
    transport: Option<Box<dyn Transport>>,
    choice: Option<Choice>,
    events: mpsc::UnboundedSender<TransportEvent>,
    happenings: mpsc::UnboundedReceiver<TransportEvent>,
    session: Session,
}

/// What is known of the present peer.
#[derive(Debug, Default)]
struct Session {
    local: Option<String>,
    remote: Option<String>,
    /// An offer of ours waits for its answer.
    offered: bool,
    /// An offer and an answer were exchanged.
    negotiated: bool,
    /// The tracks that an exchange brought are known: from now on each change is told.
    settled: bool,
    /// The last exchange began with an offer of ours.
    offerer: bool,
    /// Candidates that came before the remote description.
    early: Vec<Candidate>,
    /// Local candidates are to be told.
    gather: bool,
    peer: Option<PeerState>,
    ice: Option<&'static str>,
    dtls: Option<&'static str>,
    pair: Option<(String, String)>,
    sends: Vec<(Medium, Format)>,
    data: data::Channels,
    wants: report::Wants,
    estimate: report::Estimate,
}

impl Peer {
    async fn run(&mut self, mut inbox: mpsc::UnboundedReceiver<Request>) {
        loop {
            let pause = self.session.estimate.pause();
            tokio::select! {
                biased;
                Some(event) = self.happenings.recv() => self.happened(event).await,
                request = inbox.recv() => match request {
                    Some(request) => self.asked(request).await,
                    None => return,
                },
                () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => self.report_bandwidth(),
            }
        }
    }

    async fn asked(&mut self, request: Request) {
        match request {
            Request::Command { name, arguments, answer } => {
                let result = self.command(&name, arguments).await;
                answer.0.send(result.map_err(CommandError::from));
                self.drain_events().await;
            }
            Request::Data(message) => self.forward(message),
            Request::Trouble { text, fatal } => {
                if fatal && self.transport.is_some() {
                    self.peer_is(PeerState::Failed, Some(&text));
                }
            }
            Request::Look => {
                let report = match &mut self.transport {
                    Some(transport) => transport.stats().await,
                    None => Value::Null,
                };
                self.ports.streams.write(from_w3c(&report));
            }
            Request::Property(name, options) => {
                self.options = Arc::from(options);
                self.property_changed(&name);
            }
        }
    }

    /// What has happened by now, before the next command is looked at.
    async fn drain_events(&mut self) {
        while let Ok(event) = self.happenings.try_recv() {
            self.happened(event).await;
        }
    }

    fn post(&self, name: &str, data: Value) {
        message::post(&self.element, name, data);
    }

    /// The transport, made if there is none yet.
    fn transport(&mut self, asked: Asked) -> Result<&mut Box<dyn Transport>, EndpointError> {
        if self.transport.is_none() {
            let choice = choose::choose(&self.options, asked)?;
            let context = TransportContext {
                bin: self.element.clone(),
                options: self.options.clone(),
                events: self.events.clone(),
            };
            self.transport = Some(choose::make(choice.kind, context)?);
            self.choice = Some(choice);
            self.post(
                "peer-state",
                json!({"state": PeerState::New, "reason": "a peer is being negotiated with"}),
            );
        }
        self.transport.as_mut().ok_or_else(no_peer)
    }

    /// Ends the present peer.
    async fn end(&mut self) {
        self.ports.set_connected(false);
        self.ports.data_budget.set_open(false);
        for port in [&self.ports.video_in, &self.ports.audio_in] {
            port.close(&self.element);
        }
        for port in [&self.ports.video_out, &self.ports.audio_out] {
            port.close(&self.element);
        }
        if let Some(mut transport) = self.transport.take() {
            transport.close().await;
        }
        self.choice = None;
        self.session = Session::default();
        self.ports.streams.write(Vec::new());
        // What the old transport still had to say is about nobody.
        let (events, happenings) = mpsc::unbounded_channel();
        (self.events, self.happenings) = (events, happenings);
    }
}

/// There is nobody to talk to.
fn no_peer() -> EndpointError {
    EndpointError::conflict("no-local-description", "nothing was negotiated with a peer yet")
}
