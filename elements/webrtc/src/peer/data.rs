//! Data channels of the peer, and what waits for them.

use std::collections::{HashMap, VecDeque};

use serde_json::{Value, json};

use super::Peer;
use crate::media::data::Message;
use crate::transport::{ChannelOptions, PeerState};
use anabranch_kit::endpoint::EndpointError;

/// The label of the channel that is opened for messages that name none.
const DEFAULT_LABEL: &str = "anabranch";

/// The channels of the present peer.
#[derive(Debug, Default)]
pub(super) struct Channels {
    all: HashMap<u16, Channel>,
}

#[derive(Debug, Default)]
struct Channel {
    label: String,
    open: bool,
    waiting: VecDeque<Message>,
}

impl Channels {
    /// The open channel with that label, or one that is being opened.
    fn find(&self, label: Option<&str>) -> Option<u16> {
        let fits = |channel: &Channel| label.is_none_or(|label| channel.label == label);
        let mut ids: Vec<(bool, u16)> =
            self.all.iter().filter(|(_, c)| fits(c)).map(|(id, c)| (!c.open, *id)).collect();
        ids.sort_unstable();
        ids.first().map(|(_, id)| *id)
    }
}

impl Peer {
    pub(super) fn open_channel(&mut self, wanted: &ChannelOptions) -> Result<Value, EndpointError> {
        if wanted.max_retransmits.is_some() && wanted.max_packet_lifetime.is_some() {
            return Err(EndpointError::invalid(
                "bad-channel-limits",
                "a channel has max_retransmits or max_packet_lifetime, not both",
            ));
        }
        if !self.options.data_channels {
            return Err(EndpointError::conflict(
                "no-data-channels",
                "this endpoint has data channels switched off (`data_channels: false`)",
            ));
        }
        let transport = self.transport.as_mut().ok_or_else(|| {
            EndpointError::conflict("no-data-channels", "no data channels were negotiated with a peer yet")
        })?;
        let id = transport.open_channel(wanted)?;
        self.session.data.all.insert(id, Channel { label: wanted.label.clone(), ..Channel::default() });
        Ok(json!({"id": id}))
    }

    pub(super) fn close_channel(&mut self, id: u16) -> Result<Value, EndpointError> {
        let missing = || EndpointError::conflict("no-channel", format!("there is no data channel {id}"));
        if !self.session.data.all.contains_key(&id) {
            return Err(missing());
        }
        self.transport.as_mut().ok_or_else(missing)?.close_channel(id)?;
        self.channel_closed(id);
        Ok(json!({}))
    }

    /// The command `send`.
    pub(super) fn send(&mut self, given: &Value) -> Result<Value, EndpointError> {
        let (data, binary) =
            match (given.get("text").and_then(Value::as_str), given.get("base64").and_then(Value::as_str)) {
                (Some(text), None) => (text.as_bytes().to_vec(), false),
                (None, Some(text)) => {
                    let bad = || EndpointError::invalid("bad-arguments", "`base64` is not base64");
                    (decode(text).ok_or_else(bad)?, true)
                }
                _ => {
                    return Err(EndpointError::invalid("bad-arguments", "a message has `text` or `base64`"));
                }
            };
        let channel = given.get("channel");
        let id = match channel {
            Some(Value::Number(id)) => id.as_u64().and_then(|id| u16::try_from(id).ok()),
            Some(Value::String(label)) => self.session.data.find(Some(label)),
            _ => self.session.data.find(None),
        };
        let known = id.filter(|id| self.session.data.all.contains_key(id));
        let missing = || {
            let channel = channel.map_or_else(|| "at all".to_owned(), Value::to_string);
            EndpointError::conflict("no-channel", format!("there is no data channel {channel}"))
        };
        let id = known.ok_or_else(missing)?;
        match self.enqueue(id, Message { channel: None, data, binary }, false) {
            Some(error) => Err(error),
            None => Ok(json!({})),
        }
    }

