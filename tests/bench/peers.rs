//! `anabranch run` against a hand-written `gst-launch-1.0` that does the same work on the same file.
//!
//! Both commands run in turn, A B A B, so that a machine whose speed drifts slows both. What counts is CPU time (user
//! and system) of the whole process, start-up included; for the start-up case also the wall time. Prints Markdown.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

struct Case {
    name: &'static str,
    ours: Vec<String>,
    peer: Vec<String>,
    runs: usize,
}

#[derive(Clone, Copy)]
struct Cost {
    cpu: f64,
    wall: f64,
}

/// Runs a command once. `bash`'s `time` reads the same kernel counters as a `wait4` of our own would.
fn cost(command: &[String], log: &Path) -> anyhow::Result<Cost> {
    let output = Command::new("bash")
        .arg("-c")
        .arg("TIMEFORMAT='%U %S %R'; time \"$@\" >\"$0\" 2>&1")
        .arg(log)
        .args(command)
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        bail!("{} failed:\n{}", command.join(" "), std::fs::read_to_string(log).unwrap_or_default());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let figures: Vec<f64> =
        text.lines().last().unwrap_or_default().split_whitespace().filter_map(|f| f.parse().ok()).collect();
    match figures[..] {
        [user, system, wall] => Ok(Cost { cpu: user + system, wall }),
        _ => bail!("no times in {text:?}"),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn spread(values: &[f64]) -> String {
    let min = values.iter().copied().fold(f64::INFINITY, f64::min);
    let max = values.iter().copied().fold(0.0, f64::max);
    format!("{min:.2} to {max:.2}")
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// A file of H.264 and AAC at 640x480, 30 frames a second; made once.
fn clip(folder: &Path, name: &str, seconds: u32, size: &str) -> anyhow::Result<PathBuf> {
    let path = folder.join(name);
    if path.exists() {
        return Ok(path);
    }
    let source = format!("testsrc2=size={size}:rate=30:duration={seconds}");
    let tone = format!("sine=frequency=440:sample_rate=48000:duration={seconds}");
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "lavfi", "-i", &source, "-f", "lavfi", "-i", &tone])
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-g", "60", "-b:v", "2M", "-pix_fmt", "yuv420p"])
        .args(["-c:a", "aac", "-b:a", "128k", "-shortest"])
        .arg(&path)
        .status()
        .context("ffmpeg is needed to make the clip")?;
    if !status.success() {
        bail!("ffmpeg failed");
    }
    Ok(path)
}

fn main() -> anyhow::Result<()> {
    let target = std::env::current_exe()?.parent().context("no folder")?.to_path_buf();
    let anabranch = target.join("anabranch");
    if !anabranch.exists() {
        bail!("{} is missing: make build", anabranch.display());
    }
    let folder = target.join("bench");
    std::fs::create_dir_all(&folder)?;
    let long = clip(&folder, "long.mp4", 600, "640x480")?;
    let middle = clip(&folder, "middle.mp4", 30, "640x480")?;
    let short = clip(&folder, "short.mp4", 1, "640x480")?;
    let out = folder.join("out.mp4");
    let webm = folder.join("out.webm");
    let run = |line: String| vec![anabranch.display().to_string(), "run".into(), line];
    let launch = |line: String| {
        let mut command = words("gst-launch-1.0 -q");
        command.extend(words(&line));
        command
    };
    let vp8 = "vp8enc deadline=1 cpu-used=8 end-usage=cbr target-bitrate=1000000 lag-in-frames=0 \
               error-resilient=default threads=1 keyframe-max-dist=60";
    let cases = [
        Case {
            name: "pass-through, MP4 to MP4, 600 s",
            ours: run(format!("player uri={} -> recorder location={}", long.display(), out.display())),
            peer: launch(format!(
                "filesrc location={} ! qtdemux name=d mp4mux name=m ! filesink location={} \
                 d.video_0 ! queue ! h264parse ! m. d.audio_0 ! queue ! aacparse ! m.",
                long.display(),
                out.display()
            )),
            runs: 9,
        },
        Case {
            name: "transcode H.264 to VP8 640x480, 30 s",
            ours: run(format!(
                "p:player uri={} ; p.video -> recorder location={}",
                middle.display(),
                webm.display()
            )),
            peer: launch(format!(
                "filesrc location={} ! qtdemux ! h264parse ! avdec_h264 ! queue ! {vp8} ! queue ! webmmux ! \
                 filesink location={}",
                middle.display(),
                webm.display()
            )),
            runs: 5,
        },
        Case {
            name: "five no-op filters, decoded 640x480, 30 s",
            ours: run(format!(
                "p:player uri={} ; p.video -> a:pass-through -> b:pass-through -> c:pass-through -> \
                 d:pass-through -> e:pass-through -> null-sink accept=raw",
                middle.display()
            )),
            peer: launch(format!(
                "filesrc location={} ! qtdemux ! h264parse ! avdec_h264 ! identity ! identity ! identity ! \
                 identity ! identity ! queue ! fakesink sync=false",
                middle.display()
            )),
            runs: 9,
        },
        Case {
            name: "start-up: a 1 s file, pass-through",
            ours: run(format!("player uri={} -> recorder location={}", short.display(), out.display())),
            peer: launch(format!(
                "filesrc location={} ! qtdemux name=d mp4mux name=m ! filesink location={} \
                 d.video_0 ! queue ! h264parse ! m. d.audio_0 ! queue ! aacparse ! m.",
                short.display(),
                out.display()
            )),
            runs: 15,
        },
    ];
    println!("| work | anabranch CPU s | gst-launch CPU s | CPU ratio (min to max) | wall ratio |");
    println!("|---|---|---|---|---|");
    let log = folder.join("log");
    for case in &cases {
        // Once each to warm caches, not counted.
        cost(&case.ours, &log)?;
        cost(&case.peer, &log)?;
        let (mut ours, mut peer) = (Vec::new(), Vec::new());
        for _ in 0..case.runs {
            ours.push(cost(&case.ours, &log)?);
            peer.push(cost(&case.peer, &log)?);
        }
        let ratios: Vec<f64> = ours.iter().zip(&peer).map(|(a, b)| a.cpu / b.cpu).collect();
        let walls: Vec<f64> = ours.iter().zip(&peer).map(|(a, b)| a.wall / b.wall).collect();
        println!(
            "| {} | {:.3} | {:.3} | {:.2} ({}) | {:.2} |",
            case.name,
            median(ours.iter().map(|c| c.cpu).collect()),
            median(peer.iter().map(|c| c.cpu).collect()),
            median(ratios.clone()),
            spread(&ratios),
            median(walls),
        );
    }
    Ok(())
}
