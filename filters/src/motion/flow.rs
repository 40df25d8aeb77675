//! Where places of one picture are in the next one.
//!
//! B. Lucas and T. Kanade, "An iterative image registration technique", 1981, from coarse to fine over a pyramid
//! (J.-Y. Bouguet, 2000). A place is lost if it leaves the picture, has nothing to hold on to, does not come to rest, or does
//! not look alike where it is found.

use super::grey::{Grey, Pyramid};

/// Half the side of the window that is compared.
const REACH: usize = 4;
const SIDE: usize = 2 * REACH + 1;
const PIXELS: usize = SIDE * SIDE;
/// Steps on each level, at most.
const STEPS: usize = 8;
/// A step that is shorter, in pixels, is the last one.
const SHORT: f32 = 0.02;
/// The least eigenvalue of the gradients, per pixel.
const LEAST: f32 = 2.0;
/// The mean difference of the windows, in grey levels, at which a place is not the same any more.
const UNLIKE: f32 = 14.0;

/// How far each place has moved, in pixels; `None` for those that are lost. Coordinates are of pixel centres. The two pyramids
/// must be of pictures of one size.
pub fn follow(from: &Pyramid, to: &Pyramid, points: &[[f32; 2]]) -> Vec<Option<[f32; 2]>> {
    let levels = from.levels.len().min(to.levels.len());
    points.iter().map(|point| one(&from.levels[..levels], &to.levels[..levels], *point)).collect()
}

fn one(from: &[Grey], to: &[Grey], [x, y]: [f32; 2]) -> Option<[f32; 2]> {
    let mut way = [0.0f32; 2];
    for (level, (before, after)) in from.iter().zip(to).enumerate().rev() {
        // Pixel centres of half the size: (x + 0.5) / 2 - 0.5.
        let scale = 1.0 / (1u32 << level) as f32;
        let place = [(x + 0.5) * scale - 0.5, (y + 0.5) * scale - 0.5];
        match refine(before, after, place, way) {
            Some(better) => way = better,
            // What is too small to be seen on a coarse level may be seen on the next one.
            None if level > 0 => {}
            None => return None,
        }
        if level > 0 {
            way = way.map(|w| 2.0 * w);
        }
    }
    let end = [x + way[0], y + way[1]];
    let base = to.first()?;
    let inside = end[0] >= 0.0 && end[1] >= 0.0 && end[0] < base.width as f32 && end[1] < base.height as f32;
    inside.then_some(way)
}

fn refine(before: &Grey, after: &Grey, place: [f32; 2], start: [f32; 2]) -> Option<[f32; 2]> {
    let mut wide = [0.0; (SIDE + 2) * (SIDE + 2)];
    patch(before, place, REACH + 1, &mut wide);
    let (mut template, mut across, mut down) = ([0.0f32; PIXELS], [0.0f32; PIXELS], [0.0f32; PIXELS]);
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for row in 0..SIDE {
        for column in 0..SIDE {
            let at = (row + 1) * (SIDE + 2) + column + 1;
            let i = row * SIDE + column;
            template[i] = wide[at];
            across[i] = (wide[at + 1] - wide[at - 1]) / 2.0;
            down[i] = (wide[at + SIDE + 2] - wide[at - SIDE - 2]) / 2.0;
            xx += across[i] * across[i];
            xy += across[i] * down[i];
            yy += down[i] * down[i];
        }
    }
    let half = (xx + yy) / 2.0;
    let least = half - ((xx - yy) * (xx - yy) / 4.0 + xy * xy).sqrt();
    if least < LEAST * PIXELS as f32 {
        return None;
    }
    let determinant = xx * yy - xy * xy;
    let mut way = start;
    let mut found = [0.0; PIXELS];
    for _ in 0..STEPS {
        patch(after, [place[0] + way[0], place[1] + way[1]], REACH, &mut found);
        let (mut bx, mut by) = (0.0, 0.0);
        for i in 0..PIXELS {
            let difference = template[i] - found[i];
            bx += difference * across[i];
            by += difference * down[i];
        }
        let step = [(yy * bx - xy * by) / determinant, (xx * by - xy * bx) / determinant];
        way = [way[0] + step[0], way[1] + step[1]];
        // Beyond the window there is nothing to go by.
        if !(way[0] - start[0]).hypot(way[1] - start[1]).is_finite()
            || (way[0] - start[0]).hypot(way[1] - start[1]) > 2.0 * REACH as f32
        {
            return None;
        }
        if step[0].hypot(step[1]) < SHORT {
            break;
        }
    }
    patch(after, [place[0] + way[0], place[1] + way[1]], REACH, &mut found);
    let unlike = template.iter().zip(&found).map(|(a, b)| (a - b).abs()).sum::<f32>() / PIXELS as f32;
    (unlike < UNLIKE).then_some(way)
}

