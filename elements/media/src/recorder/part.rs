//! One file of a recording: the elements that write it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gst::prelude::*;

use super::container::{Container, Waiting};
use super::growing::Growing;
use super::sink::FileSink;
use crate::pads;
use anabranch_kit::caps::format_of;

/// Names of the two tracks, in the order used everywhere here.
pub const MEDIA: [&str; 2] = ["video", "audio"];

/// What a new file needs to know.
#[derive(Debug)]
pub struct Plan {
    /// Its number, from 1.
    pub number: u32,
    /// Where it goes: a file or an address.
    pub location: String,
    /// The file that it is written to here.
    pub file: String,
    /// It is brought elsewhere.
    pub remote: bool,
    /// What has been written cannot be changed at its destination.
    pub forward_only: bool,
    /// Its container.
    pub container: Container,
    /// The caps of the tracks in it; video and audio.
    pub caps: [Option<gst::Caps>; 2],
    /// Running time from which on data belongs to it, nanoseconds.
    pub start: i64,
    /// Running time that becomes its time 0, nanoseconds.
    pub offset: i64,
    /// Why it is begun: `start`, `size`, `time`, `asked`, `format`, `track`.
    pub reason: &'static str,
}

/// One file of a recording.
#[derive(Debug)]
pub struct Part {
    /// What it was made from.
    pub plan: Plan,
    /// All its elements, the one that writes the file first; none once it is closed.
    elements: Mutex<Vec<gst::Element>>,
    /// The pads that feed it; video and audio.
    inputs: [Option<gst::Pad>; 2],
    /// Where it ends so far, nanoseconds after its start.
    end: AtomicU64,
    /// How much media it was given, bytes.
    given: AtomicU64,
    /// Which tracks have been announced to the muxer.
    begun: [AtomicBool; 2],
    /// Which tracks have ended in it.
    ended: [AtomicBool; 2],
    /// The queue in front of the muxer, for each track that has one.
    queues: [Option<gst::Element>; 2],
    /// What is written.
    file: Arc<Growing>,
    /// The muxer has written all.
    whole: AtomicBool,
    /// It is whole and on disk.
    finished: AtomicBool,
}

impl Part {
    /// Makes the elements and starts them inside `bin`.
    ///
    /// # Errors
    ///
    /// A missing plugin, or a file that cannot be opened, as a sentence for a person.
    pub fn open(bin: &impl IsA<gst::Bin>, plan: Plan) -> Result<Self, gst::ErrorMessage> {
        let file = Growing::create(Path::new(&plan.file)).map_err(|error| {
            gst::error_msg!(gst::ResourceError::OpenWrite, ("'{}' cannot be written: {error}.", plan.file))
        })?;
        let mut part = Part {
            plan,
            elements: Mutex::default(),
            inputs: [None, None],
            end: AtomicU64::new(0),
            given: AtomicU64::new(0),
            begun: Default::default(),
            ended: Default::default(),
            queues: [None, None],
            file: Arc::new(file),
            whole: AtomicBool::new(false),
            finished: AtomicBool::new(false),
        };
        match part.build(bin.as_ref()) {
            Ok(()) => Ok(part),
            Err(error) => {
                part.close(bin);
                Err(error)
            }
        }
    }

