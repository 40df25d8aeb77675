//! Files to play: made once per test in a folder of its own.

use std::path::{Path, PathBuf};

use super::bench::run;

/// H.264 with a key frame each half second, low latency.
pub const H264: &str =
    "x264enc bitrate=400 tune=zerolatency speed-preset=ultrafast key-int-max=15 ! h264parse";
/// VP8.
pub const VP8: &str = "vp8enc deadline=1 cpu-used=8 keyframe-max-dist=15 target-bitrate=400000";
/// Opus.
pub const OPUS: &str = "audioconvert ! opusenc";
/// AAC.
pub const AAC: &str = "audioconvert ! avenc_aac ! aacparse";

/// A file with these encoders in it, 320x240 at 30 fps; `None` leaves a track out.
pub fn make(folder: &Path, name: &str, frames: u32, video: Option<&str>, audio: Option<&str>) -> PathBuf {
    let file = folder.join(name);
    let muxer = match file.extension().unwrap().to_str().unwrap() {
        "mp4" => "mp4mux",
        "webm" => "webmmux",
        _ => "matroskamux",
    };
    let branch = |medium: &str, encoder: Option<&str>| {
        encoder.map_or(String::new(), |e| format!("t.src_{medium} ! queue ! {e} ! queue ! m. "))
    };
    run(&format!(
        "abtestsource name=t width=320 height=240 frames={frames} pace=fastest {muxer} name=m ! filesink location={} {}{}",
        file.display(),
        branch("video", video),
        branch("audio", audio),
    ))
    .well();
    file
}

/// H.264 and AAC in MP4.
pub fn mp4(folder: &Path, frames: u32) -> PathBuf {
    make(folder, "in.mp4", frames, Some(H264), Some(AAC))
}
