//! From the peer to a GStreamer pad: packets go through an `appsrc` into an `rtpjitterbuffer`.

use std::collections::VecDeque;
use std::sync::Weak;
use std::time::{Duration, Instant};

use anabranch_graph::format::Format;
use gst::prelude::*;
use str0m::media::Mid;
use str0m::rtp::RtpPacket;

use super::gate::Gate;
use super::keyframe;
use super::layers::{Arrival, Layers};
use super::peer::Peer;
use super::sdp::Payload;
use super::sync::Transit;
use crate::options::patience;
use anabranch_kit::endpoint::EndpointError;

/// Packets that wait for somebody to take them, or in the source for the pipeline.
const MOST: usize = 2048;

/// A track that is received.
pub(super) struct Receiving {
    pub payload: Payload,
    pub format: Format,
    pub pad: gst::Pad,
    source: gst_app::AppSrc,
    buffer: gst::Element,
    queue: VecDeque<(Instant, Vec<u8>)>,
    /// Something was pushed.
    begun: bool,
    /// It waits for missing packets.
    waits: bool,
    pub layers: Layers,
    /// Key frames that are asked of the peer.
    pub gate: Gate,
    pub transit: Transit,
    pub counts: Counts,
}

/// What has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub packets: u64,
    pub bytes: u64,
    pub frames: u64,
    pub key_frames: u64,
    pub dropped: u64,
    pub plis: u64,
    pub last: Option<Instant>,
}

/// Packets of one wake, to be pushed without a lock.
pub(super) struct Push {
    source: gst_app::AppSrc,
    packets: Vec<(Instant, Vec<u8>)>,
}

