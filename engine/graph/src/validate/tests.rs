use crate::diagnostic::{Code, Diagnostic};
use crate::document::Document;
use crate::format::{Format, Medium};
use crate::link_options::PictureLimits;
use crate::plan::Probe;
use crate::spec::{GraphSpec, OnError, Transcoding};
use crate::testing::{Machine, catalog};

use super::*;

fn findings(document: &Document) -> Vec<Diagnostic> {
    check_all(document, &catalog(), Some(&Machine::full()), Completeness::Complete).diagnostics
}

fn yaml(text: &str) -> Vec<Diagnostic> {
    findings(&Document::yaml("test.yaml", text))
}

fn one_liner(text: &str) -> Result<GraphSpec, Vec<Diagnostic>> {
    check(Document::one_liner(text), &catalog(), None)
}

fn codes(found: &[Diagnostic]) -> Vec<&'static str> {
    found.iter().map(|d| d.code.as_str()).collect()
}

const HEAD: &str = "elements:\n  a: {type: test-source}\n  b: {type: null-sink}\n";

/// For each code a description that earns it, and what is at its first label.
#[test]
fn every_code_can_be_earned() {
    let graph = |links: &str| format!("{HEAD}links:\n{links}");
    let element =
        |fields: &str| format!("elements:\n  a: {{{fields}}}\n  z: {{type: null-sink}}\nlinks: [a -> z]\n");
    let cases: Vec<(Code, String, &str)> = vec![
        (Code::Syntax, "elements: ]\n".into(), ""),
        (Code::TooLarge, format!("a: {}1{}", "[".repeat(40), "]".repeat(40)), ""),
        (Code::Shape, "elements: 5\n".into(), "5"),
        (Code::UnknownKey, format!("{HEAD}linkz: []\n"), "linkz"),
        (Code::DuplicateKey, format!("name: x\nname: y\n{HEAD}links: [a -> b]\n"), "name"),
        (Code::Empty, "name: x\n".into(), "x"),
        (Code::MissingType, element("width: 5"), "a"),
        (Code::UnknownType, element("type: test-sauce"), "test-sauce"),
        (Code::BadId, "elements:\n  1a: {type: test-source}\n  z: {type: null-sink}\nlinks: [1a -> z]\n".into(), "1a"),
        (Code::DuplicateId, format!("{HEAD}  a: {{type: camera}}\nlinks: [a -> b]\n"), "a"),
        (Code::BadOnError, element("type: test-source, on-error: explode"), "explode"),
        (Code::Unused, format!("{HEAD}  c: {{type: camera}}\nlinks: [a -> b]\n"), "c"),
        (Code::UnknownProperty, element("type: test-source, widht: 5"), "widht"),
        (Code::WrongType, element("type: test-source, width: wide"), "wide"),
        (Code::OutOfRange, element("type: test-source, width: 0"), "0"),
        (Code::BadWord, element("type: test-source, pattern: bar"), "bar"),
        (Code::MissingProperty, element("type: player"), "player"),
        (
            Code::RefusedValue,
            "elements:\n  a: {type: test-source}\n  r: {type: recorder, location: x.txt}\nlinks: [a -> r]\n".into(),
            "x.txt",
        ),
        (
            Code::DuplicateProperty,
            "elements:\n  a: {type: player, uri: x, loop-count: 1, loop_count: 2}\n  z: {type: null-sink}\nlinks: [a -> z]\n"
                .into(),
            "loop_count",
        ),
        (Code::BadLink, graph("  - a, b\n  - a -> b\n"), "a, b"),
        (Code::UnknownElement, graph("  - a -> b\n  - a -> bee\n"), "bee"),
        (Code::UnknownPort, graph("  - a.vidio -> b\n"), "vidio"),
        (
            Code::NoCommonMedium,
            "elements:\n  a: {type: camera}\n  s: {type: speaker}\nlinks: [a -> s]\n".into(),
            "a -> s",
        ),
        (
            Code::IncompatibleFormats,
            "elements:\n  a: {type: mystery}\n  s: {type: snapshot, location: x.png}\nlinks: [a -> s]\n".into(),
            "a -> s",
        ),
        (
            Code::Cycle,
            "elements:\n  a: {type: pass-through}\n  b: {type: pass-through}\nlinks:\n  - a.video -> b\n  - b.video -> a\n"
                .into(),
            "b.video -> a",
        ),
        (Code::InputTaken, format!("{HEAD}  c: {{type: camera}}\nlinks: [a.video -> b, c -> b]\n"), "c -> b"),
        (Code::DuplicateLink, graph("  - a -> b\n  - a.audio -> b\n"), "a.audio -> b"),
        (
            Code::UnlinkedPort,
            "elements:\n  a: {type: test-source}\n  f: {type: face-overlay, image: x}\n  z: {type: null-sink}\nlinks: [a -> z]\n"
                .into(),
            "face-overlay",
        ),
        (Code::BadLinkOption, graph("  - {from: a, to: b, media: smell}\n"), "smell"),
        (
            Code::TranscodingForbidden,
            "elements:\n  a: {type: h264-camera}\n  r: {type: recorder, location: x.webm}\nlinks:\n  - {from: a, to: r, transcoding: forbid}\n"
                .into(),
            "a, to: r",
        ),
    ];
    let mut earned: Vec<Code> = Vec::new();
    for (code, text, at) in &cases {
        let found = yaml(text);
        let first = found.iter().find(|d| d.code == *code);
        let Some(first) = first else { panic!("{code} not found in {:?} of\n{text}", codes(&found)) };
        let others: Vec<&str> =
            found.iter().filter(|d| d.code != *code && d.is_error()).map(|d| d.code.as_str()).collect();
        assert!(others.is_empty(), "{code} comes with {others:?}: {}", found[0].draw(false));
        let label = &first.labels[0];
        assert_eq!(&text[label.span.range()], *at, "{code}: {}", first.draw(false));
        assert!(first.draw(false).contains(code.as_str()));
        assert!(first.is_error() || *code == Code::Unused);
        earned.push(*code);
    }
    let small = Machine::full().without("compositor");
    let mix =
        "elements:\n  a: {type: camera}\n  m: {type: mixer}\n  z: {type: null-sink}\nlinks: [a -> m -> z]\n";
    let found = check(mix, &catalog(), Some(&small)).unwrap_err();
    assert_eq!(codes(&found), ["G0401"]);
    assert_eq!(
        found[0].help.as_deref(),
        Some(
            "`compositor` is in the Debian package `gstreamer1.0-plugins-base`: apt install gstreamer1.0-plugins-base"
        )
    );
    earned.push(Code::MissingPlugin);
    assert_eq!(codes(&one_liner("-> null-sink").unwrap_err())[0], "G0006");
    earned.push(Code::OneLiner);
    // Those of the planner are earned in its tests.
    let planner = [Code::NoDecoder, Code::NoEncoder, Code::Unreadable];
    for code in Code::ALL {
        assert!(earned.contains(code) || planner.contains(code), "{code} has no case");
    }
}

