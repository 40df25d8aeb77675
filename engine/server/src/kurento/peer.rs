//! What a WebRTC endpoint says, under Kurento's names.

use std::sync::Mutex;

use serde_json::{Value, json};

use super::Kurento;
use super::object::{Object, Peer, lock};

/// One transport carries everything, so there is one stream with one component.
const STREAM: &str = "1";

/// The DSCP value of a name in Kurento's API (RFC 2474, 2597, 3246, 5865, 8622, 8837); none: the system's.
pub(super) fn dscp(name: &str) -> Option<u32> {
    let value = match name {
        "NO_VALUE" => return None,
        "NO_DSCP" | "CS0" => 0,
        "LE" => 1,
        "CS1" | "AUDIO_VERYLOW" | "VIDEO_VERYLOW" | "DATA_VERYLOW" | "CHROME_VERYLOW" => 8,
        "AUDIO_LOW" | "VIDEO_LOW" | "DATA_LOW" | "CHROME_LOW" => 0,
        "AF11" | "DATA_MEDIUM" => 10,
        "AF12" => 12,
        "AF13" => 14,
        "CS2" => 16,
        "AF21" | "DATA_HIGH" => 18,
        "AF22" => 20,
        "AF23" => 22,
        "CS3" => 24,
        "AF31" | "VIDEO_MEDIUM_THROUGHPUT" => 26,
        "AF32" => 28,
        "AF33" => 30,
        "CS4" => 32,
        "AF41" | "VIDEO_HIGH_THROUGHPUT" => 34,
        "AF42" | "VIDEO_MEDIUM" | "VIDEO_HIGH" => 36,
        "AF43" => 38,
        "CS5" => 40,
        "VOICEADMIT" => 44,
        "EF" | "AUDIO_MEDIUM" | "AUDIO_HIGH" | "CHROME_MEDIUM" | "CHROME_HIGH" => 46,
        "CS6" => 48,
        "CS7" => 56,
        _ => return None,
    };
    Some(value)
}

fn ice(state: &str) -> &'static str {
    match state {
        "gathering" => "GATHERING",
        "checking" | "connecting" => "CONNECTING",
        "connected" => "CONNECTED",
        "completed" => "READY",
        "failed" => "FAILED",
        _ => "DISCONNECTED",
    }
}

fn dtls(state: &str) -> &'static str {
    match state {
        "connecting" => "CONNECTING",
        "connected" => "CONNECTED",
        "closed" => "CLOSED",
        "failed" => "FAILED",
        _ => "NEW",
    }
}

fn connection(connected: bool) -> &'static str {
    if connected { "CONNECTED" } else { "DISCONNECTED" }
}

/// A pair of candidates as a value.
pub(super) fn pair_value(pair: &(String, String)) -> Value {
    json!({
        "__module__": "kurento",
        "__type__": "IceCandidatePair",
        "streamId": STREAM,
        "streamID": STREAM,
        "componentId": 1,
        "componentID": 1,
        "localCandidate": pair.0,
        "remoteCandidate": pair.1,
    })
}

/// The state of ICE as a value.
pub(super) fn ice_value(peer: &Peer) -> Value {
    json!([{
        "__module__": "kurento",
        "__type__": "IceConnection",
        "streamId": STREAM,
        "componentId": 1,
        "state": peer.ice,
    }])
}

/// The state of DTLS as a value.
pub(super) fn dtls_value(peer: &Peer) -> Value {
    json!([{
        "__module__": "kurento",
        "__type__": "DtlsConnection",
        "streamId": STREAM,
        "componentId": "1",
        "connectionId": STREAM,
        "state": peer.dtls,
    }])
}

