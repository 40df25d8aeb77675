//! Statistics with the W3C's names, from what rtpbin knows.

use std::sync::Arc;

use anabranch_kit::endpoint::stats as streams;
use gst::prelude::*;
use serde_json::{Map, Value, json};

use super::leg::Leg;
use super::load;

/// What rtpbin knows of all who take part in a session.
fn sources(rtpbin: &gst::Element, index: u32) -> Vec<gst::Structure> {
    let session = rtpbin.emit_by_name::<Option<glib::Object>>("get-internal-session", &[&index]);
    let stats = session.and_then(|session| session.property::<Option<gst::Structure>>("stats"));
    let all = stats.and_then(|stats| stats.get::<glib::ValueArray>("source-stats").ok());
    all.iter().flat_map(|array| array.iter()).filter_map(|source| source.get().ok()).collect()
}

/// Whether media came from this one: others, such as the receivers of a group, only report.
pub(super) fn has_sent(rtpbin: &gst::Element, index: u32, ssrc: u32) -> bool {
    sources(rtpbin, index).iter().any(|source| {
        source.get::<u32>("ssrc").is_ok_and(|its| its == ssrc)
            && source.get::<u64>("packets-received").is_ok_and(|packets| packets > 0)
    })
}

/// An object of objects by id: one for what comes in, one for what goes out, one for what the other side says.
pub(super) fn stats(rtpbin: &gst::Element, legs: &[Arc<Leg>]) -> Value {
    let mut all = Map::new();
    for leg in legs {
        let kind = leg.medium.name();
        let clock = leg.clock_rate();
        let seconds = |ticks: u32| f64::from(ticks) / f64::from(clock.max(1));
        for source in sources(rtpbin, leg.index) {
            let number = |name: &str| source.get::<u64>(name).unwrap_or_default();
            let small = |name: &str| source.get::<u32>(name).unwrap_or_default();
            let ssrc = small("ssrc");
            let internal = source.get::<bool>("internal").unwrap_or_default();
            let is_sender = source.get::<bool>("is-sender").unwrap_or_default();
            if internal && leg.sends && is_sender {
                all.insert(
                    format!("outbound-{kind}"),
                    json!({
                        "type": "outbound-rtp", "kind": kind, "ssrc": ssrc,
                        "packetsSent": number("packets-sent"), "bytesSent": number("octets-sent"),
                        "pliCount": small("recv-pli-count"), "firCount": small("recv-fir-count"),
                        "nackCount": small("recv-nack-count"), "sendFailures": leg.unsent_count(),
                    }),
                );
            }
            if !internal && is_sender {
                all.insert(
                    format!("inbound-{kind}-{ssrc}"),
                    json!({
                        "type": "inbound-rtp", "kind": kind, "ssrc": ssrc,
                        "packetsReceived": number("packets-received"), "bytesReceived": number("octets-received"),
                        "packetsLost": source.get::<i32>("packets-lost").unwrap_or_default(),
                        "jitter": seconds(small("jitter")),
                        "pliCount": small("sent-pli-count"), "firCount": small("sent-fir-count"),
                        "nackCount": small("sent-nack-count"),
                        "strangePackets": load(&leg.counts.strange),
                    }),
                );
            }
            if !internal && source.get::<bool>("have-rb").unwrap_or_default() {
                all.insert(
                    format!("remote-inbound-{kind}-{ssrc}"),
                    json!({
                        "type": "remote-inbound-rtp", "kind": kind, "ssrc": ssrc,
                        "packetsLost": source.get::<i32>("rb-packetslost").unwrap_or_default(),
                        "fractionLost": f64::from(small("rb-fractionlost")) / 256.0,
                        "jitter": seconds(small("rb-jitter")),
                        // 16.16 fixed point, seconds.
                        "roundTripTime": f64::from(small("rb-round-trip")) / 65536.0,
                    }),
                );
            }
        }
    }
    Value::Object(all)
}

/// The numbers that matter most, and all streams, for the property `stats` of an element.
pub(crate) fn summary(stats: &Value) -> gst::Structure {
    let mut structure = numbers(stats);
    streams::write(&mut structure, &streams::from_w3c(stats));
    structure
}

fn numbers(stats: &Value) -> gst::Structure {
    let mut structure = gst::Structure::builder("stats");
    for entry in stats.as_object().into_iter().flat_map(|all| all.values()) {
        let kind = entry["kind"].as_str().unwrap_or_default();
        let fields: &[(&str, &str)] = match entry["type"].as_str() {
            Some("outbound-rtp") => &[
                ("packetsSent", "packets-sent"),
                ("bytesSent", "bytes-sent"),
                ("sendFailures", "send-failures"),
            ],
            Some("inbound-rtp") => &[
                ("packetsReceived", "packets-received"),
                ("bytesReceived", "bytes-received"),
                ("packetsLost", "packets-lost"),
                ("jitter", "jitter"),
            ],
            Some("remote-inbound-rtp") => &[
                ("packetsLost", "remote-packets-lost"),
                ("jitter", "remote-jitter"),
                ("roundTripTime", "round-trip-time"),
            ],
            _ => &[],
        };
        for (from, to) in fields {
            let name = format!("{kind}-{to}");
            structure = match &entry[*from] {
                value if value.is_f64() => structure.field(name, value.as_f64().unwrap_or_default()),
                value => structure.field(name, value.as_i64().unwrap_or_default()),
            };
        }
    }
    structure.build()
}
