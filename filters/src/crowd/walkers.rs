//! Who walks where: lines crossed and time spent in regions.

use std::collections::HashMap;
use std::time::Duration;

use anabranch_kit::regions::Region;

use super::events::{CrowdDwell, LineCrossed, rounded};
use super::settings::{CrowdLine, CrowdRegion};
use crate::motion::polygon::{Line, Polygon, Side};

/// Somebody who has not been seen for so long is gone.
const GONE: Duration = Duration::from_millis(1500);
/// Somebody is on a side of a line only when their feet are this far from it, relative to the picture: who stands on it does not
/// cross it again and again.
const CLEAR: f64 = 0.012;

/// Everybody who is followed.
#[derive(Debug, Default)]
pub struct Walkers {
    known: HashMap<u64, Walker>,
    /// How many have crossed each line to the left and to the right.
    counts: HashMap<String, [u64; 2]>,
}

#[derive(Debug)]
struct Walker {
    seen: Duration,
    /// The last place that was clearly on one side of each line, by the line's id.
    clear: HashMap<String, [f64; 2]>,
    /// Since when they are in each region, by its id, and whether that was told.
    inside: HashMap<String, (Duration, bool)>,
}

/// Where somebody's feet are.
pub fn feet(region: &Region) -> [f64; 2] {
    [f64::from(region.x + region.width / 2.0), f64::from(region.y + region.height)]
}

impl Walkers {
    /// Forgets everybody; what was counted stays.
    pub fn clear(&mut self) {
        self.known.clear();
    }

    /// Takes everybody who is in the picture of this time.
    pub fn update(
        &mut self,
        time: Duration,
        people: &[Region],
        lines: &[CrowdLine],
        regions: &[(CrowdRegion, Polygon)],
    ) -> (Vec<LineCrossed>, Vec<CrowdDwell>) {
        let (mut crossed, mut dwelt) = (Vec::new(), Vec::new());
        for person in people {
            let Some(track) = person.track else { continue };
            let at = feet(person);
            let walker = self.known.entry(track).or_insert_with(|| Walker {
                seen: time,
                clear: HashMap::new(),
                inside: HashMap::new(),
            });
            walker.seen = time;
            for line in lines {
                let Some(side) = walker.step(&line.id, &line.line(), at) else { continue };
                let count = self.counts.entry(line.id.clone()).or_default();
                count[usize::from(side == Side::Right)] += 1;
                crossed.push(LineCrossed {
                    line: line.id.clone(),
                    direction: if side == Side::Left { "left" } else { "right" }.into(),
                    track,
                    left: count[0],
                    right: count[1],
                });
            }
            for (region, polygon) in regions.iter().filter(|(region, _)| region.dwell_s > 0.0) {
                dwelt.extend(walker.stay(track, region, polygon.contains(at), time));
            }
        }
        for (region, _) in regions.iter().filter(|(region, _)| region.dwell_s > 0.0) {
            for (track, walker) in &mut self.known {
                if time.saturating_sub(walker.seen) > GONE {
                    let seen = walker.seen;
                    dwelt.extend(walker.stay(*track, region, false, seen));
                }
            }
        }
        self.known.retain(|_, walker| time.saturating_sub(walker.seen) <= GONE);
        dwelt.sort_by_key(|dwell| dwell.track);
        (crossed, dwelt)
    }
}

impl Walker {
    /// Whether a step to this place crosses the line.
    fn step(&mut self, id: &str, line: &Line, at: [f64; 2]) -> Option<Side> {
        let length = (line.to[0] - line.from[0]).hypot(line.to[1] - line.from[1]);
        if line.side(at).abs() < CLEAR * length {
            return None;
        }
        match self.clear.get_mut(id) {
            Some(before) => {
                let side = line.crossed(*before, at);
                *before = at;
                side
            }
            None => {
                self.clear.insert(id.to_owned(), at);
                None
            }
        }
    }

    fn stay(&mut self, track: u64, region: &CrowdRegion, inside: bool, time: Duration) -> Option<CrowdDwell> {
        let dwell = |since: Duration, left: bool| CrowdDwell {
            region: region.id.clone(),
            track,
            seconds: rounded(time.saturating_sub(since).as_secs_f64()),
            left,
        };
        if !inside {
            let (since, told) = self.inside.remove(&region.id)?;
            return told.then(|| dwell(since, true));
        }
        let (since, told) = self.inside.entry(region.id.clone()).or_insert((time, false));
        let due = !*told && time.saturating_sub(*since).as_secs_f64() >= region.dwell_s;
        *told |= due;
        due.then(|| dwell(*since, false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::motion::polygon::Point;

    fn person(track: u64, x: f64, y: f64) -> Region {
        let (x, y) = (x as f32, y as f32);
        Region { x: x - 0.05, y: y - 0.2, width: 0.1, height: 0.2, track: Some(track), ..Region::default() }
    }

    fn line() -> CrowdLine {
        CrowdLine { id: "door".into(), from: Point { x: 0.0, y: 0.5 }, to: Point { x: 1.0, y: 0.5 } }
    }

    #[test]
    fn crossings_are_counted_by_side_and_trembling_is_not() {
        let mut walkers = Walkers::default();
        let mut seen = Vec::new();
        // One walks down and back up, one trembles on the line, one walks up.
        for n in 0..=40u64 {
            let t = n as f64 / 20.0;
            let there = if t <= 1.0 { t } else { 2.0 - t };
            let people = [
                person(1, 0.3, 0.3 + 0.4 * there),
                person(2, 0.6, 0.5 + if n % 2 == 0 { 0.01 } else { -0.01 }),
                person(3, 0.8, 0.8 - 0.25 * t),
            ];
            let (crossed, _) = walkers.update(Duration::from_millis(n * 100), &people, &[line()], &[]);
            seen.extend(crossed.into_iter().map(|c| (c.track, c.direction, c.left, c.right)));
        }
        let expected = [(1, "right", 0, 1), (3, "left", 1, 1), (1, "left", 2, 1)];
        assert_eq!(seen.len(), 3, "{seen:?}");
        for event in expected {
            assert!(seen.contains(&(event.0, event.1.to_owned(), event.2, event.3)), "{event:?} in {seen:?}");
        }
    }

    #[test]
    fn who_stays_is_told_once_and_again_when_they_leave() {
        let polygon = Polygon::new(vec![[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]);
        let regions = [(CrowdRegion { id: "left".into(), dwell_s: 2.0, ..CrowdRegion::default() }, polygon)];
        let mut walkers = Walkers::default();
        let mut told = Vec::new();
        for n in 0..60u64 {
            let mut people = vec![person(7, if n < 40 { 0.2 } else { 0.8 }, 0.5)];
            // This one passes through, and this one vanishes.
            people.extend((n < 10).then(|| person(8, 0.3, 0.5)));
            people.extend((n < 30).then(|| person(9, 0.1, 0.9)));
            let (_, dwelt) = walkers.update(Duration::from_millis(n * 100), &people, &[], &regions);
            told.extend(dwelt.into_iter().map(|d| (d.track, d.seconds, d.left)));
        }
        assert_eq!(told, [(7, 2.0, false), (9, 2.0, false), (7, 4.0, true), (9, 2.9, true)]);
    }
}
