//! The endpoint's task: it alone negotiates, one command at a time.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use anabranch_graph::format::{Format, Medium};
use anabranch_kit::command::{Answer, CommandError};
use anabranch_kit::message;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};

use super::Options;
use super::agree::{Agreed, Offered};
use super::text::{Head, Local};
use crate::events;
use crate::media::send::SendPort;
use crate::net::ports::Sockets;
use crate::session::{Change, LOOK_EVERY, Listener, Session};
use anabranch_kit::endpoint::{ReceivePort, TaskHandle};

/// All ports of one element.
#[derive(Debug)]
pub struct Ports {
    pub(super) inputs: Vec<(Medium, SendPort)>,
    pub(super) outputs: Vec<(Medium, ReceivePort)>,
    /// The session with the present peer, for whoever wants to know its numbers.
    pub(super) session: Mutex<Weak<Session>>,
}

impl Ports {
    pub(super) fn input(&self, medium: Medium) -> Option<&SendPort> {
        self.inputs.iter().find(|(m, _)| *m == medium).map(|(_, port)| port)
    }

    /// The session with the present peer.
    pub(super) fn session(&self) -> Option<Arc<Session>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).upgrade()
    }

    /// There is another session now.
    pub(super) fn set_session(&self, session: &Arc<Session>) {
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(session);
    }

    pub(super) fn output(&self, medium: Medium) -> Option<&ReceivePort> {
        self.outputs.iter().find(|(m, _)| *m == medium).map(|(_, port)| port)
    }
}

/// What the element asks of its task.
pub enum Request {
    /// A command, with where to answer.
    Command { name: String, arguments: Value, answer: Answer },
    /// An element inside has trouble.
    Trouble(String),
    /// A packet could not be sent.
    Unsent { sink: glib::WeakRef<gst::Object>, why: String },
}

/// Starts the task of an element. `None`: there are no threads left.
pub(super) fn start(element: &gst::Bin, ports: &Arc<Ports>, options: Options) -> Option<TaskHandle<Request>> {
    let ears = Arc::new(Ears {
        element: gst::prelude::ObjectExt::downgrade(element),
        ports: ports.clone(),
        stirred: Notify::new(),
    });
    let mut task =
        Task { element: element.clone(), ports: ports.clone(), options, ears, talk: Talk::default() };
    TaskHandle::start(|mut inbox, stopped| async move {
        tokio::select! {
            biased;
            _ = stopped => {}
            () = task.run(&mut inbox) => {}
        }
        task.end();
    })
}

/// Hears the peer.
struct Ears {
    element: glib::WeakRef<gst::Bin>,
    ports: Arc<Ports>,
    stirred: Notify,
}

impl Listener for Ears {
    fn stream(&self, medium: Medium, format: &Format, pad: gst::Pad) {
        let (Some(port), Some(element)) = (self.ports.output(medium), self.element.upgrade()) else { return };
        if let Err(error) = port.open(&element, "", format, pad) {
            let reason = format!("the {medium} is not received: {error}");
            message::post(&element, "track-trouble", json!({"medium": medium, "reason": reason}));
        }
    }

    fn stir(&self) {
        self.stirred.notify_one();
    }

    fn bye(&self, _medium: Medium) {
        self.stirred.notify_one();
    }
}

/// An offer of this side that waits for its answer.
pub(super) struct Pending {
    pub offered: Vec<(Offered, Local)>,
    pub sockets: Vec<Sockets>,
    pub head: Head,
}

/// What is known of the present peer.
#[derive(Default)]
pub(super) struct Talk {
    pub local: Option<String>,
    pub remote: Option<String>,
    pub pending: Option<Pending>,
    pub session: Option<Arc<Session>>,
    pub agreed: Vec<Agreed>,
    /// The last exchange began with an offer of this side.
    pub offerer: bool,
    pub peer: Option<&'static str>,
    posted: Vec<(Medium, Value)>,
}

