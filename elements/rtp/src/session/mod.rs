//! RTP sessions: one rtpbin for the media of one element, with sockets, encryption and feedback around it.

mod leg;
mod look;
mod probes;
mod stats;
mod watched;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use anabranch_graph::format::{Format, Medium};
use gst::prelude::*;

pub(crate) use leg::{Leg, LegOptions, Target};
pub(crate) use look::Change;
pub(crate) use watched::{LOOK_EVERY, Watched};

use anabranch_kit::endpoint::{EndpointError, make};

/// Least time between two reports of one session. Between two of them, one request for lost packets may go at once (RFC
/// 4585, 3.5.2), the next has to wait: with half a second, a request that is lost itself is not repeated in time.
const REPORT_EVERY: gst::ClockTime = gst::ClockTime::from_mseconds(100);

/// What a session may carry, bytes a second, of which a twentieth may be reports: enough for the time above between two
/// peers; in a large group, where all share it, reports become rarer by themselves.
const BANDWIDTH: f64 = 250_000.0;

/// Most senders that one session listens to at once.
const MOST_STREAMS: u32 = 16;

/// Hears what happens in a session. All of it is called on streaming threads, with no lock held.
pub(crate) trait Listener: Send + Sync {
    /// A sender's packets come out of a pad, in order and without duplicates: they must be taken at once.
    fn stream(&self, medium: Medium, format: &Format, pad: gst::Pad);
    /// The first packet came on a leg, or its peer's address was learned: a look at the session is due.
    fn stir(&self);
    /// A sender said good-bye.
    fn bye(&self, medium: Medium);
}

/// What a session is made with.
pub(crate) struct SessionOptions {
    /// How long received packets wait for missing ones, milliseconds.
    pub jitter_ms: u32,
    /// The name under which all its media are one sender's.
    pub cname: String,
}

/// The sessions of one element, one leg for each medium.
pub(crate) struct Session {
    bin: gst::Bin,
    rtpbin: gst::Element,
    shared: Arc<Shared>,
    cname: String,
}

/// What rtpbin's signals look at.
pub(crate) struct Shared {
    legs: Mutex<Vec<Arc<Leg>>>,
    listener: Weak<dyn Listener>,
}

impl Shared {
    fn legs(&self) -> MutexGuard<'_, Vec<Arc<Leg>>> {
        self.legs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leg(&self, index: u32) -> Option<Arc<Leg>> {
        self.legs().iter().find(|leg| leg.index == index).cloned()
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("cname", &self.cname).finish_non_exhaustive()
    }
}

impl Session {
    /// A session in an element's bin.
    ///
    /// # Errors
    ///
    /// rtpbin is missing.
    pub fn new(
        bin: &gst::Bin,
        options: SessionOptions,
        listener: Weak<dyn Listener>,
    ) -> Result<Self, EndpointError> {
        let rtpbin = make("rtpbin")?;
        rtpbin.set_property("latency", options.jitter_ms);
        rtpbin.set_property("do-retransmission", true);
        rtpbin.set_property("autoremove", true);
        rtpbin.set_property("max-streams", MOST_STREAMS);
        // Feedback goes when it is due, not with the next report; whoever does not know it passes it over.
        rtpbin.set_property_from_str("rtp-profile", "avpf");
        // Sound and pictures are in step as they were taken, whatever encoding them took.
        rtpbin.set_property("rtcp-sync-send-time", false);
        let sdes = gst::Structure::builder("application/x-rtp-source-sdes")
            .field("cname", &options.cname)
            .field("tool", "Anabranch")
            .build();
        rtpbin.set_property("sdes", sdes);
        let shared = Arc::new(Shared { legs: Mutex::default(), listener });
        connect(&rtpbin, &shared);
        bin.add(&rtpbin)?;
        Ok(Session { bin: bin.clone(), rtpbin, shared, cname: options.cname })
    }

    /// Adds a medium.
    ///
    /// # Errors
    ///
    /// A missing element; the session is of no use then.
    pub fn add(&self, options: LegOptions) -> Result<Arc<Leg>, EndpointError> {
        let leg = {
            let mut legs = self.shared.legs();
            let leg = Arc::new(Leg::new(legs.len() as u32, &options)?);
            legs.push(leg.clone());
            leg
        };
        leg.build(&self.bin, &self.rtpbin, options, &self.shared)?;
        Ok(leg)
    }

    /// All legs.
    pub fn legs(&self) -> Vec<Arc<Leg>> {
        self.shared.legs().clone()
    }

    /// Begins: packets come and go from now on.
    ///
    /// # Errors
    ///
    /// An element does not start; it has said why.
    pub fn start(&self) -> Result<(), EndpointError> {
        let failed = |_| EndpointError::failed("the RTP session does not start");
        self.rtpbin.sync_state_with_parent().map_err(failed)?;
        for leg in self.legs() {
            leg.start().map_err(failed)?;
        }
        Ok(())
    }

    /// What changed since the last look.
    pub fn look(&self, timeout: std::time::Duration) -> Vec<Change> {
        self.legs().iter().flat_map(|leg| leg.look(timeout)).collect()
    }

    /// Statistics with the W3C's names.
    pub fn stats(&self) -> serde_json::Value {
        stats::stats(&self.rtpbin, &self.legs())
    }

