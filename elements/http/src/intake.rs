//! The two inputs of an element that puts packets into a container: parsers where packets are not what the container
//! wants, running times, formats.
//!
//! Everything happens in the thread that brings the packets.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anabranch_graph::format::{Format, Medium};
use anabranch_kit::caps::format_of;
use bytes::Bytes;
use gst::prelude::*;

use crate::mux::Container;
use crate::mux::track::{Sample, TrackFormat};
use anabranch_kit::endpoint::make;

/// The names of the two tracks.
pub const MEDIA: [&str; 2] = ["video", "audio"];

/// What comes in.
pub enum Arrival {
    /// The track is of this format from here on.
    Format(usize, TrackFormat),
    /// A packet.
    Packet(Sample),
    /// Nothing comes before this time, nanoseconds.
    Reached(usize, i64),
    /// The track has ended.
    End(usize),
}

/// Who takes what comes. Called without any lock held.
pub type Taker = Arc<dyn Fn(Arrival) -> Result<gst::FlowSuccess, gst::FlowError> + Send + Sync>;

#[derive(Default)]
struct Lane {
    segment: Option<gst::FormattedSegment<gst::ClockTime>>,
    caps: Option<gst::Caps>,
    parser: Option<Parser>,
}

/// A parser between the element's pad and the container.
struct Parser {
    element: gst::Element,
    /// Feeds it.
    feed: gst::Pad,
    /// Takes from it.
    exit: gst::Pad,
    format: Format,
}

impl Drop for Parser {
    fn drop(&mut self) {
        let _ = self.feed.set_active(false);
        let _ = self.element.set_state(gst::State::Null);
        let _ = self.exit.set_active(false);
    }
}

/// The inputs.
pub struct Intake {
    container: Container,
    lanes: [Mutex<Lane>; 2],
    taker: Taker,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running time as a signed number of nanoseconds.
fn signed(time: gst::Signed<gst::ClockTime>) -> i64 {
    match time {
        gst::Signed::Positive(time) => i64::try_from(time.nseconds()).unwrap_or(i64::MAX),
        gst::Signed::Negative(time) => -i64::try_from(time.nseconds()).unwrap_or(i64::MAX),
    }
}

impl Intake {
    /// Inputs of a container.
    pub fn new(container: Container, taker: Taker) -> Self {
        Intake { container, lanes: Default::default(), taker }
    }

    /// A buffer has come.
    ///
    /// # Errors
    ///
    /// What the parser or the taker says.
    pub fn chain(&self, track: usize, mut buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        let (pts, dts, feed) = {
            let lane = lock(&self.lanes[track]);
            if lane.caps.is_none() {
                return Err(gst::FlowError::NotNegotiated);
            }
            let running = |time: Option<gst::ClockTime>| {
                Some(signed(lane.segment.as_ref()?.to_running_time_full(time)?))
            };
            (running(buffer.pts()), running(buffer.dts()), lane.parser.as_ref().map(|p| p.feed.clone()))
        };
        if buffer.flags().contains(gst::BufferFlags::HEADER) && pts.is_none() {
            // Vorbis' and Opus' headers are in the caps, too.
            return Ok(gst::FlowSuccess::Ok);
        }
        {
            let time =
                |t: Option<i64>| t.and_then(|t| u64::try_from(t).ok()).map(gst::ClockTime::from_nseconds);
            let buffer = buffer.make_mut();
            buffer.set_pts(time(pts));
            buffer.set_dts(time(dts));
        }
        match feed {
            Some(feed) => feed.push(buffer),
            None => take(track, &self.taker, buffer),
        }
    }

    /// Something else than a buffer has come. `false`: it cannot be used, and `refuse` has said why.
    pub fn event(&self, track: usize, event: &gst::Event, refuse: impl FnOnce(String)) -> bool {
        match event.view() {
            gst::EventView::Caps(caps) => {
                if let Err(text) = self.caps(track, caps.caps_owned()) {
                    refuse(text);
                    return false;
                }
            }
            gst::EventView::Segment(segment) => {
                lock(&self.lanes[track]).segment =
                    segment.segment().downcast_ref::<gst::ClockTime>().cloned();
            }
            gst::EventView::Gap(gap) => {
                let (time, duration) = gap.get();
                let end = time + duration.unwrap_or(gst::ClockTime::ZERO);
                let running =
                    lock(&self.lanes[track]).segment.as_ref().and_then(|s| s.to_running_time_full(end));
                if let Some(running) = running {
                    let _ = (self.taker)(Arrival::Reached(track, signed(running)));
                }
            }
            gst::EventView::FlushStop(_) => lock(&self.lanes[track]).segment = None,
            gst::EventView::Eos(_) => {
                let feed = lock(&self.lanes[track]).parser.as_ref().map(|p| p.feed.clone());
                if let Some(feed) = feed {
                    feed.push_event(gst::event::Eos::new());
                }
                let _ = (self.taker)(Arrival::End(track));
            }
            _ => {}
        }
        true
    }

    /// Lets go of the parsers. Not while data flow.
    pub fn close(&self) {
        for lane in &self.lanes {
            let old = std::mem::take(&mut *lock(lane));
            drop(old);
        }
    }

