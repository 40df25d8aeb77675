//! Texts as pictures: fonts, lines, colours.

mod colour;
mod font;
mod layout;
mod paint;
mod template;

pub use colour::parse as colour;
pub use font::Fonts;
pub use layout::{Side, lay};
pub use paint::{Style, paint};
pub use template::{Moment, check_clock, expand};
