//! From a GStreamer pad to the peer: an `appsink` whose packets go into the peer's queue.

use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use gst::prelude::*;
use str0m::media::{Mid, Pt};
use str0m::rtp::RtpWrite;

use super::continuity::{Continuity, Extender};
use super::gate::Gate;
use super::lock;
use super::peer::Peer;
use super::sdp::Payload;
use anabranch_kit::endpoint::EndpointError;

/// What fits into a datagram with room for header extensions and encryption.
const MOST: usize = 1460;

/// A packet on its way to the peer.
pub(super) struct Outgoing {
    mid: Mid,
    pt: Pt,
    sequence: u64,
    timestamp: u32,
    marker: bool,
    /// When its media were captured.
    captured: Instant,
    video: bool,
    payload: Arc<[u8]>,
}

impl Outgoing {
    pub fn mid(&self) -> Mid {
        self.mid
    }

    /// Whether it ends a picture.
    pub fn marker(&self) -> bool {
        self.marker
    }

    pub fn write(self) -> RtpWrite {
        RtpWrite::new(self.pt, self.sequence.into(), self.timestamp, self.captured, self.payload)
            .marker(self.marker)
            .nackable(self.video)
    }
}

/// A track that is sent.
pub(super) struct Sending {
    pub payload: Payload,
    pub ssrc: u32,
    pub pad: gst::Pad,
    sink: gst::Element,
    /// Key frames that the peer asks for.
    pub gate: Gate,
}

impl Sending {
    /// Adds the elements to the bin. `stream` is the peer's view of the track, which outlives them.
    pub fn build(
        bin: &gst::Bin,
        peer: Weak<Peer>,
        mid: Mid,
        payload: Payload,
        ssrc: u32,
        video: bool,
        stream: Arc<Mutex<Continuity>>,
    ) -> Result<Sending, EndpointError> {
        lock(&stream).set_clock_rate(payload.clock_rate);
        let extender = Extender::default();
        let track = Mutex::new(Track { mid, pt: payload.pt.into(), video, extender, stream });
        let sink = gst_app::AppSink::builder()
            .name(format!("native-send-{mid}"))
            .sync(false)
            // Before there is media the pipeline plays all the same.
            .async_(false)
            .max_buffers(64)
            .drop(true)
            .buffer_list(true)
            .callbacks(
                gst_app::AppSinkCallbacks::builder()
                    .new_sample(move |sink| {
                        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                        if let Some(peer) = peer.upgrade().filter(|peer| peer.is_connected()) {
                            peer.send(lock(&track).packets(sink, &sample), video);
                        }
                        Ok(gst::FlowSuccess::Ok)
                    })
                    .build(),
            )
            .build()
            .upcast::<gst::Element>();
        let failed = |_| EndpointError::failed("The elements that send a track could not be made.");
        bin.add(&sink).map_err(failed)?;
        sink.sync_state_with_parent().map_err(failed)?;
        let pad = sink.static_pad("sink").ok_or_else(|| {
            EndpointError::failed("An appsink has no sink pad; the installation is broken.")
        })?;
        Ok(Sending { payload, ssrc, pad, sink, gate: Gate::default() })
    }

    /// Takes the elements out again.
    pub fn remove(&self, bin: &gst::Bin) {
        super::remove(bin, [&self.sink]);
    }
}

/// The state of the track on its streaming thread.
struct Track {
    mid: Mid,
    pt: Pt,
    video: bool,
    extender: Extender,
    stream: Arc<Mutex<Continuity>>,
}

impl Track {
    fn packets(&mut self, sink: &gst_app::AppSink, sample: &gst::Sample) -> Vec<Outgoing> {
        let clock = Clock::now(sink, sample);
        match (sample.buffer_list(), sample.buffer()) {
            (Some(list), _) => list.iter().filter_map(|buffer| self.packet(buffer, &clock)).collect(),
            (None, Some(buffer)) => self.packet(buffer, &clock).into_iter().collect(),
            (None, None) => Vec::new(),
        }
    }

