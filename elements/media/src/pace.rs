//! How fast a source gives its media.

use std::time::Duration;

use gst::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pads;

/// How fast a source gives its media.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pace {
    /// As the plan decides; without a plan, at the pace of the clock.
    #[default]
    Auto,
    /// At the pace of the clock.
    Realtime,
    /// As fast as the slowest consumer takes it.
    Fastest,
}

impl Pace {
    /// What a description's properties say about pacing: `None` leaves it to the plan.
    pub fn asked(self) -> Option<bool> {
        match self {
            Pace::Auto => None,
            Pace::Realtime => Some(true),
            Pace::Fastest => Some(false),
        }
    }

    /// Whether the clock paces the source.
    pub fn is_realtime(self) -> bool {
        self != Pace::Fastest
    }
}

/// Holds the first buffer until the clock runs: clocksync 1.22 looks at the time as soon as it has a clock, which is a moment
/// before it is told the base time, and would then wait for ever. It would hold that buffer itself a line later.
fn hold_until_playing(clocksync: &gst::Element, sink: &gst::Pad) {
    let weak = clocksync.downgrade();
    let media = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
    sink.add_probe(media, move |pad, _| {
        while let Some(clocksync) = weak.upgrade()
            && clocksync.current_state() != gst::State::Playing
            && !pad.pad_flags().contains(gst::PadFlags::FLUSHING)
        {
            drop(clocksync);
            std::thread::sleep(Duration::from_millis(1));
        }
        gst::PadProbeReturn::Remove
    });
}

/// Adds what paces one track to a bin, between `from` and whatever follows: returns the pad that the track then comes
/// out of. `name` makes the names of the elements.
///
/// # Errors
///
/// GStreamer's `clocksync` is missing.
pub fn pace(
    bin: &impl IsA<gst::Bin>,
    pace: Pace,
    from: &gst::Pad,
    name: &str,
) -> Result<gst::Pad, gst::ErrorMessage> {
    if !pace.is_realtime() {
        return Ok(from.clone());
    }
    let clocksync = pads::make("clocksync", &format!("pace_{name}"))?;
    // A source that joins late begins now, not when the pipeline did.
    clocksync.set_property("sync-to-first", true);
    let failed = || pads::link_failed("The element that keeps the pace");
    bin.as_ref().add(&clocksync).map_err(|_| failed())?;
    let (Some(sink), Some(src)) = (clocksync.static_pad("sink"), clocksync.static_pad("src")) else {
        return Err(failed());
    };
    hold_until_playing(&clocksync, &sink);
    from.link(&sink).map_err(|_| failed())?;
    clocksync.sync_state_with_parent().map_err(|_| failed())?;
    Ok(src)
}
