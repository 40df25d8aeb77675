//! Makes pictures smaller, and fewer, for consumers that set limits.

use std::sync::{Mutex, PoisonError};

use anabranch_graph::PictureLimits;
use gst::prelude::*;

/// So much may a frame be too early: time stamps are rounded, and cameras not exact.
const JITTER: gst::ClockTime = gst::ClockTime::from_mseconds(10);

/// Elements that bring raw pictures within limits. What is within them passes as it is.
///
/// # Errors
///
/// GStreamer's `videoscale` is missing.
pub(super) fn elements(limits: PictureLimits) -> Result<Vec<gst::Element>, glib::BoolError> {
    // Sizes are rounded to even numbers: no bars for half a pixel.
    let scale = gst::ElementFactory::make("videoscale").property("add-borders", false).build()?;
    let size = gst::ElementFactory::make("capsfilter").build()?;
    let sink = scale.static_pad("sink").ok_or_else(|| glib::bool_error!("videoscale has no sink pad"))?;
    let rhythm = Mutex::new(Rhythm::new(limits.max_frame_rate));
    let filter = size.downgrade();
    sink.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM | gst::PadProbeType::BUFFER, move |_, info| {
        match &mut info.data {
            Some(gst::PadProbeData::Event(event)) => {
                if let gst::EventView::Caps(caps) = event.view()
                    && let Some((slower, target)) = within(caps.caps(), &limits)
                {
                    if let Some(filter) = filter.upgrade() {
                        filter.set_property("caps", target);
                    }
                    *event = gst::event::Caps::new(&slower);
                }
            }
            Some(gst::PadProbeData::Buffer(buffer)) => {
                let mut rhythm = rhythm.lock().unwrap_or_else(PoisonError::into_inner);
                if !rhythm.takes(buffer.pts()) {
                    return gst::PadProbeReturn::Handled;
                }
                // It is shown until the next one that is left.
                if let (Some(interval), Some(duration)) = (rhythm.interval, buffer.duration())
                    && duration < interval
                {
                    buffer.make_mut().set_duration(interval);
                }
            }
            _ => {}
        }
        gst::PadProbeReturn::Ok
    });
    Ok(vec![scale, size])
}

/// What the pictures of these caps are after some were left out, and the size that they then get; `None` if the caps have
/// no size.
fn within(caps: &gst::CapsRef, limits: &PictureLimits) -> Option<(gst::Caps, gst::Caps)> {
    let structure = caps.structure(0)?;
    let size = |field| structure.get::<i32>(field).ok().and_then(|size| u32::try_from(size).ok());
    let (width, height) = limits.fit(size("width")?, size("height")?);
    let square = gst::Fraction::new(1, 1);
    let target = gst::Caps::builder("video/x-raw")
        .any_features()
        .field("width", i32::try_from(width).ok()?)
        .field("height", i32::try_from(height).ok()?)
        .field("pixel-aspect-ratio", structure.get::<gst::Fraction>("pixel-aspect-ratio").unwrap_or(square))
        .build();
    let mut slower = caps.to_owned();
    let most = limits
        .max_frame_rate
        .and_then(|rate| i32::try_from(rate).ok())
        .map(|rate| gst::Fraction::new(rate, 1));
    if let (Some(most), Ok(rate)) = (most, structure.get::<gst::Fraction>("framerate"))
        && rate > most
    {
        slower.make_mut().set("framerate", most);
    }
    Some((slower, target))
}

/// Which frames are left when there are too many.
#[derive(Debug)]
struct Rhythm {
    /// The least time between two frames; none: as they come.
    interval: Option<gst::ClockTime>,
    /// When the next one is due.
    due: Option<gst::ClockTime>,
}

impl Rhythm {
    fn new(most_per_second: Option<u32>) -> Self {
        let interval = most_per_second.map(|rate| gst::ClockTime::SECOND / u64::from(rate.max(1)));
        Rhythm { interval, due: None }
    }

    fn takes(&mut self, time: Option<gst::ClockTime>) -> bool {
        let (Some(interval), Some(time)) = (self.interval, time) else { return true };
        if let Some(due) = self.due {
            let early = time + (interval / 4).min(JITTER) < due;
            // After a jump back another count begins.
            if early && time + interval * 2 > due {
                return false;
            }
            if !early && time < due + interval {
                self.due = Some(due + interval);
                return true;
            }
        }
        self.due = Some(time + interval);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of a second's frames are left, and whether they come evenly.
    fn left(from: u64, to: u32) -> (usize, bool) {
        let mut rhythm = Rhythm::new(Some(to));
        let times: Vec<u64> = (0..from).map(|n| n * 1_000_000_000 / from).collect();
        let taken: Vec<u64> = times
            .into_iter()
            .filter(|time| rhythm.takes(Some(gst::ClockTime::from_nseconds(*time))))
            .collect();
        let steps: Vec<u64> = taken.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let frame = 1_000_000_000 / from;
        let even =
            steps.iter().max().zip(steps.iter().min()).is_none_or(|(most, least)| most - least <= frame + 2);
        (taken.len(), even)
    }

    #[test]
    fn frames_are_left_out_evenly() {
        for (from, to, wanted) in
            [(30, 15, 15), (30, 10, 10), (30, 20, 20), (60, 25, 25), (25, 10, 10), (30, 1, 1)]
        {
            assert_eq!(left(from, to), (wanted, true), "{from} to {to}");
        }
        for (from, to) in [(30, 30), (25, 30), (15, 240)] {
            assert_eq!(left(from, to).0 as u64, from, "{from} to {to}");
        }
    }

    #[test]
    fn a_jump_begins_another_count() {
        let mut rhythm = Rhythm::new(Some(10));
        let mut takes = |ms| rhythm.takes(Some(gst::ClockTime::from_mseconds(ms)));
        assert!(takes(10_000) && !takes(10_033));
        assert!(takes(0) && !takes(33) && takes(100), "back");
        assert!(takes(60_000) && !takes(60_033) && takes(60_100), "ahead");
        assert!(rhythm.takes(None), "a frame without time");
    }

    #[test]
    fn sizes_and_rates_stay_within_the_limits() {
        gst::init().unwrap();
        let limits = PictureLimits { max_width: Some(320), max_height: None, max_frame_rate: Some(15) };
        let of = |text: &str| within(&text.parse::<gst::Caps>().unwrap(), &limits).unwrap();
        let (slower, target) = of("video/x-raw,width=640,height=480,framerate=30/1,pixel-aspect-ratio=12/11");
        assert_eq!(
            slower.structure(0).unwrap().get::<gst::Fraction>("framerate"),
            Ok(gst::Fraction::new(15, 1))
        );
        let target = target.structure(0).unwrap().to_owned();
        assert_eq!((target.get::<i32>("width"), target.get::<i32>("height")), (Ok(320), Ok(240)));
        assert_eq!(target.get::<gst::Fraction>("pixel-aspect-ratio"), Ok(gst::Fraction::new(12, 11)));
        let (slower, target) = of("video/x-raw,width=160,height=121,framerate=0/1");
        assert_eq!(
            slower.structure(0).unwrap().get::<gst::Fraction>("framerate"),
            Ok(gst::Fraction::new(0, 1))
        );
        assert_eq!(target.structure(0).unwrap().get::<i32>("height"), Ok(121));
        assert!(within(&"video/x-raw".parse::<gst::Caps>().unwrap(), &limits).is_none());
    }
}
