//! How good and how dear face detection is. Over photos that are labelled by hand (tests/data/faces.json) at 320 wide and
//! one thread: recall, precision, average precision at an overlap of 0.5, and CPU milliseconds a picture, of the
//! detector with each back end and of OpenCV's Haar cascade at Kurento's setting (`haar.py`). Then the CPU of one stream
//! and of ten streams of 640x480 at 30 frames a second in one process. Prints Markdown.
//!
//! Times are CPU times of threads, so that other programs on the machine disturb them little.
//! `$ANABRANCH_CV2_PYTHON` is a Python that has cv2; without it the cascade is left out. `bench-detector photos` or
//! `bench-detector streams` runs one half.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anabranch_eval::Pixels;
use anabranch_eval::metrics::detection::{LabelScores, Picture, Range, Wanted, score};
use anabranch_harness::binary::project_root;
use anabranch_harness::process::{ThreadClock, cpu_seconds, own_thread_ms};
use anabranch_kit::inference::{self, Backend, Tensor};
use anabranch_kit::results::FrameResults;
use anyhow::{Context, Result, bail, ensure};
use gst::prelude::*;
use gstanabranchelements as _;
use gstanabranchfilters as _;
use serde::Deserialize;

/// How often each photo is looked at; the times are the means of all but the first.
const LOOKS: u64 = 20;
/// Looks for faces per second of each stream, the default of `face-detector`.
const RATE: f64 = 10.0;

#[derive(Deserialize)]
struct Labels {
    images: Vec<Image>,
    annotations: Vec<Annotation>,
}

#[derive(Deserialize)]
struct Image {
    id: u64,
    file_name: String,
    width: u32,
    height: u32,
}

#[derive(Deserialize)]
struct Annotation {
    image_id: u64,
    bbox: [f64; 4],
}

/// What was found in a photo.
#[derive(Deserialize)]
struct Found {
    found: Vec<Box>,
    ms: f64,
}

#[derive(Deserialize)]
struct Box {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    score: f64,
}

fn main() -> Result<()> {
    gst::init()?;
    anabranch_kit::registry::register_all(None)?;
    let which = std::env::args().nth(1).unwrap_or_default();
    if which != "streams" {
        photos()?;
    }
    if which != "photos" {
        streams()?;
    }
    Ok(())
}

fn photos() -> Result<()> {
    let root = project_root();
    let labels: Labels = serde_json::from_slice(&std::fs::read(root.join("tests/data/faces.json"))?)?;
    let files: Vec<PathBuf> =
        labels.images.iter().map(|image| root.join(".cache/samples").join(&image.file_name)).collect();
    for file in &files {
        ensure!(file.exists(), "{} is missing: make samples", file.display());
    }
    println!(
        "{} photos with {} faces, 320 wide, one thread:\n",
        labels.images.len(),
        labels.annotations.len()
    );
    println!("| detector | recall | precision | AP at 0.5 | best threshold and F1 | CPU ms a picture |");
    println!("|---|---|---|---|---|---|");
    for backend in ["tract", "ort"] {
        let found: Result<Vec<Found>> = files.iter().map(|file| look(file, backend)).collect();
        match found {
            Ok(found) => row(&format!("RetinaFace, {backend}"), &labels, &found, 0.6),
            Err(error) => println!("| RetinaFace, {backend} | not measured: {error} | | | | |"),
        }
    }
    match haar(&files) {
        Ok(found) => row("Haar cascade, Kurento's setting", &labels, &found, f64::MIN),
        Err(error) => println!("| Haar cascade | not measured: {error} | | | | |"),
    }
    println!();
    batches()
}

/// Prints one detector's row. Recall and precision are those above `threshold`.
fn row(name: &str, labels: &Labels, found: &[Found], threshold: f64) {
    let scores = |least: f64| -> LabelScores {
        let pictures: Vec<Picture> = labels
            .images
            .iter()
            .zip(found)
            .map(|(image, found)| picture(image, labels, found, least))
            .collect();
        score("face", &pictures, &Range::all_with_borders([32.0, 96.0]))
    };
    let (used, all) = (scores(threshold), scores(f64::MIN));
    let ms = found.iter().map(|f| f.ms).sum::<f64>() / found.len().max(1) as f64;
    println!(
        "| {name} | {:.2} | {:.2} | {:.2} | {:.2}, {:.2} | {ms:.1} |",
        used.recall,
        used.precision,
        all.sizes.first().map_or(f64::NAN, |s| s.ap50),
        all.best_threshold,
        all.best_f1
    );
}

