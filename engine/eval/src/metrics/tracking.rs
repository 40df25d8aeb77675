//! Whether things keep their identity: CLEAR MOT (Bernardin and Stiefelhagen 2008) and IDF1 (Ristani and others 2016), in the
//! order of steps of the MOTChallenge: boxes on things that do not count are taken away first.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::assign::assign;
use super::{f1, part};
use crate::case::Pixels;

/// One frame of a film.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    /// What is there: identity, box, and whether it does not count.
    pub wanted: Vec<(u64, Pixels, bool)>,
    /// What was found: track and box.
    pub found: Vec<(u64, Pixels)>,
}

/// How well things keep their identity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tracking {
    /// Things that are there, each in each frame.
    pub truths: usize,
    /// Identities that are there.
    pub identities: usize,
    /// Identities that were found.
    pub tracks: usize,
    /// 1 - (missed + wrong + switches) / truths; may be below 0.
    pub mota: f64,
    /// Mean overlap of what was matched.
    pub motp: f64,
    /// Harmonic mean of identity precision and recall.
    pub idf1: f64,
    /// Identity precision.
    pub id_precision: f64,
    /// Identity recall.
    pub id_recall: f64,
    /// How often a thing got another track than before.
    pub switches: usize,
    /// How often a thing was lost and found again.
    pub fragmentations: usize,
    /// Things that were missed.
    pub missed: usize,
    /// Boxes where nothing is.
    pub wrong: usize,
    /// Identities that were followed for at least 80 % of their life.
    pub mostly_tracked: usize,
    /// Identities that were followed for less than 20 % of their life.
    pub mostly_lost: usize,
}

/// A frame without what does not count.
struct Clean {
    wanted: Vec<(u64, Pixels)>,
    found: Vec<(u64, Pixels)>,
}

fn clean(frame: &Frame, overlap: f64) -> Clean {
    let pairs = assign(frame.found.len(), frame.wanted.len(), |f, w| {
        let same = frame.found[f].1.iou(&frame.wanted[w].1);
        if same >= overlap { same } else { 0.0 }
    });
    let on_ignored = |n: usize| pairs[n].is_some_and(|w| frame.wanted[w].2);
    let found = (0..frame.found.len()).filter(|n| !on_ignored(*n)).map(|n| frame.found[n]);
    let wanted = frame.wanted.iter().filter(|(_, _, ignore)| !ignore).map(|(id, at, _)| (*id, *at));
    Clean { wanted: wanted.collect(), found: found.collect() }
}

/// The life of one identity.
#[derive(Default)]
struct Life {
    frames: usize,
    matched: usize,
    /// The track that it had last, at whatever time.
    last: Option<u64>,
    /// The track that it had in the frame before.
    just: Option<u64>,
    /// Whether it was lost after it had been followed.
    lost: bool,
}

/// Scores a film; boxes are the same from this overlap on.
pub fn score(frames: &[Frame], overlap: f64) -> Tracking {
    let frames: Vec<Clean> = frames.iter().map(|frame| clean(frame, overlap)).collect();
    let mut lives: BTreeMap<u64, Life> = BTreeMap::new();
    let mut tracking = Tracking::default();
    let (mut matches, mut overlaps) = (0, 0.0);
    for frame in &frames {
        let pairs = assign(frame.wanted.len(), frame.found.len(), |w, f| {
            let same = frame.wanted[w].1.iou(&frame.found[f].1);
            if same < overlap {
                return 0.0;
            }
            // Whoever was together stays together.
            let just = lives.get(&frame.wanted[w].0).and_then(|life| life.just);
            if just == Some(frame.found[f].0) { 1000.0 + same } else { same }
        });
        lives.values_mut().for_each(|life| life.just = None);
        for ((id, at), pair) in frame.wanted.iter().zip(&pairs) {
            let life = lives.entry(*id).or_default();
            life.frames += 1;
            let Some(f) = *pair else {
                life.lost = life.last.is_some();
                continue;
            };
            let (track, box_found) = &frame.found[f];
            matches += 1;
            overlaps += at.iou(box_found);
            tracking.switches += usize::from(life.last.is_some_and(|last| last != *track));
            tracking.fragmentations += usize::from(std::mem::take(&mut life.lost));
            life.matched += 1;
            (life.last, life.just) = (Some(*track), Some(*track));
        }
        let paired = pairs.iter().flatten().count();
        tracking.truths += frame.wanted.len();
        tracking.missed += frame.wanted.len() - paired;
        tracking.wrong += frame.found.len() - paired;
    }
    let errors = tracking.missed + tracking.wrong + tracking.switches;
    tracking.mota = if tracking.truths > 0 { 1.0 - errors as f64 / tracking.truths as f64 } else { 0.0 };
    tracking.motp = part(overlaps, matches as f64);
    tracking.identities = lives.len();
    let share = |life: &Life| life.matched as f64 / life.frames as f64;
    tracking.mostly_tracked = lives.values().filter(|life| share(life) >= 0.8).count();
    tracking.mostly_lost = lives.values().filter(|life| share(life) < 0.2).count();
    identity(&frames, overlap, &mut tracking);
    tracking
}

