//! Where each property is.

use serde_json::{Value, json};

/// Where a property is.
#[derive(Clone, Copy)]
pub(crate) enum Held {
    /// A property of the engine's element.
    Element { name: &'static str, to: fn(&Value) -> Value, from: fn(&Value) -> Value },
    /// Kept and given back; the texts are the value at first, as JSON, and why it has no effect.
    Kept { at_first: &'static str, why: &'static str },
    /// The translator knows it.
    Own(OwnProperty, &'static str),
}

/// Properties that the translator knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnProperty {
    Pipeline,
    Parent,
    Id,
    Children,
    Name,
    SendTags,
    CreationTime,
    LatencyStats,
    Bitrate,
    MinBitrate,
    MaxBitrate,
    MediaState,
    ConnectionState,
    StunAddress,
    StunPort,
    ExternalIPv4,
    ExternalIPv6,
    IceTcp,
    CandidatePairs,
    IceState,
    DtlsState,
    Uri,
    UriState,
    VideoInfo,
    Position,
    Dot,
    Info,
    Pipelines,
    Sessions,
    Metadata,
}

fn same(value: &Value) -> Value {
    value.clone()
}

fn to_names(value: &Value) -> Value {
    let text = value.as_str().unwrap_or_default();
    Value::from_iter(text.split(',').map(str::trim).filter(|name| !name.is_empty()))
}

fn from_names(value: &Value) -> Value {
    let names: Vec<&str> = value.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    Value::from(names.join(","))
}

fn to_turn(value: &Value) -> Value {
    match value.as_str().unwrap_or_default() {
        "" => json!([]),
        url if url.starts_with("turn:") || url.starts_with("turns:") => json!([url]),
        url => json!([format!("turn:{url}")]),
    }
}

fn from_turn(value: &Value) -> Value {
    let url = value.get(0).and_then(Value::as_str).unwrap_or_default();
    Value::from(url.strip_prefix("turn:").unwrap_or(url))
}

const fn number(name: &'static str) -> Held {
    Held::Element { name, to: same, from: same }
}

/// All properties.
pub(crate) const PROPERTIES: &[(&str, &str, Held)] = &[
    ("MediaObject", "mediaPipeline", Held::Own(OwnProperty::Pipeline, "")),
    ("MediaObject", "parent", Held::Own(OwnProperty::Parent, "")),
    ("MediaObject", "id", Held::Own(OwnProperty::Id, "")),
    ("MediaObject", "children", Held::Own(OwnProperty::Children, "")),
    ("MediaObject", "name", Held::Own(OwnProperty::Name, "the id until it is set")),
    ("MediaObject", "sendTagsInEvents", Held::Own(OwnProperty::SendTags, "")),
    ("MediaObject", "creationTime", Held::Own(OwnProperty::CreationTime, "seconds since 1970")),
    (
        "MediaElement",
        "encoderBitrate",
        Held::Own(OwnProperty::Bitrate, "bits per second, of encoders for what the element gives"),
    ),
    (
        "MediaElement",
        "minEncoderBitrate",
        Held::Own(
            OwnProperty::MinBitrate,
            "bits per second: no encoder for what the element gives makes less",
        ),
    ),
    (
        "MediaElement",
        "maxEncoderBitrate",
        Held::Own(
            OwnProperty::MaxBitrate,
            "bits per second: no encoder for what the element gives makes more; 0 is no limit",
        ),
    ),
    (
        "MediaPipeline",
        "latencyStats",
        Held::Own(OwnProperty::LatencyStats, "adds `inputLatency` to statistics"),
    ),
    ("ServerManager", "info", Held::Own(OwnProperty::Info, "")),
    ("ServerManager", "pipelines", Held::Own(OwnProperty::Pipelines, "")),
    ("ServerManager", "sessions", Held::Own(OwnProperty::Sessions, "")),
    ("ServerManager", "metadata", Held::Own(OwnProperty::Metadata, "empty")),
    (
        "SdpEndpoint",
        "maxAudioRecvBandwidth",
        Held::Kept { at_first: "0", why: "the peer sends sound as it likes" },
    ),
    ("SdpEndpoint", "maxVideoRecvBandwidth", number("max_receive_bitrate")),
    (
        "BaseRtpEndpoint",
        "minVideoRecvBandwidth",
        Held::Kept { at_first: "0", why: "the estimate of the bandwidth decides" },
    ),
    ("BaseRtpEndpoint", "minVideoSendBandwidth", number("min_bitrate")),
    ("BaseRtpEndpoint", "maxVideoSendBandwidth", number("max_bitrate")),
    ("BaseRtpEndpoint", "mediaState", Held::Own(OwnProperty::MediaState, "")),
    ("BaseRtpEndpoint", "connectionState", Held::Own(OwnProperty::ConnectionState, "")),
    ("BaseRtpEndpoint", "mtu", Held::Kept { at_first: "1200", why: "packets are at most 1200 bytes" }),
    (
        "BaseRtpEndpoint",
        "rembParams",
        Held::Kept {
            at_first: r#"{"packetsRecvIntervalTop":100,"exponentialFactor":0.04,"linealFactorMin":50,"linealFactorGrade":30,"decrementFactor":0.5,"thresholdFactor":0.8,"upLosses":12,"rembOnConnect":300000}"#,
            why: "the bandwidth is estimated in another way",
        },
    ),
    ("GStreamerFilter", "command", Held::Element { name: "element", to: same, from: same }),
    ("UriEndpoint", "uri", Held::Own(OwnProperty::Uri, "as the client gave it")),
    ("UriEndpoint", "state", Held::Own(OwnProperty::UriState, "")),
    (
        "PlayerEndpoint",
        "videoInfo",
        Held::Own(OwnProperty::VideoInfo, "command `status`; milliseconds, 0 while it does not run"),
    ),
    ("PlayerEndpoint", "elementGstreamerDot", Held::Own(OwnProperty::Dot, "as `getGstreamerDot`")),
    (
        "PlayerEndpoint",
        "position",
        Held::Own(
            OwnProperty::Position,
            "milliseconds; setting it goes there, and where that cannot be is error 40700",
        ),
    ),
    (
        "WebRtcEndpoint",
        "networkInterfaces",
        Held::Element { name: "interfaces", to: to_names, from: from_names },
    ),
    ("WebRtcEndpoint", "iceTcp", Held::Own(OwnProperty::IceTcp, "always false; setting true is error 40111")),
    (
        "WebRtcEndpoint",
        "stunServerAddress",
        Held::Own(OwnProperty::StunAddress, "with the port: property `stun_server`"),
    ),
    (
        "WebRtcEndpoint",
        "stunServerPort",
        Held::Own(OwnProperty::StunPort, "with the address: property `stun_server`"),
    ),
    ("WebRtcEndpoint", "turnUrl", Held::Element { name: "turn_servers", to: to_turn, from: from_turn }),
    (
        "WebRtcEndpoint",
        "externalIPv4",
        Held::Own(OwnProperty::ExternalIPv4, "with the other: property `announced_addresses`"),
    ),
    (
        "WebRtcEndpoint",
        "externalIPv6",
        Held::Own(OwnProperty::ExternalIPv6, "with the other: property `announced_addresses`"),
    ),
    (
        "CrowdDetectorFilter",
        "processingWidth",
        Held::Element { name: "processing_width", to: same, from: same },
    ),
    ("WebRtcEndpoint", "ICECandidatePairs", Held::Own(OwnProperty::CandidatePairs, "")),
    ("WebRtcEndpoint", "IceConnectionState", Held::Own(OwnProperty::IceState, "")),
    ("WebRtcEndpoint", "DtlsConnectionState", Held::Own(OwnProperty::DtlsState, "")),
];

/// Where a property is that the class declares.
pub(crate) fn property(class: &str, name: &str) -> Option<Held> {
    PROPERTIES.iter().find(|row| (row.0, row.1) == (class, name)).map(|row| row.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_turned_over() {
        assert_eq!(to_names(&json!("eth0, wlan0,")), json!(["eth0", "wlan0"]));
        assert_eq!(from_names(&json!(["eth0", "wlan0"])), json!("eth0,wlan0"));
        assert_eq!(to_turn(&json!("u:p@1.2.3.4:3478")), json!(["turn:u:p@1.2.3.4:3478"]));
        assert_eq!(from_turn(&json!(["turn:u:p@1.2.3.4:3478"])), json!("u:p@1.2.3.4:3478"));
        assert_eq!(to_turn(&json!("")), json!([]));
        for (_, name, held) in PROPERTIES {
            if let Held::Kept { at_first, .. } = held {
                assert!(serde_json::from_str::<Value>(at_first).is_ok(), "{name}");
            }
        }
    }
}
