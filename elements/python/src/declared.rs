//! What a filter's file declares: the pictures that it wants, and its typed parameters.

use anabranch_graph::diagnostic::did_you_mean;
use gst_video::VideoFormat;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a worker says of its filter when it is ready.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Declared {
    /// The class's name.
    pub name: String,
    /// What the class's text says.
    #[serde(default)]
    pub summary: String,
    /// RGB, BGR, GRAY, RGBA or BGRA.
    pub format: String,
    /// The longer side of its pictures; 0 is the stream's own.
    pub size: u32,
    /// Looks per second, at most; 0 is as many as it can do.
    pub rate: f64,
    /// How many slots its frames need.
    #[serde(default = "three", skip_serializing)]
    pub slots: usize,
    /// Its parameters.
    #[serde(default)]
    pub params: Vec<Parameter>,
    /// What was wrong with the parameters that it was given.
    #[serde(default, skip_serializing)]
    pub problem: Option<String>,
}

fn three() -> usize {
    3
}

/// A typed parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// What values it takes.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The value if none is given.
    pub default: Value,
    /// The least value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The greatest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// The words of an enum.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
}

/// The type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// `true` or `false`.
    Bool,
    /// Text.
    Str,
    /// One of several words.
    Enum,
}

impl Parameter {
    /// What values it takes, for a sentence.
    pub fn takes(&self) -> String {
        let words = match self.kind {
            Kind::Enum => return format!("one of {}", self.values.join(", ")),
            Kind::Int => "a whole number",
            Kind::Float => "a number",
            Kind::Bool => "true or false",
            Kind::Str => "a text",
        };
        match (self.min, self.max) {
            (Some(min), Some(max)) => format!("{words} from {min} to {max}"),
            (Some(min), None) => format!("{words}, at least {min}"),
            (None, Some(max)) => format!("{words}, at most {max}"),
            (None, None) => words.to_owned(),
        }
    }

    fn fits(&self, value: &Value) -> bool {
        match self.kind {
            Kind::Bool => value.is_boolean(),
            Kind::Str => value.is_string(),
            Kind::Enum => value.as_str().is_some_and(|word| self.values.iter().any(|v| v == word)),
            Kind::Int | Kind::Float => value.as_f64().is_some_and(|number| {
                (self.kind == Kind::Float || number.fract() == 0.0)
                    && self.min.is_none_or(|min| number >= min)
                    && self.max.is_none_or(|max| number <= max)
            }),
        }
    }
}

impl Declared {
    /// The pixel format of its pictures; `None` if it is none that there is.
    pub fn pixels(&self) -> Option<VideoFormat> {
        Some(match self.format.as_str() {
            "RGB" => VideoFormat::Rgb,
            "BGR" => VideoFormat::Bgr,
            "GRAY" => VideoFormat::Gray8,
            "RGBA" => VideoFormat::Rgba,
            "BGRA" => VideoFormat::Bgra,
            _ => return None,
        })
    }

    /// Whether these values fit its parameters.
    ///
    /// # Errors
    ///
    /// A sentence that names the parameter and what it takes.
    pub fn check(&self, values: &Map<String, Value>) -> Result<(), String> {
        for (name, value) in values {
            let Some(parameter) = self.params.iter().find(|p| p.name == *name) else {
                let names: Vec<&str> = self.params.iter().map(|p| p.name.as_str()).collect();
                let hint = match did_you_mean(name, names.iter().copied()) {
                    Some(name) => format!("did you mean '{name}'?"),
                    None if names.is_empty() => "it has none".to_owned(),
                    None => format!("there are: {}", names.join(", ")),
                };
                return Err(format!("{} has no parameter '{name}': {hint}", self.name));
            };
            if !parameter.fits(value) {
                return Err(format!("the parameter '{name}' takes {}, not {value}", parameter.takes()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn errors_name_the_parameter_and_its_range() {
        let declared: Declared = serde_json::from_value(json!({
            "name": "Blobs", "format": "GRAY", "size": 320, "rate": 10.0,
            "params": [
                {"name": "threshold", "type": "int", "default": 45, "min": 0, "max": 255},
                {"name": "share", "type": "float", "default": 0.5, "min": 0.0},
                {"name": "kind", "type": "enum", "default": "dark", "values": ["dark", "bright"]},
                {"name": "on", "type": "bool", "default": true},
                {"name": "title", "type": "str", "default": ""},
            ],
        }))
        .unwrap();
        let check = |value: Value| declared.check(value.as_object().unwrap());
        let good = json!({"threshold": 255, "share": 3, "kind": "bright", "on": false, "title": "x"});
        assert_eq!(check(good), Ok(()));
        assert_eq!(check(json!({"threshold": 45.0})), Ok(()));
        for (values, text) in [
            (
                json!({"threshold": 256}),
                "the parameter 'threshold' takes a whole number from 0 to 255, not 256",
            ),
            (
                json!({"threshold": 1.5}),
                "the parameter 'threshold' takes a whole number from 0 to 255, not 1.5",
            ),
            (json!({"share": -1}), "the parameter 'share' takes a number, at least 0, not -1"),
            (json!({"kind": "red"}), "the parameter 'kind' takes one of dark, bright, not \"red\""),
            (json!({"on": 1}), "the parameter 'on' takes true or false, not 1"),
            (json!({"title": 1}), "the parameter 'title' takes a text, not 1"),
            (json!({"treshold": 1}), "Blobs has no parameter 'treshold': did you mean 'threshold'?"),
        ] {
            assert_eq!(check(values), Err(text.to_owned()));
        }
    }
}
