//! Changing a picture's size.

use anabranch_kit::sample::Sample;

/// The picture in another size; `None` if it has that size. Where it shrinks each pixel is the mean of its area, where it
/// grows pixels blend into each other.
pub fn resized(sample: &Sample, width: usize, height: usize) -> Option<Sample> {
    if (sample.width, sample.height) == (width, height) {
        return None;
    }
    let (columns, rows) = (taps(sample.width, width), taps(sample.height, height));
    let stride = 3 * sample.width;
    let mut line = vec![0.0f32; stride];
    let mut rgb = Vec::with_capacity(3 * width * height);
    for row in &rows {
        line.fill(0.0);
        for (offset, weight) in row.weights.iter().enumerate() {
            let from = sample.rgb.iter().skip((row.first + offset) * stride);
            for (sum, byte) in line.iter_mut().zip(from) {
                *sum += weight * f32::from(*byte);
            }
        }
        for column in &columns {
            let mut pixel = [0.0f32; 3];
            let from = line[3 * column.first..].as_chunks::<3>().0;
            for (weight, source) in column.weights.iter().zip(from) {
                for (sum, component) in pixel.iter_mut().zip(source) {
                    *sum += weight * component;
                }
            }
            rgb.extend(pixel.map(|v| v.round().clamp(0.0, 255.0) as u8));
        }
    }
    Some(Sample { width, height, rgb })
}

/// The pixels that make one of the result, along one side.
struct Tap {
    first: usize,
    weights: Vec<f32>,
}

fn taps(from: usize, to: usize) -> Vec<Tap> {
    let ratio = from as f32 / to.max(1) as f32;
    // A tent that is as wide as the steps in the finer of the two pictures.
    let reach = ratio.max(1.0);
    let tap = |at: usize| {
        let centre = (at as f32 + 0.5) * ratio - 0.5;
        let first = (centre - reach).ceil().max(0.0) as usize;
        let last = ((centre + reach).floor() as usize).min(from.saturating_sub(1));
        let first = first.min(last);
        let mut weights: Vec<f32> =
            (first..=last).map(|i| (1.0 - (i as f32 - centre).abs() / reach).max(0.0)).collect();
        let sum: f32 = weights.iter().sum();
        match sum > 0.0 {
            true => weights.iter_mut().for_each(|w| *w /= sum),
            false => weights = vec![1.0 / weights.len() as f32; weights.len()],
        }
        Tap { first, weights }
    };
    (0..to).map(tap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_change_and_colours_stay() {
        let sample = Sample { width: 4, height: 2, rgb: [0, 100, 200].repeat(8) };
        for (width, height) in [(1, 1), (2, 2), (7, 5), (40, 3)] {
            let other = resized(&sample, width, height).unwrap();
            assert_eq!(other.rgb, [0, 100, 200].repeat(width * height));
        }
        assert_eq!(resized(&sample, 4, 2), None);
    }

    #[test]
    fn an_edge_stays_where_it_is() {
        let row: Vec<u8> = (0..8).flat_map(|x| [if x < 4 { 0 } else { 255 }; 3]).collect();
        let sample = Sample { width: 8, height: 1, rgb: row };
        let large = resized(&sample, 16, 1).unwrap();
        assert_eq!((large.rgb[3 * 5], large.rgb[3 * 10]), (0, 255));
        let middle = u16::from(large.rgb[3 * 7]) + u16::from(large.rgb[3 * 8]);
        assert!((254..=256).contains(&middle));
    }
}
