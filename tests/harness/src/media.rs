//! Media files for tests, made by ffmpeg when first asked for and kept in the target folder.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// A file that `ffmpeg <arguments> <path>` writes. The same name and arguments give the same file, made once.
pub fn make(name: &str, arguments: &[&str]) -> Result<PathBuf> {
    cached(name, arguments, |path| {
        let out = Command::new("ffmpeg")
            .args(["-v", "error", "-y", "-nostdin", "-threads", "1"])
            .args(arguments)
            .arg(path)
            .stdin(Stdio::null())
            .output()
            .context("ffmpeg")?;
        if !out.status.success() {
            bail!("ffmpeg cannot make {name}: {}", String::from_utf8_lossy(&out.stderr).trim());
        }
        Ok(())
    })
}

/// Makes a file unless it exists. It appears whole or not at all: tests in other processes may want it, too.
fn cached(name: &str, recipe: impl Hash, write: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    recipe.hash(&mut hasher);
    let folder = crate::binary::target_folder()?.join("test-media").join(format!("{:016x}", hasher.finish()));
    let path = folder.join(name);
    if path.exists() {
        return Ok(path);
    }
    std::fs::create_dir_all(&folder)?;
    let work = tempfile::tempdir_in(&folder)?;
    let part = work.path().join(name);
    write(&part)?;
    std::fs::rename(&part, &path)?;
    Ok(path)
}

/// A sample that `make samples` fetched, such as `people.mp4`; an error names the command if it is not there.
pub fn sample(name: &str) -> Result<PathBuf> {
    let path = crate::binary::project_root().join(".cache/samples").join(name);
    if !path.exists() {
        bail!("{} is not there: make samples", path.display());
    }
    Ok(path)
}

const H264: [&str; 8] = ["-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-g", "30"];

fn arguments<'a>(parts: &[&[&'a str]]) -> Vec<&'a str> {
    parts.concat()
}

/// MP4 with H.264 320x240 at 30 fps and AAC 48 kHz, 3 seconds.
pub fn h264_aac_mp4() -> Result<PathBuf> {
    let inputs =
        ["-f", "lavfi", "-i", "testsrc2=s=320x240:r=30:d=3", "-f", "lavfi", "-i", "sine=440:r=48000:d=3"];
    make("h264-aac.mp4", &arguments(&[&inputs, &H264, &["-c:a", "aac"]]))
}

/// WebM with VP8 320x240 at 30 fps and Opus, 3 seconds.
pub fn vp8_opus_webm() -> Result<PathBuf> {
    let inputs =
        ["-f", "lavfi", "-i", "testsrc2=s=320x240:r=30:d=3", "-f", "lavfi", "-i", "sine=440:r=48000:d=3"];
    let codecs = ["-c:v", "libvpx", "-deadline", "realtime", "-b:v", "500k", "-c:a", "libopus"];
    make("vp8-opus.webm", &arguments(&[&inputs, &codecs]))
}

/// MP4 with H.264 only, 2 seconds.
pub fn video_only_mp4() -> Result<PathBuf> {
    make("video-only.mp4", &arguments(&[&["-f", "lavfi", "-i", "testsrc2=s=320x240:r=30:d=2"], &H264]))
}

/// Ogg with Vorbis only, 2 seconds.
pub fn audio_only_ogg() -> Result<PathBuf> {
    make("audio-only.ogg", &["-f", "lavfi", "-i", "sine=440:r=48000:d=2", "-c:a", "libvorbis"])
}

/// Matroska with one pixel per frame, 1 second at 30 fps.
pub fn one_pixel_mkv() -> Result<PathBuf> {
    let input = ["-f", "lavfi", "-i", "testsrc2=s=320x240:r=30:d=1", "-vf", "format=bgr0,crop=1:1"];
    make("one-pixel.mkv", &arguments(&[&input, &["-c:v", "ffv1"]]))
}

/// Matroska with odd width and height (VP8, 161x121), 1 second at 30 fps.
pub fn odd_size_mkv() -> Result<PathBuf> {
    let vp8 = ["-c:v", "libvpx", "-deadline", "realtime", "-b:v", "300k"];
    // The source itself rounds to even sizes.
    let input = [
        "-f",
        "lavfi",
        "-i",
        "testsrc2=s=320x240:r=30:d=1",
        "-vf",
        "format=rgb24,crop=161:121,format=yuv420p",
    ];
    make("odd-size.mkv", &arguments(&[&input, &vp8]))
}

/// MP4 with a variable frame rate: 30 fps, then 10, then 60; 40 frames in 2 seconds.
pub fn variable_rate_mp4() -> Result<PathBuf> {
    let filter = "setpts='if(lt(N,15),N*2,if(lt(N,25),30+(N-15)*6,90+(N-25)))/60/TB'";
    let input = [
        "-f",
        "lavfi",
        "-i",
        "testsrc2=s=320x240:r=60:d=1",
        "-vf",
        filter,
        "-vsync",
        "vfr",
        "-frames:v",
        "40",
    ];
    make("variable-rate.mp4", &arguments(&[&input, &["-enc_time_base", "1:60"], &H264]))
}

