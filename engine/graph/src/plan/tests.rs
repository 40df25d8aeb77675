use crate::catalog::Part;
use crate::diagnostic::Diagnostic;
use crate::document::Document;
use crate::format::Format;
use crate::spec::{GraphSpec, OnError};
use crate::testing::{Machine, catalog};
use crate::{check, render};

use super::codec::Service;
use super::*;

fn spec(text: &str) -> GraphSpec {
    check(Document::one_liner(text), &catalog(), None)
        .unwrap_or_else(|found| panic!("{}", found[0].draw(false)))
}

fn machine() -> Machine {
    let clip = Probe::Streams(vec![Format::H264, Format::Aac]);
    Machine::full().with("clip.mp4", clip).with("mute.mp4", Probe::Streams(vec![Format::H264]))
}

fn plan_of(text: &str) -> Plan {
    plan(&spec(text), &catalog(), &machine()).unwrap_or_else(|found| panic!("{}", found[0].draw(false)))
}

fn problems(text: &str, machine: &Machine) -> Vec<Diagnostic> {
    plan(&spec(text), &catalog(), machine).unwrap_err()
}

#[test]
fn domains_grow_from_sources() {
    let plan = plan_of(
        "player uri=clip.mp4 -> f:face-overlay image=x -> r:recorder location=a.webm; player.audio -> r",
    );
    let domains: Vec<(&str, Vec<String>)> =
        plan.domains.iter().map(|d| (d.id.as_str(), d.nodes.clone())).collect();
    assert_eq!(domains, [("player", vec!["player".to_owned(), "f".to_owned()]), ("r", vec!["r".to_owned()])]);
    assert_eq!(plan.links["player.video -> f.video"].join, Join::Direct);
    let Join::Bridge { overflow, .. } = plan.links["f.video -> r.video"].join else { panic!() };
    assert_eq!(overflow, Overflow::Wait);
    assert_eq!(plan.nodes["player"].on_error, OnError::StopPipeline);
    assert_eq!(plan.nodes["r"].on_error, OnError::DropElement);
    assert!(!plan.nodes["r"].on_error_given);
    assert_eq!(plan.nodes["player"].parts[0].factory, "filesrc");
}

#[test]
fn a_filter_without_source_is_not_built() {
    let plan = plan_of("p:pass-through -> n:null-sink; test-source -> null-sink");
    assert_eq!(plan.nodes["p"].domain, None);
    assert_eq!(plan.nodes["n"].domain.as_deref(), Some("n"));
    let steps = surgery(&Plan::default(), &plan, &catalog());
    assert!(!steps.contains(&Surgery::Add("p".to_owned())));
    assert!(
        !steps.iter().any(
            |step| matches!(step, Surgery::Connect(link) if link.contains('p') && link.contains(" -> n."))
        )
    );
    assert!(render::plan_text(&plan).contains("not built"));
}

#[test]
fn filters_of_a_peer_are_in_its_domain() {
    let plan = plan_of("p:peer -> f:face-overlay image=x -> p");
    assert_eq!(plan.nodes["f"].domain.as_deref(), Some("p"));
    assert_eq!(plan.pace, Pace::Realtime);
    assert!(plan.pace_why.contains("peer"));
}

#[test]
fn a_peer_that_gets_its_own_media_back_gets_them_over_a_bridge() {
    let plan = plan_of("p:peer -> p");
    assert_eq!(plan.links.len(), 2);
    assert!(plan.links.values().all(|link| matches!(link.join, Join::Bridge { .. })));
}

#[test]
fn files_are_copied_as_fast_as_possible() {
    let plan = plan_of("player uri=clip.mp4 -> recorder location=a.mp4");
    assert_eq!(plan.pace, Pace::Fastest);
    assert_eq!(plan.nodes["player"].properties["pace"], "fastest");
    for link in plan.links.values() {
        assert_eq!(link.service, Some(Service::Pass));
        assert!(link.converters.is_empty());
        assert!(link.why.contains("untouched"), "{}", link.why);
    }
}

#[test]
fn real_time_follows_from_cameras_consumers_and_wishes() {
    for (text, why) in [
        ("camera -> null-sink", "`camera` runs at the pace of the clock"),
        ("player uri=x -> analyser -> null-sink", "`analyser` wants"),
        ("player uri=x pace=realtime -> null-sink", "`player` runs at the pace of the clock"),
        ("player uri=x -> peer", "`peer` wants"),
    ] {
        let plan = plan_of(text);
        assert_eq!(plan.pace, Pace::Realtime, "{text}");
        assert!(plan.pace_why.contains(why), "{text}: {}", plan.pace_why);
        if let Some(player) = plan.nodes.get("player") {
            assert_eq!(player.properties["pace"], "realtime");
        }
        let bridges = plan.links.values().filter_map(|link| match link.join {
            Join::Bridge { overflow, .. } => Some(overflow),
            Join::Direct => None,
        });
        assert!(bridges.into_iter().all(|overflow| overflow == Overflow::Drop));
    }
    assert_eq!(plan_of("player uri=x pace=fastest -> analyser -> null-sink").pace, Pace::Fastest);
    let options = PlanOptions { pace: Some(Pace::Realtime) };
    let kept = plan_with(&spec("player uri=x -> null-sink"), &catalog(), &machine(), &options).unwrap();
    assert_eq!(kept.nodes["player"].properties["pace"], "realtime");
}