/// One peer after another.
pub(super) struct Task {
    pub element: gst::Bin,
    pub ports: Arc<Ports>,
    pub options: Options,
    ears: Arc<Ears>,
    pub talk: Talk,
}

impl Task {
    async fn run(&mut self, inbox: &mut mpsc::UnboundedReceiver<Request>) {
        let ears = self.ears.clone();
        loop {
            let look = self.talk.session.is_some();
            tokio::select! {
                biased;
                request = inbox.recv() => match request {
                    Some(request) => self.asked(request),
                    None => return,
                },
                () = ears.stirred.notified() => self.look(),
                () = tokio::time::sleep(LOOK_EVERY), if look => self.look(),
            }
        }
    }

    /// Who hears for a session.
    pub fn listener(&self) -> Weak<dyn Listener> {
        let ears: Arc<dyn Listener> = self.ears.clone();
        Arc::downgrade(&ears)
    }

    fn asked(&mut self, request: Request) {
        match request {
            Request::Command { name, arguments, answer } => {
                let result = self.command(&name, arguments);
                answer.send(result.map_err(CommandError::from));
            }
            Request::Trouble(text) => {
                if self.talk.session.is_some() {
                    self.post("track-trouble", json!({"medium": Medium::Video, "reason": text}));
                }
            }
            Request::Unsent { sink, why } => {
                if let (Some(sink), Some(session)) = (sink.upgrade(), &self.talk.session) {
                    session.unsent(&sink, &why);
                }
            }
        }
    }

    pub fn post(&self, name: &str, data: Value) {
        message::post(&self.element, name, data);
    }

    /// What has happened on the network.
    fn look(&mut self) {
        let Some(session) = &self.talk.session else { return };
        let changes = session.look(Duration::from_millis(u64::from(self.options.timeout_ms)));
        self.reach();
        for change in &changes {
            if let Change::Media { state, .. } = change {
                self.talk.peer = Some(state.name());
            }
            events::report(&self.element, change);
        }
    }

    /// Sends to whom there is an address of.
    pub fn reach(&mut self) {
        let legs = self.talk.session.as_ref().map(|s| s.legs()).unwrap_or_default();
        for (medium, port) in &self.ports.inputs {
            let there = legs.iter().any(|leg| leg.medium == *medium && leg.sends && leg.has_target());
            port.set_connected(there);
        }
        self.post_wants();
    }

    /// Tells the engine what this peer takes, if it has changed.
    fn post_wants(&mut self) {
        let legs = self.talk.session.as_ref().map(|s| s.legs()).unwrap_or_default();
        for medium in [Medium::Video, Medium::Audio] {
            let there = legs.iter().any(|leg| leg.medium == medium && leg.sends && leg.has_target());
            let agreed = self.talk.agreed.iter().find(|a| a.medium == medium && a.direction.sends() && there);
            let formats: Vec<&str> =
                agreed.iter().filter_map(|a| a.codings.first()).map(|c| c.format.caps()).collect();
            let mut wants = json!({"port": medium, "formats": formats});
            if medium == Medium::Video {
                let theirs = agreed.and_then(|a| a.limit).unwrap_or(0);
                let limits = [theirs, self.options.max_bitrate];
                wants["bitrate"] = json!(limits.into_iter().filter(|kbps| *kbps > 0).min().unwrap_or(0));
            }
            let posted = &mut self.talk.posted;
            match posted.iter_mut().find(|(m, _)| *m == medium) {
                Some((_, last)) if *last == wants => continue,
                Some((_, last)) => last.clone_from(&wants),
                None => posted.push((medium, wants.clone())),
            }
            self.post("wants", wants);
        }
    }

    /// Ends the present peer.
    pub fn end(&mut self) {
        for (_, port) in &self.ports.inputs {
            port.set_connected(false);
            port.set_plan(None);
        }
        let talk = std::mem::take(&mut self.talk);
        if let Some(session) = &talk.session {
            session.close();
        }
        for (_, port) in &self.ports.outputs {
            port.reset(&self.element);
        }
    }
}