fn picture(image: &Image, labels: &Labels, found: &Found, least: f64) -> Picture {
    let (width, height) = (f64::from(image.width), f64::from(image.height));
    let wanted = labels.annotations.iter().filter(|a| a.image_id == image.id).map(|a| {
        let [x, y, w, h] = a.bbox;
        Wanted { at: Pixels::new(x, y, w, h), area: w * h, ignore: false, crowd: false }
    });
    let found = found
        .found
        .iter()
        .filter(|b| b.score >= least)
        .map(|b| (Pixels::new(b.x * width, b.y * height, b.width * width, b.height * height), b.score));
    Picture { wanted: wanted.collect(), found: found.collect() }
}

/// Looks at a photo with the detector, as an element in a pipeline.
fn look(file: &Path, backend: &str) -> Result<Found> {
    let pipeline = launch(&format!(
        "filesrc location={} ! decodebin ! videoconvert ! videoscale method=4 n-threads=1 ! \
         video/x-raw,width=320,pixel-aspect-ratio=1/1 ! videoconvert ! video/x-raw,format=RGBA ! \
         imagefreeze num-buffers={LOOKS} ! abfacedetector name=f backend={backend} size=320 threshold=0.3 \
         mode=inline budget-ms=0 ! fakesink name=s signal-handoffs=true sync=false",
        file.display()
    ))?;
    let last: Arc<Mutex<Option<(gst::Buffer, u64)>>> = Arc::default();
    let times: Arc<Mutex<Vec<f64>>> = Arc::default();
    let (note, spent) = (last.clone(), times.clone());
    let clock = Mutex::new(ThreadClock::default());
    pipeline.by_name("s").context("no sink")?.connect("handoff", false, move |args| {
        let buffer = args.get(1).and_then(|v| v.get::<gst::Buffer>().ok());
        // The first of several, which no tracker has touched.
        let mut last = note.lock().unwrap_or_else(PoisonError::into_inner);
        if let (None, Some(buffer)) = (last.as_ref(), buffer) {
            *last = Some((buffer, 0));
        }
        let ms = clock.lock().unwrap_or_else(PoisonError::into_inner).since_last("face-detector");
        spent.lock().unwrap_or_else(PoisonError::into_inner).extend(ms);
        None
    });
    finish(&pipeline)?;
    let (buffer, _) =
        last.lock().unwrap_or_else(PoisonError::into_inner).take().context("no picture came")?;
    let results = FrameResults::of_buffer(buffer.as_ref(), 320, 320, 0);
    let times = times.lock().unwrap_or_else(PoisonError::into_inner);
    ensure!(times.len() as u64 >= LOOKS - 2, "{} of {LOOKS} looks were timed", times.len());
    Ok(Found {
        found: results
            .detections
            .iter()
            .map(|d| Box {
                x: d.x.into(),
                y: d.y.into(),
                width: d.width.into(),
                height: d.height.into(),
                score: d.score.into(),
            })
            .collect(),
        ms: times.iter().sum::<f64>() / times.len() as f64,
    })
}

fn haar(files: &[PathBuf]) -> Result<Vec<Found>> {
    let python = std::env::var_os("ANABRANCH_CV2_PYTHON").context("ANABRANCH_CV2_PYTHON is not set")?;
    let out = Command::new(python).arg(project_root().join("tests/bench/haar.py")).args(files).output()?;
    if !out.status.success() {
        bail!("{}", String::from_utf8_lossy(&out.stderr).lines().last().unwrap_or_default());
    }
    let text = String::from_utf8(out.stdout)?;
    text.lines().map(|line| serde_json::from_str(line).map_err(Into::into)).collect()
}

/// Whether several pictures at once are cheaper than one by one.
fn batches() -> Result<()> {
    println!("Pictures of 320x256 together, CPU ms a picture on one thread:\n");
    println!("| back end | 1 | 2 | 4 | 8 |");
    println!("|---|---|---|---|---|");
    for (name, backend) in [("tract", Backend::Tract), ("ort", Backend::Ort)] {
        let mut row = format!("| {name} ");
        for count in [1, 2, 4, 8] {
            match batch(backend, count) {
                Ok(ms) => row += &format!("| {ms:.2} "),
                Err(error) => row += &format!("| {error} "),
            }
        }
        println!("{row}|");
    }
    println!();
    Ok(())
}

