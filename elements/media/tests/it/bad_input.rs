//! Files that cannot be played and places that cannot be written: one sentence each.

use super::bench::run;
use super::files::{VP8, mp4};

fn play(uri: &str) -> super::bench::Outcome {
    run(&format!(
        "abplayer name=p uri=\"{uri}\" pace=fastest abnullsink name=n \
         p.src_video ! n.sink_video p.src_audio ! n.sink_audio"
    ))
}

#[test]
fn files_that_are_no_media() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    play(&file("empty.mp4", b"")).failed(&["empty.mp4", "0 bytes"]);
    play(&file("text.mp4", b"These are words, and no film at all.\n"))
        .failed(&["text.mp4", "video or audio"]);
    let noise: Vec<u8> = (0..100_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    play(&file("noise.mp4", &noise)).failed(&["noise.mp4"]);
    play(&file("sub.srt", b"1\n00:00:01,000 --> 00:00:02,000\nHello\n")).failed(&["sub.srt"]);
    play(&folder.path().display().to_string()).failed(&["is a directory"]);
    play(&folder.path().join("none.mp4").display().to_string()).failed(&["There is no file"]);
    play("").failed(&["`uri`"]);
}

#[test]
fn a_film_without_its_index() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(mp4(folder.path(), 60)).unwrap();
    let cut = folder.path().join("cut.mp4");
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    play(&cut.display().to_string()).failed(&["cut.mp4", "cut off"]);
    // With the index in front, what there is plays.
    let front = folder.path().join("front.mp4");
    run(&format!(
        "filesrc location={}/in.mp4 ! qtdemux name=d ! queue ! mp4mux name=m faststart=true ! \
         filesink location={}",
        folder.path().display(),
        front.display()
    ))
    .well();
    let whole = std::fs::read(&front).unwrap();
    std::fs::write(&cut, &whole[..whole.len() * 3 / 4]).unwrap();
    let outcome = play(&cut.display().to_string()).well();
    assert!(outcome.all("file-incomplete")[0]["reason"].as_str().unwrap().contains("bytes are missing"));
}

#[test]
fn a_start_after_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = mp4(folder.path(), 30);
    run(&format!("abplayer name=p uri={} start=99 p.src_video ! abnullsink", file.display()))
        .failed(&["`start` is 99 s", "1.0"]);
}

fn record(location: &str, encoder: &str, options: &str) -> super::bench::Outcome {
    run(&format!(
        "abtestsource name=t width=320 height=240 frames=300 pace=fastest audio=false \
         t.src_video ! {encoder} ! r.sink_video abrecorder name=r location={location} {options}"
    ))
}

#[test]
fn places_that_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    record(&at("none/a.webm"), VP8, "").failed(&["There is no directory", "mkdir"]);
    record(&at(""), VP8, "profile=webm").failed(&["is a directory"]);
    record(&at("a.avi"), VP8, "").failed(&["'.avi'", ".webm, .mkv or .mp4"]);
    record(&at("a"), VP8, "").failed(&["no extension"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
    record("/proc/a.webm", VP8, "").failed(&["/proc/a.webm"]);
    for container in ["webm", "mkv"] {
        record("/dev/full", VP8, &format!("profile={container}")).failed(&["disk is full", "/dev/full"]);
    }
}

#[test]
fn media_that_do_not_fit_the_container() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    record(&at("a.mp4"), VP8, "").failed(&["MP4 takes video", "VP8 came"]);
    run(&format!(
        "abtestsource name=t width=1 height=1 frames=10 pace=fastest audio=false \
         t.src_video ! {VP8} ! r.sink_video abrecorder name=r location={}",
        at("one.webm")
    ))
    .failed(&["WebM cannot hold VP8 of 1x1 pixels"]);
}
