//! SSD (Liu and others, 2016): boxes relative to anchors, in the form of TensorFlow's object detection and MediaPipe.

use anabranch_kit::regions::Region;

use super::super::input::Mapping;
use super::super::{Outputs, Wish, boxes};

/// Where the anchors are, and how boxes relate to them.
#[derive(Clone, Debug, PartialEq)]
pub struct Anchors {
    /// The size of each layer's cells, in pixels of the input.
    pub strides: Vec<usize>,
    /// The anchors' size in the first layer, as a part of the input's.
    pub min_scale: f32,
    /// And in the last.
    pub max_scale: f32,
    /// The anchors' widths by their heights.
    pub ratios: Vec<f32>,
    /// Whether each cell has one more, square anchor between its own size and the next layer's.
    pub between: bool,
    /// Whether the first layer has three anchors only: a small square, twice as wide, twice as high.
    pub reduced: bool,
    /// What y, x, height and width are multiplied with.
    pub coder: [f32; 4],
    /// Whether the first class means nothing.
    pub background: bool,
    /// Whether scores are still to be made numbers between 0 and 1.
    pub sigmoid: bool,
}

impl Default for Anchors {
    fn default() -> Self {
        Anchors {
            strides: vec![16, 32, 64, 128, 256, 512],
            min_scale: 0.2,
            max_scale: 0.95,
            ratios: vec![1.0, 2.0, 0.5, 3.0, 1.0 / 3.0],
            between: true,
            reduced: true,
            coder: [10.0, 10.0, 5.0, 5.0],
            background: true,
            sigmoid: true,
        }
    }
}

impl Anchors {
    /// Centre, width and height of each anchor, relative to the input.
    fn all(&self, at: &Mapping) -> Vec<[f32; 4]> {
        let layers = self.strides.len();
        let scale = |layer: usize| match layers {
            0 | 1 => (self.min_scale + self.max_scale) / 2.0,
            _ if layer >= layers => 1.0,
            _ => self.min_scale + (self.max_scale - self.min_scale) * layer as f32 / (layers - 1) as f32,
        };
        let mut all = Vec::new();
        for (layer, stride) in self.strides.iter().enumerate() {
            let size = scale(layer);
            // Sizes and ratios of the anchors of a cell.
            let mut kinds: Vec<(f32, f32)> = Vec::new();
            if self.reduced && layer == 0 {
                kinds.extend([(0.1, 1.0), (size, 2.0), (size, 0.5)]);
            } else {
                kinds.extend(self.ratios.iter().map(|ratio| (size, *ratio)));
                if self.between {
                    kinds.push(((size * scale(layer + 1)).sqrt(), 1.0));
                }
            }
            let stride = (*stride).max(1);
            let (columns, rows) = (at.width.div_ceil(stride), at.height.div_ceil(stride));
            for row in 0..rows {
                for column in 0..columns {
                    let (x, y) = ((column as f32 + 0.5) / columns as f32, (row as f32 + 0.5) / rows as f32);
                    all.extend(kinds.iter().map(|(size, r)| [x, y, size * r.sqrt(), size / r.sqrt()]));
                }
            }
        }
        all
    }

    /// The outputs: 4 numbers of the box (y, x, height, width) and the scores of the classes, for each anchor.
    pub(super) fn decode(&self, outputs: &Outputs<'_>, wish: &Wish, at: &Mapping) -> Option<Vec<Region>> {
        let anchors = self.all(at);
        if anchors.is_empty() {
            return None;
        }
        let deltas = outputs.of_length(4 * anchors.len())?;
        let scores = outputs.tensors.iter().find(|t| {
            t.data.as_ptr() != deltas.as_ptr() && !t.data.is_empty() && t.data.len() % anchors.len() == 0
        })?;
        let classes = scores.data.len() / anchors.len();
        let first = usize::from(self.background && classes > 1);
        let value = |raw: f32| if self.sigmoid { boxes::sigmoid(raw) } else { raw };
        let mut found = Vec::new();
        for ((anchor, b), scores) in
            anchors.iter().zip(deltas.as_chunks::<4>().0).zip(scores.data.chunks_exact(classes))
        {
            let Some((class, raw)) = boxes::greatest(scores[first..].iter().copied()) else { continue };
            let score = value(raw);
            if score < wish.threshold {
                continue;
            }
            let [x, y, width, height] = anchor;
            let centre_y = y + b[0] / self.coder[0] * height;
            let centre_x = x + b[1] / self.coder[1] * width;
            let half_height = (b[2] / self.coder[2]).exp() * height / 2.0;
            let half_width = (b[3] / self.coder[3]).exp() * width / 2.0;
            let (wide, high) = (at.width as f32, at.height as f32);
            let sides = [
                (centre_x - half_width) * wide,
                (centre_y - half_height) * high,
                (centre_x + half_width) * wide,
                (centre_y + half_height) * high,
            ];
            found.push(Region { label: wish.label(class + first), score, ..super::edges(at, sides) });
        }
        Some(boxes::best(found, wish.overlap, wish.most))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{close, mapping, wish, zeros};
    use super::*;

    #[test]
    fn the_anchors_are_those_of_the_usual_network() {
        let all = Anchors::default().all(&mapping(300, 300));
        assert_eq!(all.len(), 1917);
        close(all[0][2], 0.1);
        close(all[1][2], 0.2 * 2f32.sqrt());
        // The second layer's first cell: its last anchor is between 0.35 and 0.5.
        let second = 3 * 19 * 19;
        close(all[second][2], 0.35);
        close(all[second + 5][3], (0.35f32 * 0.5).sqrt());
        close(all[1916][2], (0.95f32).sqrt());
    }

    #[test]
    fn an_anchor_becomes_a_thing() {
        let mut tensors = vec![zeros(&[1, 1917, 4]), zeros(&[1, 1917, 3])];
        tensors[1].data.fill(-9.0);
        let at = 1916;
        tensors[1].data[3 * at + 2] = 3.0;
        tensors[1].data[3 * at] = 5.0;
        tensors[0].data[4 * at..4 * at + 4].copy_from_slice(&[1.0, 0.0, 5.0 * 0.5f32.ln(), 0.0]);
        let outputs = Outputs { names: &[], tensors: &tensors };
        let found =
            Anchors::default().decode(&outputs, &wish(&["nothing", "bicycle", "person"]), &mapping(300, 300));
        let found = found.unwrap();
        assert_eq!((found.len(), found[0].label.as_str()), (1, "person"));
        let size = 0.95f32.sqrt();
        close(found[0].height, size / 2.0);
        close(found[0].width, size);
        close(found[0].centre().1, 0.5 + 0.1 * size);
        close(found[0].score, 0.952_574);
    }
}
