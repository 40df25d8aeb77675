//! A failure domain at run time: one `gst::Pipeline`.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use gst::prelude::*;

use super::tails::Tails;
use crate::bridge::Group;
use crate::pipeline::Reason;

/// How long the threads of stopped elements get to finish what they say.
const QUIET_LIMIT: Duration = Duration::from_millis(250);
/// How much longer, when nobody waits for them any more.
const LATE_LIMIT: Duration = Duration::from_secs(5);

/// What a bus message says, without the objects that it refers to: those must not outlive their pipeline.
#[derive(Debug)]
pub(crate) enum Said {
    /// All sinks have ended.
    Eos,
    /// Something failed.
    Error(Reason),
    /// Something is not as it should be.
    Warning(Reason),
    /// An element's own message.
    Element(String, serde_json::Value),
}

impl Said {
    fn hear(message: &gst::Message) -> Option<Said> {
        match message.view() {
            gst::MessageView::Eos(_) => Some(Said::Eos),
            gst::MessageView::Error(e) => {
                Some(Said::Error(Reason::new(e.src(), &e.error(), e.debug().as_deref())))
            }
            gst::MessageView::Warning(w) => {
                Some(Said::Warning(Reason::new(w.src(), &w.error(), w.debug().as_deref())))
            }
            gst::MessageView::Element(_) => {
                anabranch_kit::message::decode(message).map(|(name, data)| Said::Element(name, data))
            }
            _ => None,
        }
    }
}

/// A bus message with the domain that it came from.
#[derive(Debug)]
pub(crate) struct Note {
    /// The domain's id.
    pub domain: String,
    /// Which life of that domain: notes of an earlier life are stale.
    pub life: u64,
    /// The element that owns the message's source, if it could be told.
    pub owner: Option<String>,
    /// Whether that element itself says it, not a part that the engine put next to it.
    pub own: bool,
    /// What it says.
    pub said: Said,
}

/// How a domain's streams ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All its sinks got and handled end of stream.
    Eos,
    /// It failed.
    Failed,
}

#[derive(Default)]
struct Endings {
    eos: bool,
    failed: bool,
}

impl Endings {
    fn now(&self) -> Option<Ending> {
        match (self.failed, self.eos) {
            (true, _) => Some(Ending::Failed),
            (false, true) => Some(Ending::Eos),
            (false, false) => None,
        }
    }
}

#[derive(Default)]
struct Shared {
    ending: Mutex<Endings>,
    ended: Condvar,
    /// Names of the pipeline's children and the graph elements that they belong to.
    owners: Mutex<HashMap<String, String>>,
}

/// A failure domain: one GStreamer pipeline on the common clock.
pub(crate) struct Domain {
    pub pipeline: gst::Pipeline,
    pub life: u64,
    pub group: Group,
    pub started: bool,
    /// Whether media enters it over bridges.
    pub consumes: bool,
    shared: Arc<Shared>,
    tails: Tails,
}

/// The graph element that an object belongs to, and whether it is that element or inside it.
fn owner_of(
    pipeline: &gst::Object,
    owners: &HashMap<String, String>,
    source: &gst::Object,
) -> Option<(String, bool)> {
    let mut object = source.clone();
    loop {
        let parent = object.parent()?;
        if &parent == pipeline {
            let name = object.name();
            return owners.get(name.as_str()).map(|owner| (owner.clone(), *owner == *name));
        }
        object = parent;
    }
}

impl Domain {
    pub fn new(
        id: &str,
        life: u64,
        clock: &gst::Clock,
        base_time: gst::ClockTime,
        consumes: bool,
        notes: tokio::sync::mpsc::UnboundedSender<Note>,
    ) -> Self {
        let pipeline = gst::Pipeline::builder().name(format!("domain:{id}")).build();
        pipeline.use_clock(Some(clock));
        // All domains share one base time, so running times mean the same everywhere.
        pipeline.set_start_time(gst::ClockTime::NONE);
        pipeline.set_base_time(base_time);
        let shared = Arc::new(Shared::default());
        if let Some(bus) = pipeline.bus() {
            let shared = shared.clone();
            let weak = pipeline.downgrade();
            let domain = id.to_owned();
            bus.set_sync_handler(move |_, message| {
                let Some(said) = Said::hear(message) else { return gst::BusSyncReply::Drop };
                let owner = weak.upgrade().zip(message.src()).and_then(|(pipeline, source)| {
                    let owners = shared.owners.lock().unwrap_or_else(PoisonError::into_inner);
                    owner_of(pipeline.upcast_ref(), &owners, source)
                });
                let (owner, own) = owner.map_or((None, false), |(owner, own)| (Some(owner), own));
                // Under one lock: whoever sees that the domain has ended finds the note that says how.
                let mut ending = shared.ending.lock().unwrap_or_else(PoisonError::into_inner);
                match said {
                    Said::Eos => ending.eos = true,
                    Said::Error(_) => ending.failed = true,
                    Said::Warning(_) | Said::Element(..) => {}
                }
                if ending.now().is_some() {
                    shared.ended.notify_all();
                }
                // The actor may be gone already: then nobody wants to know.
                let _ = notes.send(Note { domain: domain.clone(), life, owner, own, said });
                gst::BusSyncReply::Drop
            });
        }
        Domain {
            pipeline,
            life,
            group: Group::default(),
            started: false,
            consumes,
            shared,
            tails: Tails::default(),
        }
    }

