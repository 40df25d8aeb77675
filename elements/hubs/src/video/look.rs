//! How the whole picture looks.

use std::collections::BTreeMap;

use super::layout::{Fit, Place, Rule};

/// How the whole picture looks.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// Width of the whole, pixels, even; 0: that of the canvas.
    pub width: u32,
    /// Height of the whole, pixels, even; 0: that of the canvas.
    pub height: u32,
    /// Pictures a second.
    pub rate: gst::Fraction,
    /// How pictures without a place are arranged.
    pub rule: Rule,
    /// Whose picture is the big one; empty: the first.
    pub big: String,
    /// Places by party.
    pub places: BTreeMap<String, Place>,
    /// Whose picture is the canvas, and in which layer it lies.
    pub master: Option<(String, u32)>,
    /// How pictures fill their cells.
    pub fit: Fit,
    /// What lies behind: a word of the compositor's.
    pub background: String,
    /// Whether names are shown.
    pub names: bool,
}
