//! Filters that look at the video: what their constructors and methods say becomes properties of their element.

use std::sync::Mutex;

use anabranch_graph::catalog::PropertyMap;
use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::Kurento;
use super::error::{Code, RpcError};
use super::hubs::snake;
use super::invoke::Call;
use super::object::{Detector, Kind, Object, lock};
use super::picture::{self, Fetched};

/// Files that were fetched for a detector's pictures, by what shows them.
type Files = IndexMap<String, Vec<Fetched>>;

/// What shows the picture behind a chroma key.
const BACKGROUND: &str = "background";
/// Windows that one pointer detector watches.
const MAX_WINDOWS: usize = 256;

fn detector(object: &Object) -> Result<&Mutex<Detector>, RpcError> {
    match &object.kind {
        Kind::Detector(detector) => Ok(detector),
        _ => Err(RpcError::unsupported("the object looks at nothing")),
    }
}

impl Kurento {
    /// The properties of a new detector, from the constructor's arguments.
    pub(super) async fn detector_properties(
        &self,
        type_name: &str,
        arguments: &Map<String, Value>,
        files: &mut Files,
    ) -> Result<PropertyMap, RpcError> {
        let mut properties = PropertyMap::new();
        match type_name {
            "crowd-detector" => {
                let regions =
                    arguments.get("rois").and_then(Value::as_array).into_iter().flatten().map(region);
                properties.insert("regions".into(), regions.collect());
                // As Kurento's filter does, on the video.
                properties.insert("draw".into(), json!(true));
            }
            "pointer-detector" => {
                properties.insert(
                    "calibration".into(),
                    rectangle(arguments.get("calibrationRegion"), "topRightCorner"),
                );
                // Clients say when the pointer is held there.
                properties.insert("calibrate_after_ms".into(), json!(-1));
                let mut windows: Vec<Value> = Vec::new();
                for window in arguments.get("windows").and_then(Value::as_array).into_iter().flatten() {
                    let (id, window) = self.window(window, files).await?;
                    windows.retain(|other| other["id"] != id);
                    windows.push(window);
                }
                properties.insert("windows".into(), Value::Array(windows));
            }
            "chroma" => {
                properties.insert("calibration".into(), rectangle(arguments.get("window"), "topRightCorner"));
                let uri = arguments.get("backgroundImage").and_then(Value::as_str).unwrap_or_default();
                let mut fetched = Vec::new();
                let picture = self.picture_file(uri, &mut fetched).await?;
                files.insert(BACKGROUND.into(), fetched);
                properties.insert("background".into(), picture);
            }
            _ => {}
        }
        Ok(properties)
    }

    /// Sets a property of a detector's element.
    pub(super) async fn set_detector_property(
        &self,
        object: &Object,
        name: &str,
        value: Value,
    ) -> Result<Value, RpcError> {
        self.change_detector_property(object, name, |_| Ok(value)).await
    }

    /// Makes a property of a detector's element another one. What names a file in it has been held against the policy.
    async fn change_detector_property(
        &self,
        object: &Object,
        name: &str,
        change: impl FnOnce(Value) -> Result<Value, RpcError>,
    ) -> Result<Value, RpcError> {
        detector(object).map_err(|_| RpcError::unsupported(format!("the object has no '{name}'")))?;
        let pipeline = object.pipeline().ok_or_else(|| RpcError::no_object(&object.id))?;
        let graph = pipeline.graph.clone().lock_owned().await;
        let node = graph.block(&object.id).and_then(|block| block.nodes.first());
        let node = node.ok_or_else(|| RpcError::no_object(&object.id))?;
        let value = change(node.properties.get(name).cloned().unwrap_or_default())?;
        self.edit_locked(pipeline, graph, |graph| {
            let block = graph.block_mut(&object.id);
            if let Some(node) = block.and_then(|block| block.nodes.first_mut()) {
                node.properties.insert(name.to_owned(), value);
            }
        })
        .await?;
        Ok(Value::Null)
    }

    /// Adds a window of a pointer detector; one of the same id is changed.
    pub(super) async fn add_window(&self, call: &Call<'_>) -> Result<Value, RpcError> {
        let given = call.arguments.get("window").cloned().unwrap_or_default();
        let mut files = Files::new();
        let (id, window) = self.window(&given, &mut files).await?;
        self.change_detector_property(call.object, "windows", |before| {
            let mut windows = before.as_array().cloned().unwrap_or_default();
            match windows.iter().position(|other| other["id"] == window["id"]) {
                Some(at) => windows[at] = window,
                None if windows.len() >= MAX_WINDOWS => {
                    return Err(RpcError::new(Code::NotEnoughResources, "the filter has too many windows"));
                }
                None => windows.push(window),
            }
            Ok(Value::Array(windows))
        })
        .await?;
        let fetched = files.swap_remove(&id).unwrap_or_default();
        lock(detector(call.object)?).files.insert(id, fetched);
        Ok(Value::Null)
    }

