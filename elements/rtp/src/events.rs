//! What the elements of this crate tell the engine in the same words.

use anabranch_graph::catalog::EventSpec;
use anabranch_kit::message;
use serde_json::{Value, json};

use crate::session::Change;

/// Posts what changed in a session.
pub(crate) fn report(element: &gst::Bin, change: &Change) {
    match change {
        Change::Media { medium, state, reason } => {
            message::post(
                element,
                "media-state",
                json!({"medium": medium, "state": state, "reason": reason}),
            );
        }
        Change::Target { medium, target } => {
            let text = |address: Option<std::net::SocketAddr>| address.map(|a| a.to_string());
            message::post(
                element,
                "peer-address",
                json!({"medium": medium, "rtp": text(target.rtp), "rtcp": text(target.rtcp)}),
            );
        }
        Change::Unreachable { medium, reason } => {
            message::post(element, "unreachable", json!({"medium": medium, "reason": reason}));
        }
        Change::Reachable { medium } => {
            message::post(element, "reachable", json!({"medium": medium}));
        }
        Change::FalseKeys { medium, packets } => {
            let reason = format!(
                "{packets} packets of {medium} came and none is authentic: the other side has another key or suite"
            );
            message::post(element, "srtp-trouble", json!({"medium": medium, "reason": reason}));
        }
    }
}

/// An event for the catalogue.
pub(crate) fn event(name: &str, summary: &str, properties: Value, required: &[&str]) -> EventSpec {
    EventSpec {
        name: name.into(),
        summary: summary.into(),
        schema: json!({"type": "object", "properties": properties, "required": required}),
    }
}

/// The events that [`report`] posts.
pub(crate) fn of_session() -> Vec<EventSpec> {
    let text = || json!({"type": "string"});
    let address = || json!({"type": ["string", "null"]});
    vec![
        event(
            "media-state",
            "The other side is heard (connected), or is so no more (disconnected): its media, or, if it sends none, its reports.",
            json!({"medium": text(), "state": text(), "reason": text()}),
            &["medium", "state", "reason"],
        ),
        event(
            "peer-address",
            "Packets go to another address now: it was learned from packets that came.",
            json!({"medium": text(), "rtp": address(), "rtcp": address()}),
            &["medium"],
        ),
        event(
            "unreachable",
            "Packets cannot be sent; told once until they can be sent again.",
            json!({"medium": text(), "reason": text()}),
            &["medium", "reason"],
        ),
        event("reachable", "Packets can be sent again.", json!({"medium": text()}), &["medium"]),
        event(
            "srtp-trouble",
            "Packets come, but none is authentic.",
            json!({"medium": text(), "reason": text()}),
            &["medium", "reason"],
        ),
        event(
            "track-trouble",
            "A track could not be sent or received.",
            json!({"medium": text(), "reason": text()}),
            &["medium", "reason"],
        ),
    ]
}
