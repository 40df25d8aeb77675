//! The arrows between the rooms point one way.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Which crates of this workspace each crate may need in the product.
const ALLOWED: &[(&str, &[&str])] = &[
    ("anabranch-graph", &[]),
    ("anabranch-kit", &["anabranch-graph"]),
    ("anabranch-engine", &["anabranch-graph", "anabranch-kit"]),
    ("anabranch-elements", &["anabranch-graph", "anabranch-kit"]),
    // Reading bar codes is pictures in, texts out.
    ("anabranch-codes", &[]),
    ("anabranch-filters", &["anabranch-graph", "anabranch-kit", "anabranch-codes"]),
    ("anabranch-webrtc", &["anabranch-graph", "anabranch-kit"]),
    ("anabranch-rtp", &["anabranch-graph", "anabranch-kit"]),
    ("anabranch-rtsp", &["anabranch-graph", "anabranch-kit"]),
    ("anabranch-http", &["anabranch-graph", "anabranch-kit"]),
    ("anabranch-hubs", &["anabranch-graph", "anabranch-kit"]),
    ("anabranch-python", &["anabranch-graph", "anabranch-kit"]),
    // The server drives the engine by its public API, as any application would.
    ("anabranch-server", &["anabranch-graph", "anabranch-engine"]),
    // Truth, metrics and reports are data.
    ("anabranch-eval", &[]),
    (
        "anabranch",
        &[
            "anabranch-graph",
            "anabranch-eval",
            "anabranch-kit",
            "anabranch-engine",
            "anabranch-server",
            "anabranch-elements",
            "anabranch-filters",
            "anabranch-webrtc",
            "anabranch-rtp",
            "anabranch-rtsp",
            "anabranch-http",
            "anabranch-hubs",
            "anabranch-python",
        ],
    ),
];

fn metadata() -> Result<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline", "--locked"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[test]
fn no_arrow_points_back() -> Result<()> {
    let metadata = metadata()?;
    let packages = metadata["packages"].as_array().context("no packages")?;
    let needs: BTreeMap<&str, Vec<&str>> = packages
        .iter()
        .filter_map(|package| {
            let needs = package["dependencies"]
                .as_array()?
                .iter()
                .filter(|d| d["kind"].is_null())
                .filter_map(|d| d["name"].as_str())
                .collect();
            Some((package["name"].as_str()?, needs))
        })
        .collect();
    for (name, allowed) in ALLOWED {
        let needs = needs.get(name).with_context(|| format!("{name} is gone"))?;
        let ours = needs.iter().filter(|n| n.starts_with("anabranch"));
        for need in ours {
            ensure!(allowed.contains(need), "{name} must not depend on {need}");
        }
    }
    for pure in ["anabranch-graph", "anabranch-eval"] {
        let needs = &needs[pure];
        ensure!(
            !needs.iter().any(|n| n.starts_with("gst") || *n == "tokio" || *n == "glib"),
            "{pure} is pure: {needs:?}"
        );
    }
    Ok(())
}

#[test]
fn no_binding_is_newer_than_the_platform() -> Result<()> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "-e", "features", "--offline", "--locked"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8_lossy(&output.stdout);
    ensure!(tree.contains("v1_22"), "the tree shows no binding at all");
    let newer = tree.lines().find(|l| ["v1_24", "v1_26", "v1_28"].iter().any(|v| l.contains(v)));
    ensure!(newer.is_none(), "a dependency asks for a newer GStreamer: {newer:?}");
    Ok(())
}
