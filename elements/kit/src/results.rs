//! What filters find, as JSON: the same in events, in files and in evaluation.
//!
//! A [`Detection`] is a [`Region`] of a picture; a [`FrameResults`] is all that is known of one picture, and one line of
//! a JSON-lines file. Elements put numbers and events on buffers beside the regions ([`attach`]), so that who reads the
//! buffers ([`FrameResults::of_buffer`]) knows to which picture they belong.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::regions::{self, Region};

/// One thing in a picture. All coordinates are relative to the picture: 0 is left or top, 1 is right or bottom.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Detection {
    /// What it is: `face`.
    pub label: String,
    /// How sure the detector is, 0 to 1.
    #[serde(default = "sure", serialize_with = "short")]
    pub score: f32,
    /// Left edge.
    #[serde(serialize_with = "short")]
    pub x: f32,
    /// Top edge.
    #[serde(serialize_with = "short")]
    pub y: f32,
    /// Width.
    #[serde(serialize_with = "short")]
    pub width: f32,
    /// Height.
    #[serde(serialize_with = "short")]
    pub height: f32,
    /// The number that follows this thing from picture to picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track: Option<u64>,
    /// Points of interest (x, y), in an order that the label implies.
    #[serde(default, skip_serializing_if = "Vec::is_empty", serialize_with = "short_points")]
    pub keypoints: Vec<[f32; 2]>,
    /// What else is known of it: the text of a plate, the type of a code.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<String, Value>,
}

/// A detection that says nothing of its score is a fact.
fn sure() -> f32 {
    1.0
}

/// A millionth of a picture is less than a pixel, and six digits are readable.
fn rounded(value: f32) -> f64 {
    let value = f64::from(value);
    if value.is_finite() { (value * 1e6).round() / 1e6 } else { 0.0 }
}

fn short<S: Serializer>(value: &f32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(rounded(*value))
}

fn short_points<S: Serializer>(points: &[[f32; 2]], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(points.iter().map(|point| point.map(rounded)))
}

impl From<&Region> for Detection {
    fn from(region: &Region) -> Self {
        Detection {
            label: region.label.clone(),
            score: region.score,
            x: region.x,
            y: region.y,
            width: region.width,
            height: region.height,
            track: region.track,
            keypoints: region.keypoints.clone(),
            attributes: region.attributes.clone(),
        }
    }
}

impl From<&Detection> for Region {
    fn from(detection: &Detection) -> Self {
        Region {
            label: detection.label.clone(),
            x: detection.x,
            y: detection.y,
            width: detection.width,
            height: detection.height,
            score: detection.score,
            track: detection.track,
            keypoints: detection.keypoints.clone(),
            attributes: detection.attributes.clone(),
        }
    }
}

/// Something that happened at a picture.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FrameEvent {
    /// The event's name, kebab-case: `plate-detected`.
    pub name: String,
    /// Its data.
    #[serde(default)]
    pub data: Value,
}

/// All that is known of one picture: one line of a JSON-lines file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FrameResults {
    /// When the picture is shown, in nanoseconds of the stream's time.
    pub pts_ns: u64,
    /// How many pictures there were before it.
    pub frame: u64,
    /// The things in it.
    #[serde(default)]
    pub detections: Vec<Detection>,
    /// Numbers that filters measured: `people`, `occupancy`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scalars: BTreeMap<String, f64>,
    /// What happened at it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<FrameEvent>,
}

/// The name of the buffers' metadata.
const META: &str = "AnabranchResults";

/// Makes the metadata known to GStreamer, once.
fn register() {
    static DONE: std::sync::Once = std::sync::Once::new();
    DONE.call_once(|| {
        if !gst::meta::CustomMeta::is_registered(META) {
            gst::meta::CustomMeta::register_simple(META);
        }
    });
}

/// Puts numbers and events on a buffer, besides those that are there. Nothing happens if there are none.
pub fn attach(buffer: &mut gst::BufferRef, scalars: &BTreeMap<String, f64>, events: &[(String, Value)]) {
    if scalars.is_empty() && events.is_empty() {
        return;
    }
    register();
    let mut all = FrameResults { scalars: scalars.clone(), ..FrameResults::default() };
    all.events =
        events.iter().map(|(name, data)| FrameEvent { name: name.clone(), data: data.clone() }).collect();
    let mut old = extras(buffer);
    old.scalars.append(&mut all.scalars);
    old.events.append(&mut all.events);
    let Ok(json) = serde_json::to_string(&old) else { return };
    if let Ok(mut meta) = gst::meta::CustomMeta::from_mut_buffer(buffer, META) {
        meta.mut_structure().set("json", json);
    } else if let Ok(mut meta) = gst::meta::CustomMeta::add(buffer, META) {
        meta.mut_structure().set("json", json);
    }
}

