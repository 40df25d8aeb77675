//! Where a party's media enter a hub: a sink pad that turns time stamps into running times and hands everything to the
//! feed that the hub gave it.

use std::sync::{Arc, Mutex};

use anabranch_graph::format::Medium;
use gst::prelude::*;

use crate::element::HubPad;
use crate::lock;

/// What a hub does with the media of one party and medium. The time stamps of buffers are running times.
pub trait Feed: Send + Sync {
    /// What comes from now on.
    fn caps(&self, caps: &gst::Caps);
    /// Takes a buffer; may wait until there is room.
    fn push(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError>;
    /// No more comes for now: the stream ended, or nobody is linked.
    fn end(&self);
    /// While flushing, nobody waits in [`Feed::push`].
    fn flush(&self, flushing: bool);
}

/// Whether a stream can still come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Nobody is linked, or nothing has come yet.
    #[default]
    Idle,
    /// A stream comes.
    Open,
    /// It had an end of stream.
    Ended,
}

/// Tells the hub that an inlet's standing changed.
type Watch = Arc<dyn Fn() + Send + Sync>;

#[derive(Default)]
struct State {
    feed: Option<Arc<dyn Feed>>,
    watch: Option<Watch>,
    accept: Option<gst::Caps>,
    caps: Option<gst::Caps>,
    segment: Option<gst::FormattedSegment<gst::ClockTime>>,
    standing: Standing,
    received: u64,
}

/// The sink pad's side of a hub.
pub struct Inlet {
    state: Mutex<State>,
    pad: glib::WeakRef<HubPad>,
}

impl Inlet {
    /// An inlet and its pad, which belongs into an element.
    pub fn new(pad: gst::PadBuilder<HubPad>) -> (Arc<Inlet>, HubPad) {
        let inlet = Arc::new(Inlet { state: Mutex::default(), pad: glib::WeakRef::new() });
        let weak = || Arc::downgrade(&inlet);
        let (chain, event, query, activate, link, unlink) = (weak(), weak(), weak(), weak(), weak(), weak());
        let pad = pad
            .chain_function(move |_, _, buffer| match chain.upgrade() {
                Some(inlet) => inlet.chain(buffer),
                None => Ok(gst::FlowSuccess::Ok),
            })
            .event_function(move |_, _, e| event.upgrade().is_some_and(|inlet| inlet.on_event(&e)))
            .query_function(move |pad, parent, q| match query.upgrade() {
                Some(inlet) => inlet.on_query(pad, parent, q),
                None => false,
            })
            .activatemode_function(move |_, _, mode, active| {
                if let (gst::PadMode::Push, Some(inlet)) = (mode, activate.upgrade()) {
                    inlet.flush(!active);
                }
                Ok(())
            })
            .build();
        pad.connect_linked(move |_, _| {
            if let Some(inlet) = link.upgrade() {
                inlet.stand(Standing::Open);
            }
        });
        pad.connect_unlinked(move |_, _| {
            if let Some(inlet) = unlink.upgrade() {
                inlet.left();
            }
        });
        inlet.pad.set(Some(&pad));
        (inlet, pad)
    }

    /// Where media go, what is taken, and who is told of changes; the feed at hand is told of the present caps.
    pub fn serve(&self, feed: Arc<dyn Feed>, accept: Option<gst::Caps>, watch: Watch) {
        {
            let mut state = lock(&self.state);
            state.accept = accept;
            state.watch = Some(watch);
        }
        // Caps may come meanwhile, when there is no feed yet that could be told: it takes over once it knows the newest.
        let mut told: Option<gst::Caps> = None;
        loop {
            let caps = {
                let mut state = lock(&self.state);
                if state.caps == told {
                    state.feed = Some(feed);
                    break;
                }
                state.caps.clone()
            };
            if let Some(caps) = &caps {
                feed.caps(caps);
            }
            told = caps;
        }
        if told.is_some() {
            self.ask_for_key();
        }
    }

    /// The hub goes: media are thrown away until another comes.
    pub fn close(&self) {
        let feed = {
            let mut state = lock(&self.state);
            (state.watch, state.accept) = (None, None);
            state.feed.take()
        };
        if let Some(feed) = feed {
            feed.flush(true);
            feed.end();
        }
    }

    /// Whether a stream comes, has ended, or neither.
    pub fn standing(&self) -> Standing {
        lock(&self.state).standing
    }

