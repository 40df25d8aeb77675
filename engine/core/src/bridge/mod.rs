//! Bridges: how media crosses from one failure domain into another.
//!
//! A bridge is a pair of elements around a [`Channel`]. Buffers and serialised events go one way; key-frame requests go
//! the other way. Flow errors never cross: a consumer that fails, hangs or leaves is nobody else's trouble.

mod channel;
mod sink;
mod src;

pub use channel::{Channel, Group};
pub use sink::BridgeSink;
pub use src::BridgeSrc;

use std::time::Duration;

use anabranch_graph::plan::Overflow;

/// The two ends of a bridge and what lies between them.
pub struct Bridge {
    /// In the producer's domain.
    pub sink: BridgeSink,
    /// In the consumer's domain.
    pub src: BridgeSrc,
    /// The queue.
    pub channel: Channel,
}

impl Bridge {
    /// Makes a bridge; `link` names it, `consumer` is the id of the element that it feeds.
    pub fn new(link: &str, consumer: &str, group: &Group, overflow: Overflow, max: Duration) -> Self {
        let channel = group.channel(overflow, max);
        let sink = BridgeSink::new(&format!("bridge-out:{link}"), channel.clone(), consumer);
        let src = BridgeSrc::new(&format!("bridge-in:{link}"), channel.clone(), &sink);
        Bridge { sink, src, channel }
    }
}

impl Bridge {
    /// A new producer's end for a channel whose consumer stays.
    pub fn sink_for(link: &str, consumer: &str, channel: &Channel) -> BridgeSink {
        BridgeSink::new(&format!("bridge-out:{link}"), channel.clone(), consumer)
    }
}
