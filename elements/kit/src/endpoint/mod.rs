//! What endpoints of the network have in common: why something came to nothing, where their tasks run, their ports, and
//! what packs formats into RTP and takes them out again, what is known of their streams.

mod chain;
pub mod codec;
mod error;
mod pads;
mod receive;
pub mod runtime;
mod shell;
pub mod stats;
mod task;

pub use chain::{Chain, make};
pub use error::EndpointError;
pub use pads::{ghost, templates};
pub use receive::ReceivePort;
pub use shell::{Endpoint, Shell};
pub use task::TaskHandle;
