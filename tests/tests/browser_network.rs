//! Peers on a bad network, peers that come and go: a real Chromium against the built server, over both transports.

use std::time::Duration;

use anabranch_harness::browser::Scenario;
use anabranch_harness::process::Holdings;
use anabranch_harness::relay::{Conditions, Relay};
use anabranch_harness::serve::Served;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

fn serve(transport: &str) -> Result<Served> {
    Served::start(&format!("[webrtc]\ntransport = {transport:?}\nloopback = true\n"))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

/// 5 % of the packets lost and 50 ms of delay, each way; then a line of 600 kbit/s.
fn bad_network(transport: &str) -> Result<()> {
    let server = serve(transport)?;
    let relay = Relay::start(Conditions::default(), 2026)?;
    let result = Scenario::new("network")
        .option("server", server.url())
        .option("relay", relay.control().to_string())
        .option("lossy", json!({"loss": 0.05, "delay": 50}))
        .option("slow", json!({"rate": 600, "delay": 50}))
        .limit(Duration::from_secs(150))
        .run()
        .with_context(|| format!("the server's log:\n{}", server.log()))?;
    eprintln!("{transport}: {result:#}");
    let counters = relay.counters();
    ensure!(counters.passed > 1000 && counters.lost > 50, "the relay was gone past: {counters:?}");

    let (clear, lossy, slow) = (&result["clear"], &result["lossy"], &result["slow"]);
    ensure!(number(&clear["seen"]) >= 0.8 * number(&clear["painted"]), "{clear}");
    // The picture goes on: both ways lose packets, and each that is asked for again takes a tenth of a second more.
    ensure!(number(&lossy["seen"]) >= 0.5 * number(&lossy["painted"]), "{lossy}");
    ensure!(number(&lossy["longest_gap"]) <= 110.0, "seconds are missing: {lossy}");
    ensure!(number(&slow["seen"]) >= 0.3 * number(&slow["painted"]), "{slow}");
    // Lost packets are asked for again, pictures only rarely.
    ensure!(number(&lossy["nacks_sent"]) > 0.0 && number(&lossy["nacks_received"]) > 0.0, "{lossy}");
    let seconds = number(&lossy["seconds"]);
    for way in ["plis_sent", "plis_received", "firs_received", "key_frames"] {
        ensure!(number(&lossy[way]) <= 2.5 * seconds, "{way}: {lossy}");
    }
    // What is sent adapts to what the line carries.
    ensure!(number(&slow["sent_kbps"]) <= 700.0, "{slow}");
    ensure!(number(&slow["sent_kbps"]) < number(&clear["sent_kbps"]), "{clear} {slow}");
    // The statistics say so.
    ensure!(number(&lossy["rtt_ms"]) >= 80.0, "{lossy}");
    expect_server_saw_it(&lossy["server"])?;
    server.stop(Duration::from_secs(20))?;
    Ok(())
}

/// What the server encodes becomes smaller where the line is slow, so that the picture goes on.
fn encoder_adapts(transport: &str) -> Result<()> {
    let server = serve(transport)?;
    let relay = Relay::start(Conditions::default(), 2026)?;
    let result = Scenario::new("network")
        .option("server", server.url())
        .option("relay", relay.control().to_string())
        .option("elements", json!({"words": {"type": "text-overlay", "text": "encoded here"}}))
        .option("links", json!(["room.video -> words -> room.video"]))
        .option("lossy", json!({}))
        .option("slow", json!({"rate": 400, "delay": 20}))
        .limit(Duration::from_secs(150))
        .run()
        .with_context(|| format!("the server's log:\n{}", server.log()))?;
    eprintln!("{transport}: {result:#}");
    let (clear, slow) = (&result["clear"], &result["slow"]);
    ensure!(number(&clear["received_kbps"]) >= 500.0, "{clear}");
    ensure!(number(&slow["received_kbps"]) <= 440.0, "{slow}");
    // Most of a stream that is too much for the line would not arrive, and what arrives could not be shown. The browser
    // itself sends only a part of its pictures over such a line.
    ensure!(number(&slow["seen"]) >= 0.3 * number(&slow["painted"]), "{slow}");
    server.stop(Duration::from_secs(20))?;
    Ok(())
}

/// The server's own statistics of the peer, by their W3C names: the delay, the loss, and what was asked for again.
fn expect_server_saw_it(report: &Value) -> Result<()> {
    let most = |kind: &str, field: &str| {
        let all = report.as_object().into_iter().flatten().map(|(_, one)| one);
        all.filter(|one| one["type"] == kind).filter_map(|one| one[field].as_f64()).fold(0.0, f64::max)
    };
    ensure!(most("remote-inbound-rtp", "roundTripTime") >= 0.08, "{report:#}");
    ensure!(most("remote-inbound-rtp", "packetsLost") > 0.0, "{report:#}");
    ensure!(most("inbound-rtp", "nackCount") > 0.0 && most("outbound-rtp", "nackCount") > 0.0, "{report:#}");
    Ok(())
}

/// Bytes that memory may have grown: less than a quarter of a megabyte a visit would be seen.
const GROWN: u64 = 12 << 20;

/// 200 visits of 5 seconds of media: half end by closing, half because the browser is killed. What the server holds
/// afterwards is what it held after the first few.
fn visits(transport: &str) -> Result<()> {
    let server = serve(transport)?;
    let visit = |rounds: u32, kill: bool| -> Result<Value> {
        let result = Scenario::new("leave")
            .option("server", server.url())
            .option("rounds", rounds)
            .option("peers", 10)
            .option("kill", kill)
            .limit(Duration::from_secs(400))
            .run()
            .with_context(|| format!("the server's log:\n{}", server.log()))?;
        eprintln!("{transport}: {result}");
        ensure!(number(&result["shortest"]) >= 5000.0 && number(&result["least"]) >= 30.0, "{result}");
        Ok(result)
    };
    // The first visits load plug-ins and fill pools; what they leave is the baseline.
    visit(1, false)?;
    let base = Holdings::settled(server.id(), |_| true)?;
    visit(10, false)?;
    let closed = Holdings::settled(server.id(), |now| now.is_back_at(&base, GROWN))?;
    // The killed ones stay until the server notices: there are 50 of them at once, and the allocator keeps pages of
    // that. So the first 50 are the baseline of the memory after the second 50.
    visit(5, true)?;
    let first = Holdings::settled(server.id(), |now| now.is_back_at(&base, u64::MAX / 2))?;
    visit(5, true)?;
    let second = Holdings::settled(server.id(), |now| {
        now.is_back_at(&base, (first.memory + GROWN).saturating_sub(base.memory))
    })?;
    eprintln!("{transport}: {base:?}, 100 closed: {closed:?}, 50 killed: {first:?}, 50 more: {second:?}");
    ensure!(closed.is_back_at(&base, GROWN), "after closing: {closed:?}, before: {base:?}");
    for killed in [first, second] {
        ensure!(killed.is_back_at(&base, u64::MAX / 2), "after killing: {killed:?}, before: {base:?}");
    }
    ensure!(second.memory <= first.memory + GROWN, "50 killed: {first:?}, 50 more: {second:?}");
    server.stop(Duration::from_secs(20))?;
    Ok(())
}

/// A call through a TURN server at both ends, past which nothing goes. The native transport has no TURN.
#[test]
fn browser_webrtcbin_calls_through_a_turn_server() -> Result<()> {
    let configuration =
        "[webrtc]\ntransport = \"webrtcbin\"\nloopback = true\n[network]\nallow_private = true\n";
    let server = Served::start(configuration)?;
    let scenario = Scenario::new("relayed").option("server", server.url()).limit(Duration::from_secs(60));
    let result = scenario.run().with_context(|| format!("the server's log:\n{}", server.log()))?;
    server.stop(Duration::from_secs(20))?;
    eprintln!("{result:#}");
    ensure!(result["kinds"] == json!(["relay", "relay"]), "{result}");
    ensure!(number(&result["seen"]["frames"]) >= 60.0, "{result}");
    ensure!(number(&result["colour"][1]) > number(&result["colour"][0]) + 30.0, "{result}");
    // The answer is made when the relay is known, not when the last network has been tried.
    ensure!(number(&result["answered"]) <= 2000.0, "{result}");
    let told = result["told"].as_array().context("no candidates")?;
    let is_kind = |kind: &str| told.iter().filter_map(Value::as_str).any(|c| c.contains(kind));
    ensure!(is_kind(" typ relay") && is_kind(" typ host"), "{result}");
    Ok(())
}

/// Peers come and go, some without a word, and when the server ends, nothing of GStreamer is left.
fn leaks(transport: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("gst.log");
    let configuration = format!("[webrtc]\ntransport = {transport:?}\nloopback = true\n");
    let server = Served::start_with(&configuration, |command| {
        anabranch_harness::leaks::trace(command, &log);
    })?;
    for scenario in ["kurento-one-to-many", "whip-loopback", "kurento-data"] {
        let scenario = Scenario::new(scenario).option("server", server.url());
        scenario
            .limit(Duration::from_secs(90))
            .run()
            .with_context(|| format!("the server's log:\n{}", server.log()))?;
    }
    server.stop(Duration::from_secs(30))?;
    let mut left = anabranch_harness::leaks::leaks_in(&log)?;
    // The certificate that GStreamer's dtls plugin makes once for the whole process and never gives back.
    let known = left.iter().position(|leak| leak.type_name == "GstDtlsAgent");
    known.map(|index| left.remove(index));
    ensure!(left.is_empty(), "{} objects are left: {left:#?}", left.len());
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

over_both_transports!(bad_network, encoder_adapts, leaks, visits);
