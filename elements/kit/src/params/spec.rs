//! From a params struct to property descriptions and GObject `ParamSpec`s.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use anabranch_graph::catalog::{PropertyKind, PropertySpec, properties_from_schema};
use glib::prelude::*;
use serde_json::Value;

use super::{Params, gtype};

/// The properties that a params struct makes, computed once per type.
#[derive(Debug)]
pub struct Table {
    properties: Vec<PropertySpec>,
    owner: &'static str,
}

/// The table of a params struct.
pub fn table<P: Params>() -> &'static Table {
    static TABLES: Mutex<Option<HashMap<TypeId, &'static Table>>> = Mutex::new(None);
    let mut tables = TABLES.lock().unwrap_or_else(PoisonError::into_inner);
    // One table per type in the program's source, so what is leaked is bounded.
    tables
        .get_or_insert_default()
        .entry(TypeId::of::<P>())
        .or_insert_with(|| Box::leak(Box::new(Table::new::<P>())))
}

impl Table {
    fn new<P: Params>() -> Self {
        let schema = schemars::schema_for!(P).to_value();
        let defaults = serde_json::to_value(P::default()).unwrap_or(Value::Null);
        let mut properties = properties_from_schema(&schema);
        for property in &mut properties {
            // What a description must give has no default, whatever the struct starts with.
            property.default = if property.required {
                Value::Null
            } else {
                defaults.get(&property.name).cloned().unwrap_or(Value::Null)
            };
        }
        let owner = std::any::type_name::<P>();
        Table { properties, owner }
    }

    /// The properties as the catalogue describes them, snake_case.
    pub fn properties(&self) -> &[PropertySpec] {
        &self.properties
    }

    /// The properties as GObject has them, kebab-case, in the same order. They are made anew in each call: one of them can
    /// belong to one class only, and classes may share a params struct.
    pub fn param_specs(&self) -> Vec<glib::ParamSpec> {
        self.properties.iter().map(|p| param_spec(p, self.owner)).collect()
    }

    /// The property of that name; `-` and `_` are the same.
    pub fn property(&self, name: &str) -> Option<&PropertySpec> {
        let same = |p: &&PropertySpec| {
            p.name.len() == name.len()
                && p.name.bytes().zip(name.bytes()).all(|(a, b)| a == b || (a == b'_' && b == b'-'))
        };
        self.properties.iter().find(same)
    }

    /// The read-only property `stats`.
    pub fn stats_spec() -> glib::ParamSpec {
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Stats")
            .blurb("Counters and times since the element was started")
            .read_only()
            .build()
    }
}

fn param_spec(property: &PropertySpec, owner: &str) -> glib::ParamSpec {
    let name = property.name.replace('_', "-");
    let nick = nick(&property.name);
    let blurb = property.summary.as_str();
    let mut flags = glib::ParamFlags::READWRITE;
    flags |= if property.live { gst::PARAM_FLAG_MUTABLE_PLAYING } else { gst::PARAM_FLAG_MUTABLE_READY };
    let default = &property.default;
    match &property.kind {
        PropertyKind::Bool => glib::ParamSpecBoolean::builder(&name)
            .nick(&nick)
            .blurb(blurb)
            .default_value(default.as_bool().unwrap_or_default())
            .flags(flags)
            .build(),
        PropertyKind::Integer { min, max } => glib::ParamSpecInt64::builder(&name)
            .nick(&nick)
            .blurb(blurb)
            .minimum(*min)
            .maximum(*max)
            .default_value(default.as_i64().unwrap_or(0).clamp(*min, *max))
            .flags(flags)
            .build(),
        PropertyKind::Number { min, max } => glib::ParamSpecDouble::builder(&name)
            .nick(&nick)
            .blurb(blurb)
            .minimum(*min)
            .maximum(*max)
            .default_value(default.as_f64().unwrap_or(0.0).clamp(*min, *max))
            .flags(flags)
            .build(),
        PropertyKind::Enum { values } => {
            let index = values.iter().position(|v| Some(v.as_str()) == default.as_str()).unwrap_or(0);
            match gtype::enum_type(&enum_name(owner, &property.name), values) {
                Some(ty) if !values.is_empty() => {
                    gtype::enum_spec(&name, &nick, blurb, ty, index as i32, flags)
                }
                _ => string_spec(&name, &nick, blurb, default.as_str(), flags),
            }
        }
        PropertyKind::String => string_spec(&name, &nick, blurb, default.as_str(), flags),
        PropertyKind::List { .. } => {
            let blurb = format!("{blurb} (a JSON list)");
            let text = if default.is_null() { "[]".to_owned() } else { default.to_string() };
            string_spec(&name, &nick, &blurb, Some(&text), flags)
        }
        PropertyKind::Map => {
            let blurb = format!("{blurb} (a JSON object)");
            let text = if default.is_null() { "{}".to_owned() } else { default.to_string() };
            string_spec(&name, &nick, &blurb, Some(&text), flags)
        }
        PropertyKind::Record { .. } => {
            let blurb = format!("{blurb} (a JSON object)");
            let text = (!default.is_null()).then(|| default.to_string());
            string_spec(&name, &nick, &blurb, text.as_deref(), flags)
        }
    }
}

fn string_spec(
    name: &str,
    nick: &str,
    blurb: &str,
    default: Option<&str>,
    flags: glib::ParamFlags,
) -> glib::ParamSpec {
    glib::ParamSpecString::builder(name).nick(nick).blurb(blurb).default_value(default).flags(flags).build()
}

/// `hold_ms` -> `Hold ms`.
fn nick(name: &str) -> String {
    let mut chars = name.chars();
    let first = chars.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(chars.map(|c| if c == '_' { ' ' } else { c })).collect()
}

/// A GType name that is unique to the struct and its field.
fn enum_name(owner: &str, field: &str) -> String {
    let clean = |s: &str| -> String {
        s.split(|c: char| !c.is_ascii_alphanumeric())
            .map(|part| {
                let mut chars = part.chars();
                let first = chars.next().map(|c| c.to_ascii_uppercase());
                first.into_iter().chain(chars).collect::<String>()
            })
            .collect()
    };
    format!("Ab{}{}", clean(owner), clean(field))
}
