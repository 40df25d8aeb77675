//! What lies between the element and the server: formats as they come in, and the ways out of the one media that all
//! clients share.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anabranch_graph::format::{Format, Medium};
use anabranch_kit::caps::format_of;
use anabranch_kit::message;
use gst::prelude::*;
use serde_json::json;

use crate::payload;
use crate::server::Audience;

/// The names of the two tracks.
pub const MEDIA: [&str; 2] = ["video", "audio"];
const MEDIUM: [Medium; 2] = [Medium::Video, Medium::Audio];
/// How long a client waits until it is known what there is.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most that waits for the network, packets; more is lost.
const WAITING: u64 = 400;

/// One input.
#[derive(Default)]
struct Lane {
    caps: Option<gst::Caps>,
    /// What it was when the media were made.
    served: Option<Format>,
    linked: bool,
    over: bool,
    source: Option<gst_app::AppSrc>,
    /// Nothing goes out before a key frame.
    waits_for_key: bool,
}

#[derive(Default)]
struct State {
    lanes: [Lane; 2],
    clients: HashSet<usize>,
    wanted: bool,
    closed: bool,
    /// What the media that live now are in.
    bin: Option<gst::Element>,
}

/// Between the element and the server.
pub struct Outlet {
    element: glib::WeakRef<gst::Element>,
    on_demand: bool,
    latency: gst::ClockTime,
    state: Mutex<State>,
    bell: Condvar,
    /// Packets that went out.
    pub packets: AtomicU64,
    /// Media that were made.
    pub made: AtomicU64,
}

