//! The seam between a WebRTC endpoint and what carries its packets.
//!
//! A transport owns ICE, DTLS, SRTP, RTCP and SCTP of one peer. The endpoint's task (`crate::peer`) alone calls it, one
//! call at a time; what happens by itself comes as [`TransportEvent`]s. Media cross the border as RTP on GStreamer
//! pads: the transport adds its elements to the endpoint's bin, gives a sink pad for each track that it sends and a
//! source pad for each track that it receives. Payloading, depayloading and formats are the endpoint's.

pub(crate) mod choose;
pub(crate) mod native;
pub(crate) mod webrtcbin;

use std::sync::Arc;

use anabranch_graph::format::{Format, Medium};
pub(crate) use anabranch_kit::sdp::Direction;
use futures::future::BoxFuture;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::options::Options;
use anabranch_kit::endpoint::EndpointError;
use anabranch_kit::sdp::Sdp;

/// What a transport is made with.
pub(crate) struct TransportContext {
    /// The endpoint's bin; elements of the transport are added to it and follow its state.
    pub bin: gst::Bin,
    /// The endpoint's properties.
    pub options: Arc<Options>,
    /// Where events go.
    pub events: mpsc::UnboundedSender<TransportEvent>,
}

/// Carries the packets of one peer.
pub(crate) trait Transport: Send {
    /// Makes an offer and takes it as the local description. It contains no candidates but those known already.
    fn offer(&mut self, offer: OfferOptions) -> BoxFuture<'_, Result<String, EndpointError>>;
    /// Takes the remote offer and returns the answer, which is the local description then.
    fn answer(&mut self, offer: &str) -> BoxFuture<'_, Result<String, EndpointError>>;
    /// Takes the remote answer to the last offer.
    fn accept(&mut self, answer: &str) -> BoxFuture<'_, Result<(), EndpointError>>;
    /// Begins to tell local candidates as events; each is told once, those found before as well.
    fn gather(&mut self);
    /// Takes a remote candidate. The endpoint keeps those that come before the remote description.
    fn add_candidate(&mut self, candidate: &Candidate) -> Result<(), EndpointError>;
    /// Opens a data channel; it is told by [`TransportEvent::ChannelOpened`] when both sides have it.
    fn open_channel(&mut self, channel: &ChannelOptions) -> Result<u16, EndpointError>;
    /// Closes a data channel.
    fn close_channel(&mut self, id: u16) -> Result<(), EndpointError>;
    /// Sends a message. `false`: the channel is full, try again after [`TransportEvent::ChannelDrained`].
    fn send_message(&mut self, id: u16, message: &[u8], binary: bool) -> Result<bool, EndpointError>;
    /// Statistics with the W3C's names: an object of objects by id.
    fn stats(&mut self) -> BoxFuture<'_, Value>;
    /// Asks the remote peer for a key frame of what it sends.
    fn request_key_frame(&mut self);
    /// Chooses the simulcast layer (RID) that is received; `None` chooses by bandwidth.
    fn choose_layer(&mut self, _rid: Option<&str>) -> Result<(), EndpointError> {
        Err(EndpointError::unsupported("this transport does not receive simulcast"))
    }
    /// Sets how long received packets wait for missing ones.
    fn set_jitter(&mut self, _milliseconds: u32) {}
    /// The limits of what is sent have changed.
    fn set_limits(&mut self, _options: &Options) {}
    /// Ends the connection, telling the peer. Elements are removed by the endpoint with its bin.
    fn close(&mut self) -> BoxFuture<'_, ()>;
}

/// What an offer asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct OfferOptions {
    /// Media to offer, in the order of the m-lines; data is a data channel association.
    pub media: Vec<(Medium, Direction)>,
    /// New ICE credentials.
    pub restart_ice: bool,
}

/// An ICE candidate as in RFC 8839, with the place of its m-line.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Candidate {
    /// `candidate:1 1 UDP 2122...`; empty: no more come.
    pub candidate: String,
    /// The m-line's MID.
    #[serde(default)]
    pub sdp_mid: Option<String>,
    /// The m-line's index.
    #[serde(default)]
    pub sdp_m_line_index: Option<u32>,
}

impl Candidate {
    /// The index of its m-line, by its MID in a description if need be; the first, if it names none. `None` if there is
    /// no such MID.
    pub fn index(&self, sdp: Option<&Sdp>) -> Option<u32> {
        match (self.sdp_m_line_index, &self.sdp_mid) {
            (Some(index), _) => Some(index),
            (None, Some(mid)) => {
                let at = sdp?.media.iter().position(|section| section.mid() == Some(mid))?;
                u32::try_from(at).ok()
            }
            (None, None) => Some(0),
        }
    }
}

/// A data channel to open, as in the W3C's RTCDataChannelInit.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(default)]
pub(crate) struct ChannelOptions {
    pub label: String,
    pub protocol: String,
    pub ordered: bool,
    pub max_retransmits: Option<u16>,
    /// Milliseconds.
    pub max_packet_lifetime: Option<u16>,
}

impl Default for ChannelOptions {
    fn default() -> Self {
        ChannelOptions {
            label: String::new(),
            protocol: String::new(),
            ordered: true,
            max_retransmits: None,
            max_packet_lifetime: None,
        }
    }
}

/// The connection as a whole, in the W3C's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PeerState {
    New,
    Connecting,
    Connected,
    Disconnected,
    Failed,
    Closed,
}

/// What happens on a transport by itself.
#[derive(Debug)]
pub(crate) enum TransportEvent {
    /// A local candidate.
    Candidate(Candidate),
    /// All local candidates were told.
    GatheringDone,
    /// ICE: `new`, `checking`, `connected`, `completed`, `disconnected`, `failed`, `closed`.
    IceState(&'static str),
    /// DTLS: `new`, `connecting`, `connected`, `closed`, `failed`.
    DtlsState(&'static str),
    /// The connection as a whole.
    PeerState(PeerState),
    /// The pair of candidates that is used now, as candidate lines.
    PairSelected { local: String, remote: String },
    /// A track is negotiated for sending: RTP of `format`, made by a payloader with `caps` (payload type, SSRC, header
    /// extensions), goes into `pad`.
    Sends { mid: String, format: Format, caps: gst::Caps, pad: gst::Pad },
    /// A track is not sent (any more).
    SendsNot { mid: String, medium: Medium },
    /// A track is received: RTP with `caps` comes out of `pad`, in order and without duplicates.
    Receives { mid: String, format: Format, caps: gst::Caps, pad: gst::Pad },
    /// A track is not received (any more); told for every medium that was negotiated without receiving it, too.
    ReceivesNot { mid: String, medium: Medium },
    /// A data channel is open.
    ChannelOpened { id: u16, label: String, protocol: String },
    /// A data channel is closed.
    ChannelClosed { id: u16 },
    /// A channel that was full takes messages again.
    ChannelDrained { id: u16 },
    /// A message came.
    Message { id: u16, data: Vec<u8>, binary: bool },
    /// How much may be sent, bits per second, all tracks together.
    Estimate { bits_per_second: u64 },
}
