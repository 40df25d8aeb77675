//! Where a hub's media leave it: a source pad with a short queue and a thread of its own, so that no consumer holds up
//! the hub.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use anabranch_graph::format::Medium;
use gst::prelude::*;

use crate::lock;

/// How many uncompressed pictures may wait.
const PICTURES: usize = 8;
/// How much else may wait.
const MOST: gst::ClockTime = gst::ClockTime::from_seconds(2);

/// Asks whoever feeds an outlet for a key frame.
type Ask = Arc<dyn Fn() + Send + Sync>;

enum Item {
    Caps(gst::Caps),
    Buffer(gst::Buffer),
    Eos,
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    flushing: bool,
    /// The caps of what comes last.
    caps: Option<gst::Caps>,
    /// Whether the stream was begun downstream.
    begun: bool,
    /// Whether downstream must be flushed before more comes: it had an end of stream.
    revive: bool,
    ended: bool,
    /// No hub gives this medium.
    absent: bool,
    /// After a loss: nothing until the next key frame.
    wants_key: bool,
    lost: u64,
    sent: u64,
}

/// The source pad's side of a hub.
pub struct Outlet {
    medium: Medium,
    queue: Mutex<Queue>,
    ready: Condvar,
    ask: Mutex<Option<Ask>>,
    pad: glib::WeakRef<gst::Pad>,
}

impl Outlet {
    /// An outlet and its pad, which belongs into an element.
    pub fn new(template: &gst::PadTemplate, name: &str, medium: Medium) -> (Arc<Outlet>, gst::Pad) {
        let outlet = Arc::new(Outlet {
            medium,
            queue: Mutex::new(Queue { flushing: true, ..Queue::default() }),
            ready: Condvar::new(),
            ask: Mutex::default(),
            pad: glib::WeakRef::new(),
        });
        let weak = Arc::downgrade(&outlet);
        let event = weak.clone();
        let pad = gst::Pad::builder_from_template(template)
            .name(name)
            .event_function(move |_, _, e| event.upgrade().is_some_and(|outlet| outlet.on_event(&e)))
            .query_function(|pad, parent, query| match query.view_mut() {
                gst::QueryViewMut::Latency(latency) => {
                    latency.set(true, gst::ClockTime::ZERO, None);
                    true
                }
                _ => gst::Pad::query_default(pad, parent, query),
            })
            .activatemode_function(move |pad, _, mode, active| match (mode, weak.upgrade()) {
                (gst::PadMode::Push, Some(outlet)) => outlet.activate(pad, active),
                _ => Ok(()),
            })
            .build();
        outlet.pad.set(Some(&pad));
        (outlet, pad)
    }

    /// Who is asked for a key frame.
    pub fn set_ask(&self, ask: Option<Ask>) {
        *lock(&self.ask) = ask;
    }

    /// Whether anybody takes what goes out.
    pub fn is_wanted(&self) -> bool {
        self.pad.upgrade().is_some_and(|pad| anabranch_kit::consumers::count(&pad) > 0)
    }

    /// How many buffers were lost here because the consumer was too slow.
    pub fn lost(&self) -> u64 {
        lock(&self.queue).lost
    }

    /// How many buffers went out.
    pub fn sent(&self) -> u64 {
        lock(&self.queue).sent
    }

    /// What comes from now on. The same caps again change nothing.
    pub fn caps(&self, caps: &gst::Caps) {
        let mut queue = lock(&self.queue);
        if queue.caps.as_ref() == Some(caps) {
            return;
        }
        queue.caps = Some(caps.clone());
        if !queue.flushing {
            queue.items.push_back(Item::Caps(caps.clone()));
            self.ready.notify_all();
        }
    }

    /// Gives a buffer out, its time stamps in running time. Never blocks: a consumer that is slow loses its own.
    pub fn push(&self, buffer: gst::Buffer) {
        let delta = buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        let mut ask = false;
        {
            let mut queue = lock(&self.queue);
            if queue.flushing || queue.caps.is_none() {
                return;
            }
            if std::mem::replace(&mut queue.ended, false) {
                queue.revive = true;
            }
            if queue.wants_key && delta {
                queue.lost += 1;
                return;
            }
            let mut take = true;
            if self.is_full(&queue) {
                if queue.caps.as_ref().is_some_and(is_raw) {
                    let oldest = queue.items.iter().position(|item| matches!(item, Item::Buffer(_)));
                    if let Some(oldest) = oldest {
                        queue.items.remove(oldest);
                    }
                    queue.lost += 1;
                } else if delta {
                    (take, ask) = (false, true);
                    queue.wants_key = true;
                    queue.lost += 1;
                } else {
                    let before = queue.items.len();
                    queue.items.retain(|item| !matches!(item, Item::Buffer(_)));
                    queue.lost += (before - queue.items.len()) as u64;
                }
            }
            if take {
                queue.wants_key = false;
                queue.sent += 1;
                queue.items.push_back(Item::Buffer(buffer));
                self.ready.notify_all();
            }
        }
        if ask {
            self.ask_for_key();
        }
    }