impl Kurento {
    /// Turns an event of the element over.
    pub(super) fn on_peer_event(&self, object: &Object, peer: &Mutex<Peer>, name: &str, data: &Value) {
        let text = |key: &str| data.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        match name {
            "ice-candidate" => {
                let candidate = json!({
                    "__module__": "kurento",
                    "__type__": "IceCandidate",
                    "candidate": data.get("candidate"),
                    "sdpMid": data.get("sdp_mid"),
                    "sdpMLineIndex": data.get("sdp_m_line_index"),
                });
                self.raise(object, "IceCandidateFound", json!({"candidate": candidate}));
            }
            "ice-gathering-done" => self.raise(object, "IceGatheringDone", json!({})),
            "ice-state" => self.set_ice(object, peer, ice(&text("state"))),
            "dtls-state" => {
                let state = dtls(&text("state"));
                let changed = std::mem::replace(&mut lock(peer).dtls, state) != state;
                if changed {
                    let fields = json!({"streamId": STREAM, "componentId": "1", "connectionId": STREAM, "state": state});
                    self.raise(object, "DtlsConnectionStateChange", fields);
                    self.set_media(object, peer, state == "CONNECTED");
                }
            }
            "peer-state" => self.on_peer_state(object, peer, &text("state")),
            // Of plain RTP: the peer is heard.
            "media-state" => {
                let heard = text("state") == "connected";
                self.set_connected(object, peer, heard);
                self.set_media(object, peer, heard);
            }
            "candidate-pair" => {
                let pair = (text("local"), text("remote"));
                let value = pair_value(&pair);
                lock(peer).pair = Some(pair);
                self.raise(object, "NewCandidatePairSelected", json!({"candidatePair": value}));
            }
            "data-channel-opened" => {
                self.raise(object, "DataChannelOpened", json!({"channelId": data.get("id")}));
            }
            "data-channel-closed" => {
                self.raise(object, "DataChannelClosed", json!({"channelId": data.get("id")}));
            }
            _ => {}
        }
    }

    fn on_peer_state(&self, object: &Object, peer: &Mutex<Peer>, state: &str) {
        match state {
            "connected" => self.set_connected(object, peer, true),
            "disconnected" => self.set_connected(object, peer, false),
            "failed" | "closed" => {
                self.set_connected(object, peer, false);
                self.set_media(object, peer, false);
                if std::mem::take(&mut lock(peer).running) {
                    self.raise(object, "MediaSessionTerminated", json!({}));
                }
            }
            _ => {}
        }
    }

    /// Notes the state of ICE and says so.
    pub(super) fn set_ice(&self, object: &Object, peer: &Mutex<Peer>, state: &'static str) {
        let changed = std::mem::replace(&mut lock(peer).ice, state) != state;
        if changed {
            self.raise(
                object,
                "IceComponentStateChanged",
                json!({"streamId": 1, "componentId": 1, "state": state}),
            );
        }
    }

    fn set_connected(&self, object: &Object, peer: &Mutex<Peer>, connected: bool) {
        let changed = std::mem::replace(&mut lock(peer).connected, connected) != connected;
        if changed {
            let fields = json!({"oldState": connection(!connected), "newState": connection(connected)});
            self.raise(object, "ConnectionStateChanged", fields);
        }
    }

    fn set_media(&self, object: &Object, peer: &Mutex<Peer>, connected: bool) {
        let changed = std::mem::replace(&mut lock(peer).media_connected, connected) != connected;
        if changed {
            let fields = json!({"oldState": connection(!connected), "newState": connection(connected)});
            self.raise(object, "MediaStateChanged", fields);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::surface::surface;
    use super::*;

    #[test]
    fn every_name_of_a_dscp_value_is_known() {
        for name in surface().words("DSCPValue").unwrap() {
            assert_eq!(dscp(name).is_none(), name == "NO_VALUE", "{name}");
        }
    }

    #[test]
    fn states_are_words_of_kurento() {
        let ice_words = surface().words("IceComponentState").unwrap();
        for state in
            ["new", "gathering", "checking", "connected", "completed", "disconnected", "failed", "closed"]
        {
            assert!(ice_words.iter().any(|word| word == ice(state)), "{state}");
        }
        let dtls_words = surface().words("DtlsConnectionState").unwrap();
        for state in ["new", "connecting", "connected", "closed", "failed"] {
            assert!(dtls_words.iter().any(|word| word == dtls(state)), "{state}");
        }
    }
}
