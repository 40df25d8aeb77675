//! Data channels.

use std::collections::HashMap;

use str0m::Rtc;
use str0m::channel::{ChannelConfig, ChannelId, Reliability};

use crate::transport::{ChannelOptions, TransportEvent};
use anabranch_kit::endpoint::EndpointError;

/// Bytes that may wait for the network, all channels together. Greater than the greatest message.
pub(super) const BUFFER: usize = 1 << 20;

/// A full buffer takes messages again when it holds no more than this.
const LOW: usize = BUFFER / 4;

/// Stream identifiers of channels that exist only to have the m-line in an offer.
const FIRST_HIDDEN: u16 = 60_000;

/// The channels of one peer, by the numbers under which the endpoint knows them.
#[derive(Debug, Default)]
pub(super) struct Channels {
    open: HashMap<u16, Channel>,
    next: u16,
    hidden: u16,
}

#[derive(Debug)]
struct Channel {
    /// `None`: it waits for the next offer.
    id: Option<ChannelId>,
    config: ChannelConfig,
    told: bool,
    /// A message was refused because the buffer was full.
    full: bool,
    messages_sent: u64,
    bytes_sent: u64,
    messages_received: u64,
    bytes_received: u64,
}

fn config(options: &ChannelOptions) -> Result<ChannelConfig, EndpointError> {
    let reliability = match (options.max_retransmits, options.max_packet_lifetime) {
        (None, None) => Reliability::Reliable,
        (Some(retransmits), None) => Reliability::MaxRetransmits { retransmits },
        (None, Some(lifetime)) => Reliability::MaxPacketLifetime { lifetime },
        (Some(_), Some(_)) => {
            return Err(EndpointError::invalid(
                "bad-channel-limits",
                "A data channel has either a number of retransmissions or a life time of packets, not both.",
            ));
        }
    };
    Ok(ChannelConfig {
        label: options.label.clone(),
        ordered: options.ordered,
        reliability,
        negotiated: None,
        protocol: options.protocol.clone(),
    })
}

fn no_channel(id: u16) -> EndpointError {
    EndpointError::invalid("no-channel", format!("There is no data channel {id}."))
}

impl Channels {
    /// A new channel; [`Channels::waiting`] hands it over.
    pub fn add(&mut self, options: &ChannelOptions) -> Result<u16, EndpointError> {
        let config = config(options)?;
        Ok(self.insert(None, config))
    }

    fn insert(&mut self, id: Option<ChannelId>, config: ChannelConfig) -> u16 {
        while self.open.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        let channel = Channel {
            id,
            config,
            told: false,
            full: false,
            messages_sent: 0,
            bytes_sent: 0,
            messages_received: 0,
            bytes_received: 0,
        };
        self.open.insert(number, channel);
        number
    }

    /// Channels that str0m does not have yet.
    pub fn waiting(&self) -> Vec<(u16, ChannelConfig)> {
        let mut waiting: Vec<_> = self
            .open
            .iter()
            .filter(|(_, channel)| channel.id.is_none())
            .map(|(number, channel)| (*number, channel.config.clone()))
            .collect();
        waiting.sort_unstable_by_key(|(number, _)| *number);
        waiting
    }

    /// str0m has it now.
    pub fn handed_over(&mut self, number: u16, id: ChannelId) {
        if let Some(channel) = self.open.get_mut(&number) {
            channel.id = Some(id);
        }
    }

    /// The offer that contained them came to nothing.
    pub fn taken_back(&mut self, numbers: &[u16]) {
        for number in numbers {
            if let Some(channel) = self.open.get_mut(number) {
                channel.id = None;
            }
        }
    }

    /// A channel that nobody sees.
    pub fn hidden(&mut self) -> ChannelConfig {
        self.hidden += 1;
        ChannelConfig { negotiated: Some(FIRST_HIDDEN + self.hidden), ..ChannelConfig::default() }
    }

    fn number(&self, id: ChannelId) -> Option<u16> {
        self.open.iter().find(|(_, channel)| channel.id == Some(id)).map(|(number, _)| *number)
    }

