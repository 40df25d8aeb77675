//! Every description in `pipelines/` runs to its end, leaks nothing, and makes what its header says. Those that wait for
//! a browser (`webrtc-*`) or a client (`http-*`) are checked and planned here; other tests run such graphs.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use anabranch_harness::binary::{Anabranch, project_root};
use anabranch_harness::{leaks, oracle};
use anyhow::{Context, Result, ensure};

/// Descriptions for a server: they wait for a peer or a client.
const FOR_SERVERS: [&str; 2] = ["webrtc-", "http-"];

fn is_for_server(name: &str) -> bool {
    FOR_SERVERS.iter().any(|prefix| name.starts_with(prefix))
}

/// A folder that looks like the project's root to a description, with an `out` of its own.
fn stage() -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    let root = project_root();
    for name in ["pipelines", ".cache"] {
        std::os::unix::fs::symlink(root.join(name), folder.path().join(name))?;
    }
    std::fs::create_dir(folder.path().join("out"))?;
    Ok(folder)
}

fn run(stage: &Path, name: &str, more: &[&str]) -> Result<PathBuf> {
    let command = Anabranch::run(format!("pipelines/{name}.yaml")).args(more).current_dir(stage);
    let leaked = leaks::leaks_of(&mut command.command()?)?;
    assert_eq!(leaked, [], "{name} leaks");
    Ok(stage.join("out"))
}

/// The files that a description says it writes below `out/`: at least one for each place.
fn outputs(description: &Path, out: &Path) -> Result<Vec<PathBuf>> {
    let text = std::fs::read_to_string(description)?;
    let mut all = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let Some((_, place)) = line.split_once("location: ").or(line.split_once("folder: ")) else {
            continue;
        };
        let place = place.split([',', '}', ' ']).next().unwrap_or_default();
        // A number in a name is a counter: `{n}` was cut off with its bracket, `%05d` was not.
        let Some(name) = place.trim_matches(['"', '\'']).strip_prefix("out/") else { continue };
        let found: Vec<PathBuf> = match name.split_once(['{', '%']) {
            Some((begin, _)) => std::fs::read_dir(out)?
                .map(|entry| Ok(entry?.path()))
                .filter(|path: &Result<PathBuf>| {
                    path.as_ref().is_ok_and(|p| p.file_name().unwrap().to_str().unwrap().starts_with(begin))
                })
                .collect::<Result<_>>()?,
            None => [out.join(name)].into_iter().filter(|path| path.exists()).collect(),
        };
        ensure!(!found.is_empty(), "{} made no '{name}'", description.display());
        all.extend(found);
    }
    Ok(all)
}

/// A film has streams, each of which can be decoded and lasts; a picture is one; text is not empty.
fn expect_media(file: &Path) -> Result<()> {
    // The segments of a playlist are looked at as a player does.
    let file = if file.is_dir() { file.join("index.m3u8") } else { file.to_owned() };
    match file.extension().and_then(|e| e.to_str()) {
        Some("webm" | "mkv" | "mp4" | "m4a" | "flv" | "ts" | "m3u8") => {
            let facts = oracle::probe(&file)?;
            ensure!(!facts.streams.is_empty(), "no streams");
            for stream in &facts.streams {
                ensure!(stream.frames > 0, "nothing can be decoded: {stream:?}");
            }
            let longest = facts.streams.iter().filter_map(|s| s.duration).fold(0.0, f64::max);
            let duration = facts.duration.unwrap_or(longest);
            ensure!(duration > 0.5, "it lasts {duration} s: {facts:?}");
        }
        Some("png" | "jpg" | "jpeg") => {
            let facts = oracle::probe(&file)?;
            let picture = facts.video()?;
            ensure!(picture.frames == 1 && picture.width > 0 && picture.height > 0, "{picture:?}");
        }
        _ => ensure!(std::fs::metadata(&file)?.len() > 0, "it is empty"),
    }
    Ok(())
}

/// Runs a description and looks at each of the files that it makes; how many those are.
fn run_and_look(stage: &Path, name: &str) -> Result<usize> {
    // `crowd.rs` watches the whole street.
    let more: &[&str] = if name == "crowd" { &["--duration", "4s"] } else { &[] };
    let out = run(stage, name, &[&["--time-limit", "100s"], more].concat())?;
    let made = outputs(&project_root().join("pipelines").join(name).with_extension("yaml"), &out)?;
    for file in &made {
        expect_media(file).with_context(|| format!("{name}: {}", file.display()))?;
    }
    Ok(made.len())
}

