//! From several readings of one plate to one that counts.

use std::collections::BTreeMap;

use anabranch_kit::regions::Region;
use gst::ClockTime;
use serde_json::Value;

/// Readings of the plates that are followed.
#[derive(Debug, Default)]
pub struct Votes {
    tracks: BTreeMap<u64, Track>,
    /// Plates that were told of, and when they were seen last.
    told: BTreeMap<String, ClockTime>,
}

#[derive(Debug, Default)]
struct Track {
    texts: BTreeMap<String, (u32, f64, String)>,
    told: bool,
    seen: ClockTime,
}

/// A plate that counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Elected {
    /// What it says.
    pub text: String,
    /// How sure it is: the mean of the readings, less the share of others.
    pub confidence: f64,
    /// Whose it is.
    pub country: Option<String>,
}

/// What an attribute says.
fn text<'a>(region: &'a Region, name: &str) -> &'a str {
    region.attributes.get(name).and_then(Value::as_str).unwrap_or_default()
}

impl Votes {
    /// Counts a region's reading in one look; returns the plate when it has enough votes for the first time, and
    /// was not told of within `again`.
    pub fn count(
        &mut self,
        region: &Region,
        time: ClockTime,
        needed: u32,
        again: ClockTime,
    ) -> Option<Elected> {
        let track = self.tracks.entry(region.track?).or_default();
        track.seen = time;
        let vote = track.texts.entry(text(region, "text").to_owned()).or_default();
        vote.0 += 1;
        vote.1 += region.attributes.get("confidence").and_then(Value::as_f64).unwrap_or_default();
        vote.2 = text(region, "country").to_owned();
        let all: u32 = track.texts.values().map(|(count, ..)| count).sum();
        let (plate, (count, sum, country)) = track.texts.iter().max_by(|a, b| a.1.1.total_cmp(&b.1.1))?;
        if track.told {
            // It is still there.
            self.told.insert(plate.clone(), time);
            return None;
        }
        if *count < needed {
            return None;
        }
        track.told = true;
        let confidence = sum / f64::from(all);
        let country = Some(country.clone()).filter(|c| !c.is_empty());
        let elected = Elected { text: plate.clone(), confidence, country };
        let before = self.told.insert(plate.clone(), time);
        let recent = before.is_some_and(|last| time >= last && time - last < again);
        (!recent).then_some(elected)
    }

    /// Forgets what was not seen for a while.
    pub fn tidy(&mut self, time: ClockTime) {
        let recent = |seen: &ClockTime| time < *seen || time - *seen < ClockTime::from_seconds(60);
        self.tracks.retain(|_, track| recent(&track.seen));
        self.told.retain(|_, seen| time < *seen || time - *seen < ClockTime::from_seconds(3600));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(track: u64, text: &str) -> Region {
        let mut region = Region { track: Some(track), ..Region::default() };
        region.attributes.insert("text".into(), text.into());
        region.attributes.insert("confidence".into(), 0.9.into());
        region
    }

    #[test]
    fn the_reading_with_most_votes_is_told_once() {
        let mut votes = Votes::default();
        let again = ClockTime::from_seconds(10);
        let mut told = Vec::new();
        for (look, text) in ["AB1", "AB1", "A81", "AB1", "AB1", "AB1"].into_iter().enumerate() {
            let time = ClockTime::from_mseconds(200 * look as u64);
            told.extend(votes.count(&read(1, text), time, 3, again).map(|e| (look, e)));
        }
        assert_eq!(told.len(), 1);
        let (look, elected) = &told[0];
        assert_eq!((*look, elected.text.as_str()), (3, "AB1"));
        assert!((elected.confidence - 0.9 * 0.75).abs() < 1e-9);
        // Lost and found again as another track: the same car.
        for _ in 0..4 {
            assert_eq!(votes.count(&read(2, "AB1"), ClockTime::from_seconds(4), 3, again), None);
        }
        for _ in 0..2 {
            assert_eq!(votes.count(&read(3, "AB1"), ClockTime::from_seconds(30), 3, again), None);
        }
        assert!(votes.count(&read(3, "AB1"), ClockTime::from_seconds(30), 3, again).is_some());
        votes.tidy(ClockTime::from_seconds(9999));
        assert!(votes.tracks.is_empty() && votes.told.is_empty());
    }
}