#[test]
fn every_code_has_a_page() {
    let mut seen = std::collections::HashSet::new();
    for code in Code::ALL {
        let page = code.page();
        assert!(seen.insert(page.code), "{code} stands for two things");
        assert!(page.code.len() == 5 && page.code.starts_with('G'));
        assert!(page.text.trim().len() > 20 && !page.title.is_empty());
        assert_eq!(crate::explain_code(&page.code.to_lowercase()), Some(page));
    }
    assert_eq!(crate::explain_code("G9999"), None);
}

#[test]
fn eight_mistakes_are_all_reported_with_their_lines() {
    let text = "\
name: eight
elements:
  camera:
    type: test-sorce
  mirror:
    type: face-overlay
    image: hat.png
    max_faces: 900
  second:
    type: test-source
    pattern: bards
    widht: 640
    height: tall
  recorder:
    type: recorder
    on-error: drop
  sink:
    type: null-sink
links:
  - second -> mirror -> recorder
  - second.video -> nowhere
";
    let found = yaml(text);
    let places: Vec<(&str, usize)> = found.iter().map(|d| (d.code.as_str(), d.line.unwrap())).collect();
    assert_eq!(
        places,
        [
            ("G0102", 4),
            ("G0203", 8),
            ("G0204", 11),
            ("G0201", 12),
            ("G0202", 13),
            ("G0205", 15),
            ("G0105", 16),
            ("G0106", 17),
            ("G0302", 21),
        ]
    );
    let drawn = crate::diagnostic::draw_all(&found, false);
    assert!(drawn.contains("test.yaml:4:11") && drawn.contains("did you mean `test-source`?"), "{drawn}");
    assert!(drawn.ends_with("8 errors, 1 warning\n"), "{drawn}");
    assert!(crate::diagnostic::draw_all(&found, true).contains('\u{1b}'));
    let json = serde_json::to_value(&found[0]).unwrap();
    assert_eq!(json["code"], "G0102");
    assert_eq!(json["file"], "test.yaml");
    assert_eq!((&json["line"], &json["column"]), (&4.into(), &11.into()));
    assert_eq!(json["labels"][0]["start"], 42);
}