    /// Takes what an element of the session says of a packet that it could not send. `false`: it is of nobody here.
    pub fn unsent(&self, element: &gst::Object, why: &str) -> bool {
        let leg = self.legs().into_iter().find(|leg| leg.owns(element));
        // One message for each packet would be a flood.
        leg.inspect(|leg| leg.unsent(why)).is_some()
    }

    /// The same for a message of the element's bin.
    pub fn hears(&self, message: &gst::Message) -> bool {
        match (message.view(), message.src()) {
            (gst::MessageView::Warning(warning), Some(source)) => self.unsent(source, &why(warning)),
            _ => false,
        }
    }

    /// Ends it and gives everything back.
    pub fn close(&self) {
        let legs = std::mem::take(&mut *self.shared.legs());
        for leg in &legs {
            leg.stop_sources(&self.bin);
        }
        self.rtpbin.set_locked_state(true);
        let _ = self.rtpbin.set_state(gst::State::Null);
        for leg in &legs {
            leg.stop_sinks(&self.bin);
        }
        let _ = self.bin.remove(&self.rtpbin);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.rtpbin.parent().is_some() {
            self.close();
        }
    }
}

fn connect(rtpbin: &gst::Element, shared: &Arc<Shared>) {
    let number = |values: &[glib::Value], n: usize| values.get(n).and_then(|v| v.get::<u32>().ok());
    let weak = Arc::downgrade(shared);
    let leg_of = move |values: &[glib::Value]| weak.upgrade()?.leg(number(values, 1)?);
    for (signal, decrypts) in [
        ("request-rtp-encoder", false),
        ("request-rtcp-encoder", false),
        ("request-rtp-decoder", true),
        ("request-rtcp-decoder", true),
    ] {
        let leg_of = leg_of.clone();
        rtpbin.connect(signal, false, move |values| {
            let leg = leg_of(values);
            let element =
                leg.and_then(|leg| if decrypts { leg.decryptor.clone() } else { leg.encryptor.clone() });
            Some(element.to_value())
        });
    }
    let weak = Arc::downgrade(shared);
    rtpbin.connect("new-jitterbuffer", false, move |values| {
        let buffer = values.get(1)?.get::<gst::Element>().ok()?;
        let leg = weak.upgrade()?.leg(number(values, 2)?)?;
        // Who has not said that it sends lost packets again is not asked for them.
        if !leg.nack {
            buffer.set_property("do-retransmission", false);
        }
        None
    });
    let of = leg_of.clone();
    rtpbin.connect("request-pt-map", false, move |values| {
        let caps = of(values).and_then(|leg| leg.caps(number(values, 2)?));
        Some(caps.to_value())
    });
    let (of, weak) = (leg_of.clone(), Arc::downgrade(shared));
    rtpbin.connect("on-bye-ssrc", false, move |values| {
        // The receivers of a group say good-bye as well: that is not the sender's.
        let has_sent = || {
            let rtpbin = values.first()?.get::<gst::Element>().ok()?;
            Some(stats::has_sent(&rtpbin, number(values, 1)?, number(values, 2)?))
        };
        if let (Some(leg), Some(shared)) = (of(values), weak.upgrade())
            && has_sent() == Some(true)
            && let Some(listener) = shared.listener.upgrade()
        {
            listener.bye(leg.medium);
        }
        None
    });
    let weak = Arc::downgrade(shared);
    rtpbin.connect_pad_added(move |_, pad| {
        // recv_rtp_src_SESSION_SSRC_PT
        let name = pad.name();
        let Some(rest) = name.strip_prefix("recv_rtp_src_") else { return };
        let mut parts = rest.split('_').filter_map(|part| part.parse::<u32>().ok());
        let (Some(index), Some(_ssrc), Some(number)) = (parts.next(), parts.next(), parts.next()) else {
            return;
        };
        let Some(shared) = weak.upgrade() else { return };
        let Some(leg) = shared.leg(index) else { return };
        let Some(format) = leg.format(number) else { return };
        if let Some(listener) = shared.listener.upgrade() {
            listener.stream(leg.medium, &format, pad.clone());
        }
    });
}

/// The socket address that GStreamer's elements noted on a packet.
fn sender(buffer: &gst::BufferRef) -> Option<SocketAddr> {
    let address = buffer.meta::<gst_net::NetAddressMeta>()?.addr();
    let address = address.downcast::<gio::InetSocketAddress>().ok()?;
    use gio::prelude::*;
    let ip: IpAddr = address.address().to_str().parse().ok()?;
    Some(SocketAddr::new(ip, address.port()))
}

/// Milliseconds since the first call, never 0.
fn now() -> u64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed().as_millis() as u64 + 1
}

fn load(counter: &std::sync::atomic::AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

pub(crate) use stats::summary;

/// Why a packet could not be sent, from what `multiudpsink` says about it.
pub(crate) fn why(warning: &gst::message::Warning) -> String {
    let detail = warning.debug().map(|debug| debug.to_string()).unwrap_or_default();
    // file.c(123): function (): /path: client ADDRESS, reason: TEXT
    match detail.rsplit_once("client ") {
        Some((_, told)) => told.replacen(", reason:", ":", 1).trim().to_owned(),
        None => warning.error().message().to_owned(),
    }
}
