//! One file per command.

pub mod check;
pub mod completions;
pub mod doctor;
pub mod eval;
pub mod explain;
pub mod graph;
pub mod list;
pub mod models;
mod models_check;
pub mod new_filter;
pub mod run;
pub mod schema;
pub mod serve;
pub mod show;
