//! One stream on its way through a session: how far it is ahead of the other one.

/// How far one stream may run ahead of the other, in running time, before it gets a queue of its own. Below what every
/// consumer can hold, so that nobody waits for a stream that cannot come.
pub const MAX_LEAD: gst::ClockTime = gst::ClockTime::from_mseconds(250);

/// One of the two streams of a session.
#[derive(Debug, Default)]
pub struct Track {
    /// The pad that it comes out of, once there is one.
    pub pad: Option<gst::Pad>,
    /// It has ended for this round.
    pub ended: bool,
    /// It has a queue.
    pub queued: bool,
    segment: Option<gst::FormattedSegment<gst::ClockTime>>,
    /// The newest running time of this round.
    position: Option<gst::ClockTime>,
}

impl Track {
    /// Takes note of a buffer.
    pub fn advance(&mut self, buffer: &gst::BufferRef) {
        if let Some(time) = buffer.pts().or(buffer.dts()) {
            self.reach(time);
        }
    }

    /// Takes note of an event.
    pub fn note(&mut self, event: &gst::Event) {
        match event.view() {
            gst::EventView::Segment(event) => {
                self.segment = event.segment().downcast_ref::<gst::ClockTime>().cloned();
            }
            gst::EventView::Gap(event) => {
                let (start, duration) = event.get();
                self.reach(start + duration.unwrap_or(gst::ClockTime::ZERO));
            }
            gst::EventView::FlushStop(_) => {
                self.position = None;
                self.ended = false;
            }
            gst::EventView::Eos(_) => self.ended = true,
            _ => {}
        }
    }

    fn reach(&mut self, time: gst::ClockTime) {
        if let Some(running) = self.segment.as_ref().and_then(|s| s.to_running_time(time)) {
            self.position = Some(self.position.map_or(running, |p| p.max(running)));
        }
    }

    /// Whether this track is so far ahead that the other one must be let through.
    pub fn must_queue(tracks: &[Track; 2], index: usize) -> bool {
        let (this, other) = (&tracks[index], &tracks[1 - index]);
        if this.queued || other.pad.is_none() || other.ended {
            return false;
        }
        let zero = gst::ClockTime::ZERO;
        this.position.unwrap_or(zero) > other.position.unwrap_or(zero) + MAX_LEAD
    }
}
