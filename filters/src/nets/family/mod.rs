//! The families of networks: what their outputs mean.

pub mod centerface;
pub mod classifier;
pub mod ctc_ocr;
pub mod heatmap;
pub mod nanodet;
pub mod retinaface;
pub mod segmentation;
pub mod ssd_anchors;
pub mod yolov8;
pub mod yolox;
pub mod yunet;

use anabranch_kit::regions::Region;

use super::input::Mapping;
use super::{Outputs, Wish};

/// A family, with what differs between its members.
#[derive(Clone, Debug, PartialEq)]
pub enum Family {
    /// Faces with landmarks from anchors at three sizes of cells.
    Retinaface,
    /// Faces with landmarks from their centres.
    Centerface,
    /// Faces with landmarks from cells of three sizes.
    Yunet,
    /// Boxes relative to anchors.
    SsdAnchors(ssd_anchors::Anchors),
    /// Boxes relative to cells, with objectness.
    Yolox(yolox::Cells),
    /// Boxes in pixels, one column each.
    Yolov8,
    /// Boxes whose sides are distributions.
    Nanodet(nanodet::Distribution),
    /// Maps of how likely something is where.
    Heatmap(heatmap::Reading),
    /// One score for each class.
    Classifier(classifier::Scores),
    /// A class for each pixel.
    Segmentation(segmentation::Classes),
    /// A character for each column of a line of text.
    CtcOcr(ctc_ocr::Alphabet),
}

impl Family {
    /// What is found in the picture, best first.
    ///
    /// # Errors
    ///
    /// A sentence: what the family's outputs look like, and which ones came.
    pub fn decode(&self, outputs: &Outputs<'_>, at: &Mapping, wish: &Wish) -> Result<Vec<Region>, String> {
        let found = match self {
            Family::Retinaface => retinaface::decode(outputs, at, wish),
            Family::Centerface => centerface::decode(outputs, at, wish),
            Family::Yunet => yunet::decode(outputs, at, wish),
            Family::SsdAnchors(anchors) => anchors.decode(outputs, wish, at),
            Family::Yolox(cells) => cells.decode(outputs, at, wish),
            Family::Yolov8 => yolov8::decode(outputs, at, wish),
            Family::Nanodet(distribution) => distribution.decode(outputs, at, wish),
            Family::Heatmap(reading) => reading.decode(outputs, at, wish),
            Family::Classifier(scores) => scores.decode(outputs, wish),
            Family::Segmentation(classes) => classes.decode(outputs, at, wish),
            Family::CtcOcr(alphabet) => alphabet.decode(outputs, wish),
        };
        found.ok_or_else(|| {
            format!(
                "a network of the type {} with an input of {}x{} has {}; this one's outputs are {}",
                self.name(),
                at.width,
                at.height,
                self.outputs(),
                outputs.shapes()
            )
        })
    }

    /// The family's name in a spec.
    pub fn name(&self) -> &'static str {
        match self {
            Family::Retinaface => "retinaface",
            Family::Centerface => "centerface",
            Family::Yunet => "yunet",
            Family::SsdAnchors(_) => "ssd-anchors",
            Family::Yolox(_) => "yolox",
            Family::Yolov8 => "yolov8-like",
            Family::Nanodet(_) => "nanodet",
            Family::Heatmap(_) => "heatmap",
            Family::Classifier(_) => "classifier",
            Family::Segmentation(_) => "segmentation",
            Family::CtcOcr(_) => "ctc-ocr",
        }
    }

    fn outputs(&self) -> &'static str {
        match self {
            Family::Retinaface => "for each anchor 4 numbers of the box, 2 scores and 10 of the landmarks",
            Family::Centerface => {
                "four maps of a quarter of its size: 1 of scores, 2 of sizes, 2 of offsets, 10 of landmarks"
            }
            Family::Yunet => {
                "for cells of 8, 16 and 32 pixels 1 class score, 1 objectness, 4 of the box, 10 of the landmarks"
            }
            Family::SsdAnchors(_) => "4 numbers and the scores of the classes for each anchor",
            Family::Yolox(_) => {
                "4 numbers of the box, objectness and the scores of the classes for each cell"
            }
            Family::Yolov8 => "one output of 4 rows and one for each class, or the same turned round",
            Family::Nanodet(_) => "the scores of the classes and 4 distributions for each cell",
            Family::Heatmap(_) => "one map for each label",
            Family::Classifier(_) => "one score for each class",
            Family::Segmentation(_) => "one map for each class",
            Family::CtcOcr(_) => "one score for each character and the blank, for each column",
        }
    }
}

/// A box from its edges in the input's pixels.
fn edges(at: &Mapping, [left, top, right, bottom]: [f32; 4]) -> Region {
    Region {
        x: at.x(left),
        y: at.y(top),
        width: at.across(right - left),
        height: at.down(bottom - top),
        ..Region::default()
    }
}

/// The region of all of the picture.
fn everywhere() -> Region {
    Region { width: 1.0, height: 1.0, ..Region::default() }
}

/// The cells of an input: for each size of cells, row by row, the cell's size, column and row.
fn cells(at: &Mapping, strides: &[usize]) -> Vec<(f32, f32, f32)> {
    let mut cells = Vec::new();
    for stride in strides {
        for row in 0..at.height.div_ceil(*stride) {
            for column in 0..at.width.div_ceil(*stride) {
                cells.push((*stride as f32, column as f32, row as f32));
            }
        }
    }
    cells
}

#[cfg(test)]
pub(super) mod testing {
    use anabranch_kit::inference::Tensor;
    use anabranch_kit::sample::Sample;

    use super::super::Wish;
    use super::super::input::{Input, Mapping};

    pub fn tensor(shape: &[usize], data: Vec<f32>) -> Tensor {
        assert_eq!(shape.iter().product::<usize>(), data.len());
        Tensor { shape: shape.to_vec(), data }
    }

    pub fn zeros(shape: &[usize]) -> Tensor {
        tensor(shape, vec![0.0; shape.iter().product()])
    }

    /// A picture that fills the input.
    pub fn mapping(width: usize, height: usize) -> Mapping {
        let sample = Sample { width, height, rgb: vec![0; 3 * width * height] };
        Input::plain(width, height).prepare(&sample).1
    }

    pub fn wish(labels: &[&str]) -> Wish {
        let labels = labels.iter().map(|l| (*l).to_owned()).collect();
        Wish { threshold: 0.5, overlap: 0.5, most: 100, labels }
    }

    pub fn close(a: f32, b: f32) {
        assert!((a - b).abs() < 1e-4, "{a} is not {b}");
    }
}