/// The square of `reach` pixels around a place, between pixels where it must be.
fn patch(grey: &Grey, [x, y]: [f32; 2], reach: usize, out: &mut [f32]) {
    let side = 2 * reach + 1;
    let (left, top) = (x.floor() as i64 - reach as i64, y.floor() as i64 - reach as i64);
    let inside = left >= 0
        && top >= 0
        && left + (side as i64) < grey.width as i64
        && top + (side as i64) < grey.height as i64;
    if !inside {
        for (i, value) in out[..side * side].iter_mut().enumerate() {
            let (column, row) = ((i % side) as f32, (i / side) as f32);
            *value = grey.between(x + column - reach as f32, y + row - reach as f32);
        }
        return;
    }
    // The same fraction for all of them.
    let (dx, dy) = (x - x.floor(), y - y.floor());
    let (a, b) = ((1.0 - dx) * (1.0 - dy), dx * (1.0 - dy));
    let (c, d) = ((1.0 - dx) * dy, dx * dy);
    for (row, line) in out[..side * side].chunks_exact_mut(side).enumerate() {
        let start = (top as usize + row) * grey.width + left as usize;
        let upper = &grey.pixels[start..start + side + 1];
        let lower = &grey.pixels[start + grey.width..start + grey.width + side + 1];
        for (i, value) in line.iter_mut().enumerate() {
            *value = a * f32::from(upper[i])
                + b * f32::from(upper[i + 1])
                + c * f32::from(lower[i])
                + d * f32::from(lower[i + 1]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::corners::corners;
    use super::super::mask::Mask;
    use super::*;

    /// A smooth pattern whose shift by any amount is known exactly.
    fn pattern(dx: f32, dy: f32) -> Grey {
        Grey::new(160, 120, |x, y| {
            let (x, y) = (x as f32 - dx, y as f32 - dy);
            let wave = 40.0 * (x * 0.31 + y * 0.11).sin() + 35.0 * (y * 0.27 - x * 0.07).cos();
            (128.0 + wave + 25.0 * (x * 0.093).sin() * (y * 0.119).sin()).round() as u8
        })
    }

    fn ways(dx: f32, dy: f32) -> Vec<Option<[f32; 2]>> {
        let before = pattern(0.0, 0.0);
        let all = Mask { width: 160, height: 120, bits: vec![1; 160 * 120] };
        let points = corners(&before, &all, 16, 60);
        let away = |p: &&[f32; 2]| p[0] > 25.0 && p[0] < 135.0 && p[1] > 25.0 && p[1] < 95.0;
        let points: Vec<[f32; 2]> = points.iter().filter(away).copied().collect();
        assert!(points.len() >= 15, "{}", points.len());
        follow(&Pyramid::new(before, 3), &Pyramid::new(pattern(dx, dy), 3), &points)
    }

    #[test]
    fn shifts_are_found_to_a_tenth_of_a_pixel() {
        for (dx, dy) in [(0.0, 0.0), (0.3, -0.2), (1.5, 0.75), (-4.2, 3.6), (7.3, -6.1)] {
            let found = ways(dx, dy);
            let good: Vec<[f32; 2]> = found.iter().flatten().copied().collect();
            assert!(good.len() * 10 >= found.len() * 9, "{} of {} for {dx} {dy}", good.len(), found.len());
            for way in good {
                let error = (way[0] - dx).hypot(way[1] - dy);
                assert!(error < 0.1, "{way:?} for {dx} {dy}");
            }
        }
    }

    #[test]
    fn what_is_not_there_is_lost() {
        let before = Pyramid::new(pattern(0.0, 0.0), 3);
        let other =
            Pyramid::new(Grey::new(160, 120, |x, y| if (x / 5 + y / 3) % 2 == 0 { 250 } else { 5 }), 3);
        let found = follow(&before, &other, &[[80.0, 60.0], [50.0, 40.0]]);
        assert_eq!(found, [None, None]);
        let flat = Pyramid::new(Grey::new(160, 120, |_, _| 90), 3);
        assert_eq!(follow(&flat, &flat, &[[80.0, 60.0]]), [None]);
        let tiny = Pyramid::new(Grey::new(3, 2, |x, _| (x * 80) as u8), 3);
        assert_eq!(follow(&tiny, &tiny, &[[1.0, 1.0]]).len(), 1);
    }
}
