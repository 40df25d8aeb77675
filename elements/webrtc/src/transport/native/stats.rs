//! Statistics with the names of the W3C's "Identifiers for WebRTC's Statistics API".

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use str0m::media::{KeyframeRequestKind, Mid, Rid};
use str0m::stats::{MediaEgressStats, MediaIngressStats, PeerStats};

use super::peer::{Core, Track};
use super::sdp::Payload;
use crate::transport::PeerState;

type Stream = (Mid, Option<Rid>);

/// What str0m and the border have counted.
#[derive(Default)]
pub(super) struct Stats {
    peer: Option<PeerStats>,
    ingress: HashMap<Stream, MediaIngressStats>,
    egress: HashMap<Stream, MediaEgressStats>,
    asked: HashMap<Mid, (u64, u64)>,
    datagrams: u64,
    bytes: u64,
    lost: u64,
    estimate: u64,
}

impl Stats {
    pub fn peer(&mut self, stats: PeerStats) {
        self.peer = Some(stats);
    }

    pub fn ingress(&mut self, stats: MediaIngressStats) {
        self.ingress.insert((stats.mid, stats.rid), stats);
    }

    pub fn egress(&mut self, stats: MediaEgressStats) {
        self.egress.insert((stats.mid, stats.rid), stats);
    }

    /// A datagram went out, or was refused by the kernel.
    pub fn transmitted(&mut self, bytes: usize, sent: bool) {
        if sent {
            self.datagrams += 1;
            self.bytes += bytes as u64;
        } else {
            self.lost += 1;
        }
    }

    /// The peer asked for a key frame.
    pub fn asked_for_key_frame(&mut self, mid: Mid, kind: KeyframeRequestKind) {
        let (plis, firs) = self.asked.entry(mid).or_default();
        match kind {
            KeyframeRequestKind::Pli => *plis += 1,
            KeyframeRequestKind::Fir => *firs += 1,
        }
    }

    /// A new estimate; whether it differs enough to be told.
    pub fn estimated(&mut self, bits_per_second: u64) -> bool {
        let differs = bits_per_second.abs_diff(self.estimate) * 20 >= self.estimate;
        if differs {
            self.estimate = bits_per_second;
        }
        differs
    }
}

fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e6
}

/// Objects by their `id`.
struct Report {
    objects: Map<String, Value>,
    timestamp: f64,
}

impl Report {
    fn put(&mut self, kind: &str, id: &str, fields: Value) {
        let mut object = Map::new();
        object.insert("id".into(), id.into());
        object.insert("type".into(), kind.into());
        object.insert("timestamp".into(), self.timestamp.into());
        if let Value::Object(fields) = fields {
            object.extend(fields.into_iter().filter(|(_, value)| !value.is_null()));
        }
        self.objects.insert(id.to_owned(), Value::Object(object));
    }

    fn codec(&mut self, payload: &Payload, video: bool) -> String {
        let id = format!("codec-{}", payload.pt);
        let medium = if video { "video" } else { "audio" };
        let parameters: Vec<String> =
            payload.parameters.iter().map(|(key, value)| format!("{key}={value}")).collect();
        self.put(
            "codec",
            &id,
            json!({
                "payloadType": payload.pt,
                "mimeType": format!("{medium}/{}", payload.name),
                "clockRate": payload.clock_rate,
                "channels": payload.channels,
                "sdpFmtpLine": (!parameters.is_empty()).then(|| parameters.join(";")),
                "transportId": "transport",
            }),
        );
        id
    }
}

/// All that is known of a peer.
pub(super) fn report(core: &Core) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut report = Report { objects: Map::new(), timestamp: (now.as_secs_f64() * 1e6).round() / 1e3 };
    for track in &core.tracks {
        received(&mut report, core, track);
        sent(&mut report, core, track);
    }
    let mut open = 0;
    for (number, label, protocol, is_open, counts) in core.channels.counts() {
        open += u64::from(is_open);
        let [messages_sent, bytes_sent, messages_received, bytes_received] = counts;
        report.put(
            "data-channel",
            &format!("channel-{number}"),
            json!({
                "dataChannelIdentifier": number, "label": label, "protocol": protocol,
                "state": if is_open { "open" } else { "connecting" },
                "messagesSent": messages_sent, "bytesSent": bytes_sent,
                "messagesReceived": messages_received, "bytesReceived": bytes_received,
            }),
        );
    }
    report.put("peer-connection", "peer", json!({"dataChannelsOpened": open, "dataChannelsClosed": 0}));
    transport(&mut report, core);
    Value::Object(report.objects)
}

