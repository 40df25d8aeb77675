//! Data channels.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gst::prelude::*;
use gst_webrtc::{WebRTCDataChannel, WebRTCDataChannelState};
use tokio::sync::mpsc;

use super::super::{ChannelOptions, TransportEvent};
use anabranch_kit::endpoint::EndpointError;

/// Most bytes that wait in a channel.
const FULL: u64 = 1 << 20;

/// At so few a channel that was full takes messages again.
const DRAINED: u64 = 256 << 10;

/// A channel that nobody hears of: webrtcbin offers data only if it has one.
const PLACEHOLDER: i32 = 1022;

/// The data channels of one peer.
#[derive(Debug)]
pub(super) struct Channels {
    element: gst::Element,
    events: mpsc::UnboundedSender<TransportEvent>,
    open: Arc<Mutex<HashMap<u16, WebRTCDataChannel>>>,
    is_client: bool,
    placeholder: Option<WebRTCDataChannel>,
    next: u16,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Channels {
    pub fn new(element: &gst::Element, events: &mpsc::UnboundedSender<TransportEvent>) -> Self {
        let open: Arc<Mutex<HashMap<u16, WebRTCDataChannel>>> = Arc::default();
        let (weak, sender) = (Arc::downgrade(&open), events.clone());
        element.connect("on-data-channel", false, move |values| {
            let channel = values.get(1)?.get::<WebRTCDataChannel>().ok()?;
            let id = u16::try_from(channel.id()).ok()?;
            lock(&*weak.upgrade()?).insert(id, channel.clone());
            listen(&channel, id, &sender);
            told_open(&channel, id, &sender);
            None
        });
        Channels {
            element: element.clone(),
            events: events.clone(),
            open,
            is_client: false,
            placeholder: None,
            next: 0,
        }
    }

    /// Makes the next offer one for data, too.
    pub fn negotiate(&mut self) {
        if self.placeholder.is_none() {
            let options =
                gst::Structure::builder("options").field("negotiated", true).field("id", PLACEHOLDER).build();
            self.placeholder = self.element.emit_by_name::<Option<WebRTCDataChannel>>(
                "create-data-channel",
                &[&"placeholder", &options],
            );
        }
    }

    /// Which side of DTLS this is: it decides whether our channels have even numbers.
    pub fn set_client(&mut self, is_client: bool) {
        self.is_client = is_client;
    }

    pub fn open(&mut self, wanted: &ChannelOptions) -> Result<u16, EndpointError> {
        let id = loop {
            let id = self.next * 2 + u16::from(!self.is_client);
            self.next += 1;
            if i32::from(id) >= PLACEHOLDER {
                return Err(EndpointError::conflict(
                    "too-many-channels",
                    "the peer has too many data channels",
                ));
            }
            if !lock(&self.open).contains_key(&id) {
                break id;
            }
        };
        let mut options = gst::Structure::builder("options")
            .field("ordered", wanted.ordered)
            .field("protocol", &wanted.protocol)
            .field("id", i32::from(id))
            .build();
        if let Some(count) = wanted.max_retransmits {
            options.set("max-retransmits", i32::from(count));
        }
        if let Some(time) = wanted.max_packet_lifetime {
            options.set("max-packet-lifetime", i32::from(time));
        }
        let channel: Option<WebRTCDataChannel> =
            self.element.emit_by_name("create-data-channel", &[&wanted.label, &options]);
        let channel = channel.ok_or_else(|| {
            EndpointError::conflict("no-data-channels", "the peer has not negotiated data channels")
        })?;
        lock(&self.open).insert(id, channel.clone());
        listen(&channel, id, &self.events);
        // It may be open before anybody listens.
        let told = Arc::new(AtomicBool::new(false));
        let (once, events) = (told.clone(), self.events.clone());
        channel.connect_on_open(move |channel| {
            if !once.swap(true, Relaxed) {
                told_open(channel, id, &events);
            }
        });
        if channel.ready_state() == WebRTCDataChannelState::Open && !told.swap(true, Relaxed) {
            told_open(&channel, id, &self.events);
        }
        Ok(id)
    }

    fn get(&self, id: u16) -> Result<WebRTCDataChannel, EndpointError> {
        lock(&self.open)
            .get(&id)
            .cloned()
            .ok_or_else(|| EndpointError::conflict("no-channel", format!("there is no data channel {id}")))
    }

    pub fn close(&mut self, id: u16) -> Result<(), EndpointError> {
        let channel = self.get(id)?;
        lock(&self.open).remove(&id);
        channel.close();
        Ok(())
    }

    pub fn send(&self, id: u16, message: &[u8], binary: bool) -> Result<bool, EndpointError> {
        let channel = self.get(id)?;
        match channel.ready_state() {
            WebRTCDataChannelState::Open => {}
            WebRTCDataChannelState::Connecting => return Ok(false),
            _ => {
                return Err(EndpointError::conflict("no-channel", format!("data channel {id} is closed")));
            }
        }
        if channel.buffered_amount() > FULL {
            return Ok(false);
        }
        let failed = |error: glib::Error| EndpointError::failed(error.to_string());
        if binary {
            channel.send_data_full(Some(&glib::Bytes::from(message))).map_err(failed)?;
        } else {
            let text = std::str::from_utf8(message)
                .map_err(|_| EndpointError::invalid("not-text", "a text message must be UTF-8"))?;
            channel.send_string_full(Some(text)).map_err(failed)?;
        }
        Ok(true)
    }

    pub fn close_all(&mut self) {
        lock(&self.open).clear();
        self.placeholder = None;
    }
}

fn told_open(channel: &WebRTCDataChannel, id: u16, events: &mpsc::UnboundedSender<TransportEvent>) {
    let text = |text: Option<glib::GString>| text.map(String::from).unwrap_or_default();
    let (label, protocol) = (text(channel.label()), text(channel.protocol()));
    let _ = events.send(TransportEvent::ChannelOpened { id, label, protocol });
}

fn listen(channel: &WebRTCDataChannel, id: u16, events: &mpsc::UnboundedSender<TransportEvent>) {
    channel.set_buffered_amount_low_threshold(DRAINED);
    let sender = events.clone();
    channel.connect_on_message_data(move |_, data| {
        let data = data.map(|d| d.to_vec()).unwrap_or_default();
        let _ = sender.send(TransportEvent::Message { id, data, binary: true });
    });
    let sender = events.clone();
    channel.connect_on_message_string(move |_, text| {
        let data = text.unwrap_or_default().as_bytes().to_vec();
        let _ = sender.send(TransportEvent::Message { id, data, binary: false });
    });
    let sender = events.clone();
    channel.connect_on_buffered_amount_low(move |_| {
        let _ = sender.send(TransportEvent::ChannelDrained { id });
    });
    let sender = events.clone();
    channel.connect_on_close(move |_| {
        let _ = sender.send(TransportEvent::ChannelClosed { id });
    });
}
