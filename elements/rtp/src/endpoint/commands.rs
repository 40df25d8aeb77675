//! What each command does.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use anabranch_graph::format::Medium;
use anabranch_kit::command::CommandErrorKind;
use anabranch_kit::sdp::{Direction, Sdp};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::agree::{self, Agreed, Offered};
use super::task::{Pending, Task};
use super::text::{Head, Local};
use crate::media::send::Plan;
use crate::net;
use crate::net::ports::{Place, Sockets};
use crate::session::{LegOptions, Session, SessionOptions, Target};
use crate::srtp::Keys;
use anabranch_kit::endpoint::EndpointError;

/// The arguments of an offer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OfferArguments {
    audio: Option<bool>,
    video: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct SdpArguments {
    sdp: String,
}

fn arguments<T: DeserializeOwned>(arguments: Value) -> Result<T, EndpointError> {
    let arguments = if arguments.is_null() { json!({}) } else { arguments };
    serde_json::from_value(arguments).map_err(|error| {
        EndpointError::invalid("bad-arguments", format!("the arguments do not fit: {error}"))
    })
}

fn described(sdp: Option<&String>, code: &'static str, which: &str) -> Result<Value, EndpointError> {
    let missing = || EndpointError::conflict(code, format!("there is no {which} description yet"));
    Ok(json!({"sdp": sdp.ok_or_else(missing)?}))
}

impl Task {
    pub(super) fn command(&mut self, name: &str, given: Value) -> Result<Value, EndpointError> {
        match name {
            "generate-offer" | "offer" => self.offer(&arguments(given)?),
            "process-offer" => self.process_offer(&arguments::<SdpArguments>(given)?.sdp),
            "process-answer" => self.process_answer(&arguments::<SdpArguments>(given)?.sdp),
            "local-description" => described(self.talk.local.as_ref(), "no-local-description", "local"),
            "remote-description" => described(self.talk.remote.as_ref(), "no-remote-description", "remote"),
            "request-key-frame" => self.request_key_frame(),
            "stats" => Ok(self.talk.session.as_ref().map(|s| s.stats()).unwrap_or_else(|| json!({}))),
            "state" => Ok(json!({
                "peer": self.talk.peer.unwrap_or("new"),
                "negotiated": self.talk.session.is_some(),
                "offered": self.talk.pending.is_some(),
            })),
            "reset" => Ok(self.reset()),
            _ => Err(EndpointError::new(
                CommandErrorKind::Unknown,
                "unknown-command",
                format!("there is no command '{name}'"),
            )),
        }
    }

    /// Where ports are opened, for a peer of that family.
    fn place(&self, like: IpAddr) -> Result<Place, EndpointError> {
        let options = &self.options;
        let ip = match options.address.as_str() {
            "" => net::any(like),
            text => net::parse_ip("address", text)?,
        };
        if ip.is_ipv4() != like.is_ipv4() {
            return Err(EndpointError::invalid(
                "bad-address",
                format!("`address` ({ip}) and the peer's are of different families"),
            ));
        }
        let ports = (net::port(options.min_port), net::port(options.max_port));
        Ok(Place { ip, ports, interface: None, hops: None, hear: true })
    }

    fn head(&self, own: IpAddr) -> Result<Head, EndpointError> {
        let ip = match self.options.announced_address.as_str() {
            "" => own,
            text => net::parse_ip("announced_address", text)?,
        };
        let cname = format!("{:08x}{:08x}", glib::random_int(), glib::random_int());
        Ok(Head { id: glib::random_int(), ip, cname, limit: self.options.max_receive_bitrate })
    }

    fn own_way(&self) -> Direction {
        Direction::of(self.options.sends(), self.options.receives())
    }

    fn offer(&mut self, wanted: &OfferArguments) -> Result<Value, EndpointError> {
        self.expect_nobody()?;
        let options = &self.options;
        let own = match options.address.as_str() {
            "" => net::interface::own_address(options.ipv6),
            text => net::parse_ip("address", text)?,
        };
        let place = self.place(own)?;
        let head = self.head(own)?;
        let (mut offered, mut sockets) = (Vec::new(), Vec::new());
        for (medium, asked) in [(Medium::Audio, wanted.audio), (Medium::Video, wanted.video)] {
            let codings = agree::offered_codings(options, medium);
            if codings.is_empty() || asked == Some(false) {
                continue;
            }
            let keys = Keys::of_properties(options.crypto, &options.crypto_key)?;
            let opened = place.open()?;
            let local = local(&opened);
            offered.push((Offered { medium, codings, keys, direction: self.own_way() }, local));
            sockets.push(opened);
        }
        if offered.is_empty() {
            return Err(EndpointError::invalid("bad-arguments", "an offer of nothing"));
        }
        let sdp = head.offer(&offered);
        self.talk.local = Some(sdp.clone());
        self.talk.offerer = true;
        self.talk.pending = Some(Pending { offered, sockets, head });
        Ok(json!({"sdp": sdp}))
    }

    fn expect_nobody(&self) -> Result<(), EndpointError> {
        if self.talk.pending.is_some() {
            return Err(EndpointError::conflict(
                "already-negotiated",
                "an offer of this endpoint waits for its answer",
            ));
        }
        if self.talk.session.is_some() {
            return Err(EndpointError::conflict("already-negotiated", "this endpoint has a peer already"));
        }
        Ok(())
    }

