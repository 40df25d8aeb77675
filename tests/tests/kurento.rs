//! Kurento's endpoints, hubs and filters on real media: the unmodified client in Node, no browser. What is checked are the
//! decoded pictures and the sound of the recordings.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anabranch_harness::browser::Scenario;
use anabranch_harness::oracle::{self, tones};
use anabranch_harness::serve::Served;
use anabranch_kit::gst_video::prelude::*;
use anyhow::{Context, Result, ensure};
use serde_json::json;

/// Colours of points of a picture: luma and both differences, of I420.
type Colour = [u8; 3];

/// Three seconds of one colour and one tone.
fn film(folder: &Path, name: &str, tone: u32) -> Result<PathBuf> {
    let file = folder.join(format!("{name}.webm"));
    let made = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i"])
        .arg(format!("color={name}:s=320x240:r=30:d=3"))
        .args(["-f", "lavfi", "-i"])
        .arg(format!("sine=frequency={tone}:sample_rate=48000:duration=3,volume=4"))
        .args(["-c:v", "libvpx", "-b:v", "1M", "-g", "15", "-c:a", "libopus"])
        .arg(&file)
        .status()
        .context("ffmpeg")?;
    ensure!(made.success(), "ffmpeg made no {name}");
    Ok(file)
}

/// What a recording holds in its middle: the colours at places (parts of width and height), and the levels of tones.
fn middle(folder: &Path, name: &str, places: &[(f64, f64)]) -> Result<(Vec<Colour>, [f64; 2])> {
    let file = folder.join(format!("{name}.webm"));
    let frames: Arc<Mutex<Vec<Vec<Colour>>>> = Arc::default();
    let (all, wanted) = (frames.clone(), places.to_vec());
    let decoded = oracle::decode_with(&file, move |_, frame| {
        let at = |plane: usize, x: f64, y: f64| {
            let (width, height) = (frame.comp_width(plane as u32), frame.comp_height(plane as u32));
            let (x, y) = ((x * f64::from(width)) as usize, (y * f64::from(height)) as usize);
            let stride = frame.plane_stride()[plane] as usize;
            frame
                .plane_data(plane as u32)
                .ok()
                .and_then(|data| data.get(y * stride + x).copied())
                .unwrap_or(0)
        };
        let colours = wanted.iter().map(|(x, y)| [at(0, *x, *y), at(1, *x, *y), at(2, *x, *y)]).collect();
        all.lock().unwrap_or_else(PoisonError::into_inner).push(colours);
    })?;
    let frames = frames.lock().unwrap_or_else(PoisonError::into_inner);
    ensure!(frames.len() >= 20, "{name}: only {} pictures", frames.len());
    let colours = frames[frames.len() / 2].clone();
    let levels = match decoded.sound {
        Some(sound) => {
            let half = sound.duration() / 2;
            let samples = sound.between(half - Duration::from_millis(250), half + Duration::from_millis(250));
            [440.0, 880.0].map(|hertz| tones::tone_level(samples, sound.rate, hertz))
        }
        None => [0.0; 2],
    };
    println!("{name}: {} pictures, colours {colours:?}, 440 Hz and 880 Hz {levels:?}", frames.len());
    Ok((colours, levels))
}

/// Red has much of the last difference, blue of the first.
fn is_red(colour: Colour) -> bool {
    colour[2] > 200 && colour[1] < 120
}

fn is_blue(colour: Colour) -> bool {
    colour[1] > 200 && colour[2] < 130
}

fn is_grey(colour: Colour) -> bool {
    colour[1].abs_diff(128) < 8 && colour[2].abs_diff(128) < 8
}

const HEARD: f64 = 0.02;

#[test]
fn heavy_endpoints_hubs_and_filters_do_to_media_what_they_should() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = folder.path();
    let (red, blue) = (film(at, "red", 440)?, film(at, "blue", 880)?);
    let server = Served::start(&format!("[files]\nread = [{at:?}]\nwrite = [{at:?}]\n"))?;
    let uri = |path: &Path| format!("file://{}", path.display());
    let result = Scenario::new("kurento-endpoints")
        .option("server", server.url())
        .option("folder", uri(at))
        .option("red", uri(&red))
        .option("blue", uri(&blue))
        .limit(Duration::from_secs(150))
        .run()
        .with_context(|| format!("the server's log:\n{}", server.log()))?;
    println!("{result}");
    server.stop(Duration::from_secs(20))?;
    ensure!(result["failures"] == json!([]), "{result}");

    let (colours, levels) = middle(at, "composite", &[(0.25, 0.5), (0.75, 0.5)])?;
    ensure!(is_red(colours[0]) && is_blue(colours[1]), "side by side: {colours:?}");
    ensure!(levels.iter().all(|level| *level > HEARD), "both are heard: {levels:?}");
    let (colours, levels) = middle(at, "dispatcher", &[(0.5, 0.5)])?;
    ensure!(is_blue(colours[0]) && levels[1] > HEARD && levels[0] < HEARD / 4.0, "{colours:?} {levels:?}");
    let (colours, levels) = middle(at, "one-to-many", &[(0.5, 0.5)])?;
    ensure!(is_red(colours[0]) && levels[0] > HEARD && levels[1] < HEARD / 4.0, "{colours:?} {levels:?}");
    let (colours, levels) = middle(at, "mixer", &[(0.5, 0.5)])?;
    ensure!(is_red(colours[0]) && levels.iter().all(|level| *level > HEARD), "{colours:?} {levels:?}");
    let (colours, levels) = middle(at, "blending", &[(0.25, 0.25), (0.75, 0.75), (0.25, 0.75)])?;
    ensure!(is_red(colours[0]) && is_blue(colours[1]) && is_red(colours[2]), "{colours:?}");
    ensure!(levels.iter().all(|level| *level > HEARD), "{levels:?}");
    let (colours, levels) = middle(at, "grey", &[(0.5, 0.5)])?;
    ensure!(is_grey(colours[0]) && levels[0] > HEARD, "{colours:?} {levels:?}");
    let (colours, _) = middle(at, "rtp", &[(0.5, 0.5)])?;
    ensure!(is_red(colours[0]) && result["rtp"]["flow"] == "FLOWING", "{colours:?} {result}");
    ensure!(
        result["rtp"]["inbound"].as_array().is_some_and(|n| n.iter().any(|n| n.as_u64() > Some(60))),
        "{result}"
    );
    let (colours, levels) = middle(at, "post", &[(0.5, 0.5)])?;
    ensure!(is_blue(colours[0]) && levels[1] > HEARD, "{colours:?} {levels:?}");
    let came = json!(["MediaSessionStarted", "EndOfStream", "MediaSessionTerminated"]);
    ensure!(result["post"]["status"] == 200 && result["post"]["came"] == came, "{result}");
    Ok(())
}
