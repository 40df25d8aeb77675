//! From the schema of a params struct to property specifications.

use serde_json::{Map, Value};

use crate::catalog::{PropertyKind, PropertySpec};

/// How deep `$ref` and `Option` may be nested before a schema counts as broken.
const MAX_DEPTH: usize = 16;

/// The properties that a params struct describes, from its JSON Schema (`schemars::schema_for!(Params).as_value()`).
///
/// Taken over: whole numbers and numbers with their ranges, `bool`, text, fieldless enums as words, `Option` (a
/// property whose default is null accepts null), structs and lists of these, maps of JSON values; the first paragraph of the doc comment as the
/// summary; `default`. The extension keys `x-live` and `x-required` set [`PropertySpec::live`] and
/// [`PropertySpec::required`]:
///
/// ```
/// use anabranch_graph::catalog::properties_from_schema;
///
/// #[derive(schemars::JsonSchema)]
/// struct Params {
///     /// How strong, 0 to 255.
///     #[schemars(range(min = 0, max = 255), extend("x-live" = true))]
///     strength: u32,
/// }
/// let properties = properties_from_schema(schemars::schema_for!(Params).as_value());
/// assert_eq!(properties[0].name, "strength");
/// assert!(properties[0].live);
/// ```
///
/// # Panics
///
/// If a field has a type that no property can have (a map of something else, an enum with data): a mistake in the
/// program that every run of it shows.
pub fn properties_from_schema(schema: &Value) -> Vec<PropertySpec> {
    let Some(fields) = schema.get("properties").and_then(Value::as_object) else { return Vec::new() };
    fields
        .iter()
        .map(|(name, field)| match property(schema, name, field, 0) {
            Ok(property) => property,
            Err(problem) => panic!("the params field `{name}` cannot be a property: {problem}"),
        })
        .collect()
}

fn property(root: &Value, name: &str, field: &Value, depth: usize) -> Result<PropertySpec, String> {
    let flag = |key: &str| field.get(key).and_then(Value::as_bool).unwrap_or(false);
    Ok(PropertySpec {
        name: name.replace('-', "_"),
        summary: summary(field.get("description").and_then(Value::as_str).unwrap_or_default()),
        kind: kind(root, field, depth)?,
        default: field.get("default").cloned().unwrap_or(Value::Null),
        required: flag("x-required"),
        live: flag("x-live"),
    })
}

/// The first paragraph, on one line.
fn summary(description: &str) -> String {
    let paragraph = description.split("\n\n").next().unwrap_or_default();
    paragraph.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn kind(root: &Value, schema: &Value, depth: usize) -> Result<PropertyKind, String> {
    if depth > MAX_DEPTH {
        return Err("its schema refers to itself".to_owned());
    }
    let object = schema.as_object().ok_or("it takes anything")?;
    if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
        let target = reference
            .strip_prefix('#')
            .and_then(|pointer| root.pointer(pointer))
            .ok_or_else(|| format!("`{reference}` is not in the schema"))?;
        return kind(root, target, depth + 1);
    }
    if let Some(words) = words(schema) {
        return Ok(PropertyKind::Enum { values: words });
    }
    for key in ["anyOf", "oneOf", "allOf"] {
        if let Some(branches) = object.get(key).and_then(Value::as_array) {
            let mut rest = branches.iter().filter(|b| b.get("type") != Some(&Value::from("null")));
            return match (rest.next(), rest.next()) {
                (Some(only), None) => kind(root, only, depth + 1),
                _ => Err("it takes one of several types".to_owned()),
            };
        }
    }
    match type_name(object)? {
        "boolean" => Ok(PropertyKind::Bool),
        "integer" => Ok(integer(object)),
        "number" => Ok(number(object)),
        "string" => Ok(PropertyKind::String),
        "array" => {
            let item = object.get("items").ok_or("its entries may be anything")?;
            Ok(PropertyKind::List { item: Box::new(kind(root, item, depth + 1)?) })
        }
        // Any names with any values; a struct would have its fields listed.
        "object" if object.get("additionalProperties") == Some(&Value::from(true)) => Ok(PropertyKind::Map),
        "object" => record(root, object, depth),
        other => Err(format!("no property can be of type `{other}`")),
    }
}

