//! The same numbers as the programs that everybody uses: pycocotools 2.0.11 and motmetrics 1.4.0 were run over the files in
//! `oracle/` (drawn by chance, then kept), and what they printed stands here.
#![allow(clippy::unwrap_used, reason = "tests")]

use anabranch_eval::truth::{Format, Key, Truth, parse};
use anabranch_eval::{Case, FrameResults, Options, evaluate};

fn cases(truth: &Truth, lines: &str) -> Vec<Case> {
    let case = |line: &str| {
        let results: FrameResults = serde_json::from_str(line).unwrap();
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let key = value["file"].as_str().map_or(Key::Frame(results.frame), |file| Key::File(file.into()));
        Case {
            time: results.pts_ns as f64 / 1e9,
            width: 640,
            height: 480,
            truth: truth.of(&key, 640, 480).unwrap(),
            results,
            ..Case::default()
        }
    };
    lines.lines().map(case).collect()
}

#[track_caller]
fn same(what: &str, ours: f64, theirs: f64) {
    assert!((ours - theirs).abs() < 1e-6, "{what}: {ours}, and it should be {theirs}");
}

#[test]
fn boxes_are_scored_as_pycocotools_does() {
    let truth = parse(Format::Coco, "coco.json", include_str!("oracle/coco.json")).unwrap();
    let mut cases = cases(&truth, include_str!("oracle/coco.jsonl"));
    let scores = evaluate(&mut cases, &truth, &Options::default());
    // For all sizes and for small, medium and large things: AP, AP50, recall, recall50.
    let face = [
        [0.151855124, 0.580541679, 0.268181818, 0.727272727],
        [0.253388339, 0.779977998, 0.34, 0.8],
        [0.075973597, 0.389438944, 0.16, 0.6],
        [0.143069307, 0.524398868, 0.242857143, 0.714285714],
    ];
    let car = [
        [0.030693069, 0.178217822, 0.075, 0.5],
        [0.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0],
        [0.075247525, 0.5, 0.15, 1.0],
    ];
    for (label, theirs, ap75) in [("face", face, 0.01980198), ("car", car, 0.0)] {
        let ours = scores.detection.iter().find(|l| l.label == label).unwrap();
        same(label, ours.sizes[0].ap75, ap75);
        for (size, [ap, ap50, recall, recall50]) in ours.sizes.iter().zip(theirs) {
            let name = format!("{label} {}", size.size);
            same(&name, size.ap, ap);
            same(&name, size.ap50, ap50);
            same(&name, size.recall, recall);
            same(&name, size.recall50, recall50);
        }
    }
}

#[test]
fn identities_are_scored_as_motmetrics_does() {
    let truth = parse(Format::Mot, "mot.txt", include_str!("oracle/mot.txt")).unwrap();
    let mut cases = cases(&truth, include_str!("oracle/mot.jsonl"));
    let tracking = evaluate(&mut cases, &truth, &Options::default()).tracking.unwrap();
    same("MOTA", tracking.mota, 0.7636363636);
    // There it is a distance.
    same("MOTP", 1.0 - tracking.motp, 0.3106852195);
    same("IDF1", tracking.idf1, 0.7093821510);
    same("identity precision", tracking.id_precision, 0.7142857143);
    same("identity recall", tracking.id_recall, 0.7045454545);
    let counts = [tracking.switches, tracking.fragmentations, tracking.missed, tracking.wrong];
    assert_eq!(counts, [3, 20, 26, 23]);
    assert_eq!((tracking.mostly_tracked, tracking.mostly_lost), (5, 0));
}