    fn build(&mut self, bin: &gst::Bin) -> Result<(), gst::ErrorMessage> {
        let number = self.plan.number;
        let failed = || pads::link_failed("The recorder's muxer");
        let forward_only = self.plan.forward_only;
        let finalises = self.plan.container == Container::Mp4 && !forward_only;
        let sink = FileSink::new(&format!("file_{number}"), self.file.clone(), forward_only, finalises);
        let mux = self.plan.container.make_muxer(&format!("mux_{number}"), forward_only)?;
        self.add(bin, sink.upcast_ref())?;
        self.add(bin, &mux)?;
        mux.link(&sink).map_err(|_| failed())?;
        let both = self.plan.caps.iter().all(Option::is_some);
        for (index, medium) in MEDIA.into_iter().enumerate() {
            let Some(caps) = self.plan.caps[index].clone() else { continue };
            let mut next = self.plan.container.muxer_pad(&mux, medium).ok_or_else(failed)?;
            let parser = format_of(&caps)
                .filter(|_| !is_ready(&caps, &next.pad_template_caps()))
                .and_then(|format| self.plan.container.parser(&format));
            // A muxer waits for both tracks; a queue each lets one thread bring both.
            let chain = [parser, both.then_some("queue")];
            for factory in chain.into_iter().flatten() {
                let element = pads::make(factory, &format!("{factory}_{medium}_{number}"))?;
                if factory == "queue" {
                    // The writer looks how full it is.
                    for limit in ["max-size-buffers", "max-size-bytes"] {
                        element.set_property(limit, 0u32);
                    }
                    element.set_property("max-size-time", 0u64);
                    self.queues[index] = Some(element.clone());
                }
                self.add(bin, &element)?;
                let (Some(input), Some(output)) = (element.static_pad("sink"), element.static_pad("src"))
                else {
                    return Err(failed());
                };
                output.link(&next).map_err(|_| failed())?;
                next = input;
            }
            let input = gst::Pad::builder(gst::PadDirection::Src).name(format!("{medium}_{number}")).build();
            input.set_active(true).map_err(|_| failed())?;
            input.link(&next).map_err(|_| failed())?;
            self.inputs[index] = Some(input);
        }
        // From the file upwards, so that nobody pushes into an element that sleeps.
        for element in self.elements() {
            element.sync_state_with_parent().map_err(|_| failed())?;
        }
        Ok(())
    }

    /// What is written.
    pub fn file(&self) -> &Arc<Growing> {
        &self.file
    }

    /// How much waits in front of the muxer.
    pub fn queued(&self, index: usize) -> Waiting {
        self.queues[index].as_ref().map_or_else(Waiting::default, |queue| Waiting {
            bytes: queue.property::<u32>("current-level-bytes") as usize,
            time: gst::ClockTime::from_nseconds(queue.property("current-level-time")),
        })
    }

    fn add(&self, bin: &gst::Bin, element: &gst::Element) -> Result<(), gst::ErrorMessage> {
        bin.add(element).map_err(|_| pads::link_failed("The recorder's insides"))?;
        self.elements.lock().unwrap_or_else(PoisonError::into_inner).push(element.clone());
        Ok(())
    }

