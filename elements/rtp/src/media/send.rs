//! From an input port to the network.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anabranch_graph::format::{Format, Medium};
use anabranch_kit::caps::format_of;
use anabranch_kit::keyframe;
use gst::prelude::*;

use super::codec;
use super::gate::{Gate, Verdict};
use crate::media::codec::Coding;
use anabranch_kit::endpoint::{Chain, EndpointError, make};

/// What an input port may send, and where to.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// By format; what is not among them is not sent.
    pub codings: Vec<Coding>,
    pub ssrc: u32,
    /// Largest packet, bytes.
    pub mtu: u32,
    /// Where packets go.
    pub exit: gst::Pad,
}

/// What an input port tells.
#[derive(Debug)]
pub(crate) enum Told {
    /// Packets of this coding come, with these caps.
    Packs(Coding, gst::Caps),
    /// A format comes that is not sent.
    Unfit(Format),
    /// A stream comes, and there is no plan for it.
    Coming,
    /// The stream ended.
    Ended,
    /// The elements that it needs cannot be made.
    Failed(EndpointError),
}

type Tell = Box<dyn Fn(Told) + Send + Sync>;

/// An input port: what comes in is dropped until somebody takes it, so whoever feeds it never waits.
pub(crate) struct SendPort {
    inner: Arc<Inner>,
}

struct Inner {
    medium: Medium,
    bin: glib::WeakRef<gst::Bin>,
    ghost: glib::WeakRef<gst::GhostPad>,
    /// The element that the port always ends in.
    entry: gst::Element,
    /// Whether an end of the stream goes on to the network; otherwise another stream may follow.
    ends: bool,
    gate: Gate,
    requests: AtomicU64,
    state: Mutex<State>,
    tell: Tell,
}

#[derive(Debug, Default)]
struct State {
    plan: Option<Plan>,
    connected: bool,
    coming: Option<Format>,
    track: Option<Track>,
    ended: bool,
}

#[derive(Debug)]
struct Track {
    format: Format,
    chain: Chain,
    exit: gst::Pad,
}

impl std::fmt::Debug for SendPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SendPort").field("medium", &self.inner.medium).finish_non_exhaustive()
    }
}

