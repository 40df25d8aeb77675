//! Compares packets, to show that a pass-through changes nothing.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The MD5 of every packet's payload of one stream (`v:0`, `a:0`), in the order of the file, as ffmpeg sees it without
/// decoding. Time stamps do not take part.
pub fn payload_hashes(path: impl AsRef<Path>, stream: &str) -> Result<Vec<String>> {
    Ok(frames(path.as_ref(), stream)?.into_iter().map(|(_, hash)| hash).collect())
}

/// The size of every packet's payload, bytes.
pub fn payload_sizes(path: impl AsRef<Path>, stream: &str) -> Result<Vec<u64>> {
    Ok(frames(path.as_ref(), stream)?.into_iter().map(|(size, _)| size).collect())
}

fn frames(path: &Path, stream: &str) -> Result<Vec<(u64, String)>> {
    let out = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-map", &format!("0:{stream}"), "-c", "copy", "-f", "framehash", "-hash", "md5", "-"])
        .output()
        .context("ffmpeg")?;
    if !out.status.success() {
        bail!(
            "ffmpeg cannot read {stream} of {}: {}",
            path.display(),
            String::from_utf8_lossy(&out.stderr).trim()
        );
    }
    // `stream, dts, pts, duration, size, hash`
    String::from_utf8(out.stdout)?
        .lines()
        .filter(|l| !l.starts_with('#') && !l.trim().is_empty())
        .map(|line| {
            let fields: Vec<&str> = line.split(',').map(str::trim).collect();
            match fields[..] {
                [_, _, _, _, size, hash, ..] => Ok((size.parse()?, hash.to_owned())),
                _ => bail!("a line of ffmpeg's framehash that is not understood: {line}"),
            }
        })
        .collect()
}