    /// str0m says that a channel is open.
    pub fn opened(&mut self, rtc: &mut Rtc, id: ChannelId, label: String) -> Option<TransportEvent> {
        let config = rtc.channel(id).and_then(|channel| channel.config().cloned());
        if config.as_ref().is_some_and(|config| config.negotiated.is_some()) {
            return None;
        }
        let number = match self.number(id) {
            Some(number) => number,
            None => self.insert(Some(id), config.clone().unwrap_or_default()),
        };
        self.open.get_mut(&number)?.told = true;
        let protocol = config.map(|config| config.protocol).unwrap_or_default();
        Some(TransportEvent::ChannelOpened { id: number, label, protocol })
    }

    /// str0m says that a channel is closed.
    pub fn closed(&mut self, id: ChannelId) -> Option<TransportEvent> {
        let number = self.number(id)?;
        self.open.remove(&number).filter(|channel| channel.told)?;
        Some(TransportEvent::ChannelClosed { id: number })
    }

    /// A message came.
    pub fn received(&mut self, id: ChannelId, data: Vec<u8>, binary: bool) -> Option<TransportEvent> {
        let number = self.number(id)?;
        let channel = self.open.get_mut(&number)?;
        channel.messages_received += 1;
        channel.bytes_received += data.len() as u64;
        Some(TransportEvent::Message { id: number, data, binary })
    }

    /// Closes a channel.
    pub fn close(&mut self, rtc: &mut Rtc, number: u16) -> Result<(), EndpointError> {
        let channel = self.open.get(&number).ok_or_else(|| no_channel(number))?;
        match channel.id {
            Some(id) => rtc.direct_api().close_data_channel(id),
            None => {
                self.open.remove(&number);
            }
        }
        Ok(())
    }

    /// Sends a message; `false`: the buffer is full.
    pub fn send(
        &mut self,
        rtc: &mut Rtc,
        number: u16,
        message: &[u8],
        binary: bool,
    ) -> Result<bool, EndpointError> {
        let channel = self.open.get_mut(&number).ok_or_else(|| no_channel(number))?;
        let mut open = channel.id.and_then(|id| rtc.channel(id)).ok_or_else(|| {
            EndpointError::conflict("no-channel", format!("Data channel {number} is not open yet."))
        })?;
        let sent = open.write(binary, message).map_err(|error| {
            EndpointError::failed(format!("A message could not be sent on data channel {number}: {error}."))
        })?;
        if sent {
            channel.messages_sent += 1;
            channel.bytes_sent += message.len() as u64;
        } else if message.len() > BUFFER - LOW {
            return Err(EndpointError::invalid(
                "message-too-big",
                format!("A message of {} bytes is too big for a data channel.", message.len()),
            ));
        } else {
            channel.full = true;
        }
        Ok(sent)
    }

    /// Channels that were full and take messages again.
    pub fn drained(&mut self, rtc: &mut Rtc) -> Vec<TransportEvent> {
        if self.open.values().all(|channel| !channel.full) {
            return Vec::new();
        }
        let waiting: usize =
            self.open.values().filter_map(|channel| Some(rtc.channel(channel.id?)?.buffered_amount())).sum();
        if waiting > LOW {
            return Vec::new();
        }
        let mut drained = Vec::new();
        for (number, channel) in &mut self.open {
            if std::mem::take(&mut channel.full) {
                drained.push(TransportEvent::ChannelDrained { id: *number });
            }
        }
        drained
    }

    /// Each channel's number, label, protocol, whether it is open, and messages and bytes sent and received.
    pub fn counts(&self) -> impl Iterator<Item = (u16, &str, &str, bool, [u64; 4])> {
        self.open.iter().map(|(number, channel)| {
            let counts = [
                channel.messages_sent,
                channel.bytes_sent,
                channel.messages_received,
                channel.bytes_received,
            ];
            (*number, channel.config.label.as_str(), channel.config.protocol.as_str(), channel.told, counts)
        })
    }
}
