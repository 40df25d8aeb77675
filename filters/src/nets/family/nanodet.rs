//! NanoDet (RangiLyu, 2020): the distances from a cell to a box's sides are distributions (generalised focal loss).

use anabranch_kit::regions::Region;

use super::super::input::Mapping;
use super::super::{Outputs, Wish, boxes};

/// The cells and distributions.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    /// The sizes of the cells, in pixels of the input.
    pub strides: Vec<usize>,
    /// How many values each distance is spread over.
    pub bins: usize,
    /// Where in its cell a point is: 0 (NanoDet-Plus) or 0.5.
    pub offset: f32,
    /// Whether scores are still to be made numbers between 0 and 1.
    pub sigmoid: bool,
}

impl Default for Distribution {
    fn default() -> Self {
        Distribution { strides: vec![8, 16, 32, 64], bins: 8, offset: 0.0, sigmoid: false }
    }
}

impl Distribution {
    /// One output with scores and distributions (left, top, right, bottom) of each cell; or for each size of cells one
    /// with scores and one with distributions.
    pub(super) fn decode(&self, outputs: &Outputs<'_>, at: &Mapping, wish: &Wish) -> Option<Vec<Region>> {
        let sides = 4 * self.bins;
        let cells = super::cells(at, &self.strides);
        let mut found = Vec::new();
        if let [output] = outputs.tensors {
            let numbers = output.data.len() / cells.len().max(1);
            if numbers <= sides || numbers * cells.len() != output.data.len() {
                return None;
            }
            for (cell, row) in cells.iter().zip(output.data.chunks_exact(numbers)) {
                let (scores, spread) = row.split_at(numbers - sides);
                found.extend(self.region(*cell, scores, spread, at, wish));
            }
            return Some(boxes::best(found, wish.overlap, wish.most));
        }
        for stride in &self.strides {
            let level = super::cells(at, &[*stride]);
            let spread = outputs.of_length(sides * level.len())?;
            let scores = outputs.tensors.iter().map(|t| t.data.as_slice()).find(|data| {
                data.as_ptr() != spread.as_ptr()
                    && data.len() % level.len() == 0
                    && match wish.labels.len() {
                        0 => data.len() / level.len() < 1000,
                        labels => data.len() / level.len() == labels,
                    }
            })?;
            let classes = scores.len() / level.len();
            for (n, cell) in level.into_iter().enumerate() {
                let (scores, spread) = (&scores[n * classes..][..classes], &spread[n * sides..][..sides]);
                found.extend(self.region(cell, scores, spread, at, wish));
            }
        }
        Some(boxes::best(found, wish.overlap, wish.most))
    }

    fn region(
        &self,
        (size, column, row): (f32, f32, f32),
        scores: &[f32],
        spread: &[f32],
        at: &Mapping,
        wish: &Wish,
    ) -> Option<Region> {
        let (class, raw) = boxes::greatest(scores.iter().copied())?;
        let score = if self.sigmoid { boxes::sigmoid(raw) } else { raw };
        if score < wish.threshold {
            return None;
        }
        let distance = |side: usize| -> f32 {
            let parts = boxes::softmax(&spread[side * self.bins..][..self.bins]);
            parts.iter().enumerate().map(|(n, p)| n as f32 * p).sum::<f32>() * size
        };
        let (x, y) = ((column + self.offset) * size, (row + self.offset) * size);
        let sides = [x - distance(0), y - distance(1), x + distance(2), y + distance(3)];
        Some(Region { label: wish.label(class), score, ..super::edges(at, sides) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{close, mapping, tensor, wish, zeros};
    use super::*;

    fn check(found: &[Region]) {
        assert_eq!((found.len(), found[0].label.as_str()), (1, "b"));
        // The cell in row 1, column 2 of those of 16 pixels; distances 1, 0, 2, 1 cells.
        close(found[0].x, 16.0 / 64.0);
        close(found[0].y, 16.0 / 64.0);
        close(found[0].width, 48.0 / 64.0);
        close(found[0].height, 16.0 / 64.0);
    }

    #[test]
    fn distributions_become_boxes() {
        let shape = Distribution { strides: vec![16, 32], bins: 3, ..Distribution::default() };
        let mut spread = vec![0.0; 12];
        for (side, bin) in [1, 0, 2, 1].into_iter().enumerate() {
            spread[3 * side + bin] = 60.0;
        }
        let row: Vec<f32> = [0.1, 0.9].into_iter().chain(spread.clone()).collect();
        let cell = 4 + 2;
        let mut whole = zeros(&[1, 20, 14]);
        whole.data[14 * cell..14 * cell + 14].copy_from_slice(&row);
        let tensors = [whole];
        let outputs = Outputs { names: &[], tensors: &tensors };
        check(&shape.decode(&outputs, &mapping(64, 64), &wish(&["a", "b"])).unwrap());
        let mut tensors =
            vec![zeros(&[1, 16, 2]), zeros(&[1, 4, 2]), zeros(&[1, 16, 12]), zeros(&[1, 4, 12])];
        tensors[0].data[2 * cell..2 * cell + 2].copy_from_slice(&row[..2]);
        tensors[2].data[12 * cell..12 * cell + 12].copy_from_slice(&spread);
        let outputs = Outputs { names: &[], tensors: &tensors };
        check(&shape.decode(&outputs, &mapping(64, 64), &wish(&["a", "b"])).unwrap());
        let tensors = [tensor(&[1], vec![0.0])];
        let outputs = Outputs { names: &[], tensors: &tensors };
        assert!(shape.decode(&outputs, &mapping(64, 64), &wish(&[])).is_none());
    }
}
