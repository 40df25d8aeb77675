//! What the face overlay costs: CPU of one 640x480 stream at 30 frames a second in real time, how often faces are looked
//! for, and what it adds to the latency of the video path, with each inference back end. Prints Markdown.
//!
//! Latency is measured with pad probes: the time from a frame's arrival at the filter's sink pad to its leaving by the
//! source pad. The CPU of the same pipeline without the filter is subtracted. The CPU time of the filter's own thread is
//! measured too: it says what drawing costs even on a machine that has other things to do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anabranch_harness::binary::project_root;
use anabranch_harness::process::{ThreadClock, cpu_seconds};
use anyhow::{Context, bail};
use gst::prelude::*;
use gstanabranchelements as _;
use gstanabranchfilters as _;

struct Run {
    frames: usize,
    /// Share of one core.
    cpu: f64,
    /// Milliseconds, sorted.
    latencies: Vec<f64>,
    /// Milliseconds of CPU that the filter's thread used for each frame, sorted.
    own: Vec<f64>,
    /// Numbers of the filter's own.
    stats: Vec<(String, u64)>,
}

fn run(filter: Option<&str>) -> anyhow::Result<Run> {
    let root = project_root();
    let clip = root.join(".cache/samples/people.mp4");
    if !clip.exists() {
        bail!("{} is missing: make samples", clip.display());
    }
    let filter = filter.unwrap_or("identity name=f");
    let pipeline = gst::parse::launch(&format!(
        "filesrc location={} ! qtdemux ! h264parse ! avdec_h264 max-threads=1 ! clocksync ! {filter} ! \
         fakesink sync=false",
        clip.display()
    ))?
    .downcast::<gst::Pipeline>()
    .map_err(|_| anyhow::anyhow!("no pipeline"))?;
    let element = pipeline.by_name("f").context("no filter")?;
    let entered: Arc<Mutex<HashMap<u64, Instant>>> = Arc::default();
    let latencies: Arc<Mutex<Vec<f64>>> = Arc::default();
    let key = |info: &gst::PadProbeInfo| info.buffer().and_then(|b| b.pts()).map(|pts| pts.nseconds());
    let note = entered.clone();
    let sink = element.static_pad("sink").context("no sink pad")?;
    sink.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(pts) = key(info) {
            note.lock().unwrap_or_else(PoisonError::into_inner).insert(pts, Instant::now());
        }
        gst::PadProbeReturn::Ok
    });
    let (note, out) = (entered, latencies.clone());
    let own: Arc<Mutex<Vec<f64>>> = Arc::default();
    let (spent, clock) = (own.clone(), Mutex::new(ThreadClock::default()));
    let src = element.static_pad("src").context("no source pad")?;
    src.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let since =
            key(info).and_then(|pts| note.lock().unwrap_or_else(PoisonError::into_inner).remove(&pts));
        if let Some(since) = since {
            let ms = since.elapsed().as_secs_f64() * 1e3;
            out.lock().unwrap_or_else(PoisonError::into_inner).push(ms);
        }
        let ms = clock.lock().unwrap_or_else(PoisonError::into_inner).since_last("face-overlay");
        if let Some(ms) = ms {
            spent.lock().unwrap_or_else(PoisonError::into_inner).push(ms);
        }
        gst::PadProbeReturn::Ok
    });
    let cpu = cpu_seconds(std::process::id())?;
    let started = Instant::now();
    pipeline.set_state(gst::State::Playing)?;
    let bus = pipeline.bus().context("no bus")?;
    let limit = gst::ClockTime::from_seconds(120);
    let message = bus.timed_pop_filtered(limit, &[gst::MessageType::Eos, gst::MessageType::Error]);
    let wall = started.elapsed();
    let cpu = (cpu_seconds(std::process::id())? - cpu) / wall.as_secs_f64();
    let mut stats = Vec::new();
    if element.find_property("stats").is_some_and(|p| p.value_type() == gst::Structure::static_type()) {
        let structure: gst::Structure = element.property("stats");
        for (name, value) in structure.iter() {
            if let Ok(number) = value.get::<u64>() {
                stats.push((name.to_string(), number));
            }
        }
    }
    pipeline.set_state(gst::State::Null)?;
    match message.as_ref().map(|m| m.view()) {
        Some(gst::MessageView::Eos(_)) => {}
        Some(gst::MessageView::Error(error)) => bail!("{}", error.error()),
        _ => bail!("not done after {limit}"),
    }
    let sorted = |numbers: &Mutex<Vec<f64>>| {
        let mut numbers = std::mem::take(&mut *numbers.lock().unwrap_or_else(PoisonError::into_inner));
        numbers.sort_by(f64::total_cmp);
        numbers
    };
    let (latencies, own) = (sorted(&latencies), sorted(&own));
    Ok(Run { frames: latencies.len(), cpu, latencies, own, stats })
}

fn percentile(sorted: &[f64], share: f64) -> f64 {
    let index = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

fn percentiles(sorted: &[f64]) -> String {
    let [half, most, max] = [0.5, 0.99, 1.0].map(|share| percentile(sorted, share));
    format!("{half:.2} / {most:.2} / {max:.2}")
}

fn main() -> anyhow::Result<()> {
    gst::init()?;
    anabranch_kit::registry::register_all(None)?;
    let hat = project_root().join("pipelines/hat.png");
    let base = run(None)?;
    println!("Without the filter: {} frames, {:.1} % of a core.\n", base.frames, base.cpu * 100.0);
    println!(
        "| back end | CPU of the overlay, % of a core | added latency p50 / p99 / max, ms | CPU of its thread per frame \
         p50 / p99 / max, ms | the filter's numbers |"
    );
    println!("|---|---|---|---|---|");
    for backend in ["tract", "ort"] {
        let filter = format!("videoconvert ! abfaceoverlay name=f image={} backend={backend}", hat.display());
        // Models are loaded and prepared once per process; that is not the cost of a stream.
        let run = match run(Some(&filter)).and_then(|_| run(Some(&filter))) {
            Ok(run) => run,
            Err(error) => {
                println!("| {backend} | not measured: {error} | | | |");
                continue;
            }
        };
        let stats: Vec<String> = run.stats.iter().map(|(name, n)| format!("{name} {n}")).collect();
        println!(
            "| {backend} | {:.1} | {} | {} | {} |",
            (run.cpu - base.cpu) * 100.0,
            percentiles(&run.latencies),
            percentiles(&run.own),
            stats.join(", "),
        );
        anyhow::ensure!(run.frames == base.frames, "{} of {} frames came through", run.frames, base.frames);
    }
    Ok(())
}
