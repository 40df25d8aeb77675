//! Drawing what an analyser found, on the streaming thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use gst_video::{VideoFrame, VideoInfo};
use serde_json::Value;

use super::VideoAnalyzer;
use crate::filter::{FilterError, Named, Published, Reason, Trust};
use crate::frame::Frame;
use crate::regions::Region;
use crate::worker::panic_text;

/// Drawing that takes longer is paused for a while: the video waits for it.
const BUDGET: Duration = Duration::from_millis(20);
/// So many pictures in a row may take longer: a busy machine may have withheld the processor meanwhile.
const FORGIVEN: u32 = 2;

/// What there is to draw.
pub struct Drawing<'a, A: VideoAnalyzer> {
    /// The analyser's properties.
    pub params: &'a A::Params,
    /// What is followed, where it is in this picture.
    pub regions: &'a [Region],
    /// What [`VideoAnalyzer::report`] remembers.
    pub report: &'a A::Report,
    pub(super) published: Option<&'a Published>,
}

impl<A: VideoAnalyzer> Drawing<'_, A> {
    /// What the analyser published last, if it is of this type.
    pub fn published<T: std::any::Any>(&self) -> Option<&T> {
        self.published.and_then(|published| published.0.downcast_ref())
    }
}

/// Draws, and leaves off for a while if that fails or takes too long.
#[derive(Default)]
pub(super) struct Pen {
    trust: Trust,
    /// How many pictures in a row took longer than the budget.
    slow: u32,
}

impl Pen {
    /// Draws into a picture and gives it back, with a message if there was trouble.
    pub(super) fn draw<A: VideoAnalyzer + Named>(
        &mut self,
        drawing: &Drawing<'_, A>,
        mut buffer: gst::Buffer,
        info: &VideoInfo,
        number: u64,
    ) -> (gst::Buffer, Option<(String, Value)>) {
        let begun = Instant::now();
        if !self.trust.may_run(begun) {
            return (buffer, None);
        }
        // Copies only if somebody else holds the buffer too.
        buffer.make_mut();
        let pts = buffer.pts();
        let mut frame = match VideoFrame::from_buffer_writable(buffer, info) {
            Ok(frame) => frame,
            Err(buffer) => return (buffer, None),
        };
        let done =
            catch_unwind(AssertUnwindSafe(|| A::draw(drawing, &mut Frame::new(&mut frame, pts, number))));
        let now = Instant::now();
        let took = now - begun;
        self.slow = if took > BUDGET { self.slow.saturating_add(1) } else { 0 };
        let problem = match done {
            Ok(Ok(()) | Err(FilterError::SkipFrame)) if self.slow <= FORGIVEN => None,
            Ok(Ok(()) | Err(FilterError::SkipFrame)) => {
                let detail = format!("drawing took {} ms of the video's time", took.as_millis());
                Some((Reason::Late, detail))
            }
            Ok(Err(error)) => Some((Reason::Error, format!("it cannot draw: {error}"))),
            Err(panic) => Some((Reason::Panic, format!("drawing panicked: {}", panic_text(&*panic)))),
        };
        let message = match problem {
            Some((reason, detail)) => {
                let data = self.trust.trouble(now, A::NAME, reason, &detail);
                data.map(|mut data| {
                    data["consequence"] = "video goes on; drawing is tried again in a while".into();
                    ("filter-trouble".to_owned(), data)
                })
            }
            None => self.trust.good(now, A::NAME).map(|data| ("filter-recovered".to_owned(), data)),
        };
        (frame.into_buffer(), message)
    }
}