    fn caps(&self, track: usize, caps: gst::Caps) -> Result<(), String> {
        let format = format_of(&caps).ok_or("The stream does not say what it is.")?;
        let medium = [Medium::Video, Medium::Audio][track];
        let taken = self.container.formats(medium);
        if !taken.contains(&format) {
            let names: Vec<&str> = taken.iter().map(Format::name).collect();
            return Err(format!("{format} came, but this container takes {}.", names.join(", ")));
        }
        let ready =
            ready(&format).map(|text| text.parse::<gst::Caps>().map_err(|e| e.to_string())).transpose()?;
        let is_ready = ready.as_ref().is_none_or(|ready| {
            let has_data =
                format == Format::Vp9 || caps.structure(0).is_some_and(|s| s.has_field("codec_data"));
            caps.is_subset(ready) && has_data
        });
        let old = {
            let mut lane = lock(&self.lanes[track]);
            lane.caps = Some(caps.clone());
            let keeps = !is_ready && lane.parser.as_ref().is_some_and(|p| p.format == format);
            if keeps { None } else { lane.parser.take() }
        };
        drop(old);
        let Some(ready) = ready.filter(|_| !is_ready) else {
            // What came before it goes the same way, so this is in order.
            let format = TrackFormat::from_caps(&caps)?;
            let _ = (self.taker)(Arrival::Format(track, format));
            return Ok(());
        };
        let feed = {
            let there = lock(&self.lanes[track]).parser.as_ref().map(|p| p.feed.clone());
            match there {
                Some(feed) => feed,
                None => {
                    let parser = self.parser(track, &format, &ready)?;
                    let feed = parser.feed.clone();
                    lock(&self.lanes[track]).parser = Some(parser);
                    feed.push_event(gst::event::StreamStart::new(MEDIA[track]));
                    feed
                }
            }
        };
        feed.push_event(gst::event::Caps::new(&caps));
        if feed.sticky_event::<gst::event::Segment>(0).is_none() {
            feed.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
        }
        Ok(())
    }

    fn parser(&self, track: usize, format: &Format, ready: &gst::Caps) -> Result<Parser, String> {
        let factory = match format {
            Format::H264 => "h264parse",
            Format::H265 => "h265parse",
            Format::Vp9 => "vp9parse",
            _ => "aacparse",
        };
        let unlinked = || format!("'{factory}' could not be linked.");
        let element = make(factory).map_err(|error| format!("{error}."))?;
        let template =
            gst::PadTemplate::new("sink", gst::PadDirection::Sink, gst::PadPresence::Always, ready)
                .map_err(|_| unlinked())?;
        let (chain, events) = (self.taker.clone(), self.taker.clone());
        let exit = gst::Pad::builder_from_template(&template)
            .chain_function(move |_, _, buffer| take(track, &chain, buffer))
            .event_function(move |pad, parent, event| {
                if let gst::EventView::Caps(caps) = event.view() {
                    match TrackFormat::from_caps(caps.caps()) {
                        Ok(format) => {
                            let _ = events(Arrival::Format(track, format));
                        }
                        Err(text) => {
                            gst::warning!(gst::CAT_RUST, obj = pad, "{text}");
                            return false;
                        }
                    }
                }
                gst::Pad::event_default(pad, parent, event)
            })
            .build();
        let feed = gst::Pad::builder(gst::PadDirection::Src).name("feed").build();
        let parser = Parser { element, feed, exit, format: format.clone() };
        let (Some(sink), Some(src)) = (parser.element.static_pad("sink"), parser.element.static_pad("src"))
        else {
            return Err(unlinked());
        };
        parser.exit.set_active(true).map_err(|_| unlinked())?;
        src.link(&parser.exit).map_err(|_| unlinked())?;
        parser.feed.set_active(true).map_err(|_| unlinked())?;
        parser.feed.link(&sink).map_err(|_| unlinked())?;
        parser.element.set_state(gst::State::Playing).map_err(|_| unlinked())?;
        Ok(parser)
    }
}

/// What a container wants of packets of a format; none: as they come.
fn ready(format: &Format) -> Option<&'static str> {
    match format {
        Format::H264 => Some("video/x-h264,stream-format=avc,alignment=au"),
        Format::H265 => Some("video/x-h265,stream-format=hvc1,alignment=au"),
        Format::Vp9 => Some("video/x-vp9,alignment=frame"),
        Format::Aac => Some("audio/mpeg,mpegversion=4,stream-format=raw"),
        _ => None,
    }
}

/// A packet that is ready.
fn take(track: usize, taker: &Taker, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
    let nanos = |time: gst::ClockTime| i64::try_from(time.nseconds()).unwrap_or(i64::MAX);
    let Some(time) = buffer.pts().or(buffer.dts()).map(nanos) else {
        // Without any time there is no place for it in a file.
        return Ok(gst::FlowSuccess::Ok);
    };
    let sample = Sample {
        track,
        pts: time,
        dts: buffer.dts().map_or(time, nanos).min(if track == 0 { i64::MAX } else { time }),
        duration: 0,
        key: track == 1 || !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
        data: match buffer.into_mapped_buffer_readable() {
            Ok(mapped) => Bytes::from_owner(mapped),
            Err(_) => return Err(gst::FlowError::Error),
        },
    };
    taker(Arrival::Packet(sample))
}
