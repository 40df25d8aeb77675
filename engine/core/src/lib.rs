//! The engine of Anabranch: runs graphs of media elements on GStreamer.
//!
//! - [`Engine`] owns the process-wide state, [`MediaPipeline`] is a handle to one running graph, [`MediaElement`] to one
//!   of its elements. A pipeline closes when its last handle is dropped.
//! - What happens comes as [`Event`]s; numbers come from [`MediaPipeline::stats`].
//! - [`AppSource`] and [`AppSink`] hand frames in and take them out.
//!
//! The engine names no element type: it runs whatever the catalogue lists. It depends on `anabranch-graph` (pure data)
//! and `anabranch-kit` (registration, messages), never on the elements themselves: link them into your program.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod app;
mod bridge;
mod capabilities;
mod engine;
mod error;
mod event;
mod flow;
mod memory;
mod pipeline;
mod runtime;
mod stats;
mod telemetry;

pub use anabranch_graph as graph;
pub use anabranch_kit::command::{CommandError, CommandErrorKind, CommandResult};
pub use anabranch_kit::endpoint::stats::RtpStream;
pub use anabranch_kit::web;
pub use app::{AppSink, AppSource, Frame};
pub use capabilities::{Machine, probe};
pub use engine::Engine;
pub use error::{AppError, ChangeError, EngineError, ErrorInfo, ErrorKind, GraphError};
pub use event::{Event, EventKind, EventStream, Failure, Outcome, OutcomeKind, PipelineState, Transcoding};
pub use flow::{FlowWatch, SILENCE};
pub use gst;
pub use pipeline::{Lap, MediaElement, MediaPipeline, PipelineOptions, Stopwatch, WeakMediaPipeline};
pub use stats::{ElementStats, LinkStats, PipelineStats, PortStats};
pub use telemetry::log_gstreamer;
