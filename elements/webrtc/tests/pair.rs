//! Two endpoints in one process talk to each other over loopback, through every pair of transports.
#![allow(clippy::unwrap_used)]

mod it;