#[test]
fn a_link_becomes_one_per_common_medium() {
    let spec = check(
        "elements:\n  a: {type: test-source}\n  b: {type: null-sink}\n  c: {type: null-sink}\n\
         links:\n  - a -> b\n  - {from: a, to: c, media: [audio], transcoding: forbid, bitrate: 64}\n",
        &catalog(),
        None,
    )
    .unwrap();
    let ids: Vec<String> = spec.links.iter().map(|l| l.id()).collect();
    assert_eq!(ids, ["a.video -> b.video", "a.audio -> b.audio", "a.audio -> c.audio"]);
    assert_eq!(spec.links[2].options.transcoding, Transcoding::Forbid);
    assert_eq!(spec.links[2].options.bitrate, Some(64));
    assert_eq!(spec.links[1].medium, Medium::Audio);
    assert_eq!(spec.name, "graph");
}

#[test]
fn a_link_says_what_flows_and_how_fast() {
    let link = |options: &str, location: &str| {
        format!(
            "elements:\n  a: {{type: test-source}}\n  b: {{type: recorder, location: x.{location}}}\n\
             links:\n  - {{from: a, to: b, {options}}}\n"
        )
    };
    let text = link("format: [vp9, vp8, opus], min-bitrate: 100, max-bitrate: 900, max-width: 640", "webm");
    let options = &check(text.as_str(), &catalog(), None).unwrap().links[0].options;
    assert_eq!(options.formats, [Format::Vp9, Format::Vp8, Format::Opus]);
    assert_eq!((options.bitrate, options.min_bitrate, options.max_bitrate), (None, Some(100), Some(900)));
    assert_eq!(options.picture, PictureLimits { max_width: Some(640), ..PictureLimits::default() });
    let again = check(Document::from(text).to_yaml(), &catalog(), None).unwrap();
    assert_eq!(again.links[0].options, *options);
    for (options, code, words) in [
        ("format: vp-8", Code::BadLinkOption, "did you mean `vp8`?"),
        ("format: [vp8, 7]", Code::BadLinkOption, "it is one of raw, raw-video, vp8"),
        ("min-bitrate: 0", Code::BadLinkOption, "1 to 1000000"),
        ("min-bitrate: 9, max-bitrate: 8", Code::BadLinkOption, "is above"),
        ("max-width: 8", Code::BadLinkOption, "of pixels, 16 to 16384"),
        ("max-frame-rate: 1000", Code::BadLinkOption, "of frames per second, 1 to 240"),
        ("max-widht: 64", Code::UnknownKey, "did you mean `max-width`?"),
        ("format: h264", Code::IncompatibleFormats, "it takes VP8"),
        ("formats: vp8", Code::UnknownKey, "did you mean `format`?"),
    ] {
        let found = yaml(&link(options, "webm"));
        assert_eq!(found.len(), 1, "{options}: {found:?}");
        assert_eq!(found[0].code, code, "{options}");
        let said = format!("{} {}", found[0].message, found[0].help.clone().unwrap_or_default());
        assert!(said.contains(words), "{options}: {said}");
    }
}