fn received(report: &mut Report, core: &Core, track: &Track) {
    let Some(receiving) = &track.receiving else { return };
    let codec = report.codec(&receiving.payload, track.video);
    let kind = if track.video { "video" } else { "audio" };
    let counts = receiving.counts;
    let current = receiving.layers.rid();
    let of = |rid: Option<&str>| core.stats.ingress.get(&(track.mid, rid.map(Rid::from)));
    let ingress = of(current);
    let clock = f64::from(receiving.payload.clock_rate.max(1));
    report.put(
        "inbound-rtp",
        &format!("inbound-{}", track.mid),
        json!({
            "kind": kind, "mid": track.mid.to_string(), "codecId": codec, "transportId": "transport",
            "ssrc": receiving.layers.current(), "rid": current,
            "packetsReceived": counts.packets, "bytesReceived": counts.bytes,
            "packetsDiscarded": counts.dropped,
            "framesReceived": track.video.then_some(counts.frames),
            "keyFramesReceived": track.video.then_some(counts.key_frames),
            "nackCount": ingress.map(|stats| stats.nacks),
            "pliCount": track.video.then_some(counts.plis),
            "firCount": ingress.map(|stats| stats.firs),
            "jitter": ingress.map(|stats| f64::from(stats.jitter) / clock),
            "fractionLost": ingress.and_then(|stats| stats.loss),
            "jitterBufferMinimumDelay": seconds(core.wait()),
        }),
    );
    for (rid, ssrc, rate) in receiving.layers.rates().filter(|(rid, ..)| rid.is_some()) {
        let stats = of(rid);
        report.put(
            "inbound-rtp",
            &format!("inbound-{}-{}", track.mid, rid.unwrap_or("")),
            json!({
                "kind": kind, "mid": track.mid.to_string(), "rid": rid, "ssrc": ssrc, "bitrate": rate.round(),
                "packetsReceived": stats.map(|stats| stats.packets),
                "bytesReceived": stats.map(|stats| stats.bytes),
                "nackCount": stats.map(|stats| stats.nacks),
                "pliCount": stats.map(|stats| stats.plis),
            }),
        );
    }
    if let Some(remote) = ingress.and_then(|stats| stats.remote.as_ref()) {
        report.put(
            "remote-outbound-rtp",
            &format!("remote-outbound-{}", track.mid),
            json!({
                "kind": kind, "localId": format!("inbound-{}", track.mid),
                "packetsSent": remote.packets, "bytesSent": remote.bytes,
            }),
        );
    }
}

fn sent(report: &mut Report, core: &Core, track: &Track) {
    let Some(sending) = &track.sending else { return };
    let codec = report.codec(&sending.payload, track.video);
    let kind = if track.video { "video" } else { "audio" };
    let egress = core.stats.egress.get(&(track.mid, None));
    let (plis, firs) = core.stats.asked.get(&track.mid).copied().unwrap_or_default();
    report.put(
        "outbound-rtp",
        &format!("outbound-{}", track.mid),
        json!({
            "kind": kind, "mid": track.mid.to_string(), "codecId": codec, "transportId": "transport",
            "ssrc": sending.ssrc,
            "packetsSent": egress.map_or(0, |stats| stats.packets),
            "bytesSent": egress.map_or(0, |stats| stats.bytes),
            "nackCount": egress.map(|stats| stats.nacks),
            "pliCount": track.video.then_some(plis),
            "firCount": track.video.then_some(firs),
            "targetBitrate": (track.video && core.stats.estimate > 0).then_some(core.stats.estimate),
        }),
    );
    let Some(egress) = egress else { return };
    let remote = egress.remote.as_ref();
    report.put(
        "remote-inbound-rtp",
        &format!("remote-inbound-{}", track.mid),
        json!({
            "kind": kind, "localId": format!("outbound-{}", track.mid), "ssrc": sending.ssrc,
            "packetsLost": remote.map(|remote| remote.packets_lost),
            "jitter": remote.map(|remote| f64::from(remote.jitter) / f64::from(sending.payload.clock_rate.max(1))),
            "fractionLost": egress.loss,
            "roundTripTime": egress.rtt.map(seconds),
        }),
    );
}

fn transport(report: &mut Report, core: &Core) {
    let stats = &core.stats;
    let peer = stats.peer.as_ref();
    let state = match core.state() {
        PeerState::New => "new",
        PeerState::Connecting => "connecting",
        PeerState::Connected | PeerState::Disconnected => "connected",
        PeerState::Failed => "failed",
        PeerState::Closed => "closed",
    };
    report.put(
        "transport",
        "transport",
        json!({
            "dtlsState": state,
            "iceRole": if core.controlling() { "controlling" } else { "controlled" },
            "packetsSent": stats.datagrams, "bytesSent": stats.bytes, "packetsDiscardedOnSend": stats.lost,
            "bytesReceived": peer.map(|peer| peer.peer_bytes_rx),
            "selectedCandidatePairId": core.pair().map(|_| "pair"),
        }),
    );
    let Some((local, remote)) = core.pair() else { return };
    let used = peer.and_then(|peer| peer.selected_candidate_pair.as_ref());
    report.put(
        "candidate-pair",
        "pair",
        json!({
            "transportId": "transport", "localCandidateId": "local-0", "remoteCandidateId": "remote-0",
            "state": "succeeded", "nominated": true,
            "currentRoundTripTime": used.and_then(|pair| pair.current_round_trip_time).map(seconds),
            "totalRoundTripTime": used.map(|pair| seconds(pair.total_round_trip_time)),
            "responsesReceived": used.map(|pair| pair.responses_received),
            "availableOutgoingBitrate": (stats.estimate > 0).then_some(stats.estimate),
            "bytesSent": stats.bytes, "packetsSent": stats.datagrams,
        }),
    );
    let (local_line, remote_line) = core.candidates.describe(local, remote);
    let ends = [
        ("local-candidate", "local-0", local, local_line),
        ("remote-candidate", "remote-0", remote, remote_line),
    ];
    for (kind, id, address, line) in ends {
        let mut words = line.split_whitespace();
        let priority = words.nth(3).and_then(|word| word.parse::<u64>().ok());
        let sort = words.skip_while(|word| *word != "typ").nth(1).map(str::to_owned);
        report.put(
            kind,
            id,
            json!({
                "transportId": "transport", "address": address.ip().to_string(), "port": address.port(),
                "protocol": "udp", "candidateType": sort, "priority": priority,
            }),
        );
    }
}
