//! Video filters in Python: the element `python-filter`.
//!
//! A filter is a file with a class; it runs in a worker process of its own. Three threads and a process work together:
//!
//! - the *streaming thread* (`element`) copies a picture into a slot of shared memory (`ring`, `pictures`), sends a
//!   line about it (`wire`), and puts what is known on every frame; it never waits, except in the mode `inline`, for
//!   `budget_ms`;
//! - the *supervisor* (`supervisor`) starts workers (`process`), reads what they say and print, looks whether the file
//!   was saved, and ends workers that hang;
//! - both meet at the `stage`, under one lock that nobody keeps while anything is called;
//! - the *worker* runs the Python package, which is a part of this program ([`package`]).
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod colours;
pub mod declared;
mod element;
pub mod inspect;
pub mod package;
mod pictures;
mod process;
pub mod program;
mod results;
mod ring;
mod running;
mod stage;
mod stream;
mod supervisor;
mod wire;

pub use element::{Params, descriptor};

anabranch_kit::plugin!(anabranchpython, "2026-11-22");
