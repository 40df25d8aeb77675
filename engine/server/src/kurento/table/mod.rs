//! What each class, property, method and event of Kurento's is in the engine. Dispatch, `getInfo` and the documentation
//! page come from this table; a test holds it against the surface.

mod events;
mod found;
mod properties;

use serde_json::{Map, Value, json};

pub(crate) use events::{EVENTS, OLD_EVENTS, OLD_OPERATIONS, event};
pub(crate) use found::found;
#[cfg(test)]
use properties::PROPERTIES;
pub(crate) use properties::{Held, OwnProperty, property};

/// What an object is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backing {
    /// The server itself; exists once.
    Manager,
    /// A pipeline of the engine.
    Pipeline,
    /// An element of the engine that exists as long as the object.
    Endpoint(&'static str),
    /// Elements of the engine that exist while there is something to do; media pass in any case.
    Filter(&'static str),
    /// An element of the engine that exists from start to stop.
    Uri(&'static str),
    /// An element of the engine that joins others; media come and go by its ports.
    Hub(&'static str),
    /// An element of the engine that is a hub's port.
    Port(&'static str),
    /// An element of the engine through which media pass as long as the object exists.
    Inner(&'static str),
    /// An element of the engine that takes bodies of HTTP, as long as the object exists.
    Post(&'static str),
    /// The same; the element looks at the video, and its properties are made of the constructor's arguments.
    Detector(&'static str),
}

/// Classes that can be made, with what they are made of. Others are unknown types.
pub(crate) const CLASSES: &[(&str, Backing)] = &[
    ("ServerManager", Backing::Manager),
    ("MediaPipeline", Backing::Pipeline),
    ("PassThrough", Backing::Filter("pass-through")),
    ("WebRtcEndpoint", Backing::Endpoint("webrtc")),
    ("RtpEndpoint", Backing::Endpoint("rtp")),
    ("PlayerEndpoint", Backing::Uri("player")),
    ("RecorderEndpoint", Backing::Uri("recorder")),
    ("FaceOverlayFilter", Backing::Filter("face-overlay")),
    ("ImageOverlayFilter", Backing::Filter("image-overlay")),
    ("ZBarFilter", Backing::Filter("barcode-detector")),
    ("GStreamerFilter", Backing::Inner("gstreamer-filter")),
    ("HttpPostEndpoint", Backing::Post("http-post")),
    ("CrowdDetectorFilter", Backing::Detector("crowd-detector")),
    ("PlateDetectorFilter", Backing::Detector("plate-detector")),
    ("PointerDetectorFilter", Backing::Detector("pointer-detector")),
    ("ChromaFilter", Backing::Detector("chroma")),
    ("HubPort", Backing::Port("hub-port")),
    ("Composite", Backing::Hub("composite")),
    ("Dispatcher", Backing::Hub("dispatcher")),
    ("DispatcherOneToMany", Backing::Hub("dispatcher-one-to-many")),
    ("Mixer", Backing::Hub("mixer")),
    ("AlphaBlending", Backing::Hub("alpha-blending")),
];

/// How a method is carried out.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    /// The element is told.
    Command { name: &'static str, arguments: fn(&Map<String, Value>) -> Value, result: fn(Value) -> Value },
    /// The translator does it; the text says how, for the page.
    Own(Own, &'static str),
}

/// What the translator does itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    AddTag,
    RemoveTag,
    Tag,
    Tags,
    SourceConnections,
    SinkConnections,
    Connect,
    Disconnect,
    Dot,
    DumpDot,
    Stats,
    FlowingIn,
    FlowingOut,
    Transcoding,
    AudioFormat,
    VideoFormat,
    GenerateOffer,
    ProcessOffer,
    ProcessAnswer,
    Gather,
    Play,
    Pause,
    Record,
    Stop,
    StopAndWait,
    SetFaceImage,
    UnsetFaceImage,
    AddImage,
    RemoveImage,
    /// The hub is told, by this command.
    Hub(&'static str),
    InnerProperty,
    Url,
    PlateWidth,
    AddWindow,
    RemoveWindow,
    ClearWindows,
    SetBackground,
    UnsetBackground,
    Kmd,
    CpuCount,
    UsedCpu,
    UsedMemory,
}

fn sdp(value: Value) -> Value {
    value.get("sdp").cloned().unwrap_or_default()
}

fn nothing(_: Value) -> Value {
    Value::Null
}

fn none(_: &Map<String, Value>) -> Value {
    json!({})
}

const fn command(name: &'static str) -> Way {
    Way::Command { name, arguments: none, result: nothing }
}

/// All methods.
pub(crate) const METHODS: &[(&str, &str, Way)] = &[
    ("MediaObject", "addTag", Way::Own(Own::AddTag, "kept with the object")),
    ("MediaObject", "removeTag", Way::Own(Own::RemoveTag, "kept with the object")),
    ("MediaObject", "getTag", Way::Own(Own::Tag, "kept with the object")),
    ("MediaObject", "getTags", Way::Own(Own::Tags, "kept with the object")),
    ("MediaElement", "getSourceConnections", Way::Own(Own::SourceConnections, "from the graph")),
    ("MediaElement", "getSinkConnections", Way::Own(Own::SinkConnections, "from the graph")),
    (
        "MediaElement",
        "connect",
        Way::Own(Own::Connect, "links of the media that both have; an old source is disconnected"),
    ),
    ("MediaElement", "disconnect", Way::Own(Own::Disconnect, "takes these links away")),
    (
        "MediaElement",
        "setAudioFormat",
        Way::Own(Own::AudioFormat, "links from the element say `format`, and `bitrate` if it is above 0"),
    ),
    (
        "MediaElement",
        "setVideoFormat",
        Way::Own(Own::VideoFormat, "links from the element say `format`; the frame rate stays as it comes"),
    ),
    (
        "MediaElement",
        "dumpGstreamerDot",
        Way::Own(Own::DumpDot, "writes the graph into the server's log, level debug"),
    ),
    (
        "MediaElement",
        "getGstreamerDot",
        Way::Own(Own::Dot, "the pipeline's graph in Graphviz's language; `details` changes nothing"),
    ),
    ("MediaElement", "getStats", Way::Own(Own::Stats, "the element's statistics under Kurento's names")),
    ("MediaElement", "isMediaFlowingIn", Way::Own(Own::FlowingIn, "from the engine's counters")),
    ("MediaElement", "isMediaFlowingOut", Way::Own(Own::FlowingOut, "from the engine's counters")),
    (
        "MediaElement",
        "isMediaTranscoding",
        Way::Own(Own::Transcoding, "whether an encoder runs; `binName` is `default`"),
    ),
    (
        "MediaPipeline",
        "getGstreamerDot",
        Way::Own(Own::Dot, "the graph in Graphviz's language; `details` changes nothing"),
    ),
    (
        "MediaPipeline",
        "dumpGstreamerDot",
        Way::Own(Own::DumpDot, "writes the graph into the server's log, level debug"),
    ),
    ("ServerManager", "getKmd", Way::Own(Own::Kmd, "the module's interface as JSON")),
    ("ServerManager", "getCpuCount", Way::Own(Own::CpuCount, "processors that the server may use")),
    (
        "ServerManager",
        "getUsedCpu",
        Way::Own(Own::UsedCpu, "per cent of all processors, measured for that time"),
    ),
    ("ServerManager", "getUsedMemory", Way::Own(Own::UsedMemory, "KiB")),
    ("SdpEndpoint", "generateOffer", Way::Own(Own::GenerateOffer, "command `offer`")),
    (
        "SdpEndpoint",
        "processOffer",
        Way::Own(Own::ProcessOffer, "command `process-offer`, then MediaSessionStarted"),
    ),
    (
        "SdpEndpoint",
        "processAnswer",
        Way::Own(
            Own::ProcessAnswer,
            "command `process-answer`, then MediaSessionStarted; gives the local description",
        ),
    ),
    (
        "SdpEndpoint",
        "getLocalSessionDescriptor",
        Way::Command { name: "local-description", arguments: none, result: sdp },
    ),
    (
        "SdpEndpoint",
        "getRemoteSessionDescriptor",
        Way::Command { name: "remote-description", arguments: none, result: sdp },
    ),
    (
        "HttpEndpoint",
        "getUrl",
        Way::Own(
            Own::Url,
            "the server's own route `/media/PIPELINE/ELEMENT`; a token must have the scope `publish`",
        ),
    ),
    ("BaseRtpEndpoint", "requestKeyframe", command("request-key-frame")),
    ("WebRtcEndpoint", "gatherCandidates", Way::Own(Own::Gather, "command `gather`")),
    (
        "WebRtcEndpoint",
        "addIceCandidate",
        Way::Command { name: "add-candidate", arguments: candidate, result: nothing },
    ),
    (
        "WebRtcEndpoint",
        "createDataChannel",
        Way::Command { name: "open-channel", arguments: channel, result: nothing },
    ),
    (
        "WebRtcEndpoint",
        "closeDataChannel",
        Way::Command { name: "close-channel", arguments: channel_id, result: nothing },
    ),
    (
        "UriEndpoint",
        "pause",
        Way::Own(Own::Pause, "command `pause`; what a recorder gets meanwhile is left out of the file"),
    ),
    (
        "UriEndpoint",
        "stop",
        Way::Own(Own::Stop, "takes the element out; a recorder finalises its file, then comes Stopped"),
    ),
    ("PlayerEndpoint", "play", Way::Own(Own::Play, "adds the element; it plays from the start")),
    ("RecorderEndpoint", "record", Way::Own(Own::Record, "adds the element; a file that exists is replaced")),
    (
        "RecorderEndpoint",
        "stopAndWait",
        Way::Own(Own::StopAndWait, "as `stop`, answered when the file is whole"),
    ),
    (
        "FaceOverlayFilter",
        "setOverlayedImage",
        Way::Own(
            Own::SetFaceImage,
            "element `face-overlay`; the \"percents\" are ratios relative to the face",
        ),
    ),
    (
        "FaceOverlayFilter",
        "unsetOverlayedImage",
        Way::Own(Own::UnsetFaceImage, "takes the element out; video passes"),
    ),
    (
        "ImageOverlayFilter",
        "addImage",
        Way::Own(
            Own::AddImage,
            "an element `image-overlay` per picture; the \"percents\" are ratios relative to the frame",
        ),
    ),
    ("ImageOverlayFilter", "removeImage", Way::Own(Own::RemoveImage, "takes that element out")),
    (
        "GStreamerFilter",
        "setElementProperty",
        Way::Own(Own::InnerProperty, "command `set`; every type of property that can be read from text"),
    ),
    (
        "PlateDetectorFilter",
        "setPlateWidthPercentage",
        Way::Own(Own::PlateWidth, "property `plate_width_percentage`; the \"percentage\" is a ratio, 0 to 1"),
    ),
    ("PointerDetectorFilter", "addWindow", Way::Own(Own::AddWindow, "an entry of the property `windows`")),
    ("PointerDetectorFilter", "removeWindow", Way::Own(Own::RemoveWindow, "takes that entry out")),
    ("PointerDetectorFilter", "clearWindows", Way::Own(Own::ClearWindows, "takes all entries out")),
    ("PointerDetectorFilter", "trackColorFromCalibrationRegion", command("calibrate")),
    (
        "ChromaFilter",
        "setBackground",
        Way::Own(Own::SetBackground, "property `background`; a file, or an address by http"),
    ),
    (
        "ChromaFilter",
        "unsetBackground",
        Way::Own(Own::UnsetBackground, "sets it to nothing: the background is black"),
    ),
    (
        "Hub",
        "getGstreamerDot",
        Way::Own(Own::Dot, "the pipeline's graph in Graphviz's language; `details` changes nothing"),
    ),
    (
        "Hub",
        "dumpGstreamerDot",
        Way::Own(Own::DumpDot, "writes the graph into the server's log, level debug"),
    ),
    ("Dispatcher", "connect", Way::Own(Own::Hub("connect"), "command `connect`")),
    ("DispatcherOneToMany", "setSource", Way::Own(Own::Hub("set-source"), "command `set-source`")),
    ("DispatcherOneToMany", "removeSource", Way::Own(Own::Hub("remove-source"), "command `remove-source`")),
    ("Mixer", "connect", Way::Own(Own::Hub("connect"), "command `connect`")),
    ("Mixer", "disconnect", Way::Own(Own::Hub("disconnect"), "command `disconnect`; video too")),
    ("AlphaBlending", "setMaster", Way::Own(Own::Hub("set-master"), "command `set-master`")),
    (
        "AlphaBlending",
        "setPortProperties",
        Way::Own(Own::Hub("set-port-properties"), "command `set-port-properties`"),
    ),
];

fn candidate(arguments: &Map<String, Value>) -> Value {
    let field =
        |name: &str| arguments.get("candidate").and_then(|c| c.get(name)).cloned().unwrap_or_default();
    json!({"candidate": field("candidate"), "sdp_mid": field("sdpMid"), "sdp_m_line_index": field("sdpMLineIndex")})
}

fn channel(arguments: &Map<String, Value>) -> Value {
    let limit = |name: &str| arguments.get(name).and_then(Value::as_i64).filter(|n| *n >= 0);
    json!({
        "label": arguments.get("label"),
        "protocol": arguments.get("protocol"),
        "ordered": arguments.get("ordered"),
        "max_retransmits": limit("maxRetransmits"),
        "max_packet_lifetime": limit("maxPacketLifeTime"),
    })
}

fn channel_id(arguments: &Map<String, Value>) -> Value {
    json!({"id": arguments.get("channelId")})
}

/// What objects of that class are made of.
pub(crate) fn backing(class: &str) -> Option<Backing> {
    CLASSES.iter().find(|(name, _)| *name == class).map(|(_, backing)| *backing)
}

/// How a method is carried out that the class declares.
pub(crate) fn method(class: &str, name: &str) -> Option<Way> {
    METHODS.iter().find(|row| (row.0, row.1) == (class, name)).map(|row| row.2)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::kurento::surface::surface;

    #[test]
    fn every_member_of_every_class_has_one_row() {
        let surface = surface();
        let families: Vec<_> =
            CLASSES.iter().flat_map(|(name, _)| surface.family(surface.class(name).unwrap())).collect();
        let (mut methods, mut properties, mut events) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for class in families {
            let row = |name: &str| (class.name.clone(), name.to_owned());
            methods.extend(class.methods.iter().map(|m| row(&m.name)));
            properties.extend(class.properties.iter().map(|p| row(&p.name)));
            events.extend(class.events.iter().map(|e| row(e)));
        }
        let rows = |list: Vec<(&str, &str)>| {
            let set: BTreeSet<_> = list.iter().map(|(c, m)| (c.to_string(), m.to_string())).collect();
            assert_eq!(set.len(), list.len(), "a row is there twice");
            set
        };
        assert_eq!(rows(METHODS.iter().map(|r| (r.0, r.1)).collect()), methods);
        assert_eq!(rows(PROPERTIES.iter().map(|r| (r.0, r.1)).collect()), properties);
        assert_eq!(rows(EVENTS.iter().map(|r| (r.0, r.1)).collect()), events);
    }

    #[test]
    fn old_names_lead_to_names_that_exist() {
        for (old, new) in OLD_EVENTS {
            assert!(surface().event(new).is_some() && surface().event(old).is_none(), "{old} {new}");
        }
        let endpoint = surface().class("WebRtcEndpoint").unwrap();
        for (old, new, _) in OLD_OPERATIONS {
            assert!(surface().operation(endpoint, new).is_some(), "{new}");
            assert!(surface().operation(endpoint, old).is_none(), "{old}");
        }
    }
}
