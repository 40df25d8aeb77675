//! Property names, types, ranges and words.

use serde_json::{Number, Value as Json};

use crate::catalog::{ElementDescriptor, PropertyKind, PropertyMap, PropertySpec, Refined};
use crate::diagnostic::{Code, Diagnostic, Span, did_you_mean};
use crate::parse::{list, shorten};
use crate::syntax::{Data, Element, Spanned, Value};

use super::Checker;

/// What is wrong with a value.
struct Wrong {
    code: Code,
    message: String,
    span: Span,
    help: Option<String>,
}

impl Checker<'_> {
    pub(super) fn properties(
        &mut self,
        element: &Element,
        descriptor: &ElementDescriptor,
    ) -> (PropertyMap, Refined) {
        let before = self.problems.len();
        let mut map = PropertyMap::new();
        let mut given: Vec<(&str, Span, Span)> = Vec::new();
        for (key, value) in &element.properties {
            let Some(spec) = descriptor.property(&key.value) else {
                self.unknown_property(key, element, descriptor);
                continue;
            };
            if let Some((_, first, _)) = given.iter().find(|(name, ..)| *name == spec.name) {
                self.problems.push(
                    Diagnostic::new(
                        Code::DuplicateProperty,
                        format!("the property `{}` is given twice", spec.name),
                    )
                    .label(key.span, "again here")
                    .label(*first, "first here")
                    .help("`-` and `_` are the same in names"),
                );
                continue;
            }
            given.push((&spec.name, key.span, value.span));
            match convert_property(spec, value) {
                // Nothing, where nothing is the default, is as good as not given.
                Ok(Json::Null) => {}
                Ok(json) => {
                    map.insert(spec.name.clone(), json);
                }
                Err(wrong) => self.problems.push(
                    Diagnostic::new(wrong.code, wrong.message)
                        .label(wrong.span, "here")
                        .maybe_help(wrong.help),
                ),
            }
        }
        let type_span = element.type_name.as_ref().map_or(element.id.span, |name| name.span);
        for spec in &descriptor.properties {
            let is_given = given.iter().any(|(name, ..)| *name == spec.name);
            let is_null = is_given && !map.contains_key(&spec.name);
            if spec.required && (!is_given || (is_null && self.problems.len() == before)) {
                let message = format!("`{}` needs the property `{}`", descriptor.name, spec.name);
                self.problems.push(
                    Diagnostic::new(Code::MissingProperty, message)
                        .label(type_span, format!("`{}` is missing", spec.name))
                        .help(spec.summary.clone()),
                );
            }
        }
        if self.problems.len() > before {
            // The element's own judgement needs sound values.
            return (map, Refined::default());
        }
        let refined = descriptor.refined(&map);
        for (name, problem) in &refined.problems {
            let name = name.replace('-', "_");
            let place = given.iter().find(|(given, ..)| *given == name);
            self.problems.push(
                Diagnostic::new(Code::RefusedValue, format!("`{name}` of `{}`: {problem}", element.id.value))
                    .label(place.map_or(type_span, |(_, _, span)| *span), "here"),
            );
        }
        (map, refined)
    }

    fn unknown_property(&mut self, key: &Spanned<String>, element: &Element, descriptor: &ElementDescriptor) {
        let names = || descriptor.properties.iter().map(|p| p.name.as_str());
        let help = match did_you_mean(&key.value, names()) {
            Some(name) => format!("did you mean `{name}`?"),
            None if descriptor.properties.is_empty() => format!("`{}` has no properties", descriptor.name),
            None => format!("`{}` has {}", descriptor.name, list(&names().collect::<Vec<_>>())),
        };
        let message = format!("`{}` has no property `{}`", descriptor.name, shorten(&key.value));
        let mut diagnostic =
            Diagnostic::new(Code::UnknownProperty, message).label(key.span, "unknown property").help(help);
        if let Some(name) = &element.type_name {
            diagnostic = diagnostic.label(name.span, "of this type");
        }
        self.problems.push(diagnostic);
    }
}

fn convert_property(spec: &PropertySpec, value: &Value) -> Result<Json, Wrong> {
    if value.data == Data::Null && value.raw.as_deref().is_none_or(|raw| raw == "null") {
        return match (&spec.kind, spec.default.is_null() || spec.required) {
            (PropertyKind::String, _) if value.raw.is_some() => Ok(Json::from("null")),
            (_, true) => Ok(Json::Null),
            (kind, false) => Err(wrong_type(&spec.name, kind, "nothing", value.span)),
        };
    }
    convert(&spec.name, &spec.kind, value)
}

