//! What workers say, checked: nothing that comes from another process is believed.

use std::collections::BTreeMap;

use anabranch_kit::regions::Region;
use anabranch_kit::results::{Detection, FrameEvent};
use serde::Deserialize;
use serde_json::Value;

use crate::declared::Declared;

/// A message of a worker.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum Said {
    /// The file is loaded and the filter made.
    Ready(Declared),
    /// The file could not be loaded.
    Failed {
        /// The traceback.
        text: String,
    },
    /// What was found.
    Result(Answer),
    /// The filter raised an exception, or what it yielded is not valid.
    Error {
        /// The frame; `None` if it was about something else.
        seq: Option<u64>,
        /// The traceback.
        text: String,
    },
}

/// The answer to a frame.
#[derive(Debug, Deserialize)]
pub struct Answer {
    /// The frame.
    pub seq: u64,
    /// What was found, in this frame and, by a filter that takes several at a time, in those before it.
    #[serde(default)]
    pub results: Vec<One>,
    /// Whether the picture in shared memory is a changed one.
    #[serde(default)]
    pub picture: bool,
    /// How long the filter itself took, in nanoseconds.
    #[serde(default)]
    pub ns: u64,
}

/// What was found in one frame.
#[derive(Debug, Default, Deserialize)]
pub struct One {
    /// The frame.
    pub seq: u64,
    /// Things.
    #[serde(default)]
    pub detections: Vec<Detection>,
    /// What happened.
    #[serde(default)]
    pub events: Vec<FrameEvent>,
    /// Numbers.
    #[serde(default)]
    pub scalars: BTreeMap<String, f64>,
}

/// More than this nobody looks at, and all of it would be carried by every frame.
const MOST_DETECTIONS: usize = 1000;
const MOST_EVENTS: usize = 100;

impl Said {
    /// Reads a message.
    ///
    /// # Errors
    ///
    /// What is wrong with it, for a person.
    pub fn read(message: Value) -> Result<Said, String> {
        let said: Said = serde_json::from_value(message).map_err(|error| error.to_string())?;
        if let Said::Result(answer) = &said {
            for one in &answer.results {
                one.check()?;
            }
        }
        Ok(said)
    }
}

impl One {
    fn check(&self) -> Result<(), String> {
        if self.detections.len() > MOST_DETECTIONS {
            return Err(format!(
                "{} detections in one frame; at most {MOST_DETECTIONS} are taken",
                self.detections.len()
            ));
        }
        if self.events.len() > MOST_EVENTS {
            return Err(format!(
                "{} events at one frame; at most {MOST_EVENTS} are taken",
                self.events.len()
            ));
        }
        for d in &self.detections {
            let numbers = [d.x, d.y, d.width, d.height, d.score];
            if numbers.iter().chain(d.keypoints.iter().flatten()).any(|v| !v.is_finite()) {
                return Err(format!("a number of the detection '{}' is not finite", d.label));
            }
        }
        self.events.iter().try_for_each(|event| name_fits(&event.name))
    }

    /// The regions, and whether the filter follows them itself.
    pub fn regions(&self) -> (Vec<Region>, bool) {
        (
            self.detections.iter().map(Region::from).collect(),
            self.detections.iter().any(|d| d.track.is_some()),
        )
    }
}

/// Whether a filter may give an event this name.
fn name_fits(name: &str) -> Result<(), String> {
    let words = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(words) || name.len() > 100 {
        return Err(format!("an event's name is '{name}'; use small letters, digits and dashes"));
    }
    // With these, elements talk to the engine.
    let is_taken = ["wants", "stream-found", "frames-dropped", "not-served", "negotiated"].contains(&name)
        || ["filter-", "transcoding-"].iter().any(|prefix| name.starts_with(prefix));
    if is_taken {
        Err(format!("the event name '{name}' belongs to the engine; choose another"))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_are_read_and_nonsense_is_refused() {
        let detection = json!({"label": "a", "x": 0.1, "y": 0.2, "width": 0.3, "height": 0.4, "track": 3});
        let answer =
            |results: Value| json!({"op": "result", "seq": 4, "results": results, "picture": false, "ns": 1});
        let good =
            answer(json!([{"seq": 4, "detections": [detection], "events": [{"name": "gone", "data": {}}]}]));
        let Ok(Said::Result(read)) = Said::read(good) else { panic!() };
        let (regions, own) = read.results[0].regions();
        assert_eq!((regions[0].track, regions[0].score, own), (Some(3), 1.0, true));
        for bad in [
            json!([]),
            json!({"op": "dance"}),
            answer(json!([{"seq": 4, "detections": [{"label": "a"}]}])),
            answer(
                json!([{"seq": 4, "detections": [{"label": "a", "x": 1e39, "y": 0, "width": 0, "height": 0}]}]),
            ),
            answer(json!([{"seq": 4, "detections": vec![detection; 1001]}])),
            answer(json!([{"seq": 4, "events": [{"name": "filter-recovered"}]}])),
            answer(json!([{"seq": 4, "events": [{"name": "Wants"}]}])),
            answer(json!([{"seq": 4, "events": [{"name": "wants"}]}])),
            answer(json!([{"seq": 4, "events": [{"name": "not-served"}]}])),
            answer(json!([{"seq": 4, "scalars": {"x": "y"}}])),
        ] {
            assert!(Said::read(bad.clone()).is_err(), "{bad}");
        }
    }
}
