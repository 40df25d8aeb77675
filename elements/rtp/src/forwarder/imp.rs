//! The GObject.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anabranch_graph::format::{Format, Medium};
use anabranch_kit::endpoint::{Endpoint, EndpointError, ReceivePort, Shell, ghost, make, runtime, templates};
use anabranch_kit::message;
use anabranch_kit::params::ParamStore;
use glib::subclass::prelude::*;
use gst::prelude::*;
use gst::subclass::prelude::*;
use serde_json::json;
use tokio::sync::Notify;

use super::Options;
use super::describe::SUMMARY;
use super::sdp::{Sent, Whole};
use crate::media::codec::Coding;
use crate::media::send::{Plan, SendPort, Told};
use crate::net;
use crate::net::interface::Interface;
use crate::net::ports::Place;
use crate::session::{LegOptions, Listener, Session, SessionOptions, Target, Watched, summary};
use crate::srtp::Keys;

const MEDIA: [Medium; 2] = [Medium::Video, Medium::Audio];

/// The longest wait for a good-bye to be sent.
const GOOD_BYE: Duration = Duration::from_millis(250);

#[derive(Default)]
pub struct Forwarder {
    params: ParamStore<Options>,
    shell: Shell<Vec<Port>, Arc<Live>>,
}

pub struct Port {
    medium: Medium,
    send: SendPort,
    /// Its end is the port's, for the pipeline.
    end: gst::Element,
}

/// What there is while the element runs.
pub struct Live {
    watched: Arc<Watched>,
    place: Place,
    to: IpAddr,
    options: Options,
    described: Mutex<Described>,
    /// Held while the SDP is written: an older one never comes after a newer one.
    writing: Mutex<()>,
}

impl Live {
    fn session(&self) -> &Session {
        self.watched.session()
    }
}

/// What receivers are told.
struct Described {
    whole: Whole,
    sent: Vec<Sent>,
}

/// Hears receivers.
struct Ears {
    stirred: Arc<Notify>,
}

impl Listener for Ears {
    fn stream(&self, _medium: Medium, _format: &Format, _pad: gst::Pad) {}
    fn stir(&self) {
        self.stirred.notify_one();
    }
    fn bye(&self, _medium: Medium) {}
}

#[glib::object_subclass]
impl ObjectSubclass for Forwarder {
    const NAME: &'static str = "AbRtpForwarder";
    type Type = super::RtpForwarder;
    type ParentType = gst::Bin;
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Endpoint for Forwarder {
    type Ports = Vec<Port>;
    type Live = Arc<Live>;

    const ROLE: gst::ElementFlags = gst::ElementFlags::SINK;

    fn shell(&self) -> &Shell<Vec<Port>, Arc<Live>> {
        &self.shell
    }

    fn outputs(_ports: &Vec<Port>) -> Vec<&ReceivePort> {
        Vec::new()
    }

    fn make_ports(&self) -> Result<Vec<Port>, EndpointError> {
        let element = self.obj();
        let bin: &gst::Bin = element.upcast_ref();
        let mut ports = Vec::new();
        for medium in MEDIA {
            let pad = ghost(bin, &format!("sink_{medium}"))?;
            let weak = element.downgrade();
            let send = SendPort::new(bin, &pad, medium, true, move |told| {
                if let Some(element) = weak.upgrade() {
                    element.imp().told(medium, told);
                }
            })?;
            let end = make("fakesink")?;
            for property in ["sync", "async", "enable-last-sample"] {
                end.set_property(property, false);
            }
            // A port that nothing is linked to does not hold up the end of the others.
            end.unset_element_flags(gst::ElementFlags::SINK);
            bin.add(&end)?;
            let weak = end.downgrade();
            pad.connect_linked(move |_, _| {
                if let Some(end) = weak.upgrade() {
                    end.set_element_flags(gst::ElementFlags::SINK);
                }
            });
            ports.push(Port { medium, send, end });
        }
        Ok(ports)
    }

    fn start(&self, _ports: &Vec<Port>) -> Result<Arc<Live>, EndpointError> {
        let options = self.params.get();
        let to = net::parse_ip("address", &options.address)?;
        let interface = Interface::named(&options.interface)?;
        // Keys that do not fit are told now, not when media come.
        Keys::of_properties(options.crypto, &options.crypto_key)?;
        let given = match options.source_address.as_str() {
            "" => interface.as_ref().and_then(|interface| interface.address_like(to)),
            text => Some(net::parse_ip("source_address", text)?),
        };
        let ttl = options.ttl;
        let place = Place {
            ip: given.unwrap_or_else(|| net::any(to)),
            ports: (net::port(options.min_port), net::port(options.max_port)),
            interface,
            hops: (ttl != 0).then_some(ttl),
            hear: options.r#loop,
        };
        let from = given.or_else(|| net::local_address_towards(SocketAddr::new(to, net::port(options.port))));
        let stirred = Arc::new(Notify::new());
        let ears: Arc<dyn Listener> = Arc::new(Ears { stirred: stirred.clone() });
        let cname = format!("{:08x}{:08x}", glib::random_int(), glib::random_int());
        let session = Session::new(
            self.obj().upcast_ref(),
            SessionOptions { jitter_ms: 0, cname: cname.clone() },
            Arc::downgrade(&ears),
        )?;
        session.start()?;
        let whole = Whole {
            id: glib::random_int(),
            version: 0,
            name: options.session_name.clone(),
            from: from.unwrap_or_else(|| net::any(to)),
            ttl,
            cname,
        };
        let timeout = Duration::from_millis(u64::from(options.timeout_ms));
        let watched = Watched::new(self.obj().upcast_ref(), session, ears, stirred, timeout);
        let described = Mutex::new(Described { whole, sent: Vec::new() });
        Ok(Arc::new(Live { watched, place, to, options, described, writing: Mutex::new(()) }))
    }

    fn stop(&self, live: Arc<Live>) {
        for port in self.shell.ports().into_iter().flatten() {
            port.send.set_connected(false);
            port.send.set_plan(None);
        }
        live.watched.close();
    }
}

impl Forwarder {
    fn live(&self) -> Option<Arc<Live>> {
        self.shell.live().clone()
    }

