//! Changes a graph while media flows: a second recorder joins and leaves, the first one misses nothing.
//!
//!     cargo run --release -p anabranch-engine --example live_change

use std::time::Duration;

use anabranch_engine::{Engine, EventKind, graph::Document};
use gstanabranchelements as _;
use serde_json::json;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    std::fs::create_dir_all("out")?;
    let engine = Engine::new()?;
    let document = Document::new("live-change")
        .element("camera", "test-source", json!({"pace": "realtime"}))
        .element("whole", "recorder", json!({"location": "out/whole.webm"}))
        .link("camera -> whole");
    let pipeline = engine.create(engine.check(&document)?)?;
    let mut events = pipeline.events();
    pipeline.start().await?;

    tokio::time::sleep(Duration::from_secs(1)).await;
    let part = pipeline.add("part", "recorder", json!({"location": "out/part.mkv"})).await?;
    pipeline.connect("camera -> part").await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    // The file is finalised before this returns.
    part.release().await?;
    println!("out/part.mkv is ready, out/whole.webm goes on");

    tokio::time::sleep(Duration::from_secs(1)).await;
    let stats = pipeline.stats().await;
    println!("{}", serde_json::to_string_pretty(&stats)?);
    let outcome = pipeline.stop(Duration::from_secs(5)).await;
    while let Some(event) = events.next().await {
        if let EventKind::GraphChanged { steps } = &event.kind {
            println!("{:.1} s: {}", event.time, steps.join(", "));
        }
    }
    println!("{outcome:?}");
    Ok(())
}
