//! What a filter found: the JSON that the API, files and this crate share.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A thing that was found. All coordinates are relative to the picture: 0 is left or top, 1 is right or bottom.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Detection {
    /// What it is: `face`.
    pub label: String,
    /// How sure the filter is, 0 to 1.
    pub score: f32,
    /// Left edge.
    pub x: f32,
    /// Top edge.
    pub y: f32,
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
    /// The number that follows this thing from frame to frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub track: Option<u64>,
    /// Points of interest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keypoints: Vec<[f32; 2]>,
    /// What else is known of it, such as the `text` of a plate.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<String, Value>,
}

/// An event that a filter emitted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Happened {
    /// The event's name in the catalogue.
    pub name: String,
    /// Its data.
    #[serde(default)]
    pub data: Value,
}

/// All that was found in one frame: one line of a results file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FrameResults {
    /// The frame's time, nanoseconds.
    pub pts_ns: u64,
    /// The frame's number; the first one is 0.
    pub frame: u64,
    /// The things that were found.
    pub detections: Vec<Detection>,
    /// Numbers by name, such as a count.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub scalars: BTreeMap<String, f64>,
    /// What happened.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Happened>,
}

/// Names under which filters say what they read.
const TEXT_KEYS: [&str; 4] = ["text", "plate", "value", "code"];

/// The text that a map of attributes or an event's data holds.
pub(crate) fn text_of(map: &Map<String, Value>) -> Option<&str> {
    TEXT_KEYS.iter().find_map(|key| map.get(*key).and_then(Value::as_str)).filter(|text| !text.is_empty())
}

impl FrameResults {
    /// What was read in this frame: texts of detections, and of events that no detection carries. Each text once.
    pub fn texts(&self) -> Vec<&str> {
        let mut texts: Vec<&str> = self.detections.iter().filter_map(|d| text_of(&d.attributes)).collect();
        for text in self.events.iter().filter_map(|e| e.data.as_object()).filter_map(text_of) {
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        texts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_results_reads_back_as_it_was() {
        let line = r#"{"pts_ns":40000000,"frame":1,"detections":[{"label":"plate","score":0.9,"x":0.1,"y":0.2,"width":0.3,"height":0.1,"track":7,"keypoints":[[0.1,0.2]],"attributes":{"text":"AB 12"}}],"scalars":{"people":3.0},"events":[{"name":"plate-detected","data":{"plate":"AB 12"}},{"name":"code-found","data":{"value":"x"}}]}"#;
        let results: FrameResults = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&results).unwrap(), line);
        assert_eq!(results.texts(), ["AB 12", "x"], "one text is told once");
    }
}
