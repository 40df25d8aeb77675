//! `anabranch eval` on real pictures, on a film whose truth follows from how it was made, and on bad input.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anabranch_harness::binary::{Anabranch, Finished, project_root};
use anyhow::{Result, ensure};
use serde_json::Value;

fn eval(arguments: &[&str]) -> Anabranch {
    Anabranch::new(["eval"]).args(arguments).current_dir(project_root())
}

fn json(path: &Path) -> Result<Value> {
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Faces in the photos, drawn by hand.
const FACES: &str = "coco:tests/truth/faces.json";
const PHOTOS: &str = ".cache/samples";

/// A report without what differs from run to run.
fn lasting(mut report: Value) -> Value {
    report["cost"] = Value::Null;
    report
}

#[test]
fn heavy_faces_in_photos_are_found_and_every_run_is_the_same() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    let run = |n: u32| -> Result<Finished> {
        let (report, dump) = (at(&format!("{n}.json")), at(&format!("{n}.jsonl")));
        eval(&[
            "face-detector threshold=0.3",
            "--data",
            PHOTOS,
            "--truth",
            FACES,
            "--html",
            text(&at("r.html")),
        ])
        .args(["--json", text(&report), "--dump", text(&dump)])
        .finish()?
        .expect_code(0)
    };
    let out = run(1)?;
    run(2)?;
    ensure!(out.stdout.contains("AP50") && out.stdout.contains("face"), "{}", out.stdout);
    let report = json(&at("1.json"))?;
    let label = &report["scores"]["detection"][0];
    assert_eq!((label["label"].as_str(), label["sizes"][0]["truths"].as_u64()), (Some("face"), Some(22)));
    let ap50 = label["sizes"][0]["ap50"].as_f64().unwrap();
    ensure!(ap50 > 0.9, "22 large faces: {ap50}\n{}", out.stdout);
    ensure!(report["scores"]["counting"]["mae"].as_f64().unwrap() <= 0.5, "{}", out.stdout);
    ensure!(report["cost"]["cpu_ms_per_frame"].as_f64().unwrap() > 0.5, "{}", out.stdout);
    ensure!(report["machine"]["threads"].as_u64().unwrap() > 0 && report["schema"] == 1, "{report}");
    assert_eq!(std::fs::read(at("1.jsonl"))?, std::fs::read(at("2.jsonl"))?, "the results differ");
    assert_eq!(lasting(report.clone()), lasting(json(&at("2.json"))?), "the scores differ");

    // The results, scored once more without the filter, give the same scores.
    let again = at("again.json");
    eval(&[text(&at("1.jsonl")), "--truth", FACES, "--json", text(&again)]).finish()?.expect_code(0)?;
    let again = json(&again)?;
    assert_eq!(again["scores"]["detection"], report["scores"]["detection"]);
    assert_eq!(again["scores"]["counting"], report["scores"]["counting"]);

    let page = std::fs::read_to_string(at("r.html"))?;
    ensure!(page.contains("<svg") && page.contains("precision over recall"), "the report has no plot");
    ensure!(!page.contains("http://") && !page.contains("https://"), "the report loads something");
    Ok(())
}

/// A photo with three faces that a camera pans over: where the faces are is known from the pan.
struct Pan {
    folder: tempfile::TempDir,
    film: PathBuf,
}

/// Frames of the film, its speed in pixels of the photo, and how much smaller it is than the photo.
const FRAMES: u32 = 40;
const STEP: f64 = 12.0;
const SCALE: f64 = 480.0 / 1080.0;

impl Pan {
    fn new() -> Result<Pan> {
        let folder = tempfile::tempdir()?;
        let film = folder.path().join("pan.mp4");
        let pan = format!("crop=1440:1080:x='n*{STEP}':y=100,scale=640:480,format=yuv420p");
        let done = Command::new("ffmpeg")
            .args(["-v", "error", "-y", "-loop", "1", "-framerate", "25", "-i"])
            .arg(project_root().join(PHOTOS).join("sample3.jpg"))
            .args(["-vf", &pan, "-frames:v", &FRAMES.to_string(), "-c:v", "libx264", "-crf", "16"])
            .arg(&film)
            .status()?;
        ensure!(done.success(), "ffmpeg: {done}");
        Ok(Pan { folder, film })
    }