/// IDF1: each identity is paired with one track for the whole film, so that most boxes agree.
fn identity(frames: &[Clean], overlap: f64, tracking: &mut Tracking) {
    let mut together: BTreeMap<(u64, u64), usize> = BTreeMap::new();
    let (mut identities, mut tracks) = (Vec::new(), Vec::new());
    let mut found = 0;
    for frame in frames {
        found += frame.found.len();
        identities.extend(frame.wanted.iter().map(|(id, _)| *id));
        tracks.extend(frame.found.iter().map(|(track, _)| *track));
        for (id, at) in &frame.wanted {
            for (track, _) in frame.found.iter().filter(|(_, found)| at.iou(found) >= overlap) {
                *together.entry((*id, *track)).or_default() += 1;
            }
        }
    }
    for list in [&mut identities, &mut tracks] {
        list.sort_unstable();
        list.dedup();
    }
    let count = |i: usize, t: usize| together.get(&(identities[i], tracks[t])).copied().unwrap_or(0);
    let pairs = assign(identities.len(), tracks.len(), |i, t| count(i, t) as f64);
    let agreed: usize = pairs.iter().enumerate().filter_map(|(i, t)| Some(count(i, (*t)?))).sum();
    let agreed = agreed as f64;
    tracking.tracks = tracks.len();
    tracking.id_precision = part(agreed, found as f64);
    tracking.id_recall = part(agreed, tracking.truths as f64);
    tracking.idf1 = f1(agreed, found as f64 - agreed, tracking.truths as f64 - agreed);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(x: f64) -> Pixels {
        Pixels::new(x, 0.0, 10.0, 10.0)
    }

    fn frame(wanted: &[(u64, f64)], found: &[(u64, f64)]) -> Frame {
        Frame {
            wanted: wanted.iter().map(|(id, x)| (*id, at(*x), false)).collect(),
            found: found.iter().map(|(id, x)| (*id, at(*x))).collect(),
        }
    }

    #[test]
    fn one_thing_whose_track_changes_by_hand() {
        // Four frames: track 7, 7, lost, 8; and one wrong box in the last.
        let film = [
            frame(&[(1, 0.0)], &[(7, 0.0)]),
            frame(&[(1, 10.0)], &[(7, 10.0)]),
            frame(&[(1, 20.0)], &[]),
            frame(&[(1, 30.0)], &[(8, 30.0), (9, 90.0)]),
        ];
        let t = score(&film, 0.5);
        assert_eq!((t.truths, t.missed, t.wrong, t.switches, t.fragmentations), (4, 1, 1, 1, 1));
        assert_eq!(t.mota, 1.0 - 3.0 / 4.0);
        assert_eq!(t.motp, 1.0);
        // Track 7 agrees in two frames: 2 of 4 boxes, 2 of 4 truths.
        assert_eq!((t.id_precision, t.id_recall, t.idf1), (0.5, 0.5, 0.5));
        assert_eq!((t.identities, t.tracks, t.mostly_tracked, t.mostly_lost), (1, 3, 0, 0));
    }

    #[test]
    fn who_was_together_stays_together() {
        // In the second frame another track lies better on the thing; the first one still overlaps enough.
        let film = [frame(&[(1, 0.0)], &[(7, 0.0)]), frame(&[(1, 10.0)], &[(8, 10.0), (7, 12.0)])];
        let t = score(&film, 0.5);
        assert_eq!((t.switches, t.wrong), (0, 1));
    }

    #[test]
    fn two_tracks_that_swap_are_two_switches() {
        let film = [
            frame(&[(1, 0.0), (2, 50.0)], &[(7, 0.0), (8, 50.0)]),
            frame(&[(1, 0.0), (2, 50.0)], &[(8, 0.0), (7, 50.0)]),
        ];
        let t = score(&film, 0.5);
        assert_eq!((t.switches, t.mota, t.idf1), (2, 0.5, 0.5));
    }

    #[test]
    fn boxes_on_what_does_not_count_are_taken_away() {
        let mut film = frame(&[(1, 0.0)], &[(7, 0.0), (8, 50.0)]);
        film.wanted.push((2, at(50.0), true));
        let t = score(&[film], 0.5);
        assert_eq!((t.mota, t.wrong, t.truths, t.idf1), (1.0, 0, 1, 1.0));
    }

    #[test]
    fn an_empty_film_has_no_figures() {
        assert_eq!(score(&[], 0.5), Tracking::default());
        assert_eq!(score(&[frame(&[], &[(1, 0.0)])], 0.5).wrong, 1);
    }

    proptest::proptest! {
        #[test]
        fn what_is_right_is_perfect_and_nothing_is_better(
            film in proptest::collection::vec(proptest::collection::vec((0u64..5, 0u8..20), 0..5), 1..8)
        ) {
            // Each identity once a frame, and far enough apart not to overlap.
            let film: Vec<Vec<(u64, f64)>> = film.iter().map(|things| {
                let things: BTreeMap<u64, u8> = things.iter().copied().collect();
                things.into_iter().map(|(id, x)| (id, 100.0 * id as f64 + f64::from(x))).collect()
            }).collect();
            let right: Vec<Frame> = film.iter().map(|things| frame(things, things)).collect();
            let t = score(&right, 0.5);
            if t.truths > 0 {
                proptest::prop_assert_eq!((t.mota, t.idf1, t.switches), (1.0, 1.0, 0));
            }
            let renamed: Vec<Frame> = film.iter().enumerate().map(|(n, things)| {
                let found: Vec<(u64, f64)> = things.iter().map(|(id, x)| (id + 10 * (n as u64 % 2), *x)).collect();
                frame(things, &found)
            }).collect();
            let worse = score(&renamed, 0.5);
            proptest::prop_assert!(worse.mota <= t.mota && worse.idf1 <= t.idf1);
        }
    }
}
