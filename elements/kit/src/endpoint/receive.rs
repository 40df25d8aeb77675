//! From the network to an output port.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anabranch_graph::format::{Format, Medium};
use gst::prelude::*;

use super::{Chain, EndpointError, codec, runtime};
use crate::keyframe::{self, Requests};

/// An output port.
#[derive(Debug)]
pub struct ReceivePort {
    medium: Medium,
    ghost: gst::GhostPad,
    /// Begins the names of its streams.
    name: &'static str,
    requests: Arc<Requests>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    track: Option<Track>,
    /// Stream-start and EOS were pushed, and nothing after them.
    ended: bool,
}

#[derive(Debug)]
struct Track {
    label: String,
    format: Format,
    chain: Chain,
    entry: gst::Pad,
}

impl ReceivePort {
    /// The port behind a ghost pad of the bin; `name` begins the names of its streams.
    pub fn new(ghost: gst::GhostPad, medium: Medium, name: &'static str) -> Self {
        let requests = Arc::new(Requests::default());
        // Whom nobody listens to still receives: "not linked" would end the stream for good.
        let served = requests.clone();
        ghost.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, move |pad, info| {
            if info.buffer().is_some_and(|buffer| !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT)) {
                served.served();
            }
            if pad.is_linked() { gst::PadProbeReturn::Ok } else { gst::PadProbeReturn::Handled }
        });
        ReceivePort { medium, ghost, name, requests, state: Arc::default() }
    }

    /// Takes RTP of a format out of a pad; what came before goes. `label` tells this track from others (a MID).
    ///
    /// # Errors
    ///
    /// A missing element.
    pub fn open(
        &self,
        bin: &gst::Bin,
        label: &str,
        format: &Format,
        pad: gst::Pad,
    ) -> Result<(), EndpointError> {
        let same = |t: &Track| t.label == label && t.format == *format && t.entry == pad;
        if self.state().track.as_ref().is_some_and(same) {
            return Ok(());
        }
        self.detach(bin);
        let chain = Chain::new(bin, codec::unpackers(format)?)?;
        if std::mem::replace(&mut self.state().ended, false) {
            // Sinks take nothing after an end, unless they are flushed.
            self.ghost.push_event(gst::event::FlushStart::new());
            self.ghost.push_event(gst::event::FlushStop::new(false));
        }
        let link = || -> Result<(), String> {
            let nothing = || "an element without pads".to_owned();
            let (sink, src) = chain.sink().zip(chain.src()).ok_or_else(nothing)?;
            self.ghost.set_target(Some(&src)).map_err(|e| e.to_string())?;
            // Here, so that what the depayloader asks for by itself is merged too.
            keyframe::merge(&sink, &self.requests, runtime::later);
            chain.start();
            pad.link(&sink).map_err(|e| e.to_string())?;
            Ok(())
        };
        if let Err(error) = link() {
            let _ = self.ghost.set_target(None::<&gst::Pad>);
            chain.remove(bin);
            return Err(EndpointError::failed(format!("{format} cannot be received: {error}")));
        }
        self.state().track =
            Some(Track { label: label.to_owned(), format: format.clone(), chain, entry: pad });
        Ok(())
    }

    fn detach(&self, bin: &gst::Bin) -> bool {
        let track = self.state().track.take();
        let Some(track) = track else { return false };
        if let Some(sink) = track.chain.sink() {
            let _ = track.entry.unlink(&sink);
        }
        track.chain.remove(bin);
        let _ = self.ghost.set_target(None::<&gst::Pad>);
        true
    }

    /// There is no such track, or not any more: the port says so to whoever listens, once.
    pub fn end(&self, bin: &gst::Bin) {
        self.detach(bin);
        if std::mem::replace(&mut self.state().ended, true) {
            return;
        }
        self.tell_end();
    }

    /// Says again, after the pads were opened, that there is no track.
    pub fn repeat_end(&self) {
        if self.state().ended {
            self.tell_end();
        }
    }

    fn tell_end(&self) {
        let (ghost, state) = (self.ghost.clone(), self.state.clone());
        let id = format!("{}/{}", self.name, self.medium);
        // Whoever listens may take its time.
        runtime::spawn_blocking(move || {
            // A new track may have come already.
            if !state.lock().unwrap_or_else(PoisonError::into_inner).ended {
                return;
            }
            if ghost.sticky_event::<gst::event::StreamStart>(0).is_none() {
                ghost
                    .push_event(gst::event::StreamStart::builder(&id).group_id(gst::GroupId::next()).build());
            }
            ghost.push_event(gst::event::Eos::new());
        });
    }

    /// Takes the track away without a word: the next peer's comes.
    pub fn close(&self, bin: &gst::Bin) {
        self.detach(bin);
    }

    /// The same, and the port forgets that it ever ended: what follows is another run.
    pub fn reset(&self, bin: &gst::Bin) {
        self.detach(bin);
        self.state().ended = false;
    }

    /// Whether this is the track of that label.
    pub fn is(&self, label: &str) -> bool {
        self.state().track.as_ref().is_some_and(|track| track.label == label)
    }

    /// Whether it has a track.
    pub fn is_open(&self) -> bool {
        self.state().track.is_some()
    }

    /// Asks the peer for a key frame. `false`: nothing is received.
    pub fn ask_key_frame(&self) -> bool {
        let is_open = self.is_open();
        if is_open {
            keyframe::ask(self.ghost.upcast_ref());
        }
        is_open
    }

    /// How many requests for key frames were sent to the peer.
    pub fn key_frame_requests(&self) -> u64 {
        self.requests.passed()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
