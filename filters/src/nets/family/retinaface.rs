//! RetinaFace (Deng and others, 2019), in the form with a MobileNet of a quarter of the channels.
//!
//! The network looks at three grids of cells, 8, 16 and 32 pixels wide, with two anchors (square boxes) per cell. For
//! each anchor it says whether there is a face, how the face's box differs from the anchor, and where five landmarks
//! are: eyes, nose, corners of the mouth, the ones on the left of the picture first.

use anabranch_kit::regions::Region;

use super::super::input::Mapping;
use super::super::{Outputs, Wish, boxes};

/// Cell width, and the anchors' sizes, of each grid.
const GRIDS: [(usize, [f32; 2]); 3] = [(8, [16.0, 32.0]), (16, [64.0, 128.0]), (32, [256.0, 512.0])];
/// Differences are given in tenths of an anchor's size, growth in fifths of an e-fold.
const CENTRE_VARIANCE: f32 = 0.1;
const SIZE_VARIANCE: f32 = 0.2;

/// The outputs, in any order: 4 numbers per anchor for the box, 2 for no face and face, 10 for the landmarks.
pub(super) fn decode(outputs: &Outputs<'_>, at: &Mapping, wish: &Wish) -> Option<Vec<Region>> {
    let grid = |cell: usize| (at.width.div_ceil(cell), at.height.div_ceil(cell));
    let anchors: usize = GRIDS.iter().map(|(cell, sizes)| grid(*cell).0 * grid(*cell).1 * sizes.len()).sum();
    let (deltas, scores, points) =
        (outputs.of_length(4 * anchors)?, outputs.of_length(2 * anchors)?, outputs.of_length(10 * anchors)?);
    let mut faces = Vec::new();
    let mut index = 0;
    for (cell, sizes) in GRIDS {
        let (columns, rows) = grid(cell);
        for row in 0..rows {
            for column in 0..columns {
                let (x, y) = ((column as f32 + 0.5) * cell as f32, (row as f32 + 0.5) * cell as f32);
                for size in sizes {
                    let anchor = index;
                    index += 1;
                    let score = scores[2 * anchor + 1];
                    if score < wish.threshold || score.is_nan() {
                        continue;
                    }
                    let point = |[dx, dy]: [f32; 2]| {
                        let reach = CENTRE_VARIANCE * size;
                        [x + dx * reach, y + dy * reach]
                    };
                    let b = &deltas[4 * anchor..4 * anchor + 4];
                    let [centre_x, centre_y] = point([b[0], b[1]]);
                    let (width, height) =
                        (size * (b[2] * SIZE_VARIANCE).exp(), size * (b[3] * SIZE_VARIANCE).exp());
                    let (left, top) = (centre_x - width / 2.0, centre_y - height / 2.0);
                    let landmarks = points[10 * anchor..10 * anchor + 10].as_chunks::<2>().0;
                    faces.push(Region {
                        label: wish.label(0),
                        score,
                        keypoints: landmarks
                            .iter()
                            .map(|p| point(*p))
                            .map(|[x, y]| [at.x(x), at.y(y)])
                            .collect(),
                        ..super::edges(at, [left, top, left + width, top + height])
                    });
                }
            }
        }
    }
    Some(boxes::best(faces, wish.overlap, wish.most))
}

#[cfg(test)]
mod tests {
    use anabranch_kit::inference::Tensor;

    use super::super::super::boxes::best;
    use super::super::testing::{close, mapping, wish, zeros};
    use super::*;

    /// Outputs for a 64x64 input with nothing found.
    fn silence() -> Vec<Tensor> {
        let anchors = 2 * (8 * 8 + 4 * 4 + 2 * 2);
        [4, 2, 10].map(|n| zeros(&[1, anchors, n])).to_vec()
    }

    #[test]
    fn an_anchor_becomes_a_face() {
        let mut tensors = silence();
        // The second anchor (128 pixels) of the cell in row 1, column 2 of the middle grid.
        let at = 2 * 64 + 2 * (4 + 2) + 1;
        tensors[1].data[2 * at + 1] = 0.9;
        tensors[0].data[4 * at..4 * at + 4].copy_from_slice(&[1.0, -1.0, 5.0 * 0.5f32.ln(), 0.0]);
        tensors[2].data[10 * at] = 2.5;
        let outputs = Outputs { names: &[], tensors: &tensors };
        let faces = decode(&outputs, &mapping(64, 64), &wish(&["face"])).unwrap();
        assert_eq!(faces.len(), 1);
        let (x, y) = faces[0].centre();
        close(x, (40.0 + 12.8) / 64.0);
        close(y, (24.0 - 12.8) / 64.0);
        close(faces[0].width, 1.0);
        close(faces[0].height, 2.0);
        close(faces[0].keypoints[0][0], (40.0 + 32.0) / 64.0);
        assert_eq!((faces[0].keypoints.len(), faces[0].label.as_str()), (5, "face"));
    }

    #[test]
    fn outputs_of_another_network_are_refused() {
        let mut tensors = silence();
        tensors[1].data.pop();
        let outputs = Outputs { names: &[], tensors: &tensors };
        assert!(decode(&outputs, &mapping(64, 64), &wish(&["face"])).is_none());
        assert!(best(Vec::new(), 0.4, 1).is_empty());
    }
}
