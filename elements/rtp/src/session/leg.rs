//! One medium of a session: its sockets, payload types, keys, and where its packets go.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anabranch_graph::format::{Format, Medium};
use gio::prelude::{SocketAddressExt, SocketExt};
use gst::prelude::*;
use tokio::sync::Notify;

use super::{BANDWIDTH, REPORT_EVERY, Shared};
use crate::media::codec::Coding;
use crate::net::for_gstreamer;
use crate::net::ports::Sockets;
use crate::srtp::Keys;
use anabranch_kit::endpoint::EndpointError;
use anabranch_kit::endpoint::make;

/// Where packets go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Target {
    pub rtp: Option<SocketAddr>,
    pub rtcp: Option<SocketAddr>,
}

/// What a leg is made with.
#[derive(Debug)]
pub(crate) struct LegOptions {
    pub medium: Medium,
    pub sockets: Sockets,
    pub sends: bool,
    pub receives: bool,
    pub codings: Vec<Coding>,
    pub target: Target,
    /// Packets go to where the peer's come from.
    pub learn: bool,
    /// Packets from other addresses are nobody's.
    pub only_from: Option<IpAddr>,
    pub send_keys: Option<Keys>,
    pub receive_keys: Option<Keys>,
    /// The peer sends lost packets again.
    pub nack: bool,
    /// RTCP goes through the ports of RTP.
    pub mux: bool,
    pub hops: Option<u32>,
    pub hear: bool,
    /// 0 to 63.
    pub dscp: u32,
    pub ssrc: u32,
}

/// One medium of a session.
pub(crate) struct Leg {
    pub index: u32,
    pub medium: Medium,
    pub sends: bool,
    pub receives: bool,
    pub ssrc: u32,
    pub(super) learn: bool,
    pub(super) mux: bool,
    pub(super) only_from: Option<IpAddr>,
    pub(super) encryptor: Option<gst::Element>,
    pub(super) decryptor: Option<gst::Element>,
    codings: Vec<Coding>,
    pub(super) nack: bool,
    pub(super) counts: Counts,
    /// The last good-bye went out.
    pub gone: Arc<Notify>,
    pub(super) state: Mutex<LegState>,
}

/// What has happened on a leg.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Packets of RTP that came, and those of them that were authentic.
    pub came: AtomicU64,
    pub good: AtomicU64,
    pub bytes: AtomicU64,
    /// Packets of RTCP that were authentic.
    pub feedback: AtomicU64,
    /// What was no packet of this session.
    pub strange: AtomicU64,
    /// When the last came, as `now` has it; 0: never.
    pub last_media: AtomicU64,
    pub last_feedback: AtomicU64,
    /// Sends that failed.
    pub unsent: AtomicU64,
    /// There is something to look at.
    pub stirred: AtomicBool,
}

#[derive(Debug, Default)]
pub(super) struct LegState {
    pub target: Target,
    /// The address was learned from packets, at this time.
    pub learned: Option<u64>,
    pub seen: super::look::Seen,
    pub unsent_why: String,
    sources: Vec<gst::Element>,
    sinks: Vec<gst::Element>,
    rtp_sink: Option<gst::Element>,
    rtcp_sink: Option<gst::Element>,
    exit: Option<gst::Pad>,
}