    fn packet(&mut self, buffer: &gst::BufferRef, clock: &Clock) -> Option<Outgoing> {
        let map = buffer.map_readable().ok()?;
        let rtp = Rtp::parse(&map)?;
        if rtp.payload.len() > MOST {
            tracing::warn!(
                bytes = rtp.payload.len(),
                "an RTP packet is too big for the network and was dropped"
            );
            return None;
        }
        let captured = clock.instant(buffer.pts());
        let (extended, first) = self.extender.extend(rtp.ssrc, rtp.sequence, rtp.timestamp);
        let (sequence, timestamp) = {
            let mut stream = lock(&self.stream);
            if first {
                stream.begin(extended, rtp.timestamp, captured);
            }
            stream.map(extended, rtp.timestamp, captured)?
        };
        Some(Outgoing {
            mid: self.mid,
            pt: self.pt,
            sequence,
            timestamp,
            marker: rtp.marker,
            captured,
            video: self.video,
            payload: rtp.payload.into(),
        })
    }
}

/// The pipeline's time beside this process's, so that sender reports place all tracks on one time line.
struct Clock {
    now: Instant,
    running: Option<gst::ClockTime>,
    segment: Option<gst::FormattedSegment<gst::ClockTime>>,
}

impl Clock {
    fn now(sink: &gst_app::AppSink, sample: &gst::Sample) -> Self {
        Clock {
            now: Instant::now(),
            running: sink.current_running_time(),
            segment: sample.segment().and_then(|segment| segment.downcast_ref::<gst::ClockTime>().cloned()),
        }
    }

    /// When media of this time were captured; now, if that cannot be told.
    fn instant(&self, pts: Option<gst::ClockTime>) -> Instant {
        let at = || -> Option<Instant> {
            let media = self.segment.as_ref()?.to_running_time(pts?)?;
            let running = self.running?;
            let within = |time: gst::ClockTime| Duration::from(time).min(Duration::from_secs(10));
            if media <= running {
                self.now.checked_sub(within(running - media))
            } else {
                self.now.checked_add(within(media - running))
            }
        };
        at().unwrap_or(self.now)
    }
}

/// An RTP packet's fields.
struct Rtp<'a> {
    marker: bool,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    payload: &'a [u8],
}

impl<'a> Rtp<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Rtp<'a>> {
        let (head, mut rest) = bytes.split_at_checked(12)?;
        if head[0] >> 6 != 2 {
            return None;
        }
        rest = rest.get(usize::from(head[0] & 0x0F) * 4..)?;
        if head[0] & 0x10 != 0 {
            let words = u16::from_be_bytes([*rest.get(2)?, *rest.get(3)?]);
            rest = rest.get(4 + usize::from(words) * 4..)?;
        }
        if head[0] & 0x20 != 0 {
            let padding = usize::from(*rest.last()?);
            rest = rest.get(..rest.len().checked_sub(padding)?)?;
        }
        Some(Rtp {
            marker: head[1] & 0x80 != 0,
            sequence: u16::from_be_bytes([head[2], head[3]]),
            timestamp: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
            ssrc: u32::from_be_bytes([head[8], head[9], head[10], head[11]]),
            payload: rest,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_read_without_their_frills() {
        let mut packet = vec![0x80 | 0x20 | 0x10 | 1, 0x80 | 96, 0, 7, 0, 0, 0, 9, 0, 0, 0, 5];
        packet.extend([1, 2, 3, 4]); // a contributing source
        packet.extend([0xBE, 0xDE, 0, 1, 0x10, 0, 0, 0]); // header extensions
        packet.extend([0xAA, 0xBB, 0, 2]); // two bytes of padding
        let rtp = Rtp::parse(&packet).unwrap();
        assert!(rtp.marker);
        assert_eq!((rtp.sequence, rtp.timestamp, rtp.ssrc, rtp.payload), (7, 9, 5, &[0xAA, 0xBB][..]));
        for cut in 0..packet.len() {
            let _ = Rtp::parse(&packet[..cut]);
        }
    }
}
