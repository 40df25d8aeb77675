//! webrtcbin's statistics, with the W3C's names.

use serde_json::{Map, Number, Value, json};

/// webrtcbin's structure of structures as an object of objects by id. What 1.22 tells wrongly is put right: it calls
/// local candidates remote ones, gives every source of a bundle the same kind, and does not fill in counters that its
/// RTP session has.
pub(super) fn to_w3c(stats: &gst::StructureRef) -> Value {
    let mut all = Map::new();
    for (id, value) in stats.iter() {
        let Ok(entry) = value.get::<gst::Structure>() else { continue };
        let entry = entry_to_w3c(id, &entry);
        // Sources that exist for their RTCP only.
        let silent = |counter: &str| entry.get(counter).and_then(Value::as_u64) == Some(0);
        if silent("packetsSent") || silent("packetsReceived") {
            continue;
        }
        all.insert(id.to_string(), entry);
    }
    Value::Object(all)
}

fn entry_to_w3c(id: &str, entry: &gst::StructureRef) -> Value {
    let mut fields = Map::new();
    for (name, value) in entry.iter() {
        let name = name.as_str();
        if name == "type" {
            continue;
        }
        if let Some(value) = to_json(name, value) {
            fields.insert(camel(name), value);
        }
    }
    let mut kind = entry.get::<gst_webrtc::WebRTCStatsType>("type").map_or("unknown", type_name);
    if kind.ends_with("-candidate") {
        kind = if id.contains("candidate-local") { "local-candidate" } else { "remote-candidate" };
    }
    if let Ok(source) = entry.get::<gst::Structure>("gst-rtpsource-stats") {
        let count = |name: &str| {
            let count = source.get::<u64>(name).ok();
            count.or_else(|| source.get::<u32>(name).ok().map(u64::from))
        };
        let table: &[(&str, &str)] = match kind {
            "outbound-rtp" => &[
                ("bytesSent", "octets-sent"),
                ("packetsSent", "packets-sent"),
                ("nackCount", "recv-nack-count"),
                ("pliCount", "recv-pli-count"),
                ("firCount", "recv-fir-count"),
            ],
            "inbound-rtp" => &[
                ("bytesReceived", "octets-received"),
                ("packetsReceived", "packets-received"),
                ("nackCount", "sent-nack-count"),
                ("pliCount", "sent-pli-count"),
                ("firCount", "sent-fir-count"),
            ],
            _ => &[],
        };
        for (name, counter) in table {
            if let Some(count) = count(counter) {
                fields.insert((*name).to_owned(), json!(count));
            }
        }
        match source.get::<i32>("clock-rate") {
            Ok(90_000) => fields.insert("kind".into(), json!("video")),
            Ok(rate) if rate > 0 => fields.insert("kind".into(), json!("audio")),
            _ => None,
        };
    }
    fields.insert("id".into(), json!(id));
    fields.insert("type".into(), json!(kind));
    Value::Object(fields)
}

fn type_name(kind: gst_webrtc::WebRTCStatsType) -> &'static str {
    use gst_webrtc::WebRTCStatsType as Type;
    match kind {
        Type::Codec => "codec",
        Type::InboundRtp => "inbound-rtp",
        Type::OutboundRtp => "outbound-rtp",
        Type::RemoteInboundRtp => "remote-inbound-rtp",
        Type::RemoteOutboundRtp => "remote-outbound-rtp",
        Type::Csrc => "csrc",
        Type::PeerConnection => "peer-connection",
        Type::DataChannel => "data-channel",
        Type::Stream => "stream",
        Type::Transport => "transport",
        Type::CandidatePair => "candidate-pair",
        Type::LocalCandidate => "local-candidate",
        Type::RemoteCandidate => "remote-candidate",
        Type::Certificate => "certificate",
        _ => "unknown",
    }
}

/// `packets-received` -> `packetsReceived`.
fn camel(name: &str) -> String {
    let mut upper = false;
    name.chars()
        .filter_map(|c| {
            if c == '-' {
                upper = true;
                return None;
            }
            Some(if std::mem::take(&mut upper) { c.to_ascii_uppercase() } else { c })
        })
        .collect()
}

fn to_json(name: &str, value: &glib::Value) -> Option<Value> {
    if let Ok(n) = value.get::<u32>() {
        return Some(json!(n));
    }
    if let Ok(n) = value.get::<u64>() {
        return Some(json!(n));
    }
    if let Ok(n) = value.get::<i32>() {
        return Some(json!(n));
    }
    if let Ok(n) = value.get::<i64>() {
        return Some(json!(n));
    }
    if let Ok(n) = value.get::<f64>() {
        return Number::from_f64(n).map(Value::Number);
    }
    if let Ok(b) = value.get::<bool>() {
        return Some(json!(b));
    }
    if let Ok(text) = value.get::<&str>() {
        return Some(json!(text));
    }
    if name == "kind" {
        return value.get::<gst_webrtc::WebRTCKind>().ok().map(|kind| match kind {
            gst_webrtc::WebRTCKind::Audio => json!("audio"),
            gst_webrtc::WebRTCKind::Video => json!("video"),
            _ => Value::Null,
        });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_w3cs() {
        assert_eq!(camel("packets-received"), "packetsReceived");
        assert_eq!(camel("jitter"), "jitter");
    }

    #[test]
    fn structures_become_objects() {
        gst::init().unwrap();
        let inbound = gst::Structure::builder("inbound")
            .field("type", gst_webrtc::WebRTCStatsType::InboundRtp)
            .field("packets-received", 7u64)
            .field("jitter", 0.5f64)
            .build();
        let stats = gst::Structure::builder("stats").field("rtp-1", inbound).build();
        let value = to_w3c(&stats);
        assert_eq!(value["rtp-1"]["packetsReceived"], 7);
        assert_eq!(value["rtp-1"]["type"], "inbound-rtp");
        assert_eq!(value["rtp-1"]["jitter"], 0.5);
    }
}
