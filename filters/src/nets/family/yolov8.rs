//! Networks that give finished boxes in pixels, one column for each: centre, width, height, and a score for each class.
//! Many recent detectors export this form.

use anabranch_kit::regions::Region;

use super::super::input::Mapping;
use super::super::{Outputs, Wish, boxes};

/// The output has the shape 1, 4 + classes, boxes; or 1, boxes, 4 + classes. With labels in the spec the side that they
/// fit is taken, otherwise the shorter one.
pub(super) fn decode(outputs: &Outputs<'_>, at: &Mapping, wish: &Wish) -> Option<Vec<Region>> {
    let output = outputs.tensors.first()?;
    let [1, rows, columns] = output.shape[..] else { return None };
    let numbers = 4 + wish.labels.len();
    let turned = match (wish.labels.is_empty(), rows == numbers, columns == numbers) {
        (false, true, _) => false,
        (false, false, true) => true,
        (false, false, false) => return None,
        (true, ..) => columns < rows,
    };
    let (numbers, count) = if turned { (columns, rows) } else { (rows, columns) };
    if numbers < 5 {
        return None;
    }
    let value = |number: usize, of: usize| {
        output.data[if turned { of * numbers + number } else { number * count + of }]
    };
    let mut found = Vec::new();
    for of in 0..count {
        let Some((class, score)) = boxes::greatest((4..numbers).map(|n| value(n, of))) else { continue };
        if score < wish.threshold {
            continue;
        }
        let [x, y, width, height] = [0, 1, 2, 3].map(|n| value(n, of));
        let sides = [x - width / 2.0, y - height / 2.0, x + width / 2.0, y + height / 2.0];
        found.push(Region { label: wish.label(class), score, ..super::edges(at, sides) });
    }
    Some(boxes::best(found, wish.overlap, wish.most))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{close, mapping, tensor, wish};
    use super::*;

    #[test]
    fn columns_and_rows_become_things() {
        // Three boxes of which the second counts; two classes.
        let columns = [
            [0.0, 32.0, 0.0],
            [0.0, 16.0, 0.0],
            [0.0, 16.0, 0.0],
            [0.0, 8.0, 0.0],
            [0.1, 0.2, 0.3],
            [0.1, 0.9, 0.3],
        ];
        let forward = tensor(&[1, 6, 3], columns.concat());
        let turned: Vec<f32> = (0..3).flat_map(|of| (0..6).map(move |n| columns[n][of])).collect();
        for output in [forward, tensor(&[1, 3, 6], turned)] {
            let tensors = [output];
            let outputs = Outputs { names: &[], tensors: &tensors };
            let found = decode(&outputs, &mapping(64, 32), &wish(&["a", "b"])).unwrap();
            assert_eq!((found.len(), found[0].label.as_str()), (1, "b"));
            close(found[0].x, 24.0 / 64.0);
            close(found[0].height, 8.0 / 32.0);
            assert!(decode(&outputs, &mapping(64, 32), &wish(&["a"])).is_none());
        }
    }
}
