//! Finding people: the network SSD-MobileNetV2 of MediaPipe, trained on Open Images V4.

use anabranch_kit::regions::Region;
use anabranch_kit::sample::Sample;

use crate::nets::family::Family;
use crate::nets::family::ssd_anchors::Anchors;
use crate::nets::input::Input;
use crate::nets::{Net, NetError, Spec, Wish, boxes};

/// The label of regions that are people.
pub const LABEL: &str = "person";

/// The name of the model in the manifest.
pub const MODEL: &str = "people-ssd";

/// The longer side of the picture that is looked at. The network's input is 300x300; pictures are mostly wider than high.
pub const LONGEST: usize = 448;

/// Boxes of one thing overlap by more than this.
const SAME: f32 = 0.5;

/// The network's classes; the first one is nothing.
const CLASSES: [&str; 24] = [
    "nothing",
    "bicycle",
    "boot",
    "laptop",
    "person",
    "chair",
    "cattle",
    "desk",
    "cat",
    "computer-mouse",
    "computer-monitor",
    "box",
    "mug",
    "coffee-cup",
    "stationary-bicycle",
    "table",
    "bottle",
    "high-heels",
    "vehicle",
    "footwear",
    "dog",
    "book",
    "camera",
    "car",
];

/// How the model is used.
pub fn spec(threshold: f32) -> Spec {
    Spec {
        input: Input { mean: [127.5; 3], scale: [1.0 / 127.5; 3], ..Input::plain(300, 300) },
        family: Family::SsdAnchors(Anchors::default()),
        wish: Wish { threshold, overlap: SAME, most: 200, labels: CLASSES.map(String::from).to_vec() },
    }
}

/// Checks that the network knows these labels.
///
/// # Errors
///
/// A sentence with those that it knows.
pub fn check_labels(labels: &[String]) -> Result<(), String> {
    let known = || CLASSES[1..].join(", ");
    if labels.is_empty() {
        return Err(format!("'labels' is empty; say what to look for: {}", known()));
    }
    match labels.iter().find(|label| !CLASSES[1..].contains(&label.as_str())) {
        Some(label) => Err(format!("the network does not know '{label}'; it knows {}", known())),
        None => Ok(()),
    }
}

/// Looks at the picture and at its four quarters, which overlap a little.
pub fn look_closely(network: &mut Net, sample: &Sample) -> Result<Vec<Region>, NetError> {
    let mut found = network.look(sample)?;
    let (width, height) = ((sample.width * 11).div_ceil(20), (sample.height * 11).div_ceil(20));
    for (left, top) in [
        (0, 0),
        (sample.width - width, 0),
        (0, sample.height - height),
        (sample.width - width, sample.height - height),
    ] {
        let part = part(sample, left, top, width, height);
        let (across, down) = (width as f32 / sample.width as f32, height as f32 / sample.height as f32);
        let (x, y) = (left as f32 / sample.width as f32, top as f32 / sample.height as f32);
        for mut region in network.look(&part)? {
            // What a quarter's inner edge cuts is seen whole by another one or by the whole picture.
            let (right, bottom) = (region.x + region.width, region.y + region.height);
            let cut = (left > 0 && region.x < 0.01)
                || (top > 0 && region.y < 0.01)
                || (left == 0 && right > 0.99)
                || (top == 0 && bottom > 0.99);
            if !cut {
                region.x = x + region.x * across;
                region.y = y + region.y * down;
                region.width *= across;
                region.height *= down;
                found.push(region);
            }
        }
    }
    Ok(boxes::best(found, SAME, 200))
}

fn part(sample: &Sample, left: usize, top: usize, width: usize, height: usize) -> Sample {
    let rows = sample.rgb.chunks_exact(3 * sample.width.max(1)).skip(top).take(height);
    let rgb = rows.flat_map(|row| row.iter().skip(3 * left).take(3 * width)).copied().collect();
    Sample { width, height, rgb }
}
