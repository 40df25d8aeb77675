//! What ffprobe says about a file: an oracle that shares no code with GStreamer.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Facts about a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// The container: `matroska,webm`, `mov,mp4,m4a,3gp,3g2,mj2`.
    pub container: String,
    /// Length, seconds; none if the file does not say.
    pub duration: Option<f64>,
    /// Its streams, in the order of the file.
    pub streams: Vec<StreamFacts>,
}

/// Facts about one stream.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamFacts {
    /// `video` or `audio`.
    pub kind: String,
    /// `vp8`, `h264`, `opus`, `aac` ...
    pub codec: String,
    /// Packets, counted.
    pub packets: u64,
    /// Frames, decoded and counted.
    pub frames: u64,
    /// Length, seconds; none if the stream does not say.
    pub duration: Option<f64>,
    /// Width, pixels; 0 for audio.
    pub width: u64,
    /// Height, pixels; 0 for audio.
    pub height: u64,
    /// Samples per second; 0 for video.
    pub rate: u64,
    /// Channels; 0 for video.
    pub channels: u64,
    /// All that ffprobe says about the stream.
    pub raw: Value,
}

impl Facts {
    /// The first video stream.
    pub fn video(&self) -> Result<&StreamFacts> {
        self.first("video")
    }

    /// The first audio stream.
    pub fn audio(&self) -> Result<&StreamFacts> {
        self.first("audio")
    }

    fn first(&self, kind: &str) -> Result<&StreamFacts> {
        self.streams.iter().find(|s| s.kind == kind).with_context(|| format!("no {kind} stream in {self:?}"))
    }
}

/// Asks ffprobe, which decodes the whole file; an error says why it cannot be read.
pub fn probe(path: impl AsRef<Path>) -> Result<Facts> {
    let path = path.as_ref();
    let out = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-count_packets",
            "-count_frames",
            "-show_streams",
            "-show_format",
            "-of",
            "json",
        ])
        .arg(path)
        .output()
        .context("ffprobe")?;
    let complaint = String::from_utf8_lossy(&out.stderr);
    if !out.status.success() {
        bail!("ffprobe cannot read {}: {}", path.display(), complaint.trim());
    }
    if !complaint.trim().is_empty() {
        bail!("ffprobe complains about {}: {}", path.display(), complaint.trim());
    }
    let json: Value = serde_json::from_slice(&out.stdout)?;
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    // ffprobe writes most numbers as text.
    let number = |v: &Value| v.as_u64().or_else(|| v.as_str()?.parse().ok()).unwrap_or(0);
    let seconds = |v: &Value| v.as_str().and_then(|s| s.parse::<f64>().ok());
    let streams = json["streams"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(Facts {
        container: text(&json["format"]["format_name"]),
        duration: seconds(&json["format"]["duration"]),
        streams: streams
            .iter()
            .map(|s| StreamFacts {
                kind: text(&s["codec_type"]),
                codec: text(&s["codec_name"]),
                packets: number(&s["nb_read_packets"]),
                frames: number(&s["nb_read_frames"]),
                duration: seconds(&s["duration"]),
                width: number(&s["width"]),
                height: number(&s["height"]),
                rate: number(&s["sample_rate"]),
                channels: number(&s["channels"]),
                raw: s.clone(),
            })
            .collect(),
    })
}
