//! Precision and recall of boxes, as COCO measures them: at overlaps of 0.5 to 0.95, each picture's boxes in the order of
//! their scores, precision read off at 101 recalls; boxes outside of a range of sizes are left out of account.

use serde::{Deserialize, Serialize};

use super::{f1, part};
use crate::case::Pixels;

/// Overlaps at which boxes count as the same: 0.5, 0.55, ... 0.95.
pub const OVERLAPS: [f64; 10] = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95];
/// The most boxes of one picture and label that count, best first.
pub const MOST: usize = 100;

/// A thing that is there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Wanted {
    /// Where.
    pub at: Pixels,
    /// Its size, square pixels.
    pub area: f64,
    /// Counts neither when it is found nor when it is missed.
    pub ignore: bool,
    /// Holds many things: any number of boxes inside belong to it.
    pub crowd: bool,
}

/// One picture: what is there, and what was found with its scores.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    /// What is there.
    pub wanted: Vec<Wanted>,
    /// What was found.
    pub found: Vec<(Pixels, f64)>,
}

/// A range of sizes, by the side of a square of the same area, in pixels, both ends included.
#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    /// What it is called: `all`, `small`.
    pub name: String,
    /// The least side.
    pub from: f64,
    /// The greatest side.
    pub to: f64,
}

impl Range {
    /// All sizes; small, medium and large ones with these borders (COCO: 32 and 96).
    pub fn all_with_borders(borders: [f64; 2]) -> Vec<Range> {
        let [a, b] = borders;
        let ranges =
            [("all", 0.0, f64::INFINITY), ("small", 0.0, a), ("medium", a, b), ("large", b, f64::INFINITY)];
        ranges.into_iter().map(|(name, from, to)| Range { name: name.into(), from, to }).collect()
    }

    fn holds(&self, area: f64) -> bool {
        area >= self.from * self.from && area <= self.to * self.to
    }
}

/// How well things of one range of sizes are found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SizeScores {
    /// `all`, `small`, `medium` or `large`.
    pub size: String,
    /// How many there are.
    pub truths: usize,
    /// Average precision, mean over overlaps of 0.5 to 0.95.
    pub ap: f64,
    /// Average precision at an overlap of 0.5.
    pub ap50: f64,
    /// Average precision at an overlap of 0.75.
    pub ap75: f64,
    /// The part that is found, mean over overlaps of 0.5 to 0.95.
    pub recall: f64,
    /// The part that is found at an overlap of 0.5.
    pub recall50: f64,
}

/// How well things of one label are found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LabelScores {
    /// The label, as the truth has it.
    pub label: String,
    /// How many boxes were found.
    pub found: usize,
    /// By size; `all` comes first.
    pub sizes: Vec<SizeScores>,
    /// The part of the found boxes that is right, all scores taken, at an overlap of 0.5.
    pub precision: f64,
    /// The part of the things that is found, all scores taken, at an overlap of 0.5.
    pub recall: f64,
    /// Harmonic mean of these two.
    pub f1: f64,
    /// The greatest harmonic mean that some threshold gives.
    pub best_f1: f64,
    /// That threshold: boxes with at least this score are taken.
    pub best_threshold: f64,
    /// Recall, precision and score at up to 101 places of the curve, at an overlap of 0.5.
    pub curve: Vec<[f64; 3]>,
}

/// What became of a found box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is this thing.
    Right(usize),
    /// It is a thing that does not count, or outside of the sizes.
    Ignored,
    /// There is nothing.
    Wrong,
}

