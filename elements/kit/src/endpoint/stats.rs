//! What is known of RTP streams, in one form whoever receives or sends them.

use anabranch_graph::format::Medium;
use gst::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The field of an element's property `stats` that carries [`RtpStream`]s, as JSON.
pub const FIELD: &str = "rtp-streams";

/// Most sessions of one rtpbin that are looked at.
const MOST_SESSIONS: u32 = 16;

/// One RTP stream. What is not known is 0, or none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RtpStream {
    /// What it carries.
    pub medium: Medium,
    /// It goes to the other side; otherwise it comes from there.
    pub sent: bool,
    /// Its source.
    pub ssrc: u32,
    /// Packets so far.
    pub packets: u64,
    /// Bytes of media so far.
    pub bytes: u64,
    /// Packets that did not arrive so far, as the receiver counts; negative if more came twice than were lost.
    pub lost: i64,
    /// The part of the packets that is lost, 0 to 1: of late as the receiver says, or of all that should have come here.
    pub loss: f64,
    /// How unevenly packets arrive at the receiver (RFC 3550, 6.4.1), milliseconds.
    pub jitter_ms: f64,
    /// There and back, milliseconds.
    pub rtt_ms: Option<f64>,
    /// Requests to send packets again.
    pub nacks: u64,
    /// Requests for key frames, of both kinds (PLI and FIR).
    pub key_frame_requests: u64,
}

/// Reads streams from a report with the names of the W3C's "Identifiers for WebRTC's Statistics API": an object of objects.
pub fn from_w3c(report: &Value) -> Vec<RtpStream> {
    let entries = || report.as_object().into_iter().flat_map(|all| all.values());
    let of = |kind: &'static str| entries().filter(move |entry| entry["type"] == kind);
    let number = |entry: &Value, name: &str| entry[name].as_f64().unwrap_or_default();
    let count = |entry: &Value, name: &str| number(entry, name).max(0.0) as u64;
    let trip = of("candidate-pair").find_map(|pair| pair["currentRoundTripTime"].as_f64());
    let stream = |entry: &Value, sent: bool| {
        let medium: Medium = serde_json::from_value(entry["kind"].clone()).ok()?;
        let (packets, bytes) =
            if sent { ("packetsSent", "bytesSent") } else { ("packetsReceived", "bytesReceived") };
        // What the receiver says of it: for what is sent, that is another entry.
        let told = if sent {
            let about = |r: &&Value| r["kind"] == entry["kind"];
            of("remote-inbound-rtp")
                .filter(about)
                .find(|r| r["ssrc"] == entry["ssrc"])
                .or(of("remote-inbound-rtp").find(about))
        } else {
            Some(entry)
        };
        let told = told.unwrap_or(&Value::Null);
        let (packets, lost) = (count(entry, packets), number(told, "packetsLost"));
        let all = packets as f64 + lost.max(0.0);
        let counted = if all > 0.0 { lost.max(0.0) / all } else { 0.0 };
        Some(RtpStream {
            medium,
            sent,
            ssrc: entry["ssrc"].as_u64().and_then(|n| n.try_into().ok()).unwrap_or_default(),
            packets,
            bytes: count(entry, bytes),
            lost: lost as i64,
            loss: told["fractionLost"].as_f64().unwrap_or(counted),
            jitter_ms: number(told, "jitter") * 1e3,
            rtt_ms: told["roundTripTime"].as_f64().filter(|trip| *trip > 0.0).or(trip).map(|trip| trip * 1e3),
            nacks: count(entry, "nackCount"),
            key_frame_requests: count(entry, "pliCount") + count(entry, "firCount"),
        })
    };
    let received = of("inbound-rtp").filter_map(|entry| stream(entry, false));
    received.chain(of("outbound-rtp").filter_map(|entry| stream(entry, true))).collect()
}

