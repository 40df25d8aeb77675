//! How well drawn plates are read: many sizes, angles, blurs and noises, with known text. Prints a table.

use anabranch_kit::inference::{self, Backend};
use anabranch_kit::sample::Sample;
use gst::prelude::*;

use super::{FINDER, Patterns, READER, Reader, Search};
use crate::nets::input::resized;

/// Spain, Britain, France and Germany, with the characters that are easily mistaken.
const PLATES: [&str; 8] =
    ["1234 BCD", "8056 KLS", "BD51 SMR", "LK08 OZB", "AB-123-CD", "GQ-670-VX", "M XY 1234", "HH AB 580"];
/// The picture that plates are drawn into.
const FRAME: (usize, usize) = (1280, 720);
/// The shape of a plate: 520 by 110 millimetres.
const SHAPE: (usize, usize) = (520, 110);

/// A plate as it is made: black on white, with a border.
fn plate(text: &str) -> Sample {
    let (width, height) = SHAPE;
    let line = format!(
        "videotestsrc pattern=white num-buffers=1 ! video/x-raw,format=RGBA,width={width},height={height} ! \
         textoverlay text=\"{text}\" font-desc=\"Sans Bold 62px\" color=4278190080 draw-outline=false draw-shadow=false \
         halignment=center valignment=center ! fakesink name=end"
    );
    let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.set_state(gst::State::Paused).unwrap();
    let (done, ..) = pipeline.state(gst::ClockTime::from_seconds(20));
    done.unwrap();
    let end = pipeline.by_name("end").unwrap();
    let sample = end.property::<gst::Sample>("last-sample");
    let map = sample.buffer().unwrap().map_readable().unwrap();
    let mut rgb: Vec<u8> = map.as_chunks::<4>().0.iter().flat_map(|[r, g, b, _]| [*r, *g, *b]).collect();
    drop(map);
    pipeline.set_state(gst::State::Null).unwrap();
    for y in 0..height {
        for x in 0..width {
            if x.min(width - 1 - x).min(y).min(height - 1 - y) < 4 {
                rgb[3 * (y * width + x)..][..3].fill(30);
            }
        }
    }
    Sample { width, height, rgb }
}

/// How a plate is shown.
#[derive(Clone, Copy)]
struct Show {
    width: f32,
    angle: f32,
    blur: usize,
    noise: f32,
}

/// The same numbers in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 24) as f32
    }
}

/// A picture of a plate on the back of something dark, in front of something light.
fn picture(plate: &Sample, show: Show, dice: &mut Dice) -> Sample {
    let (width, height) = FRAME;
    let scale = show.width / plate.width as f32;
    let wanted = ((plate.width as f32 * scale) as usize, (plate.height as f32 * scale) as usize);
    let small = resized(plate, wanted.0.max(1), wanted.1.max(1)).unwrap_or_else(|| plate.clone());
    let (sin, cos) = show.angle.to_radians().sin_cos();
    let centre = (width as f32 * (0.35 + 0.3 * dice.roll()), height as f32 * (0.4 + 0.3 * dice.roll()));
    let mut values = vec![0.0f32; 3 * width * height];
    for y in 0..height {
        for x in 0..width {
            let (dx, dy) = (x as f32 - centre.0, y as f32 - centre.1);
            let (u, v) = (
                dx * cos + dy * sin + small.width as f32 / 2.0,
                dy * cos - dx * sin + small.height as f32 / 2.0,
            );
            let car = dx.abs() < show.width * 1.6 && dy.abs() < show.width * 1.1;
            let ground =
                if car { 70.0 + 20.0 * (dy / 40.0).sin() } else { 150.0 + 40.0 * (x as f32 / 90.0).sin() };
            let pixel = &mut values[3 * (y * width + x)..][..3];
            pixel.fill(ground);
            if u >= 0.0 && v >= 0.0 && u < (small.width - 1) as f32 && v < (small.height - 1) as f32 {
                let (left, top, across, down) = (u as usize, v as usize, u.fract(), v.fract());
                let at = |x: usize, y: usize| f32::from(small.rgb[3 * (y * small.width + x)]);
                let upper = at(left, top) + (at(left + 1, top) - at(left, top)) * across;
                let lower = at(left, top + 1) + (at(left + 1, top + 1) - at(left, top + 1)) * across;
                pixel.fill(upper + (lower - upper) * down);
            }
        }
    }
    blur(&mut values, width, height, show.blur);
    let noisy = values.into_iter().map(|v| {
        // The sum of four is nearly a bell; its deviation is 0.58.
        let bell = (0..4).map(|_| dice.roll()).sum::<f32>() - 2.0;
        (v + bell / 0.58 * show.noise).round().clamp(0.0, 255.0) as u8
    });
    Sample { width, height, rgb: noisy.collect() }
}

