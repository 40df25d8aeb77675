//! When each event is sent, and the names that Kurento 6 had.

/// All events, with when they are sent.
pub(crate) const EVENTS: &[(&str, &str, &str)] = &[
    ("MediaObject", "Error", "an element or the pipeline failed; the description says why and what follows"),
    ("MediaElement", "ElementConnected", "a link was made, one event per medium"),
    ("MediaElement", "ElementDisconnected", "a link was taken away, one event per medium"),
    ("MediaElement", "MediaFlowOutStateChanged", "frames come out; none came out for 2 s"),
    ("MediaElement", "MediaFlowInStateChanged", "frames come in; none came in for 2 s"),
    (
        "MediaElement",
        "MediaTranscodingStateChanged",
        "an encoder was started for what it gives; the last one was stopped",
    ),
    ("ServerManager", "ObjectCreated", "any object was created"),
    ("ServerManager", "ObjectDestroyed", "any object is gone"),
    (
        "SessionEndpoint",
        "MediaSessionStarted",
        "the endpoint has negotiated; the first body of an HttpPostEndpoint begins",
    ),
    (
        "SessionEndpoint",
        "MediaSessionTerminated",
        "its peer has gone; an HttpPostEndpoint got no body for `disconnectionTimeout` seconds",
    ),
    ("HttpPostEndpoint", "EndOfStream", "a body was read to its end"),
    ("BaseRtpEndpoint", "MediaStateChanged", "the peer's media are connected or not (DTLS)"),
    ("BaseRtpEndpoint", "ConnectionStateChanged", "the peer is connected or not (ICE)"),
    ("UriEndpoint", "UriEndpointStateChanged", "started, paused or stopped"),
    ("PlayerEndpoint", "EndOfStream", "everything was played; the state is STOP, and `play` begins anew"),
    ("RecorderEndpoint", "Recording", "the recorder runs"),
    ("RecorderEndpoint", "Paused", "it was paused"),
    ("RtpEndpoint", "OnKeySoftLimit", "never: a key of SRTP lasts for 2^48 packets"),
    ("RecorderEndpoint", "Stopped", "the file is whole"),
    ("WebRtcEndpoint", "IceCandidateFound", "event `ice-candidate`"),
    ("WebRtcEndpoint", "IceGatheringDone", "event `ice-gathering-done`"),
    ("WebRtcEndpoint", "IceComponentStateChanged", "event `ice-state`"),
    ("WebRtcEndpoint", "DtlsConnectionStateChange", "event `dtls-state`"),
    (
        "WebRtcEndpoint",
        "DataChannelOpened",
        "event `data-channel-opened`; sent once (Kurento 7 sends it twice)",
    ),
    (
        "WebRtcEndpoint",
        "DataChannelClosed",
        "event `data-channel-closed`; sent once (Kurento 7 sends it twice)",
    ),
    ("WebRtcEndpoint", "NewCandidatePairSelected", "event `candidate-pair`"),
    ("ZBarFilter", "CodeFound", "event `code-found`; names of types are zbar's"),
    ("CrowdDetectorFilter", "CrowdDetectorOccupancy", "event `crowd-occupancy`"),
    ("CrowdDetectorFilter", "CrowdDetectorFluidity", "event `crowd-fluidity`: how much of the crowd moves"),
    ("CrowdDetectorFilter", "CrowdDetectorDirection", "event `crowd-direction`"),
    ("PlateDetectorFilter", "PlateDetected", "event `plate-detected`"),
    ("PointerDetectorFilter", "WindowIn", "event `window-in`"),
    ("PointerDetectorFilter", "WindowOut", "event `window-out`"),
];

/// Names of Kurento 6 for events, with those of 7.
pub(crate) const OLD_EVENTS: &[(&str, &str)] = &[
    ("MediaFlowInStateChange", "MediaFlowInStateChanged"),
    ("MediaFlowOutStateChange", "MediaFlowOutStateChanged"),
    ("MediaTranscodingStateChange", "MediaTranscodingStateChanged"),
    ("OnIceCandidate", "IceCandidateFound"),
    ("OnIceGatheringDone", "IceGatheringDone"),
    ("OnIceComponentStateChanged", "IceComponentStateChanged"),
    ("IceComponentStateChange", "IceComponentStateChanged"),
    ("OnDataChannelOpened", "DataChannelOpened"),
    ("DataChannelOpen", "DataChannelOpened"),
    ("OnDataChannelClosed", "DataChannelClosed"),
    ("DataChannelClose", "DataChannelClosed"),
];

/// An operation's old and new name, and its parameter's.
type OldOperation = (&'static str, &'static str, Option<(&'static str, &'static str)>);

/// Names of Kurento 6 for operations, with those of 7.
pub(crate) const OLD_OPERATIONS: &[OldOperation] = &[
    ("getChilds", "getChildren", None),
    ("getOutputBitrate", "getEncoderBitrate", None),
    ("setOutputBitrate", "setEncoderBitrate", Some(("outputBitrate", "encoderBitrate"))),
    ("getMinOutputBitrate", "getMinEncoderBitrate", None),
    ("setMinOutputBitrate", "setMinEncoderBitrate", Some(("minOutputBitrate", "minEncoderBitrate"))),
    ("getMaxOutputBitrate", "getMaxEncoderBitrate", None),
    ("setMaxOutputBitrate", "setMaxEncoderBitrate", Some(("maxOutputBitrate", "maxEncoderBitrate"))),
    ("getExternalAddress", "getExternalIPv4", None),
    ("setExternalAddress", "setExternalIPv4", Some(("externalAddress", "externalIPv4"))),
];

/// The name in Kurento 7 of an event.
pub(crate) fn event(name: &str) -> &str {
    OLD_EVENTS.iter().find(|(old, _)| *old == name).map_or(name, |(_, new)| new)
}
