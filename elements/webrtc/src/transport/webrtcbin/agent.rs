//! The ICE agent behind webrtcbin: libnice.

use gst::prelude::*;

use crate::interfaces;
use crate::options::Options;
use anabranch_kit::endpoint::EndpointError;

/// Sets the agent up before anything is negotiated. Returns libnice's own agent, if that is what webrtcbin has.
pub(super) fn set_up(
    element: &gst::Element,
    options: &Options,
) -> Result<Option<glib::Object>, EndpointError> {
    let ice = element.property::<glib::Object>("ice-agent");
    let agent = of(element);
    if let Some(agent) = &agent {
        // The search for a router that speaks UPnP holds up every candidate by 200 ms.
        set(agent, "upnp", false);
        set(agent, "ice-tcp", false);
        // Notices a peer that is gone.
        set(agent, "keepalive-conncheck", true);
    }
    set(&ice, "ice-tcp", false);
    if let Some((least, most)) = options.ports() {
        // libnice obeys no maximum without a minimum.
        for (property, port) in [("min-rtp-port", least), ("max-rtp-port", most)] {
            if ice.has_property(property) {
                ice.set_property(property, port);
            }
        }
    }
    for address in interfaces::addresses(&options.interfaces, options.loopback, options.ipv6)? {
        let added = ice.emit_by_name::<bool>("add-local-ip-address", &[&address.to_string()]);
        if !added {
            return Err(EndpointError::failed(format!("the address {address} cannot be used")));
        }
    }
    if let Some(server) = options.stun_server.strip_prefix("stun:") {
        element.set_property("stun-server", format!("stun://{}", server.trim_start_matches("//")));
    } else if !options.stun_server.is_empty() {
        return Err(EndpointError::invalid(
            "bad-server",
            format!("'{}' is no STUN server; write stun:host:port", options.stun_server),
        ));
    }
    for server in &options.turn_servers {
        let uri = turn_uri(server).ok_or_else(|| {
            EndpointError::invalid(
                "bad-server",
                format!("'{server}' is no TURN server; write turn:user:password@host:port"),
            )
        })?;
        if !element.emit_by_name::<bool>("add-turn-server", &[&uri]) {
            return Err(EndpointError::invalid(
                "bad-server",
                format!("the TURN server '{server}' is refused"),
            ));
        }
    }
    Ok(agent)
}

/// The agent behind webrtcbin, if it is one that shows itself.
pub(super) fn of(element: &gst::Element) -> Option<glib::Object> {
    let ice = element.property::<glib::Object>("ice-agent");
    ice.has_property("agent").then(|| ice.property::<Option<glib::Object>>("agent")).flatten()
}

fn set(object: &glib::Object, property: &str, value: bool) {
    if object.has_property(property) {
        object.set_property(property, value);
    }
}

/// `turn:user:password@host:port?transport=udp` as the URI that GStreamer reads.
fn turn_uri(server: &str) -> Option<String> {
    let (scheme, rest) = server.split_once(':')?;
    if !matches!(scheme, "turn" | "turns") {
        return None;
    }
    let (login, host) = rest.trim_start_matches("//").rsplit_once('@')?;
    let (user, password) = login.split_once(':')?;
    if user.is_empty() || host.is_empty() {
        return None;
    }
    Some(format!("{scheme}://{}:{}@{host}", escape(user), escape(password)))
}

/// Percent-escapes what would end a part of a URI; escapes that are there stay.
fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'%' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turn_servers_become_uris() {
        assert_eq!(turn_uri("turn:me:se/cret@host:3478").as_deref(), Some("turn://me:se%2Fcret@host:3478"));
        assert_eq!(turn_uri("turn:host:3478"), None);
        assert_eq!(turn_uri("stun:a:b@c"), None);
    }
}
