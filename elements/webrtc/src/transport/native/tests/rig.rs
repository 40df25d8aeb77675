//! A pipeline with a bin, a transport in it, and what comes of both.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anabranch_graph::format::{Format, Medium};
use gst::prelude::*;
use tokio::sync::mpsc;

use super::super::{NativeTransport, keyframe, lock};
use crate::options::Options;
use crate::transport::{
    Candidate, Direction, OfferOptions, PeerState, Transport, TransportContext, TransportEvent,
};

/// Loopback only.
pub fn options() -> Options {
    Options { loopback: true, ipv6: false, interfaces: vec!["lo".into()], ..Options::default() }
}

/// A packet that came out of a pad.
#[derive(Clone, Debug)]
pub struct Packet {
    pub sequence: u16,
    pub timestamp: u32,
    pub payload_type: u8,
    /// Of VP8: whether a key frame begins.
    pub key: bool,
    /// The payload's third byte.
    pub third: u8,
    pub pts: gst::ClockTime,
}

pub struct Received {
    pub mid: String,
    pub format: Format,
    pub caps: gst::Caps,
    pub packets: Arc<Mutex<Vec<Packet>>>,
    sink: gst::Element,
}

impl Received {
    pub fn sink_pad(&self) -> gst::Pad {
        self.sink.static_pad("sink").unwrap()
    }
}

pub struct Rig {
    pub pipeline: gst::Pipeline,
    bin: gst::Bin,
    pub transport: NativeTransport,
    pub events: mpsc::UnboundedReceiver<TransportEvent>,
    pub seen: Vec<TransportEvent>,
    pub tracks: Vec<Received>,
    sources: Vec<(String, Vec<gst::Element>)>,
    pub candidates: Vec<Candidate>,
    pub state: PeerState,
    /// Whether tracks that are sent get a test source.
    pub sends: bool,
    forced: Arc<AtomicUsize>,
    messages: Vec<(Vec<u8>, bool)>,
}

impl Rig {
    pub fn new(options: Options) -> Rig {
        gst::init().unwrap();
        let pipeline = gst::Pipeline::new();
        let bin = gst::Bin::new();
        pipeline.add(&bin).unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        let (sender, events) = mpsc::unbounded_channel();
        let context = TransportContext { bin: bin.clone(), options: Arc::new(options), events: sender };
        Rig {
            pipeline,
            bin,
            transport: NativeTransport::new(context).unwrap(),
            events,
            seen: Vec::new(),
            tracks: Vec::new(),
            sources: Vec::new(),
            candidates: Vec::new(),
            state: PeerState::New,
            sends: true,
            forced: Arc::default(),
            messages: Vec::new(),
        }
    }

    /// How often the encoders were asked for a key frame.
    pub fn forced_key_frames(&self) -> usize {
        self.forced.load(Ordering::Relaxed)
    }

    /// The message of this number.
    pub async fn message(&mut self, number: usize) -> (Vec<u8>, bool) {
        self.until("a message", |rig| rig.messages.len() > number).await;
        self.messages[number].clone()
    }

    /// Waits until a channel that was full takes messages again.
    pub async fn drained(&mut self, channel: u16) {
        let is =
            |event: &TransportEvent| matches!(event, TransportEvent::ChannelDrained { id } if *id == channel);
        self.until("room in the channel", |rig| rig.seen.iter().any(is)).await;
        self.seen.retain(|event| !is(event));
    }

    /// The present ICE user fragment, from the statistics of what was told.
    pub async fn ufrag(&mut self) -> String {
        self.transport.local_ufrag()
    }

    /// How often ICE began to check.
    pub fn times_checked(&self) -> usize {
        self.seen.iter().filter(|event| matches!(event, TransportEvent::IceState("checking"))).count()
    }

    /// Whether ICE is connected, as told last.
    pub fn ice_connected(&self) -> bool {
        let states = self.seen.iter().rev().find_map(|event| match event {
            TransportEvent::IceState(state) => Some(*state),
            _ => None,
        });
        matches!(states, Some("connected" | "completed"))
    }

