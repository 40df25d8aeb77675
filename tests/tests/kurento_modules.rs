//! Kurento's filter modules, driven by the unmodified client and the modules' own npm packages on real media: each filter
//! stands between a player and a recorder, tells what it sees, and what it gives is looked at in the file.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anabranch_harness::binary::{project_root, target_folder};
use anabranch_harness::browser::Scenario;
use anabranch_harness::media::make;
use anabranch_harness::oracle;
use anabranch_harness::serve::Served;
use anyhow::{Context, Result, ensure};
use gst_video::prelude::*;
use serde_json::{Value, json};

/// People who cross a square, filmed from above; of Debian's package opencv-doc.
const PEOPLE: &str = "/usr/share/doc/opencv-doc/examples/data/vtest.avi";

/// What came of a part: what the client saw, and the recording.
struct Done {
    result: Value,
    file: PathBuf,
    _folder: tempfile::TempDir,
}

fn run(part: &str, film: &Path, options: &[(&str, Value)]) -> Result<Done> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().canonicalize()?.join("out.webm");
    let read =
        [film.parent().context("a film in no folder")?.to_path_buf(), project_root(), target_folder()?];
    let served =
        Served::start(&format!("[files]\nread = {read:?}\nwrite = [{:?}]\n", folder.path().canonicalize()?))?;
    let mut scenario = Scenario::new("kurento-modules")
        .option("part", part)
        .option("server", served.url())
        .option("film", format!("file://{}", film.display()))
        .option("out", format!("file://{}", file.display()))
        .limit(Duration::from_secs(90));
    for (name, value) in options {
        scenario = scenario.option(name, value.clone());
    }
    let result = scenario.run().with_context(|| format!("the server's log:\n{}", served.log()))?;
    served.stop(Duration::from_secs(20))?;
    eprintln!("{part}: {result}");
    Ok(Done { result, file, _folder: folder })
}

fn events<'a>(done: &'a Done, name: &str) -> Vec<&'a Value> {
    done.result["events"].as_array().into_iter().flatten().filter(|event| event["type"] == name).collect()
}

const H264: [&str; 6] = ["-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast"];

/// A film at 30 fps from one of ffmpeg's filter graphs, which ends in `[film]`.
fn film(name: &str, inputs: &[&str], graph: &str) -> Result<PathBuf> {
    let out = ["-filter_complex", graph, "-map", "[film]", "-an"];
    make(name, &[inputs, &out, &H264].concat())
}

/// The mean Y, U and V of a box of one of the file's pictures, counted from the end.
fn colour(file: &Path, from_end: usize, left: usize, top: usize, side: usize) -> Result<[f64; 3]> {
    let frames = oracle::probe(file)?.video()?.frames as usize;
    let wanted =
        frames.checked_sub(from_end + 1).with_context(|| format!("{frames} frames were recorded"))?;
    let found = Arc::new(Mutex::new(None));
    let put = Arc::clone(&found);
    oracle::decode_with(file, move |number, frame| {
        if number != wanted {
            return;
        }
        let mean = |plane: usize, shift: usize| {
            let stride = frame.plane_stride()[plane] as usize;
            let data = frame.plane_data(plane as u32).unwrap_or_default();
            let rows = (top >> shift)..((top + side) >> shift);
            let bytes =
                rows.flat_map(|y| &data[y * stride + (left >> shift)..y * stride + ((left + side) >> shift)]);
            bytes.clone().map(|b| f64::from(*b)).sum::<f64>() / bytes.count().max(1) as f64
        };
        *put.lock().unwrap_or_else(PoisonError::into_inner) = Some([mean(0, 0), mean(1, 1), mean(2, 1)]);
    })?;
    let found = found.lock().unwrap_or_else(PoisonError::into_inner).take();
    found.context("the picture was not decoded")
}

fn is_near(colour: [f64; 3], expected: [f64; 3]) -> bool {
    colour.iter().zip(expected).all(|(a, b)| (a - b).abs() < 14.0)
}

#[test]
fn kurento_modules_crowd_detector_tells_of_people() -> Result<()> {
    let people = Path::new(PEOPLE);
    ensure!(people.exists(), "{PEOPLE} is not there: make tools");
    let done = run("crowd", people, &[])?;
    for (name, number, level) in [
        ("CrowdDetectorOccupancy", "occupancyPercentage", Some("occupancyLevel")),
        ("CrowdDetectorFluidity", "fluidityPercentage", Some("fluidityLevel")),
        ("CrowdDetectorDirection", "directionAngle", None),
    ] {
        let told = events(&done, name);
        ensure!(!told.is_empty(), "no {name}: {}", done.result);
        for event in told {
            ensure!(event["roiId"] == "square" && event["roiID"] == "square", "{event}");
            let value = event[number].as_f64().with_context(|| format!("{event}"))?;
            ensure!((-360.0..=360.0).contains(&value), "{event}");
            if let Some(level) = level {
                ensure!((0.0..=100.0).contains(&value), "{event}");
                ensure!(event[level].as_u64().is_some_and(|level| level <= 3), "{event}");
            }
        }
    }
    ensure!(done.result["widths"] == json!([320, 480]), "{}", done.result);
    let facts = oracle::probe(&done.file)?;
    ensure!(facts.video()?.frames > 10, "the video went on: {facts:?}");
    Ok(())
}