#[test]
fn a_transcode_happens_once_per_output() {
    let plan = plan_of(
        "player uri=clip.mp4 -> a:recorder location=a.webm; player -> b:recorder location=b.webm; player.video -> s:snapshot location=x.png",
    );
    let video = &plan.links["player.video -> a.video"];
    assert_eq!(
        video.service,
        Some(Service::Encode {
            decoder: Some("avdec_h264".into()),
            format: Format::Vp8,
            encoder: "vp8enc".into()
        })
    );
    assert_eq!(
        plan.links["player.audio -> b.audio"].service.as_ref().unwrap().delivers(&Format::Aac),
        Format::Opus
    );
    let snapshot = &plan.links["player.video -> s.video"];
    assert_eq!(snapshot.service, Some(Service::Decode { decoder: "avdec_h264".into() }));
    assert_eq!(snapshot.converters.len(), 1);
    assert_eq!(plan.hubs["player.video"].links.len(), 3);
    assert_eq!(plan.hubs["player.video"].produces, [Format::H264]);
    let text = render::plan_text(&plan);
    assert!(
        text.contains("player.video  H.264; 3 links; one decoder avdec_h264, one encoder vp8enc for VP8"),
        "{text}"
    );
}

#[test]
fn converters_come_where_they_are_needed() {
    let plan = plan_of(
        "test-source -> f:face-overlay image=x -> s:snapshot location=x.png; test-source.audio -> speaker",
    );
    // The source gives RGBA, and so does the filter.
    assert_eq!(plan.links["test-source.video -> f.video"].converters, []);
    assert_eq!(
        plan.links["test-source.audio -> speaker.audio"]
            .converters
            .iter()
            .map(|p| p.factory.as_str())
            .collect::<Vec<_>>(),
        ["audioconvert", "audioresample"]
    );
    let plan = plan_of("camera -> a:analyser -> s:snapshot location=x.png");
    assert_eq!(
        plan.links["camera.video -> a.video"].converters,
        [Part { factory: "videoconvert".into(), why: "`a.video` takes RGB".into() }]
    );
    // RGB comes, RGBA or BGRA is wanted.
    assert_eq!(plan.links["a.video -> s.video"].converters.len(), 1);
    assert!(plan_of("camera -> null-sink").links.values().all(|link| link.converters.is_empty()));
}

#[test]
fn what_passes_through_is_known_behind() {
    let plan = plan_of("player uri=clip.mp4 -> p:pass-through -> r:recorder location=a.mp4");
    assert_eq!(plan.hubs["p.video"].produces, [Format::H264]);
    assert_eq!(plan.links["p.audio -> r.audio"].service, Some(Service::Pass));
    let plan = plan_of("player uri=unknown -> p:pass-through -> r:recorder location=a.mp4");
    assert_eq!(plan.links["p.audio -> r.audio"].service, None);
}

#[test]
fn a_missing_stream_is_said() {
    let plan = plan_of("player uri=mute.mp4 -> p:pass-through -> recorder location=a.mp4");
    let link = &plan.links["player.audio -> p.audio"];
    assert!(link.absent && link.why.starts_with("no such stream"), "{}", link.why);
    assert!(plan.links["p.audio -> recorder.audio"].absent);
    assert!(render::plan_text(&plan).contains("no such stream"));
}

#[test]
fn what_the_machine_lacks_is_said_with_its_place() {
    let text = "player uri=clip.mp4 -> recorder location=a.webm";
    let mut found =
        problems(text, &machine().without("vp8enc").without("vp9enc").without("av1enc").without("svtav1enc"));
    assert_eq!(found[0].code.as_str(), "G0403");
    assert!(found[0].help.as_ref().unwrap().contains("gstreamer1.0-plugins-good"));
    Document::one_liner(text).locate(&mut found);
    assert_eq!(&text[found[0].labels[0].span.range()], "player uri=clip.mp4 -> recorder");
    let found = problems(text, &machine().without("avdec_h264").without("openh264dec"));
    assert_eq!(found[0].code.as_str(), "G0402");
    assert_eq!(
        found[0].help.as_deref().unwrap(),
        "`avdec_h264` is in the Debian package `gstreamer1.0-libav`: apt install gstreamer1.0-libav"
    );
    let mut found = problems(text, &machine().without("webmmux"));
    assert_eq!(found[0].code.as_str(), "G0401");
    Document::one_liner(text).locate(&mut found);
    assert_eq!(&text[found[0].labels[0].span.range()], "recorder");
    let broken = Machine::full().with("clip.mp4", Probe::Failed("it is a text file".to_owned()));
    let found = problems(text, &broken);
    assert_eq!(found[0].code.as_str(), "G0405");
    assert!(found[0].message.contains("it is a text file"));
    let patient = spec("player uri=clip.mp4 on-error=restart -> null-sink");
    assert!(plan(&patient, &catalog(), &broken).is_ok());
}

