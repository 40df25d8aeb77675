//! Creates, runs and releases many pipelines, and says what the process holds before and after. The leak test runs it
//! under GStreamer's leak tracer; by hand: `many_pipelines 200`.

use std::path::PathBuf;

use anabranch_engine::{Engine, OutcomeKind, graph::Document};
use anabranch_harness::process::Holdings;
use anyhow::{Context, ensure};
use gstanabranchelements as _;
use gstanabranchfilters as _;
use serde_json::json;

/// One life of a graph with a transcode, a pass-through, a filter and a snapshot.
async fn live_once(engine: &Engine, folder: &std::path::Path, n: usize) -> anyhow::Result<()> {
    let file = |name: &str| folder.join(format!("{}-{name}", n % 4)).display().to_string();
    let document = Document::new(format!("p{n}"))
        .element(
            "camera",
            "test-source",
            json!({"width": 160, "height": 120, "frames": 10, "pace": "fastest"}),
        )
        .element("same", "pass-through", json!({}))
        .element("webm", "recorder", json!({"location": file("a.webm")}))
        .element("mp4", "recorder", json!({"location": file("b.mp4")}))
        .element("nothing", "null-sink", json!({}))
        .link("camera.video -> same -> webm")
        .link("camera.audio -> webm")
        .link("camera -> mp4")
        .link("same -> nothing");
    let pipeline = engine.create(engine.check(&document)?)?;
    pipeline.start().await?;
    // Some end by themselves, some are stopped, some are dropped while they run.
    match n % 3 {
        0 => {
            let outcome = pipeline.wait().await;
            ensure!(outcome.result == OutcomeKind::Done, "pipeline {n} ended with {outcome:?}");
        }
        1 => {
            pipeline.stop(std::time::Duration::from_secs(10)).await;
        }
        _ => {
            let mut events = pipeline.events();
            drop(pipeline);
            while events.next().await.is_some() {}
        }
    }
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let count: usize = std::env::args().nth(1).context("how many?")?.parse()?;
    let folder: PathBuf = std::env::temp_dir().join(format!("anabranch-many-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(async {
        let engine = Engine::new()?;
        let warm_up = count.min(20);
        for n in 0..warm_up {
            live_once(&engine, &folder, n).await?;
        }
        let before = Holdings::own()?;
        for n in warm_up..count {
            live_once(&engine, &folder, n).await?;
        }
        ensure!(engine.pipelines().is_empty(), "the engine still knows pipelines");
        // Pools end their idle threads after a while; those are no leak. Leaked ones never end.
        let mut after = Holdings::own()?;
        for _ in 0..200 {
            if after.threads <= before.threads && after.descriptors <= before.descriptors {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            after = Holdings::own()?;
        }
        anyhow::Ok((before, after))
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(10));
    std::fs::remove_dir_all(&folder)?;
    let (before, after) = result?;
    println!(
        "{}",
        json!({
            "pipelines": count,
            "before": {"threads": before.threads, "descriptors": before.descriptors, "memory": before.memory},
            "after": {"threads": after.threads, "descriptors": after.descriptors, "memory": after.memory},
        })
    );
    // SAFETY: everything that uses GStreamer is gone; the leak tracer reports at this point.
    unsafe { anabranch_engine::gst::deinit() };
    Ok(())
}
