//! Frames handed in and taken out by the application.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, watch};

use crate::error::AppError;
use crate::event::PipelineState;

/// Where the application hands media in: the `app-source` of a running pipeline.
#[derive(Clone)]
pub struct AppSource {
    inner: gst_app::AppSrc,
}

impl AppSource {
    pub(crate) fn new(inner: gst_app::AppSrc) -> Self {
        AppSource { inner }
    }

    /// Says what the media is, as GStreamer caps; before the first frame, or when it changes.
    pub fn set_caps(&self, caps: &gst::Caps) {
        self.inner.set_caps(Some(caps));
    }

    /// Hands in one frame. Its time stamp (`pts`) counts from the pipeline's start. What happens when the graph is
    /// slower is up to the element's properties: by default the call waits, so do not make it from an async task
    /// that others wait for; use `spawn_blocking`.
    ///
    /// # Errors
    ///
    /// [`AppError::Ended`] after the end of the stream or of the pipeline, [`AppError::Refused`] if downstream failed.
    pub fn push(&self, frame: gst::Buffer) -> Result<(), AppError> {
        match self.inner.push_buffer(frame) {
            Ok(_) => Ok(()),
            Err(gst::FlowError::Eos | gst::FlowError::Flushing) => Err(AppError::Ended),
            Err(error) => Err(AppError::Refused(error.to_string())),
        }
    }

    /// Ends the stream.
    ///
    /// # Errors
    ///
    /// [`AppError::Ended`] if it has ended already.
    pub fn end(&self) -> Result<(), AppError> {
        self.inner.end_of_stream().map(|_| ()).map_err(|_| AppError::Ended)
    }
}

/// Where the application takes media out: the `app-sink` of a running pipeline.
pub struct AppSink {
    inner: gst_app::AppSink,
    arrival: Arc<Notify>,
    state: watch::Receiver<PipelineState>,
    caps: Mutex<Option<gst::Caps>>,
}

/// One frame from an [`AppSink`].
#[derive(Clone, Debug)]
pub struct Frame {
    /// The frame, with its time stamps.
    pub buffer: gst::Buffer,
    /// What it is, as GStreamer caps.
    pub caps: gst::Caps,
}

impl AppSink {
    pub(crate) fn new(inner: gst_app::AppSink, state: watch::Receiver<PipelineState>) -> Self {
        let arrival = Arc::new(Notify::new());
        let (sample, eos) = (arrival.clone(), arrival.clone());
        inner.set_callbacks(
            gst_app::AppSinkCallbacks::builder()
                .new_sample(move |_| {
                    sample.notify_one();
                    Ok(gst::FlowSuccess::Ok)
                })
                .eos(move |_| eos.notify_one())
                .build(),
        );
        AppSink { inner, arrival, state, caps: Mutex::new(None) }
    }

    /// The next frame, in order; none after the end of the stream or of the pipeline. A frame that is not taken
    /// waits, or is dropped when too many wait, as the element's properties say.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.try_next() {
                return Some(frame);
            }
            if self.inner.is_eos() || *self.state.borrow_and_update() >= PipelineState::Stopping {
                return None;
            }
            tokio::select! {
                () = self.arrival.notified() => {}
                changed = self.state.changed() => changed.ok()?,
            }
        }
    }

    /// The next frame if one waits.
    pub fn try_next(&self) -> Option<Frame> {
        let sample = self.inner.try_pull_sample(gst::ClockTime::ZERO)?;
        let buffer = sample.buffer_owned()?;
        let mut last = self.caps.lock().unwrap_or_else(PoisonError::into_inner);
        let caps = match sample.caps_owned() {
            Some(caps) => {
                *last = Some(caps.clone());
                caps
            }
            None => last.clone()?,
        };
        Some(Frame { buffer, caps })
    }
}
