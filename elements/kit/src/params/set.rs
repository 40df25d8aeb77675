//! Setting any GObject property from JSON.

use glib::prelude::*;
use gst::prelude::*;
use serde_json::Value;

use super::gtype;

/// Why a property of an object could not be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// The object has no such property.
    #[error("{object} has no property '{name}'")]
    Unknown {
        /// The object's name or type.
        object: String,
        /// The name asked for.
        name: String,
    },
    /// The property can only be read.
    #[error("property '{0}' can only be read")]
    ReadOnly(String),
    /// The value does not fit the property.
    #[error("property '{name}': {problem}")]
    Unfit {
        /// The property.
        name: String,
        /// What is wrong with the value, for a person.
        problem: String,
    },
}

/// The read-only text property in which an element says why it did not take the value that a property was set to last.
pub const REFUSAL: &str = "refusal";

/// Sets a property of any GObject, ours or GStreamer's, from a JSON value. The name may be snake_case or kebab-case.
/// Lists and mappings are handed to text properties as JSON text; null sets the property's default.
///
/// # Errors
///
/// [`SetError`], and the property keeps its value.
pub fn set_json(object: &glib::Object, name: &str, value: &Value) -> Result<(), SetError> {
    let pspec =
        object.find_property(&name.replace('_', "-")).or_else(|| object.find_property(name)).ok_or_else(
            || SetError::Unknown { object: object.type_().name().to_owned(), name: name.to_owned() },
        )?;
    let flags = pspec.flags();
    if !flags.contains(glib::ParamFlags::WRITABLE) || flags.contains(glib::ParamFlags::CONSTRUCT_ONLY) {
        return Err(SetError::ReadOnly(name.to_owned()));
    }
    let unfit = |problem: String| SetError::Unfit { name: name.to_owned(), problem };
    let mut new = to_value(&pspec, value).map_err(unfit)?;
    if gtype::would_change(&pspec, &mut new) {
        return Err(unfit(format!("{value} is out of range")));
    }
    object.set_property_from_value(pspec.name(), &new);
    // A setter cannot refuse. An element that looks at its properties while it runs says here why it kept the old value.
    let refusal = object.find_property(REFUSAL).map(|_| object.property::<Option<String>>(REFUSAL));
    if let Some(problem) = refusal.flatten().filter(|problem| !problem.is_empty()) {
        return Err(unfit(problem));
    }
    let is_text = pspec.value_type() == glib::Type::STRING && flags.contains(glib::ParamFlags::READABLE);
    if let (Value::Array(_) | Value::Object(_), true) = (value, is_text) {
        // A setter cannot refuse; a list or mapping that was not taken over is one that did not fit.
        let kept = object.property_value(pspec.name()).get::<Option<String>>().ok().flatten();
        let kept = kept.and_then(|text| serde_json::from_str::<Value>(&text).ok());
        if kept.as_ref().map_or(value.is_object(), |kept| !same(kept, value)) {
            return Err(unfit(format!("{value} does not fit")));
        }
    }
    Ok(())
}

/// Equal, with `1` and `1.0` being the same number.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        // A mapping may come back with its defaults filled in.
        (Value::Object(a), Value::Object(b)) => {
            b.iter().all(|(key, b)| b.is_null() || a.get(key).is_some_and(|a| same(a, b)))
        }
        (a, b) => a == b,
    }
}

fn to_value(pspec: &glib::ParamSpec, json: &Value) -> Result<glib::Value, String> {
    if json.is_null() {
        return Ok(pspec.default_value().clone());
    }
    let ty = pspec.value_type();
    let whole = || {
        json.as_i64()
            .or_else(|| json.as_f64().filter(|f| f.fract() == 0.0 && f.abs() < 9.0e15).map(|f| f as i64))
            .ok_or_else(|| format!("{json} is not a whole number"))
    };
    let range = |_| format!("{json} is out of range");
    Ok(match ty {
        glib::Type::BOOL => json.as_bool().ok_or_else(|| format!("{json} is not true or false"))?.to_value(),
        glib::Type::I32 => i32::try_from(whole()?).map_err(range)?.to_value(),
        glib::Type::U32 => u32::try_from(whole()?).map_err(range)?.to_value(),
        glib::Type::I64 => whole()?.to_value(),
        glib::Type::U64 => match json.as_u64() {
            Some(n) => n.to_value(),
            None => u64::try_from(whole()?).map_err(range)?.to_value(),
        },
        glib::Type::F64 => json.as_f64().ok_or_else(|| format!("{json} is not a number"))?.to_value(),
        glib::Type::F32 => {
            (json.as_f64().ok_or_else(|| format!("{json} is not a number"))? as f32).to_value()
        }
        glib::Type::STRING => match json {
            Value::String(text) => text.to_value(),
            Value::Array(_) | Value::Object(_) => json.to_string().to_value(),
            _ => return Err(format!("{json} is not text")),
        },
        ty if ty.is_a(glib::Type::ENUM) && json.is_string() => {
            let word = json.as_str().unwrap_or_default();
            gtype::value_of(ty, word)
                .ok_or_else(|| format!("{json} is not one of {}", gtype::words(ty).join(", ")))?
        }
        _ => {
            let text = match json {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            glib::Value::deserialize_with_pspec(&text, pspec)
                .map_err(|_| format!("{json} is not a {}", ty.name()))?
        }
    })
}