    /// A message from the data port.
    pub(super) fn forward(&mut self, message: Message) {
        if self.session.peer != Some(PeerState::Connected) {
            self.ports.data_budget.give_back(message.data.len());
            return;
        }
        let label = message.channel.as_deref().filter(|label| !label.is_empty());
        let id = self.session.data.find(label).or_else(|| {
            let label = label.unwrap_or(DEFAULT_LABEL).to_owned();
            let opened = self.open_channel(&ChannelOptions { label, ..ChannelOptions::default() });
            opened.ok().and_then(|v| v["id"].as_u64()).and_then(|id| u16::try_from(id).ok())
        });
        match id {
            // What is lost is told by an event.
            Some(id) => drop(self.enqueue(id, message, true)),
            None => self.ports.data_budget.give_back(message.data.len()),
        }
    }

    /// Sends a message, after those that wait, and says why one that went now was lost. `counted`: it takes up the data
    /// port's budget.
    fn enqueue(&mut self, id: u16, mut message: Message, counted: bool) -> Option<EndpointError> {
        // What is counted carries a label from now on, what is not does not: the budget is given back by that.
        message.channel = counted.then(String::new);
        if let Some(channel) = self.session.data.all.get_mut(&id) {
            channel.waiting.push_back(message);
        }
        self.channel_drained(id)
    }

    /// Sends what waits; why a message was lost, if one was.
    pub(super) fn channel_drained(&mut self, id: u16) -> Option<EndpointError> {
        let transport = self.transport.as_mut()?;
        let channel = self.session.data.all.get_mut(&id)?;
        if !channel.open {
            return None;
        }
        let mut lost = Vec::new();
        while let Some(message) = channel.waiting.front() {
            match transport.send_message(id, &message.data, message.binary) {
                Ok(false) => break,
                Ok(true) => {}
                Err(error) => lost.push((message.data.len(), error)),
            }
            if let Some(message) = channel.waiting.pop_front()
                && message.channel.is_some()
            {
                self.ports.data_budget.give_back(message.data.len());
            }
        }
        for (bytes, error) in &lost {
            self.post("message-lost", json!({"id": id, "bytes": bytes, "reason": error.to_string()}));
        }
        lost.pop().map(|(_, error)| error)
    }

    pub(super) fn channel_opened(&mut self, id: u16, label: String, protocol: String) {
        self.post("data-channel-opened", json!({"id": id, "label": label, "protocol": protocol}));
        let channel = self.session.data.all.entry(id).or_default();
        channel.label = label;
        channel.open = true;
        // What is lost is told by an event.
        let _ = self.channel_drained(id);
    }

    pub(super) fn channel_closed(&mut self, id: u16) {
        let Some(channel) = self.session.data.all.remove(&id) else { return };
        for message in channel.waiting.iter().filter(|m| m.channel.is_some()) {
            self.ports.data_budget.give_back(message.data.len());
        }
        self.post("data-channel-closed", json!({"id": id}));
    }

    pub(super) fn message_came(&mut self, id: u16, data: Vec<u8>, binary: bool) {
        let channel = self.session.data.all.get(&id).map(|c| c.label.clone());
        self.ports.data_out.push(Message { channel, data, binary });
    }
}

/// Decodes base64, with or without padding; `None` if it is something else.
fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0u32, 0u32);
    for c in text.bytes() {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    // A single letter at the end is no byte.
    (text.len() % 4 != 1).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded() {
        assert_eq!(decode("aGVsbG8="), Some(b"hello".to_vec()));
        assert_eq!(decode("aGVsbG8"), Some(b"hello".to_vec()));
        assert_eq!(decode("/+8="), Some(vec![0xff, 0xef]));
        assert_eq!(decode(""), Some(Vec::new()));
        assert_eq!((decode("a"), decode("a b")), (None, None));
    }
}
