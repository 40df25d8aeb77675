//! What filters in Python can do.

use anabranch_kit::params::set_json;
use gst::prelude::*;
use serde_json::{Value, json};

use super::scene::Scene;

#[test]
fn parameters_are_typed_and_change_while_it_runs() {
    let text = "class Knobs(Filter):\n    \
                level: Annotated[int, Range(0, 255)] = 45\n    share: float = 0.5\n    \
                kind: Literal['dark', 'bright'] = 'dark'\n    on: bool = True\n    title: str = 'x'\n    \
                def changed(self, name):\n        print('changed', name, flush=True)\n    \
                def process(self, frame):\n        \
                yield Detection(f'{self.level} {self.share} {self.kind} {self.on} {self.title}', 0, 0, 1, 1)\n";
    let mut scene = Scene::new(text, &[("params", json!({"level": 50}))]);
    let label = |wanted: &'static str| {
        move |scene: &Scene| {
            scene.newest().is_some_and(|seen| seen.regions.iter().any(|region| region.label == wanted))
        }
    };
    scene.until("what was given", label("50 0.5 dark True x"));
    let pid = scene.stat("worker-pid");
    let object = scene.filter.clone();
    let object = object.upcast_ref::<gst::glib::Object>();
    set_json(
        object,
        "params",
        &json!({"level": 60, "kind": "bright", "on": false, "title": "y", "share": 1}),
    )
    .unwrap();
    scene.until("what was changed", label("60 1.0 bright False y"));
    for (params, words) in [
        (json!({"level": 256}), "the parameter 'level' takes a whole number from 0 to 255, not 256"),
        (json!({"kind": "red"}), "the parameter 'kind' takes one of dark, bright"),
        (json!({"levle": 1}), "did you mean 'level'?"),
    ] {
        let error = set_json(object, "params", &params).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    let kept: Value = serde_json::from_str(&scene.filter.property::<String>("params")).unwrap();
    assert_eq!(kept["level"], 60, "what was refused changes nothing");
    set_json(object, "params", &json!({})).unwrap();
    scene.until("the defaults", label("45 0.5 dark True x"));
    assert_eq!(scene.stat("worker-pid"), pid, "without a restart");
    scene.until("what it prints", |scene| {
        let logs = scene.named("filter-log");
        logs.iter()
            .any(|log| log["stream"] == "stdout" && log["text"].as_str().unwrap().contains("changed kind"))
    });
    scene.end();
}

#[test]
fn wrong_parameters_stop_it_at_the_start_with_a_sentence() {
    gst::init().unwrap();
    anabranch_kit::registry::register_all(None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.py");
    let text = "from anabranch import Filter\nclass A(Filter):\n    level: int = 1\n";
    std::fs::write(&file, text).unwrap();
    for (params, path, words) in [
        (json!({"lvel": 3}), file.to_str().unwrap(), "there is no parameter 'lvel'"),
        (json!({"level": "x"}), file.to_str().unwrap(), "the parameter 'level' takes a whole number"),
        (json!({}), "/none/at/all.py", "there is no file /none/at/all.py"),
    ] {
        let pipeline = gst::parse::launch("videotestsrc ! abpythonfilter name=filter ! fakesink").unwrap();
        let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
        let filter = pipeline.by_name("filter").unwrap();
        set_json(filter.upcast_ref(), "file", &json!(path)).unwrap();
        set_json(filter.upcast_ref(), "params", &params).unwrap();
        // It may fail at once or at the first frame.
        let _ = pipeline.set_state(gst::State::Playing);
        let bus = pipeline.bus().unwrap();
        let limit = gst::ClockTime::from_seconds(30);
        let message = bus.timed_pop_filtered(limit, &[gst::MessageType::Error]).expect("an error");
        let gst::MessageView::Error(error) = message.view() else { unreachable!() };
        assert!(error.error().to_string().contains(words), "{}", error.error());
        pipeline.set_state(gst::State::Null).unwrap();
    }
}

#[test]
fn a_changed_picture_is_taken_inline() {
    let text = "class Dark(Filter):\n    format = 'RGB'\n    def process(self, frame):\n        \
                frame.image[frame.height // 2 :] = 0\n        yield frame.image\n        \
                yield Scalar('number', frame.number)\n";
    let mut scene = Scene::new(text, &[("mode", json!("inline")), ("budget-ms", json!(2000))]);
    scene.frames(40);
    assert!(scene.named("filter-trouble").is_empty(), "{:?}", scene.told);
    let looks = scene.stat("analyses");
    assert!(looks >= 40, "{looks}");
    let seen = scene.end();
    let bright = Scene::new("class Nothing(Filter):\n    def process(self, frame):\n        pass\n", &[]);
    let mut bright = bright;
    bright.frames(5);
    let as_it_is = bright.end()[4].brightness;
    for (n, frame) in seen.iter().take(40).enumerate() {
        assert!(frame.brightness < as_it_is - 10.0, "frame {n}: {} of {as_it_is}", frame.brightness);
    }
}

#[test]
fn events_and_upstream_regions_reach_it_and_batches_come_whole() {
    let text = "class Batches(Filter):\n    batch = 4\n    format = 'GRAY'\n    size = 100\n    \
                def process_batch(self, frames):\n        \
                yield from ([Event('batch-seen', {'at': f.number, 'of': len(frames), 'mean': float(f.image.mean())})] for f in frames)\n";
    let mut scene = Scene::new(text, &[("mode", json!("every-n"))]);
    scene.until("three batches", |scene| scene.named("batch-seen").len() >= 12);
    let events = scene.named("batch-seen");
    assert!(
        events.iter().all(|event| event["of"] == 4 && event["mean"].as_f64().unwrap() > 1.0),
        "{events:?}"
    );
    let numbers: Vec<_> = events.iter().map(|event| event["at"].as_u64().unwrap()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    scene.end();
}