    /// The truth as a table. A face that is only partly in the picture does not count.
    fn truth(&self) -> Result<PathBuf> {
        let faces = json(&project_root().join("tests/truth/faces.json"))?;
        let mut table = String::from("frame,label,x,y,width,height,id,ignore\n");
        let of_photo = faces["annotations"].as_array().unwrap().iter().filter(|a| a["image_id"] == 3);
        for (id, face) in of_photo.enumerate() {
            let [x, y, width, height]: [f64; 4] =
                std::array::from_fn(|side| face["bbox"][side].as_f64().unwrap());
            for frame in 0..FRAMES {
                let x = x - f64::from(frame) * STEP;
                let (left, right) = (x.max(0.0), (x + width).min(1440.0));
                if right <= left {
                    continue;
                }
                // A detector sees what is in the picture.
                let ignore = u8::from(right - left < width);
                let [x, y, width, height] = [left, y - 100.0, right - left, height].map(|v| v * SCALE);
                writeln!(table, "{frame},face,{x},{y},{width},{height},{id},{ignore}")?;
            }
        }
        let path = self.folder.path().join("pan.csv");
        std::fs::write(&path, table)?;
        Ok(path)
    }
}

#[test]
fn heavy_a_film_with_exact_truth_is_scored_frame_by_frame() -> Result<()> {
    let pan = Pan::new()?;
    let truth = format!("csv:{}", pan.truth()?.display());
    let report = pan.folder.path().join("pan.json");
    let html = pan.folder.path().join("pan.html");
    let out = eval(&["face-detector", "--data", text(&pan.film), "--truth", &truth])
        .args(["--json", text(&report), "--html", text(&html)])
        .finish()?
        .expect_code(0)?;
    let scores = &json(&report)?["scores"];
    assert_eq!(scores["frames"], FRAMES);
    let number = |value: &Value| value.as_f64().unwrap();
    ensure!(number(&scores["detection"][0]["recall"]) > 0.95, "{}", out.stdout);
    // A face that goes out of the picture is held for a moment.
    ensure!(number(&scores["detection"][0]["precision"]) > 0.9, "{}", out.stdout);
    // Faces keep their numbers while the camera pans.
    ensure!(number(&scores["tracking"]["mota"]) > 0.9, "{}", out.stdout);
    ensure!(number(&scores["tracking"]["idf1"]) > 0.9, "{}", out.stdout);
    assert_eq!(scores["tracking"]["switches"], 0, "{}", out.stdout);
    ensure!(std::fs::read_to_string(&html)?.contains("Counts over time"), "a film has a plot of counts");

    // Truth that is 200 pixels off: everything is wrong, and a comparison says so.
    let shifted = pan.folder.path().join("shifted.csv");
    let table = std::fs::read_to_string(pan.truth()?)?;
    let rows = table.lines().skip(1).map(|row| {
        let mut cells: Vec<String> = row.split(',').map(str::to_owned).collect();
        cells[3] = (cells[3].parse::<f64>().unwrap() + 200.0).to_string();
        cells.join(",")
    });
    let rows: Vec<String> = table.lines().take(1).map(str::to_owned).chain(rows).collect();
    std::fs::write(&shifted, rows.join("\n"))?;
    let shifted = format!("csv:{}", shifted.display());
    let out = eval(&["face-detector", "--data", text(&pan.film), "--truth", &shifted, "--limit", "10"])
        .args(["--html", text(&html), "--cases", "2", "--compare", text(&report)])
        .finish()?
        .expect_code(1)?;
    ensure!(out.stdout.contains("WORSE") && out.stderr.contains("worse than before"), "{out:?}");
    let page = std::fs::read_to_string(&html)?;
    ensure!(
        page.contains("data:image/jpeg") && page.contains("class=\"missed\""),
        "no picture of a bad case"
    );
    Ok(())
}