/// Matches the boxes of one picture at an overlap. The order of the fates is that of `found`; boxes beyond the
/// [`MOST`] best ones are ignored.
pub fn fates(picture: &Picture, overlap: f64, range: &Range) -> Vec<Fate> {
    let ignored = |w: &Wanted| w.ignore || w.crowd || !range.holds(w.area);
    // What counts comes first, so that a box is rather right than ignored.
    let mut order: Vec<usize> = (0..picture.wanted.len()).collect();
    order.sort_by_key(|i| ignored(&picture.wanted[*i]));
    let mut taken = vec![false; picture.wanted.len()];
    let mut fates = vec![Fate::Ignored; picture.found.len()];
    for n in by_score(&picture.found).into_iter().take(MOST) {
        let (at, _) = &picture.found[n];
        let mut best = overlap.min(1.0 - 1e-10);
        let mut choice: Option<usize> = None;
        for i in &order {
            let wanted = &picture.wanted[*i];
            if taken[*i] && !wanted.crowd {
                continue;
            }
            if choice.is_some_and(|c| !ignored(&picture.wanted[c])) && ignored(wanted) {
                break;
            }
            let same = if wanted.crowd { part(at.common(&wanted.at), at.area()) } else { at.iou(&wanted.at) };
            if same >= best {
                best = same;
                choice = Some(*i);
            }
        }
        fates[n] = match choice {
            Some(i) => {
                taken[i] = true;
                if ignored(&picture.wanted[i]) { Fate::Ignored } else { Fate::Right(i) }
            }
            None if range.holds(at.area()) => Fate::Wrong,
            None => Fate::Ignored,
        };
    }
    fates
}

/// Indices by falling score; equal ones stay in order.
fn by_score(found: &[(Pixels, f64)]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..found.len()).collect();
    order.sort_by(|a, b| found[*b].1.total_cmp(&found[*a].1));
    order
}

/// All boxes of all pictures at one overlap, best scores first: the score, and whether it is right.
struct Ranking {
    hits: Vec<(f64, bool)>,
    truths: usize,
}

impl Ranking {
    fn new(pictures: &[Picture], overlap: f64, range: &Range) -> Ranking {
        let mut hits = Vec::new();
        let mut truths = 0;
        for picture in pictures {
            let counts = |w: &&Wanted| !w.ignore && !w.crowd && range.holds(w.area);
            truths += picture.wanted.iter().filter(counts).count();
            let fates = fates(picture, overlap, range);
            for n in by_score(&picture.found) {
                match fates[n] {
                    Fate::Right(_) => hits.push((picture.found[n].1, true)),
                    Fate::Wrong => hits.push((picture.found[n].1, false)),
                    Fate::Ignored => {}
                }
            }
        }
        hits.sort_by(|a, b| b.0.total_cmp(&a.0));
        Ranking { hits, truths }
    }

    /// Recall, precision and score after each box.
    fn points(&self) -> Vec<[f64; 3]> {
        let mut right = 0.0;
        let points = self.hits.iter().enumerate().map(|(n, (score, hit))| {
            right += f64::from(u8::from(*hit));
            [part(right, self.truths as f64), right / (n + 1) as f64, *score]
        });
        points.collect()
    }

    fn recall(&self) -> f64 {
        part(self.hits.iter().filter(|(_, hit)| *hit).count() as f64, self.truths as f64)
    }

    /// The mean of the best precision that is reached at or beyond each of the recalls 0, 0.01, ... 1.
    fn average_precision(&self) -> f64 {
        let mut points = self.points();
        for n in (1..points.len()).rev() {
            points[n - 1][1] = points[n - 1][1].max(points[n][1]);
        }
        let at = |recall: f64| {
            let first = points.partition_point(|point| point[0] < recall);
            points.get(first).map_or(0.0, |point| point[1])
        };
        // Rounded as pycocotools' `linspace` does: recalls such as 29 of 50 fall on these very places.
        (0..=100).map(|n| at(f64::from(n) * 0.01)).sum::<f64>() / 101.0
    }
}