/// The mean of the pixels at most this far away, across and then down.
fn blur(values: &mut [f32], width: usize, height: usize, reach: usize) {
    for (step, count, lines, line) in [(3, width, height, 3 * width), (3 * width, height, width, 3)] {
        if reach == 0 {
            return;
        }
        for n in 0..lines {
            let old: Vec<f32> = (0..count).map(|i| values[n * line + i * step]).collect();
            for i in 0..count {
                let near = &old[i.saturating_sub(reach)..(i + reach + 1).min(count)];
                let mean = near.iter().sum::<f32>() / near.len() as f32;
                values[n * line + i * step..][..3].fill(mean);
            }
        }
    }
}

#[test]
fn heavy_drawn_plates_are_read() {
    gst::init().unwrap();
    if let Err(reason) =
        inference::check(FINDER, Backend::Auto).and_then(|()| inference::check(READER, Backend::Auto))
    {
        eprintln!("skipped: {reason}");
        return;
    }
    let patterns = Patterns::new("", &[]).unwrap();
    let drawn: Vec<(String, Sample)> = PLATES
        .iter()
        .map(|text| (text.chars().filter(char::is_ascii_alphanumeric).collect(), plate(text)))
        .collect();
    let base = Show { width: 240.0, angle: 0.0, blur: 0, noise: 4.0 };
    // What is shown, how many of the eight must be read, and the longer side of the picture that is searched.
    let conditions = [
        ("320 px wide", Show { width: 320.0, ..base }, 7, 480),
        ("240 px wide", base, 7, 480),
        ("160 px wide", Show { width: 160.0, ..base }, 6, 480),
        ("120 px wide", Show { width: 120.0, ..base }, 0, 480),
        ("120 px wide", Show { width: 120.0, ..base }, 7, 960),
        ("80 px wide", Show { width: 80.0, ..base }, 0, 960),
        ("tilted by 8 degrees", Show { angle: 8.0, ..base }, 6, 480),
        ("tilted by -15 degrees", Show { angle: -15.0, ..base }, 6, 480),
        ("tilted by 25 degrees", Show { angle: 25.0, ..base }, 6, 480),
        ("blurred over 3 px", Show { blur: 1, ..base }, 6, 480),
        ("blurred over 7 px", Show { blur: 3, ..base }, 4, 480),
        ("noise of 15", Show { noise: 15.0, ..base }, 6, 480),
        ("noise of 30", Show { noise: 30.0, ..base }, 6, 480),
    ];
    let mut dice = Dice(7);
    let mut failed = Vec::new();
    println!("| plates in 1280x720 | searched in | found of 8 | read exactly |\n|---|---|---|---|");
    for (name, show, least, longest) in conditions {
        let mut reader = Reader::new(longest, Backend::Auto).unwrap();
        let (mut found, mut exact) = (0, 0);
        for (text, plate) in &drawn {
            let picture = picture(plate, show, &mut dice);
            let search = Search { width: 0.0, score: 0.5 };
            let plates = reader.look(&picture, search, &patterns).unwrap();
            found += usize::from(!plates.is_empty());
            exact += usize::from(plates.iter().any(|p| p.text == *text));
        }
        println!("| {name} | {longest} px | {found} | {exact} |");
        if exact < least {
            failed.push(format!("{name}: {exact} of 8 read, not {least}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("; "));
}
