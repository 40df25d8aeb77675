use std::sync::Mutex;

use glib::subclass::prelude::*;
use gst::prelude::*;
use gst::subclass::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::*;

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    #[default]
    Fast,
    VeryGood,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// How strong.
    #[schemars(range(min = 0, max = 255), extend("x-live" = true))]
    strength: u8,
    /// How wide.
    #[schemars(range(min = -1.0, max = 1.0))]
    width_ratio: f64,
    /// Whether.
    on: bool,
    /// Which.
    mode: Mode,
    /// Where from.
    #[schemars(extend("x-required" = true))]
    location: Option<String>,
    /// When.
    times: Vec<f64>,
}

impl Default for Params {
    fn default() -> Self {
        Params { strength: 7, width_ratio: 0.5, on: true, mode: Mode::Fast, location: None, times: vec![1.0] }
    }
}

mod imp {
    use super::*;

    #[derive(Default)]
    pub struct Thing {
        pub params: ParamStore<Params>,
        pub changes: Mutex<Vec<String>>,
    }

    impl Thing {
        fn stats(&self) -> gst::Structure {
            gst::Structure::builder("stats").field("frames", 3u64).build()
        }

        fn changed(&self, name: &str) {
            self.changes.lock().unwrap().push(name.to_owned());
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Thing {
        const NAME: &'static str = "AbParamsTestThing";
        type Type = super::Thing;
        type ParentType = gst::Bin;
    }

    impl ObjectImpl for Thing {
        crate::object_properties!(params: Params, stats: Thing::stats, changed: Thing::changed);
    }
    impl GstObjectImpl for Thing {}
    impl ElementImpl for Thing {}
    impl BinImpl for Thing {}
}

glib::wrapper! {
    pub struct Thing(ObjectSubclass<imp::Thing>) @extends gst::Bin, gst::Element, gst::Object, @implements gst::ChildProxy;
}

fn thing() -> Thing {
    gst::init().unwrap();
    glib::Object::new()
}

#[test]
fn every_kind_of_property_round_trips_through_json() {
    let thing = thing();
    let object = thing.upcast_ref::<glib::Object>();
    for (name, value) in [
        ("strength", json!(9)),
        ("width_ratio", json!(-0.25)),
        ("width-ratio", json!(1)),
        ("on", json!(false)),
        ("mode", json!("very-good")),
        ("location", json!("a.mp4")),
        ("times", json!([0.5, 2])),
    ] {
        set_json(object, name, &value).unwrap();
        let kept = thing.imp().params.json(name).unwrap();
        match value.as_f64() {
            Some(number) => assert_eq!(kept.as_f64(), Some(number), "{name}"),
            None if name == "times" => assert_eq!(kept, json!([0.5, 2.0])),
            None => assert_eq!(kept, value, "{name}"),
        }
    }
    assert_eq!(
        thing.imp().changes.lock().unwrap().join(" "),
        "strength width_ratio width_ratio on mode location times"
    );
    assert_eq!(thing.imp().params.version(), 7);
    assert_eq!(thing.imp().params.restarts(), 6, "all but `strength` call for a restart");
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let thing = thing();
    let object = thing.upcast_ref::<glib::Object>();
    for (name, value, part) in [
        ("strength", json!(256), "out of range"),
        ("strength", json!("x"), "whole number"),
        ("strength", json!(1.5), "whole number"),
        ("width_ratio", json!(1.1), "out of range"),
        ("on", json!(1), "true or false"),
        ("mode", json!("slow"), "fast, very-good"),
        ("location", json!(1), "not text"),
        ("times", json!(["x"]), "does not fit"),
        ("nothing", json!(1), "no property 'nothing'"),
        ("stats", json!(1), "only be read"),
    ] {
        let error = set_json(object, name, &value).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(thing.imp().params.get(), Params::default());
}

#[test]
fn gobject_sees_types_bounds_defaults_and_blurbs() {
    let thing = thing();
    let spec = thing.find_property("strength").unwrap().downcast::<glib::ParamSpecInt64>().unwrap();
    assert_eq!((spec.minimum(), spec.maximum(), spec.default_value()), (0, 255, 7));
    assert_eq!(spec.blurb(), Some("How strong."));
    assert!(spec.flags().contains(gst::PARAM_FLAG_MUTABLE_PLAYING));
    let spec = thing.find_property("mode").unwrap();
    assert!(spec.value_type().is_a(glib::Type::ENUM));
    thing.set_property_from_str("mode", "very-good");
    assert_eq!(thing.imp().params.get().mode, Mode::VeryGood);
    thing.set_property_from_str("times", "[3.0,4.0]");
    assert_eq!(thing.property::<String>("times"), "[3.0,4.0]");
    assert_eq!(thing.property::<Option<String>>("location"), None);
    assert_eq!(thing.property::<gst::Structure>("stats").get::<u64>("frames"), Ok(3));
}

#[test]
fn the_catalogue_has_the_structs_own_defaults() {
    let table = table::<Params>();
    assert_eq!(table.property("width-ratio").unwrap().default, json!(0.5));
    let location = table.property("location").unwrap();
    assert!(location.required && location.default.is_null());
}

#[test]
fn elements_of_gstreamer_take_json_too() {
    gst::init().unwrap();
    let source = gst::ElementFactory::make("videotestsrc").build().unwrap();
    let object = source.upcast_ref::<glib::Object>();
    set_json(object, "num_buffers", &json!(5)).unwrap();
    set_json(object, "is-live", &json!(true)).unwrap();
    set_json(object, "pattern", &json!("ball")).unwrap();
    assert_eq!(source.property::<i32>("num-buffers"), 5);
    assert!(set_json(object, "num-buffers", &json!(1i64 << 40)).is_err());
    assert!(set_json(object, "pattern", &json!("no such")).is_err());
    let filter = gst::ElementFactory::make("capsfilter").build().unwrap();
    set_json(filter.upcast_ref(), "caps", &json!("video/x-raw,width=320")).unwrap();
    assert_eq!(filter.property::<gst::Caps>("caps").to_string(), "video/x-raw, width=(int)320");
}

/// A mark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct Mark {
    /// Its name.
    #[schemars(extend("x-required" = true))]
    id: String,
    /// From the left.
    #[schemars(range(min = 0.0, max = 1.0))]
    x: f64,
    /// What is drawn.
    image: Option<String>,
}

impl Default for Mark {
    fn default() -> Self {
        Mark { id: String::new(), x: 0.5, image: None }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct Marks {
    /// Several.
    marks: Vec<Mark>,
    /// One.
    best: Option<Mark>,
}

#[test]
fn mappings_are_checked_and_their_defaults_filled_in() {
    let store = ParamStore::new(Marks::default());
    store.set("marks", &json!([{"id": "a"}, {"id": "b", "x": 1, "image": null}])).unwrap();
    let marks = store.get().marks;
    assert_eq!(marks[0], Mark { id: "a".into(), ..Mark::default() });
    assert_eq!(marks[1].x, 1.0);
    assert_eq!(store.get().best, None);
    store.set("best", &json!({"id": "c"})).unwrap();
    assert_eq!(store.get().best.unwrap().id, "c");
    for (value, part) in [
        (json!([{"x": 0.5}]), "entry 1: 'id' is missing"),
        (json!([{"id": "a"}, {"id": "a", "y": 1}]), "entry 2: there is no 'y'"),
        (json!([{"id": "a", "x": 2}]), "'x': 2 is not between 0 and 1"),
        (json!([1]), "entry 1: 1 is not a mapping"),
    ] {
        let error = store.set("marks", &value).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    let spec = table::<Marks>().param_specs().into_iter().find(|s| s.name() == "best").unwrap();
    store.set_value("best", &r#"{"id": "d"}"#.to_value()).unwrap();
    assert_eq!(store.value(&spec).get::<&str>().unwrap(), r#"{"id":"d","x":0.5,"image":null}"#);
    store.set_value("best", &None::<&str>.to_value()).unwrap();
    assert_eq!(store.get().best, None);
}