#[test]
fn json_reads_like_yaml() {
    let text = r#"{"$schema": "schema.json", "name": "j", "elements": {"a": {"type": "test-source", "width": 320.0},
        "b": {"type": "null-sink", "on-error": "restart"}}, "links": ["a -> b"]}"#;
    let spec = check(text, &catalog(), None).unwrap();
    assert_eq!(spec.nodes["a"].properties["width"], 320);
    assert_eq!(spec.nodes["b"].on_error, Some(OnError::Restart));
}

#[test]
fn one_liners_say_the_same() {
    let spec = one_liner(
        "player uri='a b.mp4' loop-count=3 -> face-overlay image=hat.png visible=false offset_x=-1 -> recorder location=b.webm",
    )
    .unwrap();
    assert_eq!(spec.nodes.keys().collect::<Vec<_>>(), ["player", "face-overlay", "recorder"]);
    assert_eq!(spec.nodes["player"].properties["uri"], "a b.mp4");
    assert_eq!(spec.nodes["player"].properties["loop_count"], 3);
    assert_eq!(spec.nodes["face-overlay"].properties["visible"], false);
    assert_eq!(spec.nodes["face-overlay"].properties["offset_x"], -1.0);
    assert_eq!(spec.links.len(), 2);

    let spec = one_liner(
        "player uri=5 -> t:pass-through -> recorder location=a.webm; t -> null-sink on-error=restart; player.audio -> speaker",
    );
    // The audio of the player goes to the pass-through and to the speaker.
    let spec = spec.unwrap();
    assert_eq!(spec.nodes["player"].properties["uri"], "5");
    assert_eq!(spec.nodes["null-sink"].on_error, Some(OnError::Restart));
    assert_eq!(spec.links.len(), 7);

    let spec = one_liner(
        "player uri=a -> recorder location=a.mkv; player.video -> null-sink; player.audio -> speaker",
    );
    assert!(spec.is_ok());
    let spec = one_liner(
        "test-source -> f:face-overlay image=x -> recorder location=a.webm; test-source.audio -> recorder",
    );
    assert_eq!(spec.unwrap().nodes.len(), 3);
    let spec = one_liner("player uri=a -> null-sink; player uri=b -> null-sink").unwrap();
    assert_eq!(spec.nodes.keys().collect::<Vec<_>>(), ["player", "null-sink", "player-2", "null-sink-2"]);

    let spec = one_liner("test-source -> pass-through -> pass-through -> null-sink").unwrap();
    assert!(spec.nodes.contains_key("pass-through-2"));
    let spec = one_liner("test-source title=\"a -> b; c\"->snapshot location=x.png times=1,2.5;").unwrap();
    assert_eq!(spec.nodes["test-source"].properties["title"], "a -> b; c");
    assert_eq!(spec.nodes["snapshot"].properties["times"], serde_json::json!([1.0, 2.5]));
    let spec = one_liner("test-source -> snapshot location=x.png times=[0.5, 7]").unwrap();
    assert_eq!(spec.nodes["snapshot"].properties["times"], serde_json::json!([0.5, 7.0]));
}