#[test]
fn heavy_in_real_time_a_slow_filter_loses_frames() -> Result<()> {
    let pan = Pan::new()?;
    let report = pan.folder.path().join("r.json");
    let slow = "gstreamer-filter element='identity sleep-time=100000'";
    // 40 frames at 25 a second, and the filter can do 10: in 1.6 s it gets through about 17.
    eval(&[slow, "--data", text(&pan.film), "--realtime", "--json", text(&report)])
        .finish()?
        .expect_code(0)?;
    let cost = &json(&report)?["cost"];
    let (offered, dropped) =
        (cost["realtime"]["offered"].as_u64().unwrap(), cost["realtime"]["dropped"].as_u64().unwrap());
    assert_eq!(offered, u64::from(FRAMES));
    ensure!((15..=35).contains(&dropped), "{cost}");
    ensure!(cost["latency_ms"]["p50"].as_f64().unwrap() >= 95.0, "{cost}");
    // Frame by frame nothing is lost.
    eval(&[slow, "--data", text(&pan.film), "--limit", "8", "--json", text(&report)])
        .finish()?
        .expect_code(0)?;
    let report = json(&report)?;
    assert_eq!((report["scores"]["frames"].as_u64(), report["cost"]["realtime"].is_null()), (Some(8), true));
    Ok(())
}

#[test]
fn results_of_other_programs_are_scored_and_compared() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("t.csv"), "file,label,x,y,width,height\na.jpg,cat,0,0,50,50\nb.jpg,cat,0,0,50,50\n")?;
    let line = |file: &str, x: f64| {
        format!(
            "{{\"file\":\"{file}\",\"width\":100,\"height\":100,\"detections\":[{{\"label\":\"cat\",\"score\":0.9,\
             \"x\":{x},\"y\":0,\"width\":0.5,\"height\":0.5}}]}}\n"
        )
    };
    std::fs::write(at("good.jsonl"), line("a.jpg", 0.0) + &line("b.jpg", 0.0))?;
    std::fs::write(at("bad.jsonl"), line("a.jpg", 0.0) + &line("b.jpg", 0.5))?;
    let truth = format!("csv:{}", at("t.csv").display());
    let score = |name: &str, more: &[&str]| eval(&[text(&at(name)), "--truth", &truth]).args(more).finish();
    score("good.jsonl", &["--json", text(&at("good.json"))])?.expect_code(0)?;
    score("bad.jsonl", &["--json", text(&at("bad.json"))])?.expect_code(0)?;
    assert_eq!(json(&at("good.json"))?["scores"]["detection"][0]["f1"], 1.0);

    let same = score("good.jsonl", &["--compare", text(&at("good.json"))])?.expect_code(0)?;
    ensure!(same.stdout.contains("nothing changed"), "{}", same.stdout);
    let worse = score("bad.jsonl", &["--compare", text(&at("good.json"))])?.expect_code(1)?;
    ensure!(worse.stdout.contains("WORSE") && worse.stdout.contains("cat.all.ap50"), "{}", worse.stdout);
    let better = score("good.jsonl", &["--compare", text(&at("bad.json"))])?.expect_code(0)?;
    ensure!(better.stdout.contains("better"), "{}", better.stdout);
    let allowed = score("bad.jsonl", &["--compare", text(&at("good.json")), "--tolerance", "1"])?;
    allowed.expect_code(0)?;
    Ok(())
}

