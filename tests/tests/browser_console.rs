//! The console in a real Chromium: what a person does with it, by mouse and keyboard.

use std::time::Duration;

use anabranch_harness::browser::{Scenario, face_clip};
use anabranch_harness::serve::Served;
use anyhow::{Context, Result, ensure};
use serde_json::json;

#[test]
fn browser_console_magic_mirror_webrtcbin() -> Result<()> {
    use_the_console("webrtcbin")
}

#[test]
fn browser_console_magic_mirror_native() -> Result<()> {
    use_the_console("native")
}

/// Starts the magic mirror from the page, looks at its graph, pictures, statistics and events, and changes it.
fn use_the_console(transport: &str) -> Result<()> {
    let root = anabranch_harness::binary::project_root();
    let server = Served::start(&format!(
        "[webrtc]\ntransport = {transport:?}\nloopback = true\n[files]\nread = [{root:?}]\n"
    ))?;
    let mut scenario = Scenario::new("console")
        .option("server", server.url())
        .option("camera", face_clip()?.display().to_string())
        .limit(Duration::from_secs(120));
    // Where a person wants to look at the pages.
    if let Ok(folder) = std::env::var("CONSOLE_PICTURES") {
        scenario = scenario.option("pictures", folder);
    }
    let result = scenario.run().with_context(|| format!("the server's log:\n{}", server.log()))?;
    eprintln!("{transport}: {result}");
    ensure!(
        result["seen"].as_array().is_some_and(|all| all.len() == 3),
        "the statistics stand still: {result}"
    );
    ensure!(result["finding"]["line"] == result["wrong"], "the mistake is shown elsewhere: {result}");
    let finding = result["finding"]["text"].as_str().unwrap_or_default();
    ensure!(finding.contains("face-overly") && finding.contains("did you mean"), "{finding}");
    ensure!(result["glass"].as_f64().is_some_and(|ms| ms > 0.0 && ms < 1000.0), "{result}");
    ensure!(result["gone"] == true, "{result}");
    // Nothing was forbidden by the security policy, nothing threw, and nothing is wider than a narrow window.
    ensure!(result["trouble"] == json!([]), "{}", result["trouble"]);
    ensure!(result["over"] == json!([]), "{}", result["over"]);
    server.stop(Duration::from_secs(20))?;
    Ok(())
}

/// The console's own layout of graphs.
#[test]
fn console_boxes_never_overlap() -> Result<()> {
    let result = Scenario::new("console-layout").option("graphs", 400).run()?;
    ensure!(result["wrong"] == json!([]), "{result}");
    ensure!(result["most"].as_u64() >= Some(10), "the graphs are too small to say anything: {result}");
    Ok(())
}
