//! Anabranch as a media server: REST, WHIP and WHEP, Kurento's JSON-RPC, the console.
//!
//! The server is a translator: it turns requests into calls of the engine's public API and events into messages. It
//! depends on `anabranch-engine` and `anabranch-graph`, never on GStreamer or on an element.
//!
//! - [`Server`] listens and stops gracefully; [`App`] is what every handler gets: engine, configuration, access,
//!   policy and the registry of pipelines.
//! - [`Config`] is the configuration file; it refuses what it does not know.
//! - [`Problem`] is every error body (RFC 9457); its codes never change their meaning.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod access;
mod api;
mod app;
pub mod config;
mod console;
mod events;
mod kurento;
mod listen;
mod media;
mod metrics;
mod notify;
mod pictures;
mod policy;
mod problem;
mod registry;
mod server;
mod supervise;
mod whip;

pub use access::{Access, Grant, Scope};
pub use app::App;
pub use config::{Config, ConfigError};
pub use listen::TlsError;
pub use policy::guard::Guard;
pub use policy::{Policy, Refusal};
pub use problem::{Code, Problem};
pub use registry::{Hosted, Registry};
pub use server::{ServeError, Server};
pub use supervise::DescriptionError;
