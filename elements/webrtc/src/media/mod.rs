//! Between the element's ports and a transport's RTP.

pub(crate) mod data;
mod gate;
pub(crate) mod ports;
pub(crate) mod send;
