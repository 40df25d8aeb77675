//! Pictures at the right times, of every size, and errors in one sentence.

use super::bench::run;

#[test]
fn pictures_are_taken_at_their_times_and_show_their_frames() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = run(&format!(
        "abtestsource name=t width=320 height=240 frames=100 pace=fastest audio=false \
         t.src_video ! absnapshot location={}/p-{{n}}.png every=1 at=[0.5]",
        folder.path().display()
    ))
    .well();
    let taken = outcome.all("snapshot-taken");
    let times: Vec<f64> = taken.iter().map(|t| t["time"].as_f64().unwrap()).collect();
    assert_eq!(times, [0.0, 0.5, 1.0, 2.0, 3.0]);
    for (event, frame) in taken.iter().zip([0, 15, 30, 60, 90]) {
        let picture = image::open(event["location"].as_str().unwrap()).unwrap().to_luma8();
        let counter = gstanabranchelements::test_source::barcode::read(&picture, 320, 320, 240);
        assert_eq!(counter, Some(frame));
    }
}

#[test]
fn sizes_and_formats() {
    let folder = tempfile::tempdir().unwrap();
    for (width, height, name) in [(1, 1, "one.png"), (33, 17, "odd.jpg"), (321, 241, "odd.png")] {
        let file = folder.path().join(name);
        run(&format!(
            "abtestsource name=t width={width} height={height} frames=3 pace=fastest audio=false \
             t.src_video ! absnapshot location={}",
            file.display()
        ))
        .well();
        let picture = image::open(&file).unwrap();
        assert_eq!((picture.width(), picture.height()), (width, height));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3, "no half files are left");
}

#[test]
fn trouble_is_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let line = |location: &str| {
        format!(
            "abtestsource name=t frames=3 pace=fastest audio=false t.src_video ! absnapshot location={location}"
        )
    };
    run(&line(&format!("{}/none/a.png", folder.path().display()))).failed(&["There is no directory"]);
    run(&line(&format!("{}/a.gif", folder.path().display()))).failed(&["a.gif", ".png"]);
}
