//! Reading a description's properties before there is an element.

use anabranch_graph::catalog::PropertyMap;
use serde_json::Value;

use crate::pace::Pace;

/// The property `pace`.
pub fn pace(properties: &PropertyMap) -> Pace {
    properties.get("pace").and_then(|value| serde_json::from_value(value.clone()).ok()).unwrap_or_default()
}

/// A text property, unless it is missing or empty.
pub fn text<'a>(properties: &'a PropertyMap, name: &str) -> Option<&'a str> {
    properties.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}
