//! Finding faces: what `face-detector`, `face-overlay` and `face-blur` share.

pub mod finder;

use crate::nets::family::Family;
use crate::nets::input::{Colour, Fit, Input, Size};
use crate::nets::{Spec, Wish};

/// The label of regions that are faces.
pub const LABEL: &str = "face";

/// The name of the model in the manifest: RetinaFace with a MobileNet of a quarter of the channels.
pub const MODEL: &str = "retinaface-mnet025";

/// How that model is used on pictures with this longer side.
pub fn spec(longest: usize, threshold: f32) -> Spec {
    Spec {
        input: Input {
            size: Size::Fitted { longest, multiple: 32 },
            fit: Fit::Corner,
            colour: Colour::Bgr,
            mean: [104.0, 117.0, 123.0],
            ..Input::plain(1, 1)
        },
        family: Family::Retinaface,
        wish: Wish { threshold, overlap: 0.4, most: 1000, labels: vec![LABEL.into()] },
    }
}
