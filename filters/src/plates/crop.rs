//! Cutting a tilted line of text out of a picture.

use anabranch_kit::sample::Sample;

/// The part between four corners (relative, left upper one first, clockwise), level and with this height. `None` if it
/// has no area.
pub fn level(sample: &Sample, corners: &[[f32; 2]], height: usize) -> Option<Sample> {
    let [a, b, _, d] = corners[..] else { return None };
    let pixel = |[x, y]: [f32; 2]| (x * sample.width as f32, y * sample.height as f32);
    let (a, b, d) = (pixel(a), pixel(b), pixel(d));
    let (across, down) = ((b.0 - a.0, b.1 - a.1), (d.0 - a.0, d.1 - a.1));
    let (long, short) = (across.0.hypot(across.1), down.0.hypot(down.1));
    if long < 1.0 || short < 1.0 || sample.width < 2 || sample.height < 2 {
        return None;
    }
    let width = ((long / short * height as f32).round() as usize).clamp(height / 2, height * 20);
    // Several points for each pixel where the line shrinks, so that nothing flickers.
    let fine = ((short / height as f32).ceil() as usize).clamp(1, 4);
    let mut rgb = Vec::with_capacity(3 * width * height);
    for y in 0..height {
        for x in 0..width {
            let mut sum = [0.0f32; 3];
            for step in 0..fine * fine {
                let part = |whole: usize, step: usize, size: usize| {
                    (whole as f32 + (step as f32 + 0.5) / fine as f32) / size as f32
                };
                let (u, v) = (part(x, step % fine, width), part(y, step / fine, height));
                let at = (a.0 + across.0 * u + down.0 * v, a.1 + across.1 * u + down.1 * v);
                for (sum, component) in sum.iter_mut().zip(colour(sample, at)) {
                    *sum += component;
                }
            }
            rgb.extend(sum.map(|s| (s / (fine * fine) as f32).round().clamp(0.0, 255.0) as u8));
        }
    }
    Some(Sample { width, height, rgb })
}

/// The colour at a place, blended from the four pixels around it; beyond the edge it is the edge's.
fn colour(sample: &Sample, (x, y): (f32, f32)) -> [f32; 3] {
    let limit = |v: f32, size: usize| (v - 0.5).clamp(0.0, (size - 1) as f32);
    let (x, y) = (limit(x, sample.width), limit(y, sample.height));
    let (left, top) = ((x as usize).min(sample.width - 2), (y as usize).min(sample.height - 2));
    let (across, down) = (x - left as f32, y - top as f32);
    let mut colour = [0.0; 3];
    for (offset, weight) in [
        (0, (1.0 - across) * (1.0 - down)),
        (1, across * (1.0 - down)),
        (sample.width, (1.0 - across) * down),
        (sample.width + 1, across * down),
    ] {
        let at = 3 * (top * sample.width + left + offset);
        for (sum, byte) in colour.iter_mut().zip(&sample.rgb[at..at + 3]) {
            *sum += weight * f32::from(*byte);
        }
    }
    colour
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tilted_part_becomes_level() {
        // White above the diagonal, black below.
        let rgb = (0..64 * 64).flat_map(|n| [if n % 64 > n / 64 { 255 } else { 0 }; 3]).collect();
        let sample = Sample { width: 64, height: 64, rgb };
        // A band along the diagonal: its upper half is white.
        let corners = [[0.3, 0.1], [0.9, 0.7], [0.7, 0.9], [0.1, 0.3]];
        let line = level(&sample, &corners, 16).unwrap();
        assert_eq!((line.width, line.height), (48, 16));
        let row = |y: usize| line.rgb[3 * 48 * y + 60];
        assert_eq!((row(2), row(13)), (255, 0));
        assert!(level(&sample, &[[0.5; 2]; 4], 16).is_none());
        assert!(level(&sample, &[], 16).is_none());
    }
}
