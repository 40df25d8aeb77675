//! `crowd-detector` on a street with real pedestrians: a film of 79.5 seconds, and what we see in it ourselves.
#![allow(clippy::unwrap_used, reason = "tests")]

mod plot;

use anabranch_harness::binary::{Anabranch, project_root, target_folder};
use anyhow::{Context, Result};
use plot::{Panel, Series};
use serde_json::Value;

const REGIONS: [&str; 3] = ["path", "crossing", "lawn"];

/// Seconds of the film and the people in the picture, counted by eye.
const PEOPLE: [(f64, f64); 16] = [
    (2.5, 5.0),
    (7.5, 7.0),
    (12.5, 8.0),
    (17.5, 7.0),
    (22.5, 7.0),
    (27.5, 7.0),
    (32.5, 6.0),
    (37.5, 5.0),
    (42.5, 3.0),
    (47.5, 4.0),
    (52.5, 6.0),
    (57.5, 7.0),
    (62.5, 6.0),
    (67.5, 7.0),
    (72.5, 6.0),
    (77.5, 7.0),
];

/// A report: the seconds and the measures of the regions in turn.
type Report = (f64, Vec<Value>);

struct Told {
    reports: Vec<Report>,
    /// Name, data and the seconds of the last report before it.
    events: Vec<(String, Value, f64)>,
}

fn watch() -> Result<Told> {
    let stage = tempfile::tempdir()?;
    for name in ["pipelines", ".cache"] {
        std::os::unix::fs::symlink(project_root().join(name), stage.path().join(name))?;
    }
    std::fs::create_dir(stage.path().join("out"))?;
    let done = Anabranch::run("pipelines/crowd.yaml")
        .args(["--set", "crowd.report_ms=500", "--set", "crowd.draw=false", "--set", "crowd.budget_ms=0"])
        .current_dir(stage.path())
        .finish()?
        .expect_code(0)?;
    let mut told = Told { reports: Vec::new(), events: Vec::new() };
    let mut now = 0.0;
    for event in done.events.iter().filter(|e| e["element"] == "crowd" && e["event"] == "element") {
        let (name, data) = (event["name"].as_str().context("a name")?, event["data"].clone());
        if name == "crowd-report" {
            now = data["time_ms"].as_f64().context("a time")? / 1000.0;
            told.reports.push((now, data["regions"].as_array().context("regions")?.clone()));
        } else {
            told.events.push((name.to_owned(), data, now));
        }
    }
    Ok(told)
}

fn series(told: &Told, field: &str) -> Vec<Series> {
    let line = |(index, name): (usize, &str)| {
        let points =
            told.reports.iter().filter_map(|(t, regions)| Some((*t, regions[index][field].as_f64()?)));
        Series { name: name.to_owned(), points: points.collect(), joined: true }
    };
    REGIONS.into_iter().enumerate().map(line).collect()
}

/// The people in all regions together at about that time.
fn people(told: &Told, at: f64) -> f64 {
    let near: Vec<f64> = told
        .reports
        .iter()
        .filter(|(t, _)| (t - at).abs() <= 1.0)
        .map(|(_, regions)| regions.iter().filter_map(|r| r["people"].as_f64()).sum())
        .collect();
    near.iter().sum::<f64>() / near.len().max(1) as f64
}

