//! The measures, each by itself.

pub mod assign;
pub mod counting;
pub mod detection;
pub mod events;
pub mod latency;
pub mod reading;
pub mod tracking;

/// A part of a whole; 0 of nothing.
pub(crate) fn part(of: f64, whole: f64) -> f64 {
    if whole > 0.0 { of / whole } else { 0.0 }
}

/// The harmonic mean of precision and recall, from counts.
pub(crate) fn f1(right: f64, wrong: f64, missed: f64) -> f64 {
    part(2.0 * right, 2.0 * right + wrong + missed)
}
