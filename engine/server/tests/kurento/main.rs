//! Kurento's protocol against a server in this process, over real WebSockets.
#![allow(clippy::unwrap_used, missing_docs)]

mod fuzz;
mod media;
mod objects;
mod peers;
mod protocol;
mod rig;

// Linked for their element types.
use gstanabranchelements as _;
use gstanabranchfilters as _;
use gstanabranchwebrtc as _;