/// Scores of one label over all pictures.
pub fn score(label: &str, pictures: &[Picture], ranges: &[Range]) -> LabelScores {
    let mut scores = LabelScores {
        label: label.to_owned(),
        found: pictures.iter().map(|p| p.found.len()).sum(),
        ..LabelScores::default()
    };
    for range in ranges {
        let rankings: Vec<Ranking> =
            OVERLAPS.iter().map(|overlap| Ranking::new(pictures, *overlap, range)).collect();
        let mean =
            |value: &dyn Fn(&Ranking) -> f64| rankings.iter().map(value).sum::<f64>() / rankings.len() as f64;
        scores.sizes.push(SizeScores {
            size: range.name.clone(),
            truths: rankings[0].truths,
            ap: mean(&Ranking::average_precision),
            ap50: rankings[0].average_precision(),
            ap75: rankings[5].average_precision(),
            recall: mean(&Ranking::recall),
            recall50: rankings[0].recall(),
        });
    }
    let whole = Range { name: "all".into(), from: 0.0, to: f64::INFINITY };
    let ranking = Ranking::new(pictures, OVERLAPS[0], &whole);
    let points = ranking.points();
    let f1_at = |n: usize, recall: f64| {
        let right = recall * ranking.truths as f64;
        f1(right, (n + 1) as f64 - right, ranking.truths as f64 - right)
    };
    if let Some(last) = points.last() {
        (scores.recall, scores.precision) = (last[0], last[1]);
        scores.f1 = f1_at(points.len() - 1, last[0]);
    }
    for (n, point) in points.iter().enumerate() {
        // Boxes of one score stand or fall together.
        let closes = points.get(n + 1).is_none_or(|next| next[2] < point[2]);
        let f1 = f1_at(n, point[0]);
        if closes && f1 > scores.best_f1 {
            (scores.best_f1, scores.best_threshold) = (f1, point[2]);
        }
    }
    scores.curve = thinned(&points);
    scores
}