impl Leg {
    pub(super) fn new(index: u32, options: &LegOptions) -> Result<Self, EndpointError> {
        let decryptor = options.receive_keys.as_ref().map(Keys::decryptor).transpose()?;
        let encryptor = options.send_keys.as_ref().map(Keys::encryptor).transpose()?;
        // rtpbin takes those pads that are there.
        for kind in ["rtp", "rtcp"] {
            if let Some(encryptor) = &encryptor
                && encryptor.request_pad_simple(&format!("{kind}_sink_{index}")).is_none()
            {
                return Err(EndpointError::failed("srtpenc has no pads"));
            }
        }
        Ok(Leg {
            index,
            medium: options.medium,
            sends: options.sends,
            receives: options.receives,
            ssrc: options.ssrc,
            learn: options.learn,
            mux: options.mux,
            only_from: options.only_from,
            encryptor,
            decryptor,
            codings: options.codings.clone(),
            nack: options.nack,
            counts: Counts::default(),
            gone: Arc::new(Notify::new()),
            state: Mutex::new(LegState { target: options.target, ..LegState::default() }),
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, LegState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The caps of a payload type.
    pub(super) fn caps(&self, number: u32) -> Option<gst::Caps> {
        self.coding(number).map(|coding| coding.caps(self.nack))
    }

    fn coding(&self, number: u32) -> Option<&Coding> {
        self.codings.iter().find(|coding| u32::from(coding.number) == number)
    }

    /// Ticks per second of its timestamps.
    pub(super) fn clock_rate(&self) -> u32 {
        self.codings.first().map_or(0, Coding::clock_rate)
    }

    /// The format of a payload type.
    pub fn format(&self, number: u32) -> Option<Format> {
        self.coding(number).map(|coding| coding.format.clone())
    }

    /// Where RTP that is sent goes into.
    pub fn exit(&self) -> Option<gst::Pad> {
        self.state().exit.clone()
    }

    /// Whether somebody is there to send to.
    pub fn has_target(&self) -> bool {
        self.state().target.rtp.is_some()
    }

    pub(super) fn build(
        self: &Arc<Self>,
        bin: &gst::Bin,
        rtpbin: &gst::Element,
        options: LegOptions,
        shared: &Arc<Shared>,
    ) -> Result<(), EndpointError> {
        let index = self.index;
        let request = |name: String| {
            rtpbin
                .request_pad_simple(&name)
                .ok_or_else(|| EndpointError::failed(format!("rtpbin has no {name}")))
        };
        let Sockets { rtp, rtcp, group_rtcp, .. } = options.sockets;
        let (rtp, rtcp) = (for_gstreamer(rtp)?, for_gstreamer(rtcp)?);
        let secret = if self.decryptor.is_some() { "s" } else { "" };
        // All pads of the session are there before the first packet comes.
        let rtcp_entry = request(format!("recv_rtcp_sink_{index}"))?;
        let rtp_entry = self.receives.then(|| request(format!("recv_rtp_sink_{index}"))).transpose()?;
        let exit = self.sends.then(|| request(format!("send_rtp_sink_{index}"))).transpose()?;
        let rtcp_exit = request(format!("send_rtcp_src_{index}"))?;
        if let Some(session) = rtpbin.emit_by_name::<Option<gst::Element>>("get-session", &[&index]) {
            session.set_property("rtcp-min-interval", REPORT_EVERY.nseconds());
            session.set_property("bandwidth", BANDWIDTH);
        }

        let source = |socket: &gio::Socket, kind: &str| -> Result<gst::Element, EndpointError> {
            let source = make("udpsrc")?;
            source.set_property("socket", socket);
            for property in ["close-socket", "auto-multicast"] {
                source.set_property(property, false);
            }
            let caps = gst::Caps::new_empty_simple(format!("application/x-{secret}{kind}"));
            source.set_property("caps", caps);
            bin.add(&source)?;
            Ok(source)
        };
        let sink = |socket: &gio::Socket| -> Result<gst::Element, EndpointError> {
            let sink = make("multiudpsink")?;
            let is_v6 =
                socket.local_address().is_ok_and(|a| SocketAddressExt::family(&a) == gio::SocketFamily::Ipv6);
            sink.set_property(if is_v6 { "socket-v6" } else { "socket" }, socket);
            for property in ["close-socket", "auto-multicast", "sync", "async", "enable-last-sample"] {
                sink.set_property(property, false);
            }
            if let Some(hops) = options.hops {
                sink.set_property("ttl", hops as i32);
                sink.set_property("ttl-mc", hops as i32);
            }
            sink.set_property("loop", options.hear);
            if options.dscp != 0 {
                sink.set_property("qos-dscp", options.dscp as i32);
            }
            // Its end is not the element's.
            sink.unset_element_flags(gst::ElementFlags::SINK);
            bin.add(&sink)?;
            Ok(sink)
        };
        let pad = |element: &gst::Element, name: &str| {
            element.static_pad(name).ok_or_else(|| EndpointError::failed("an element without pads"))
        };
        let joined = |result: Result<gst::PadLinkSuccess, gst::PadLinkError>| {
            result.map_err(|error| {
                EndpointError::failed(format!("the RTP session cannot be put together: {error}"))
            })
        };

        let mut state = LegState::default();
        let mut sources = Vec::new();
        // Reports come by several ways.
        let funnel = make("funnel")?;
        bin.add(&funnel)?;
        let way = || {
            funnel
                .request_pad_simple("sink_%u")
                .ok_or_else(|| EndpointError::failed("funnel has no more pads"))
        };
        joined(pad(&funnel, "src")?.link(&rtcp_entry))?;
        if let Some(entry) = &rtp_entry {
            let from = source(&rtp, "rtp")?;
            let src = pad(&from, "src")?;
            let reports = gst::Pad::builder(gst::PadDirection::Src).name("reports").build();
            joined(reports.link(&way()?))?;
            self.watch_media(&src, reports, secret, shared);
            joined(src.link(entry))?;
            sources.push(from);
        }
        let group = group_rtcp.map(for_gstreamer).transpose()?;
        for socket in std::iter::once(&rtcp).chain(&group) {
            let from = source(socket, "rtcp")?;
            let src = pad(&from, "src")?;
            self.watch_feedback(&src, shared, &rtcp);
            joined(src.link(&way()?))?;
            sources.push(from);
        }
        sources.push(funnel.clone());
        state.sources = sources;
        if exit.is_some() {
            let to = sink(&rtp)?;
            let send = rtpbin
                .static_pad(&format!("send_rtp_src_{index}"))
                .ok_or_else(|| EndpointError::failed("rtpbin sends nothing"))?;
            joined(send.link(&pad(&to, "sink")?))?;
            state.rtp_sink = Some(to.clone());
            state.sinks.push(to);
        }
        let to = sink(if options.mux { &rtp } else { &rtcp })?;
        let rtcp_sink = pad(&to, "sink")?;
        let gone = self.gone.clone();
        rtcp_sink.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            if info.event().is_some_and(|event| event.type_() == gst::EventType::Eos) {
                gone.notify_one();
            }
            gst::PadProbeReturn::Ok
        });
        joined(rtcp_exit.link(&rtcp_sink))?;
        state.rtcp_sink = Some(to.clone());
        state.sinks.push(to);
        state.exit = exit;
        {
            let mut own = self.state();
            state.target = own.target;
            *own = state;
        }
        self.watch_authentic();
        self.aim(options.target);
        Ok(())
    }

    /// Sends to these addresses from now on.
    pub fn aim(&self, target: Target) {
        let (rtp, rtcp) = {
            let mut state = self.state();
            state.target = target;
            (state.rtp_sink.clone(), state.rtcp_sink.clone())
        };
        for (sink, address) in [(rtp, target.rtp), (rtcp, target.rtcp)] {
            let Some(sink) = sink else { continue };
            sink.emit_by_name::<()>("clear", &[]);
            if let Some(address) = address {
                sink.emit_by_name::<()>("add", &[&address.ip().to_string(), &i32::from(address.port())]);
            }
        }
    }

    pub(super) fn start(&self) -> Result<(), glib::BoolError> {
        let (sinks, sources) = {
            let state = self.state();
            (state.sinks.clone(), state.sources.clone())
        };
        sinks.iter().chain(sources.iter().rev()).try_for_each(ElementExt::sync_state_with_parent)
    }

    /// Whether an element inside is one of this leg's ways out.
    pub fn owns(&self, element: &gst::Object) -> bool {
        self.state().sinks.iter().any(|sink| sink.upcast_ref::<gst::Object>() == element)
    }

    pub(super) fn stop_sources(&self, bin: &gst::Bin) {
        let sources = std::mem::take(&mut self.state().sources);
        remove(bin, &sources);
    }

    pub(super) fn stop_sinks(&self, bin: &gst::Bin) {
        let sinks = {
            let mut state = self.state();
            state.rtp_sink = None;
            state.rtcp_sink = None;
            state.exit = None;
            std::mem::take(&mut state.sinks)
        };
        remove(bin, &sinks);
    }
}

fn remove(bin: &gst::Bin, elements: &[gst::Element]) {
    for element in elements {
        element.set_locked_state(true);
        let _ = element.set_state(gst::State::Null);
        let _ = bin.remove(element);
    }
}
