//! Reading YAML with the place of every part. The only file that knows the YAML library.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy};

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::parse::MAX_BYTES;
use crate::syntax::{Data, Spanned, Value};

/// Reads any YAML value with the places of all its parts.
pub(crate) fn read(text: &str) -> Result<Value, Box<Diagnostic>> {
    let mut options = serde_saphyr::Options::default();
    options.duplicate_keys = DuplicateKeyPolicy::PassThrough;
    options.merge_keys = MergeKeyPolicy::AsOrdinary;
    options.non_finite_float_policy = NonFiniteFloatPolicy::AsString;
    options.strict_booleans = true;
    options.with_snippet = false;
    options.alias_limits.max_total_replayed_events = 10_000;
    options.alias_limits.max_replay_stack_depth = 4;
    if let Some(budget) = &mut options.budget {
        budget.max_depth = 24;
        budget.flow_nesting_limit = 24;
        budget.max_aliases = 64;
        budget.max_anchors = 64;
        budget.max_recorded_anchor_events = 10_000;
        budget.max_recorded_anchor_bytes = MAX_BYTES;
    }
    serde_saphyr::from_str_with_options::<serde_saphyr::Spanned<Raw>>(text, options)
        .map(|raw| value(raw, text, Span::new(0, text.len())))
        .map_err(|error| Box::new(syntax_error(&error, text)))
}

fn syntax_error(error: &serde_saphyr::Error, text: &str) -> Diagnostic {
    let error = error.without_snippet();
    let full = error.to_string();
    // The place is drawn; repeating it in the words would only add noise.
    let message = full.split(" at line ").next().unwrap_or(&full).trim().trim_end_matches('.');
    let limits = ["limit", "budget", "exceed", "nesting"];
    let code = match error {
        serde_saphyr::Error::Budget { .. } => Code::TooLarge,
        _ if limits.iter().any(|word| message.to_ascii_lowercase().contains(word)) => Code::TooLarge,
        _ => Code::Syntax,
    };
    let message = match error {
        serde_saphyr::Error::MultipleDocuments { .. } => {
            "there is a second document; a description is one".to_owned()
        }
        _ if code == Code::TooLarge => "the description is too deep or too repetitive".to_owned(),
        _ => format!("this is not YAML: {message}"),
    };
    let at = error
        .location()
        .and_then(|location| {
            let span = location.span();
            let start = usize::try_from(span.byte_offset()?).ok()?;
            let len = usize::try_from(span.byte_len().unwrap_or(0)).ok()?;
            Some(Span::new(start, start.saturating_add(len)))
        })
        .unwrap_or(Span::new(text.len(), text.len()));
    // An excerpt needs one character at least; a whole document is too much.
    let first_line = text.get(at.start..).map_or(0, |rest| rest.find('\n').unwrap_or(rest.len()));
    let end = at.end.min(at.start.saturating_add(first_line.max(1)));
    Diagnostic::new(code, message).label(Span::new(at.start, end).within(text), "here")
}

/// What the YAML reader hands over.
enum Raw {
    Scalar(Data),
    List(Vec<serde_saphyr::Spanned<Raw>>),
    Map(Vec<(serde_saphyr::Spanned<String>, serde_saphyr::Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RawVisitor;

        impl<'de> Visitor<'de> for RawVisitor {
            type Value = Raw;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
                Ok(Raw::Scalar(Data::Bool(value)))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
                Ok(Raw::Scalar(Data::Integer(value)))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
                Ok(Raw::Scalar(i64::try_from(value).map_or(Data::Float(value as f64), Data::Integer)))
            }
            fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
                Ok(Raw::Scalar(Data::Float(value as f64)))
            }
            fn visit_u128<E>(self, value: u128) -> Result<Raw, E> {
                Ok(Raw::Scalar(Data::Float(value as f64)))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
                Ok(Raw::Scalar(Data::Float(value)))
            }
            fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
                Ok(Raw::Scalar(Data::Text(value.to_owned())))
            }
            fn visit_string<E>(self, value: String) -> Result<Raw, E> {
                Ok(Raw::Scalar(Data::Text(value)))
            }
            fn visit_bytes<E>(self, value: &[u8]) -> Result<Raw, E> {
                Ok(Raw::Scalar(Data::Text(String::from_utf8_lossy(value).into_owned())))
            }
            fn visit_unit<E>(self) -> Result<Raw, E> {
                Ok(Raw::Scalar(Data::Null))
            }
            fn visit_none<E>(self) -> Result<Raw, E> {
                Ok(Raw::Scalar(Data::Null))
            }
            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
                deserializer.deserialize_any(RawVisitor)
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
                deserializer.deserialize_any(RawVisitor)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
                let mut all = Vec::new();
                while let Some(item) = seq.next_element()? {
                    all.push(item);
                }
                Ok(Raw::List(all))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
                let mut all = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    all.push(entry);
                }
                Ok(Raw::Map(all))
            }
        }

        deserializer.deserialize_any(RawVisitor)
    }
}

fn place<T>(spanned: &serde_saphyr::Spanned<T>, text: &str, outer: Span) -> Span {
    let span = spanned.referenced.span();
    match (span.byte_offset(), span.byte_len()) {
        (Some(start), Some(len)) => {
            let start = usize::try_from(start).unwrap_or(usize::MAX);
            let end = start.saturating_add(usize::try_from(len).unwrap_or(usize::MAX));
            trim(Span::new(start, end).within(text), text)
        }
        _ => outer,
    }
}

/// Without the white space around it, so that a label does not run into the next line.
fn trim(span: Span, text: &str) -> Span {
    let slice = &text[span.range()];
    let start = span.start + (slice.len() - slice.trim_start().len());
    let end = start + slice.trim().len();
    if slice.trim().is_empty() { span } else { Span::new(start, end) }
}

fn value(raw: serde_saphyr::Spanned<Raw>, text: &str, outer: Span) -> Value {
    let mut span = place(&raw, text, outer);
    let data = match raw.value {
        Raw::Scalar(data) => data,
        Raw::List(items) => {
            let items: Vec<Value> = items.into_iter().map(|item| value(item, text, span)).collect();
            for item in &items {
                span = span.to(item.span);
            }
            Data::List(items)
        }
        Raw::Map(entries) => {
            let mut all = Vec::with_capacity(entries.len());
            for (key, entry) in entries {
                let key_span = place(&key, text, span);
                let mut entry = value(entry, text, key_span);
                if entry.data == Data::Null && entry.span.start == entry.span.end {
                    // Nothing stands there: point at the key.
                    entry.span = key_span;
                }
                span = span.to(key_span).to(entry.span);
                all.push((Spanned::new(key.value, key_span), entry));
            }
            Data::Map(all)
        }
    };
    Value { data, span, raw: None }
}
