//! YuNet (Wu and others, 2023): faces with five landmarks from cells of 8, 16 and 32 pixels.

use anabranch_kit::regions::Region;

use super::super::input::Mapping;
use super::super::{Outputs, Wish, boxes};

const STRIDES: [usize; 3] = [8, 16, 32];

/// The outputs: `cls_8`, `cls_16`, `cls_32`, then `obj_`, `bbox_` and `kps_` of the same cells.
pub(super) fn decode(outputs: &Outputs<'_>, at: &Mapping, wish: &Wish) -> Option<Vec<Region>> {
    let mut faces = Vec::new();
    for (level, stride) in STRIDES.into_iter().enumerate() {
        let (columns, rows) = (at.width.div_ceil(stride), at.height.div_ceil(stride));
        let cells = columns * rows;
        let output = |kind: &str, group: usize, numbers: usize| {
            let tensor = outputs.named(&format!("{kind}_{stride}"), 3 * group + level)?;
            (tensor.data.len() == numbers * cells).then_some(tensor.data.as_slice())
        };
        let (classes, objects) = (output("cls", 0, 1)?, output("obj", 1, 1)?);
        let (deltas, points) = (output("bbox", 2, 4)?, output("kps", 3, 10)?);
        let size = stride as f32;
        for cell in 0..cells {
            let score = (classes[cell].clamp(0.0, 1.0) * objects[cell].clamp(0.0, 1.0)).sqrt();
            if score < wish.threshold || score.is_nan() {
                continue;
            }
            let (column, row) = ((cell % columns) as f32, (cell / columns) as f32);
            let place = |[x, y]: [f32; 2]| [(column + x) * size, (row + y) * size];
            let b = &deltas[4 * cell..4 * cell + 4];
            let [x, y] = place([b[0], b[1]]);
            let (width, height) = (b[2].exp() * size, b[3].exp() * size);
            let landmarks = points[10 * cell..10 * cell + 10].as_chunks::<2>().0;
            faces.push(Region {
                label: wish.label(0),
                score,
                keypoints: landmarks.iter().map(|p| place(*p)).map(|[x, y]| [at.x(x), at.y(y)]).collect(),
                ..super::edges(at, [x - width / 2.0, y - height / 2.0, x + width / 2.0, y + height / 2.0])
            });
        }
    }
    Some(boxes::best(faces, wish.overlap, wish.most))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{close, mapping, wish, zeros};
    use super::*;

    #[test]
    fn a_cell_becomes_a_face() {
        let mut tensors = Vec::new();
        for numbers in [1, 1, 4, 10] {
            tensors.extend([8, 4, 2].map(|side| zeros(&[1, side * side, numbers])));
        }
        // Row 1, column 2 of the cells of 16 pixels.
        let cell = 4 + 2;
        tensors[1].data[cell] = 0.81;
        tensors[4].data[cell] = 1.0;
        tensors[7].data[4 * cell..4 * cell + 4].copy_from_slice(&[0.5, 0.25, 2f32.ln(), 0.0]);
        tensors[10].data[10 * cell + 1] = 1.0;
        let outputs = Outputs { names: &[], tensors: &tensors };
        let faces = decode(&outputs, &mapping(64, 64), &wish(&["face"])).unwrap();
        assert_eq!(faces.len(), 1);
        close(faces[0].score, 0.9);
        close(faces[0].x, (40.0 - 16.0) / 64.0);
        close(faces[0].y, (20.0 - 8.0) / 64.0);
        close(faces[0].width, 0.5);
        assert_eq!(faces[0].keypoints[0], [0.5, 0.5]);
    }
}