    /// Takes the window of that id out, or all of them.
    pub(super) async fn remove_windows(&self, object: &Object, id: Option<&str>) -> Result<Value, RpcError> {
        self.change_detector_property(object, "windows", |before| {
            let windows = before.as_array().cloned().unwrap_or_default();
            let stay = windows.into_iter().filter(|window| id.is_some_and(|id| window["id"] != id));
            Ok(stay.collect())
        })
        .await?;
        let mut detector = lock(detector(object)?);
        detector.files.retain(|of, _| id.is_some_and(|id| of != id));
        Ok(Value::Null)
    }

    /// Sets the picture behind a chroma key; an empty address is none.
    pub(super) async fn set_background(&self, object: &Object, uri: &str) -> Result<Value, RpcError> {
        let mut fetched = Vec::new();
        let picture = self.picture_file(uri, &mut fetched).await?;
        self.set_detector_property(object, "background", picture).await?;
        lock(detector(object)?).files.insert(BACKGROUND.into(), fetched);
        Ok(Value::Null)
    }

    /// A window as the element wants it, with its id; its pictures are fetched.
    async fn window(&self, given: &Value, files: &mut Files) -> Result<(String, Value), RpcError> {
        let id = given["id"].as_str().unwrap_or_default().to_owned();
        let mut window = rectangle(Some(given), "upperRight");
        window["id"] = json!(id);
        let mut fetched = Vec::new();
        for (theirs, ours) in [("image", "image"), ("activeImage", "active_image")] {
            if let Some(uri) = given.get(theirs).and_then(Value::as_str) {
                window[ours] = self.picture_file(uri, &mut fetched).await?;
            }
        }
        if let Some(transparency) = given.get("imageTransparency").and_then(Value::as_f64) {
            window["transparency"] = json!(transparency.clamp(0.0, 1.0));
        }
        files.insert(id.clone(), fetched);
        Ok((id, window))
    }

    /// The file of a picture that a client names, held against the policy as pictures of overlays are; fetched if it is
    /// elsewhere. No name is no picture.
    async fn picture_file(&self, uri: &str, fetched: &mut Vec<Fetched>) -> Result<Value, RpcError> {
        if uri.is_empty() {
            return Ok(Value::Null);
        }
        let mut properties = PropertyMap::from_iter([("image".to_owned(), json!(super::uri::path_of(uri)))]);
        self.admit("image-overlay", &mut properties).await?;
        let file = properties.get("image").and_then(Value::as_str).unwrap_or_default();
        if !picture::is_remote(file) {
            return Ok(json!(file));
        }
        let picture = picture::fetch(self.app.policy(), file).await;
        let picture = picture.map_err(|reason| RpcError::new(Code::IllegalParam, reason))?;
        let path = picture.path();
        fetched.push(picture);
        Ok(json!(path))
    }
}

/// A region of a crowd detector as the element wants it.
fn region(given: &Value) -> Value {
    let mut region = Map::new();
    region.insert("id".into(), given["id"].clone());
    let points = given["points"].as_array().into_iter().flatten();
    region.insert("points".into(), points.map(|p| json!({"x": p["x"], "y": p["y"]})).collect());
    for (name, value) in given["regionOfInterestConfig"].as_object().into_iter().flatten() {
        region.insert(snake(name), value.clone());
    }
    Value::Object(region)
}

/// A rectangle in pixels. What Kurento calls the right corner is the one from which its filters count width and height
/// to the right: the left one.
fn rectangle(given: Option<&Value>, corner: &str) -> Value {
    let number = |name: &str| given.and_then(|g| g.get(name)).and_then(Value::as_i64).unwrap_or_default();
    json!({
        "x": number(&format!("{corner}X")),
        "y": number(&format!("{corner}Y")),
        "width": number("width"),
        "height": number("height"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_and_rectangles_are_turned_over() {
        let config =
            json!({"occupancyLevelMin": 5, "sendOpticalFlowEvent": true, "opticalFlowAngleOffset": -90});
        let roi = json!({"id": "door", "points": [{"x": 0.0, "y": 0.5}], "regionOfInterestConfig": config});
        let expected = json!({
            "id": "door",
            "points": [{"x": 0.0, "y": 0.5}],
            "occupancy_level_min": 5,
            "send_optical_flow_event": true,
            "optical_flow_angle_offset": -90,
        });
        assert_eq!(region(&roi), expected);
        let window = json!({"topRightCornerX": 5, "topRightCornerY": 6, "width": 30, "height": 40});
        let expected = json!({"x": 5, "y": 6, "width": 30, "height": 40});
        assert_eq!(rectangle(Some(&window), "topRightCorner"), expected);
    }
}