#[test]
fn heavy_every_description_runs_and_leaks_nothing() -> Result<()> {
    let stage = stage()?;
    // These have tests of their own below.
    let own = ["magic-mirror", "face-events", "recorder-s3", "player-rtsp"];
    let mut names = Vec::new();
    for entry in std::fs::read_dir(project_root().join("pipelines"))? {
        let path = entry?.path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let elsewhere = own.contains(&name.as_str()) || is_for_server(&name);
        if path.extension().is_some_and(|e| e == "yaml") && !elsewhere {
            names.push(name);
        }
    }
    // Most run in real time: two at once take half as long.
    let next = AtomicUsize::new(0);
    let work = || -> Result<usize> {
        let mut checked = 0;
        while let Some(name) = names.get(next.fetch_add(1, Relaxed)) {
            checked += run_and_look(stage.path(), name)?;
        }
        Ok(checked)
    };
    let checked = std::thread::scope(|scope| -> Result<usize> {
        let other = scope.spawn(work);
        Ok(work()? + other.join().unwrap()?)
    })?;
    println!("{checked} files hold what they should");
    assert!(checked >= 30, "only {checked} files were looked at");
    let out = stage.path().join("out");
    for (file, frames) in
        [("transcode.webm", 600), ("copy.mp4", 600), ("first.webm", 300), ("second.webm", 300)]
    {
        assert_eq!(oracle::probe(out.join(file))?.video()?.frames, frames, "{file}");
    }
    let film = project_root().join(".cache/samples/people.mp4");
    assert_eq!(oracle::payload_hashes(film, "v:0")?, oracle::payload_hashes(out.join("copy.mp4"), "v:0")?);
    let pictures = std::fs::read_dir(&out)?
        .filter(|e| e.as_ref().unwrap().path().extension().is_some_and(|e| e == "png"));
    assert_eq!(pictures.count(), 10, "a picture every two seconds");
    Ok(())
}

#[test]
fn heavy_the_magic_mirror_keeps_every_frame_and_shows_hats() -> Result<()> {
    let stage = stage()?;
    let out = run(stage.path(), "magic-mirror", &[])?;
    let facts = oracle::probe(out.join("magic-mirror.webm"))?;
    assert_eq!((facts.video()?.codec.as_str(), facts.video()?.frames), ("vp8", 600));
    // Where the film has people's heads, the mirror's film has something else.
    let red = |path: PathBuf| -> Result<u64> {
        let count = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
        let sum = count.clone();
        oracle::decode_with(path, move |_, frame| {
            // The hat's ribbon is redder than people are.
            let red = frame.plane_data(2).unwrap().iter().filter(|v| **v > 195).count();
            sum.fetch_add(red as u64, std::sync::atomic::Ordering::Relaxed);
        })?;
        Ok(count.load(std::sync::atomic::Ordering::Relaxed))
    };
    let before = red(project_root().join(".cache/samples/people.mp4"))?;
    let after = red(out.join("magic-mirror.webm"))?;
    assert!(after > before + 600 * 50, "{before} red points in the film, {after} in the mirror");
    Ok(())
}

#[test]
fn heavy_faces_come_as_events() -> Result<()> {
    let stage = stage()?;
    let done = Anabranch::run("pipelines/face-events.yaml")
        .args(["--set", "camera.pace=fastest"])
        .current_dir(stage.path())
        .finish()?
        .expect_code(0)?;
    let most = done
        .events
        .iter()
        .filter(|e| e["name"] == "faces" && e["element"] == "faces")
        .filter_map(|e| e["data"]["count"].as_u64())
        .max();
    assert!(most.is_some_and(|n| n >= 3), "at most {most:?} faces at once");
    Ok(())
}

#[test]
fn descriptions_for_servers_are_right_and_can_be_planned() -> Result<()> {
    let mut seen = 0;
    for entry in std::fs::read_dir(project_root().join("pipelines"))? {
        let path = entry?.path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !is_for_server(&name) {
            continue;
        }
        seen += 1;
        let file = format!("pipelines/{name}");
        let checked =
            Anabranch::new(["check", &file]).current_dir(project_root()).finish()?.expect_code(0)?;
        assert!(!format!("{}{}", checked.stdout, checked.stderr).contains("warning["), "{checked:?}");
        Anabranch::new(["explain", &file]).current_dir(project_root()).finish()?.expect_code(0)?;
    }
    assert_eq!(seen, 6, "loopback, magic mirror, one to many, recorder; GET and POST");
    Ok(())
}
