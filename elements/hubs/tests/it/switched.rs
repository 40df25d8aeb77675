use gst::prelude::*;
use serde_json::json;

use super::rig::*;

/// A live VP8 source of one size, with a key frame now and then.
fn vp8(width: u32) -> gst::Element {
    bin(&format!(
        "videotestsrc is-live=true ! video/x-raw,width={width},height=64,framerate=30/1 ! vp8enc deadline=1 keyframe-max-dist=3000"
    ))
}

fn width(caps: &gst::Caps) -> i32 {
    caps.structure(0).unwrap().get("width").unwrap()
}

/// Whether the stream can be decoded: a key frame after each change of caps, and time stamps that go on.
fn is_sound(sink: &Sink) {
    sink.look(|heard| {
        let first = &heard.buffers[0].2;
        assert!(!first.flags().contains(gst::BufferFlags::DELTA_UNIT), "it begins without a key frame");
        assert!(heard.buffers.windows(2).all(|w| w[1].0 > w[0].0), "time goes back");
        let longest = heard.buffers.windows(2).map(|w| (w[1].0 - w[0].0).mseconds()).max().unwrap();
        println!(
            "{} pictures, longest distance {longest} ms, caps {}",
            heard.buffers.len(),
            heard.caps.len()
        );
        // On a busy machine the frames of one source come later than those of another; without being asked for, the next
        // key frame would come after 100 s.
        assert!(longest <= 1000, "a gap of {longest} ms");
    });
}

#[test]
fn a_selector_switches_at_the_next_key_frame_and_nothing_is_decoded() {
    init();
    let pipeline = gst::Pipeline::new();
    let hub = make("abselector", "out");
    let sink = Sink::new();
    pipeline.add_many([&hub, &sink.element]).unwrap();
    hub.link_pads(Some("src_video"), &sink.element, None).unwrap();
    for (name, size) in [("a", 64), ("b", 96)] {
        let source = vp8(size);
        pipeline.add(&source).unwrap();
        let pad = hub.request_pad_simple("sink_video_%u").unwrap();
        pad.set_property("source", name);
        source.static_pad("src").unwrap().link(&pad).unwrap();
    }
    hub.set_property("select", "a");
    pipeline.set_state(gst::State::Playing).unwrap();
    sink.more(10);
    for n in 0..10 {
        let (name, size) = if n % 2 == 0 { ("b", 96) } else { ("a", 64) };
        command(&hub, "select", json!({"source": name})).unwrap();
        sink.wait(|heard| (heard.caps.last().is_some_and(|caps| width(caps) == size)).then_some(()));
        sink.more(3);
    }
    assert_eq!(command(&hub, "selected", json!({})).unwrap(), json!({"source": "a"}));
    is_sound(&sink);
    sink.look(|heard| {
        assert_eq!(heard.caps.len(), 11);
        assert!(heard.caps.iter().all(|caps| caps.structure(0).unwrap().name() == "video/x-vp8"));
        // A key frame for each that was switched to, and only these.
        let keys = heard.buffers.iter().filter(|(_, _, b)| !b.flags().contains(gst::BufferFlags::DELTA_UNIT));
        assert!((11..=14).contains(&keys.count()));
    });
    let unknown = command(&hub, "select", json!({"source": "c"})).unwrap_err();
    assert_eq!(unknown.code, "unknown-port");
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn a_dispatcher_gives_each_port_who_was_chosen_for_it() {
    init();
    let pipeline = gst::Pipeline::new();
    let hub = make("abdispatcher", "board");
    hub.set_property("pipeline-id", "switched");
    pipeline.add(&hub).unwrap();
    let ports: Vec<Sink> = [("p0", 64), ("p1", 96), ("p2", 128)]
        .map(|(name, size)| {
            let port = make("abhubport", name);
            port.set_property("hub", "board");
            port.set_property("pipeline-id", "switched");
            let (sink, source) = (Sink::new(), vp8(size));
            pipeline.add_many([&port, &sink.element, &source]).unwrap();
            port.link_pads(Some("src_video"), &sink.element, None).unwrap();
            source.link_pads(Some("src"), &port, Some("sink_video")).unwrap();
            sink
        })
        .into();
    pipeline.set_state(gst::State::Playing).unwrap();
    let connect = |source: &str, sink: &str| {
        // Ports come with their elements' states.
        command(&hub, "connect", json!({"source": source, "sink": sink})).unwrap();
    };
    let sees = |at: usize, size| {
        ports[at].wait(|heard| (heard.caps.last().is_some_and(|caps| width(caps) == size)).then_some(()));
        ports[at].more(2);
    };
    connect("p1", "p0");
    connect("p0", "p1");
    sees(0, 96);
    sees(1, 64);
    connect("p2", "p0");
    sees(0, 128);
    connect("p0", "p0");
    sees(0, 64);
    assert_eq!(ports[2].look(|heard| heard.buffers.len()), 0, "nobody was given to it");
    is_sound(&ports[0]);
    command(&hub, "disconnect", json!({"sink": "p0"})).unwrap();
    let wrong = command(&hub, "connect", json!({"source": "p9", "sink": "p0"})).unwrap_err();
    assert!(wrong.text.contains("no port 'p9'"), "{wrong}");
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn one_is_for_many_and_who_comes_later_sees_it_too() {
    init();
    let pipeline = gst::Pipeline::new();
    let hub = make("abdispatcheronetomany", "hall");
    hub.set_property("pipeline-id", "lecture");
    pipeline.add(&hub).unwrap();
    let port = |name: &str| {
        let port = make("abhubport", name);
        port.set_property("hub", "hall");
        port.set_property("pipeline-id", "lecture");
        let sink = Sink::new();
        pipeline.add_many([&port, &sink.element]).unwrap();
        port.link_pads(Some("src_video"), &sink.element, None).unwrap();
        (port, sink)
    };
    let (speaker, own) = port("speaker");
    let source = vp8(64);
    pipeline.add(&source).unwrap();
    source.link_pads(Some("src"), &speaker, Some("sink_video")).unwrap();
    let (_, first) = port("first");
    pipeline.set_state(gst::State::Playing).unwrap();
    command(&hub, "set-source", json!({"source": "speaker"})).unwrap();
    first.more(5);
    let (late, second) = port("late");
    second.element.sync_state_with_parent().unwrap();
    late.sync_state_with_parent().unwrap();
    second.more(5);
    is_sound(&second);
    assert_eq!(own.look(|heard| heard.buffers.len()), 0, "nobody is sent his own");
    command(&hub, "remove-source", json!({})).unwrap();
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn a_connection_may_name_the_hub_for_its_own_output() {
    init();
    let pipeline = gst::Pipeline::new();
    let hub = make("abdispatcher", "board");
    let (sink, source) = (Sink::new(), vp8(64));
    pipeline.add_many([&hub, &sink.element, &source]).unwrap();
    hub.link_pads(Some("src_video"), &sink.element, None).unwrap();
    let pad = hub.request_pad_simple("sink_video_%u").unwrap();
    pad.set_property("source", "cam");
    source.static_pad("src").unwrap().link(&pad).unwrap();
    anabranch_kit::params::set_json(hub.upcast_ref(), "connections", &json!(["cam -> board"])).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    sink.more(3);
    pipeline.set_state(gst::State::Null).unwrap();
}