    fn elements(&self) -> Vec<gst::Element> {
        self.elements.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The pad that feeds a track of this file; `None` if it has no such track.
    pub fn input(&self, index: usize) -> Option<&gst::Pad> {
        self.inputs[index].as_ref()
    }

    /// Says what comes, before the first buffer; once.
    pub fn begin(&self, index: usize, stream_start: Option<gst::Event>, tags: &[gst::Event]) {
        let (Some(pad), Some(caps)) = (self.input(index), &self.plan.caps[index]) else { return };
        if self.begun[index].swap(true, Ordering::AcqRel) {
            return;
        }
        let stream_start = stream_start
            .unwrap_or_else(|| gst::event::StreamStart::new(&format!("recorder/{}", MEDIA[index])));
        pad.push_event(stream_start);
        pad.push_event(gst::event::Caps::new(caps));
        pad.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
        for tag in tags {
            pad.push_event(tag.clone());
        }
    }

    /// Makes a packet whose running times are `pts` and `dts` one of this file.
    pub fn fit(&self, mut buffer: gst::Buffer, pts: Option<i64>, dts: Option<i64>) -> gst::Buffer {
        let since_start = |time: i64| time - self.plan.offset;
        let pts = pts.map(|t| gst::ClockTime::from_nseconds(since_start(t).max(0) as u64));
        let dts = dts.map(since_start).filter(|t| *t >= 0).map(|t| gst::ClockTime::from_nseconds(t as u64));
        {
            let buffer = buffer.make_mut();
            buffer.set_pts(pts);
            buffer.set_dts(dts);
        }
        if let Some(start) = pts.or(dts) {
            let end = start + buffer.duration().unwrap_or(gst::ClockTime::ZERO);
            self.end.fetch_max(end.nseconds(), Ordering::Relaxed);
        }
        self.given.fetch_add(buffer.size() as u64, Ordering::Relaxed);
        buffer
    }

    /// Writes packets that were made to [`fit`](Part::fit). Together: one by one they would wake a thread each.
    ///
    /// # Errors
    ///
    /// What the muxer or the disk says.
    pub fn write(&self, index: usize, packets: Vec<gst::Buffer>) -> Result<gst::FlowSuccess, gst::FlowError> {
        let Some(pad) = self.input(index) else { return Err(gst::FlowError::Eos) };
        match <[gst::Buffer; 1]>::try_from(packets) {
            Ok([single]) => pad.push(single),
            Err(packets) => pad.push_list(packets.into_iter().collect()),
        }
    }

    /// How large it is or will at least be when the muxer has written what it was given, bytes.
    pub fn expected_bytes(&self) -> u64 {
        self.given.load(Ordering::Relaxed).max(self.bytes())
    }

    /// Ends a track, once; with the last one the file is made whole.
    pub fn end_track(&self, index: usize) {
        let Some(pad) = self.input(index) else { return };
        if self.ended[index].swap(true, Ordering::AcqRel) {
            return;
        }
        // A muxer does not like a track of which it knows nothing.
        self.begin(index, None, &[]);
        pad.push_event(gst::event::Eos::new());
    }

    /// Whether more of a track can be written to it.
    pub fn takes(&self, index: usize) -> bool {
        self.inputs[index].is_some() && !self.ended[index].load(Ordering::Acquire)
    }

    /// Whether this element writes the file.
    pub fn is_written_by(&self, element: &gst::Object) -> bool {
        self.elements().first().is_some_and(|sink| sink.upcast_ref::<gst::Object>() == element)
    }

    /// The muxer has written all.
    pub fn set_whole(&self) {
        self.whole.store(true, Ordering::Release);
    }

    /// Whether the muxer has written all.
    pub fn is_whole(&self) -> bool {
        self.whole.load(Ordering::Acquire)
    }

    /// It is closed, and where it goes has it.
    pub fn set_finished(&self) {
        self.finished.store(true, Ordering::Release);
    }

    /// Whether it is closed, and where it goes has it.
    pub fn is_finished(&self) -> bool {
        self.finished.load(Ordering::Acquire)
    }

    /// How long it is, seconds.
    pub fn seconds(&self) -> f64 {
        self.end.load(Ordering::Relaxed) as f64 / 1e9
    }

    /// How large it is, bytes.
    pub fn bytes(&self) -> u64 {
        self.file.length()
    }

    /// Stops the elements, takes them out of `bin`, and closes the file; it waits for the disk. Not from a thread that runs in one of them.
    pub fn close(&self, bin: &impl IsA<gst::Bin>) {
        let elements = std::mem::take(&mut *self.elements.lock().unwrap_or_else(PoisonError::into_inner));
        for element in elements {
            let _ = element.set_state(gst::State::Null);
            let _ = bin.as_ref().remove(&element);
        }
        for pad in self.inputs.iter().flatten() {
            let _ = pad.set_active(false);
        }
        self.file.close();
    }
}

/// Whether packets are already what the muxer wants, so that no parser is needed.
fn is_ready(caps: &gst::CapsRef, wanted: &gst::CapsRef) -> bool {
    let Some(structure) = caps.structure(0) else { return false };
    let parsed = ["parsed", "framed"].into_iter().any(|field| structure.get::<bool>(field).unwrap_or(false));
    let needs_data = matches!(structure.name().as_str(), "video/x-h264" | "video/x-h265" | "audio/mpeg");
    let is_mp3 = structure.get::<i32>("mpegversion") == Ok(1);
    parsed && (!needs_data || is_mp3 || structure.has_field("codec_data")) && caps.is_subset(wanted)
}
