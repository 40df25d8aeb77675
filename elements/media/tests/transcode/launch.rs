//! The hub as a plugin in `gst-launch-1.0`: the same binary that an application would load, and no leaks.

use std::path::PathBuf;
use std::process::Command;

fn plugin() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    program.parent().unwrap().join("libgstanabranchelements.so")
}

fn launch(pipeline: &str) -> (bool, String) {
    let output = Command::new("gst-launch-1.0")
        .args(["-m", "--gst-plugin-load"])
        .arg(plugin())
        .args(pipeline.split_whitespace())
        .env("GST_TRACERS", "leaks")
        .env("GST_DEBUG", "GST_TRACER:7")
        .env("GST_DEBUG_NO_COLOR", "1")
        .output()
        .unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

/// The tracer names the record's fields at the start, and every object that is left at the end.
fn leaks(text: &str) -> bool {
    text.lines()
        .any(|line| line.contains("object-alive, type-name=(string)") && !line.contains("=(string)%s"))
}

#[test]
fn transcodes_what_the_next_element_does_not_take_and_leaks_nothing() {
    let (success, text) = launch(
        "videotestsrc num-buffers=20 ! video/x-raw,width=160,height=120 ! x264enc tune=zerolatency ! h264parse \
         ! abtranscode name=hub \
         hub. ! queue ! webmmux ! fakesink async=false \
         hub. ! queue ! video/x-h264 ! fakesink async=false \
         hub. ! queue ! video/x-raw ! fakesink async=false",
    );
    assert!(success, "{text}");
    assert!(text.contains("transcoding-started") && text.contains("vp8enc"), "{text}");
    assert!(!leaks(&text), "{text}");
    assert!(!text.contains("CRITICAL"), "{text}");
}

#[test]
fn a_muxer_that_takes_the_format_gets_it_untouched() {
    let (success, text) = launch(
        "videotestsrc num-buffers=20 ! video/x-raw,width=160,height=120 ! x264enc tune=zerolatency ! h264parse \
         ! abtranscode ! queue ! matroskamux ! fakesink",
    );
    assert!(success, "{text}");
    assert!(!text.contains("transcoding-started"), "{text}");
    assert!(!leaks(&text), "{text}");
}