fn record(root: &Value, object: &Map<String, Value>, depth: usize) -> Result<PropertyKind, String> {
    let entries =
        object.get("properties").and_then(Value::as_object).ok_or("it is a map with any entries")?;
    let fields = entries.iter().map(|(name, field)| {
        property(root, name, field, depth + 1).map_err(|problem| format!("`{name}`: {problem}"))
    });
    Ok(PropertyKind::Record { fields: fields.collect::<Result<_, _>>()? })
}

/// The words of an enum without data: `enum`, or `oneOf` with constants (variants that have doc comments).
fn words(schema: &Value) -> Option<Vec<String>> {
    if let Some(word) = schema.get("const") {
        return Some(vec![word.as_str()?.to_owned()]);
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        // An optional enum lists null among its words.
        return values
            .iter()
            .filter(|v| !v.is_null())
            .map(|v| v.as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>();
    }
    let branches = schema.get("oneOf").and_then(Value::as_array)?;
    let mut all = Vec::new();
    for branch in branches.iter().filter(|b| b.get("type") != Some(&Value::from("null"))) {
        all.extend(words(branch)?);
    }
    Some(all)
}

fn type_name(object: &Map<String, Value>) -> Result<&str, String> {
    match object.get("type") {
        Some(Value::String(name)) => Ok(name),
        Some(Value::Array(names)) => {
            let mut rest = names.iter().filter_map(Value::as_str).filter(|name| *name != "null");
            match (rest.next(), rest.next()) {
                (Some(only), None) => Ok(only),
                _ => Err("it takes one of several types".to_owned()),
            }
        }
        _ => Err("it takes anything".to_owned()),
    }
}

fn integer(object: &Map<String, Value>) -> PropertyKind {
    let (mut min, mut max) = match object.get("format").and_then(Value::as_str) {
        Some("uint8") => (0, i64::from(u8::MAX)),
        Some("uint16") => (0, i64::from(u16::MAX)),
        Some("uint32") => (0, i64::from(u32::MAX)),
        Some("uint64" | "uint" | "uint128") => (0, i64::MAX),
        Some("int8") => (i64::from(i8::MIN), i64::from(i8::MAX)),
        Some("int16") => (i64::from(i16::MIN), i64::from(i16::MAX)),
        Some("int32") => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    };
    let bound = |key: &str| object.get(key).and_then(whole);
    if let Some(least) = bound("minimum") {
        min = min.max(least);
    }
    if let Some(below) = bound("exclusiveMinimum") {
        min = min.max(below.saturating_add(1));
    }
    if let Some(most) = bound("maximum") {
        max = max.min(most);
    }
    if let Some(above) = bound("exclusiveMaximum") {
        max = max.min(above.saturating_sub(1));
    }
    PropertyKind::Integer { min, max }
}

/// A bound of an integer; `range(min = 0.0)` on an integer field is still a whole number.
fn whole(value: &Value) -> Option<i64> {
    value
        .as_i64()
        .or_else(|| value.as_u64().map(|n| i64::try_from(n).unwrap_or(i64::MAX)))
        .or_else(|| value.as_f64().map(|n| n as i64))
}

fn number(object: &Map<String, Value>) -> PropertyKind {
    let bound = |key: &str| object.get(key).and_then(Value::as_f64);
    let widest = match object.get("format").and_then(Value::as_str) {
        Some("float") => f64::from(f32::MAX),
        _ => f64::MAX,
    };
    let min = bound("minimum").or(bound("exclusiveMinimum").map(f64::next_up)).unwrap_or(-widest);
    let max = bound("maximum").or(bound("exclusiveMaximum").map(f64::next_down)).unwrap_or(widest);
    PropertyKind::Number { min, max }
}

#[cfg(test)]
mod tests {
    use schemars::{JsonSchema, schema_for};
    use serde::Serialize;
    use serde_json::json;

    use super::*;

    #[derive(JsonSchema, Serialize, Default)]
    #[serde(rename_all = "kebab-case")]
    #[allow(dead_code)]
    enum Documented {
        /// One.
        #[default]
        OneThing,
        /// Two.
        Two,
        Three,
    }

    #[derive(JsonSchema, Serialize)]
    #[serde(rename_all = "lowercase")]
    #[allow(dead_code)]
    enum Plain {
        A,
        B,
    }

    #[derive(JsonSchema, Serialize, Default)]
    #[serde(default)]
    struct Params {
        /// How strong, 0 to 255.
        ///
        /// More text that `show` does not need.
        #[schemars(range(min = 0, max = 200), extend("x-live" = true))]
        strength: u8,
        #[schemars(range(min = -1.5, max = 2))]
        ratio: f64,
        on: bool,
        #[schemars(extend("x-required" = true))]
        uri: String,
        mode: Documented,
        plain: Option<Plain>,
        size: Option<u32>,
        path: Option<std::path::PathBuf>,
        times: Vec<f64>,
        modes: Vec<Documented>,
        big: u64,
        free: f32,
        marks: Vec<Mark>,
    }

    /// A mark.
    #[derive(JsonSchema, Serialize, Default)]
    #[serde(default)]
    struct Mark {
        /// Its name.
        #[schemars(extend("x-required" = true))]
        id: String,
        /// From the left.
        #[schemars(range(min = 0, max = 1))]
        x: f64,
    }

    fn find(name: &str) -> PropertySpec {
        let all = properties_from_schema(schema_for!(Params).as_value());
        all.into_iter().find(|p| p.name == name).unwrap()
    }

    #[test]
    fn takes_over_every_kind() {
        let strength = find("strength");
        assert_eq!(strength.kind, PropertyKind::Integer { min: 0, max: 200 });
        assert_eq!(strength.summary, "How strong, 0 to 255.");
        assert!(strength.live && !strength.required);
        assert_eq!(strength.default, json!(0));
        assert_eq!(find("ratio").kind, PropertyKind::Number { min: -1.5, max: 2.0 });
        assert_eq!(find("on").kind, PropertyKind::Bool);
        assert!(find("uri").required);
        let words = PropertyKind::Enum { values: vec!["one-thing".into(), "two".into(), "three".into()] };
        let mut documented = find("mode").kind;
        if let PropertyKind::Enum { values } = &mut documented {
            values.sort_by_key(|v| ["one-thing", "two", "three"].iter().position(|w| w == v));
        }
        assert_eq!(documented, words);
        assert_eq!(find("mode").default, json!("one-thing"));
        assert_eq!(find("plain").kind, PropertyKind::Enum { values: vec!["a".into(), "b".into()] });
        assert_eq!(find("plain").default, Value::Null);
        assert_eq!(find("size").kind, PropertyKind::Integer { min: 0, max: i64::from(u32::MAX) });
        assert_eq!(find("path").kind, PropertyKind::String);
        assert_eq!(
            find("times").kind,
            PropertyKind::List { item: Box::new(PropertyKind::Number { min: f64::MIN, max: f64::MAX }) }
        );
        assert!(
            matches!(find("modes").kind, PropertyKind::List { item } if matches!(*item, PropertyKind::Enum { .. }))
        );
        assert_eq!(find("big").kind, PropertyKind::Integer { min: 0, max: i64::MAX });
        assert_eq!(
            find("free").kind,
            PropertyKind::Number { min: f64::from(f32::MIN), max: f64::from(f32::MAX) }
        );
    }

    #[test]
    fn structs_become_records() {
        let PropertyKind::List { item } = find("marks").kind else { panic!("a list") };
        let PropertyKind::Record { fields } = *item else { panic!("of records") };
        assert_eq!((fields[0].name.as_str(), fields[0].required), ("id", true));
        assert_eq!(fields[1].kind, PropertyKind::Number { min: 0.0, max: 1.0 });
        assert_eq!((fields[1].default.clone(), fields[1].summary.as_str()), (json!(0.0), "From the left."));
    }

    #[test]
    #[should_panic(expected = "the params field `nested` cannot be a property")]
    fn a_map_is_refused() {
        properties_from_schema(&json!({"properties": {"nested": {"type": "object"}}}));
    }
}
