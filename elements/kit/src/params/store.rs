//! The values of an element's properties.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anabranch_graph::catalog::PropertyKind;
use glib::prelude::*;
use serde_json::Value;

use super::{Params, gtype, table};

/// Why a property kept its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParamError {
    /// The element has no such property.
    #[error("there is no property '{0}'")]
    Unknown(String),
    /// The value does not fit.
    #[error("property '{name}': {problem}")]
    Unfit {
        /// The property, snake_case.
        name: String,
        /// What is wrong with the value, for a person.
        problem: String,
    },
}

/// The values of an element's properties: a params struct behind a lock, set and read through serde.
#[derive(Debug, Default)]
pub struct ParamStore<P> {
    params: Mutex<P>,
    version: AtomicU64,
    restarts: AtomicU64,
}

impl<P: Params> ParamStore<P> {
    /// A store that starts with these values.
    pub fn new(params: P) -> Self {
        ParamStore { params: Mutex::new(params), version: AtomicU64::new(0), restarts: AtomicU64::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, P> {
        self.params.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy of all values.
    pub fn get(&self) -> P {
        self.lock().clone()
    }

    /// Looks at the values under their lock: be short, and call nothing that could set a property.
    pub fn with<R>(&self, look: impl FnOnce(&P) -> R) -> R {
        look(&self.lock())
    }

    /// A number that grows with every change.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// A number that grows with every change of a property that is not live.
    pub fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Acquire)
    }

    /// Sets one property, by its snake_case or kebab-case name. Null sets the default.
    ///
    /// # Errors
    ///
    /// [`ParamError`], and the property keeps its value.
    pub fn set(&self, name: &str, value: &Value) -> Result<(), ParamError> {
        let property = table::<P>().property(name).ok_or_else(|| ParamError::Unknown(name.to_owned()))?;
        let unfit = |problem: String| ParamError::Unfit { name: property.name.clone(), problem };
        let value = if value.is_null() { property.default.clone() } else { value.clone() };
        if !value.is_null() {
            fits(&property.kind, &value).map_err(unfit)?;
        }
        let value = coerce(&property.kind, value);
        let mut params = self.lock();
        let mut all = serde_json::to_value(&*params).map_err(|e| unfit(e.to_string()))?;
        let Some(map) = all.as_object_mut() else {
            return Err(unfit("its params are not a struct".into()));
        };
        if value.is_null() {
            map.remove(&property.name);
        } else {
            map.insert(property.name.clone(), value);
        }
        *params = serde_json::from_value(all).map_err(|e| unfit(e.to_string()))?;
        drop(params);
        if !property.live {
            self.restarts.fetch_add(1, Ordering::AcqRel);
        }
        self.version.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    /// The value of one property as JSON, by its snake_case or kebab-case name.
    ///
    /// # Errors
    ///
    /// [`ParamError::Unknown`].
    pub fn json(&self, name: &str) -> Result<Value, ParamError> {
        let property = table::<P>().property(name).ok_or_else(|| ParamError::Unknown(name.to_owned()))?;
        let all = self.with(|params| serde_json::to_value(params)).unwrap_or(Value::Null);
        Ok(all.get(&property.name).cloned().unwrap_or(Value::Null))
    }

    /// Sets one property from a GObject value of the type that [`table`] gave it.
    ///
    /// # Errors
    ///
    /// [`ParamError`], and the property keeps its value.
    pub fn set_value(&self, name: &str, value: &glib::Value) -> Result<(), ParamError> {
        let property = table::<P>().property(name).ok_or_else(|| ParamError::Unknown(name.to_owned()))?;
        let json = to_json(&property.kind, value)
            .map_err(|problem| ParamError::Unfit { name: property.name.clone(), problem })?;
        self.set(name, &json)
    }

    /// The value of one property as a GObject value; the property's default if there is none.
    pub fn value(&self, pspec: &glib::ParamSpec) -> glib::Value {
        let json = self.json(pspec.name()).unwrap_or(Value::Null);
        from_json(&json, pspec).unwrap_or_else(|| pspec.default_value().clone())
    }
}

fn to_json(kind: &PropertyKind, value: &glib::Value) -> Result<Value, String> {
    let wrong = |_| format!("a {} does not fit", value.type_().name());
    Ok(match kind {
        PropertyKind::Bool => Value::from(value.get::<bool>().map_err(wrong)?),
        PropertyKind::Integer { .. } => Value::from(value.get::<i64>().map_err(wrong)?),
        PropertyKind::Number { .. } => Value::from(value.get::<f64>().map_err(wrong)?),
        PropertyKind::Enum { .. } if value.type_().is_a(glib::Type::ENUM) => {
            gtype::word(value).map_or(Value::Null, Value::from)
        }
        PropertyKind::String | PropertyKind::Enum { .. } => value
            .get::<Option<String>>()
            .map_err(|_| "is not text".to_owned())?
            .map_or(Value::Null, Value::from),
        PropertyKind::List { .. } => {
            match value.get::<Option<&str>>().map_err(|_| "is not text".to_owned())? {
                None | Some("") => Value::Array(Vec::new()),
                Some(text) => serde_json::from_str(text).map_err(|e| format!("is not a JSON list: {e}"))?,
            }
        }
        PropertyKind::Map => match value.get::<Option<&str>>().map_err(|_| "is not text".to_owned())? {
            None | Some("") => Value::Object(serde_json::Map::new()),
            Some(text) => serde_json::from_str(text).map_err(|e| format!("is not a JSON object: {e}"))?,
        },
        PropertyKind::Record { .. } => {
            match value.get::<Option<&str>>().map_err(|_| "is not text".to_owned())? {
                None | Some("") => Value::Null,
                Some(text) => serde_json::from_str(text).map_err(|e| format!("is not a JSON object: {e}"))?,
            }
        }
    })
}

fn from_json(json: &Value, pspec: &glib::ParamSpec) -> Option<glib::Value> {
    let ty = pspec.value_type();
    Some(match ty {
        glib::Type::BOOL => json.as_bool()?.to_value(),
        glib::Type::I64 => json.as_i64()?.to_value(),
        glib::Type::F64 => json.as_f64()?.to_value(),
        glib::Type::STRING => match json {
            Value::Null => None::<&str>.to_value(),
            Value::String(text) => text.to_value(),
            other => other.to_string().to_value(),
        },
        ty if ty.is_a(glib::Type::ENUM) => gtype::value_of(ty, json.as_str()?)?,
        _ => return None,
    })
}

/// Whole numbers written as `2.0` are whole numbers.
fn coerce(kind: &PropertyKind, value: Value) -> Value {
    match (kind, value.as_i64(), value.as_f64()) {
        (PropertyKind::Integer { .. }, None, Some(number)) => Value::from(number as i64),
        _ => value,
    }
}

fn fits(kind: &PropertyKind, value: &Value) -> Result<(), String> {
    match kind {
        PropertyKind::Bool if value.is_boolean() => Ok(()),
        PropertyKind::Bool => Err(format!("{value} is not true or false")),
        PropertyKind::Integer { min, max } => {
            let whole = |f: &f64| f.fract() == 0.0 && f.abs() < 9.0e15;
            let number = value.as_i64().or_else(|| value.as_f64().filter(whole).map(|f| f as i64));
            match number {
                None => Err(format!("{value} is not a whole number")),
                Some(n) if n < *min || n > *max => Err(format!("{n} is not between {min} and {max}")),
                Some(_) => Ok(()),
            }
        }
        PropertyKind::Number { min, max } => match value.as_f64() {
            None => Err(format!("{value} is not a number")),
            Some(n) if n < *min || n > *max || n.is_nan() => {
                Err(format!("{n} is not between {min} and {max}"))
            }
            Some(_) => Ok(()),
        },
        PropertyKind::String if value.is_string() => Ok(()),
        PropertyKind::String => Err(format!("{value} is not text")),
        PropertyKind::Enum { values } => match value.as_str() {
            Some(word) if values.iter().any(|v| v == word) => Ok(()),
            _ => Err(format!("{value} is not one of {}", values.join(", "))),
        },
        PropertyKind::List { item } => match value.as_array() {
            None => Err(format!("{value} is not a list")),
            Some(items) => items.iter().enumerate().try_for_each(|(i, entry)| {
                fits(item, entry).map_err(|problem| format!("entry {}: {problem}", i + 1))
            }),
        },
        PropertyKind::Map if value.is_object() => Ok(()),
        PropertyKind::Map => Err(format!("{value} is not a mapping of names to values")),
        PropertyKind::Record { fields } => {
            let map = value.as_object().ok_or_else(|| format!("{value} is not a mapping"))?;
            if let Some(unknown) = map.keys().find(|key| fields.iter().all(|f| f.name != **key)) {
                return Err(format!("there is no '{unknown}'"));
            }
            for field in fields {
                match map.get(&field.name) {
                    None if field.required => return Err(format!("'{}' is missing", field.name)),
                    None => {}
                    Some(Value::Null) if field.default.is_null() && !field.required => {}
                    Some(entry) => {
                        fits(&field.kind, entry).map_err(|problem| format!("'{}': {problem}", field.name))?;
                    }
                }
            }
            Ok(())
        }
    }
}
