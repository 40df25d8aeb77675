//! `rtsp-output`: what comes is served at an rtsp:// address.

mod imp;

use std::net::IpAddr;

use anabranch_graph::catalog::{
    Direction, ElementDescriptor, EventSpec, Part, PortSpec, PropertyMap, Refined, Role,
};
use anabranch_graph::format::Medium;
use anabranch_kit::params::table;
use anabranch_kit::registry::Registration;
use gst::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::payload;

/// The properties of `rtsp-output`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// The name in the address: `/camera` is served at `rtsp://ADDRESS:PORT/camera`.
    #[schemars(extend("x-required" = true))]
    pub mount: String,
    /// The address of this machine to listen at; `0.0.0.0` or `::` for all of them.
    pub address: String,
    /// The port; elements that name the same address and port share one server. 0: any that is free.
    #[schemars(range(min = 0, max = 65_535))]
    pub port: u32,
    /// Who may watch; empty: everybody.
    pub user: String,
    /// The password of `user`.
    pub password: String,
    /// How long packets are kept back so that they go out evenly, milliseconds.
    #[schemars(range(min = 0, max = 10_000))]
    pub latency: u32,
    /// Whether media are taken, and encoded if need be, only while somebody watches.
    pub on_demand: bool,
    /// The group that clients get who ask for multicast, such as 239.255.12.42; empty: no multicast.
    pub multicast: String,
    /// The first of the ports of that group; each track takes two.
    #[schemars(range(min = 1024, max = 65_000))]
    pub multicast_port: u32,
    /// How many routers multicast packets may pass.
    #[schemars(range(min = 1, max = 255))]
    pub ttl: u32,
}

impl Default for Params {
    fn default() -> Self {
        Params {
            mount: String::new(),
            address: "127.0.0.1".into(),
            port: 8554,
            user: String::new(),
            password: String::new(),
            latency: 0,
            on_demand: true,
            multicast: String::new(),
            multicast_port: 5004,
            ttl: 1,
        }
    }
}

glib::wrapper! {
    /// The element `abrtspoutput`.
    pub struct RtspOutput(ObjectSubclass<imp::RtspOutput>) @extends gst::Element, gst::Object;
}

const SUMMARY: &str = "Serves what comes at an rtsp:// address.";

const DESCRIPTION: &str = "\
Any RTSP client can play it, by UDP, by TCP (interleaved) and, with `multicast`, from a group: `ffplay \
rtsp://127.0.0.1:8554/camera`, VLC, another `player`. However many clients there are, there is one encoding and one stream \
of packets. Video goes out as H.264, VP8, H.265 or VP9, sound as Opus, AAC, G.711 or MP3, as it comes; other formats are \
transcoded. A client that comes late gets a key frame at once if the source can make one.

With `on_demand: true` (the default) nothing is taken from the source, and nothing encoded, while nobody watches.

Elements with the same `address` and `port` share one server, each at its own `mount`. With `user` and `password` clients \
have to log in (basic authentication: use it in networks that nobody else can listen to); a login opens those mounts that \
have it, and no others. At the end of the media clients are told so.

    test-source -> rtsp-output mount=/camera
";

fn port(medium: Medium) -> PortSpec {
    PortSpec {
        name: medium.name().into(),
        direction: Direction::Input,
        medium,
        pad: format!("sink_{}", medium.name()),
        formats: payload::formats(medium).to_vec(),
        layouts: Vec::new(),
        required: false,
        multiple: false,
    }
}

fn describe() -> ElementDescriptor {
    let event = |name: &str, summary: &str, properties: Value| EventSpec {
        name: name.into(),
        summary: summary.into(),
        schema: json!({"type": "object", "properties": properties}),
    };
    let clients = json!({"clients": {"type": "integer"}});
    ElementDescriptor {
        name: "rtsp-output".into(),
        factory: "abrtspoutput".into(),
        role: Role::Sink,
        summary: SUMMARY.into(),
        description: DESCRIPTION.into(),
        author: "The Anabranch developers".into(),
        example: "test-source -> rtsp-output mount=/camera".into(),
        ports: vec![port(Medium::Video), port(Medium::Audio)],
        properties: table::<Params>().properties().to_vec(),
        events: vec![
            event("serving", "Clients can come to this address.", json!({"url": {"type": "string"}})),
            event("client-connected", "A client plays; `clients` of them do now.", clients.clone()),
            event("client-left", "A client does not play any more; `clients` are left.", clients),
        ],
        requires: vec!["appsrc".into(), "rtph264pay".into(), "rtpopuspay".into()],
        realtime: true,
        refine: Some(refine),
    }
}

/// The mount as it is used.
///
/// # Errors
///
/// What is wrong with it, a sentence.
fn check_mount(mount: &str) -> Result<&str, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | '/');
    let name = mount.strip_prefix('/').unwrap_or_default();
    if name.is_empty()
        || name.starts_with('/')
        || name.ends_with('/')
        || name.contains("//")
        || !name.chars().all(fits)
    {
        return Err(format!(
            "'{mount}' is no mount: write a slash and a name of letters, digits, '-', '_' and '.', such as /camera"
        ));
    }
    Ok(mount)
}

fn check_address(address: &str) -> Result<IpAddr, String> {
    let address = if address == "localhost" { "127.0.0.1" } else { address };
    address.trim_matches(['[', ']']).parse().map_err(|_| {
        format!("'{address}' is not an address of this machine: write numbers, such as 127.0.0.1 or 0.0.0.0")
    })
}

fn check_group(group: &str) -> Result<(), String> {
    match group.parse::<IpAddr>() {
        Ok(address) if address.is_multicast() => Ok(()),
        _ => Err(format!("'{group}' is no multicast group: use one of 239.0.0.0 to 239.255.255.255")),
    }
}

fn refine(properties: &PropertyMap) -> Refined {
    let mut refined = Refined {
        parts: vec![
            Part { factory: "appsrc".into(), why: "hands packets to the RTSP server".into() },
            Part { factory: "rtpbin".into(), why: "one stream of RTP for all clients".into() },
        ],
        ..Refined::default()
    };
    let text = |name: &str| properties.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let mut problem = |name: &str, checked: Result<(), String>| {
        if let Err(text) = checked {
            refined.problems.push((name.into(), text));
        }
    };
    if let Some(mount) = text("mount") {
        problem("mount", check_mount(mount).map(drop));
    }
    if let Some(address) = text("address") {
        problem("address", check_address(address).map(drop));
    }
    if let Some(group) = text("multicast") {
        problem("multicast", check_group(group));
    }
    if text("user").is_some() != text("password").is_some() {
        problem("user", Err("`user` and `password` go together".into()));
    }
    refined
}

anabranch_kit::inventory::submit! {
    Registration {
        descriptor: describe,
        register: |plugin| {
            gst::Element::register(plugin, "abrtspoutput", gst::Rank::NONE, RtspOutput::static_type())
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_and_addresses_are_checked() {
        for good in ["/camera", "/a/b.c", "/x_1~2"] {
            assert_eq!(check_mount(good), Ok(good));
        }
        for bad in ["", "camera", "/", "/a/", "//a", "/a b", "/a?x", "/ä"] {
            assert!(check_mount(bad).is_err(), "{bad}");
        }
        assert!(check_address("0.0.0.0").is_ok() && check_address("[::1]").is_ok());
        assert!(check_address("example.org").is_err());
        assert!(check_group("239.255.1.2").is_ok() && check_group("10.0.0.1").is_err());
    }
}
