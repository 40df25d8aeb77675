//! Whether events happen when they must.

use serde::{Deserialize, Serialize};

use super::{f1, part};

/// How well events of one name come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EventScores {
    /// The event's name.
    pub name: String,
    /// How often it must happen.
    pub truths: usize,
    /// How often it happened.
    pub found: usize,
    /// How often it happened when it must.
    pub right: usize,
    /// The part of what happened that is right.
    pub precision: f64,
    /// The part of what must happen that happened.
    pub recall: f64,
    /// Harmonic mean of these two.
    pub f1: f64,
    /// How much later than it must it happens, mean of the right ones, seconds; below 0: earlier.
    pub delay: f64,
}

/// One event that must happen or that happened: when, and what it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// When, seconds.
    pub time: f64,
    /// Which picture or what else it must share with its partner; events of other groups are never the same.
    pub group: String,
    /// Words: all of an event that must happen must be among those of the one that happened.
    pub words: Vec<String>,
}

/// Pairs events within `tolerance` seconds: in the order of their times, each with the first that fits.
pub fn score(name: &str, truths: &[Moment], found: &[Moment], tolerance: f64) -> EventScores {
    let sorted = |moments: &[Moment]| {
        let mut sorted = moments.to_vec();
        sorted.sort_by(|a, b| a.time.total_cmp(&b.time));
        sorted
    };
    let (truths, found) = (sorted(truths), sorted(found));
    let mut free = vec![true; found.len()];
    let (mut right, mut delay) = (0, 0.0);
    for truth in &truths {
        // A little more than the tolerance, for times that are not exact in binary.
        let fits = |other: &Moment| {
            truth.group == other.group
                && (other.time - truth.time).abs() <= tolerance + 1e-9
                && truth.words.iter().all(|word| other.words.contains(word))
        };
        if let Some(n) = (0..found.len()).find(|n| free[*n] && fits(&found[*n])) {
            free[n] = false;
            right += 1;
            delay += found[n].time - truth.time;
        }
    }
    let of = |whole: usize| part(right as f64, whole as f64);
    EventScores {
        name: name.to_owned(),
        truths: truths.len(),
        found: found.len(),
        right,
        precision: of(found.len()),
        recall: of(truths.len()),
        f1: f1(right as f64, (found.len() - right) as f64, (truths.len() - right) as f64),
        delay: part(delay, right as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(times: &[f64]) -> Vec<Moment> {
        times.iter().map(|time| Moment { time: *time, group: String::new(), words: Vec::new() }).collect()
    }

    #[test]
    fn by_hand() {
        // 1.0 is met by 1.2; 2.0 is missed; 5.0 is met by 4.9; 9.0 is wrong, as is the second at 1.3.
        let scores = score("x", &at(&[5.0, 1.0, 2.0]), &at(&[1.2, 9.0, 4.9, 1.3]), 0.5);
        assert_eq!((scores.truths, scores.found, scores.right), (3, 4, 2));
        assert_eq!((scores.precision, scores.recall), (0.5, 2.0 / 3.0));
        assert!((scores.f1 - 4.0 / 7.0).abs() < 1e-12);
        assert!((scores.delay - 0.05).abs() < 1e-9);
    }

    #[test]
    fn words_and_groups_must_fit() {
        let moment =
            |word: &str, group: &str| Moment { time: 1.0, group: group.into(), words: vec![word.into()] };
        let right = |truth: Moment, found: Moment| score("x", &[truth], &[found], 0.1).right;
        assert_eq!(right(moment("door", "a"), moment("door", "a")), 1);
        assert_eq!(right(moment("door", "a"), moment("gate", "a")), 0);
        assert_eq!(right(moment("door", "a"), moment("door", "b")), 0);
        let wordless = Moment { words: Vec::new(), ..moment("", "a") };
        assert_eq!(right(wordless, moment("gate", "a")), 1, "whoever asks for no word takes any");
    }

    #[test]
    fn nothing_expected_and_nothing_happened() {
        assert_eq!(score("x", &[], &[], 1.0), EventScores { name: "x".into(), ..EventScores::default() });
    }
}