impl SendPort {
    /// The port behind a ghost pad of the bin; `ends`: an end of the stream goes on to the network.
    ///
    /// # Errors
    ///
    /// GStreamer's `identity` is missing.
    pub fn new(
        bin: &gst::Bin,
        ghost: &gst::GhostPad,
        medium: Medium,
        ends: bool,
        tell: impl Fn(Told) + Send + Sync + 'static,
    ) -> Result<Self, EndpointError> {
        let entry = make("identity")?;
        bin.add(&entry)?;
        let sink = entry.static_pad("sink");
        ghost.set_target(sink.as_ref())?;
        let inner = Arc::new(Inner {
            medium,
            bin: bin.downgrade(),
            ghost: ghost.downgrade(),
            entry,
            ends,
            gate: Gate::default(),
            requests: AtomicU64::default(),
            state: Mutex::default(),
            tell: Box::new(tell),
        });
        let kinds =
            gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST | gst::PadProbeType::EVENT_DOWNSTREAM;
        let watched = Arc::downgrade(&inner);
        ghost.add_probe(kinds, move |pad, info| match watched.upgrade() {
            Some(port) => port.passes(pad.upcast_ref(), info),
            None => gst::PadProbeReturn::Handled,
        });
        if let Some(sink) = sink {
            let counted = Arc::downgrade(&inner);
            // Whoever makes the frames merges the requests; here they are only counted.
            sink.add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_, info| {
                if info.event().is_some_and(|event| gst_video::ForceKeyUnitEvent::is(event))
                    && let Some(port) = counted.upgrade()
                {
                    port.requests.fetch_add(1, Ordering::Relaxed);
                }
                gst::PadProbeReturn::Ok
            });
        }
        Ok(SendPort { inner })
    }

    /// Sends what comes in from now on so; `None`: nothing any more.
    pub fn set_plan(&self, plan: Option<Plan>) {
        let inner = &self.inner;
        inner.close();
        inner.state().plan = plan;
        inner.open();
    }

    /// Somebody takes the packets, or nobody any more. Sending starts with a key frame.
    pub fn set_connected(&self, connected: bool) {
        let was = std::mem::replace(&mut self.inner.state().connected, connected);
        if was != connected {
            self.inner.adjust();
        }
    }

    /// How many key frames were asked for.
    pub fn key_frame_requests(&self) -> u64 {
        self.inner.requests.load(Ordering::Relaxed)
    }

    /// How many buffers nobody wanted.
    pub fn dropped(&self) -> u64 {
        self.inner.gate.dropped()
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn passes(self: &Arc<Self>, pad: &gst::Pad, info: &mut gst::PadProbeInfo<'_>) -> gst::PadProbeReturn {
        let is_key = |buffer: &gst::BufferRef| !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        let verdict = match &info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => self.gate.judge(self.medium, is_key(buffer), 1),
            Some(gst::PadProbeData::BufferList(list)) => {
                self.gate.judge(self.medium, list.get(0).is_some_and(is_key), list.len() as u64)
            }
            Some(gst::PadProbeData::Event(event)) => return self.event(event),
            _ => return gst::PadProbeReturn::Ok,
        };
        match verdict {
            Verdict::Pass => gst::PadProbeReturn::Ok,
            Verdict::Drop => gst::PadProbeReturn::Handled,
            Verdict::Ask => {
                keyframe::ask(pad);
                gst::PadProbeReturn::Handled
            }
        }
    }

    fn event(self: &Arc<Self>, event: &gst::Event) -> gst::PadProbeReturn {
        match event.view() {
            gst::EventView::StreamStart(_) => {
                if std::mem::take(&mut self.state().ended) {
                    // After an end, pads take nothing unless they are flushed.
                    self.close();
                    let exit = self.state().plan.as_ref().map(|plan| plan.exit.clone());
                    for pad in self.entry.static_pad("sink").into_iter().chain(exit) {
                        pad.send_event(gst::event::FlushStart::new());
                        pad.send_event(gst::event::FlushStop::new(false));
                    }
                }
                gst::PadProbeReturn::Ok
            }
            gst::EventView::Caps(caps) => {
                let format = format_of(caps.caps());
                self.state().coming = format;
                let planned = self.state().plan.is_some();
                if !planned {
                    (self.tell)(Told::Coming);
                }
                self.open();
                gst::PadProbeReturn::Ok
            }
            gst::EventView::Eos(_) => {
                if !self.ends {
                    // RTP has no end: a source that ended may be followed by another.
                    return gst::PadProbeReturn::Handled;
                }
                self.state().ended = true;
                (self.tell)(Told::Ended);
                gst::PadProbeReturn::Ok
            }
            _ => gst::PadProbeReturn::Ok,
        }
    }

    /// Makes what the format that comes needs, if it is not there already.
    fn open(self: &Arc<Self>) {
        let (plan, coming) = {
            let state = self.state();
            (state.plan.clone(), state.coming.clone())
        };
        let (Some(plan), Some(format)) = (plan, coming) else { return };
        let same = |track: &Track| track.format == format && track.exit == plan.exit;
        if self.state().track.as_ref().is_some_and(same) {
            return;
        }
        self.close();
        let Some(coding) = plan.codings.iter().find(|coding| coding.format == format) else {
            (self.tell)(Told::Unfit(format));
            return;
        };
        match self.build(&plan, coding) {
            Ok(chain) => {
                self.state().track = Some(Track { format, chain, exit: plan.exit });
                self.adjust();
            }
            Err(error) => (self.tell)(Told::Failed(error)),
        }
    }

    fn build(self: &Arc<Self>, plan: &Plan, coding: &Coding) -> Result<Chain, EndpointError> {
        let nothing = || EndpointError::failed("the element is gone");
        let bin = self.bin.upgrade().ok_or_else(nothing)?;
        let chain = Chain::new(&bin, codec::packers(coding, plan.ssrc, plan.mtu)?)?;
        let link = || -> Result<(), EndpointError> {
            let (sink, src) = chain.sink().zip(chain.src()).ok_or_else(nothing)?;
            self.watch(&src, coding);
            let fits = |e: gst::PadLinkError| {
                EndpointError::failed(format!("{} cannot be sent: {e}", coding.format))
            };
            src.link(&plan.exit).map_err(fits)?;
            chain.start();
            self.entry.static_pad("src").ok_or_else(nothing)?.link(&sink).map_err(fits)?;
            Ok(())
        };
        link().inspect_err(|_| chain.remove(&bin))?;
        Ok(chain)
    }

    /// Tells the caps of the packets, which know details that only the stream has.
    fn watch(self: &Arc<Self>, src: &gst::Pad, coding: &Coding) {
        let (weak, coding) = (Arc::downgrade(self), coding.clone());
        src.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            if let Some(gst::EventView::Caps(caps)) = info.event().map(|event| event.view())
                && let Some(port) = weak.upgrade()
            {
                (port.tell)(Told::Packs(coding.clone(), caps.caps_owned()));
            }
            gst::PadProbeReturn::Ok
        });
    }

    /// Opens the gate if there is a track and somebody who takes it.
    fn adjust(&self) {
        let open = {
            let state = self.state();
            state.connected && state.track.is_some()
        };
        self.gate.set_open(open);
        if open
            && self.medium == Medium::Video
            && let Some(ghost) = self.ghost.upgrade()
        {
            keyframe::ask(ghost.upcast_ref());
        }
    }

    fn close(&self) {
        self.gate.set_open(false);
        let track = self.state().track.take();
        let (Some(track), Some(bin)) = (track, self.bin.upgrade()) else { return };
        if let (Some(entry), Some(sink)) = (self.entry.static_pad("src"), track.chain.sink()) {
            let _ = entry.unlink(&sink);
        }
        if let Some(src) = track.chain.src() {
            let _ = src.unlink(&track.exit);
        }
        track.chain.remove(&bin);
    }
}