    fn port(&self, medium: Medium) -> Option<&Port> {
        self.shell.ports()?.iter().find(|port| port.medium == medium)
    }

    /// Makes the way out for a medium that comes.
    fn open(&self, medium: Medium) -> Result<(), EndpointError> {
        // Between READY and NULL nothing flows.
        let (Some(port), Some(live)) = (self.port(medium), self.live()) else { return Ok(()) };
        let options = &live.options;
        let number = net::port(match medium {
            Medium::Video => options.port,
            _ => net::audio_port(options.port, options.audio_port)?,
        });
        let (to, reports_to) =
            (SocketAddr::new(live.to, number), SocketAddr::new(live.to, number.saturating_add(1)));
        let mut sockets = live.place.open()?;
        if live.to.is_multicast() {
            // Receivers that know no better report to the whole group.
            sockets.group_rtcp = Some(live.place.join_one(live.to, reports_to.port(), None)?);
        }
        let keys = Keys::of_properties(options.crypto, &options.crypto_key)?;
        let codings: Vec<Coding> = options.formats(medium).into_iter().filter_map(Coding::usual).collect();
        let ssrc = glib::random_int();
        let leg = live.session().add(LegOptions {
            medium,
            sockets,
            sends: true,
            receives: false,
            codings: codings.clone(),
            target: Target { rtp: Some(to), rtcp: Some(reports_to) },
            learn: false,
            only_from: None,
            send_keys: keys.clone(),
            receive_keys: keys.clone(),
            nack: true,
            mux: false,
            hops: live.place.hops,
            hear: options.r#loop,
            dscp: options.dscp,
            ssrc,
        })?;
        live.session().start()?;
        let exit = leg.exit().ok_or_else(|| EndpointError::failed("the RTP session takes nothing"))?;
        if let Some(coding) = codings.first().cloned() {
            let caps = gst::Caps::new_empty();
            lock(&live.described).sent.push(Sent { medium, coding, caps, to, ssrc, keys });
        }
        port.send.set_plan(Some(Plan { codings, ssrc, mtu: options.mtu, exit }));
        port.send.set_connected(true);
        Ok(())
    }