    /// Ends the stream; a later buffer begins it anew.
    pub fn end(&self) {
        let mut queue = lock(&self.queue);
        if !queue.flushing && !std::mem::replace(&mut queue.ended, true) {
            queue.items.push_back(Item::Eos);
            self.ready.notify_all();
        }
    }

    /// Says that this medium does not come, or that it may after all.
    pub fn set_absent(&self, absent: bool) {
        lock(&self.queue).absent = absent;
        if absent {
            self.end();
        }
    }

    fn is_full(&self, queue: &Queue) -> bool {
        let buffers = || {
            queue.items.iter().filter_map(|item| match item {
                Item::Buffer(buffer) => Some(buffer),
                _ => None,
            })
        };
        if self.medium == Medium::Video && queue.caps.as_ref().is_some_and(is_raw) {
            return buffers().count() >= PICTURES;
        }
        let times = buffers().next().zip(buffers().next_back());
        let times = times.and_then(|(first, last)| first.dts_or_pts().zip(last.dts_or_pts()));
        times.is_some_and(|(first, last)| last.saturating_sub(first) > MOST)
    }

    /// Asks upstream for a key frame.
    pub fn ask_for_key(&self) {
        let ask = lock(&self.ask).clone();
        if let Some(ask) = ask {
            ask();
        }
    }

    fn on_event(&self, event: &gst::Event) -> bool {
        match event.view() {
            gst::EventView::CustomUpstream(custom)
                if custom.structure().is_some_and(|s| s.name() == "GstForceKeyUnit") =>
            {
                self.ask_for_key();
                true
            }
            gst::EventView::Reconfigure(_) | gst::EventView::Latency(_) | gst::EventView::Qos(_) => true,
            _ => false,
        }
    }

    fn activate(self: &Arc<Self>, pad: &gst::Pad, active: bool) -> Result<(), gst::LoggableError> {
        if !active {
            lock(&self.queue).flushing = true;
            self.ready.notify_all();
            let stopped = pad.stop_task();
            let mut queue = lock(&self.queue);
            queue.items.clear();
            queue.begun = false;
            queue.ended = false;
            queue.revive = false;
            return stopped
                .map_err(|_| gst::loggable_error!(gst::CAT_DEFAULT, "the hub's thread did not stop"));
        }
        {
            let mut queue = lock(&self.queue);
            queue.flushing = false;
            if let Some(caps) = queue.caps.clone() {
                queue.items.push_front(Item::Caps(caps));
            }
            if queue.absent {
                queue.ended = true;
                queue.items.push_back(Item::Eos);
            }
        }
        let (outlet, weak) = (Arc::downgrade(self), pad.downgrade());
        pad.start_task(move || {
            if let (Some(outlet), Some(pad)) = (outlet.upgrade(), weak.upgrade()) {
                outlet.step(&pad);
            }
        })
        .map_err(|_| gst::loggable_error!(gst::CAT_DEFAULT, "the hub's thread could not start"))
    }

    fn step(&self, pad: &gst::Pad) {
        let (item, begin, revive) = {
            let mut queue = lock(&self.queue);
            loop {
                if queue.flushing {
                    drop(queue);
                    // It stops a task that runs on this very thread.
                    let _ = pad.pause_task();
                    return;
                }
                if let Some(item) = queue.items.pop_front() {
                    let revive = !matches!(item, Item::Eos) && std::mem::replace(&mut queue.revive, false);
                    let begin = revive || !std::mem::replace(&mut queue.begun, true);
                    break (item, begin, revive);
                }
                queue = self.ready.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
        };
        if revive {
            // Consumers take nothing after an end, unless they are flushed.
            pad.push_event(gst::event::FlushStart::new());
            pad.push_event(gst::event::FlushStop::new(false));
        }
        if begin {
            let owner = pad.parent().map(|parent| parent.name().to_string()).unwrap_or_default();
            let id = format!("hub/{owner}/{}", pad.name());
            pad.push_event(gst::event::StreamStart::builder(&id).build());
        }
        match item {
            Item::Caps(caps) => {
                pad.push_event(gst::event::Caps::new(&caps));
                let segment = gst::FormattedSegment::<gst::ClockTime>::new();
                pad.push_event(gst::event::Segment::new(&segment));
            }
            Item::Buffer(buffer) => {
                if begin {
                    self.again(pad);
                }
                // A consumer that fails has said why; a hub goes on for the others.
                let _ = pad.push(buffer);
            }
            Item::Eos => {
                pad.push_event(gst::event::Eos::new());
            }
        }
    }

    /// Caps and segment for a stream that begins anew with the caps that it had.
    fn again(&self, pad: &gst::Pad) {
        let caps = lock(&self.queue).caps.clone();
        if let Some(caps) = caps {
            pad.push_event(gst::event::Caps::new(&caps));
        }
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        pad.push_event(gst::event::Segment::new(&segment));
    }
}

/// Whether these are uncompressed media.
pub fn is_raw(caps: &gst::Caps) -> bool {
    caps.structure(0).is_some_and(|s| s.name().ends_with("/x-raw"))
}
