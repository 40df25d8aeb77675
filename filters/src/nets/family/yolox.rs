//! YOLOX (Ge and others, 2021): one box for each cell, with objectness.

use anabranch_kit::regions::Region;

use super::super::input::Mapping;
use super::super::{Outputs, Wish, boxes};

/// The cells.
#[derive(Clone, Debug, PartialEq)]
pub struct Cells {
    /// Their sizes, in pixels of the input.
    pub strides: Vec<usize>,
}

impl Default for Cells {
    fn default() -> Self {
        Cells { strides: vec![8, 16, 32] }
    }
}

impl Cells {
    /// The output: for each cell the centre relative to it, in cells, the logarithms of width and height in cells, the
    /// objectness, and the scores of the classes.
    pub(super) fn decode(&self, outputs: &Outputs<'_>, at: &Mapping, wish: &Wish) -> Option<Vec<Region>> {
        let cells = super::cells(at, &self.strides);
        let output = outputs.tensors.first()?;
        let numbers = output.data.len() / cells.len().max(1);
        if numbers < 6 || numbers * cells.len() != output.data.len() {
            return None;
        }
        let mut found = Vec::new();
        for ((size, column, row), b) in cells.into_iter().zip(output.data.chunks_exact(numbers)) {
            let Some((class, part)) = boxes::greatest(b[5..].iter().copied()) else { continue };
            let score = b[4] * part;
            if score < wish.threshold || score.is_nan() {
                continue;
            }
            let (x, y) = ((column + b[0]) * size, (row + b[1]) * size);
            let (width, height) = (b[2].exp() * size / 2.0, b[3].exp() * size / 2.0);
            let sides = [x - width, y - height, x + width, y + height];
            found.push(Region { label: wish.label(class), score, ..super::edges(at, sides) });
        }
        Some(boxes::best(found, wish.overlap, wish.most))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{close, mapping, wish, zeros};
    use super::*;

    #[test]
    fn a_cell_becomes_a_thing() {
        let mut output = zeros(&[1, 64 + 16 + 4, 7]);
        let cell = 64 + 4 + 2;
        let numbers = [0.5, 0.5, 2f32.ln(), 0.0, 0.9, 0.1, 0.8];
        output.data[7 * cell..7 * cell + 7].copy_from_slice(&numbers);
        let tensors = [output];
        let outputs = Outputs { names: &[], tensors: &tensors };
        let found = Cells::default().decode(&outputs, &mapping(64, 64), &wish(&["a", "b"])).unwrap();
        assert_eq!((found.len(), found[0].label.as_str()), (1, "b"));
        close(found[0].score, 0.72);
        close(found[0].x, (40.0 - 16.0) / 64.0);
        close(found[0].height, 16.0 / 64.0);
        assert!(Cells::default().decode(&outputs, &mapping(64, 96), &wish(&[])).is_none());
    }
}
