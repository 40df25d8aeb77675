//! CenterFace (Xu and others, 2019): maps of a quarter of the input's size say where faces have their centres, how large
//! they are, and where five landmarks are.

use anabranch_kit::regions::Region;

use super::super::input::Mapping;
use super::super::{Outputs, Wish, boxes};

/// Pixels of the input for one of a map.
const CELL: usize = 4;

/// The outputs, in order: scores (1 map), height and width (2, as logarithms of cells), how much the centre is lower and
/// further right than the cell (2), landmarks (10: y and x in turn, relative to the box).
pub(super) fn decode(outputs: &Outputs<'_>, at: &Mapping, wish: &Wish) -> Option<Vec<Region>> {
    let (columns, rows) = (at.width / CELL, at.height / CELL);
    let cells = columns * rows;
    let scores = outputs.of_length(cells)?;
    let points = outputs.of_length(10 * cells)?;
    let [sizes, offsets] =
        outputs.tensors.iter().filter(|t| t.data.len() == 2 * cells).collect::<Vec<_>>()[..]
    else {
        return None;
    };
    let mut faces = Vec::new();
    for (cell, score) in scores.iter().enumerate() {
        if *score < wish.threshold || score.is_nan() {
            continue;
        }
        let of = |map: &[f32], number: usize| map[number * cells + cell];
        let (height, width) =
            (of(&sizes.data, 0).exp() * CELL as f32, of(&sizes.data, 1).exp() * CELL as f32);
        let place = |index: usize, offset: f32| (index as f32 + offset + 0.5) * CELL as f32;
        let left = place(cell % columns, of(&offsets.data, 1)) - width / 2.0;
        let top = place(cell / columns, of(&offsets.data, 0)) - height / 2.0;
        let keypoints = (0..5)
            .map(|n| [at.x(left + of(points, 2 * n + 1) * width), at.y(top + of(points, 2 * n) * height)]);
        faces.push(Region {
            label: wish.label(0),
            score: *score,
            keypoints: keypoints.collect(),
            ..super::edges(at, [left, top, left + width, top + height])
        });
    }
    Some(boxes::best(faces, wish.overlap, wish.most))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{close, mapping, wish, zeros};
    use super::*;

    #[test]
    fn a_centre_becomes_a_face() {
        let mut tensors = [1, 2, 2, 10].map(|n| zeros(&[1, n, 8, 16])).to_vec();
        let cell = 3 * 16 + 5;
        tensors[0].data[cell] = 0.8;
        tensors[1].data[cell] = 4f32.ln();
        tensors[1].data[128 + cell] = 2f32.ln();
        tensors[2].data[128 + cell] = 0.5;
        tensors[3].data[128 + cell] = 0.25;
        let outputs = Outputs { names: &[], tensors: &tensors };
        let faces = decode(&outputs, &mapping(64, 32), &wish(&["face"])).unwrap();
        assert_eq!(faces.len(), 1);
        close(faces[0].x, (24.0 - 4.0) / 64.0);
        close(faces[0].y, (14.0 - 8.0) / 32.0);
        close(faces[0].width, 8.0 / 64.0);
        close(faces[0].height, 16.0 / 32.0);
        close(faces[0].keypoints[0][0], 22.0 / 64.0);
        assert!(decode(&outputs, &mapping(64, 64), &wish(&["face"])).is_none());
    }
}