#[test]
fn a_forbidden_transcode_is_refused_when_it_is_known() {
    let text = "elements:\n  p: {type: player, uri: clip.mp4}\n  r: {type: recorder, location: a.webm}\nlinks:\n  - {from: p, to: r, transcoding: forbid}\n";
    let document = Document::from(text);
    let spec = check(text, &catalog(), None).unwrap();
    let mut found = plan(&spec, &catalog(), &machine()).unwrap_err();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].code.as_str(), "G0404");
    document.locate(&mut found);
    assert_eq!(found[0].line, Some(5));
    assert!(plan(&spec, &catalog(), &Machine::full()).is_ok());
}

fn position(steps: &[Surgery], step: &Surgery) -> usize {
    steps.iter().position(|s| s == step).unwrap_or_else(|| panic!("{step:?} is not in {steps:?}"))
}

#[test]
fn a_graph_is_built_from_its_sinks() {
    let plan =
        plan_of("player uri=x -> f:face-overlay image=x -> r:recorder location=a.webm; player.audio -> r");
    let steps = surgery(&Plan::default(), &plan, &catalog());
    let text = |step: &Surgery| match step {
        Surgery::Add(id) => format!("+{id}"),
        Surgery::Connect(id) => id.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        steps.iter().map(text).collect::<Vec<_>>(),
        ["+r", "+f", "f.video -> r.video", "+player", "player.video -> f.video", "player.audio -> r.audio"]
    );
    let down = surgery(&plan, &Plan::default(), &catalog());
    assert_eq!(down.len(), 6);
    assert!(
        position(&down, &Surgery::Remove("player".into())) < position(&down, &Surgery::Remove("r".into()))
    );
    assert_eq!(surgery(&plan, &plan, &catalog()), []);
    assert_eq!(serde_json::to_string(&steps[0]).unwrap(), r#"{"step":"add","what":"r"}"#);
}

#[test]
fn live_properties_are_set_and_others_restart() {
    let plan_a = plan_of("test-source volume=0.5 -> f:face-overlay image=a -> null-sink");
    let plan_b = plan_of("test-source -> f:face-overlay image=a width=2 -> null-sink");
    assert_eq!(
        surgery(&plan_a, &plan_b, &catalog()),
        [
            Surgery::SetProperty { node: "test-source".into(), name: "volume".into(), value: 0.8.into() },
            Surgery::SetProperty { node: "f".into(), name: "width".into(), value: 2.0.into() },
        ]
    );
    let plan_c = plan_of("test-source volume=0.5 -> f:face-overlay image=b -> null-sink");
    let steps = surgery(&plan_a, &plan_c, &catalog());
    let link = |id: &str| id.to_owned();
    assert_eq!(
        steps,
        [
            Surgery::Disconnect(link("test-source.video -> f.video")),
            Surgery::Disconnect(link("f.video -> null-sink.video")),
            Surgery::Remove("f".into()),
            Surgery::Add("f".into()),
            Surgery::Connect(link("test-source.video -> f.video")),
            Surgery::Connect(link("f.video -> null-sink.video")),
        ]
    );
}

#[test]
fn a_consumer_comes_and_goes_alone() {
    let before = plan_of("test-source -> null-sink");
    let after = plan_of("t:test-source -> null-sink; t -> p:recorder location=a.webm");
    let after = Plan { pace: before.pace.clone(), ..after };
    let both = surgery(
        &before,
        &plan_of("test-source -> null-sink; test-source -> r:recorder location=a.webm"),
        &catalog(),
    );
    assert_eq!(
        both,
        [
            Surgery::Add("r".into()),
            Surgery::Connect("test-source.video -> r.video".into()),
            Surgery::Connect("test-source.audio -> r.audio".into()),
        ]
    );
    // Another id is another element.
    assert!(surgery(&before, &after, &catalog()).contains(&Surgery::Remove("test-source".into())));
}

#[test]
fn the_plan_reads_well() {
    let plan = plan_of(
        "player uri=clip.mp4 -> mirror:face-overlay image=hat.png -> recorder location=b.webm; player.audio -> recorder",
    );
    // A derived id in a later chain stands for a new element only at its start.
    let text = render::plan_text(&plan);
    assert!(
        text.starts_with("graph  graph\npace   as fast as possible: no source is bound to the clock"),
        "{text}"
    );
    assert!(text.contains("domain player  (filters share the fate of `player`, which feeds them)"), "{text}");
    assert!(text.lines().all(|line| line == line.trim_end()), "{text}");
}
