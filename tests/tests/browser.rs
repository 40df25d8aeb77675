//! A real Chromium against the built server, over both transports: through the Kurento protocol with the unmodified
//! client, and through REST, WHIP and WHEP with bare fetch. What is checked are pixels that the page decoded.

use std::path::Path;
use std::time::Duration;

use anabranch_harness::browser::{Scenario, face_clip, hat};
use anabranch_harness::serve::Served;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// A server whose WebRTC elements take that transport. It may write below `folder`.
fn serve(transport: &str, folder: &Path) -> Result<Served> {
    let root = anabranch_harness::binary::project_root();
    Served::start(&format!(
        "[webrtc]\ntransport = {transport:?}\nloopback = true\n[files]\nread = [{root:?}]\nwrite = [{folder:?}]\n"
    ))
}

/// Runs a scenario against a server and stops it; what it measured. If it fails, the server's log tells more.
fn run(transport: &str, scenario: Scenario) -> Result<Value> {
    let folder = tempfile::tempdir()?;
    run_in(transport, scenario, folder.path())
}

fn run_in(transport: &str, scenario: Scenario, folder: &Path) -> Result<Value> {
    let server = serve(transport, folder)?;
    let result = scenario.option("server", server.url()).run();
    let result = result.with_context(|| format!("the server's log:\n{}", server.log()))?;
    server.stop(Duration::from_secs(20))?;
    eprintln!("{transport}: {result}");
    Ok(result)
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

/// The frames were seen, their numbers could be read, and they were not old.
fn expect_seen(seen: &Value, least: f64, oldest: f64) -> Result<()> {
    ensure!(number(&seen["frames"]) >= least, "too few frames: {seen}");
    ensure!(number(&seen["numbers"]) >= 0.9 * number(&seen["frames"]), "unreadable frames: {seen}");
    ensure!(number(&seen["median_age"]) <= oldest, "old frames: {seen}");
    Ok(())
}

/// The colour of a page's canvas, by its main channel: 0 red, 1 green, 2 blue.
fn expect_channel(colour: &Value, channel: usize) -> Result<()> {
    let main = number(&colour[channel]);
    let others = (0..3).filter(|c| *c != channel).map(|c| number(&colour[c]));
    ensure!(
        others.into_iter().all(|other| main > other + 30.0),
        "channel {channel} is not the main one: {colour}"
    );
    Ok(())
}

fn expect_hats(result: &Value) -> Result<()> {
    let (read, worn) = (number(&result["read"]), number(&result["worn"]));
    ensure!(read >= 150.0, "too few frames could be read: {result}");
    ensure!(worn >= 0.95 * read, "frames without a hat: {result}");
    // It is on the head, above the face's middle, and goes where the face goes.
    let width = number(&result["face_width"]);
    ensure!(number(&result["offset_x"]).abs() <= 0.3 * width, "beside the face: {result}");
    ensure!((20.0..200.0).contains(&number(&result["height"])), "not on the head: {result}");
    ensure!(number(&result["travel"]) >= 200.0, "the face did not move: {result}");
    ensure!(number(&result["miss_median"]) <= 0.15 * width, "it does not follow: {result}");
    ensure!(number(&result["miss_p90"]) <= 0.2 * width, "it does not follow: {result}");
    Ok(())
}

/// The scenario with the clip as camera and the hat.
fn with_face(name: &str) -> Result<Scenario> {
    let clip = face_clip()?;
    Ok(Scenario::new(name)
        .option("camera", clip.display().to_string())
        .option("hat", hat().display().to_string())
        .limit(Duration::from_secs(90)))
}

fn kurento_loopback(transport: &str) -> Result<()> {
    let result = run(transport, Scenario::new("kurento-loopback"))?;
    expect_seen(&result["seen"], 60.0, 500.0)?;
    expect_channel(&result["colour"], 1)?;
    let events = json!({"session": "MediaSessionStarted", "flow": "FLOWING", "connection": "CONNECTED"});
    ensure!(result["events"] == events && result["state"] == "CONNECTED", "{result}");
    Ok(())
}

fn kurento_magic_mirror(transport: &str) -> Result<()> {
    expect_hats(&run(transport, with_face("kurento-magic-mirror")?)?)
}

fn kurento_one_to_many(transport: &str) -> Result<()> {
    let result = run(transport, Scenario::new("kurento-one-to-many").limit(Duration::from_secs(90)))?;
    for (what, count) in [("firsts", 7), ("all", 5), ("last", 3), ("colours", 2)] {
        ensure!(result[what].as_array().is_some_and(|a| a.len() == count), "{what}: {result}");
    }
    for colour in result["colours"].as_array().into_iter().flatten() {
        expect_channel(colour, 2)?;
    }
    ensure!(number(&result["stayed"]["frames"]) >= 120.0, "{result}");
    // Nobody who stays notices who comes and goes: at most a third of a second is missing, and nothing comes twice.
    ensure!(number(&result["longest_gap"]) <= 10.0 && result["backwards"] == 0, "{result}");
    Ok(())
}

fn kurento_one_to_one(transport: &str) -> Result<()> {
    let result = run(transport, Scenario::new("kurento-one-to-one"))?;
    ensure!(
        number(&result["left"]["frames"]) >= 45.0 && number(&result["right"]["frames"]) >= 45.0,
        "{result}"
    );
    expect_channel(&result["left_sees"], 2)?;
    expect_channel(&result["right_sees"], 0)
}

fn kurento_recorder(transport: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("call.webm");
    let scenario = Scenario::new("kurento-recorder").option("uri", format!("file://{}", file.display()));
    let result = run_in(transport, scenario.limit(Duration::from_secs(90)), folder.path())?;
    ensure!(result["events"] == json!(["Recording", "Stopped"]), "{result}");
    // What an independent reader finds in the file.
    let facts = anabranch_harness::oracle::probe(&file)?;
    // Of 90 that were seen; it begins with a key frame, and a browser makes at most three in a second when asked.
    ensure!(facts.video()?.frames >= 65, "{} frames were recorded", facts.video()?.frames);
    // And what the page was shown: the frames of the recording, in order.
    let numbers: Vec<i64> =
        result["numbers"].as_array().into_iter().flatten().filter_map(Value::as_i64).collect();
    ensure!(numbers.len() >= 60, "{} frames of the recording were seen: {result}", numbers.len());
    ensure!(numbers.is_sorted(), "not in order: {numbers:?}");
    let colour = &result["colour"];
    ensure!(number(&colour[0]) > number(&colour[1]) + 30.0, "not the colour that was recorded: {colour}");
    Ok(())
}

fn kurento_data(transport: &str) -> Result<()> {
    let result = run(transport, Scenario::new("kurento-data"))?;
    ensure!(result["texts"] == 100 && result["wrong"] == 0, "{result}");
    ensure!(
        number(&result["back"]) >= f64::from(1 << 20) && number(&result["median_trip"]) < 100.0,
        "{result}"
    );
    ensure!(result["event"] == "DataChannelOpened" || result["event"] == "DataChannelOpen", "{result}");
    Ok(())
}

fn whip_loopback(transport: &str) -> Result<()> {
    let result = run(transport, Scenario::new("whip-loopback").limit(Duration::from_secs(90)))?;
    expect_seen(&result["apart"]["seen"], 60.0, 500.0)?;
    expect_seen(&result["loopback"]["seen"], 60.0, 500.0)?;
    // ICE was restarted while pictures flowed.
    expect_seen(&result["loopback"]["restarted"], 60.0, 500.0)?;
    ensure!(result["loopback"]["restarted"]["other_name"] == true, "{result}");
    let colour = &result["apart"]["colour"];
    ensure!(number(&colour[0]) > number(&colour[2]) + 30.0, "not the page's colour: {colour}");
    ensure!(result["apart"]["refused"].as_str().is_some_and(|r| r.contains("409")), "{result}");
    Ok(())
}

fn whip_magic_mirror(transport: &str) -> Result<()> {
    expect_hats(&run(transport, with_face("whip-magic-mirror")?)?)
}

fn whip_package(transport: &str) -> Result<()> {
    let result = run(transport, Scenario::new("whip-package").limit(Duration::from_secs(90)))?;
    expect_seen(&result["seen"], 60.0, 500.0)
}

/// The examples of docs/clients.md, as they stand there.
fn documentation(transport: &str) -> Result<()> {
    let result = run(transport, with_face("docs")?)?;
    for example in ["bare", "whip_whep", "kurento"] {
        ensure!(number(&result[example]) >= 30.0, "{example}: {result}");
    }
    Ok(())
}

macro_rules! over_both_transports {
    ($($scenario:ident),* $(,)?) => {
        mod browser_webrtcbin {
            $(#[test] fn $scenario() -> super::Result<()> { super::$scenario("webrtcbin") })*
        }
        mod browser_native {
            $(#[test] fn $scenario() -> super::Result<()> { super::$scenario("native") })*
        }
    };
}

over_both_transports!(
    kurento_loopback,
    kurento_magic_mirror,
    kurento_one_to_many,
    kurento_one_to_one,
    kurento_recorder,
    kurento_data,
    whip_loopback,
    whip_magic_mirror,
    whip_package,
    documentation,
);
