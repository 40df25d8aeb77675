//! The media elements in real pipelines: what is written is read back, by ffprobe and by the picture's own counter.
#![allow(clippy::unwrap_used)]

mod it;
