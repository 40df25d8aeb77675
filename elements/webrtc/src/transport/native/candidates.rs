//! The local candidates of a peer: addresses of sockets, announced addresses, and what a STUN server sees.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use str0m::{Candidate as IceCandidate, Rtc};
use tokio::sync::mpsc::UnboundedSender;

use super::stun::{self, Question};
use super::worker::Port;
use crate::transport::{Candidate, TransportEvent};

/// A peer's candidates.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    local: Vec<Local>,
    remote: Vec<(SocketAddr, String)>,
    questions: Vec<Question>,
    /// The endpoint wants to hear of candidates.
    wanted: bool,
    complete: bool,
    /// The name of the m-line that carries the transport.
    pub mid: String,
    pub ufrag: String,
}

#[derive(Debug)]
struct Local {
    candidate: IceCandidate,
    /// The socket's address.
    base: SocketAddr,
    told: bool,
}

impl Candidates {
    /// Whether sockets were given to the peer already.
    pub fn is_empty(&self) -> bool {
        self.local.is_empty()
    }

    /// The peer uses these sockets. An announced address stands for those of its family.
    pub fn add_ports(&mut self, rtc: &mut Rtc, ports: &[Arc<Port>], announced: &[IpAddr]) {
        for port in ports {
            let base = port.local;
            let Ok(host) = IceCandidate::host(base, "udp") else { continue };
            let Some(host) = rtc.add_local_candidate(host).cloned() else { continue };
            let family: Vec<&IpAddr> = announced.iter().filter(|ip| ip.is_ipv4() == base.is_ipv4()).collect();
            if family.is_empty() || base.ip().is_loopback() {
                self.local.push(Local { candidate: host, base, told: false });
                continue;
            }
            for ip in family {
                if let Ok(candidate) = IceCandidate::host(SocketAddr::new(*ip, base.port()), "udp") {
                    self.local.push(Local { candidate, base, told: false });
                }
            }
        }
    }

    /// All candidates as `candidate:...`.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.local.iter().map(|local| line(&local.candidate, &self.ufrag))
    }

    /// Whether no more come.
    pub fn complete(&self) -> bool {
        self.questions.is_empty()
    }

    /// New ICE credentials: candidates are told again under them.
    pub fn renamed(&mut self, ufrag: &str) {
        if self.ufrag != ufrag {
            self.ufrag = ufrag.to_owned();
            self.complete = false;
            for local in &mut self.local {
                local.told = false;
            }
        }
    }

    /// The endpoint wants to hear of candidates from now on.
    pub fn want(&mut self, events: &UnboundedSender<TransportEvent>) {
        self.wanted = true;
        self.tell(events);
    }

    /// Tells what has not been told.
    pub fn tell(&mut self, events: &UnboundedSender<TransportEvent>) {
        if !self.wanted || self.local.is_empty() {
            return;
        }
        for local in self.local.iter_mut().filter(|local| !local.told) {
            local.told = true;
            let candidate = Candidate {
                candidate: line(&local.candidate, &self.ufrag),
                sdp_mid: Some(self.mid.clone()),
                sdp_m_line_index: Some(0),
            };
            // The endpoint may be gone already.
            let _ = events.send(TransportEvent::Candidate(candidate));
        }
        if self.questions.is_empty() && !self.complete {
            self.complete = true;
            let _ = events.send(TransportEvent::GatheringDone);
        }
    }

    /// A STUN server is to be asked.
    pub fn ask(&mut self, question: Question) {
        self.questions.push(question);
    }

    /// When a question is to be repeated.
    pub fn due(&self) -> Option<Instant> {
        self.questions.iter().map(Question::due).min()
    }

    /// Asks, asks again, gives up.
    pub fn step(&mut self, now: Instant, ports: &[Arc<Port>], events: &UnboundedSender<TransportEvent>) {
        if self.questions.is_empty() {
            return;
        }
        self.questions.retain_mut(|question| match question.step(now) {
            Some(true) => {
                if let Some(port) = ports.iter().find(|port| port.local == question.base) {
                    port.send(&stun::binding_request(&question.transaction), question.server);
                }
                true
            }
            Some(false) => {
                tracing::warn!(server = %question.server, "the STUN server does not answer");
                false
            }
            None => true,
        });
        self.tell(events);
    }

    /// Whether this is the answer to a question of ours; then there is one more candidate.
    pub fn answered(
        &mut self,
        rtc: &mut Rtc,
        local: SocketAddr,
        datagram: &[u8],
        events: &UnboundedSender<TransportEvent>,
    ) -> bool {
        if self.questions.is_empty() {
            return false;
        }
        let Some(message) = stun::Message::parse(datagram) else { return false };
        let asked =
            |question: &Question| question.transaction == message.transaction && question.base == local;
        let Some(place) = self.questions.iter().position(asked) else { return false };
        self.questions.remove(place);
        let seen = message.mapped_address().filter(|seen| *seen != local);
        if let Some(seen) = seen
            && let Ok(candidate) = IceCandidate::server_reflexive(seen, local, "udp")
            && let Some(candidate) = rtc.add_local_candidate(candidate).cloned()
        {
            self.local.push(Local { candidate, base: local, told: false });
        }
        self.tell(events);
        true
    }

    /// A remote candidate, for descriptions of the pair that is used.
    pub fn remote(&mut self, address: SocketAddr, text: &str) {
        self.remote.push((address, text.to_owned()));
    }

    /// Lines for a pair of addresses; one that was never signalled was learnt from the peer's checks.
    pub fn describe(&self, source: SocketAddr, destination: SocketAddr) -> (String, String) {
        let local = self.local.iter().find(|local| local.base == source);
        let local = local.map(|local| line(&local.candidate, &self.ufrag));
        let remote = self.remote.iter().rev().find(|(address, _)| *address == destination);
        let unknown = |address: SocketAddr| {
            format!("candidate:0 1 udp 1862270975 {} {} typ prflx", address.ip(), address.port())
        };
        (
            local.unwrap_or_else(|| unknown(source)),
            remote.map_or_else(|| unknown(destination), |(_, text)| text.clone()),
        )
    }
}

fn line(candidate: &IceCandidate, ufrag: &str) -> String {
    let mut candidate = candidate.clone();
    candidate.set_ufrag(ufrag);
    candidate.to_sdp_string()
}