    /// Takes in events until this holds.
    pub async fn until(&mut self, what: &str, holds: impl Fn(&Rig) -> bool) {
        // A peer that falls silent counts as gone after 17 seconds.
        let limit = tokio::time::Instant::now() + Duration::from_secs(40);
        while !holds(self) {
            // Packets arrive without events; the interval only bounds how late they are noticed.
            match tokio::time::timeout(Duration::from_millis(20), self.events.recv()).await {
                Ok(Some(event)) => self.take(event),
                Ok(None) => panic!("no more events while waiting for {what}"),
                Err(_) => {
                    assert!(tokio::time::Instant::now() < limit, "{what} did not come; {:#?}", self.seen)
                }
            }
        }
    }

    fn take(&mut self, event: TransportEvent) {
        match &event {
            TransportEvent::Message { data, binary, .. } => {
                self.messages.push((data.clone(), *binary));
                return;
            }
            TransportEvent::Candidate(candidate) => self.candidates.push(candidate.clone()),
            TransportEvent::PeerState(state) => self.state = *state,
            TransportEvent::Sends { mid, format, caps, pad } if self.sends => {
                self.feed(mid, format, caps, pad)
            }
            TransportEvent::SendsNot { mid, .. } => self.unfeed(mid),
            TransportEvent::Receives { mid, format, caps, pad } => self.collect(mid, format, caps, pad),
            TransportEvent::ReceivesNot { mid, .. } => self.drop_track(mid),
            _ => {}
        }
        self.seen.push(event);
    }

    fn unfeed(&mut self, mid: &str) {
        self.sources.retain(|(of, elements)| {
            if of == mid {
                for element in elements {
                    element.set_state(gst::State::Null).unwrap();
                    self.bin.remove(element).unwrap();
                }
            }
            of != mid
        });
    }

    fn drop_track(&mut self, mid: &str) {
        self.tracks.retain(|track| {
            if track.mid == mid {
                track.sink.set_state(gst::State::Null).unwrap();
                self.bin.remove(&track.sink).unwrap();
            }
            track.mid != mid
        });
    }

