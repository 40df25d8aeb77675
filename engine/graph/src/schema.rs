//! The description language as a JSON Schema, so that editors complete and check it.

use serde_json::{Map, Value, json};

use crate::catalog::{Catalog, ElementDescriptor, PropertyKind, PropertySpec};
use crate::format::Format;

/// The JSON Schema (2020-12) of descriptions that use this catalogue. Deterministic.
///
/// Properties are listed under their snake_case names; the same names with `-` are accepted by a pattern.
pub fn description_schema(catalog: &Catalog) -> Value {
    let names: Vec<&str> = catalog.iter().map(|descriptor| descriptor.name.as_str()).collect();
    let per_type: Vec<Value> = catalog
        .iter()
        .map(|descriptor| {
            json!({
                "if": {"properties": {"type": {"const": descriptor.name}}, "required": ["type"]},
                "then": {"$ref": format!("#/$defs/{}", descriptor.name)},
            })
        })
        .collect();
    let whole = |description: &str, least: u32, most: u32| json!({"type": "integer", "minimum": least, "maximum": most, "description": description});
    let rate = |description: &str| whole(description, 1, 1_000_000);
    let mut definitions = Map::new();
    for descriptor in catalog.iter() {
        definitions.insert(descriptor.name.clone(), element(descriptor));
    }
    definitions.insert(
        "type".to_owned(),
        json!({
            "description": "The element type.",
            "oneOf": catalog
                .iter()
                .map(|d| json!({"const": d.name, "description": d.summary}))
                .collect::<Vec<_>>(),
        }),
    );
    definitions.insert(
        "on-error".to_owned(),
        json!({
            "description": "What happens to the graph when this element fails.",
            "oneOf": [
                {"const": "stop-pipeline", "description": "The whole pipeline stops, recordings are finalised. Default for sources and filters."},
                {"const": "drop-element", "description": "The element is taken out, the rest goes on. Default for sinks and endpoints."},
                {"const": "restart", "description": "The element's failure domain is built anew, with growing pauses."},
            ],
        }),
    );
    definitions.insert(
        "link".to_owned(),
        json!({
            "oneOf": [
                {
                    "type": "string",
                    "pattern": "->",
                    "description": "`from -> to`, also `a -> b -> c` and `camera.audio -> recorder`.",
                },
                {
                    "type": "object",
                    "required": ["from", "to"],
                    "additionalProperties": false,
                    "properties": {
                        "from": {"type": "string", "description": "`element` or `element.port`."},
                        "to": {"type": "string", "description": "`element` or `element.port`."},
                        "media": {
                            "description": "The media that the link is limited to.",
                            "oneOf": [
                                {"$ref": "#/$defs/medium"},
                                {"type": "array", "items": {"$ref": "#/$defs/medium"}, "minItems": 1},
                            ],
                        },
                        "transcoding": {
                            "enum": ["allow", "forbid"],
                            "default": "allow",
                            "description": "Whether a needed transcode is allowed or an error.",
                        },
                        "format": {
                            "description": "What flows, most wanted first; what is something else is transcoded. \
                                Media without a format here flow as the consumer takes them.",
                            "oneOf": [
                                {"$ref": "#/$defs/format"},
                                {"type": "array", "items": {"$ref": "#/$defs/format"}, "minItems": 1},
                            ],
                        },
                        "bitrate": rate("Bit rate of the encoder, if one is needed, kbit/s."),
                        "min-bitrate": rate("The encoder's bit rate does not fall below this, kbit/s."),
                        "max-bitrate": rate("The encoder's bit rate does not rise above this, kbit/s."),
                        "max-width": whole("Pictures that are wider are made smaller, pixels.", 16, 16_384),
                        "max-height": whole("Pictures that are higher are made smaller, pixels.", 16, 16_384),
                        "max-frame-rate": whole("Frames that come faster are left out, frames per second.", 1, 240),
                    },
                },
            ],
        }),
    );
    definitions.insert("medium".to_owned(), json!({"enum": ["video", "audio", "data"]}));
    let formats: Vec<&str> = std::iter::once("raw").chain(Format::KNOWN.iter().map(Format::word)).collect();
    definitions.insert("format".to_owned(), json!({"enum": formats}));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Anabranch graph description",
        "type": "object",
        "required": ["elements"],
        "additionalProperties": false,
        "properties": {
            "$schema": {"type": "string"},
            "name": {"type": "string", "description": "The graph's name; the file's name if it has none."},
            "description": {"type": "string", "description": "What the graph is for."},
            "elements": {
                "type": "object",
                "description": "The elements by id.",
                "minProperties": 1,
                "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_-]*$", "maxLength": 64},
                "additionalProperties": {
                    "oneOf": [
                        {"$ref": "#/$defs/type"},
                        {
                            "type": "object",
                            "required": ["type"],
                            "properties": {"type": {"enum": names}},
                            "allOf": per_type,
                        },
                    ],
                },
            },
            "links": {
                "type": "array",
                "description": "Where media flows.",
                "items": {"$ref": "#/$defs/link"},
            },
        },
        "$defs": definitions,
    })
}

