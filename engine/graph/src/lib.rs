//! Graph descriptions of Anabranch: parsing, checking, planning, comparing and drawing.
//!
//! Pure data: no GStreamer, no network, no clock. Whatever a description can get wrong is found here, before anything
//! starts. The engine depends on this crate, never the other way round.
//!
//! ```
//! # #[cfg(feature = "test")] {
//! use anabranch_graph::{Document, check, plan, render, testing};
//!
//! let text = "
//! name: copy
//! elements:
//!   film: {type: player, uri: a.mp4}
//!   copy: {type: recorder, location: a.webm, on-error: restart}
//! links:
//!   - film -> copy
//! ";
//! let (catalog, machine) = (testing::catalog(), testing::Machine::full());
//! let spec = check(Document::yaml("copy.yaml", text), &catalog, Some(&machine)).unwrap();
//! let plan = plan(&spec, &catalog, &machine).unwrap();
//! println!("{}", render::plan_text(&plan));
//! # }
//! ```
//!
//! Stages: [`Document`] (text or built) → [`check`] → [`spec::GraphSpec`] → [`plan()`] → [`plan::Plan`] → [`surgery`].

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod catalog;
mod code;
pub mod diagnostic;
pub mod diff;
pub mod document;
pub mod format;
mod link_options;
mod oneliner;
mod overrides;
pub mod packages;
mod parse;
pub mod plan;
#[cfg(test)]
mod properties_hold;
mod property;
mod read;
pub mod render;
pub mod schema;
pub mod spec;
pub mod syntax;
#[cfg(any(test, feature = "test"))]
pub mod testing;
mod validate;
mod yaml;

pub use diagnostic::{Code, Diagnostic, explain_code};
pub use diff::{GraphDiff, Surgery, surgery};
pub use document::Document;
pub use link_options::{LinkOptions, PictureLimits};
pub use plan::{PlanOptions, plan, plan_with};
pub use validate::{Checked, Completeness, check, check_all, check_document};
