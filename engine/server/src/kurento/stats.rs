//! Statistics under Kurento's names.

use std::sync::atomic::Ordering;

use anabranch_graph::catalog::Direction;
use anabranch_graph::format::Medium;
use serde_json::{Map, Value, json};

use super::events::medium_name;
use super::now_millis;
use super::object::{Object, Pipeline, lock};

/// One W3C type: its name there, Kurento's class and type, and the fields as (W3C, Kurento).
type Row = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

const RTP: &[(&str, &str)] = &[
    ("ssrc", "ssrc"),
    ("trackIdentifier", "mediaTrackId"),
    ("transportId", "transportId"),
    ("codecId", "codecId"),
    ("firCount", "firCount"),
    ("pliCount", "pliCount"),
    ("nackCount", "nackCount"),
    ("packetsLost", "packetsLost"),
    ("fractionLost", "fractionLost"),
];

const ROWS: &[Row] = &[
    (
        "inbound-rtp",
        "RTCInboundRTPStreamStats",
        "inboundrtp",
        &[("packetsReceived", "packetsReceived"), ("bytesReceived", "bytesReceived"), ("jitter", "jitter")],
    ),
    (
        "outbound-rtp",
        "RTCOutboundRTPStreamStats",
        "outboundrtp",
        &[
            ("packetsSent", "packetsSent"),
            ("bytesSent", "bytesSent"),
            ("targetBitrate", "targetBitrate"),
            ("roundTripTime", "roundTripTime"),
        ],
    ),
    (
        "peer-connection",
        "RTCPeerConnectionStats",
        "session",
        &[("dataChannelsOpened", "dataChannelsOpened"), ("dataChannelsClosed", "dataChannelsClosed")],
    ),
    (
        "data-channel",
        "RTCDataChannelStats",
        "datachannel",
        &[
            ("label", "label"),
            ("protocol", "protocol"),
            ("dataChannelIdentifier", "datachannelid"),
            ("state", "state"),
            ("messagesSent", "messagesSent"),
            ("bytesSent", "bytesSent"),
            ("messagesReceived", "messagesReceived"),
            ("bytesReceived", "bytesReceived"),
        ],
    ),
    (
        "transport",
        "RTCTransportStats",
        "transport",
        &[
            ("bytesSent", "bytesSent"),
            ("bytesReceived", "bytesReceived"),
            ("selectedCandidatePairId", "selectedCandidatePairId"),
            ("localCertificateId", "localCertificateId"),
            ("remoteCertificateId", "remoteCertificateId"),
        ],
    ),
    (
        "candidate-pair",
        "RTCIceCandidatePairStats",
        "candidatepair",
        &[
            ("transportId", "transportId"),
            ("localCandidateId", "localCandidateId"),
            ("remoteCandidateId", "remoteCandidateId"),
            ("state", "state"),
            ("priority", "priority"),
            ("nominated", "nominated"),
            ("bytesSent", "bytesSent"),
            ("bytesReceived", "bytesReceived"),
            ("currentRoundTripTime", "roundTripTime"),
            ("availableOutgoingBitrate", "availableOutgoingBitrate"),
            ("availableIncomingBitrate", "availableIncomingBitrate"),
        ],
    ),
    ("local-candidate", "RTCIceCandidateAttributes", "localcandidate", CANDIDATE),
    ("remote-candidate", "RTCIceCandidateAttributes", "remotecandidate", CANDIDATE),
];

const CANDIDATE: &[(&str, &str)] = &[
    ("address", "ipAddress"),
    ("port", "portNumber"),
    ("protocol", "transport"),
    ("candidateType", "candidateType"),
    ("priority", "priority"),
    ("url", "addressSourceUrl"),
];

/// Adds a peer's statistics, which come under their W3C names.
pub(super) fn of_peer(peer: &Value, wanted: Option<Medium>, out: &mut Map<String, Value>) {
    let millis = now_millis();
    for (id, stats) in peer.as_object().into_iter().flatten() {
        let kind = stats.get("type").and_then(Value::as_str).unwrap_or_default();
        let Some((_, class, kind, fields)) = ROWS.iter().find(|row| row.0 == kind) else { continue };
        let rtp = class.ends_with("RTPStreamStats");
        let medium = stats.get("kind").and_then(Value::as_str);
        if let (Some(wanted), true) = (wanted, rtp)
            && medium != Some(wanted.name())
        {
            continue;
        }
        let mut all = json!({
            "__module__": "kurento",
            "__type__": class,
            "id": id,
            "type": kind,
            "timestampMillis": millis,
        });
        let rtp: &[(&str, &str)] = if rtp { RTP } else { &[] };
        for (theirs, ours) in fields.iter().chain(rtp) {
            if let Some(value) = stats.get(theirs).filter(|value| !value.is_null()) {
                all[*ours] = turned(ours, value);
            }
        }
        out.insert(id.clone(), all);
    }
}

