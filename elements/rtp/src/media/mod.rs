//! Between the elements' ports and RTP.

pub(crate) mod codec;
mod gate;
pub(crate) mod send;
