use std::time::Instant;

use gst::prelude::*;

use super::rig::*;

/// The amplitude of a frequency (Goertzel), 1 is full scale.
fn level(samples: &[f32], hertz: f64) -> f64 {
    let step = 2.0 * std::f64::consts::PI * hertz / 48_000.0;
    let coefficient = 2.0 * step.cos();
    let (mut last, mut before) = (0.0, 0.0);
    for &sample in samples {
        let now = f64::from(sample) + coefficient * last - before;
        (before, last) = (last, now);
    }
    2.0 * (last * last + before * before - coefficient * last * before).max(0.0).sqrt() / samples.len() as f64
}

fn db(level: f64) -> f64 {
    20.0 * level.max(1e-9).log10()
}

fn tone(hertz: u32, more: &str) -> gst::Element {
    bin(&format!("audiotestsrc is-live=true wave=sine volume=0.1 freq={hertz} ! audio/x-raw{more}"))
}

fn port(pipeline: &gst::Pipeline, hub: &str, name: &str) -> (gst::Element, Sink) {
    let port = make("abhubport", name);
    port.set_property("hub", hub);
    port.set_property("pipeline-id", "sound");
    let sink = Sink::new();
    pipeline.add_many([&port, &sink.element]).unwrap();
    port.link_pads(Some("src_audio"), &sink.element, None).unwrap();
    (port, sink)
}

/// Whole periods of all tones fit into 100 ms.
const TONES: [u32; 8] = [300, 410, 530, 670, 830, 1010, 1230, 1490];
const SECOND: usize = 48_000;

/// The levels of all tones in a second of sound: in the first that is as wanted, because a machine that withholds the
/// processor makes holes in live sound, and a hole has all frequencies in it; or in the last, after a while.
fn levels(sink: &Sink, wanted: impl Fn(&[f64]) -> bool) -> Vec<f64> {
    let until = Instant::now() + LIMIT;
    loop {
        let samples = sink.samples(SECOND);
        let levels: Vec<f64> = TONES.iter().map(|hertz| db(level(&samples, f64::from(*hertz)))).collect();
        if wanted(&levels) || Instant::now() > until {
            return levels;
        }
        sink.more(50);
    }
}

#[test]
fn each_of_eight_hears_the_other_seven_and_not_itself() {
    init();
    let pipeline = gst::Pipeline::new();
    let hub = make("abaudiomixer", "all");
    hub.set_property("pipeline-id", "sound");
    let whole = Sink::new();
    pipeline.add_many([&hub, &whole.element]).unwrap();
    hub.link_pads(Some("src_audio"), &whole.element, None).unwrap();
    // Formats as they come: 44.1 kHz floats, 8 kHz mono, and what the hub itself has.
    let formats = [
        ",format=F32LE,rate=44100,channels=1",
        ",format=S16LE,rate=48000,channels=2",
        ",format=S16LE,rate=8000,channels=1",
        ",format=S32LE,rate=96000,channels=2",
    ];
    let ports: Vec<(gst::Element, Sink)> = TONES
        .iter()
        .enumerate()
        .map(|(n, hertz)| {
            let (port, sink) = port(&pipeline, "all", &format!("p{n}"));
            let source = tone(*hertz, formats[n % formats.len()]);
            pipeline.add(&source).unwrap();
            source.link_pads(Some("src"), &port, Some("sink_audio")).unwrap();
            (port, sink)
        })
        .collect();
    pipeline.set_state(gst::State::Playing).unwrap();
    for (_, sink) in &ports {
        sink.wait(|heard| (heard.buffers.len() >= 150).then_some(()));
    }
    whole.more(1);
    let (mut worst_own, mut least_other) = (-200.0_f64, 0.0_f64);
    for (own, (_, sink)) in ports.iter().enumerate() {
        let fits = |n: usize, heard: f64| if n == own { heard <= -60.0 } else { heard >= -23.0 };
        let all = levels(sink, |all| all.iter().enumerate().all(|(n, heard)| fits(n, *heard)));
        for (n, heard) in all.into_iter().enumerate() {
            assert!(fits(n, heard), "port {own} hears the tone of port {n} at {heard:.1} dB");
            if n == own {
                worst_own = worst_own.max(heard);
            } else {
                least_other = least_other.min(heard);
            }
        }
        // What a mixer that was held up leaves out are whole pieces.
        let steps: Vec<u64> =
            sink.look(|heard| heard.buffers.windows(2).map(|w| (w[1].0 - w[0].0).mseconds()).collect());
        assert!(steps.iter().all(|step| *step > 0 && step.is_multiple_of(20)), "{steps:?}");
        assert!(steps.iter().sum::<u64>() <= 20 * steps.len() as u64 + 1000, "{steps:?}");
    }
    println!("own tone at most {worst_own:.1} dB, others' tones at least {least_other:.1} dB");
    let all = levels(&whole, |all| all.iter().all(|heard| *heard > -23.0));
    assert!(all.iter().all(|heard| *heard > -23.0), "the whole lacks a tone: {all:?}");
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn a_mixer_adds_up_what_was_connected() {
    init();
    let pipeline = gst::Pipeline::new();
    let hub = make("abmixer", "desk");
    hub.set_property("pipeline-id", "sound");
    pipeline.add(&hub).unwrap();
    let ports: Vec<(gst::Element, Sink)> = (0..3)
        .map(|n| {
            let (port, sink) = port(&pipeline, "desk", &format!("p{n}"));
            let source = tone(TONES[n], "");
            pipeline.add(&source).unwrap();
            source.link_pads(Some("src"), &port, Some("sink_audio")).unwrap();
            (port, sink)
        })
        .collect();
    pipeline.set_state(gst::State::Playing).unwrap();
    ports[0].1.more(10);
    for source in ["p1", "p2"] {
        let ends = serde_json::json!({"medium": "audio", "source": source, "sink": "p0"});
        command(&hub, "connect", ends).unwrap();
    }
    let levels = |sink: &Sink| -> Vec<bool> {
        let samples = sink.samples(SECOND / 5);
        TONES[..3].iter().map(|hertz| db(level(&samples, f64::from(*hertz))) > -30.0).collect()
    };
    ports[0].1.more(60);
    assert_eq!(levels(&ports[0].1), [false, true, true]);
    assert_eq!(levels(&ports[1].1), [false, false, false]);
    let ends = serde_json::json!({"medium": "audio", "source": "p1", "sink": "p0"});
    command(&hub, "disconnect", ends).unwrap();
    ports[0].1.more(60);
    assert_eq!(levels(&ports[0].1), [false, false, true]);
    let wrong = command(&hub, "connect", serde_json::json!({"medium": "data", "source": "p1"})).unwrap_err();
    assert_eq!(wrong.code, "no-such-medium");
    pipeline.set_state(gst::State::Null).unwrap();
}
