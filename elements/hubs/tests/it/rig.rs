//! Sources, sinks and waiting.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anabranch_kit::command;
use gst::prelude::*;
use serde_json::Value;

/// How long a test waits for what must come.
pub const LIMIT: Duration = Duration::from_secs(20);

/// GStreamer with the hubs.
pub fn init() {
    gst::init().unwrap();
    anabranch_kit::registry::register_all(None).unwrap();
    // Named, or it would not be linked.
    let _ = gstanabranchhubs::Composite::static_type();
}

/// What arrived at a sink.
#[derive(Default)]
pub struct Heard {
    pub buffers: Vec<(gst::ClockTime, Instant, gst::Buffer)>,
    pub caps: Vec<gst::Caps>,
    pub eos: bool,
}

/// A sink that keeps all that it gets.
#[derive(Clone)]
pub struct Sink {
    pub element: gst::Element,
    heard: Arc<(Mutex<Heard>, Condvar)>,
}

impl Sink {
    pub fn new() -> Sink {
        let heard: Arc<(Mutex<Heard>, Condvar)> = Arc::default();
        let (sample, eos) = (heard.clone(), heard.clone());
        let callbacks = gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let taken = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                let mut heard = sample.0.lock().unwrap_or_else(PoisonError::into_inner);
                let caps = taken.caps_owned().unwrap();
                if heard.caps.last() != Some(&caps) {
                    heard.caps.push(caps);
                }
                let buffer = taken.buffer_owned().unwrap();
                heard.buffers.push((buffer.pts().unwrap(), Instant::now(), buffer));
                sample.1.notify_all();
                Ok(gst::FlowSuccess::Ok)
            })
            .eos(move |_| {
                eos.0.lock().unwrap_or_else(PoisonError::into_inner).eos = true;
                eos.1.notify_all();
            })
            .build();
        let element = gst_app::AppSink::builder().sync(false).async_(false).callbacks(callbacks).build();
        Sink { element: element.upcast(), heard }
    }

    /// Waits until what was heard is as it should be; returns what `look` makes of it.
    pub fn wait<R>(&self, mut look: impl FnMut(&Heard) -> Option<R>) -> R {
        let until = Instant::now() + LIMIT;
        let mut heard = self.heard.0.lock().unwrap();
        loop {
            if let Some(result) = look(&heard) {
                return result;
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "nothing came of it: {} buffers, {:?}", heard.buffers.len(), heard.caps);
            heard = self.heard.1.wait_timeout(heard, left).unwrap().0;
        }
    }

    /// Waits for so many more buffers.
    pub fn more(&self, count: usize) {
        let now = self.heard.0.lock().unwrap().buffers.len();
        self.wait(|heard| (heard.buffers.len() >= now + count).then_some(()));
    }

    /// What was heard so far.
    pub fn look<R>(&self, look: impl FnOnce(&Heard) -> R) -> R {
        look(&self.heard.0.lock().unwrap())
    }

    /// The last samples of the first channel, as parts of full scale.
    pub fn samples(&self, count: usize) -> Vec<f32> {
        self.look(|heard| {
            let mut all = Vec::new();
            for (_, _, buffer) in heard.buffers.iter().rev().take(count.div_ceil(960)).rev() {
                let map = buffer.map_readable().unwrap();
                all.extend(
                    map.chunks_exact(4).map(|s| f32::from(i16::from_le_bytes([s[0], s[1]])) / 32768.0),
                );
            }
            all
        })
    }
}

/// Sends a command and waits for the answer.
pub fn command(element: &impl IsA<gst::Element>, name: &str, arguments: Value) -> command::CommandResult {
    futures::executor::block_on(command::call(element, name, &arguments))
}

/// A bin from a line.
pub fn bin(line: &str) -> gst::Element {
    gst::parse::bin_from_description(&format!("{line} ! identity silent=true"), true).unwrap().upcast()
}

/// An element with properties.
pub fn make(factory: &str, name: &str) -> gst::Element {
    gst::ElementFactory::make(factory).name(name).build().unwrap()
}

/// A luminance value of an I420 picture.
pub fn luma(buffer: &gst::Buffer, caps: &gst::Caps, x: usize, y: usize) -> u8 {
    let info = gst_video::VideoInfo::from_caps(caps).unwrap();
    buffer.map_readable().unwrap()[info.offset()[0] + y * info.stride()[0] as usize + x]
}