#[test]
fn kurento_modules_zbar_reads_codes() -> Result<()> {
    let (qr, ean) =
        (project_root().join("pipelines/code-qr.png"), project_root().join("pipelines/code-ean.png"));
    let (qr, ean) = (qr.display().to_string(), ean.display().to_string());
    let inputs = ["-f", "lavfi", "-i", "testsrc2=s=320x240:r=30:d=4", "-i", &qr, "-i", &ean];
    let graph = "[0:v][1:v]overlay=x=40+10*sin(n/9):y=40:enable='lt(t,2)'[a];\
                 [a][2:v]overlay=x=40:y=70:enable='gte(t,2)'[film]";
    let done = run("codes", &film("codes.mp4", &inputs, graph)?, &[])?;
    let said: Vec<_> =
        events(&done, "CodeFound").iter().map(|e| (e["codeType"].clone(), e["value"].clone())).collect();
    let first = (json!("QR-Code"), json!("https://anabranch.example/tickets/42"));
    let second = (json!("EAN-13"), json!("4006381333931"));
    let count = |code: &(Value, Value)| said.iter().filter(|s| *s == code).count();
    // At once, and again after each second.
    ensure!((1..=3).contains(&count(&first)) && (1..=3).contains(&count(&second)), "{said:?}");
    ensure!(count(&first) + count(&second) == said.len(), "other codes than were shown: {said:?}");
    ensure!(said[0] == first, "{said:?}");
    ensure!(oracle::probe(&done.file)?.video()?.frames >= 100, "frames are missing");
    Ok(())
}

#[test]
fn kurento_modules_plate_detector_reads_a_plate() -> Result<()> {
    let font = "/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf";
    let inputs = ["-f", "lavfi", "-i", "color=c=0x405060:s=640x360:r=30:d=8"];
    let graph = format!(
        "[0:v]drawbox=x=188:y=148:w=264:h=64:color=black:t=fill,drawbox=x=190:y=150:w=260:h=60:color=white:t=fill,\
         drawtext=fontfile={font}:text='4821 HXC':fontsize=46:fontcolor=black:x=204:y=163[film]"
    );
    let done = run("plates", &film("plate.mp4", &inputs, &graph)?, &[])?;
    let plates: Vec<_> =
        events(&done, "PlateDetected").into_iter().map(|event| event["plate"].clone()).collect();
    ensure!(plates.iter().all(|plate| plate == "4821HXC") && !plates.is_empty(), "{plates:?}");
    ensure!(oracle::probe(&done.file)?.video()?.frames > 0, "nothing was recorded");
    Ok(())
}

#[test]
fn kurento_modules_pointer_detector_tells_of_windows() -> Result<()> {
    // A red square rests in the calibration region for six seconds, in which a client on a busy machine can say that it
    // does, then goes to the right through both windows.
    let inputs = [
        "-f",
        "lavfi",
        "-i",
        "color=c=0x507080:s=320x240:r=30:d=11",
        "-f",
        "lavfi",
        "-i",
        "color=c=red:s=32x32:r=30:d=11",
    ];
    let graph = "[0:v][1:v]overlay=x='24+max(0\\,t-6)*60':y=99:eval=frame:shortest=1[film]";
    let done = run("pointer", &film("pointer.mp4", &inputs, graph)?, &[])?;
    let told: Vec<String> = done.result["events"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|e| {
            format!(
                "{} {}",
                e["type"].as_str().unwrap_or_default(),
                e["windowId"].as_str().unwrap_or_default()
            )
        })
        .collect();
    ensure!(told == ["WindowIn near", "WindowOut near", "WindowIn far", "WindowOut far"], "{told:?}");
    ensure!(oracle::probe(&done.file)?.video()?.frames > 60, "frames are missing");
    Ok(())
}

#[test]
fn kurento_modules_chroma_replaces_the_backdrop() -> Result<()> {
    let inputs = ["-f", "lavfi", "-i", "color=c=0x20c030:s=320x240:r=30:d=5"];
    let green = film("green.mp4", &inputs, "[0:v]drawbox=x=120:y=80:w=80:h=80:color=red:t=fill[film]")?;
    let picture = |name: &str, colour: &str| {
        make(name, &["-f", "lavfi", "-i", &format!("color=c={colour}:s=320x240"), "-frames:v", "1"])
    };
    let (blue, white) = (picture("blue.png", "blue")?, picture("white.png", "white")?);
    let uri = |path: &Path| json!(format!("file://{}", path.display()));
    let red = [81.0, 90.0, 240.0];
    for (name, options, expected) in [
        ("its background", vec![("background", uri(&blue))], [41.0, 240.0, 110.0]),
        ("no background", vec![("background", uri(&blue)), ("unset", json!(true))], [16.0, 128.0, 128.0]),
        (
            "another background",
            vec![("background", json!("")), ("instead", uri(&white))],
            [235.0, 128.0, 128.0],
        ),
    ] {
        let done = run("chroma", &green, &options)?;
        let backdrop = colour(&done.file, 5, 20, 100, 60)?;
        ensure!(is_near(backdrop, expected), "{name}: {backdrop:?} instead of {expected:?}");
        let middle = colour(&done.file, 5, 140, 100, 40)?;
        ensure!(is_near(middle, red), "{name}: what stands before it is {middle:?}");
    }
    Ok(())
}
