//! What a filter in Python costs beyond its own time with the mode `inline`, where a frame waits for its own answer: the
//! round trip, from handing the frame over to having the answer, and all of it, from the frame's arrival at `python-filter`
//! to its leaving, with making and copying the picture that the filter sees.
//!
//! The filter's own time is taken off, frame by frame. Prints Markdown. `bench-python [FRAMES]`.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use anabranch_kit::params::set_json;
use anyhow::{Context, bail};
use gst::prelude::*;
use gstanabranchpython as _;
use serde_json::json;

struct Case {
    what: &'static str,
    stream: &'static str,
    class: &'static str,
}

const CASES: &[Case] = &[
    Case { what: "grey, as it is", stream: "GRAY8", class: "format = 'GRAY'" },
    Case { what: "I420 to grey", stream: "I420", class: "format = 'GRAY'" },
    Case { what: "RGBA, as it is", stream: "RGBA", class: "format = 'RGBA'" },
    Case { what: "I420 to RGBA", stream: "I420", class: "format = 'RGBA'" },
    Case { what: "I420 to RGB", stream: "I420", class: "format = 'RGB'" },
    Case { what: "I420 to RGB, 320 pixels", stream: "I420", class: "format = 'RGB'; size = 320" },
    Case { what: "I420 to grey, 320 pixels", stream: "I420", class: "format = 'GRAY'; size = 320" },
    Case { what: "grey, changed and taken back", stream: "GRAY8", class: "format = 'GRAY'; CHANGE = True" },
    Case { what: "RGBA, changed and taken back", stream: "RGBA", class: "format = 'RGBA'; CHANGE = True" },
];

/// The filter looks at one pixel, and says how long that took as the number `own`.
fn file(class: &str) -> String {
    format!(
        "import time\nfrom anabranch import Detection, Filter, Scalar\n\n\
         class Look(Filter):\n    CHANGE = False\n    {class}\n\n    \
         def process(self, frame):\n        \
         begun = time.perf_counter()\n        \
         level = int(frame.image[frame.height // 2, frame.width // 2].max())\n        \
         yield Detection('level', 0.4, 0.4, 0.2, 0.2, attributes={{'level': level}})\n        \
         if self.CHANGE:\n            frame.image[:8] = level\n            yield frame.image\n        \
         yield Scalar('own', time.perf_counter() - begun)\n"
    )
}

/// Microseconds of each frame, without the filter's own.
#[derive(Default)]
struct Times {
    round_trip: Vec<f64>,
    all: Vec<f64>,
}

fn measure(case: &Case, frames: usize) -> anyhow::Result<Times> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("look.py");
    std::fs::write(&path, file(case.class))?;
    let line = format!(
        "videotestsrc num-buffers={frames} pattern=ball ! video/x-raw,format={},width=1280,height=720,framerate=60/1 ! \
         abpythonfilter name=filter ! fakesink sync=false",
        case.stream
    );
    let pipeline = gst::parse::launch(&line)?.downcast::<gst::Pipeline>().ok().context("no pipeline")?;
    let filter = pipeline.by_name("filter").context("no filter")?;
    for (name, value) in [("file", json!(path)), ("mode", json!("inline")), ("budget-ms", json!(5000))] {
        set_json(filter.upcast_ref(), name, &value)?;
    }
    let times = Arc::new(Mutex::new(Times::default()));
    let arrived = Arc::new(Mutex::new(None::<Instant>));
    let pad = |name: &str| filter.static_pad(name).with_context(|| format!("no pad {name}"));
    let begun = arrived.clone();
    pad("sink")?.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        *begun.lock().expect("nobody panics with it") = Some(Instant::now());
        gst::PadProbeReturn::Ok
    });
    let (taken, element) = (times.clone(), filter.downgrade());
    pad("src")?.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let left = Instant::now();
        let arrived = arrived.lock().expect("nobody panics with it").take();
        let results =
            info.buffer().map(|buffer| anabranch_kit::results::FrameResults::of_buffer(buffer, 1280, 720, 0));
        let own = results.and_then(|results| results.scalars.get("own").copied());
        if let (Some(arrived), Some(own)) = (arrived, own) {
            let took = (left - arrived).as_secs_f64() - own;
            let stats = element.upgrade().map(|e| e.property::<gst::Structure>("stats"));
            let trip = stats.and_then(|stats| stats.get::<u64>("round-trip-ns").ok()).unwrap_or(u64::MAX);
            let mut times = taken.lock().expect("nobody panics with it");
            times.all.push(took * 1e6);
            times.round_trip.push(trip as f64 / 1e3);
        }
        gst::PadProbeReturn::Ok
    });
    pipeline.set_state(gst::State::Playing)?;
    let bus = pipeline.bus().context("no bus")?;
    let limit = gst::ClockTime::from_seconds(300);
    let end = bus.timed_pop_filtered(limit, &[gst::MessageType::Eos, gst::MessageType::Error]);
    pipeline.set_state(gst::State::Null)?;
    if !matches!(end.as_ref().map(|m| m.view()), Some(gst::MessageView::Eos(_))) {
        bail!("{}: {end:?}", case.what);
    }
    let mut times = std::mem::take(&mut *times.lock().expect("nobody panics with it"));
    // The first frames come with the start of the worker.
    for list in [&mut times.all, &mut times.round_trip] {
        list.drain(..list.len().min(20));
        list.sort_by(f64::total_cmp);
    }
    Ok(times)
}

fn main() -> anyhow::Result<()> {
    let frames = std::env::args().nth(1).map_or(Ok(1500), |text| text.parse())?;
    gst::init()?;
    anabranch_kit::registry::register_all(None)?;
    println!(
        "| 1280x720 | frames | round trip p50 / p95 / p99 / max, µs | with the picture p50 / p95 / p99 / max, µs |"
    );
    println!("|---|---|---|---|");
    for case in CASES {
        let times = measure(case, frames)?;
        println!(
            "| {} | {} | {} | {} |",
            case.what,
            times.all.len(),
            parts(&times.round_trip),
            parts(&times.all)
        );
    }
    Ok(())
}

/// Median, 95 and 99 of a hundred, and the longest of sorted times.
fn parts(times: &[f64]) -> String {
    let at = |part: f64| {
        let index = ((times.len().max(1) - 1) as f64 * part).round() as usize;
        format!("{:.0}", times.get(index).copied().unwrap_or(f64::NAN))
    };
    [0.5, 0.95, 0.99, 1.0].map(at).join(" / ")
}
