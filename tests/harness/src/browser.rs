//! Runs the scenarios of `tests/browser`: a real Chromium, driven by Node, against whatever the options name.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::media::{make, sample};

/// A scenario's run: `tests/browser/scenarios/NAME.mjs` with options.
#[derive(Clone, Debug)]
pub struct Scenario {
    name: String,
    options: Value,
    limit: Duration,
}

impl Scenario {
    /// The scenario of that name.
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), options: json!({}), limit: Duration::from_secs(60) }
    }

    /// With this option.
    pub fn option(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.options[name] = value.into();
        self
    }

    /// It must end within this time; 60 seconds unless said otherwise.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it to its end and returns what it measured.
    ///
    /// # Errors
    /// What the scenario says if it fails; what is missing on this machine.
    pub fn run(&self) -> Result<Value> {
        let folder = folder()?;
        let mut options = self.options.clone();
        options["limit"] = json!(self.limit.as_millis() as u64);
        let out = Command::new("node")
            .arg(folder.join("scenarios").join(format!("{}.mjs", self.name)))
            .arg(options.to_string())
            .stdin(Stdio::null())
            .output()
            .context("node")?;
        let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        if !out.status.success() {
            bail!("scenario {}: {}\n{}", self.name, out.status, stderr.trim());
        }
        let line = stdout.lines().last().with_context(|| format!("{} printed nothing", self.name))?;
        serde_json::from_str(line).with_context(|| format!("{} printed {line}", self.name))
    }
}

/// `tests/browser`, if all that it needs is there.
fn folder() -> Result<PathBuf> {
    let chromium =
        std::env::var_os("CHROMIUM").map_or_else(|| PathBuf::from("/usr/bin/chromium"), PathBuf::from);
    if !chromium.exists() {
        bail!("browser tests need Chromium, and {} is not there: make tools", chromium.display());
    }
    let folder = crate::binary::project_root().join("tests/browser");
    if !folder.join("node_modules/playwright-core").exists() {
        bail!("the packages of {} are not there: make browser-packages", folder.display());
    }
    Ok(folder)
}

/// The picture of the hat.
pub fn hat() -> PathBuf {
    crate::binary::project_root().join("pipelines/hat.png")
}

/// A face for the camera, Motion JPEG, 640x480, 240 frames: it goes from left to right and back once, so that the film
/// can run in a loop. Each frame carries its number in cells at its lower edge, as `tests/browser/page/cells.js` reads
/// them; `tests/browser/hats.mjs` knows where the face is in which frame.
pub fn face_clip() -> Result<PathBuf> {
    let photo = sample("sample3.jpg")?;
    let filter = format!(
        "[1:v]crop=400:560:986:120,scale=240:336[face];\
         [0:v][face]overlay=x='200+120*sin(2*PI*n/240)':y=80:eval=frame:shortest=1,\
         drawbox=x=0:y=456:w=640:h=24:color=black:t=fill{},trim=end_frame=240,format=yuvj420p[film]",
        cells(8)
    );
    let backdrop = ["-f", "lavfi", "-i", "color=c=0x607080:s=640x480:r=30:d=8"];
    let photo = ["-loop", "1", "-r", "30", "-i", path_text(&photo)?];
    let out = ["-filter_complex", &filter, "-map", "[film]", "-c:v", "mjpeg", "-q:v", "4", "-an"];
    make("face.mjpeg", &[&backdrop[..], &photo, &out].concat())
}

/// Filters that paint the frame's number, `bits` of it, and its check sum: white boxes where a bit is set.
fn cells(bits: u32) -> String {
    let mut boxes = String::new();
    let mut white = |cell: u32, bit: &str| {
        let x = cell * 26;
        write!(boxes, ",drawbox=x={x}:y=456:w=26:h=24:color=white:t=fill:enable='mod({bit}\\,2)'").ok();
    };
    for bit in 0..bits {
        white(bit, &format!("floor(n/{})", 1u32 << bit));
    }
    for bit in 0..4 {
        // Exclusive or of every fourth bit, and of 0b1010.
        let mut sum = (0b1010u32 >> bit & 1).to_string();
        for higher in (bit..bits).step_by(4) {
            write!(sum, "+floor(n/{})", 1u32 << higher).ok();
        }
        white(20 + bit, &sum);
    }
    boxes
}

fn path_text(path: &Path) -> Result<&str> {
    path.to_str().context("the path is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Camera, canvas, cells and the reading of them, without a server.
    #[test]
    fn browser_alone_sees_what_it_sends() {
        let clip = face_clip().unwrap();
        let result = Scenario::new("page-alone").option("camera", clip.to_str().unwrap()).run().unwrap();
        for source in ["canvas", "film"] {
            let seen = &result[source];
            assert!(seen["numbers"].as_u64().unwrap() >= 40, "{source}: {seen}");
            assert_eq!((seen["width"].as_u64(), seen["height"].as_u64()), (Some(640), Some(480)));
        }
        assert!(result["canvas"]["median_age"].as_f64().unwrap() < 500.0, "{result}");
        // Nobody wears a hat yet.
        assert!(result["film"]["ribbon"]["count"].as_u64().unwrap() < 100, "{result}");
    }
}
