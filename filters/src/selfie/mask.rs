//! Where people are, as the network says, made steady.

use anabranch_kit::inference::Tensor;

use crate::nets::family::segmentation::maps;

/// How much surer than the middle of the edge the network must be of a whole person.
const SOFTNESS: f32 = 0.25;

/// How much of each of the network's pixels is a person, 0 to 1.
#[derive(Clone, Debug, Default)]
pub struct Mask {
    columns: usize,
    rows: usize,
    shares: Vec<f32>,
}

impl Mask {
    /// Takes over an output of the network; `keep` is the part of the last one that stays. `false` if it is none.
    pub fn take(&mut self, output: &Tensor, middle: f32, keep: f32) -> bool {
        let Some((1, columns, rows)) = maps(output) else { return false };
        if (self.columns, self.rows) != (columns, rows) {
            *self = Mask { columns, rows, shares: Vec::new() };
        }
        let fresh = output.data.iter().map(|score| share(*score, middle));
        if self.shares.len() == output.data.len() && keep > 0.0 {
            for (share, fresh) in self.shares.iter_mut().zip(fresh) {
                *share = fresh + (*share - fresh) * keep;
            }
        } else {
            self.shares = fresh.collect();
        }
        true
    }

    /// The mask in another size, row by row.
    pub fn scaled(&self, width: usize, height: usize) -> Vec<f32> {
        let mut scaled = Vec::with_capacity(width * height);
        if self.shares.is_empty() {
            scaled.resize(width * height, 0.0);
            return scaled;
        }
        let places = |from: usize, to: usize| {
            (0..to).map(move |at| {
                let place = ((at as f32 + 0.5) * from as f32 / to as f32 - 0.5).clamp(0.0, (from - 1) as f32);
                (place as usize, (place as usize + 1).min(from - 1), place.fract())
            })
        };
        let columns: Vec<_> = places(self.columns, width).collect();
        let mut line = vec![0.0; self.columns];
        for (above, below, part) in places(self.rows, height) {
            let row = |at: usize| &self.shares[at * self.columns..][..self.columns];
            for ((value, a), b) in line.iter_mut().zip(row(above)).zip(row(below)) {
                *value = a + (b - a) * part;
            }
            scaled.extend(
                columns.iter().map(|(left, right, part)| line[*left] + (line[*right] - line[*left]) * part),
            );
        }
        scaled
    }
}

/// A soft edge around the middle.
fn share(score: f32, middle: f32) -> f32 {
    let place = ((score - middle) / (2.0 * SOFTNESS) + 0.5).clamp(0.0, 1.0);
    place * place * (3.0 - 2.0 * place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_soft_steady_and_scales() {
        let output = |score: f32| Tensor { shape: vec![1, 1, 2, 4], data: [0.0, 0.0, score, 1.0].repeat(2) };
        let mut mask = Mask::default();
        assert_eq!(mask.scaled(2, 1), [0.0, 0.0], "nothing is known yet");
        assert!(mask.take(&output(0.5), 0.5, 0.9));
        let large = mask.scaled(8, 4);
        assert_eq!((large.len(), large[0], large[7]), (32, 0.0, 1.0));
        assert!((mask.scaled(4, 2)[2] - 0.5).abs() < 1e-6);
        mask.take(&output(0.0), 0.5, 0.5);
        assert!((mask.scaled(4, 2)[2] - 0.25).abs() < 1e-6);
        assert!(!mask.take(&Tensor { shape: vec![1, 2, 1, 1], data: vec![0.0; 2] }, 0.5, 0.0));
    }
}
