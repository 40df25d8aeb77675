//! From an input port to the transport.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anabranch_graph::format::{Format, Medium};
use anabranch_kit::caps::format_of;
use anabranch_kit::keyframe;
use gst::prelude::*;

use super::gate::{Gate, Verdict};
use anabranch_kit::endpoint::codec::{self, Packing};
use anabranch_kit::endpoint::{Chain, EndpointError, make};

/// Largest RTP packet, bytes: with SRTP, UDP, IPv6 and a TURN header it fits into every path.
const MTU: u32 = 1200;

/// What makes RTP with these caps (payload type, SSRC) of a format: what comes out has exactly these caps.
fn packers(format: &Format, caps: &gst::Caps) -> Result<Vec<gst::Element>, EndpointError> {
    let structure = caps.structure(0);
    let number = structure.and_then(|s| s.get::<i32>("payload").ok()).and_then(|n| n.try_into().ok());
    let ssrc = structure.and_then(|s| s.get::<u32>("ssrc").ok());
    let mut elements = codec::packers(format, Packing { mtu: MTU, number, ssrc })?;
    // A payloader derives details such as the profile from the stream, and those need not be the negotiated ones.
    let setter = make("capssetter")?;
    setter.set_property("join", false);
    setter.set_property("replace", true);
    setter.set_property("caps", caps);
    elements.push(setter);
    Ok(elements)
}

/// An input port: what comes in is dropped until a peer wants it, so whoever feeds it never waits for a peer.
#[derive(Debug)]
pub(crate) struct SendPort {
    medium: Medium,
    ghost: gst::GhostPad,
    /// The element that the port always ends in.
    entry: gst::Element,
    gate: Arc<Gate>,
    /// How often the peer asked for a key frame.
    requests: Arc<AtomicU64>,
    track: Mutex<Option<Track>>,
}

#[derive(Debug)]
struct Track {
    mid: String,
    chain: Chain,
    exit: gst::Pad,
}

impl SendPort {
    /// The port behind a ghost pad of the bin.
    ///
    /// # Errors
    ///
    /// GStreamer's `identity` is missing.
    pub fn new(bin: &gst::Bin, ghost: gst::GhostPad, medium: Medium) -> Result<Self, EndpointError> {
        let failed = |error: glib::BoolError| EndpointError::failed(error.to_string());
        let entry = make("identity")?;
        bin.add(&entry).map_err(failed)?;
        if let Some(pad) = entry.static_pad("sink") {
            ghost.set_target(Some(&pad)).map_err(failed)?;
        }
        let port = SendPort {
            medium,
            ghost,
            entry,
            gate: Arc::default(),
            requests: Arc::default(),
            track: Mutex::default(),
        };
        port.watch();
        port.count_requests();
        Ok(port)
    }

    fn watch(&self) {
        let (gate, medium) = (self.gate.clone(), self.medium);
        let kinds =
            gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST | gst::PadProbeType::EVENT_DOWNSTREAM;
        let entry = self.entry.downgrade();
        self.ghost.add_probe(kinds, move |pad, info| {
            let verdict = match &info.data {
                Some(gst::PadProbeData::Buffer(buffer)) => gate.judge(medium, Some(buffer), 1),
                Some(gst::PadProbeData::BufferList(list)) => {
                    gate.judge(medium, list.get_owned(0).as_ref(), list.len() as u64)
                }
                Some(gst::PadProbeData::Event(event)) => {
                    return match event.view() {
                        gst::EventView::Caps(caps) => {
                            gate.comes(format_of(caps.caps()));
                            gst::PadProbeReturn::Ok
                        }
                        // RTP has no end: a source that ended may be followed by another.
                        gst::EventView::Eos(_) => gst::PadProbeReturn::Handled,
                        _ => gst::PadProbeReturn::Ok,
                    };
                }
                _ => return gst::PadProbeReturn::Ok,
            };
            match verdict {
                Verdict::Pass => gst::PadProbeReturn::Ok,
                Verdict::After(kept) => {
                    let sink = entry.upgrade().and_then(|entry| entry.static_pad("sink"));
                    for frame in kept {
                        // If it fails, so does what follows, which tells the sender.
                        let _ = sink.as_ref().map(|sink| sink.chain(frame));
                    }
                    gst::PadProbeReturn::Ok
                }
                Verdict::Drop => gst::PadProbeReturn::Handled,
                Verdict::Ask => {
                    keyframe::ask(pad.upcast_ref());
                    gst::PadProbeReturn::Handled
                }
            }
        });
    }

    /// Whoever makes the frames merges the requests; here they are only counted.
    fn count_requests(&self) {
        let (Some(pad), requests) = (self.entry.static_pad("sink"), self.requests.clone()) else { return };
        pad.add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_, info| {
            if info.event().is_some_and(|event| gst_video::ForceKeyUnitEvent::is(event)) {
                requests.fetch_add(1, Ordering::Relaxed);
            }
            gst::PadProbeReturn::Ok
        });
    }

    /// Sends what comes in, in this format, into a transport's pad.
    ///
    /// # Errors
    ///
    /// A missing element.
    pub fn open(
        &self,
        bin: &gst::Bin,
        mid: &str,
        format: &Format,
        caps: &gst::Caps,
        pad: gst::Pad,
    ) -> Result<(), EndpointError> {
        if self.is_same(mid, format, &pad) {
            return Ok(());
        }
        self.close(bin);
        let chain = Chain::new(bin, packers(format, caps)?)?;
        let link = || -> Result<(), String> {
            let nothing = || "an element without pads".to_owned();
            let (sink, src) = chain.sink().zip(chain.src()).ok_or_else(nothing)?;
            src.link(&pad).map_err(|e| e.to_string())?;
            chain.start();
            let entry = self.entry.static_pad("src").ok_or_else(nothing)?;
            entry.link(&sink).map_err(|e| e.to_string())?;
            Ok(())
        };
        if let Err(error) = link() {
            chain.remove(bin);
            return Err(EndpointError::failed(format!("{format} cannot be sent: {error}")));
        }
        *self.track() = Some(Track { mid: mid.to_owned(), chain, exit: pad });
        self.gate.negotiate(Some(format.clone()));
        Ok(())
    }

    fn is_same(&self, mid: &str, format: &Format, pad: &gst::Pad) -> bool {
        self.gate.takes(format) && self.track().as_ref().is_some_and(|t| t.mid == mid && t.exit == *pad)
    }

    /// Sends nothing any more.
    pub fn close(&self, bin: &gst::Bin) {
        self.gate.negotiate(None);
        let track = self.track().take();
        if let Some(track) = track {
            if let (Some(entry), Some(sink)) = (self.entry.static_pad("src"), track.chain.sink()) {
                let _ = entry.unlink(&sink);
            }
            track.chain.remove(bin);
        }
    }

    /// Whether this is the track of that MID.
    pub fn is(&self, mid: &str) -> bool {
        self.track().as_ref().is_some_and(|track| track.mid == mid)
    }

    /// The peer is connected, or is so no more. Sending starts with a key frame.
    pub fn set_connected(&self, connected: bool) {
        if self.gate.set_connected(connected) && self.medium == Medium::Video {
            keyframe::ask(self.ghost.upcast_ref());
        }
    }

    /// How many key frames the peer asked for.
    pub fn key_frame_requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// How many buffers nobody wanted.
    pub fn dropped(&self) -> u64 {
        self.gate.dropped()
    }

    fn track(&self) -> MutexGuard<'_, Option<Track>> {
        self.track.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
