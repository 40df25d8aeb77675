//! Sound of many parties added up.

mod convert;
mod mixer;
mod ring;

pub use mixer::{Mixer, Rule};

/// Samples a second.
pub const RATE: i64 = 48_000;
/// Channels.
pub const CHANNELS: usize = 2;
/// Samples of one channel in a buffer: 20 ms, as much as a packet of Opus has.
pub const CHUNK: usize = 960;

/// The format in which sound is added up.
pub fn caps() -> gst::Caps {
    gst::Caps::builder("audio/x-raw")
        .field("format", "S16LE")
        .field("rate", RATE as i32)
        .field("channels", CHANNELS as i32)
        .field("layout", "interleaved")
        .field("channel-mask", gst::Bitmask::new(3))
        .build()
}

/// The sample that is played at a running time, in nanoseconds.
pub fn sample_at(time: i64) -> i64 {
    (i128::from(time) * i128::from(RATE) / 1_000_000_000) as i64
}

/// The running time of a sample, in nanoseconds.
pub fn time_of(sample: i64) -> i64 {
    (i128::from(sample) * 1_000_000_000 / i128::from(RATE)) as i64
}
