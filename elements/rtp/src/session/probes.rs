//! What is noted of packets as they come: when, from where, and whether they belong here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use gio::prelude::*;
use gst::prelude::*;

use super::leg::Leg;
use super::{Shared, Target, load, now, sender};

/// A learned address gives way to another after this time without packets, milliseconds.
const FAITH_MS: u64 = 2000;

const BUFFERS: gst::PadProbeType = gst::PadProbeType::BUFFER;

/// What the first bytes of a packet say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rtp(u8),
    Rtcp,
    Strange,
}

fn kind(buffer: &gst::BufferRef) -> Kind {
    let mut head = [0; 2];
    if buffer.size() < 8 || buffer.copy_to_slice(0, &mut head).is_err() || head[0] >> 6 != 2 {
        return Kind::Strange;
    }
    match head[1] {
        192..=223 => Kind::Rtcp,
        second if buffer.size() >= 12 => Kind::Rtp(second & 0x7f),
        _ => Kind::Strange,
    }
}

impl Leg {
    /// Watches the RTP port; reports that come there go out of `reports`.
    pub(super) fn watch_media(
        self: &Arc<Self>,
        src: &gst::Pad,
        reports: gst::Pad,
        secret: &str,
        shared: &Arc<Shared>,
    ) {
        let (leg, shared) = (Arc::downgrade(self), Arc::downgrade(shared));
        let caps = gst::Caps::new_empty_simple(format!("application/x-{secret}rtcp"));
        src.add_probe(BUFFERS, move |_, info| {
            let (Some(leg), Some(buffer)) = (leg.upgrade(), info.buffer()) else {
                return gst::PadProbeReturn::Handled;
            };
            let from = (leg.only_from.is_some() || leg.learn || !leg.sends).then(|| sender(buffer)).flatten();
            let counts = &leg.counts;
            let known = match kind(buffer) {
                Kind::Rtp(number) => leg.format(u32::from(number)).is_some(),
                Kind::Rtcp => true,
                Kind::Strange => false,
            };
            if !known || !leg.welcomes(from) {
                counts.strange.fetch_add(1, Ordering::Relaxed);
                return gst::PadProbeReturn::Handled;
            }
            if kind(buffer) == Kind::Rtcp {
                // Some send reports to the port of the media.
                let report = buffer.to_owned();
                leg.fed_back(from, is_sender_report(buffer), shared.upgrade());
                if !reports.is_active() {
                    // It is nobody's pad: it cannot fail.
                    let _ = reports.set_active(true);
                    reports.push_event(gst::event::StreamStart::new("reports"));
                    reports.push_event(gst::event::Caps::new(&caps));
                    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
                    reports.push_event(gst::event::Segment::new(&segment));
                }
                // Whatever is wrong with a report concerns nobody else.
                let _ = reports.push(report);
                return gst::PadProbeReturn::Handled;
            }
            counts.came.fetch_add(1, Ordering::Relaxed);
            counts.bytes.fetch_add(buffer.size() as u64, Ordering::Relaxed);
            if leg.decryptor.is_none() {
                counts.good.fetch_add(1, Ordering::Relaxed);
            }
            let before = counts.last_media.swap(now(), Ordering::Relaxed);
            let learned = from.is_some_and(|from| leg.learn_media(from, before));
            if before == 0 || learned || now().saturating_sub(before) > 1000 {
                leg.stir(shared.upgrade());
            }
            gst::PadProbeReturn::Ok
        });
    }

    /// Watches an RTCP port; `own` is the socket that reports go out of.
    pub(super) fn watch_feedback(self: &Arc<Self>, src: &gst::Pad, shared: &Arc<Shared>, own: &gio::Socket) {
        let (leg, shared) = (Arc::downgrade(self), Arc::downgrade(shared));
        let own_port = own
            .local_address()
            .ok()
            .and_then(|address| address.downcast::<gio::InetSocketAddress>().ok())
            .map(|address| address.port());
        let own_ssrc = self.ssrc;
        src.add_probe(BUFFERS, move |_, info| {
            let (Some(leg), Some(buffer)) = (leg.upgrade(), info.buffer()) else {
                return gst::PadProbeReturn::Handled;
            };
            let from = sender(buffer);
            // What is sent to a group comes back.
            let echo = own_port.is_some()
                && from.map(|from| from.port()) == own_port
                && reporter(buffer) == Some(own_ssrc);
            if echo {
                return gst::PadProbeReturn::Handled;
            }
            if kind(buffer) != Kind::Rtcp || !leg.welcomes(from) {
                leg.counts.strange.fetch_add(1, Ordering::Relaxed);
                return gst::PadProbeReturn::Handled;
            }
            leg.fed_back(from, is_sender_report(buffer), shared.upgrade());
            gst::PadProbeReturn::Ok
        });
    }

