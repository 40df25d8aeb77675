//! Consumers that cannot be served, streams that do not come, elements that fail.

use crate::rig::Rig;

const H264: &str = "videotestsrc num-buffers=30 ! video/x-raw,width=160,height=120,framerate=30/1 \
    ! x264enc tune=zerolatency ! h264parse";

#[test]
fn forbidden_transcoding_ends_that_consumer_and_not_the_others() {
    let rig = Rig::new(H264);
    let happy = rig.consumer("happy", "video/x-h264");
    let strict = rig.consumer_with("strict", "video/x-vp8", |pad| {
        gst::prelude::ObjectExt::set_property(pad, "transcoding", false)
    });
    rig.run_to_end();
    assert_eq!(happy.count(), 30);
    assert!(strict.got(|got| got.eos));
    assert_eq!(strict.count(), 0);
    let refused = rig.messages("not-served");
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0]["consumer"], "strict");
    assert!(refused[0]["reason"].as_str().unwrap().contains("transcoding: forbid"), "{refused:?}");
    assert_eq!(rig.messages("transcoding-started").len(), 0);
}

#[test]
fn the_only_consumer_that_cannot_be_served_is_an_error() {
    let rig = Rig::new(H264);
    let strict = rig.consumer("strict", "video/x-h265");
    rig.play();
    let error = rig.wait_or_error(|_| false).unwrap_err();
    assert!(error.contains("strict") && error.contains("no encoder for H.265"), "{error}");
    strict.wait(|got| got.eos);
}

#[test]
fn a_stream_that_does_not_exist_ends_everywhere_and_builds_nothing() {
    // An appsrc that ends without caps is an absent track.
    let rig = Rig::new("appsrc name=src");
    let (one, two) = (rig.consumer("one", "video/x-vp8"), rig.consumer("two", ""));
    rig.play();
    use gst::prelude::*;
    let source = rig.pipeline.by_name("src").unwrap();
    let flow = source.emit_by_name::<gst::FlowReturn>("end-of-stream", &[]);
    assert_eq!(flow, gst::FlowReturn::Ok);
    rig.wait(|message| message.type_() == gst::MessageType::Eos);
    for consumer in [&one, &two] {
        assert!(consumer.got(|got| got.eos && got.buffers.is_empty() && got.caps.is_empty()));
    }
    assert_eq!(rig.inside(), ["source"]);
    // A consumer that comes afterwards is told as well.
    let late = rig.consumer("late", "video/x-vp8");
    late.wait(|got| got.eos);
}

#[test]
fn a_consumer_that_refuses_the_data_does_not_stop_the_others() {
    use gst::prelude::*;
    let rig = Rig::new(H264);
    let happy = rig.consumer("happy", "");
    let broken = rig.hub.request_pad_simple("src_%u").unwrap();
    let sink = gst::ElementFactory::make("capsfilter")
        .property("caps", gst::Caps::new_empty_simple("audio/x-raw"))
        .build()
        .unwrap();
    broken.set_property("accept", "");
    broken.set_property("consumer", "broken");
    rig.pipeline.add(&sink).unwrap();
    sink.sync_state_with_parent().unwrap();
    broken.link(&sink.static_pad("sink").unwrap()).unwrap();
    rig.run_to_end();
    assert_eq!(happy.count(), 30);
}

#[test]
fn an_encoder_that_fails_is_named_with_those_whom_it_serves() {
    let rig = Rig::new(
        "videotestsrc ! video/x-raw,width=160,height=120,framerate=30/1 ! x264enc tune=zerolatency ! h264parse",
    );
    let one = rig.consumer("one", "video/x-vp8");
    let _two = rig.consumer("two", "video/x-vp8");
    let three = rig.consumer("three", "video/x-h264");
    rig.play();
    one.wait(|got| !got.buffers.is_empty());
    use gst::prelude::*;
    let chain = rig.hub.downcast_ref::<gst::Bin>().unwrap().by_name("encoder-vp8").unwrap();
    let encoder = chain.downcast_ref::<gst::Bin>().unwrap().by_name("encoder").unwrap();
    gst::element_error!(encoder, gst::StreamError::Encode, ("out of ink"));
    gst::element_error!(encoder, gst::StreamError::Failed, ("and so on"));
    let error = rig.wait_or_error(|_| false).unwrap_err();
    assert_eq!(error, "the VP8 encoder vp8enc failed, which serves one, two: out of ink");
    // What follows from it is not told again, and who does not need the encoder is not touched.
    let before = three.count();
    three.wait(|got| got.buffers.len() > before + 10);
    assert!(rig.pipeline.bus().unwrap().pop_filtered(&[gst::MessageType::Error]).is_none());
}

#[test]
fn a_consumer_that_has_enough_does_not_stop_the_others_and_all_of_them_stop_the_source() {
    use gst::prelude::*;
    let rig = Rig::new("videotestsrc ! video/x-raw,width=160,height=120,framerate=30/1");
    let short = |frames: i32| {
        let element = gst::ElementFactory::make("identity").property("eos-after", frames).build().unwrap();
        let sink = gst::ElementFactory::make("fakesink").property("async", false).build().unwrap();
        rig.pipeline.add_many([&element, &sink]).unwrap();
        element.link(&sink).unwrap();
        let pad = rig.hub.request_pad_simple("src_%u").unwrap();
        pad.link(&element.static_pad("sink").unwrap()).unwrap();
        (element, sink)
    };
    let (_, _) = (short(5), short(50));
    // Without a limit of its own the source ends only because both have enough.
    rig.run_to_end();
    let frames: u64 = rig
        .pipeline
        .iterate_sinks()
        .into_iter()
        .map(|sink| sink.unwrap().property::<gst::Structure>("stats").get::<u64>("rendered").unwrap())
        .sum();
    assert_eq!(frames, 4 + 49);
}