impl Receiving {
    /// Adds the elements to the bin. They make a stream of their own, which asks `peer` for key frames itself.
    pub fn build(
        bin: &gst::Bin,
        peer: Weak<Peer>,
        mid: Mid,
        payload: Payload,
        caps: &gst::Caps,
        layers: Layers,
    ) -> Result<Receiving, EndpointError> {
        let failed = || EndpointError::failed("The elements that receive a track could not be made.");
        let format = payload.format().ok_or_else(failed)?;
        let source = gst_app::AppSrc::builder()
            .name(format!("native-receive-{mid}"))
            .caps(caps)
            .format(gst::Format::Time)
            .is_live(true)
            .max_buffers(MOST as u64)
            .max_bytes(0)
            .leaky_type(gst_app::AppLeakyType::Downstream)
            .build();
        let buffer = gst::ElementFactory::make("rtpjitterbuffer")
            .name(format!("native-order-{mid}"))
            // The first packet is passed on at once; then it waits for what is missing. The property that is made for this
            // (`faststart-min-packets`) does not see the packet while an event is in front of it.
            .property("latency", 0u32)
            .build()
            .map_err(|_| EndpointError::failed("GStreamer's element rtpjitterbuffer is not installed."))?;
        bin.add_many([source.upcast_ref(), &buffer]).map_err(|_| failed())?;
        source.link(&buffer).map_err(|_| failed())?;
        let (up, pad) = source.static_pad("src").zip(buffer.static_pad("src")).ok_or_else(failed)?;
        up.add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_, info| {
            if let Some(event) = info.event()
                && gst_video::ForceKeyUnitEvent::is(event)
                && let Some(peer) = peer.upgrade()
            {
                peer.request_key_frame(Some(mid));
            }
            gst::PadProbeReturn::Ok
        });
        // It would have to wait in the queue until the packets in front of it have gone.
        up.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, |_, info| match info.query() {
            Some(query) if query.type_() == gst::QueryType::Allocation => gst::PadProbeReturn::Handled,
            _ => gst::PadProbeReturn::Ok,
        });
        buffer.sync_state_with_parent().map_err(|_| failed())?;
        source.sync_state_with_parent().map_err(|_| failed())?;
        Ok(Receiving {
            payload,
            format,
            pad,
            source,
            buffer,
            queue: VecDeque::new(),
            begun: false,
            waits: false,
            layers,
            gate: Gate::default(),
            transit: Transit::default(),
            counts: Counts::default(),
        })
    }

    /// Takes the elements out again.
    pub fn remove(&self, bin: &gst::Bin) {
        super::remove(bin, [self.source.upcast_ref(), &self.buffer]);
    }

    /// Whether anything has come, so that there is somebody who can be asked.
    pub fn has_source(&self) -> bool {
        self.layers.source().is_some()
    }

    pub fn buffer(&self) -> &gst::Element {
        &self.buffer
    }

    /// A packet came. `true`: ask for a key frame.
    pub fn take(&mut self, packet: &RtpPacket, rid: Option<&str>) -> bool {
        if *packet.header.payload_type != self.payload.pt {
            // Only one payload type was left in the answer.
            self.counts.dropped += 1;
            return false;
        }
        let key = self.format.medium() == anabranch_graph::format::Medium::Video
            && keyframe::begins(&self.format, &packet.payload);
        let arrival = Arrival {
            ssrc: *packet.header.ssrc,
            rid,
            sequence: *packet.seq_no,
            timestamp: packet.header.timestamp,
            bytes: packet.payload.len(),
            key,
            at: packet.timestamp,
        };
        let before = self.layers.current();
        let (place, ask) = self.layers.take(&arrival);
        if self.layers.current() != before {
            self.transit.restart();
        }
        let Some((sequence, timestamp)) = place else { return ask };
        self.counts.packets += 1;
        self.counts.bytes += packet.payload.len() as u64;
        self.counts.frames += u64::from(packet.header.marker);
        self.counts.last = Some(packet.timestamp);
        if key {
            self.counts.key_frames += 1;
            self.gate.served();
        }
        self.transit.arrived(packet.header.timestamp, self.payload.clock_rate, packet.timestamp);
        let mut bytes = Vec::with_capacity(12 + packet.payload.len());
        bytes.push(0x80);
        bytes.push(u8::from(packet.header.marker) << 7 | self.payload.pt);
        bytes.extend((sequence as u16).to_be_bytes());
        bytes.extend(timestamp.to_be_bytes());
        bytes.extend(ONE_SOURCE.to_be_bytes());
        bytes.extend(&*packet.payload);
        if self.queue.len() >= MOST {
            self.queue.pop_front();
            self.counts.dropped += 1;
        }
        self.queue.push_back((packet.timestamp, bytes));
        ask
    }

    /// How long it is to wait for missing packets from now on, if it does so already.
    pub fn waits(&self, wait: Duration) -> Option<Duration> {
        self.waits.then(|| patience(self.format.medium(), wait))
    }

    /// What has been collected, if somebody takes it; and how long the elements are to wait for missing packets from then
    /// on, if that is new.
    pub fn collect(&mut self, wait: Duration) -> Option<(Option<Duration>, Push)> {
        if self.queue.is_empty() || !self.pad.is_linked() {
            return None;
        }
        let begins = self.begun && !self.waits;
        self.waits |= self.begun;
        self.begun = true;
        let begins = begins.then(|| patience(self.format.medium(), wait));
        let packets = self.queue.drain(..).collect();
        Some((begins, Push { source: self.source.clone(), packets }))
    }
}

/// The SSRC towards GStreamer, whatever the layer.
const ONE_SOURCE: u32 = 1;

impl Push {
    /// Pushes.
    pub fn perform(self) {
        // Without a clock the pipeline does not play yet; what comes then is lost, and a key frame is asked for when
        // somebody begins to look.
        let Some(running) = self.source.current_running_time() else { return };
        let now = Instant::now();
        // One by one: with lists, an appsrc of 1.22 that is stopped at the wrong moment unrefs a buffer that is not there.
        for (at, bytes) in self.packets {
            let age = gst::ClockTime::from_nseconds(now.saturating_duration_since(at).as_nanos() as u64);
            let time = running.saturating_sub(age);
            let mut buffer = gst::Buffer::from_mut_slice(bytes);
            if let Some(buffer) = buffer.get_mut() {
                buffer.set_pts(time);
                buffer.set_dts(time);
            }
            // It refuses while it stops: then nobody wants packets any more.
            if self.source.push_buffer(buffer).is_err() {
                return;
            }
        }
    }
}