    /// Adds an element that belongs to the graph element `owner`.
    pub fn add(&self, element: &impl IsA<gst::Element>, owner: &str) -> Result<(), glib::BoolError> {
        self.shared
            .owners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(element.as_ref().name().into(), owner.to_owned());
        self.pipeline.add(element.as_ref())
    }

    /// Stops an element and takes it out.
    pub fn remove(&self, element: &gst::Element) {
        // Locked, so that the pipeline's own state changes do not wake it again.
        element.set_locked_state(true);
        let _ = element.set_state(gst::State::Null);
        let _ = self.pipeline.remove(element);
        let mut owners = self.shared.owners.lock().unwrap_or_else(PoisonError::into_inner);
        owners.remove(element.name().as_str());
    }

    /// Watches an output of a filter for its end, in case nobody takes what it gives.
    pub fn watch_tail(&self, pad: &gst::Pad) {
        self.tails.watch(&self.pipeline, pad);
    }

    /// How its streams ended, if they have.
    pub fn ending(&self) -> Option<Ending> {
        self.shared.ending.lock().unwrap_or_else(PoisonError::into_inner).now()
    }

    /// Forgets an end of stream: media flows again.
    pub fn reopen(&self) {
        self.shared.ending.lock().unwrap_or_else(PoisonError::into_inner).eos = false;
    }

    /// Forgets a failure: media flows past it.
    pub fn recover(&self) {
        self.shared.ending.lock().unwrap_or_else(PoisonError::into_inner).failed = false;
    }

    /// Waits until its streams have ended; none if the time runs out first.
    pub fn wait_end(&self, limit: Duration) -> Option<Ending> {
        let deadline = Instant::now() + limit;
        let mut ending = self.shared.ending.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(ending) = ending.now() {
                return Some(ending);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            ending = self.shared.ended.wait_timeout(ending, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Starts it. Errors come as bus messages as well.
    pub fn start(&mut self) -> bool {
        self.started = true;
        self.pipeline.set_state(gst::State::Playing).is_ok()
    }

    /// Stops it and gives everything back, on a thread of its own: an element that hangs holds up nobody. Returns
    /// whether it stopped in time.
    pub fn stop(self, limit: Duration) -> bool {
        let (done, stopped) = mpsc::channel();
        let pipeline = self.pipeline;
        let name = pipeline.name();
        let thread = std::thread::Builder::new().name(format!("stop-{name}")).spawn(move || {
            let _ = pipeline.set_state(gst::State::Null);
            // A bin's messages reach its parent through a bare pointer: the pipeline must not go while a thread of
            // one of its elements may still be posting. Such a thread holds a reference to its element.
            let children: Vec<gst::Element> = pipeline.children();
            for child in &children {
                let _ = pipeline.remove(child);
            }
            let are_quiet = |limit: Duration| {
                let by = Instant::now() + limit;
                while children.iter().any(|child| child.ref_count() > 1) {
                    if Instant::now() >= by {
                        return false;
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
                true
            };
            if !are_quiet(QUIET_LIMIT) {
                // Nobody is kept waiting, but this thread waits on. An application may keep an element for good.
                let _ = done.send(());
                are_quiet(LATE_LIMIT);
            }
            if let Some(bus) = pipeline.bus() {
                bus.unset_sync_handler();
                bus.set_flushing(true);
            }
            // Before it is told: who waits may end the program, and GStreamer with it.
            drop(children);
            drop(pipeline);
            let _ = done.send(());
        });
        thread.is_ok() && stopped.recv_timeout(limit).is_ok()
    }
}
