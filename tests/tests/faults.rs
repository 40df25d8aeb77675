//! What goes wrong in one place stays there, is told in plain words, and follows the policy that the description names.

use std::time::Duration;

use anabranch_harness::binary::Anabranch;
use anabranch_harness::{media, oracle};
use anyhow::{Result, ensure};

const LIMIT: Duration = Duration::from_secs(60);

fn two_recorders(folder: &std::path::Path, policy: &str, frames: u32) -> Result<String> {
    let path = folder.join("two.yaml");
    let text = format!(
        "name: two\n\
         elements:\n  \
           camera: {{ type: test-source, width: 320, height: 240, frames: {frames}, pace: fastest }}\n  \
           healthy: {{ type: recorder, location: '{0}/healthy.webm' }}\n  \
           full: {{ type: recorder, location: /dev/full, profile: webm{policy} }}\n\
         links:\n  - camera -> healthy\n  - camera -> full\n",
        folder.display()
    );
    std::fs::write(&path, text)?;
    Ok(path.display().to_string())
}

#[test]
fn a_full_disk_takes_only_its_own_recorder_with_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let done = Anabranch::run(two_recorders(folder.path(), "", 300)?).finish()?.expect_code(3)?;
    let failed: Vec<_> = done.events_named("element-failed").collect();
    ensure!(failed.len() == 1, "{failed:?}");
    ensure!(failed[0]["element"] == "full", "{failed:?}");
    let reason = failed[0]["reason"].as_str().unwrap_or_default();
    ensure!(reason.contains("full") || reason.contains("space"), "not in plain words: {reason}");
    oracle::decode(folder.path().join("healthy.webm"))?.expect_counters(0..300)?;
    Ok(())
}

#[test]
fn drop_element_says_that_the_loss_is_allowed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = two_recorders(folder.path(), ", on-error: drop-element", 300)?;
    let done = Anabranch::run(file).finish()?.expect_code(0)?;
    ensure!(done.events_named("element-failed").next().is_some_and(|e| e["policy"] == "drop-element"));
    oracle::decode(folder.path().join("healthy.webm"))?.expect_counters(0..300)?;
    Ok(())
}

#[test]
fn stop_pipeline_stops_and_finalises_the_healthy_file() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = two_recorders(folder.path(), ", on-error: stop-pipeline", 100_000)?;
    let done = Anabranch::run(file).finish()?.expect_code(3)?;
    ensure!(done.events_named("element-failed").next().is_some_and(|e| e["policy"] == "stop-pipeline"));
    let decoded = oracle::decode(folder.path().join("healthy.webm"))?;
    let counters = decoded.counters()?;
    ensure!(counters.len() < 100_000, "it did not stop");
    decoded.expect_counters(0..counters.len() as u64)?;
    Ok(())
}

#[test]
fn restart_builds_the_recorder_anew_until_there_is_room() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = two_recorders(folder.path(), ", on-error: restart", 0)?;
    let mut running = Anabranch::run(file).spawn()?;
    running.wait_for(LIMIT, |e| e["event"] == "element-restarted" && e["attempt"] == 2)?;
    running.signal("INT")?;
    let done = running.finish(LIMIT)?;
    ensure!(done.events_named("element-failed").count() >= 2);
    let decoded = oracle::decode(folder.path().join("healthy.webm"))?;
    let count = decoded.counters()?.len() as u64;
    decoded.expect_counters(0..count)?;
    Ok(())
}

/// Each bad input: one clear error that names the place, and an exit code.
fn fails_clearly(uri: &str, words: &[&str]) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let line = format!("player uri={uri} -> recorder location={}/out.webm", folder.path().display());
    let done = Anabranch::run(line).finish()?;
    ensure!(matches!(done.code, Some(2 | 3)), "exit code {:?} for {uri}", done.code);
    let failed: Vec<_> = done.events_named("element-failed").collect();
    ensure!(failed.len() <= 1, "{uri}: more than one error: {failed:#?}");
    let told = format!("{}{}", failed.first().map(ToString::to_string).unwrap_or_default(), done.stderr);
    for word in words {
        ensure!(told.to_lowercase().contains(word), "{uri}: no '{word}' in {told}");
    }
    ensure!(!told.contains("Internal data stream error") || failed.len() == 1, "{told}");
    Ok(())
}

#[test]
fn an_empty_file() -> Result<()> {
    fails_clearly(&media::empty_mp4()?.display().to_string(), &["empty"])
}

#[test]
fn a_text_file_named_mp4() -> Result<()> {
    fails_clearly(&media::text_mp4()?.display().to_string(), &["player"])
}

#[test]
fn a_truncated_mp4_without_an_index() -> Result<()> {
    fails_clearly(&media::truncated_without_index_mp4()?.display().to_string(), &["player"])
}

#[test]
fn no_such_file() -> Result<()> {
    fails_clearly("/nowhere/at/all.mp4", &["/nowhere/at/all.mp4"])
}

#[test]
fn a_directory() -> Result<()> {
    fails_clearly("/usr", &["directory"])
}

#[test]
fn a_url_that_is_not_there() -> Result<()> {
    let server = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = server.local_addr()?;
    let answering = std::thread::spawn(move || {
        use std::io::{Read, Write};
        // One connection is enough for a player that takes no for an answer.
        if let Ok((mut connection, _)) = server.accept() {
            let _ = connection.read(&mut [0; 4096]);
            let _ = connection
                .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    fails_clearly(&format!("http://{address}/missing.mp4"), &["missing.mp4"])?;
    answering.join().map_err(|_| anyhow::anyhow!("the server panicked"))
}

fn recorder_fails(location: &str, words: &[&str]) -> Result<()> {
    let line = format!("test-source frames=30 -> recorder profile=webm location={location}");
    let done = Anabranch::run(line).finish()?;
    ensure!(matches!(done.code, Some(2 | 3)), "exit code {:?} for {location}", done.code);
    let failed: Vec<_> = done.events_named("element-failed").collect();
    ensure!(failed.len() <= 1, "{location}: more than one error: {failed:#?}");
    let told = format!("{}{}", failed.first().map(ToString::to_string).unwrap_or_default(), done.stderr);
    for word in words {
        ensure!(told.to_lowercase().contains(word), "{location}: no '{word}' in {told}");
    }
    Ok(())
}

#[test]
fn a_directory_as_location() -> Result<()> {
    let folder = tempfile::tempdir()?;
    recorder_fails(&folder.path().display().to_string(), &["directory"])
}

#[test]
fn a_location_in_no_directory() -> Result<()> {
    recorder_fails("/nowhere/at/all.webm", &["/nowhere/at"])
}

#[test]
fn a_location_without_permission() -> Result<()> {
    // Root may write anywhere but into the kernel's own files.
    recorder_fails("/proc/version", &["/proc/version"])
}