/// MPEG-TS whose H.264 picture is 320x240 for one second, then 480x360 for one second.
pub fn size_change_ts() -> Result<PathBuf> {
    let piece = |size: &str| {
        let source = format!("testsrc2=s={size}:r=30:d=1");
        let input = ["-f", "lavfi", "-i", &source];
        make(&format!("piece-{size}.ts"), &arguments(&[&input, &H264, &["-muxdelay", "0"]]))
    };
    let (small, large) = (piece("320x240")?, piece("480x360")?);
    let list = format!("concat:{}|{}", small.display(), large.display());
    make("size-change.ts", &["-i", &list, "-c", "copy", "-muxdelay", "0"])
}

/// An MP4 that ends in the middle of its packets, index at the front.
pub fn truncated_mp4() -> Result<PathBuf> {
    let inputs = ["-f", "lavfi", "-i", "testsrc2=s=320x240:r=30:d=3"];
    let whole = make("fast-start.mp4", &arguments(&[&inputs, &H264, &["-movflags", "+faststart"]]))?;
    let bytes = std::fs::read(&whole)?;
    cached("truncated.mp4", bytes.len(), |path| Ok(std::fs::write(path, &bytes[..bytes.len() / 2])?))
}

/// An MP4 that ends before its index.
pub fn truncated_without_index_mp4() -> Result<PathBuf> {
    let bytes = std::fs::read(h264_aac_mp4()?)?;
    cached("no-index.mp4", bytes.len(), |path| Ok(std::fs::write(path, &bytes[..bytes.len() / 2])?))
}

/// An empty file named .mp4.
pub fn empty_mp4() -> Result<PathBuf> {
    cached("empty.mp4", (), |path| Ok(std::fs::write(path, b"")?))
}

/// A text file named .mp4.
pub fn text_mp4() -> Result<PathBuf> {
    cached("text.mp4", (), |path| Ok(std::fs::write(path, "This is not a film.\n".repeat(50))?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::{decode, probe};

    #[test]
    fn the_files_are_what_they_claim() {
        let facts = probe(h264_aac_mp4().unwrap()).unwrap();
        assert_eq!((facts.video().unwrap().codec.as_str(), facts.video().unwrap().frames), ("h264", 90));
        assert_eq!(facts.audio().unwrap().codec, "aac");
        let facts = probe(vp8_opus_webm().unwrap()).unwrap();
        assert_eq!((facts.video().unwrap().codec.as_str(), facts.video().unwrap().frames), ("vp8", 90));
        assert_eq!(probe(variable_rate_mp4().unwrap()).unwrap().video().unwrap().frames, 40);
        let odd = probe(odd_size_mkv().unwrap()).unwrap();
        assert_eq!((odd.video().unwrap().width, odd.video().unwrap().height), (161, 121));
        assert_eq!(probe(one_pixel_mkv().unwrap()).unwrap().video().unwrap().frames, 30);
        assert!(probe(audio_only_ogg().unwrap()).unwrap().video().is_err());
        assert!(probe(empty_mp4().unwrap()).is_err());
        assert!(probe(text_mp4().unwrap()).is_err());
        assert!(probe(truncated_without_index_mp4().unwrap()).is_err());
    }

    #[test]
    fn the_decoder_sees_frames_sizes_and_sound() {
        let decoded = decode(h264_aac_mp4().unwrap()).unwrap();
        assert_eq!(decoded.frames.len(), 90);
        assert!(decoded.frames.iter().all(|f| f.counter.is_none() && f.brightness > 1.0));
        let sound = decoded.sound.unwrap();
        assert_eq!(sound.gaps, []);
        let second = sound.between(std::time::Duration::from_secs(1), std::time::Duration::from_secs(2));
        assert!(crate::oracle::tone_level(second, sound.rate, 440.0) > 0.1);

        let sizes: Vec<u32> =
            decode(size_change_ts().unwrap()).unwrap().frames.iter().map(|f| f.width).collect();
        assert_eq!((sizes.first(), sizes.last(), sizes.len()), (Some(&320), Some(&480), 60));
    }

    #[test]
    fn a_file_that_is_no_media_is_an_error() {
        assert!(decode(text_mp4().unwrap()).is_err());
        assert!(decode("/nowhere.mp4").is_err());
    }

    #[test]
    fn a_copy_has_the_same_packets_and_an_encode_has_not() {
        let original = h264_aac_mp4().unwrap();
        let source = original.to_str().unwrap();
        let copy = make("copy.mkv", &["-i", source, "-c", "copy"]).unwrap();
        let other =
            make("other.mp4", &["-i", source, "-c:a", "copy", "-c:v", "libx264", "-crf", "40"]).unwrap();
        use crate::oracle::payload_hashes;
        let hashes = |p: &PathBuf| payload_hashes(p, "v:0").unwrap();
        assert_eq!(hashes(&original).len(), 90);
        assert_eq!(hashes(&original), hashes(&copy));
        assert_ne!(hashes(&original), hashes(&other));
        assert_eq!(payload_hashes(&original, "a:0").unwrap(), payload_hashes(&other, "a:0").unwrap());
    }
}
