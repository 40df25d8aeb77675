//! Builds a graph in code, runs it, and prints what happens and what was counted.
//!
//!     cargo run --release -p anabranch-engine --example graph_in_code
//!
//! Two seconds of the test picture and its tone become `out/graph-in-code.webm`.

use anabranch_engine::{Engine, OutcomeKind, graph::Document};
use anyhow::ensure;
// Linked for their element types.
use gstanabranchelements as _;
use serde_json::json;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    std::fs::create_dir_all("out")?;
    let engine = Engine::new()?;
    let document = Document::new("graph-in-code")
        .element("picture", "test-source", json!({"width": 640, "height": 480, "fps": 30, "frames": 60}))
        .element("file", "recorder", json!({"location": "out/graph-in-code.webm"}))
        .link("picture -> file");
    let pipeline = engine.create(engine.check(&document)?)?;

    let mut events = pipeline.events();
    let printer = tokio::spawn(async move {
        while let Some(event) = events.next().await {
            println!("{}", serde_json::to_string(&*event).unwrap_or_default());
        }
    });

    pipeline.start().await?;
    let outcome = pipeline.wait().await;
    printer.await?;
    ensure!(outcome.result == OutcomeKind::Done, "it ended with {outcome:?}");
    println!("out/graph-in-code.webm is ready");
    Ok(())
}
