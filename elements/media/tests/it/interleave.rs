//! Files whose streams are written far apart must not stop a player whose consumers wait for both.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::bench::{assert_in_order, counters, finish, pipeline, probe};
use super::files::{OPUS, VP8, make};

/// A good file, and the same with its sound written five seconds late. ffmpeg muxes the sound as if it came later and puts
/// its times right while writing.
fn good_and_bad(folder: &Path) -> (PathBuf, PathBuf) {
    let good = make(folder, "good.mkv", 300, Some(VP8), Some(OPUS));
    let bad = folder.join("bad.mkv");
    let done = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(&good)
        .args(["-itsoffset", "5", "-i"])
        .arg(&good)
        .args(["-map", "0:v", "-map", "1:a", "-c", "copy", "-bsf:a", "setts=ts=TS-5/TB"])
        .args(["-max_interleave_delta", "1000", "-cluster_time_limit", "100"])
        .arg(&bad)
        .status()
        .unwrap();
    assert!(done.success());
    (good, bad)
}

#[test]
fn streams_written_seconds_apart_play_and_record() {
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) = good_and_bad(folder.path());
    let out = folder.path().join("out.mkv");
    let pipeline = pipeline(&format!(
        "abplayer name=p uri={} pace=fastest abrecorder name=r location={} \
         p.src_video ! queue max-size-time=1000000000 max-size-bytes=0 max-size-buffers=0 ! r.sink_video \
         p.src_audio ! queue max-size-time=1000000000 max-size-bytes=0 max-size-buffers=0 ! r.sink_audio",
        bad.display(),
        out.display()
    ));
    finish(&pipeline).well();
    assert_in_order(&counters(&out), 300);
    assert_eq!(probe(&out).0[1].1, probe(&good).0[1].1);
}

#[test]
fn one_thread_that_waits_for_both_is_set_free() {
    let folder = tempfile::tempdir().unwrap();
    let (_, bad) = good_and_bad(folder.path());
    // A muxer takes no picture before it has the sound of that time; its queues hold one second.
    let out = folder.path().join("out.mkv");
    let pipeline = pipeline(&format!(
        "abplayer name=p uri={} pace=fastest matroskamux name=m ! filesink location={} \
         p.src_video ! queue max-size-time=1000000000 max-size-bytes=0 max-size-buffers=0 ! m.video_0 \
         p.src_audio ! queue max-size-time=1000000000 max-size-bytes=0 max-size-buffers=0 ! m.audio_0",
        bad.display(),
        out.display()
    ));
    finish(&pipeline).well();
    assert_in_order(&counters(&out), 300);
}
