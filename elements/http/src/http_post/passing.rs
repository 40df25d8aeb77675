//! The times of one body after another, as one stream.

/// One of the two tracks.
#[derive(Debug, Default)]
pub struct Track {
    /// The pad of the body that it comes from now.
    pub pad: Option<gst::Pad>,
    /// How its running time is reckoned in this body.
    pub segment: Option<gst::FormattedSegment<gst::ClockTime>>,
    /// It has ended in this body.
    pub ended: bool,
    /// Its stream has begun, with an earlier body perhaps.
    pub begun: bool,
    /// It has no media, and consumers know.
    pub absent: bool,
}

/// Both tracks.
#[derive(Debug, Default)]
pub struct Tracks {
    /// Video and audio.
    pub tracks: [Track; 2],
    /// What is added to running times of this body, nanoseconds; none before its first packet.
    pub offset: Option<i64>,
    /// Where this body began, nanoseconds.
    pub start: i64,
    /// Where the furthest track ends so far, nanoseconds.
    pub end: i64,
    /// Bodies so far.
    pub bodies: u64,
}

/// A running time as a signed number of nanoseconds.
fn signed(time: gst::Signed<gst::ClockTime>) -> i64 {
    match time {
        gst::Signed::Positive(time) => i64::try_from(time.nseconds()).unwrap_or(i64::MAX),
        gst::Signed::Negative(time) => -i64::try_from(time.nseconds()).unwrap_or(i64::MAX),
    }
}

impl Tracks {
    /// A body begins.
    pub fn begin(&mut self) {
        self.bodies += 1;
        self.offset = None;
        self.start = self.end;
        for track in &mut self.tracks {
            track.pad = None;
            track.segment = None;
            track.ended = false;
        }
    }

    /// Whether all that the body has came to its end.
    pub fn all_ended(&self) -> bool {
        self.tracks.iter().all(|t| t.pad.is_none() || t.ended)
    }

    /// A time of this body as one of the whole stream; the first packet of a body comes at `now`, or where the one
    /// before ended.
    pub fn time(&mut self, track: usize, time: Option<gst::ClockTime>, now: i64) -> Option<i64> {
        let running = signed(self.tracks[track].segment.as_ref()?.to_running_time_full(time?)?);
        let offset = match self.offset {
            Some(offset) => offset,
            None => {
                self.start = self.end.max(now);
                *self.offset.insert(self.start - running)
            }
        };
        Some(running + offset)
    }

    /// Puts a packet where it belongs; `false` if it has no time.
    pub fn retime(&mut self, track: usize, buffer: &mut gst::BufferRef, now: i64) -> bool {
        // The decoding time is the earlier one: with it a body begins where the one before ended.
        let dts = self.time(track, buffer.dts(), now);
        let pts = self.time(track, buffer.pts(), now);
        let clock =
            |time: Option<i64>| time.and_then(|t| u64::try_from(t).ok()).map(gst::ClockTime::from_nseconds);
        let Some(time) = pts.or(dts) else { return false };
        let duration = buffer.duration().map_or(0, |d| d.nseconds() as i64);
        self.end = self.end.max(time + duration);
        buffer.set_pts(clock(pts));
        buffer.set_dts(clock(dts));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(ms: u64) -> gst::Buffer {
        let mut buffer = gst::Buffer::new();
        let inside = buffer.get_mut().unwrap();
        inside.set_pts(gst::ClockTime::from_mseconds(ms));
        inside.set_duration(gst::ClockTime::from_mseconds(40));
        buffer
    }

    fn pass(tracks: &mut Tracks, track: usize, ms: u64, now: i64) -> u64 {
        let mut buffer = buffer(ms);
        assert!(tracks.retime(track, buffer.make_mut(), now));
        buffer.pts().unwrap().mseconds()
    }

    #[test]
    fn bodies_continue_each_other_and_tracks_stay_together() {
        gst::init().unwrap();
        let mut tracks = Tracks::default();
        let segments = |tracks: &mut Tracks| {
            tracks.begin();
            tracks.tracks.iter_mut().for_each(|t| t.segment = Some(gst::FormattedSegment::new()));
        };
        segments(&mut tracks);
        assert_eq!(pass(&mut tracks, 0, 5000, 0), 0);
        assert_eq!(pass(&mut tracks, 1, 5010, 0), 10);
        assert_eq!(pass(&mut tracks, 0, 5040, 0), 40);
        segments(&mut tracks);
        assert_eq!(pass(&mut tracks, 1, 0, 0), 80, "where the first one ended");
        assert_eq!(pass(&mut tracks, 0, 20, 0), 100);
        segments(&mut tracks);
        assert_eq!(pass(&mut tracks, 0, 0, 2_000_000_000), 2000, "now, if that is later");
        let mut timeless = gst::Buffer::new();
        assert!(!tracks.retime(0, timeless.make_mut(), 0));
    }
}
