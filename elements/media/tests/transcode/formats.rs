//! Every format there and back.

use crate::rig::Rig;

const VIDEO: &str = "videotestsrc num-buffers=15 ! video/x-raw,width=160,height=120,framerate=30/1";
const AUDIO: &str = "audiotestsrc num-buffers=50 samplesperbuffer=480 ! audio/x-raw,rate=48000,channels=2";

/// Raw media through an encoder of the hub, then through a decoder of another one.
fn round_trip(source: &str, caps: &str, raw: &str) -> usize {
    let rig = Rig::new(&format!("{source} ! abtranscode name=first first. ! {caps} ! queue"));
    let consumer = rig.consumer("back", raw);
    rig.run_to_end();
    assert_eq!(rig.stat("decoders"), 1, "{caps}");
    assert!(consumer.caps_names().iter().all(|name| name == raw), "{caps}");
    consumer.count()
}

#[test]
fn video_there_and_back() {
    for format in ["video/x-vp8", "video/x-vp9", "video/x-h264", "video/x-av1"] {
        assert_eq!(round_trip(VIDEO, format, "video/x-raw"), 15, "{format}");
    }
}

#[test]
fn audio_there_and_back() {
    for format in ["audio/x-opus", "audio/mpeg,mpegversion=4", "audio/x-mulaw", "audio/x-alaw"] {
        assert!(round_trip(AUDIO, format, "audio/x-raw") > 10, "{format}");
    }
}

#[test]
fn vorbis_is_decoded() {
    let rig = Rig::new(&format!("{AUDIO} ! audioconvert ! vorbisenc"));
    let (raw, opus) = (rig.consumer("raw", "audio/x-raw"), rig.consumer("opus", "audio/x-opus"));
    rig.run_to_end();
    assert!(raw.count() > 10 && opus.count() > 10);
}

#[test]
fn raw_media_pass_untouched() {
    for (source, caps) in [(VIDEO, "video/x-raw"), (AUDIO, "audio/x-raw")] {
        let rig = Rig::new(source);
        let consumer = rig.consumer("raw", caps);
        rig.run_to_end();
        assert!(consumer.count() >= 15);
        assert_eq!(rig.inside(), ["source"]);
    }
}

#[test]
fn a_format_that_no_table_knows_is_decoded_by_rank() {
    let rig = Rig::new(&format!("{VIDEO} ! jpegenc"));
    let consumer = rig.consumer("raw", "video/x-raw");
    rig.run_to_end();
    assert_eq!(consumer.count(), 15);
}

#[test]
fn without_accept_the_linked_element_decides() {
    let rig = Rig::new(&format!("{VIDEO} ! x264enc tune=zerolatency ! h264parse"));
    use gst::prelude::*;
    let sink = gst::parse::bin_from_description(
        "capsfilter caps=video/x-vp8 ! fakesink async=false sync=false",
        true,
    )
    .unwrap();
    rig.pipeline.add(&sink).unwrap();
    rig.hub.link(&sink).unwrap();
    rig.run_to_end();
    let started = rig.messages("transcoding-started");
    assert_eq!(started[0]["to"], "VP8");
}