/// Some values have other words or types there.
fn turned(field: &str, value: &Value) -> Value {
    match (field, value.as_str()) {
        ("ssrc", None) => Value::from(value.to_string()),
        ("state", Some(word)) => Value::from(word.replace('-', "")),
        ("candidateType", Some("srflx")) => json!("serverreflexive"),
        ("candidateType", Some("prflx")) => json!("peerreflexive"),
        ("candidateType", Some("relay")) => json!("relayed"),
        _ => value.clone(),
    }
}

/// What every element has: how long media wait for it, if the pipeline's `latencyStats` is set.
pub(super) async fn of_element(
    object: &Object,
    pipeline: &Pipeline,
    wanted: Option<Medium>,
) -> Map<String, Value> {
    let (mut latencies, mut ages) = (Vec::new(), Vec::new());
    if pipeline.latency_stats.load(Ordering::Relaxed) {
        let taps = lock(&pipeline.taps).clone();
        let stats = pipeline.media().stats().await;
        let inputs = taps.iter().filter(|tap| {
            tap.object == object.id
                && tap.direction == Direction::Input
                && wanted.is_none_or(|medium| medium == tap.medium)
        });
        for tap in inputs {
            let link = tap.link.as_ref().and_then(|link| stats.links.get(link));
            let stat = |ms: f64| {
                json!({
                    "__module__": "kurento",
                    "__type__": "MediaLatencyStat",
                    "name": format!("sink_{}_default", tap.medium.name()),
                    "type": medium_name(tap.medium),
                    "avg": ms * 1e6,
                })
            };
            latencies.push(stat(link.map_or(0.0, |link| link.latency_ms)));
            let port = stats.elements.get(&tap.at.node).and_then(|element| element.inputs.get(&tap.at.port));
            ages.extend(port.and_then(|port| port.age_ms).map(stat));
        }
    }
    let endpoint = object.is_a("Endpoint");
    let mut own = json!({
        "__module__": "kurento",
        "__type__": if endpoint { "EndpointStats" } else { "ElementStats" },
        "id": &*object.id,
        "type": if endpoint { "endpoint" } else { "element" },
        "timestampMillis": now_millis(),
        "inputLatency": latencies,
    });
    if endpoint {
        own["E2ELatency"] = json!(ages);
    }
    Map::from_iter([(object.id.to_string(), own)])
}

#[cfg(test)]
mod tests {
    use super::super::surface::surface;
    use super::*;

    #[test]
    fn every_field_is_one_of_kurento() {
        let surface = surface();
        let types = surface.words("StatsType").unwrap();
        for (_, class, kind, fields) in ROWS {
            assert!(types.iter().any(|word| word == kind), "{kind}");
            let register = surface.register(class).unwrap().1;
            let known = surface.fields(register);
            let rtp: &[(&str, &str)] = if class.ends_with("RTPStreamStats") { RTP } else { &[] };
            for (_, field) in fields.iter().chain(rtp) {
                assert!(known.iter().any(|f| f.name == *field), "{class}.{field}");
            }
        }
    }

    #[test]
    fn a_peers_statistics_get_their_names_and_are_picked_by_medium() {
        let peer = json!({
            "in-v": {"type": "inbound-rtp", "kind": "video", "ssrc": 77, "packetsReceived": 5, "jitter": 0.1},
            "in-a": {"type": "inbound-rtp", "kind": "audio", "packetsReceived": 9},
            "pair": {"type": "candidate-pair", "state": "in-progress", "currentRoundTripTime": 0.02},
            "local": {"type": "local-candidate", "candidateType": "srflx", "address": "1.2.3.4"},
            "codec": {"type": "codec", "mimeType": "video/VP8"},
        });
        let mut all = Map::new();
        of_peer(&peer, Some(Medium::Video), &mut all);
        assert_eq!(all.keys().collect::<Vec<_>>(), ["in-v", "pair", "local"]);
        assert_eq!(all["in-v"]["ssrc"], json!("77"));
        assert_eq!(all["in-v"]["__type__"], json!("RTCInboundRTPStreamStats"));
        assert_eq!(all["pair"]["state"], json!("inprogress"));
        assert_eq!(all["pair"]["roundTripTime"], json!(0.02));
        assert_eq!(all["local"]["candidateType"], json!("serverreflexive"));
    }
}