#[test]
fn lists_of_mappings_are_checked_entry_by_entry() {
    let spec =
        one_liner(r#"test-source -> snapshot location=x.png marks='[{"id": "a", "wide-open": true}]'"#);
    let marks = serde_json::json!([{"id": "a", "wide_open": true}]);
    assert_eq!(spec.unwrap().nodes["snapshot"].properties["marks"], marks);
    let snapshot = |marks: &str| {
        yaml(&format!(
            "elements: {{a: {{type: test-source}}, b: {{type: snapshot, location: x.png, marks: {marks}}}}}\nlinks: [a -> b]"
        ))
    };
    assert!(snapshot("[{id: a, at: [0.5, 1]}, {id: b}]").is_empty());
    for (marks, code, words) in [
        ("[{id: a, od: 1}]", Code::UnknownProperty, "an entry of `marks` has no `od`"),
        ("[{at: []}]", Code::MissingProperty, "an entry of `marks` needs `id`"),
        ("[{id: a, at: [2]}]", Code::OutOfRange, "`at` is out of range"),
        ("[{id: a, wide-open: 1}]", Code::WrongType, "`wide_open` takes true or false"),
        ("[{id: a, wide-open: true, wide_open: true}]", Code::DuplicateProperty, "given twice"),
        ("[a]", Code::WrongType, "`marks` takes a mapping, not text"),
        ("{id: a}", Code::WrongType, "`marks` takes a list of mappings"),
    ] {
        let found = snapshot(marks);
        assert_eq!(codes(&found), [code.as_str()], "{marks}");
        assert!(found[0].message.contains(words), "{}", found[0].message);
    }
}

#[test]
fn one_liner_mistakes_point_into_it() {
    let text = "player uri=a.mp4 -> face-overlay imaeg=hat.png -> recordr location=b.webm";
    let found = one_liner(text).unwrap_err();
    assert_eq!(codes(&found), ["G0205", "G0201", "G0102"]);
    assert_eq!(&text[found[1].labels[0].span.range()], "imaeg");
    assert_eq!(&text[found[2].labels[0].span.range()], "recordr");
    for (text, code) in [
        ("player uri='a", "G0006"),
        ("player uri=a ->", "G0006"),
        ("player uri=a -> -> null-sink", "G0006"),
        ("uri=a -> null-sink", "G0006"),
        ("test-source null-sink", "G0006"),
        ("test-source width=1 width=2 -> null-sink", "G0207"),
        ("x:test-source -> null-sink; x:camera -> null-sink", "G0104"),
        ("", "G0100"),
        (";;;", "G0100"),
    ] {
        let found = one_liner(text).unwrap_err();
        assert!(codes(&found).contains(&code), "{text}: {:?}", codes(&found));
    }
}

#[test]
fn built_documents_are_checked_like_files() {
    let document = Document::new("built")
        .describe("from: code")
        .element(
            "camera",
            "test-source",
            serde_json::json!({"width": 320, "title": "\u{7f}\u{85}\u{2028} \u{fffe} \"yes\" \\"}),
        )
        .element("on", "null-sink", serde_json::Value::Null)
        .on_error("on", OnError::Restart)
        .link("camera -> on");
    let spec = check_document(&document, &catalog(), None).unwrap();
    assert_eq!(spec.name, "built");
    assert_eq!(spec.description, "from: code");
    assert_eq!(spec.nodes["camera"].properties["title"], "\u{7f}\u{85}\u{2028} \u{fffe} \"yes\" \\");
    assert_eq!(spec.nodes["on"].on_error, Some(OnError::Restart));
    let wrong = document.clone().element("camera", "camera", serde_json::json!({"x": 1})).link("a b -> c");
    let found = check_document(&wrong, &catalog(), None).unwrap_err();
    assert_eq!(codes(&found), ["G0104", "G0301"]);
    let list = Document::new("x").element("a", "test-source", serde_json::json!([1]));
    assert!(codes(&check_document(&list, &catalog(), None).unwrap_err()).contains(&"G0201"));
    let edited = Document::from(&spec).without_element("on");
    assert_eq!(check_document(&edited, &catalog(), None).map(|s| s.links.len()), Ok(0));
    let edited = Document::from(&spec).without_link("camera.audio -> on.audio");
    assert_eq!(check_document(&edited, &catalog(), None).map(|s| s.links.len()), Ok(1));
}

#[test]
fn a_partial_graph_may_grow() {
    let document = Document::new("x").element("f", "face-overlay", serde_json::json!({"image": "x"}));
    let checked = check_all(&document, &catalog(), None, Completeness::Partial);
    assert_eq!(checked.diagnostics, []);
    assert_eq!(checked.spec.unwrap().nodes.len(), 1);
    let empty = check_all(&Document::new("x"), &catalog(), None, Completeness::Partial);
    assert!(empty.spec.unwrap().nodes.is_empty());
}

#[test]
fn a_loop_through_a_peer_is_no_cycle() {
    let text = "elements:\n  p: {type: peer}\n  f: {type: face-overlay, image: x}\nlinks: [p -> f -> p, p.audio -> p]\n";
    let spec = check(text, &catalog(), None).unwrap();
    assert_eq!(spec.links.len(), 3);
}

#[test]
fn cycles_are_reported_once_each() {
    let text = "elements:\n  s: {type: test-source}\n  a: {type: mixer}\n  b: {type: face-overlay, image: x}\n  c: {type: pass-through}\n  z: {type: null-sink}\n\
                links:\n  - s.video -> a -> b -> c -> a\n  - c.video -> z\n";
    let found = yaml(text);
    assert_eq!(codes(&found), ["G0306"]);
    assert!(found[0].message.contains("a -> b -> c -> a"), "{}", found[0].message);
    assert_eq!(&text[found[0].labels[0].span.range()], "c -> a");
}

#[test]
fn bombs_are_refused_quickly() {
    let laughs = (0..12).fold("a0: &a0 [x, x, x, x, x, x, x, x]\n".to_owned(), |text, n| {
        let refs = vec![format!("*a{n}"); 8].join(", ");
        format!("{text}a{}: &a{} [{refs}]\n", n + 1, n + 1)
    });
    assert_eq!(codes(&yaml(&laughs)), ["G0002"]);
    assert_eq!(codes(&yaml(&" ".repeat(2 << 20))), ["G0002"]);
    assert_eq!(codes(&one_liner(&"x ".repeat(1 << 20)).unwrap_err()), ["G0002"]);
    let many: String = (0..1500).map(|n| format!("  e{n}: {{type: camera}}\n")).collect();
    assert_eq!(codes(&yaml(&format!("elements:\n{many}")))[0], "G0002");
    let links: String = (0..9000).map(|_| "  - a -> b\n").collect();
    assert!(codes(&yaml(&format!("{HEAD}links:\n{links}"))).contains(&"G0002"));
}

#[test]
fn hints_are_helpful() {
    let hint = |text: &str| yaml(text)[0].help.clone().unwrap_or_default();
    assert_eq!(
        hint("elements:\n  cam: {type: camera}\n  z: {type: null-sink}\nlinks: [cma -> z]\n"),
        "did you mean `cam`?"
    );
    assert_eq!(
        hint("elements:\n  a: {type: test-source, title: 5}\n  z: {type: null-sink}\nlinks: [a -> z]\n"),
        "put it in quotes"
    );
    assert_eq!(
        hint("elements:\n  a: {type: test-source, width: 10000}\n  z: {type: null-sink}\nlinks: [a -> z]\n"),
        "`width` takes 1 to 8192"
    );
    assert_eq!(
        hint("elements:\n  a: {type: null-sink}\n  z: {type: null-sink}\nlinks: [a -> z]\n"),
        "media can only flow into it"
    );
}

#[test]
fn unknown_machines_need_nothing() {
    // `Probe` and formats of a machine play no part in a check without one.
    let _ = (Probe::Unknown, Format::Vp8);
    assert!(one_liner("player uri=x -> recorder location=x.webm").is_ok());
}
