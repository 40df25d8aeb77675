//! Peers come and go, and nothing of them stays.

use std::time::Instant;

use serde_json::json;

use super::rig::{End, PATIENCE, VP8, connect, source};

fn count(directory: &str) -> usize {
    std::fs::read_dir(directory).unwrap().count()
}

/// Threads for blocking work go by themselves when they had nothing to do for two seconds, those of GLib's pool after 15;
/// others are gone at once.
fn wait_at_most(what: &str, directory: &str, most: usize) {
    let end = Instant::now() + PATIENCE;
    while count(directory) > most {
        assert!(Instant::now() < end, "{what}: {} instead of {most}", count(directory));
        std::thread::yield_now();
    }
}

#[test]
fn threads_and_files_are_given_back() {
    for transport in ["webrtcbin", "native"] {
        let round = || {
            let a = End::new(&source(VP8), &json!({"transport": transport}));
            let b = End::new("", &json!({"transport": transport}));
            connect(&a, &b, json!({}));
            b.wait_media("video", 3);
        };
        // The process's own threads, plugins and certificate come with the first peers.
        for _ in 0..3 {
            round();
        }
        let (threads, files) = (count("/proc/self/task"), count("/proc/self/fd"));
        for _ in 0..20 {
            round();
        }
        wait_at_most(&format!("{transport}: threads"), "/proc/self/task", threads);
        wait_at_most(&format!("{transport}: files"), "/proc/self/fd", files);
    }
}

#[test]
fn an_endpoint_that_is_dropped_in_the_middle_gives_everything_back() {
    for transport in ["webrtcbin", "native"] {
        for _ in 0..5 {
            let a = End::new(&source(VP8), &json!({"transport": transport}));
            a.tell("offer", json!({}));
        }
    }
}