/// The streams that an rtpbin receives.
pub fn received_by(rtpbin: &gst::Element) -> Vec<RtpStream> {
    let mut streams = Vec::new();
    for index in 0..MOST_SESSIONS {
        let Some(session) = rtpbin.emit_by_name::<Option<glib::Object>>("get-internal-session", &[&index])
        else {
            break;
        };
        let stats = session.property::<Option<gst::Structure>>("stats");
        let sources = stats.and_then(|s| s.get::<glib::ValueArray>("source-stats").ok());
        for source in sources.iter().flat_map(|array| array.iter()) {
            let Ok(source) = source.get::<gst::Structure>() else { continue };
            streams.extend(received(&source));
        }
    }
    streams
}

/// What rtpbin says of one source; none if it is not a sender of the other side.
fn received(source: &gst::StructureRef) -> Option<RtpStream> {
    let is = |name: &str| source.get::<bool>(name).unwrap_or_default();
    let clock = source.get::<i32>("clock-rate").ok().filter(|rate| *rate > 0)?;
    if is("internal") || !is("is-sender") {
        return None;
    }
    let number = |name: &str| source.get::<u64>(name).unwrap_or_default();
    let small = |name: &str| source.get::<u32>(name).unwrap_or_default();
    let (packets, lost) = (number("packets-received"), source.get::<i32>("packets-lost").unwrap_or_default());
    let missing = f64::from(lost.max(0));
    Some(RtpStream {
        // Video has this clock in every format that there is, sound in none.
        medium: if clock == 90_000 { Medium::Video } else { Medium::Audio },
        sent: false,
        ssrc: small("ssrc"),
        packets,
        bytes: number("octets-received"),
        lost: i64::from(lost),
        loss: if packets > 0 { missing / (packets as f64 + missing) } else { 0.0 },
        jitter_ms: f64::from(small("jitter")) * 1e3 / f64::from(clock),
        rtt_ms: None,
        nacks: small("sent-nack-count").into(),
        key_frame_requests: u64::from(small("sent-pli-count")) + u64::from(small("sent-fir-count")),
    })
}

/// Puts streams into an element's statistics.
pub fn write(stats: &mut gst::StructureRef, streams: &[RtpStream]) {
    if let (false, Ok(text)) = (streams.is_empty(), serde_json::to_string(streams)) {
        stats.set(FIELD, text);
    }
}

/// Takes them out again.
pub fn read(stats: &gst::StructureRef) -> Vec<RtpStream> {
    stats.get::<&str>(FIELD).ok().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_report_becomes_streams() {
        gst::init().unwrap();
        let report = json!({
            "in": {"type": "inbound-rtp", "kind": "video", "ssrc": 7, "packetsReceived": 90, "bytesReceived": 9000,
                   "packetsLost": 10, "jitter": 0.004, "nackCount": 3, "pliCount": 1, "firCount": 1},
            "out": {"type": "outbound-rtp", "kind": "audio", "ssrc": 8, "packetsSent": 50, "bytesSent": 500},
            "told": {"type": "remote-inbound-rtp", "kind": "audio", "ssrc": 99, "packetsLost": -2,
                     "fractionLost": 0.25, "jitter": 0.001, "roundTripTime": 0.02},
            "pair": {"type": "candidate-pair", "currentRoundTripTime": 0.05},
            "else": {"type": "codec"},
        });
        let streams = from_w3c(&report);
        assert_eq!(streams.len(), 2);
        let video = &streams[0];
        assert_eq!((video.medium, video.sent, video.ssrc, video.packets), (Medium::Video, false, 7, 90));
        assert_eq!((video.lost, video.loss, video.jitter_ms, video.rtt_ms), (10, 0.1, 4.0, Some(50.0)));
        assert_eq!((video.nacks, video.key_frame_requests), (3, 2));
        let audio = &streams[1];
        assert_eq!((audio.sent, audio.lost, audio.loss, audio.rtt_ms), (true, -2, 0.25, Some(20.0)));
        let mut stats = gst::Structure::new_empty("stats");
        write(&mut stats, &streams);
        assert_eq!(read(&stats), streams);
    }

    #[test]
    fn nothing_known_is_no_stream() {
        gst::init().unwrap();
        assert_eq!(from_w3c(&Value::Null), []);
        assert_eq!(from_w3c(&json!({"x": {"type": "inbound-rtp"}})), [], "of no medium");
        assert_eq!(read(&gst::Structure::new_empty("stats")), []);
    }
}
