//! Sound and pictures in step: how far apart their packets travel, from the peer's sender reports.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Over this time the shortest journey is looked for.
const WINDOW: Duration = Duration::from_secs(2);

/// What a sender report says: at this time of the sender's clock the media time was this.
#[derive(Clone, Copy, Debug)]
struct Reference {
    wall: f64,
    media: u32,
}

/// How long packets of one track travel from the sender's clock to ours. Both clocks have their own zero, so only
/// differences between tracks of one sender mean anything.
#[derive(Debug, Default)]
pub(super) struct Transit {
    reference: Option<Reference>,
    /// The shortest of the present window and of the one before, seconds.
    present: Option<(Instant, f64)>,
    before: Option<f64>,
    /// What the track's buffer delays it by now.
    pub applied: Duration,
}

impl Transit {
    /// A sender report came.
    pub fn reported(&mut self, wall: SystemTime, media: u32) {
        if let Ok(wall) = wall.duration_since(UNIX_EPOCH) {
            self.reference = Some(Reference { wall: wall.as_secs_f64(), media });
        }
    }

    /// Another source: what was known of the last one says nothing about it.
    pub fn restart(&mut self) {
        *self = Transit { applied: self.applied, ..Transit::default() };
    }

    /// A packet of this media time came.
    pub fn arrived(&mut self, media: u32, clock_rate: u32, at: Instant) {
        let Some(reference) = self.reference else { return };
        let ahead = media.wrapping_sub(reference.media) as i32;
        let sent = reference.wall + f64::from(ahead) / f64::from(clock_rate.max(1));
        let transit = at.saturating_duration_since(*ZERO).as_secs_f64() - sent;
        match &mut self.present {
            Some((since, least)) if at.saturating_duration_since(*since) < WINDOW => {
                *least = least.min(transit)
            }
            present => {
                self.before = present.map(|(_, least)| least);
                *present = Some((at, transit));
            }
        }
    }

    /// The shortest journey of late, seconds.
    fn least(&self) -> Option<f64> {
        let (_, present) = self.present?;
        Some(self.before.map_or(present, |before| before.min(present)))
    }
}

/// Any instant before all packets.
static ZERO: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);

/// Less is not seen, and every change costs a frame's smoothness.
const STEP: Duration = Duration::from_millis(10);

/// The most that a delay shrinks at once.
const BACK: Duration = Duration::from_millis(5);

/// A greater difference is a clock that is wrong, not a journey.
const MOST: f64 = 2.0;

/// By how much each track is to be delayed so that all are in step with the slowest; only what changes.
pub(super) fn delays<'a>(tracks: impl Iterator<Item = &'a mut Transit>) -> Vec<Option<Duration>> {
    let mut tracks: Vec<&mut Transit> = tracks.collect();
    let slowest = tracks.iter().filter_map(|track| track.least()).max_by(f64::total_cmp);
    tracks
        .iter_mut()
        .map(|track| {
            let ahead = slowest? - track.least()?;
            let delay = if ahead > MOST { Duration::ZERO } else { Duration::from_secs_f64(ahead.max(0.0)) };
            if delay.abs_diff(track.applied) < STEP {
                return None;
            }
            // Time may leap forward, but must not go back by as much as a frame.
            track.applied = delay.max(track.applied.saturating_sub(BACK));
            Some(track.applied)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_faster_track_waits_for_the_slower() {
        let (start, wall) = (Instant::now() + Duration::from_secs(1), UNIX_EPOCH + Duration::from_secs(1000));
        let (mut sound, mut pictures) = (Transit::default(), Transit::default());
        sound.reported(wall, 48_000);
        pictures.reported(wall, 900_000);
        for n in 0..20u64 {
            let at = start + Duration::from_millis(20 * n);
            sound.arrived(48_000 + 960 * n as u32, 48_000, at + Duration::from_millis(n % 3));
            pictures.arrived(900_000 + 1800 * n as u32, 90_000, at + Duration::from_millis(80 + n % 5));
        }
        let delays_of = delays([&mut sound, &mut pictures].into_iter());
        let delay = delays_of[0].unwrap();
        assert!(delay.abs_diff(Duration::from_millis(80)) < Duration::from_millis(1), "{delay:?}");
        assert_eq!(delays_of[1], None, "the slowest is not delayed");
        assert_eq!(delays([&mut sound, &mut pictures].into_iter()), [None, None], "nothing changed");
    }

    #[test]
    fn a_wrong_clock_delays_nothing() {
        let start = Instant::now() + Duration::from_secs(1);
        let (mut one, mut other) = (Transit::default(), Transit::default());
        one.reported(UNIX_EPOCH + Duration::from_secs(1000), 0);
        other.reported(UNIX_EPOCH + Duration::from_secs(5000), 0);
        one.arrived(0, 48_000, start);
        other.arrived(0, 90_000, start);
        assert_eq!(delays([&mut one, &mut other].into_iter()), [None, None]);
        let alone = delays([&mut one].into_iter());
        assert_eq!(alone, [None]);
    }
}
