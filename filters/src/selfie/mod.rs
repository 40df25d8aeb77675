//! Telling people from the background: MediaPipe's network for selfies, in its wide form.

mod backdrop;
mod mask;

use crate::nets::family::Family;
use crate::nets::family::segmentation::Classes;
use crate::nets::input::Input;
use crate::nets::{Spec, Wish};

pub use backdrop::Backdrop;
pub use mask::Mask;

/// The name of the model in the manifest.
pub const MODEL: &str = "selfie-segmentation";

/// The longer side of the picture that is looked at.
pub const LONGEST: usize = 256;

/// How the model is used.
pub fn spec() -> Spec {
    Spec {
        input: Input { scale: [1.0 / 255.0; 3], ..Input::plain(256, 144) },
        family: Family::Segmentation(Classes::default()),
        wish: Wish { threshold: 0.5, overlap: 1.0, most: 1, labels: vec!["person".into()] },
    }
}

/// A colour of the form #rrggbb.
///
/// # Errors
///
/// A sentence that says the form.
pub fn colour(text: &str) -> Result<[u8; 3], String> {
    let wrong = || format!("'{text}' is not a colour; write it as #rrggbb, for instance #00b140");
    let digits = text.strip_prefix('#').filter(|d| d.len() == 6 && d.is_ascii()).ok_or_else(wrong)?;
    let mut colour = [0; 3];
    for (component, at) in colour.iter_mut().zip([0, 2, 4]) {
        *component = u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| wrong())?;
    }
    Ok(colour)
}

#[cfg(test)]
mod tests {
    #[test]
    fn colours_are_read() {
        assert_eq!(super::colour("#00b140"), Ok([0, 0xb1, 0x40]));
        for wrong in ["", "00b140", "#00b14", "#00b14g", "#ééé"] {
            assert!(super::colour(wrong).is_err(), "{wrong}");
        }
    }
}
