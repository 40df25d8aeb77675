//! Test harness of Anabranch: an oracle that reads media back, golden pictures, a leak runner, drivers for the built
//! binary and for a real browser, a bad network, and what a process holds.
#![allow(clippy::unwrap_used, reason = "only tests use this crate")]

pub mod binary;
pub mod browser;
pub mod golden;
pub mod leaks;
pub mod media;
pub mod objects;
pub mod oracle;
pub mod ports;
pub mod process;
pub mod relay;
pub mod serve;

/// The frame counter that `test-source` paints.
pub use gstanabranchelements::test_source::barcode;
