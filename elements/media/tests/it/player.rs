//! Playing: everything once, again and again, from the middle, at the pace of the clock, over HTTP.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::time::Instant;

use gst::prelude::*;

use super::bench::{assert_in_order, counters_of, finish, pipeline, run};
use super::files::{H264, OPUS, VP8, make, mp4};

fn play(uri: &str, options: &str) -> Vec<(gst::ClockTime, Option<u64>)> {
    counters_of(&format!("abplayer name=p uri={uri} pace=fastest {options} p.src_video ! queue ! decodebin"))
}

#[test]
fn every_frame_comes_once_and_streams_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = mp4(folder.path(), 60);
    let counters: Vec<_> = play(&file.display().to_string(), "").into_iter().map(|(_, c)| c).collect();
    assert_in_order(&counters, 60);
    let outcome = run(&format!(
        "abplayer name=p uri=file://{} pace=fastest abnullsink name=n \
         p.src_video ! n.sink_video p.src_audio ! n.sink_audio",
        file.display()
    ))
    .well();
    let found = outcome.all("stream-found");
    assert_eq!(found.len(), 2);
    assert!(found.iter().any(|f| f["format"] == "H.264" && f["width"] == 320 && f["fps"] == 30.0));
    assert!(found.iter().any(|f| f["format"] == "AAC" && f["rate"] == 48000 && f["used"] == true));
}

/// What went into each port of a null sink behind a player.
fn taken(uri: &Path, links: &str) -> (u64, u64) {
    let pipeline =
        pipeline(&format!("abplayer name=p uri={} pace=fastest abnullsink name=n {links}", uri.display()));
    let sink = pipeline.by_name("n").unwrap();
    finish(&pipeline).well();
    let stats = sink.property::<gst::Structure>("stats");
    (stats.get("video-buffers").unwrap(), stats.get("audio-buffers").unwrap())
}

#[test]
fn a_stream_that_is_missing_or_unwanted_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let both = "p.src_video ! n.sink_video p.src_audio ! n.sink_audio";
    let video = make(folder.path(), "v.webm", 60, Some(VP8), None);
    assert_eq!(taken(&video, both), (60, 0));
    assert_eq!(taken(&video, "p.src_video ! n.sink_video"), (60, 0));
    assert_eq!(taken(&video, "p.src_audio ! n.sink_audio"), (0, 0));
    let audio = make(folder.path(), "a.webm", 60, None, Some(OPUS));
    assert_eq!(taken(&audio, both).0, 0);
    assert!(taken(&audio, both).1 >= 100);
    let mp4 = mp4(folder.path(), 60);
    assert_eq!(taken(&mp4, "p.src_video ! n.sink_video"), (60, 0));
    assert!(taken(&mp4, "p.src_audio ! n.sink_audio").1 >= 90);
}

#[test]
fn raw_files_play_too() {
    let folder = tempfile::tempdir().unwrap();
    let wav = folder.path().join("a.wav");
    run(&format!(
        "abtestsource name=t video=false duration=1 pace=fastest t.src_audio ! wavenc ! filesink location={}",
        wav.display()
    ))
    .well();
    assert!(taken(&wav, "p.src_audio ! n.sink_audio").1 > 0);
}

#[test]
fn a_start_in_the_middle_is_exact() {
    let folder = tempfile::tempdir().unwrap();
    for file in [mp4(folder.path(), 150), make(folder.path(), "in.webm", 150, Some(VP8), Some(OPUS))] {
        let uri = file.display().to_string();
        // In the middle of frame 99.
        let found = play(&uri, "start=3.31");
        assert_eq!(found.first().unwrap().1, Some(99), "{uri}");
        assert_eq!(found.len(), 51, "{uri}");
        assert!(found[0].0 < gst::ClockTime::from_mseconds(34), "running time begins at 0");
    }
}

#[test]
fn a_hundred_rounds_have_no_seam() {
    let folder = tempfile::tempdir().unwrap();
    for file in [
        make(folder.path(), "in.mp4", 30, Some(H264), None),
        make(folder.path(), "in.webm", 30, Some(VP8), None),
    ] {
        let pipeline = pipeline(&format!(
            "abplayer name=p uri={} loop=true pace=fastest p.src_video ! appsink name=out sync=false",
            file.display()
        ));
        let sink = pipeline.by_name("out").unwrap().downcast::<gst_app::AppSink>().unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        let mut last = None;
        for number in 0..100 * 30u64 {
            let sample = sink.pull_sample().unwrap();
            let segment = sample.segment().unwrap().downcast_ref::<gst::ClockTime>().unwrap().clone();
            let time = segment.to_running_time(sample.buffer().unwrap().pts()).unwrap();
            let expected = gst::ClockTime::from_nseconds(number * 1_000_000_000 / 30);
            let off = time.nseconds().abs_diff(expected.nseconds());
            // Matroska rounds to milliseconds.
            assert!(off < 2_000_000 * (1 + number / 30), "frame {number} at {time}, not {expected}");
            assert!(last.is_none_or(|last| time > last), "frame {number} at {time} after {last:?}");
            last = Some(time);
        }
        let player = pipeline.by_name("p").unwrap();
        assert!(player.property::<gst::Structure>("stats").get::<u64>("rounds").unwrap() >= 99);
        pipeline.set_state(gst::State::Null).unwrap();
    }
}

