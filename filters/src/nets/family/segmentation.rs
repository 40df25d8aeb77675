//! Networks that give each pixel a class.

use anabranch_kit::inference::Tensor;
use anabranch_kit::regions::Region;

use super::super::input::Mapping;
use super::super::{Outputs, Wish, boxes};

/// What the maps are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Classes {
    /// Whether the first class means nothing.
    pub background: bool,
}

/// The maps of an output of the shape 1, classes, rows, columns: classes, columns, rows.
pub fn maps(output: &Tensor) -> Option<(usize, usize, usize)> {
    let [1, classes, rows, columns] = output.shape[..] else { return None };
    (classes * rows * columns == output.data.len() && !output.data.is_empty())
        .then_some((classes, columns, rows))
}

impl Classes {
    /// Each class that there is: the box around its pixels, the mean score there, and its part of the picture as the
    /// attribute `share`. With one class a pixel belongs to it from the threshold on, with more to the greatest.
    pub(super) fn decode(&self, outputs: &Outputs<'_>, at: &Mapping, wish: &Wish) -> Option<Vec<Region>> {
        let output = outputs.tensors.first()?;
        let (classes, columns, rows) = maps(output)?;
        let pixels = columns * rows;
        let mut areas = vec![Area { left: columns, top: rows, ..Area::default() }; classes];
        for pixel in 0..pixels {
            let Some((class, score)) = boxes::greatest((0..classes).map(|c| output.data[c * pixels + pixel]))
            else {
                continue;
            };
            if (classes == 1 && score < wish.threshold) || (self.background && classes > 1 && class == 0) {
                continue;
            }
            areas[class].add(pixel % columns, pixel / columns, score);
        }
        let (across, down) = (at.width as f32 / columns as f32, at.height as f32 / rows as f32);
        let mut found = Vec::new();
        for (class, area) in areas.iter().enumerate().filter(|(_, area)| area.pixels > 0) {
            let sides = [
                area.left as f32 * across,
                area.top as f32 * down,
                (area.right + 1) as f32 * across,
                (area.bottom + 1) as f32 * down,
            ];
            let score = (area.sum / area.pixels as f32).clamp(0.0, 1.0);
            let mut region = Region { label: wish.label(class), score, ..super::edges(at, sides) };
            let share = area.pixels as f64 / pixels as f64;
            region.attributes.insert("share".into(), share.into());
            found.push((area.pixels, region));
        }
        found.sort_by_key(|(pixels, _)| std::cmp::Reverse(*pixels));
        found.truncate(wish.most);
        Some(found.into_iter().map(|(_, region)| region).collect())
    }
}

#[derive(Clone, Debug, Default)]
struct Area {
    left: usize,
    top: usize,
    right: usize,
    bottom: usize,
    pixels: usize,
    sum: f32,
}

impl Area {
    fn add(&mut self, x: usize, y: usize, score: f32) {
        self.left = self.left.min(x);
        self.right = self.right.max(x);
        self.top = self.top.min(y);
        self.bottom = self.bottom.max(y);
        self.pixels += 1;
        self.sum += score;
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{close, mapping, wish, zeros};
    use super::*;

    #[test]
    fn classes_have_boxes_and_shares() {
        let mut output = zeros(&[1, 2, 4, 8]);
        output.data[..32].fill(0.4);
        for y in 1..3 {
            output.data[32 + y * 8 + 2..32 + y * 8 + 6].fill(0.8);
        }
        let tensors = [output];
        let outputs = Outputs { names: &[], tensors: &tensors };
        let classes = Classes { background: true };
        let found = classes.decode(&outputs, &mapping(64, 32), &wish(&["street", "car"])).unwrap();
        assert_eq!((found.len(), found[0].label.as_str()), (1, "car"));
        close(found[0].x, 0.25);
        close(found[0].height, 0.5);
        close(found[0].score, 0.8);
        assert_eq!(found[0].attributes["share"], 0.25);
        let both = Classes::default().decode(&outputs, &mapping(64, 32), &wish(&[])).unwrap();
        assert_eq!((both.len(), both[0].label.as_str()), (2, "class-0"));
    }
}