    fn told(&self, medium: Medium, told: Told) {
        match told {
            Told::Coming => {
                if let Err(error) = self.open(medium) {
                    self.post_error_message(error.message());
                }
            }
            Told::Packs(coding, caps) => self.packs(medium, coding, caps),
            Told::Unfit(format) => self.post_error_message(gst::error_msg!(
                gst::StreamError::Format,
                ("{} is not sent as RTP by this element: see `{medium}_codecs`.", format.name())
            )),
            Told::Failed(error) => self.post_error_message(error.message()),
            Told::Ended => self.ended(medium),
        }
    }

    /// The port has ended once its good-bye is out.
    fn ended(&self, medium: Medium) {
        let end = self.port(medium).map(|port| port.end.clone());
        let legs = self.live().map(|live| live.session().legs()).unwrap_or_default();
        let gone = legs.iter().find(|leg| leg.medium == medium).map(|leg| leg.gone.clone());
        runtime::spawn(async move {
            if let Some(gone) = gone {
                // rtpbin says good-bye at once, but does not always say that it did.
                let _ = tokio::time::timeout(GOOD_BYE, gone.notified()).await;
            }
            runtime::spawn_blocking(move || {
                let Some(pad) = end.and_then(|end| end.static_pad("sink")) else { return };
                pad.send_event(gst::event::StreamStart::new(&format!("rtp-forwarder/{medium}")));
                pad.send_event(gst::event::Eos::new());
            });
        });
    }

    /// What is sent has these details: receivers are told.
    fn packs(&self, medium: Medium, coding: Coding, caps: gst::Caps) {
        let Some(live) = self.live() else { return };
        let (text, version) = {
            let mut described = lock(&live.described);
            let Described { whole, sent } = &mut *described;
            let Some(this) = sent.iter_mut().find(|sent| sent.medium == medium) else { return };
            (this.coding, this.caps) = (coding, caps);
            sent.sort_by_key(|sent| sent.medium);
            whole.version += 1;
            // One whose details are not known yet comes with the next.
            let known: Vec<Sent> = sent.iter().filter(|sent| !sent.caps.is_empty()).cloned().collect();
            (whole.describe(&known), whole.version)
        };
        message::post(&*self.obj(), "sdp", json!({"sdp": text}));
        if live.options.sdp_file.is_empty() {
            return;
        }
        let element = self.obj().downgrade();
        runtime::spawn_blocking(move || {
            let _writing = lock(&live.writing);
            // A newer one may be written already.
            if lock(&live.described).whole.version != version {
                return;
            }
            let file = &live.options.sdp_file;
            if let (Err(error), Some(element)) = (write(file, &text), element.upgrade()) {
                element.imp().post_error_message(gst::error_msg!(
                    gst::ResourceError::Write,
                    ("The SDP cannot be written to '{file}': {error}.")
                ));
            }
        });
    }

    fn stats(&self) -> gst::Structure {
        let stats = self.live().map(|live| live.session().stats());
        let mut structure = summary(&stats.unwrap_or_default());
        for port in self.shell.ports().into_iter().flatten() {
            structure.set(format!("{}-dropped", port.medium), port.send.dropped());
            structure.set(format!("{}-key-frames-requested", port.medium), port.send.key_frame_requests());
        }
        structure
    }
}

/// Nobody reads half of it.
fn write(file: &str, text: &str) -> std::io::Result<()> {
    let part = format!("{file}.part");
    std::fs::write(&part, text)?;
    std::fs::rename(&part, file)
}

impl ObjectImpl for Forwarder {
    anabranch_kit::object_properties!(params: Options, stats: Forwarder::stats);

    fn constructed(&self) {
        self.parent_constructed();
        self.set_up();
    }
}

impl GstObjectImpl for Forwarder {}

impl ElementImpl for Forwarder {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Anabranch RTP forwarder",
                "Sink/Network/RTP",
                SUMMARY,
                "The Anabranch developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> =
            LazyLock::new(|| templates(&["sink_video", "sink_audio"]));
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        // What hears reports is live, the element is not: nobody waits for it either way.
        match self.switch(transition) {
            Ok(gst::StateChangeSuccess::NoPreroll) => Ok(gst::StateChangeSuccess::Success),
            other => other,
        }
    }
}

impl BinImpl for Forwarder {
    fn handle_message(&self, message: gst::Message) {
        if !self.live().is_some_and(|live| live.session().hears(&message)) {
            self.parent_handle_message(message);
        }
    }
}
