//! What the shell has to know of a kind of filter, so that video and audio are treated alike.

use anabranch_graph::catalog::ElementDescriptor;
use gst_video::{VideoFrame, VideoInfo, video_frame::Writable};
use serde_json::Value;

use super::{Context, FilterError, Named, VideoFilter, describe};
use crate::command::CommandResult;
use crate::frame::Frame;
use crate::params::Params;
use crate::regions;

/// A filter as the shell sees it: media of one kind come as buffers, are opened, go through the filter on its thread, and
/// are closed again.
pub trait Stage: Sized + Send + 'static {
    /// The element's properties.
    type Params: Params;
    /// The format of the media, such as size and rate.
    type Info: Clone + Send + 'static;
    /// An open buffer.
    type Media: Send + 'static;

    /// The name in descriptions.
    const NAME: &'static str;
    /// GStreamer's class of element.
    const CLASS: &'static str;
    /// The filter's commands.
    const COMMANDS: &'static [&'static str];

    /// The catalogue's entry.
    fn descriptor() -> ElementDescriptor;

    /// The element's pads.
    fn pad_templates() -> Vec<gst::PadTemplate>;

    /// The format that caps say.
    fn info(caps: &gst::CapsRef) -> Option<Self::Info>;

    /// Looks at the properties before anything starts.
    ///
    /// # Errors
    ///
    /// What the filter says.
    fn check(params: &Self::Params) -> Result<(), FilterError>;

    /// Makes the filter.
    ///
    /// # Errors
    ///
    /// What the filter says.
    fn make(params: &Self::Params, info: &Self::Info) -> Result<Self, FilterError>;

    /// Opens a buffer and notes what is on it.
    ///
    /// # Errors
    ///
    /// It cannot be mapped; the buffer is given back.
    fn open(buffer: gst::Buffer, info: &Self::Info, ctx: &mut Context) -> Result<Self::Media, gst::Buffer>;

    /// Runs the filter.
    ///
    /// # Errors
    ///
    /// What the filter says.
    fn run(
        &mut self,
        params: &Self::Params,
        media: &mut Self::Media,
        ctx: &mut Context,
    ) -> Result<(), FilterError>;

    /// Closes a buffer.
    fn close(media: Self::Media) -> gst::Buffer;

    /// Puts what the filter found on its buffer.
    fn finish(buffer: &mut gst::Buffer, info: &Self::Info, ctx: &Context);

    /// Carries out a command.
    ///
    /// # Errors
    ///
    /// What the filter says.
    fn command(&mut self, name: &str, arguments: &Value, ctx: &mut Context) -> CommandResult;

    /// Takes over from the old filter.
    fn take_over(&mut self, old: Self);
}

/// A video filter as a stage.
pub struct Video<F>(F);

impl<F: VideoFilter + Named> Stage for Video<F> {
    type Params = F::Params;
    type Info = VideoInfo;
    type Media = VideoFrame<Writable>;

    const NAME: &'static str = F::NAME;
    const CLASS: &'static str = "Filter/Effect/Video";
    const COMMANDS: &'static [&'static str] = F::COMMANDS;

    fn descriptor() -> ElementDescriptor {
        F::descriptor()
    }

    fn pad_templates() -> Vec<gst::PadTemplate> {
        describe::pad_templates(F::FORMATS)
    }

    fn info(caps: &gst::CapsRef) -> Option<VideoInfo> {
        VideoInfo::from_caps(caps).ok()
    }

    fn check(params: &F::Params) -> Result<(), FilterError> {
        F::check(params)
    }

    fn make(params: &F::Params, info: &VideoInfo) -> Result<Self, FilterError> {
        F::new(params, info).map(Video)
    }

    fn open(
        mut buffer: gst::Buffer,
        info: &VideoInfo,
        ctx: &mut Context,
    ) -> Result<VideoFrame<Writable>, gst::Buffer> {
        // Copies only if somebody else holds the buffer too.
        buffer.make_mut();
        ctx.regions = regions::read(&buffer, info.width(), info.height());
        VideoFrame::from_buffer_writable(buffer, info)
    }

    fn run(
        &mut self,
        params: &F::Params,
        frame: &mut VideoFrame<Writable>,
        ctx: &mut Context,
    ) -> Result<(), FilterError> {
        self.0.process(params, &mut Frame::new(frame, ctx.pts, ctx.number), ctx)
    }

    fn close(frame: VideoFrame<Writable>) -> gst::Buffer {
        frame.into_buffer()
    }

    fn finish(buffer: &mut gst::Buffer, info: &VideoInfo, ctx: &Context) {
        if ctx.replaces {
            regions::clear(buffer.make_mut());
        }
        for region in &ctx.added {
            regions::attach(buffer.make_mut(), region, info.width(), info.height());
        }
    }

    fn command(&mut self, name: &str, arguments: &Value, ctx: &mut Context) -> CommandResult {
        self.0.command(name, arguments, ctx)
    }

    fn take_over(&mut self, old: Self) {
        self.0.take_over(old.0);
    }
}
