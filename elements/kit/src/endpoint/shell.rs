//! What the GObjects of endpoints have in common: ports that are made once, and what lives from READY to NULL.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use glib::subclass::prelude::*;
use gst::prelude::*;
use gst::subclass::prelude::*;
use serde_json::Value;

use super::{EndpointError, ReceivePort, TaskHandle};
use crate::command::{Answer, CommandError, CommandErrorKind};

/// The ports of an element, and what there is of it while it runs.
#[derive(Debug)]
pub struct Shell<P, L> {
    ports: OnceLock<P>,
    /// Why the ports could not be made.
    broken: OnceLock<EndpointError>,
    live: Mutex<Option<L>>,
}

impl<P, L> Default for Shell<P, L> {
    fn default() -> Self {
        Shell { ports: OnceLock::new(), broken: OnceLock::new(), live: Mutex::new(None) }
    }
}

impl<P, L> Shell<P, L> {
    /// The ports; `None` if they could not be made.
    pub fn ports(&self) -> Option<&P> {
        self.ports.get()
    }

    /// What there is while the element runs. Nothing that waits may be done with it.
    pub fn live(&self) -> MutexGuard<'_, Option<L>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P, R> Shell<P, TaskHandle<R>> {
    /// Hands a command to the task; if there is none, the answer says so.
    pub fn command(&self, name: &str, arguments: Value, answer: Answer, request: Asking<R>) {
        let live = self.live();
        match &*live {
            Some(task) => task.send(request(name.to_owned(), arguments, answer)),
            None => {
                drop(live);
                answer.send(Err(CommandError::new(
                    CommandErrorKind::Conflict,
                    "not-running",
                    "the endpoint is not running",
                )));
            }
        }
    }

    /// Hands a request to the task, if there is one.
    pub fn tell(&self, request: R) {
        if let Some(task) = &*self.live() {
            task.send(request);
        }
    }
}

/// Makes a request of a command.
type Asking<R> = fn(name: String, arguments: Value, answer: Answer) -> R;

/// An endpoint of the network as a GStreamer bin.
pub trait Endpoint: BinImpl
where
    <Self as ObjectSubclass>::Type: IsA<gst::Bin>,
{
    /// Its ports.
    type Ports;
    /// What there is while it runs.
    type Live;

    /// Whether its pipeline takes it for a source or a sink. Neither: it never ends by itself, and nobody waits for its
    /// preroll.
    const ROLE: gst::ElementFlags = gst::ElementFlags::empty();

    /// Where both are kept.
    fn shell(&self) -> &Shell<Self::Ports, Self::Live>;

    /// Makes the ports, once.
    ///
    /// # Errors
    ///
    /// What is missing; it is told when the element is started.
    fn make_ports(&self) -> Result<Self::Ports, EndpointError>;

    /// The ports that media come out of.
    fn outputs(ports: &Self::Ports) -> Vec<&ReceivePort>;

    /// Goes to READY.
    ///
    /// # Errors
    ///
    /// Why it cannot.
    fn start(&self, ports: &Self::Ports) -> Result<Self::Live, EndpointError>;

    /// Gives back what there was while it ran; called without a lock.
    fn stop(&self, live: Self::Live);

    /// For the end of `ObjectImpl::constructed`.
    fn set_up(&self) {
        let element = self.obj();
        let bin: &gst::Bin = element.upcast_ref();
        bin.set_suppressed_flags(gst::ElementFlags::SOURCE | gst::ElementFlags::SINK);
        bin.set_element_flags(Self::ROLE);
        // Each is set once, here.
        match self.make_ports() {
            Ok(ports) => drop(self.shell().ports.set(ports)),
            Err(error) => drop(self.shell().broken.set(error)),
        }
    }

    /// For `ElementImpl::change_state`; the error of a start is posted.
    ///
    /// # Errors
    ///
    /// It could not be started, or an element inside could not.
    fn switch(&self, transition: gst::StateChange) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        let shell = self.shell();
        if transition == gst::StateChange::NullToReady {
            let started = match (shell.broken.get(), shell.ports()) {
                (None, Some(ports)) => self.start(ports),
                (Some(error), _) => Err(error.clone()),
                (None, None) => Err(EndpointError::failed("the element has no ports")),
            };
            match started {
                Ok(live) => *shell.live() = Some(live),
                Err(error) => {
                    self.post_error_message(error.message());
                    return Err(gst::StateChangeError);
                }
            }
        }
        if transition == gst::StateChange::ReadyToNull {
            let live = shell.live().take();
            if let Some(live) = live {
                self.stop(live);
            }
        }
        let result = self.parent_change_state(transition);
        if transition == gst::StateChange::ReadyToPaused
            && result.is_ok()
            && let Some(ports) = shell.ports()
        {
            for port in Self::outputs(ports) {
                port.repeat_end();
            }
        }
        result
    }
}