/// A value as the property's type.
fn convert(name: &str, kind: &PropertyKind, value: &Value) -> Result<Json, Wrong> {
    let refused = || wrong_type(name, kind, value.data.kind(), value.span);
    match (kind, &value.data) {
        // In a one-liner everything is text until the property says what it wants.
        (PropertyKind::String, _) if value.raw.is_some() => {
            Ok(Json::from(value.raw.clone().unwrap_or_default()))
        }
        (PropertyKind::String, Data::Text(text)) => Ok(Json::from(text.clone())),
        (PropertyKind::String, Data::Integer(_) | Data::Float(_) | Data::Bool(_)) => {
            let mut wrong = refused();
            wrong.help = Some("put it in quotes".to_owned());
            Err(wrong)
        }
        (PropertyKind::Bool, Data::Bool(on)) => Ok(Json::from(*on)),
        (PropertyKind::Bool, Data::Text(word)) if yes_no(word) => {
            let mut wrong = refused();
            wrong.help = Some("write `true` or `false`".to_owned());
            Err(wrong)
        }
        (PropertyKind::Integer { min, max }, Data::Integer(n)) => integer(name, *n, *min, *max, value.span),
        (PropertyKind::Integer { min, max }, Data::Float(x)) => {
            if x.fract() == 0.0 && x.abs() < 9.0e15 {
                integer(name, *x as i64, *min, *max, value.span)
            } else if x.is_finite() && x.abs() >= 9.0e15 {
                Err(out_of_range(name, &bounds_integer(*min, *max), value.span))
            } else {
                Err(refused())
            }
        }
        (PropertyKind::Number { min, max }, Data::Integer(n)) => {
            number(name, *n as f64, *min, *max, value.span)
        }
        (PropertyKind::Number { min, max }, Data::Float(x)) => number(name, *x, *min, *max, value.span),
        (PropertyKind::Enum { values }, _) => {
            let word = match (&value.raw, &value.data) {
                (Some(raw), _) => raw.clone(),
                (None, Data::Text(text)) => text.clone(),
                _ => return Err(refused()),
            };
            match values.iter().find(|known| **known == word) {
                Some(known) => Ok(Json::from(known.clone())),
                None => Err(bad_word(name, &word, values, value.span)),
            }
        }
        (PropertyKind::List { item }, Data::List(items)) => {
            let mut all = Vec::with_capacity(items.len());
            for entry in items {
                // Entries of a list in a one-liner have no place of their own.
                let entry = match value.raw {
                    Some(_) => Value { span: value.span, ..entry.clone() },
                    None => entry.clone(),
                };
                all.push(convert(name, item, &entry)?);
            }
            Ok(Json::Array(all))
        }
        (PropertyKind::Record { fields }, Data::Map(entries)) => record(name, fields, entries, value),
        (PropertyKind::List { item }, _) if value.raw.is_some() && has_texts(item) => {
            // One-liner: `times=1,2.5`.
            let raw = value.raw.as_deref().unwrap_or_default();
            let parts = raw.split(',').map(str::trim).filter(|part| !part.is_empty());
            let entries = parts.map(|part| {
                let data = match serde_json::from_str::<Json>(part) {
                    Ok(Json::Bool(on)) => Data::Bool(on),
                    Ok(Json::Number(n)) => match n.as_i64() {
                        Some(n) => Data::Integer(n),
                        None => Data::Float(n.as_f64().unwrap_or(f64::NAN)),
                    },
                    _ => Data::Text(part.to_owned()),
                };
                convert(name, item, &Value { data, span: value.span, raw: Some(part.to_owned()) })
            });
            entries.collect::<Result<Vec<_>, _>>().map(Json::Array)
        }
        (PropertyKind::Map, Data::Map(_)) => json(&value.data).ok_or_else(refused),
        (PropertyKind::Map, _) if value.raw.is_some() => {
            // One-liner: `params=size=3,mode=fast`.
            let raw = value.raw.as_deref().unwrap_or_default();
            let mut map = serde_json::Map::new();
            for part in raw.split(',').map(str::trim).filter(|part| !part.is_empty()) {
                let (key, text) = part.split_once('=').ok_or_else(|| {
                    let mut wrong = refused();
                    wrong.help = Some("write `name=value,name=value`, or JSON in quotes".to_owned());
                    wrong
                })?;
                let entry = serde_json::from_str(text).unwrap_or_else(|_| Json::from(text));
                map.insert(key.trim().to_owned(), entry);
            }
            Ok(Json::Object(map))
        }
        _ => Err(refused()),
    }
}

/// A value as it is written; `None` if a number in it is not finite.
fn json(data: &Data) -> Option<Json> {
    Some(match data {
        Data::Null => Json::Null,
        Data::Bool(on) => Json::from(*on),
        Data::Integer(n) => Json::from(*n),
        Data::Float(x) => Json::Number(Number::from_f64(*x)?),
        Data::Text(text) => Json::from(text.clone()),
        Data::List(items) => Json::Array(items.iter().map(|item| json(&item.data)).collect::<Option<_>>()?),
        Data::Map(entries) => Json::Object(
            entries
                .iter()
                .map(|(key, entry)| Some((key.value.clone(), json(&entry.data)?)))
                .collect::<Option<_>>()?,
        ),
    })
}

/// Whether entries can be written as text between commas.
fn has_texts(item: &PropertyKind) -> bool {
    !matches!(item, PropertyKind::List { .. } | PropertyKind::Record { .. } | PropertyKind::Map)
}