#[test]
fn sound_and_pictures_stay_together_over_rounds() {
    let folder = tempfile::tempdir().unwrap();
    let file = mp4(folder.path(), 30);
    let pipeline = pipeline(&format!(
        "abplayer name=p uri={} loop=true pace=fastest \
         p.src_video ! queue ! appsink name=v sync=false p.src_audio ! queue ! appsink name=a sync=false",
        file.display()
    ));
    let sink = |name: &str| pipeline.by_name(name).unwrap().downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let time = |sample: &gst::Sample| {
        let segment = sample.segment().unwrap().downcast_ref::<gst::ClockTime>().unwrap();
        segment.to_running_time(sample.buffer().unwrap().pts()).unwrap()
    };
    let (video, audio) = (sink("v"), sink("a"));
    // Sound is a little longer than the pictures, so each round takes as long as the sound.
    let mut starts = Vec::new();
    for frame in 0..20 * 30 {
        let sample = video.pull_sample().unwrap();
        if frame % 30 == 0 {
            starts.push(time(&sample));
        }
    }
    let mut sounds = vec![];
    while sounds.last().is_none_or(|last| last < starts.last().unwrap()) {
        sounds.push(time(&audio.pull_sample().unwrap()));
    }
    for start in starts {
        assert!(sounds.iter().any(|s| s.nseconds().abs_diff(start.nseconds()) < 1_000), "{start}");
    }
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn the_clock_sets_the_pace_if_asked() {
    let folder = tempfile::tempdir().unwrap();
    let file = mp4(folder.path(), 45);
    let line = |pace: &str| {
        format!(
            "abplayer name=p uri={} pace={pace} abnullsink name=n \
             p.src_video ! n.sink_video p.src_audio ! n.sink_audio",
            file.display()
        )
    };
    let begin = Instant::now();
    run(&line("realtime")).well();
    assert!(begin.elapsed().as_secs_f64() > 1.4);
    // A film of ten seconds in its place.
    mp4(folder.path(), 300);
    let begin = Instant::now();
    run(&line("fastest")).well();
    assert!(begin.elapsed().as_secs_f64() < 7.0);
}

/// A server that answers every request with the same; returns its address.
fn serve(status: &'static str, body: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(mut connection) = connection else { return };
            let body = body.clone();
            std::thread::spawn(move || {
                let mut request = [0; 4096];
                let _ = connection.read(&mut request);
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = connection.write_all(head.as_bytes()).and_then(|()| connection.write_all(&body));
            });
        }
    });
    format!("http://{address}")
}

/// A server of the files in a folder, as plain as can be; returns its address.
pub fn serve_folder(folder: &Path) -> String {
    let folder = folder.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(mut connection) = connection else { return };
            let folder = folder.clone();
            std::thread::spawn(move || {
                let mut request = [0; 4096];
                let length = connection.read(&mut request).unwrap_or(0);
                let text = String::from_utf8_lossy(&request[..length]).into_owned();
                let path = text.split(' ').nth(1).unwrap_or("/").trim_start_matches('/').to_owned();
                let (status, body) = match std::fs::read(folder.join(path)) {
                    Ok(body) => ("200 OK", body),
                    Err(_) => ("404 Not Found", Vec::new()),
                };
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = connection.write_all(head.as_bytes()).and_then(|()| connection.write_all(&body));
            });
        }
    });
    format!("http://{address}")
}

#[test]
fn a_body_that_is_cut_in_the_middle_is_one_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = make(folder.path(), "in.webm", 300, Some(VP8), Some(OPUS));
    let body = std::fs::read(&file).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(mut connection) = connection else { return };
            let mut request = [0; 4096];
            let _ = connection.read(&mut request);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            let half = &body[..body.len() / 2];
            let _ = connection.write_all(head.as_bytes()).and_then(|()| connection.write_all(half));
        }
    });
    run(&format!("abplayer name=p uri=http://{address}/in.webm pace=fastest p.src_video ! abnullsink"))
        .failed(&["in.webm", "cut"]);
}

#[test]
fn http_plays() {
    let folder = tempfile::tempdir().unwrap();
    let file = make(folder.path(), "in.webm", 60, Some(VP8), Some(OPUS));
    let address = serve("200 OK", std::fs::read(&file).unwrap());
    let counters: Vec<_> = play(&format!("{address}/in.webm"), "").into_iter().map(|(_, c)| c).collect();
    assert_in_order(&counters, 60);
}

#[test]
fn http_errors_are_told_apart() {
    let line = |uri: &str| format!("abplayer name=p uri={uri} p.src_video ! abnullsink");
    let missing = serve("404 Not Found", Vec::new());
    run(&line(&format!("{missing}/none.mp4"))).failed(&["none.mp4", "404"]);
    // A port that the system gives nobody by itself.
    run(&line("http://127.0.0.1:1/a.mp4")).failed(&["Nobody answers", "127.0.0.1"]);
    run(&line("http://no-such-host.invalid/a.mp4")).failed(&["unknown", "no-such-host.invalid"]);
    run(&line("nonsense://host/a.mp4")).failed(&["nonsense://host/a.mp4"]);
}