    fn process_offer(&mut self, text: &str) -> Result<Value, EndpointError> {
        let offer = Sdp::parse(text)?;
        self.expect_nobody()?;
        let agreed = agree::with_offer(&self.options, &offer)?;
        let remote = agreed.iter().find_map(|a| a.remote);
        let like = remote.map_or_else(|| net::interface::own_address(self.options.ipv6), |a| a.ip());
        let place = self.place(like)?;
        let own = match self.options.address.as_str() {
            "" => remote
                .and_then(net::local_address_towards)
                .unwrap_or_else(|| net::interface::own_address(like.is_ipv6())),
            _ => place.ip,
        };
        let head = self.head(own)?;
        let mut media = Vec::new();
        for agreed in agreed {
            let sockets = place.open()?;
            media.push((agreed, local(&sockets), sockets));
        }
        let written: Vec<(Agreed, Local)> = media.iter().map(|(a, l, _)| (a.clone(), *l)).collect();
        let sdp = head.answer(&offer, &written);
        self.connect(media, &head)?;
        self.talk.local = Some(sdp.clone());
        self.talk.remote = Some(text.to_owned());
        self.talk.offerer = false;
        self.negotiated();
        Ok(json!({"sdp": sdp}))
    }

    fn process_answer(&mut self, text: &str) -> Result<Value, EndpointError> {
        let answer = Sdp::parse(text)?;
        let Some(pending) = &self.talk.pending else {
            return Err(if self.talk.session.is_some() && self.talk.offerer {
                EndpointError::conflict("answer-already-processed", "the answer was processed already")
            } else {
                EndpointError::conflict("no-offer", "there is no offer that this could be the answer to")
            });
        };
        let offered: Vec<Offered> = pending.offered.iter().map(|(offered, _)| offered.clone()).collect();
        let agreed = agree::with_answer(&self.options, &offered, &answer)?;
        // An answer that cannot be used leaves the offer as it is.
        let Some(pending) = self.talk.pending.take() else {
            return Err(EndpointError::failed("the offer is gone"));
        };
        let mut media = Vec::new();
        for (index, ((_, local), sockets)) in pending.offered.into_iter().zip(pending.sockets).enumerate() {
            if let Some(agreed) = agreed.iter().find(|a| a.index == index) {
                media.push((agreed.clone(), local, sockets));
            }
        }
        self.connect(media, &pending.head)?;
        self.talk.remote = Some(text.to_owned());
        self.negotiated();
        Ok(json!({}))
    }

    /// Makes the session that was agreed on.
    fn connect(&mut self, media: Vec<(Agreed, Local, Sockets)>, head: &Head) -> Result<(), EndpointError> {
        let options = SessionOptions { jitter_ms: self.options.jitter_ms, cname: head.cname.clone() };
        // One that fails half way gives everything back when it is dropped.
        let session = Session::new(&self.element, options, self.listener())?;
        let mut plans = Vec::new();
        let mut all = Vec::new();
        for (agreed, local, sockets) in media {
            let leg = session.add(LegOptions {
                medium: agreed.medium,
                sockets,
                sends: agreed.direction.sends(),
                receives: agreed.direction.receives(),
                codings: agreed.codings.clone(),
                target: Target { rtp: agreed.remote, rtcp: agreed.remote_rtcp },
                learn: agreed.learn,
                only_from: None,
                send_keys: agreed.send_keys.clone(),
                receive_keys: agreed.receive_keys.clone(),
                nack: agreed.nack,
                mux: agreed.mux,
                hops: None,
                hear: true,
                dscp: self.options.dscp,
                ssrc: local.ssrc,
            })?;
            if let Some(exit) = leg.exit() {
                // What is sent is what the peer likes best.
                let codings = agreed.codings.first().cloned().into_iter().collect();
                plans.push((agreed.medium, Plan { codings, ssrc: local.ssrc, mtu: self.options.mtu, exit }));
            }
            all.push(agreed);
        }
        session.start()?;
        let session = Arc::new(session);
        self.ports.set_session(&session);
        self.talk.session = Some(session);
        self.talk.agreed = all;
        for (medium, plan) in plans {
            if let Some(port) = self.ports.input(medium) {
                port.set_plan(Some(plan));
            }
        }
        for (medium, port) in &self.ports.outputs {
            if !self.talk.agreed.iter().any(|a| a.medium == *medium && a.direction.receives()) {
                port.end(&self.element);
            }
        }
        Ok(())
    }

    fn negotiated(&mut self) {
        let encrypted = self.talk.agreed.iter().any(|a| a.send_keys.is_some());
        let tracks: Vec<Value> = self
            .talk
            .agreed
            .iter()
            .map(|agreed| {
                json!({
                    "mid": agreed.index.to_string(),
                    "medium": agreed.medium,
                    "direction": agreed.direction,
                    "format": agreed.codings.first().map(|c| c.format.name().to_owned()),
                    "crypto": agreed.send_keys.as_ref().map(|keys| keys.crypto.suite()),
                    "remote": agreed.remote.map(|address: SocketAddr| address.to_string()),
                })
            })
            .collect();
        let why = if encrypted { "SRTP with keys in the SDP" } else { "plain RTP" };
        self.reach();
        self.post("negotiated", json!({"transport": "rtp", "why": why, "tracks": tracks}));
    }

    fn request_key_frame(&self) -> Result<Value, EndpointError> {
        let asked = self.ports.output(Medium::Video).is_some_and(|port| port.ask_key_frame());
        if asked {
            Ok(json!({}))
        } else {
            Err(EndpointError::conflict("no-video", "no video is received from the peer"))
        }
    }

    fn reset(&mut self) -> Value {
        let had_peer = self.talk.session.is_some();
        self.end();
        if had_peer {
            for (_, port) in &self.ports.outputs {
                port.end(&self.element);
            }
            self.reach();
        }
        json!({})
    }
}

fn local(sockets: &Sockets) -> Local {
    Local { port: sockets.rtp_port, rtcp_port: sockets.rtcp_port, ssrc: glib::random_int() }
}