    /// How many buffers came.
    pub fn received(&self) -> u64 {
        lock(&self.state).received
    }

    /// Asks whoever feeds the inlet for a key frame.
    pub fn ask_for_key(&self) {
        if let Some(pad) = self.pad.upgrade() {
            let request = gst::Structure::builder("GstForceKeyUnit").field("all-headers", true).build();
            // Nobody may be linked.
            let _ = pad.push_event(gst::event::CustomUpstream::new(request));
        }
    }

    fn feed(&self) -> Option<Arc<dyn Feed>> {
        lock(&self.state).feed.clone()
    }

    fn flush(&self, flushing: bool) {
        if let Some(feed) = self.feed() {
            feed.flush(flushing);
        }
    }

    fn stand(&self, standing: Standing) {
        let watch = {
            let mut state = lock(&self.state);
            if state.standing == standing {
                return;
            }
            state.standing = standing;
            state.watch.clone()
        };
        if let Some(watch) = watch {
            watch();
        }
    }

    fn left(&self) {
        let feed = {
            let mut state = lock(&self.state);
            (state.caps, state.segment) = (None, None);
            state.feed.clone()
        };
        if let Some(feed) = feed {
            feed.end();
        }
        self.stand(Standing::Idle);
    }

    fn chain(&self, mut buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        let (feed, segment) = {
            let mut state = lock(&self.state);
            state.received += 1;
            (state.feed.clone(), state.segment.clone())
        };
        let (Some(feed), Some(segment)) = (feed, segment) else { return Ok(gst::FlowSuccess::Ok) };
        let running = |time: Option<gst::ClockTime>| {
            let time = segment.to_running_time_full(time?)?;
            // What lies before the pipeline's start counts as its start.
            Some(time.positive().unwrap_or(gst::ClockTime::ZERO))
        };
        let (pts, dts) = (running(buffer.pts()), running(buffer.dts()));
        // Without a time nobody can say when it counts.
        if pts.or(dts).is_none() {
            return Ok(gst::FlowSuccess::Ok);
        }
        let writable = buffer.make_mut();
        writable.set_pts(pts);
        writable.set_dts(dts);
        feed.push(buffer)
    }

    fn on_event(&self, event: &gst::Event) -> bool {
        match event.view() {
            gst::EventView::StreamStart(_) => self.stand(Standing::Open),
            gst::EventView::Caps(caps) => {
                let caps = caps.caps_owned();
                let feed = {
                    let mut state = lock(&self.state);
                    state.caps = Some(caps.clone());
                    state.feed.clone()
                };
                if let Some(feed) = feed {
                    feed.caps(&caps);
                }
            }
            gst::EventView::Segment(segment) => {
                let segment = segment.segment().clone().downcast::<gst::ClockTime>().ok();
                lock(&self.state).segment = segment;
            }
            gst::EventView::FlushStart(_) => self.flush(true),
            gst::EventView::FlushStop(_) => {
                self.flush(false);
                lock(&self.state).segment = None;
            }
            gst::EventView::Eos(_) => {
                if let Some(feed) = self.feed() {
                    feed.end();
                }
                self.stand(Standing::Ended);
            }
            _ => {}
        }
        true
    }

    fn on_query(
        &self,
        pad: &HubPad,
        parent: Option<&impl IsA<gst::Object>>,
        query: &mut gst::QueryRef,
    ) -> bool {
        let accept = lock(&self.state).accept.clone();
        match (query.view_mut(), accept) {
            (gst::QueryViewMut::Caps(q), Some(accept)) => {
                let caps = match q.filter_owned() {
                    Some(filter) => filter.intersect_with_mode(&accept, gst::CapsIntersectMode::First),
                    None => accept,
                };
                q.set_result(&caps);
                true
            }
            (gst::QueryViewMut::AcceptCaps(q), Some(accept)) => {
                let result = q.caps().is_subset(&accept);
                q.set_result(result);
                true
            }
            _ => gst::Pad::query_default(pad, parent, query),
        }
    }
}

/// What a hub that joins pictures or sound takes.
pub fn raw(medium: Medium) -> Option<gst::Caps> {
    match medium {
        Medium::Video => Some(gst::Caps::new_empty_simple("video/x-raw")),
        Medium::Audio => Some(gst::Caps::builder("audio/x-raw").field("layout", "interleaved").build()),
        Medium::Data => None,
    }
}