    fn feed(&mut self, mid: &str, format: &Format, caps: &gst::Caps, pad: &gst::Pad) {
        self.unfeed(mid);
        let (source, convert, encoder, payloader) = match format {
            Format::Vp8 => ("videotestsrc", "videoconvert", "vp8enc", "rtpvp8pay"),
            Format::Vp9 => ("videotestsrc", "videoconvert", "vp9enc", "rtpvp9pay"),
            Format::H264 => ("videotestsrc", "videoconvert", "x264enc", "rtph264pay"),
            Format::Opus => ("audiotestsrc", "audioconvert", "opusenc", "rtpopuspay"),
            Format::Pcmu => ("audiotestsrc", "audioresample", "mulawenc", "rtppcmupay"),
            Format::Pcma => ("audiotestsrc", "audioresample", "alawenc", "rtppcmapay"),
            other => panic!("no source of {other}"),
        };
        let make = |name| gst::ElementFactory::make(name).build().unwrap();
        let elements = [source, convert, encoder, payloader].map(make);
        elements[0].set_property("is-live", true);
        match *format {
            Format::Vp8 | Format::Vp9 => elements[2].set_property("deadline", 1i64),
            Format::H264 => {
                elements[2].set_property_from_str("tune", "zerolatency");
                elements[2].set_property_from_str("speed-preset", "ultrafast");
            }
            _ => {}
        }
        let structure = caps.structure(0).unwrap();
        elements[3].set_property("pt", structure.get::<i32>("payload").unwrap() as u32);
        elements[3].set_property("ssrc", structure.get::<u32>("ssrc").unwrap());
        self.bin.add_many(&elements).unwrap();
        gst::Element::link_many(&elements).unwrap();
        let out = elements[3].static_pad("src").unwrap();
        out.link(pad).unwrap();
        let forced = self.forced.clone();
        out.add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_, info| {
            if info.event().is_some_and(|event| gst_video::ForceKeyUnitEvent::is(event)) {
                forced.fetch_add(1, Ordering::Relaxed);
            }
            gst::PadProbeReturn::Ok
        });
        for element in elements.iter().rev() {
            element.sync_state_with_parent().unwrap();
        }
        self.sources.push((mid.to_owned(), elements.to_vec()));
    }

    fn collect(&mut self, mid: &str, format: &Format, caps: &gst::Caps, pad: &gst::Pad) {
        self.drop_track(mid);
        let packets: Arc<Mutex<Vec<Packet>>> = Arc::default();
        let sink = gst_app::AppSink::builder()
            .sync(false)
            .async_(false)
            .callbacks(
                gst_app::AppSinkCallbacks::builder()
                    .new_sample({
                        let packets = packets.clone();
                        move |sink| {
                            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                            let buffer = sample.buffer().unwrap();
                            let map = buffer.map_readable().unwrap();
                            lock(&packets).push(Packet {
                                key: keyframe::begins(&Format::Vp8, &map[12..]),
                                third: map.get(14).copied().unwrap_or_default(),
                                payload_type: map[1] & 0x7F,
                                sequence: u16::from_be_bytes([map[2], map[3]]),
                                timestamp: u32::from_be_bytes([map[4], map[5], map[6], map[7]]),
                                pts: buffer.pts().unwrap(),
                            });
                            Ok(gst::FlowSuccess::Ok)
                        }
                    })
                    .build(),
            )
            .build()
            .upcast::<gst::Element>();
        self.bin.add(&sink).unwrap();
        sink.sync_state_with_parent().unwrap();
        pad.link(&sink.static_pad("sink").unwrap()).unwrap();
        self.tracks.push(Received {
            mid: mid.to_owned(),
            format: format.clone(),
            caps: caps.clone(),
            packets,
            sink,
        });
    }

    /// What came on the track that was announced at this place.
    pub fn received(&self, place: usize) -> Vec<Packet> {
        self.tracks.get(place).map(|track| lock(&track.packets).clone()).unwrap_or_default()
    }

    pub fn payload_type(&self, place: usize) -> u8 {
        self.tracks[place].caps.structure(0).unwrap().get::<i32>("payload").unwrap() as u8
    }

    /// Ends the peer and the pipeline.
    pub async fn close(mut self) {
        self.transport.close().await;
    }

    /// Has the statistics objects of this type.
    pub async fn stats(&mut self, kind: &str) -> Vec<serde_json::Value> {
        let stats = self.transport.stats().await;
        let objects = stats.as_object().unwrap().values();
        objects.filter(|object| object["type"] == kind).cloned().collect()
    }
}

/// Has one offer to the other, and the other answer.
pub async fn negotiate(one: &mut Rig, other: &mut Rig, offer: OfferOptions) -> (String, String) {
    let offer = one.transport.offer(offer).await.unwrap();
    let answer = other.transport.answer(&offer).await.unwrap_or_else(|error| panic!("{error} {offer}"));
    one.transport.accept(&answer).await.unwrap();
    (offer, answer)
}

/// Negotiates and waits for the connection.
pub async fn connect(one: &mut Rig, other: &mut Rig, media: &[(Medium, Direction)]) {
    negotiate(one, other, OfferOptions { media: media.to_vec(), restart_ice: false }).await;
    for rig in [one, other] {
        rig.until("the connection", |rig| rig.state == PeerState::Connected).await;
        // The connection may be there before what was told of the tracks has been looked at.
        while let Ok(event) = rig.events.try_recv() {
            rig.take(event);
        }
    }
}

/// How many threads and file descriptors the process has.
pub fn resources() -> (usize, usize) {
    let count = |path| std::fs::read_dir(path).unwrap().count();
    (count("/proc/self/task"), count("/proc/self/fd"))
}

/// Waits until there are no more than these. GLib's pool keeps a thread that has nothing to do for 15 seconds.
pub async fn until_resources(most: (usize, usize)) {
    let limit = tokio::time::Instant::now() + Duration::from_secs(30);
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    loop {
        looks.tick().await;
        let now = resources();
        if now.0 <= most.0 && now.1 <= most.1 {
            return;
        }
        assert!(tokio::time::Instant::now() < limit, "{now:?} threads and descriptors, {most:?} before");
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        // A pipeline must not be dropped while it plays.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}