    /// Counts what is authentic after decryption.
    pub(super) fn watch_authentic(self: &Arc<Self>) {
        let Some(decryptor) = &self.decryptor else { return };
        if let Some(pad) = decryptor.static_pad("rtp_src") {
            let leg = Arc::downgrade(self);
            pad.add_probe(BUFFERS, move |_, _| {
                if let Some(leg) = leg.upgrade() {
                    leg.counts.good.fetch_add(1, Ordering::Relaxed);
                }
                gst::PadProbeReturn::Ok
            });
        }
    }

    fn welcomes(&self, from: Option<SocketAddr>) -> bool {
        self.only_from.is_none_or(|only| from.is_some_and(|from| from.ip() == only))
    }

    fn fed_back(&self, from: Option<SocketAddr>, of_sender: bool, shared: Option<Arc<Shared>>) {
        self.counts.feedback.fetch_add(1, Ordering::Relaxed);
        let before = self.counts.last_feedback.swap(now(), Ordering::Relaxed);
        // Other receivers of a group report, too.
        if let Some(from) = from.filter(|_| of_sender || self.learn) {
            self.learn_feedback(from);
        }
        if before == 0 {
            self.stir(shared);
        }
    }

    fn stir(&self, shared: Option<Arc<Shared>>) {
        self.counts.stirred.store(true, Ordering::Relaxed);
        if let Some(listener) = shared.and_then(|shared| shared.listener.upgrade()) {
            listener.stir();
        }
    }

    /// Media came from there. `true`: that is where media go now.
    fn learn_media(&self, from: SocketAddr, before: u64) -> bool {
        let target = {
            let mut state = self.state();
            let beside = || SocketAddr::new(from.ip(), from.port().saturating_add(1));
            if !self.learn {
                // Who only receives must know where to send reports.
                if self.sends || state.target.rtcp.is_some() || from.ip().is_multicast() {
                    return false;
                }
                Target { rtp: None, rtcp: Some(beside()) }
            } else {
                let silent = before != 0 && now().saturating_sub(before) > FAITH_MS;
                if state.target.rtp == Some(from) || (state.learned.is_some() && !silent) {
                    return false;
                }
                state.learned = Some(now());
                let rtcp = if self.mux { from } else { beside() };
                Target { rtp: Some(from), rtcp: Some(rtcp) }
            }
        };
        self.aim(target);
        true
    }

    /// A report came from there: whoever only receives, or learns, sends its own there.
    fn learn_feedback(&self, from: SocketAddr) {
        let target = {
            let state = self.state();
            let learns = self.learn || !self.sends;
            // A report alone does not say where media go, unless nothing else will.
            let other = state.target.rtp.is_some_and(|rtp| rtp.ip() != from.ip());
            if !learns || state.target.rtcp == Some(from) || other {
                return;
            }
            Target { rtcp: Some(from), ..state.target }
        };
        self.aim(target);
    }

    /// A packet could not be sent.
    pub fn unsent(&self, why: &str) {
        self.counts.unsent.fetch_add(1, Ordering::Relaxed);
        why.clone_into(&mut self.state().unsent_why);
    }

    /// Sends that failed so far.
    pub(super) fn unsent_count(&self) -> u64 {
        load(&self.counts.unsent)
    }
}

/// Whether a packet of RTCP begins with a sender's report.
fn is_sender_report(buffer: &gst::BufferRef) -> bool {
    let mut head = [0; 2];
    buffer.copy_to_slice(0, &mut head).is_ok() && head[1] == 200
}

/// The SSRC of the first report in a packet.
fn reporter(buffer: &gst::BufferRef) -> Option<u32> {
    let mut bytes = [0; 4];
    buffer.copy_to_slice(4, &mut bytes).ok()?;
    Some(u32::from_be_bytes(bytes))
}
