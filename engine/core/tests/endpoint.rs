//! Endpoints in a running graph: an element of the test's own that negotiates by commands what it takes.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use anabranch_engine::graph::spec::GraphSpec;
use anabranch_engine::{Engine, EventKind, MediaPipeline, OutcomeKind, PipelineOptions, PipelineState};
use gstanabranchelements as _;
use serde_json::json;

#[path = "endpoint/peer.rs"]
mod peer;

async fn empty(engine: &Engine) -> MediaPipeline {
    let pipeline = engine.create_with(GraphSpec::empty("room"), &PipelineOptions::keep_running()).unwrap();
    pipeline.start().await.unwrap();
    pipeline
}

/// Waits until so many frames came out at an application's sink.
async fn frames(pipeline: &MediaPipeline, id: &str, count: usize) {
    let mut sink = pipeline.element(id).unwrap().app_sink().await.unwrap();
    let all = async {
        for _ in 0..count {
            sink.next().await.expect("the stream goes on");
        }
    };
    tokio::time::timeout(Duration::from_secs(20), all).await.expect("frames come");
}

/// What came in at an endpoint: waits for the first buffer of caps whose name is `wanted`.
async fn takes(pipeline: &MediaPipeline, id: &str, wanted: &str) {
    let element = pipeline.element(id).unwrap();
    let wanted = json!({"name": wanted});
    tokio::time::timeout(Duration::from_secs(20), element.command("await-caps", &wanted))
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn an_endpoint_gets_what_it_negotiates_and_nothing_before() {
    let engine = Engine::new().unwrap();
    let pipeline = empty(&engine).await;
    let mut events = pipeline.events();
    pipeline.add("source", "test-source", json!({})).await.unwrap();
    let peer = pipeline.add("peer", "test-peer", json!({})).await.unwrap();
    // It answers before anything is linked to it.
    assert_eq!(peer.command("got", &json!({})).await.unwrap(), json!([]));
    pipeline.connect("source.video -> peer.video").await.unwrap();
    let witness = pipeline.add("witness", "test-peer", json!({})).await.unwrap();
    pipeline.connect("source.video -> witness.video").await.unwrap();
    witness.command("want", &json!({"port": "video", "formats": ["video/x-raw"]})).await.unwrap();
    takes(&pipeline, "witness", "video/x-raw").await;
    assert_eq!(peer.command("got", &json!({})).await.unwrap(), json!([]));

    peer.command("want", &json!({"port": "video", "formats": ["video/x-vp8"], "bitrate": 400}))
        .await
        .unwrap();
    takes(&pipeline, "peer", "video/x-vp8").await;
    peer.command("want", &json!({"port": "video", "formats": ["video/x-h264"]})).await.unwrap();
    takes(&pipeline, "peer", "video/x-h264").await;

    // Nothing more: the encoder goes.
    peer.command("want", &json!({"port": "video", "formats": []})).await.unwrap();
    let mut stopped = 0;
    while stopped < 2 {
        let event = tokio::time::timeout(Duration::from_secs(20), events.next()).await.unwrap().unwrap();
        match &event.kind {
            EventKind::TranscodingStopped(_) => stopped += 1,
            EventKind::Element { name, .. } => assert_ne!(name, "wants"),
            EventKind::NotServed { reason, .. } => panic!("{reason}"),
            _ => {}
        }
    }
    pipeline.release("peer").await.unwrap();
    pipeline.release("source").await.unwrap();
    pipeline.release("witness").await.unwrap();
    assert_eq!(pipeline.state(), PipelineState::Running, "an empty pipeline that is to be kept goes on");
    assert_eq!(pipeline.stop(Duration::from_secs(5)).await.result, OutcomeKind::Stopped);
}

#[tokio::test]
async fn an_endpoint_can_get_its_own_media_back() {
    let engine = Engine::new().unwrap();
    let pipeline = empty(&engine).await;
    let peer = pipeline.add("peer", "test-peer", json!({})).await.unwrap();
    pipeline.connect("peer -> peer").await.unwrap();
    peer.command("want", &json!({"port": "video", "formats": ["video/x-raw"]})).await.unwrap();
    takes(&pipeline, "peer", "video/x-raw").await;
    let error = peer.command("dance", &json!({})).await.unwrap_err();
    assert_eq!(error.code, "unknown-command");
    assert_eq!(pipeline.stop(Duration::from_secs(5)).await.result, OutcomeKind::Stopped);
}

#[tokio::test]
async fn a_recording_of_a_peer_is_finalised_by_a_drain() {
    let engine = Engine::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.mkv");
    let pipeline = empty(&engine).await;
    pipeline.add("peer", "test-peer", json!({})).await.unwrap();
    pipeline.add("file", "recorder", json!({"location": file})).await.unwrap();
    pipeline.connect("peer.video -> file.video").await.unwrap();
    pipeline.add("witness", "app-sink", json!({"drop": true})).await.unwrap();
    pipeline.connect("peer.video -> witness").await.unwrap();
    frames(&pipeline, "witness", 20).await;
    pipeline.release("witness").await.unwrap();
    pipeline.drain();
    let outcome = tokio::time::timeout(Duration::from_secs(20), pipeline.wait()).await.unwrap();
    assert_eq!(outcome.failures, []);
    assert!(std::fs::metadata(&file).unwrap().len() > 1000);
}

#[tokio::test]
async fn an_input_gets_another_source_while_its_element_keeps_other_links() {
    let engine = Engine::new().unwrap();
    let pipeline = empty(&engine).await;
    for id in ["a", "b"] {
        pipeline.add(id, "test-source", json!({})).await.unwrap();
    }
    pipeline.add("sink", "app-sink", json!({"drop": true})).await.unwrap();
    pipeline.connect("a -> sink").await.unwrap();
    frames(&pipeline, "sink", 5).await;
    for (old, new) in [("a", "b"), ("b", "a"), ("a", "b")] {
        let mut spec = (*pipeline.spec()).clone();
        let link =
            spec.links.iter_mut().find(|link| link.from.node == old && link.from.port == "video").unwrap();
        link.from.node = new.into();
        pipeline.apply(spec).await.unwrap();
        frames(&pipeline, "sink", 60).await;
    }
    pipeline.abort().await;
}