impl Outlet {
    /// Of an element. `linked`: the inputs that can bring something.
    pub fn new(element: &gst::Element, on_demand: bool, latency: gst::ClockTime) -> Arc<Self> {
        Arc::new(Outlet {
            element: element.downgrade(),
            on_demand,
            latency,
            state: Mutex::default(),
            bell: Condvar::new(),
            packets: AtomicU64::new(0),
            made: AtomicU64::new(0),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The element's clock, by which packets are timed.
    pub fn clock(&self) -> Option<gst::Clock> {
        self.element.upgrade()?.clock()
    }

    /// How many clients play.
    pub fn clients(&self) -> usize {
        self.state().clients.len()
    }

    /// The element stops: nobody waits any more.
    pub fn close(&self) {
        let sources: Vec<gst_app::AppSrc> = {
            let mut state = self.state();
            state.closed = true;
            state.bin = None;
            state.lanes.iter_mut().filter_map(|lane| lane.source.take()).collect()
        };
        drop(sources);
        self.bell.notify_all();
    }

    /// A track is of this format from here on. `false`: it cannot be served.
    pub fn caps(&self, track: usize, caps: &gst::Caps) -> bool {
        let format = format_of(caps).filter(|format| payload::chain(format).is_some());
        let Some(format) = format else { return false };
        let (source, broken) = {
            let mut state = self.state();
            let lane = &mut state.lanes[track];
            lane.caps = Some(caps.clone());
            lane.over = false;
            let same = lane.served.as_ref() == Some(&format);
            let source = lane.source.clone();
            (source.clone().filter(|_| same), source.filter(|_| !same))
        };
        self.bell.notify_all();
        if let Some(source) = source {
            source.set_caps(Some(caps));
        }
        if let Some(source) = broken {
            // Another codec needs another description: clients ask again.
            let _ = source.end_of_stream();
        }
        true
    }

    /// A track has ended.
    pub fn end(&self, track: usize) {
        let source = {
            let mut state = self.state();
            state.lanes[track].over = true;
            state.lanes[track].source.clone()
        };
        self.bell.notify_all();
        if let Some(source) = source {
            // One that has ended already has nothing against it.
            let _ = source.end_of_stream();
        }
    }

    /// Whether all tracks have ended.
    pub fn is_over(&self, linked: [bool; 2]) -> bool {
        let state = self.state();
        (0..2).all(|i| state.lanes[i].over || !linked[i])
    }

    /// Sends a packet whose running time in the element's pipeline is `pts`. `true`: a key frame is needed.
    pub fn send(&self, track: usize, mut buffer: gst::Buffer, base: gst::ClockTime) -> bool {
        let is_key = track == 1 || !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        let source = {
            let mut state = self.state();
            let lane = &mut state.lanes[track];
            let Some(source) = lane.source.clone() else { return false };
            if source.current_state() != gst::State::Playing {
                lane.waits_for_key = track == 0;
                return false;
            }
            if lane.waits_for_key && !is_key {
                return true;
            }
            lane.waits_for_key = false;
            source
        };
        // Both pipelines have one clock: what is shifted is when they began.
        let Some(own) = source.base_time() else { return false };
        let shift = |time: gst::ClockTime| (base + time).checked_sub(own);
        let (pts, dts) = (buffer.pts().and_then(shift), buffer.dts().and_then(shift));
        if pts.is_none() && dts.is_none() {
            return false;
        }
        {
            let buffer = buffer.make_mut();
            buffer.set_pts(pts);
            buffer.set_dts(dts);
        }
        if source.push_buffer(buffer).is_ok() {
            self.packets.fetch_add(1, Ordering::Relaxed);
        }
        false
    }

    /// Asks the source for a key frame.
    pub fn ask_for_key_frame(&self) {
        if let Some(pad) = self.element.upgrade().and_then(|e| e.static_pad("sink_video")) {
            pad.push_event(gst_video::UpstreamForceKeyUnitEvent::builder().all_headers(true).build());
        }
    }

    /// Tells the engine what to bring: all that can be served, or nothing while nobody watches.
    fn want(&self, something: bool) {
        let Some(element) = self.element.upgrade() else { return };
        {
            let mut state = self.state();
            for (lane, name) in state.lanes.iter_mut().zip(MEDIA) {
                lane.linked = element.static_pad(&format!("sink_{name}")).is_some_and(|pad| pad.is_linked());
            }
            if !self.on_demand || std::mem::replace(&mut state.wanted, something) == something {
                return;
            }
        }
        for medium in MEDIUM {
            let formats: Vec<&str> = match something {
                true => payload::formats(medium).iter().map(Format::caps).collect(),
                false => Vec::new(),
            };
            message::post(&element, "wants", json!({"port": medium.name(), "formats": formats}));
        }
    }

    /// Makes what is served, with what is known now.
    pub fn make(&self) -> gst::Bin {
        let bin = gst::Bin::new();
        let mut number = 0;
        let mut sources: [Option<gst_app::AppSrc>; 2] = [None, None];
        for track in 0..2 {
            let caps = {
                let mut state = self.state();
                let lane = &mut state.lanes[track];
                lane.served = lane.caps.as_deref().and_then(format_of);
                lane.caps.clone().filter(|_| !lane.over)
            };
            let Some(caps) = caps else { continue };
            match self.branch(&bin, track, number, &caps) {
                Ok(source) => {
                    number += 1;
                    sources[track] = Some(source);
                }
                Err(error) => {
                    gst::error!(gst::CAT_RUST, obj = bin, "{} cannot be served: {error}", MEDIA[track]);
                }
            }
        }
        {
            let mut state = self.state();
            state.bin = Some(bin.clone().upcast());
            for (lane, source) in state.lanes.iter_mut().zip(sources) {
                lane.source = source;
                lane.waits_for_key = true;
            }
            state.lanes[1].waits_for_key = false;
        }
        self.made.fetch_add(1, Ordering::Relaxed);
        // The media before these may have gone meanwhile, and with them what they wanted.
        self.want(true);
        self.ask_for_key_frame();
        bin
    }

    fn branch(
        &self,
        bin: &gst::Bin,
        track: usize,
        number: u32,
        caps: &gst::Caps,
    ) -> Result<gst_app::AppSrc, glib::BoolError> {
        let format = format_of(caps);
        let (parser, payloader) = format
            .as_ref()
            .and_then(payload::chain)
            .ok_or_else(|| glib::bool_error!("no payloader for {caps}"))?;
        let source = gst_app::AppSrc::builder()
            .caps(caps)
            .format(gst::Format::Time)
            .is_live(true)
            .max_buffers(WAITING)
            .max_bytes(0)
            .leaky_type(gst_app::AppLeakyType::Downstream)
            .min_latency(self.latency.nseconds() as i64)
            .build();
        let pay = gst::ElementFactory::make(payloader)
            .name(format!("pay{number}"))
            .property("pt", 96 + number)
            .build()?;
        match payloader {
            "rtph264pay" | "rtph265pay" => pay.set_property("config-interval", -1i32),
            "rtpvp8pay" | "rtpvp9pay" => pay.set_property_from_str("picture-id-mode", "15-bit"),
            _ => {}
        }
        let entrance = forgiving(&source)?;
        bin.add_many([entrance.upcast_ref(), &pay])?;
        match parser {
            Some(parser) => {
                let parser = gst::ElementFactory::make(parser).build()?;
                bin.add(&parser)?;
                gst::Element::link_many([entrance.upcast_ref(), &parser, &pay])?;
            }
            None => entrance.link(&pay)?,
        }
        if let (0, Some(pad)) = (track, source.static_pad("src")) {
            // A client that has lost a picture asks for a key frame: the source hears it.
            let element = self.element.clone();
            pad.add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_, info| {
                if let Some(gst::PadProbeData::Event(event)) = &info.data
                    && gst_video::ForceKeyUnitEvent::is(event)
                    && let Some(sink) = element.upgrade().and_then(|e| e.static_pad("sink_video"))
                {
                    sink.push_event(
                        gst_video::UpstreamForceKeyUnitEvent::builder().all_headers(true).build(),
                    );
                }
                gst::PadProbeReturn::Ok
            });
        }
        Ok(source)
    }

    /// The media of this bin are gone: nobody watches.
    pub fn unprepared(&self, bin: &gst::Element) {
        let sources: Vec<gst_app::AppSrc> = {
            let mut state = self.state();
            if state.bin.as_ref() != Some(bin) {
                return;
            }
            state.bin = None;
            state.lanes.iter_mut().filter_map(|lane| lane.source.take()).collect()
        };
        drop(sources);
        self.want(false);
    }
}

/// A source in a bin of its own, which does not hear that nobody takes its packets: a client that sets up pictures alone
/// leaves sound without a taker, and that is no error.
fn forgiving(source: &gst_app::AppSrc) -> Result<gst::Bin, glib::BoolError> {
    fn forgive(flow: Result<gst::FlowSuccess, gst::FlowError>) -> Result<gst::FlowSuccess, gst::FlowError> {
        match flow {
            Err(gst::FlowError::NotLinked) => Ok(gst::FlowSuccess::Ok),
            other => other,
        }
    }
    let bin = gst::Bin::new();
    bin.add(source)?;
    let target = source.static_pad("src").ok_or_else(|| glib::bool_error!("appsrc has no pad"))?;
    let ghost = gst::GhostPad::builder(gst::PadDirection::Src)
        .name("src")
        .proxy_pad_chain_function(|proxy, parent, buffer| {
            forgive(gst::ProxyPad::chain_default(proxy, parent, buffer))
        })
        .proxy_pad_chain_list_function(|proxy, parent, list| {
            forgive(gst::ProxyPad::chain_list_default(proxy, parent, list))
        })
        .build();
    ghost.set_target(Some(&target))?;
    bin.add_pad(&ghost)?;
    Ok(bin)
}

impl Audience for Outlet {
    fn asked(&self) -> bool {
        self.want(true);
        let state = self.state();
        let unknown = |state: &mut State| {
            let waits = |lane: &Lane| lane.linked && lane.caps.is_none() && !lane.over;
            !state.closed && state.lanes.iter().any(waits)
        };
        let waited = self.bell.wait_timeout_while(state, PATIENCE, unknown);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !state.closed && state.lanes.iter().any(|lane| lane.caps.is_some() && !lane.over)
    }

    fn plays(&self, client: usize) {
        let (new, clients) = {
            let mut state = self.state();
            let new = state.clients.insert(client);
            (new, state.clients.len())
        };
        // Whoever comes late sees something at once.
        self.ask_for_key_frame();
        if let Some(element) = self.element.upgrade().filter(|_| new) {
            message::post(&element, "client-connected", json!({"clients": clients}));
        }
    }

    fn has(&self, client: usize) -> bool {
        self.state().clients.contains(&client)
    }

    fn stops(&self, client: usize) {
        let (there, clients) = {
            let mut state = self.state();
            let there = state.clients.remove(&client);
            (there, state.clients.len())
        };
        if let Some(element) = self.element.upgrade().filter(|_| there) {
            message::post(&element, "client-left", json!({"clients": clients}));
        }
    }
}
