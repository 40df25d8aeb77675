//! Reads media back: what is really in a file, frame by frame and tone by tone, by two ways that know nothing of each
//! other (GStreamer and ffprobe).

pub mod decode;
pub mod packets;
pub mod probe;
pub mod tones;

pub use decode::{Decoded, PictureFrame, Sound, decode, decode_with};
pub use packets::{payload_hashes, payload_sizes};
pub use probe::{Facts, StreamFacts, probe};
pub use tones::{Tone, level, loudest_tone, tone_level};