/// At most 101 points, the first and the last among them.
fn thinned(points: &[[f64; 3]]) -> Vec<[f64; 3]> {
    if points.len() <= 101 {
        return points.to_vec();
    }
    (0..=100).map(|n| points[n * (points.len() - 1) / 100]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(x: f64, side: f64) -> Pixels {
        Pixels::new(x, 0.0, side, side)
    }

    fn wanted(x: f64, side: f64) -> Wanted {
        Wanted { at: square(x, side), area: side * side, ..Wanted::default() }
    }

    fn all(scores: &LabelScores) -> &SizeScores {
        &scores.sizes[0]
    }

    fn ranges() -> Vec<Range> {
        Range::all_with_borders([32.0, 96.0])
    }

    #[test]
    fn average_precision_by_hand() {
        // Three things; found: right 0.9, wrong 0.8, right 0.7; the third is missed.
        let picture = Picture {
            wanted: vec![wanted(0.0, 40.0), wanted(100.0, 40.0), wanted(200.0, 40.0)],
            found: vec![(square(0.0, 40.0), 0.9), (square(400.0, 40.0), 0.8), (square(100.0, 40.0), 0.7)],
        };
        let scores = score("x", &[picture], &ranges());
        // Precision is 1 up to a recall of 1/3 (34 of the 101 places: 0 to 0.33), 2/3 up to 2/3 (33 places), then 0.
        let by_hand = (34.0 + 33.0 * 2.0 / 3.0) / 101.0;
        assert!((all(&scores).ap50 - by_hand).abs() < 1e-12, "{}", all(&scores).ap50);
        assert!(
            (all(&scores).ap - by_hand).abs() < 1e-12,
            "the boxes fit exactly, so every overlap is alike"
        );
        assert!((all(&scores).recall50 - 2.0 / 3.0).abs() < 1e-12);
        assert!((scores.precision - 2.0 / 3.0).abs() < 1e-12);
        // Taking all: 2 right, 1 wrong, 1 missed: 4/6. Taking one: 1 right, 2 missed: 2/4.
        assert!((scores.best_f1 - 4.0 / 6.0).abs() < 1e-12 && scores.best_threshold == 0.7);
        assert_eq!(scores.sizes[2].truths, 3, "40 pixels are medium");
        assert_eq!(scores.sizes[1].truths, 0);
    }

    #[test]
    fn an_overlap_of_two_thirds_counts_up_to_there() {
        // 40 wide, shifted by 8: 32/48 = 0.667: right at 0.5, 0.55, 0.6, 0.65 and wrong at the six above.
        let picture = Picture { wanted: vec![wanted(0.0, 40.0)], found: vec![(square(8.0, 40.0), 0.9)] };
        let scores = score("x", &[picture], &ranges());
        assert_eq!((all(&scores).ap50, all(&scores).ap75), (1.0, 0.0));
        assert!((all(&scores).ap - 0.4).abs() < 1e-12 && (all(&scores).recall - 0.4).abs() < 1e-12);
    }

    #[test]
    fn two_boxes_on_one_thing_are_one_right_and_one_wrong() {
        let picture = Picture {
            wanted: vec![wanted(0.0, 40.0)],
            found: vec![(square(0.0, 40.0), 0.5), (square(1.0, 40.0), 0.9)],
        };
        assert_eq!(
            fates(&picture, 0.5, &ranges()[0]),
            [Fate::Wrong, Fate::Right(0)],
            "the better score has it"
        );
    }

    #[test]
    fn what_does_not_count_takes_boxes_without_harm() {
        let ignored = Wanted { ignore: true, ..wanted(100.0, 40.0) };
        let crowd = Wanted { crowd: true, ignore: true, ..wanted(200.0, 100.0) };
        let picture = Picture {
            wanted: vec![ignored, wanted(0.0, 40.0), crowd],
            found: vec![
                (square(100.0, 40.0), 0.9),
                (square(210.0, 20.0), 0.8),
                (square(240.0, 20.0), 0.7),
                (square(0.0, 40.0), 0.6),
                (square(100.0, 40.0), 0.5),
            ],
        };
        use Fate::{Ignored, Right, Wrong};
        let fates = fates(&picture, 0.5, &ranges()[0]);
        assert_eq!(fates, [Ignored, Ignored, Ignored, Right(1), Wrong], "only a crowd takes several");
        let scores = score("x", &[picture], &ranges());
        assert_eq!((all(&scores).truths, all(&scores).recall50, scores.precision), (1, 1.0, 0.5));
    }

    #[test]
    fn sizes_leave_the_others_out_of_account() {
        let picture = Picture {
            wanted: vec![wanted(0.0, 20.0), wanted(200.0, 100.0)],
            found: vec![(square(200.0, 100.0), 0.9), (square(500.0, 20.0), 0.95), (square(0.0, 20.0), 0.4)],
        };
        let scores = score("x", &[picture], &ranges());
        let by = |name: &str| scores.sizes.iter().find(|s| s.size == name).unwrap();
        assert_eq!(
            (by("large").ap50, by("large").truths),
            (1.0, 1),
            "the small wrong one is none of its business"
        );
        assert!((by("small").ap50 - 0.5).abs() < 1e-12, "one wrong before one right");
        assert_eq!(by("medium").truths, 0);
    }

    #[test]
    fn nothing_there_and_nothing_found_is_no_division_by_nought() {
        let scores = score("x", &[Picture::default()], &ranges());
        assert_eq!((all(&scores).ap, scores.f1, scores.curve.len()), (0.0, 0.0, 0));
        let nothing_there = Picture { wanted: vec![], found: vec![(square(0.0, 9.0), 0.5)] };
        assert_eq!(score("x", &[nothing_there], &ranges()).precision, 0.0);
    }

    #[test]
    fn the_curve_keeps_its_ends() {
        let points: Vec<[f64; 3]> = (0..1000).map(|n| [f64::from(n), 0.0, 0.0]).collect();
        let thin = thinned(&points);
        assert_eq!((thin.len(), thin[0][0], thin[100][0]), (101, 0.0, 999.0));
    }

    proptest::proptest! {
        #[test]
        fn figures_stay_between_nought_and_one_and_order_does_not_matter(
            boxes in proptest::collection::vec((0u8..60, 10u8..50, 0u8..100), 0..12),
            truths in proptest::collection::vec((0u8..60, 10u8..50), 0..8),
        ) {
            // Scores differ, so that the order of the list says nothing.
            let mut found: Vec<(Pixels, f64)> = boxes.iter().enumerate()
                .map(|(n, (x, side, s))| (square(f64::from(*x), f64::from(*side)), f64::from(*s) + n as f64 / 1e3))
                .collect();
            let wanted: Vec<Wanted> = truths.iter().map(|(x, side)| wanted(f64::from(*x), f64::from(*side))).collect();
            let one = score("x", &[Picture { wanted: wanted.clone(), found: found.clone() }], &ranges());
            for size in &one.sizes {
                for value in [size.ap, size.ap50, size.ap75, size.recall, size.recall50] {
                    proptest::prop_assert!((0.0..=1.0).contains(&value));
                }
                proptest::prop_assert!(size.ap <= size.ap50 + 1e-12, "a stricter overlap is never better");
            }
            proptest::prop_assert!(one.best_f1 >= one.f1 - 1e-12);
            found.reverse();
            proptest::prop_assert_eq!(score("x", &[Picture { wanted, found }], &ranges()), one);
        }
    }
}