fn record(
    name: &str,
    fields: &[PropertySpec],
    entries: &[(Spanned<String>, Value)],
    value: &Value,
) -> Result<Json, Wrong> {
    let mut map = serde_json::Map::new();
    for (key, entry) in entries {
        // What stands in a one-liner has no place of its own.
        let place =
            |span: Span| if value.raw.is_some() || span == Span::default() { value.span } else { span };
        let entry = Value { span: place(entry.span), ..entry.clone() };
        let wanted = key.value.replace('-', "_");
        let Some(field) = fields.iter().find(|f| f.name == wanted) else {
            let names = || fields.iter().map(|f| f.name.as_str());
            return Err(Wrong {
                code: Code::UnknownProperty,
                message: format!("an entry of `{name}` has no `{}`", shorten(&key.value)),
                span: place(key.span),
                help: Some(match did_you_mean(&key.value, names()) {
                    Some(known) => format!("did you mean `{known}`?"),
                    None => format!("it has {}", list(&names().collect::<Vec<_>>())),
                }),
            });
        };
        if map.contains_key(&field.name) {
            return Err(Wrong {
                code: Code::DuplicateProperty,
                message: format!("`{}` is given twice in an entry of `{name}`", field.name),
                span: place(key.span),
                help: None,
            });
        }
        let json = convert_property(field, &entry)?;
        if !json.is_null() {
            map.insert(field.name.clone(), json);
        }
    }
    match fields.iter().find(|f| f.required && !map.contains_key(&f.name)) {
        Some(missing) => Err(Wrong {
            code: Code::MissingProperty,
            message: format!("an entry of `{name}` needs `{}`", missing.name),
            span: value.span,
            help: Some(missing.summary.clone()),
        }),
        None => Ok(Json::Object(map)),
    }
}

fn yes_no(word: &str) -> bool {
    matches!(word.to_ascii_lowercase().as_str(), "yes" | "no" | "on" | "off" | "y" | "n" | "true" | "false")
}

fn integer(name: &str, n: i64, min: i64, max: i64, span: Span) -> Result<Json, Wrong> {
    match (min..=max).contains(&n) {
        true => Ok(Json::from(n)),
        false => Err(out_of_range(name, &bounds_integer(min, max), span)),
    }
}

fn number(name: &str, x: f64, min: f64, max: f64, span: Span) -> Result<Json, Wrong> {
    match Number::from_f64(x) {
        Some(number) if (min..=max).contains(&x) => Ok(Json::Number(number)),
        _ => Err(out_of_range(name, &bounds_number(min, max), span)),
    }
}

fn bounds_integer(min: i64, max: i64) -> String {
    match (min == i64::MIN, max == i64::MAX) {
        (true, true) => "any whole number of 64 bits".to_owned(),
        (true, false) => format!("at most {max}"),
        (false, true) => format!("at least {min}"),
        (false, false) => format!("{min} to {max}"),
    }
}

fn bounds_number(min: f64, max: f64) -> String {
    let (open_below, open_above) = (min <= f64::from(f32::MIN), max >= f64::from(f32::MAX));
    match (open_below, open_above) {
        (true, true) => "any finite number".to_owned(),
        (true, false) => format!("at most {max}"),
        (false, true) => format!("at least {min}"),
        (false, false) => format!("{min} to {max}"),
    }
}

fn out_of_range(name: &str, bounds: &str, span: Span) -> Wrong {
    Wrong {
        code: Code::OutOfRange,
        message: format!("the value of `{name}` is out of range"),
        span,
        help: Some(format!("`{name}` takes {bounds}")),
    }
}

fn bad_word(name: &str, word: &str, values: &[String], span: Span) -> Wrong {
    let help = match did_you_mean(word, values.iter().map(String::as_str)) {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("it is one of {}", list(values)),
    };
    Wrong {
        code: Code::BadWord,
        message: format!("`{name}` cannot be `{}`", shorten(word)),
        span,
        help: Some(help),
    }
}

fn wrong_type(name: &str, kind: &PropertyKind, found: &str, span: Span) -> Wrong {
    Wrong {
        code: Code::WrongType,
        message: format!("`{name}` takes {}, not {found}", kind_words(kind)),
        span,
        help: None,
    }
}

/// What a property takes, for a sentence.
pub(crate) fn kind_words(kind: &PropertyKind) -> String {
    match kind {
        PropertyKind::Bool => "true or false".to_owned(),
        PropertyKind::Integer { .. } => "a whole number".to_owned(),
        PropertyKind::Number { .. } => "a number".to_owned(),
        PropertyKind::String => "text".to_owned(),
        PropertyKind::Enum { .. } => "a word".to_owned(),
        PropertyKind::List { item } => match item.as_ref() {
            PropertyKind::Integer { .. } => "a list of whole numbers".to_owned(),
            PropertyKind::Number { .. } => "a list of numbers".to_owned(),
            PropertyKind::String => "a list of texts".to_owned(),
            PropertyKind::Enum { .. } => "a list of words".to_owned(),
            PropertyKind::Record { .. } => "a list of mappings".to_owned(),
            _ => "a list".to_owned(),
        },
        PropertyKind::Map => "a mapping of names to values".to_owned(),
        PropertyKind::Record { .. } => "a mapping".to_owned(),
    }
}
