//! Candidates: found at once, told when asked for.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anabranch_kit::sdp::Sdp;
use gst::prelude::*;
use tokio::sync::{mpsc, watch};

use super::super::{Candidate, TransportContext, TransportEvent};

/// The local candidates of one peer, and the remote ones that were given.
#[derive(Debug)]
pub(super) struct Candidates {
    state: Mutex<State>,
    events: mpsc::UnboundedSender<TransportEvent>,
    done: watch::Sender<bool>,
    announced: Vec<IpAddr>,
}

#[derive(Debug, Default)]
struct State {
    mids: Vec<String>,
    found: Vec<Candidate>,
    told: usize,
    told_done: bool,
    telling: bool,
    remote: Vec<String>,
}

impl Candidates {
    pub fn new(context: &TransportContext) -> Self {
        Candidates {
            state: Mutex::default(),
            events: context.events.clone(),
            done: watch::Sender::new(false),
            announced: context.options.announced(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A local description is about to be set.
    pub fn begin(&self, sdp: &Sdp) {
        self.state().mids = sdp.media.iter().map(|s| s.mid().unwrap_or_default().to_owned()).collect();
    }

    /// New credentials: all candidates are told anew.
    pub fn restart(&self) {
        let mut state = self.state();
        state.told = 0;
        state.told_done = false;
    }

    /// From now on candidates are told.
    pub fn tell(&self) {
        self.state().telling = true;
        self.flush();
    }

    fn found(&self, index: u32, candidate: &str) {
        let mut state = self.state();
        let mid = state.mids.get(index as usize).cloned();
        for candidate in announce(candidate, &self.announced) {
            if !state.found.iter().any(|c| c.candidate == candidate) {
                state.found.push(Candidate {
                    candidate,
                    sdp_mid: mid.clone(),
                    sdp_m_line_index: Some(index),
                });
            }
        }
        drop(state);
        self.flush();
    }

    fn finished(&self) {
        self.done.send_replace(true);
        self.flush();
    }

    fn flush(&self) {
        let mut state = self.state();
        if !state.telling {
            return;
        }
        let new: Vec<Candidate> = state.found.get(state.told..).map(<[_]>::to_vec).unwrap_or_default();
        state.told = state.found.len();
        let done = *self.done.borrow() && !std::mem::replace(&mut state.told_done, *self.done.borrow());
        // Under the lock, or two threads would tell them out of order. The channel never blocks.
        for candidate in new {
            let _ = self.events.send(TransportEvent::Candidate(candidate));
        }
        if done {
            let _ = self.events.send(TransportEvent::GatheringDone);
        }
    }

    /// Waits until all were found.
    pub async fn complete(&self) {
        let _ = self.done.subscribe().wait_for(|done| *done).await;
    }

    /// Whether one was found.
    pub fn has_any(&self) -> bool {
        !self.state().found.is_empty()
    }

    /// Writes those found so far into a description.
    pub fn write_into(&self, sdp: &mut Sdp) {
        let state = self.state();
        for candidate in &state.found {
            let index = candidate.sdp_m_line_index.unwrap_or_default() as usize;
            if let Some(section) = sdp.media.get_mut(index) {
                section.lines.push(format!("a={}", candidate.candidate));
            }
        }
        if *self.done.borrow()
            && let Some(section) = sdp.media.first_mut()
        {
            section.lines.push("a=end-of-candidates".to_owned());
        }
    }

    /// A remote candidate was given.
    pub fn remote(&self, candidate: &str) {
        self.state().remote.push(candidate.to_owned());
    }

    fn pair(&self, local: &str, remote: &str) -> TransportEvent {
        let state = self.state();
        let find = |mut all: Box<dyn Iterator<Item = &String> + '_>, foundation: &str| {
            all.find(|line| foundation_of(line) == Some(foundation)).cloned()
        };
        // Who was not announced was found by its checks.
        let unknown = |foundation: &str| format!("candidate:{foundation} 1 UDP 0 0.0.0.0 0 typ prflx");
        let own = find(Box::new(state.found.iter().map(|c| &c.candidate)), local);
        let other = find(Box::new(state.remote.iter()), remote);
        TransportEvent::PairSelected {
            local: own.unwrap_or_else(|| unknown(local)),
            remote: other.unwrap_or_else(|| unknown(remote)),
        }
    }
}

fn foundation_of(line: &str) -> Option<&str> {
    line.trim_start_matches("a=").strip_prefix("candidate:")?.split(' ').next()
}

/// A candidate; of a host candidate the same under each announced address of its family, if there is one: these take its
/// place.
fn announce(candidate: &str, announced: &[IpAddr]) -> Vec<String> {
    let candidate = candidate.trim_start_matches("a=").to_owned();
    let parts: Vec<&str> = candidate.split(' ').collect();
    let address = parts.get(4).and_then(|address| address.parse::<IpAddr>().ok());
    let (Some(address), true) = (address, candidate.contains("typ host")) else { return vec![candidate] };
    let others: Vec<&IpAddr> = announced.iter().filter(|a| a.is_ipv4() == address.is_ipv4()).collect();
    if others.is_empty() || address.is_loopback() {
        return vec![candidate];
    }
    others
        .into_iter()
        .map(|address| {
            let mut parts: Vec<String> = parts.iter().map(|p| (*p).to_owned()).collect();
            if let Some(foundation) = parts.first_mut() {
                foundation.push('0');
            }
            if let Some(place) = parts.get_mut(4) {
                *place = address.to_string();
            }
            parts.join(" ")
        })
        .collect()
}

/// Listens to webrtcbin and its ICE agent.
pub(super) fn watch(
    element: &gst::Element,
    agent: Option<&glib::Object>,
    candidates: &Arc<Candidates>,
    events: &mpsc::UnboundedSender<TransportEvent>,
) {
    let weak = Arc::downgrade(candidates);
    element.connect("on-ice-candidate", false, move |values| {
        let index = values.get(1)?.get::<u32>().ok()?;
        let candidate = values.get(2)?.get::<String>().ok()?;
        weak.upgrade()?.found(index, &candidate);
        None
    });
    let weak = Arc::downgrade(candidates);
    element.connect_notify(Some("ice-gathering-state"), move |element, _| {
        let state = element.property::<gst_webrtc::WebRTCICEGatheringState>("ice-gathering-state");
        if state == gst_webrtc::WebRTCICEGatheringState::Complete
            && let Some(candidates) = weak.upgrade()
        {
            candidates.finished();
        }
    });
    if let Some(agent) = agent {
        let (weak, events) = (Arc::downgrade(candidates), events.clone());
        agent.connect("new-selected-pair", false, move |values| {
            let local = values.get(3)?.get::<String>().ok()?;
            let remote = values.get(4)?.get::<String>().ok()?;
            let _ = events.send(weak.upgrade()?.pair(&local, &remote));
            None
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_candidates_are_told_under_announced_addresses() {
        let announced = |addresses: &[&str]| -> Vec<IpAddr> {
            addresses.iter().map(|address| address.parse().unwrap()).collect()
        };
        let host = "candidate:1 1 UDP 2015363327 10.0.0.2 50000 typ host";
        let all = announce(host, &announced(&["203.0.113.7", "2001:db8::1"]));
        assert_eq!(all, ["candidate:10 1 UDP 2015363327 203.0.113.7 50000 typ host"]);
        assert_eq!(announce(host, &announced(&["2001:db8::1"])), [host]);
        let local = "candidate:1 1 UDP 2015363327 127.0.0.1 50000 typ host";
        assert_eq!(announce(local, &announced(&["203.0.113.9"])), [local]);
        let srflx = "candidate:2 1 UDP 1 203.0.113.7 50000 typ srflx raddr 10.0.0.2 rport 50000";
        assert_eq!(announce(srflx, &announced(&["203.0.113.9"])), [srflx]);
    }
}
