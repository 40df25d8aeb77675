//! What the engine is told: formats that are wanted, and how much the network carries.

use std::time::{Duration, Instant};

use anabranch_graph::format::Medium;
use serde_json::{Value, json};

use super::Peer;
use crate::options::Options;

/// The least time between two reports of the bandwidth, unless it changed by much.
const PERIOD: Duration = Duration::from_secs(1);

/// Kept for sound and retransmissions when the rest goes to the video, kbit/s.
const RESERVE: u64 = 40;

/// What was posted last.
#[derive(Debug, Default)]
pub(super) struct Wants {
    posted: Vec<(Medium, Value)>,
}

/// The estimate of what may be sent.
#[derive(Debug, Default)]
pub(super) struct Estimate {
    /// kbit/s that the network carries of the video.
    carries: Option<u64>,
    /// The same, within the element's limits.
    latest: Option<u64>,
    reported: Option<(u64, Instant)>,
}

impl Estimate {
    pub fn came(&mut self, bits_per_second: u64, options: &Options) {
        let kbps = (bits_per_second / 1000).saturating_sub(RESERVE).max(30);
        self.carries = Some(kbps);
        self.limits_changed(options);
    }

    pub fn limits_changed(&mut self, options: &Options) {
        self.latest = self.carries.map(|kbps| clamp(kbps, options));
    }

    /// How long until the estimate is to be reported; `None`: it is reported already.
    pub fn pause(&self) -> Option<Duration> {
        let latest = self.latest?;
        let Some((reported, when)) = self.reported else { return Some(Duration::ZERO) };
        if latest == reported {
            return None;
        }
        if latest.abs_diff(reported) * 10 > reported {
            return Some(Duration::ZERO);
        }
        Some(PERIOD.saturating_sub(when.elapsed()))
    }
}

/// Within the limits of the properties; 0 there is none.
fn clamp(kbps: u64, options: &Options) -> u64 {
    let least = u64::from(options.min_bitrate);
    let most = if options.max_bitrate == 0 { u64::MAX } else { u64::from(options.max_bitrate) };
    kbps.max(least).min(most)
}

impl Peer {
    /// Tells the engine what this peer takes, if it has changed.
    pub(super) fn post_wants(&mut self) {
        for medium in [Medium::Video, Medium::Audio, Medium::Data] {
            let formats: Vec<String> = match medium {
                Medium::Data if self.session.negotiated => vec![crate::media::data::CAPS.to_owned()],
                _ => {
                    let sent = self.session.sends.iter().filter(|(m, _)| *m == medium);
                    sent.map(|(_, format)| format.caps().to_owned()).collect()
                }
            };
            let mut wants = json!({"port": medium, "formats": formats});
            if medium == Medium::Video {
                let most = u64::from(self.options.max_bitrate);
                wants["bitrate"] = json!(self.session.estimate.latest.unwrap_or(most));
            }
            let posted = &mut self.session.wants.posted;
            match posted.iter_mut().find(|(m, _)| *m == medium) {
                Some((_, last)) if *last == wants => continue,
                Some((_, last)) => last.clone_from(&wants),
                None => posted.push((medium, wants.clone())),
            }
            self.post("wants", wants);
        }
    }

    /// What this peer takes has changed: while tracks are still coming, half of them would be told as all.
    pub(super) fn wants_changed(&mut self) {
        if self.session.settled {
            self.post_wants();
        }
    }

    /// Tells how much the network carries.
    pub(super) fn report_bandwidth(&mut self) {
        let Some(kbps) = self.session.estimate.latest else { return };
        self.session.estimate.reported = Some((kbps, Instant::now()));
        self.post("bandwidth", json!({"kbps": kbps}));
        self.wants_changed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_stay_within_the_limits_and_are_told_rarely() {
        let options = Options { min_bitrate: 200, max_bitrate: 2000, ..Options::default() };
        let mut estimate = Estimate::default();
        assert_eq!(estimate.pause(), None);
        estimate.came(5_000_000, &options);
        assert_eq!((estimate.latest, estimate.pause()), (Some(2000), Some(Duration::ZERO)));
        estimate.reported = Some((2000, Instant::now()));
        assert_eq!(estimate.pause(), None);
        estimate.came(1_900_000, &options);
        assert!(estimate.pause().is_some_and(|pause| pause > Duration::from_millis(500)));
        estimate.came(100_000, &options);
        assert_eq!((estimate.latest, estimate.pause()), (Some(200), Some(Duration::ZERO)));
        // A limit that is lifted while media flow.
        estimate.came(5_000_000, &options);
        estimate.limits_changed(&Options { max_bitrate: 3000, ..options });
        assert_eq!(estimate.latest, Some(3000));
    }
}
