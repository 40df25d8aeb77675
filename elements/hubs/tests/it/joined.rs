use std::time::Duration;

use gst::prelude::*;

use super::rig::*;

const MS: u64 = 1_000_000;

/// A live source of one shade of grey.
fn shade(value: u32, more: &str) -> gst::Element {
    let colour = 0xff00_0000 | value << 16 | value << 8 | value;
    bin(&format!(
        "videotestsrc is-live=true pattern=solid-color foreground-color={colour} ! video/x-raw,width=160,height=120{more}"
    ))
}

fn composite(pipeline: &gst::Pipeline, rate: i64) -> (gst::Element, Sink) {
    let hub = make("abcomposite", "mix");
    for (name, value) in [("width", 320i64), ("height", 240), ("frame-rate", rate)] {
        hub.set_property(name, value);
    }
    hub.set_property_from_str("fit", "stretch");
    let sink = Sink::new();
    pipeline.add_many([&hub, &sink.element]).unwrap();
    hub.link_pads(Some("src_video"), &sink.element, None).unwrap();
    (hub, sink)
}

fn join(pipeline: &gst::Pipeline, hub: &gst::Element, source: &gst::Element) -> gst::Pad {
    pipeline.add(source).unwrap();
    let pad = hub.request_pad_simple("sink_video_%u").unwrap();
    source.static_pad("src").unwrap().link(&pad).unwrap();
    source.sync_state_with_parent().unwrap();
    pad
}

fn leave(pipeline: &gst::Pipeline, hub: &gst::Element, source: &gst::Element, pad: &gst::Pad) {
    source.set_state(gst::State::Null).unwrap();
    pipeline.remove(source).unwrap();
    hub.release_request_pad(pad);
}

/// Each picture is a moment after the one before. A hub that the machine holds up leaves moments out: no more than one
/// second of them, all together.
fn is_steady(sink: &Sink, rate: u64) {
    sink.look(|heard| {
        let mut left_out = 0;
        for pair in heard.buffers.windows(2) {
            let step = (pair[1].0 - pair[0].0).nseconds();
            let moments = (step * rate + 500_000_000) / 1_000_000_000;
            let steady = moments > 0 && step.abs_diff(moments * 1_000_000_000 / rate) <= 2;
            assert!(steady, "{} then {}", pair[0].0, pair[1].0);
            left_out += moments - 1;
        }
        assert!(left_out <= rate, "{left_out} moments were left out");
    });
}

