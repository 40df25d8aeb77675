//! Places in a picture that can be found again: where brightness changes in two directions.
//!
//! J. Shi and C. Tomasi, "Good features to track", 1994: the lesser eigenvalue of the gradients' matrix. The picture is
//! divided into cells and the best place of each is taken, so that no part of a crowd has all of them.

use super::grey::Grey;
use super::mask::Mask;

/// Half the side of the window whose gradients count.
const REACH: usize = 2;
/// Places closer to the edge are not taken.
const MARGIN: usize = REACH + 2;
/// The least eigenvalue for a place to be taken, per pixel of the window, in squared grey levels. Noise stays below.
const LEAST: f32 = 12.0;

/// The best place of each cell of `cell` pixels within a mask, at most `most` of them, the best first. Coordinates are of pixel
/// centres.
pub fn corners(grey: &Grey, within: &Mask, cell: usize, most: usize) -> Vec<[f32; 2]> {
    let cell = cell.max(2);
    if grey.width <= 2 * MARGIN || grey.height <= 2 * MARGIN {
        return Vec::new();
    }
    let mut found: Vec<(f32, [f32; 2])> = Vec::new();
    for top in (MARGIN..grey.height - MARGIN).step_by(cell) {
        for left in (MARGIN..grey.width - MARGIN).step_by(cell) {
            let mut best = (LEAST, [0.0; 2]);
            for y in (top..(top + cell).min(grey.height - MARGIN)).step_by(2) {
                for x in (left..(left + cell).min(grey.width - MARGIN)).step_by(2) {
                    if within.bits[y * grey.width + x] == 0 {
                        continue;
                    }
                    let quality = quality(grey, x, y);
                    if quality > best.0 {
                        best = (quality, [x as f32, y as f32]);
                    }
                }
            }
            if best.0 > LEAST {
                found.push(best);
            }
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found.truncate(most);
    found.into_iter().map(|(_, point)| point).collect()
}

/// The lesser eigenvalue around a pixel, per pixel of the window.
fn quality(grey: &Grey, x: usize, y: usize) -> f32 {
    let (mut xx, mut xy, mut yy) = (0i32, 0i32, 0i32);
    for row in y - REACH..=y + REACH {
        let at = row * grey.width + x - REACH;
        let around = |offset: usize| &grey.pixels[offset..offset + 2 * REACH + 1];
        let sides = around(at - 1).iter().zip(around(at + 1));
        let ends = around(at - grey.width).iter().zip(around(at + grey.width));
        for ((left, right), (above, below)) in sides.zip(ends) {
            let dx = i32::from(*right) - i32::from(*left);
            let dy = i32::from(*below) - i32::from(*above);
            xx += dx * dx;
            xy += dx * dy;
            yy += dy * dy;
        }
    }
    // Differences are over two pixels: a quarter of the squares.
    let scale = 0.25 / ((2 * REACH + 1) * (2 * REACH + 1)) as f32;
    let (xx, xy, yy) = (xx as f32 * scale, xy as f32 * scale, yy as f32 * scale);
    let half = (xx + yy) / 2.0;
    half - ((xx - yy) * (xx - yy) / 4.0 + xy * xy).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_are_found_and_edges_and_noise_are_not() {
        let square =
            Grey::new(64, 48, |x, y| if (20..40).contains(&x) && (12..30).contains(&y) { 200 } else { 60 });
        let all = Mask { width: 64, height: 48, bits: vec![1; 64 * 48] };
        let found = corners(&square, &all, 8, 100);
        for corner in [[20.0, 12.0], [40.0, 12.0], [20.0, 30.0], [40.0, 30.0f32]] {
            let near = found.iter().any(|p| (p[0] - corner[0]).hypot(p[1] - corner[1]) < 4.0);
            assert!(near, "{corner:?} in {found:?}");
        }
        assert!(found.iter().all(|p| (p[0] - 30.0).abs() > 6.0), "no points along the edges: {found:?}");
        let flat = Grey::new(64, 48, |x, y| 100 + ((x * 7 + y * 13) % 5) as u8);
        assert!(corners(&flat, &all, 8, 100).is_empty());
    }

    #[test]
    fn only_within_the_mask_and_not_more_than_wanted() {
        let chess = Grey::new(80, 60, |x, y| if (x / 6 + y / 6) % 2 == 0 { 30 } else { 220 });
        let left = Mask { width: 80, height: 60, bits: (0..4800).map(|i| u8::from(i % 80 < 40)).collect() };
        let found = corners(&chess, &left, 10, 1000);
        assert!(found.len() > 12 && found.iter().all(|p| p[0] < 40.0));
        assert_eq!(corners(&chess, &left, 10, 5).len(), 5);
        assert!(corners(&Grey::new(5, 5, |_, _| 0), &Mask::empty(5, 5), 4, 9).is_empty());
    }
}
