//! One decoder, one encoder per format, and packets that pass untouched.

use crate::rig::Rig;

const H264: &str = "videotestsrc num-buffers=60 ! video/x-raw,width=320,height=240,framerate=30/1 \
    ! x264enc key-int-max=30 tune=zerolatency ! h264parse ! video/x-h264,stream-format=avc,alignment=au";

#[test]
fn two_consumers_of_vp8_share_an_encoder_and_a_third_gets_the_packets_untouched() {
    let rig = Rig::new(&format!(
        "{H264} ! tee name=t t. ! queue ! fakesink name=witness async=false sync=false t. ! queue"
    ));
    let witness = rig.pipeline.clone();
    use gst::prelude::*;
    let packets = std::sync::Arc::new(std::sync::Mutex::new(Vec::<u8>::new()));
    let seen = packets.clone();
    witness.by_name("witness").unwrap().static_pad("sink").unwrap().add_probe(
        gst::PadProbeType::BUFFER,
        move |_, info| {
            seen.lock().unwrap().extend_from_slice(&info.buffer().unwrap().map_readable().unwrap());
            gst::PadProbeReturn::Ok
        },
    );
    let first = rig.consumer("first", "video/x-vp8");
    let second = rig.consumer("second", "video/x-vp8");
    let third = rig.consumer("third", "video/x-vp9; video/x-h264");
    rig.run_to_end();
    for consumer in [&first, &second] {
        assert_eq!(consumer.count(), 60);
        assert_eq!(consumer.caps_names(), ["video/x-vp8"]);
    }
    assert_eq!(first.payload(), second.payload());
    assert_eq!(third.count(), 60);
    assert_eq!(third.payload(), *packets.lock().unwrap());
    assert_eq!((rig.stat("decoders"), rig.stat("encoders"), rig.stat("consumers")), (1, 1, 3));
    let started = rig.messages("transcoding-started");
    assert_eq!(started.len(), 1);
    assert_eq!(started[0]["from"], "H.264");
    assert_eq!(started[0]["to"], "VP8");
    assert_eq!(started[0]["consumer"], "first");
    assert_eq!(started[0]["decoder"], "avdec_h264");
    assert_eq!(started[0]["encoder"], "vp8enc");
}