#[test]
fn bad_input_is_told_before_anything_runs() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    image(&at("a.png"));
    std::fs::write(at("bad.csv"), "file,label,x,y,width,height\na.png,cat,0,0,50\n")?;
    std::fs::write(at("other.csv"), "file,count\nzzz.png,1\n")?;
    std::fs::write(at("film.csv"), "frame,count\n0,1\n")?;
    std::fs::write(at("bad.json"), "{\"images\": [],\n \"annotations\": [{}]}")?;
    std::fs::write(at("bad.jsonl"), "{\"width\": 1}\n")?;
    let data = text(folder.path()).to_owned();
    let truth = |format: &str, name: &str| format!("{format}:{}", at(name).display());
    let csv = truth("csv", "bad.csv");
    let coco = truth("coco", "bad.json");
    let other = truth("csv", "other.csv");
    let film = truth("csv", "film.csv");
    let results = at("bad.jsonl");
    for (arguments, words) in [
        (vec!["pass-through", "--data", &data, "--truth", &csv], "bad.csv:2: a box needs all of `x`"),
        (vec!["pass-through", "--data", &data, "--truth", &coco], "bad.json:2: missing field `image_id`"),
        (
            vec!["pass-through", "--data", &data, "--truth", &other],
            "none of the pictures that the truth names",
        ),
        (vec!["pass-through", "--data", &data, "--truth", "voc:x"], "FORMAT is one of coco, wider, mot, csv"),
        (vec!["pass-through", "--data", &data, "--truth", "mot"], "there is no gt/gt.txt"),
        (vec!["pass-through", "--data", "/nowhere"], "cannot read /nowhere: No such file"),
        (vec!["pass-through"], "--data is missing"),
        (vec!["test-source -> null-sink", "--data", &data], "there is no video filter in it"),
        (vec!["face-detecter", "--data", &data], "no element type `face-detecter`"),
        (
            vec!["a:pass-through -> null-sink; b:pass-through -> null-sink", "--data", &data],
            "no single chain (a, b",
        ),
        (vec!["pass-through", "--data", &data, "--sizes", "96,32"], "--sizes wants two numbers"),
        (vec!["pass-through", "--data", &data, "--label", "x"], "--label wants RESULT=TRUTH"),
        (
            vec!["pass-through", "--data", &data, "--truth", &film, "--compare", text(&at("bad.json"))],
            "is no report",
        ),
        (vec![text(&results), "--truth", &film], "bad.jsonl:1: this is no line of results"),
    ] {
        let out = eval(&arguments).finish()?.expect_code(2)?;
        ensure!(out.stderr.contains(words), "{arguments:?}: {}", out.stderr);
        assert_eq!(out.stdout, "", "{arguments:?}");
    }
    Ok(())
}

#[test]
fn what_cannot_be_decoded_is_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let broken = folder.path().join("broken.png");
    std::fs::write(&broken, "not a picture")?;
    let out = eval(&["pass-through", "--data", text(&broken)]).finish()?.expect_code(2)?;
    ensure!(out.stderr.contains("broken.png"), "{}", out.stderr);
    Ok(())
}

#[test]
fn pictures_of_different_sizes_pass_one_pipeline() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (name, size) in [("a.png", "64x48"), ("b.png", "33x77"), ("c.png", "64x48")] {
        draw(&folder.path().join(name), size);
    }
    let dump = folder.path().join("r.jsonl");
    eval(&["pass-through", "--data", text(folder.path()), "--dump", text(&dump)]).finish()?.expect_code(0)?;
    let lines = std::fs::read_to_string(dump)?;
    let sizes: Vec<(u64, u64)> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|line| (line["width"].as_u64().unwrap(), line["height"].as_u64().unwrap()))
        .collect();
    assert_eq!(sizes, [(64, 48), (33, 77), (64, 48)]);
    Ok(())
}

fn image(path: &Path) {
    draw(path, "16x16");
}

fn draw(path: &Path, size: &str) {
    let source = format!("testsrc=size={size}");
    let arguments = ["-v", "error", "-y", "-f", "lavfi", "-i", &source, "-frames:v", "1"];
    assert!(Command::new("ffmpeg").args(arguments).arg(path).status().unwrap().success());
}
