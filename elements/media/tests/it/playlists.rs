//! HLS and DASH, as files and over HTTP; playlists that lead nowhere.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::bench::{assert_in_order, counters_of, run};
use super::files::mp4;

/// A film of 150 frames, cut into pieces of two seconds by ffmpeg; `list` is `a.m3u8` or `a.mpd`.
fn cut(folder: &Path, list: &str) -> PathBuf {
    let film = mp4(folder, 150);
    let list = folder.join(list);
    let format: &[&str] = if list.extension().unwrap() == "mpd" {
        &["-f", "dash", "-seg_duration", "2"]
    } else {
        &["-f", "hls", "-hls_time", "2", "-hls_list_size", "0"]
    };
    let done = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(&film)
        .args(["-c:v", "copy", "-c:a", "aac"])
        .args(format)
        .arg(&list)
        .status()
        .unwrap();
    assert!(done.success());
    list
}

fn play(uri: &str) -> Vec<Option<u64>> {
    let line = format!(
        "abplayer name=p uri={uri} pace=fastest p.src_audio ! abnullsink p.src_video ! queue ! decodebin"
    );
    counters_of(&line).into_iter().map(|(_, counter)| counter).collect()
}

#[test]
fn hls_and_dash_play_from_files_and_over_http() {
    let folder = tempfile::tempdir().unwrap();
    let server = super::player::serve_folder(folder.path());
    for list in ["a.m3u8", "a.mpd"] {
        let file = cut(folder.path(), list);
        assert_in_order(&play(&file.display().to_string()), 150);
        assert_in_order(&play(&format!("{server}/{list}")), 150);
    }
    // A playlist is known by what it is, not by its name.
    std::fs::copy(folder.path().join("a.m3u8"), folder.path().join("live")).unwrap();
    assert_in_order(&play(&format!("{server}/live")), 150);
}

#[test]
fn hls_has_sound_and_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = cut(folder.path(), "a.m3u8");
    let outcome = run(&format!(
        "abplayer name=p uri={} pace=fastest abnullsink name=n p.src_video ! n.sink_video p.src_audio ! n.sink_audio",
        file.display()
    ))
    .well();
    let found = outcome.all("stream-found");
    assert!(found.iter().any(|f| f["format"] == "H.264") && found.iter().any(|f| f["format"] == "AAC"));
}

#[test]
fn playlists_that_lead_to_themselves_are_one_error() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let media = |piece: &str| {
        format!("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{piece}\n#EXT-X-ENDLIST\n")
    };
    let master = |list: &str| format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=500000\n{list}\n");
    write("piece.m3u8", &media("piece.m3u8"));
    write("master.m3u8", &master("master.m3u8"));
    write("one.m3u8", &master("two.m3u8"));
    write("two.m3u8", &master("one.m3u8"));
    write("none.m3u8", &media("none.ts"));
    let server = super::player::serve_folder(folder.path());
    for list in ["piece", "master", "one"] {
        for place in [folder.path().display().to_string(), server.clone()] {
            let uri = format!("{place}/{list}.m3u8");
            run(&format!("abplayer name=p uri={uri} p.src_video ! abnullsink")).failed(&[list, "itself"]);
        }
    }
    run(&format!("abplayer name=p uri={server}/none.m3u8 p.src_video ! abnullsink")).failed(&["none.m3u8"]);
}
