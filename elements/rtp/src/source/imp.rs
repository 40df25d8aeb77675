//! The GObject.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use anabranch_graph::format::{Format, Medium};
use anabranch_kit::endpoint::{Endpoint, EndpointError, ReceivePort, Shell, ghost, runtime, templates};
use anabranch_kit::message;
use anabranch_kit::params::ParamStore;
use glib::subclass::prelude::*;
use gst::prelude::*;
use gst::subclass::prelude::*;
use serde_json::json;
use tokio::sync::Notify;

use super::Options;
use super::describe::SUMMARY;
use super::wanted::{Wanted, wanted};
use crate::net::interface::Interface;
use crate::net::ports::Place;
use crate::session::{LegOptions, Listener, Session, SessionOptions, Target, Watched, summary};

type Ports = Arc<Vec<(Medium, ReceivePort)>>;

#[derive(Default)]
pub struct Source {
    params: ParamStore<Options>,
    shell: Shell<Ports, Arc<Watched>>,
}

/// Hears senders.
struct Ears {
    element: glib::WeakRef<gst::Bin>,
    ports: Ports,
    stirred: Arc<Notify>,
    /// A good-bye is the end, this long after it.
    ends_after: Option<Duration>,
}

impl Ears {
    fn port(&self, medium: Medium) -> Option<&ReceivePort> {
        self.ports.iter().find(|(m, _)| *m == medium).map(|(_, port)| port)
    }
}

impl Listener for Ears {
    fn stream(&self, medium: Medium, format: &Format, pad: gst::Pad) {
        let (Some(port), Some(element)) = (self.port(medium), self.element.upgrade()) else { return };
        if let Err(error) = port.open(&element, "", format, pad) {
            message::post(
                &element,
                "track-trouble",
                json!({"medium": medium, "reason": format!("the {medium} is not received: {error}")}),
            );
        }
    }

    fn stir(&self) {
        self.stirred.notify_one();
    }

    fn bye(&self, medium: Medium) {
        let Some(pause) = self.ends_after else { return };
        let (element, ports) = (self.element.clone(), Arc::downgrade(&self.ports));
        runtime::spawn(async move {
            // What was sent before the good-bye may still be on its way.
            tokio::time::sleep(pause).await;
            runtime::spawn_blocking(move || {
                let (Some(element), Some(ports)) = (element.upgrade(), ports.upgrade()) else { return };
                if let Some((_, port)) = ports.iter().find(|(m, _)| *m == medium) {
                    port.end(&element);
                }
            });
        });
    }
}

#[glib::object_subclass]
impl ObjectSubclass for Source {
    const NAME: &'static str = "AbRtpSource";
    type Type = super::RtpSource;
    type ParentType = gst::Bin;
}

impl Endpoint for Source {
    type Ports = Ports;
    type Live = Arc<Watched>;

    const ROLE: gst::ElementFlags = gst::ElementFlags::SOURCE;

    fn shell(&self) -> &Shell<Ports, Arc<Watched>> {
        &self.shell
    }

    fn make_ports(&self) -> Result<Ports, EndpointError> {
        let mut ports = Vec::new();
        for medium in [Medium::Video, Medium::Audio] {
            let pad = ghost(&*self.obj(), &format!("src_{medium}"))?;
            ports.push((medium, ReceivePort::new(pad, medium, "rtp")));
        }
        Ok(Arc::new(ports))
    }

    fn outputs(ports: &Ports) -> Vec<&ReceivePort> {
        ports.iter().map(|(_, port)| port).collect()
    }

    fn start(&self, ports: &Ports) -> Result<Arc<Watched>, EndpointError> {
        let options = self.params.get();
        let all = wanted(&options)?;
        let interface = Interface::named(&options.interface)?;
        let element = self.obj();
        let bin: &gst::Bin = element.upcast_ref();
        let jitter = Duration::from_millis(u64::from(options.jitter_ms));
        let ears = Arc::new(Ears {
            element: bin.downgrade(),
            ports: ports.clone(),
            stirred: Arc::new(Notify::new()),
            ends_after: options.end_with_sender.then_some(jitter.max(Duration::from_millis(100))),
        });
        let stirred = ears.stirred.clone();
        let ears: Arc<dyn Listener> = ears;
        let cname = format!("{:08x}{:08x}", glib::random_int(), glib::random_int());
        let session =
            Session::new(bin, SessionOptions { jitter_ms: options.jitter_ms, cname }, Arc::downgrade(&ears))?;
        for wanted in &all {
            session.add(leg(wanted, interface.clone(), options.ttl)?)?;
        }
        for (medium, port) in ports.iter() {
            if !all.iter().any(|wanted| wanted.medium == *medium) {
                port.end(bin);
            }
        }
        session.start()?;
        let timeout = Duration::from_millis(u64::from(options.timeout_ms));
        Ok(Watched::new(bin, session, ears, stirred, timeout))
    }

    fn stop(&self, live: Arc<Watched>) {
        live.close();
        for (_, port) in self.shell.ports().into_iter().flat_map(|ports| ports.iter()) {
            port.reset(self.obj().upcast_ref());
        }
    }
}

impl Source {
    fn stats(&self) -> gst::Structure {
        let stats = self.shell.live().clone().map(|live| live.session().stats());
        let mut structure = summary(&stats.unwrap_or_default());
        for (medium, port) in self.shell.ports().into_iter().flat_map(|ports| ports.iter()) {
            structure.set(format!("{medium}-key-frames-requested"), port.key_frame_requests());
        }
        structure
    }
}

fn leg(wanted: &Wanted, interface: Option<Interface>, ttl: u32) -> Result<LegOptions, EndpointError> {
    let (ip, port) = (wanted.at.ip(), wanted.at.port());
    let group = ip.is_multicast();
    let hops = (ttl != 0).then_some(ttl);
    let place = Place { ip, ports: (0, 0), interface, hops, hear: true };
    let rtcp_port = if wanted.mux { port.saturating_add(1) } else { wanted.rtcp_port };
    let sockets = if group {
        place.join(ip, (port, rtcp_port), wanted.source)?
    } else {
        place.listen(port, rtcp_port)?
    };
    Ok(LegOptions {
        medium: wanted.medium,
        sockets,
        sends: false,
        receives: true,
        codings: wanted.codings.clone(),
        // Reports go to the sender once it is known; a group's sender listens to the group as well.
        target: Target { rtp: None, rtcp: group.then(|| SocketAddr::new(ip, rtcp_port)) },
        learn: false,
        only_from: wanted.source,
        send_keys: wanted.keys.clone(),
        receive_keys: wanted.keys.clone(),
        nack: wanted.nack,
        mux: wanted.mux,
        hops,
        hear: true,
        dscp: 0,
        ssrc: glib::random_int(),
    })
}

impl ObjectImpl for Source {
    anabranch_kit::object_properties!(params: Options, stats: Source::stats);

    fn constructed(&self) {
        self.parent_constructed();
        self.set_up();
    }
}

impl GstObjectImpl for Source {}

impl ElementImpl for Source {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Anabranch RTP source",
                "Source/Network/RTP",
                SUMMARY,
                "The Anabranch developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> =
            LazyLock::new(|| templates(&["src_video", "src_audio"]));
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        self.switch(transition)
    }
}

impl BinImpl for Source {
    fn handle_message(&self, message: gst::Message) {
        let live = self.shell.live().clone();
        if !live.is_some_and(|live| live.session().hears(&message)) {
            self.parent_handle_message(message);
        }
    }
}