fn batch(backend: Backend, count: usize) -> Result<f64> {
    let shape = [count, 3, 256, 320];
    let model = inference::load("retinaface-mnet025", backend, shape)?;
    let data = (0..shape.iter().product::<usize>()).map(|n| (n * 31 % 251) as f32 - 125.0).collect();
    let input = Tensor { shape: shape.to_vec(), data };
    model.run(&input)?;
    // The least of many: what it costs when nobody disturbs.
    let mut least = f64::INFINITY;
    for _ in 0..(48 / count).max(6) {
        let begun = own_thread_ms()?;
        model.run(&input)?;
        least = least.min((own_thread_ms()? - begun) / count as f64);
    }
    Ok(least)
}

fn streams() -> Result<()> {
    println!("Streams of 640x480 at 30 frames a second in real time, each with its own face-detector:\n");
    println!(
        "| back end | streams | CPU a stream for detection, % of a core | looks a second and stream, least and most | \
         CPU ms a look | missed turns |"
    );
    println!("|---|---|---|---|---|---|");
    for backend in ["tract", "ort"] {
        // Models are loaded and prepared once per process; that is not the cost of a stream.
        run_streams(1, Some(backend))?;
        for count in [1, 10] {
            let base = run_streams(count, None)?;
            let run = run_streams(count, Some(backend))?;
            let seconds = run.seconds.max(1e-3);
            let rate = |looks: Option<&u64>| looks.map_or(f64::NAN, |n| *n as f64 / seconds);
            let looks: u64 = run.looks.iter().sum();
            println!(
                "| {backend} | {count} | {:.1} | {:.1}, {:.1} | {:.2} | {} |",
                (run.cpu - base.cpu) / count as f64 * 100.0,
                rate(run.looks.iter().min()),
                rate(run.looks.iter().max()),
                (run.cpu - base.cpu) * seconds * 1e3 / looks.max(1) as f64,
                run.missed
            );
        }
    }
    println!(
        "\nThe CPU of the same streams without the detector is subtracted. At most {RATE} looks a second."
    );
    Ok(())
}

struct Streams {
    /// Share of one core.
    cpu: f64,
    seconds: f64,
    looks: Vec<u64>,
    missed: u64,
}

/// Decoded pictures loop through one pipeline; each branch is a stream.
fn run_streams(count: usize, backend: Option<&str>) -> Result<Streams> {
    let clip = project_root().join(".cache/samples/people.mp4");
    ensure!(clip.exists(), "{} is missing: make samples", clip.display());
    let branch = |n: usize| {
        let filter = backend.map(|b| format!("abfacedetector name=f{n} backend={b} rate={RATE} !"));
        format!("t. ! queue ! {} fakesink sync=false ", filter.unwrap_or_default())
    };
    let branches: String = (0..count).map(branch).collect();
    let pipeline = launch(&format!(
        "filesrc location={} ! qtdemux ! h264parse ! avdec_h264 max-threads=1 ! clocksync ! tee name=t {branches}",
        clip.display()
    ))?;
    let cpu = cpu_seconds(std::process::id())?;
    let begun = Instant::now();
    run(&pipeline)?;
    let seconds = begun.elapsed().as_secs_f64();
    let cpu = (cpu_seconds(std::process::id())? - cpu) / seconds;
    let mut stats: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for n in 0..backend.map_or(0, |_| count) {
        let element = pipeline.by_name(&format!("f{n}")).context("no filter")?;
        let structure = element.property::<gst::Structure>("stats");
        for name in ["analyses", "missed", "frames"] {
            stats.entry(name).or_default().push(structure.get::<u64>(name)?);
        }
    }
    pipeline.set_state(gst::State::Null)?;
    Ok(Streams {
        cpu,
        seconds,
        looks: stats.remove("analyses").unwrap_or_default(),
        missed: stats.remove("missed").unwrap_or_default().iter().sum(),
    })
}

fn launch(text: &str) -> Result<gst::Pipeline> {
    gst::parse::launch(text)?.downcast::<gst::Pipeline>().map_err(|_| anyhow::anyhow!("no pipeline"))
}

/// Runs a pipeline to its end.
fn run(pipeline: &gst::Pipeline) -> Result<()> {
    pipeline.set_state(gst::State::Playing)?;
    let bus = pipeline.bus().context("no bus")?;
    let limit = gst::ClockTime::from_seconds(120);
    match bus
        .timed_pop_filtered(limit, &[gst::MessageType::Eos, gst::MessageType::Error])
        .as_ref()
        .map(|m| m.view())
    {
        Some(gst::MessageView::Eos(_)) => Ok(()),
        Some(gst::MessageView::Error(error)) => bail!("{}", error.error()),
        _ => bail!("not done after {limit}"),
    }
}

fn finish(pipeline: &gst::Pipeline) -> Result<()> {
    let result = run(pipeline);
    pipeline.set_state(gst::State::Null)?;
    result
}