#[test]
fn without_any_input_the_background_goes_out_steadily() {
    init();
    let pipeline = gst::Pipeline::new();
    let (hub, sink) = composite(&pipeline, 50);
    pipeline.set_state(gst::State::Playing).unwrap();
    sink.more(30);
    is_steady(&sink, 50);
    sink.look(|heard| {
        let (_, _, buffer) = heard.buffers.last().unwrap();
        assert_eq!(luma(buffer, &heard.caps[0], 10, 10), 16);
    });
    hub.set_property_from_str("background", "checker");
    sink.wait(|heard| {
        let (_, _, buffer) = heard.buffers.last()?;
        let at = |x, y| luma(buffer, &heard.caps[0], x, y);
        ((at(0, 0), at(8, 0), at(8, 8)) == (80, 160, 80)).then_some(())
    });
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn pictures_of_any_size_format_and_rate_have_their_cells() {
    init();
    let pipeline = gst::Pipeline::new();
    let (hub, sink) = composite(&pipeline, 30);
    join(&pipeline, &hub, &shade(255, ""));
    join(&pipeline, &hub, &shade(60, ",format=NV12,framerate=7/1"));
    let last = bin(
        "videotestsrc is-live=true pattern=white ! video/x-raw,format=RGBA,width=1000,height=30,framerate=60/1",
    );
    join(&pipeline, &hub, &last);
    pipeline.set_state(gst::State::Playing).unwrap();
    // Two above, one below on the left; the rest is background.
    sink.wait(|heard| {
        let (_, _, buffer) = heard.buffers.last()?;
        let at = |x, y| luma(buffer, heard.caps.last().unwrap(), x, y);
        let cells = [at(80, 60), at(240, 60), at(80, 180), at(240, 180)];
        (cells[0] > 230 && (50..90).contains(&cells[1]) && cells[2] > 230 && cells[3] == 16).then_some(())
    });
    is_steady(&sink, 30);
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn parties_come_and_go_a_hundred_times_and_the_output_never_stalls() {
    init();
    let pipeline = gst::Pipeline::new();
    let (hub, sink) = composite(&pipeline, 30);
    join(&pipeline, &hub, &shade(200, ",framerate=30/1"));
    pipeline.set_state(gst::State::Playing).unwrap();
    sink.more(5);
    for n in 0..100 {
        let guest = shade(100, ",framerate=30/1");
        let pad = join(&pipeline, &hub, &guest);
        if n % 10 == 0 {
            // Seen in the right half.
            sink.wait(|heard| {
                let (_, _, buffer) = heard.buffers.last()?;
                (luma(buffer, heard.caps.last()?, 240, 120) < 150).then_some(())
            });
        }
        leave(&pipeline, &hub, &guest, &pad);
    }
    sink.wait(|heard| {
        let (_, _, buffer) = heard.buffers.last()?;
        (luma(buffer, heard.caps.last()?, 240, 120) > 150).then_some(())
    });
    sink.more(5);
    is_steady(&sink, 30);
    let stats: gst::Structure = hub.property::<Option<gst::Structure>>("stats").unwrap();
    println!("100 guests: {stats}");
    assert!(stats.get::<u64>("pictures-skipped").unwrap() <= 30, "{stats}");
    assert_eq!(stats.get::<u64>("parties").unwrap(), 1);
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn one_that_stalls_keeps_its_last_picture_and_holds_up_nobody() {
    init();
    let pipeline = gst::Pipeline::new();
    let (hub, sink) = composite(&pipeline, 30);
    let stalls = shade(250, ",framerate=30/1");
    join(&pipeline, &hub, &stalls);
    pipeline.set_state(gst::State::Playing).unwrap();
    sink.wait(|heard| {
        let (_, _, buffer) = heard.buffers.last()?;
        (luma(buffer, heard.caps.last()?, 100, 100) > 200).then_some(())
    });
    stalls
        .static_pad("src")
        .unwrap()
        .add_probe(gst::PadProbeType::BLOCK_DOWNSTREAM, |_, _| gst::PadProbeReturn::Ok);
    sink.more(45);
    is_steady(&sink, 30);
    sink.look(|heard| {
        let (_, _, buffer) = heard.buffers.last().unwrap();
        assert!(luma(buffer, heard.caps.last().unwrap(), 100, 100) > 200);
    });
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn places_layers_and_sizes_change_while_it_runs() {
    init();
    let pipeline = gst::Pipeline::new();
    let (hub, sink) = composite(&pipeline, 30);
    let (first, second) = (join(&pipeline, &hub, &shade(255, "")), join(&pipeline, &hub, &shade(80, "")));
    first.set_property("source", "wall");
    second.set_property("source", "small");
    hub.set_property("places", r#"["wall 0 0 320 240 1 1", "small 20 20 40 40 1 2"]"#);
    pipeline.set_state(gst::State::Playing).unwrap();
    let seen = |x, y, wanted: std::ops::Range<u8>| {
        sink.wait(|heard| {
            let (_, _, buffer) = heard.buffers.last()?;
            wanted.contains(&luma(buffer, heard.caps.last()?, x, y)).then_some(())
        });
    };
    seen(40, 40, 60..110);
    seen(200, 200, 220..240);
    hub.set_property("places", r#"["wall 0 0 320 240 1 3", "small 20 20 40 40 1 2"]"#);
    seen(40, 40, 220..240);
    hub.set_property("width", 640i64);
    sink.wait(|heard| (heard.caps.last()?.structure(0)?.get("width") == Ok(640)).then_some(()));
    seen(600, 100, 16..17);
    is_steady(&sink, 30);
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn names_are_drawn_over_the_pictures() {
    init();
    let pipeline = gst::Pipeline::new();
    let (hub, sink) = composite(&pipeline, 30);
    hub.set_property("names", true);
    let pad = join(&pipeline, &hub, &shade(120, ""));
    pad.set_property("source", "Ann");
    pipeline.set_state(gst::State::Playing).unwrap();
    // White letters and a dark ground in the lower left corner.
    sink.wait(|heard| {
        let (_, _, buffer) = heard.buffers.last()?;
        let caps = heard.caps.last()?;
        let corner: Vec<u8> = (0..48)
            .flat_map(|x| (222..238).map(move |y| (x, y)))
            .map(|(x, y)| luma(buffer, caps, x, y))
            .collect();
        (corner.iter().any(|v| *v > 170) && corner.iter().any(|v| *v < 60)).then_some(())
    });
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn it_ends_when_all_that_it_is_given_has_ended() {
    init();
    let pipeline = gst::Pipeline::new();
    let (hub, sink) = composite(&pipeline, 30);
    let source =
        bin("videotestsrc is-live=true num-buffers=15 ! video/x-raw,width=64,height=64,framerate=30/1");
    join(&pipeline, &hub, &source);
    pipeline.set_state(gst::State::Playing).unwrap();
    sink.wait(|heard| heard.eos.then_some(()));
    // The source's last picture is of 467 ms; how soon a thread sees that it ended is up to the machine.
    let last = sink.look(|heard| heard.buffers.last().unwrap().0.mseconds());
    assert!((430..5000).contains(&last), "the last picture is of {last} ms");
    let bus = pipeline.bus().unwrap();
    let end = bus.timed_pop_filtered(gst::ClockTime::from_seconds(LIMIT.as_secs()), &[gst::MessageType::Eos]);
    assert!(end.is_some(), "the pipeline was not told");
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn what_arrives_late_is_shown_late_and_not_dropped() {
    init();
    let pipeline = gst::Pipeline::new();
    let (hub, sink) = composite(&pipeline, 30);
    let late = shade(255, ",framerate=30/1");
    late.static_pad("src").unwrap().set_offset(-(900 * MS as i64));
    join(&pipeline, &hub, &late);
    pipeline.set_state(gst::State::Playing).unwrap();
    sink.wait(|heard| {
        let (_, _, buffer) = heard.buffers.last()?;
        (luma(buffer, heard.caps.last()?, 100, 100) > 200).then_some(())
    });
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn pictures_are_laid_over_the_masters() {
    init();
    let pipeline = gst::Pipeline::new();
    let hub = make("abalphablending", "blend");
    let sink = Sink::new();
    pipeline.add_many([&hub, &sink.element]).unwrap();
    hub.link_pads(Some("src_video"), &sink.element, None).unwrap();
    let (wall, small) = (join(&pipeline, &hub, &shade(255, "")), join(&pipeline, &hub, &shade(80, "")));
    wall.set_property("source", "wall");
    small.set_property("source", "small");
    hub.set_property("master", "small");
    pipeline.set_state(gst::State::Playing).unwrap();
    command(&hub, "set-master", serde_json::json!({"source": "wall", "z_order": 0})).unwrap();
    let place = serde_json::json!({"port": "small", "relative_x": 0.5, "relative_y": 0.5, "z_order": 3, "relative_width": 0.25, "relative_height": 0.25});
    command(&hub, "set-port-properties", place).unwrap();
    // Another property undoes nothing that commands have said.
    hub.set_property_from_str("latency", "60");
    sink.wait(|heard| {
        let (_, _, buffer) = heard.buffers.last()?;
        let caps = heard.caps.last()?;
        if caps.structure(0)?.get::<i32>("width").ok()? != 160 {
            return None;
        }
        (luma(buffer, caps, 20, 20) > 220 && luma(buffer, caps, 90, 70) < 110).then_some(())
    });
    let unknown = command(&hub, "set-master", serde_json::json!({"source": "wal"})).unwrap_err();
    assert!(unknown.text.contains("did you mean 'wall'?"), "{unknown}");
    let far = serde_json::json!({"port": "small", "relative_x": 2, "relative_y": 0, "relative_width": 1, "relative_height": 1});
    assert_eq!(command(&hub, "set-port-properties", far).unwrap_err().code, "out-of-range");
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn what_is_seen_through_shows_what_lies_behind() {
    init();
    let pipeline = gst::Pipeline::new();
    let hub = make("abalphablending", "blend");
    let sink = Sink::new();
    pipeline.add_many([&hub, &sink.element]).unwrap();
    hub.link_pads(Some("src_video"), &sink.element, None).unwrap();
    // White; and a black picture whose points are seen through by three quarters.
    let glass = bin(
        "videotestsrc is-live=true pattern=solid-color foreground-color=0x40000000 ! video/x-raw,format=ARGB,width=160,height=120",
    );
    let (wall, small) = (join(&pipeline, &hub, &shade(255, "")), join(&pipeline, &hub, &glass));
    wall.set_property("source", "wall");
    small.set_property("source", "glass");
    pipeline.set_state(gst::State::Playing).unwrap();
    command(&hub, "set-master", serde_json::json!({"source": "wall", "z_order": 0})).unwrap();
    let place = serde_json::json!({"port": "glass", "relative_x": 0.5, "relative_y": 0.5, "z_order": 3, "relative_width": 0.5, "relative_height": 0.5});
    command(&hub, "set-port-properties", place).unwrap();
    // Nothing of it: 235. All of it: 16. A quarter: 180.
    sink.wait(|heard| {
        let (_, _, buffer) = heard.buffers.last()?;
        let caps = heard.caps.last()?;
        let format = caps.structure(0)?.get::<&str>("format").ok()?;
        let (beside, through) = (luma(buffer, caps, 20, 20), luma(buffer, caps, 120, 90));
        (format == "I420" && beside > 225 && (165..195).contains(&through)).then_some(())
    });
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn nothing_is_joined_while_nobody_looks() {
    init();
    let pipeline = gst::Pipeline::new();
    let hub = make("abcomposite", "mix");
    pipeline.add(&hub).unwrap();
    join(&pipeline, &hub, &shade(200, ""));
    pipeline.set_state(gst::State::Playing).unwrap();
    let figure = |name: &str| hub.property::<gst::Structure>("stats").get::<u64>(name).unwrap();
    let until = std::time::Instant::now() + LIMIT;
    while figure("moments-idle") < 10 {
        assert!(std::time::Instant::now() < until, "the hub does not run");
        std::thread::yield_now();
    }
    assert_eq!(figure("pictures"), 0);
    let sink = Sink::new();
    pipeline.add(&sink.element).unwrap();
    sink.element.sync_state_with_parent().unwrap();
    hub.link_pads(Some("src_video"), &sink.element, None).unwrap();
    sink.more(10);
    assert!(figure("pictures") >= 10);
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn a_hundred_starts_and_stops_leave_no_thread() {
    init();
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let run = || {
        let pipeline = gst::Pipeline::new();
        let (hub, sink) = composite(&pipeline, 60);
        join(&pipeline, &hub, &shade(1, ""));
        pipeline.set_state(gst::State::Playing).unwrap();
        sink.more(2);
        pipeline.set_state(gst::State::Null).unwrap();
    };
    run();
    let before = threads();
    (0..20).for_each(|_| run());
    // GStreamer's own pools keep a few, and GLib's keeps a thread that has nothing to do for 15 seconds.
    let until = std::time::Instant::now() + Duration::from_secs(40);
    while threads() > before + 3 && std::time::Instant::now() < until {
        std::thread::yield_now();
    }
    assert!(threads() <= before + 3, "{before} threads before, {} after", threads());
}