fn draw(told: &Told) -> Result<()> {
    let of = |name: &str, region: &str, field: &str| -> Vec<(f64, f64)> {
        let mine = told.events.iter().filter(|(n, data, _)| n == name && data["region"] == region);
        mine.filter_map(|(_, data, t)| Some((*t, data[field].as_f64()?))).collect()
    };
    let marks = |name: &str, field: &str| -> Vec<Series> {
        let one =
            |region: &str| Series { name: region.into(), points: of(name, region, field), joined: false };
        REGIONS.into_iter().map(one).collect()
    };
    let all = told
        .reports
        .iter()
        .map(|(t, regions)| (*t, regions.iter().filter_map(|r| r["people"].as_f64()).sum::<f64>()));
    let counted = Series { name: "by the detector".into(), points: all.collect(), joined: true };
    let seen = Series { name: "by eye".into(), points: PEOPLE.to_vec(), joined: false };
    let panels = [
        Panel { title: "people".into(), most: 12.0, series: vec![counted, seen] },
        Panel { title: "people by region".into(), most: 8.0, series: series(told, "people") },
        Panel { title: "occupancy, %".into(), most: 40.0, series: series(told, "occupancy") },
        Panel {
            title: "events: level of occupancy".into(),
            most: 4.0,
            series: marks("crowd-occupancy", "level"),
        },
        Panel {
            title: "events: direction, degrees".into(),
            most: 360.0,
            series: marks("crowd-direction", "angle"),
        },
    ];
    let folder = target_folder()?.join("plots");
    std::fs::create_dir_all(&folder)?;
    let path = folder.join("crowd.svg");
    std::fs::write(&path, plot::svg("A street, 80 seconds", 80.0, &panels))?;
    println!("plotted: {}", path.display());
    Ok(())
}

#[test]
fn heavy_a_street_is_watched_as_we_see_it() -> Result<()> {
    if !project_root().join(".cache/samples/vtest.avi").exists() {
        println!("skipped: .cache/samples/vtest.avi is not there; run `make samples`");
        return Ok(());
    }
    let told = watch()?;
    draw(&told)?;
    let last = told.reports.last().unwrap().0;
    assert!(told.reports.len() >= 150 && last > 78.0, "{} reports until {last} s", told.reports.len());

    // What is learnt while people are there needs a moment.
    let later: Vec<(f64, f64)> = PEOPLE.into_iter().filter(|(t, _)| *t > 5.0).collect();
    let wrong: Vec<f64> = later.iter().map(|(t, truth)| people(&told, *t) - truth).collect();
    let mean = wrong.iter().map(|w| w.abs()).sum::<f64>() / wrong.len() as f64;
    println!("people: wrong by {mean:.2} on average without a people detector: {wrong:.1?}");
    assert!(mean < 2.0, "{mean}");

    // The place is never full and seldom empty.
    let occupancy: Vec<f64> =
        series(&told, "occupancy").iter().flat_map(|s| &s.points).map(|(_, v)| *v).collect();
    assert!(occupancy.iter().all(|v| (0.0..60.0).contains(v)));
    let levels = |region: &str| {
        let mine =
            told.events.iter().filter(|(n, data, _)| n == "crowd-occupancy" && data["region"] == region);
        mine.map(|(_, data, t)| (data["level"].as_u64().unwrap(), *t)).collect::<Vec<_>>()
    };
    // Nobody is on the lawn before 48 s, and then two people are until the end.
    let lawn = levels("lawn");
    assert!(lawn.iter().all(|(_, t)| *t > 45.0) && lawn.iter().any(|(level, _)| *level >= 2), "{lawn:?}");
    assert!(levels("path").len() >= 2 && levels("crossing").len() >= 2);

    // People walk along the path and over the crossing, most of them to the left or to the right.
    for region in ["path", "crossing"] {
        let angles: Vec<f64> = told
            .events
            .iter()
            .filter(|(n, data, _)| n == "crowd-direction" && data["region"] == region)
            .map(|(_, data, _)| data["angle"].as_f64().unwrap())
            .collect();
        let sideways =
            angles.iter().filter(|a| (45.0..135.0).contains(*a) || (225.0..315.0).contains(*a)).count();
        println!("{region}: {} directions, {sideways} of them sideways", angles.len());
        assert!(
            (5..60).contains(&angles.len()) && sideways * 10 >= angles.len() * 6,
            "{region}: {angles:.0?}"
        );
    }
    let crossed = told.events.iter().filter(|(n, ..)| n == "line-crossed").count();
    println!("the line was crossed {crossed} times");
    assert!((8..60).contains(&crossed), "{crossed}");
    Ok(())
}