fn element(descriptor: &ElementDescriptor) -> Value {
    let mut properties = Map::new();
    properties.insert("type".to_owned(), json!({"const": descriptor.name}));
    properties.insert("on-error".to_owned(), json!({"$ref": "#/$defs/on-error"}));
    let mut dashed = Map::new();
    let mut required = Vec::new();
    for property in &descriptor.properties {
        properties.insert(property.name.clone(), self::property(property));
        if property.name.contains('_') {
            let name = property.name.replace('_', "[-_]");
            dashed.insert(format!("^{name}$"), kind(&property.kind, property.default.is_null()));
        }
        match property.required {
            true if property.name.contains('_') => required.push(json!({"anyOf": [
                {"required": [property.name]},
                {"required": [property.name.replace('_', "-")]},
            ]})),
            true => required.push(json!({"required": [property.name]})),
            false => {}
        }
    }
    // Both spellings of the key itself are accepted, too.
    dashed.insert("^on_error$".to_owned(), json!({"$ref": "#/$defs/on-error"}));
    let mut schema = json!({
        "description": descriptor.summary,
        "type": "object",
        "properties": properties,
        "patternProperties": dashed,
        "additionalProperties": false,
    });
    if let (Some(object), false) = (schema.as_object_mut(), required.is_empty()) {
        object.insert("allOf".to_owned(), Value::Array(required));
    }
    schema
}

fn property(spec: &PropertySpec) -> Value {
    let mut schema = kind(&spec.kind, spec.default.is_null() && !spec.required);
    if let Some(object) = schema.as_object_mut() {
        let live = if spec.live { " May change while media flows." } else { "" };
        object.insert("description".to_owned(), Value::from(format!("{}{live}", spec.summary)));
        if !spec.default.is_null() {
            object.insert("default".to_owned(), spec.default.clone());
        }
    }
    schema
}

fn kind(kind: &PropertyKind, nullable: bool) -> Value {
    let typed = |name: &str| match nullable {
        true => json!({"type": [name, "null"]}),
        false => json!({"type": name}),
    };
    let bound = |schema: &mut Value, key: &str, value: Value| {
        if let Some(object) = schema.as_object_mut() {
            object.insert(key.to_owned(), value);
        }
    };
    match kind {
        PropertyKind::Bool => typed("boolean"),
        PropertyKind::String => typed("string"),
        PropertyKind::Integer { min, max } => {
            let mut schema = typed("integer");
            if *min != i64::MIN {
                bound(&mut schema, "minimum", json!(min));
            }
            if *max != i64::MAX {
                bound(&mut schema, "maximum", json!(max));
            }
            schema
        }
        PropertyKind::Number { min, max } => {
            let mut schema = typed("number");
            if *min > f64::from(f32::MIN) {
                bound(&mut schema, "minimum", json!(min));
            }
            if *max < f64::from(f32::MAX) {
                bound(&mut schema, "maximum", json!(max));
            }
            schema
        }
        PropertyKind::Enum { values } => {
            let mut words: Vec<Value> = values.iter().map(|word| json!(word)).collect();
            if nullable {
                words.push(Value::Null);
            }
            json!({ "enum": words })
        }
        PropertyKind::List { item } => {
            let mut schema = typed("array");
            bound(&mut schema, "items", self::kind(item, false));
            schema
        }
        PropertyKind::Map => typed("object"),
        PropertyKind::Record { fields } => {
            let mut schema = typed("object");
            let properties = fields.iter().map(|field| (field.name.clone(), property(field)));
            bound(&mut schema, "properties", Value::Object(properties.collect()));
            let required: Vec<&str> = fields.iter().filter(|f| f.required).map(|f| f.name.as_str()).collect();
            if !required.is_empty() {
                bound(&mut schema, "required", json!(required));
            }
            bound(&mut schema, "additionalProperties", json!(false));
            schema
        }
    }
}
