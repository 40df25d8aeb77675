//! `people-detector` on a street: real pedestrians, 768x576, from far away.

use anabranch_kit::regions::Region;

use crate::frames::{filter, hits, regions_of, sample};

/// Frames of the film, and the people in them as we see them: left, top, width, height in pixels.
const TRUTH: [(usize, &[[f32; 4]]); 5] = [
    (0, &[[253., 217., 30., 90.], [644., 233., 42., 92.], [496., 155., 34., 77.]]),
    (
        260,
        &[
            [322., 217., 44., 87.],
            [523., 245., 42., 92.],
            [622., 128., 27., 62.],
            [638., 130., 27., 59.],
            [481., 174., 30., 76.],
            [156., 141., 29., 72.],
            [32., 169., 31., 75.],
        ],
    ),
    (
        390,
        &[[257., 187., 34., 80.], [722., 217., 33., 108.], [627., 281., 52., 112.], [567., 137., 28., 79.]],
    ),
    (
        520,
        &[
            [498., 424., 56., 152.],
            [502., 410., 40., 80.],
            [618., 267., 40., 98.],
            [665., 208., 34., 92.],
            [488., 205., 34., 97.],
            [222., 179., 32., 71.],
            [740., 338., 28., 112.],
        ],
    ),
    (
        650,
        &[
            [332., 370., 54., 146.],
            [463., 220., 36., 94.],
            [317., 155., 30., 76.],
            [637., 194., 34., 86.],
            [142., 151., 24., 66.],
            [221., 153., 24., 67.],
        ],
    ),
];

fn truth(boxes: &[[f32; 4]]) -> Vec<Region> {
    let region = |[x, y, width, height]: &[f32; 4]| Region {
        x: x / 768.0,
        y: y / 576.0,
        width: width / 768.0,
        height: height / 576.0,
        ..Region::default()
    };
    boxes.iter().map(region).collect()
}

/// True boxes found, boxes found, true boxes.
fn count(properties: &[(&str, &str)]) -> (usize, usize, usize) {
    let mut all = vec![("mode", "inline"), ("every", "130"), ("budget-ms", "0")];
    all.extend(properties);
    let detector = filter("abpeopledetector", &all);
    let frames = regions_of(&sample("vtest.avi"), &detector);
    assert!(frames.len() > 700, "the film has {} frames", frames.len());
    let mut sums = (0, 0, 0);
    for (number, boxes) in TRUTH {
        let (found, truth) = (&frames[number].1, truth(boxes));
        assert!(found.iter().all(|r| r.label == "person" && r.track.is_some()));
        sums = (sums.0 + hits(found, &truth, 0.5), sums.1 + found.len(), sums.2 + truth.len());
    }
    sums
}

#[test]
fn heavy_people_on_a_street_are_found() {
    for backend in ["ort", "tract"] {
        let (hits, found, people) = count(&[("backend", backend)]);
        println!("{backend}: {hits} of {people} people, {found} boxes");
        assert!(hits * 100 >= people * 80, "{backend}: {hits} of {people}");
        assert!(hits * 100 >= found * 85, "{backend}: {hits} of {found} boxes are people");
    }
}

#[test]
fn heavy_a_closer_look_finds_more() {
    let (hits, found, people) = count(&[("quarters", "true")]);
    println!("with quarters: {hits} of {people} people, {found} boxes");
    assert!(hits * 100 >= people * 85, "{hits} of {people}");
    assert!(hits * 100 >= found * 75, "{hits} of {found} boxes are people");
}
