//! Connections: how many, from whom, how long, encrypted or not.

mod accept;
mod connections;
pub(crate) mod files;
mod stream;
mod tls;

use std::net::SocketAddr;

pub(crate) use accept::{Door, accept};
pub(crate) use connections::Connections;
pub use tls::TlsError;
pub(crate) use tls::acceptor;

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client(pub SocketAddr);