/// The numbers and events on a buffer.
fn extras(buffer: &gst::BufferRef) -> FrameResults {
    register();
    let meta = gst::meta::CustomMeta::from_buffer(buffer, META).ok();
    let json = meta.and_then(|meta| meta.structure().get::<String>("json").ok());
    json.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default()
}

impl FrameResults {
    /// What elements have put on the buffer of a picture of `width` x `height` pixels; `frame` counts pictures.
    pub fn of_buffer(buffer: &gst::BufferRef, width: u32, height: u32, frame: u64) -> Self {
        FrameResults {
            pts_ns: buffer.pts().map_or(0, gst::ClockTime::nseconds),
            frame,
            detections: regions::read(buffer, width, height).iter().map(Detection::from).collect(),
            ..extras(buffer)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plate() -> Detection {
        Detection {
            label: "plate".into(),
            score: 0.9,
            x: 0.1,
            y: 0.25,
            width: 0.3,
            height: 0.05,
            track: Some(4),
            keypoints: vec![[0.1, 0.25]],
            attributes: json!({"text": "B-AN 2026"}).as_object().cloned().unwrap(),
        }
    }

    #[test]
    fn json_is_short_and_comes_back() {
        let line = serde_json::to_string(&plate()).unwrap();
        assert_eq!(
            line,
            r#"{"label":"plate","score":0.9,"x":0.1,"y":0.25,"width":0.3,"height":0.05,"track":4,"#
                .to_owned()
                + r#""keypoints":[[0.1,0.25]],"attributes":{"text":"B-AN 2026"}}"#
        );
        assert_eq!(serde_json::from_str::<Detection>(&line).unwrap(), plate());
        let bare = Detection { label: "x".into(), score: 1.0, x: f32::NAN, ..Detection::default() };
        assert_eq!(
            serde_json::to_value(&bare).unwrap(),
            json!({"label": "x", "score": 1.0, "x": 0.0, "y": 0.0, "width": 0.0, "height": 0.0})
        );
    }

    #[test]
    fn a_score_may_be_left_out_and_a_place_may_not() {
        let text = r#"{"label":"a","x":0,"y":0,"width":1,"height":1}"#;
        assert_eq!(serde_json::from_str::<Detection>(text).unwrap().score, 1.0);
        assert!(serde_json::from_str::<Detection>(r#"{"label":"a"}"#).is_err());
    }

    #[test]
    fn regions_and_detections_are_the_same() {
        assert_eq!(Detection::from(&Region::from(&plate())), plate());
    }

    #[test]
    fn a_buffer_carries_all_of_it() {
        gst::init().unwrap();
        let mut buffer = gst::Buffer::new();
        {
            let buffer = buffer.make_mut();
            buffer.set_pts(gst::ClockTime::from_mseconds(40));
            regions::attach(buffer, &Region::from(&plate()), 640, 480);
            attach(buffer, &[("people".to_owned(), 3.0)].into(), &[("in".to_owned(), json!({"id": 1}))]);
            attach(buffer, &[("cars".to_owned(), 0.5)].into(), &[("out".to_owned(), Value::Null)]);
            attach(buffer, &BTreeMap::new(), &[]);
        }
        // Metadata goes along with a copy, as it does through elements that change pictures in place.
        let results = FrameResults::of_buffer(&buffer.copy(), 640, 480, 7);
        assert_eq!((results.pts_ns, results.frame, results.detections.len()), (40_000_000, 7, 1));
        assert_eq!(results.scalars, [("cars".to_owned(), 0.5), ("people".to_owned(), 3.0)].into());
        assert_eq!(results.events.iter().map(|e| e.name.as_str()).collect::<Vec<_>>(), ["in", "out"]);
        let line = serde_json::to_string(&results).unwrap();
        let back: FrameResults = serde_json::from_str(&line).unwrap();
        assert_eq!(serde_json::to_string(&back).unwrap(), line);
        assert_eq!(FrameResults::of_buffer(&gst::Buffer::new(), 1, 1, 0), FrameResults::default());
    }
}
