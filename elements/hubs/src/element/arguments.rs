//! Arguments of commands: reading them, and who is meant.

use anabranch_graph::diagnostic::did_you_mean;
use anabranch_kit::command::{CommandError, CommandErrorKind};
use gst::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::hub::{Hub, WHOLE};

/// Reads a command's arguments.
///
/// # Errors
///
/// They do not fit.
pub fn read<T: DeserializeOwned>(arguments: Value) -> Result<T, CommandError> {
    serde_json::from_value(arguments).map_err(|error| wrong("bad-arguments", error.to_string()))
}

/// Reads a connection of a description, `source -> sink`, or `source` for the hub's own output.
///
/// # Errors
///
/// It is neither.
pub fn connection(text: &str) -> Result<(String, String), String> {
    let ends: Vec<&str> = text.split("->").map(str::trim).collect();
    let is_name = |name: &str| !name.is_empty() && !name.contains(char::is_whitespace);
    match ends.as_slice() {
        [source] if is_name(source) => Ok(((*source).to_owned(), WHOLE.to_owned())),
        [source, sink] if is_name(source) && is_name(sink) => Ok(((*source).to_owned(), (*sink).to_owned())),
        _ => Err(format!("'{text}' is not `source -> sink`")),
    }
}

/// An argument that is wrong.
pub fn wrong(code: &str, text: impl Into<String>) -> CommandError {
    CommandError::new(CommandErrorKind::InvalidInput, code, text)
}

/// A party that exists.
///
/// # Errors
///
/// There is no such party.
pub fn party(hub: &Hub, name: &str) -> Result<String, CommandError> {
    let names = hub.names();
    if names.iter().any(|known| known == name) {
        return Ok(name.to_owned());
    }
    let help = match did_you_mean(name, names.iter().map(String::as_str)) {
        Some(known) => format!("; did you mean '{known}'?"),
        None if names.is_empty() => "; it has no ports yet".to_owned(),
        None => format!("; there are {}", names.join(", ")),
    };
    Err(wrong("unknown-port", format!("the hub has no port '{name}'{help}")))
}

/// Somebody who listens: a party, or the hub's own output if nobody is named, or the hub itself is.
///
/// # Errors
///
/// There is no such party.
pub fn listener(hub: &Hub, name: Option<&str>) -> Result<String, CommandError> {
    match name {
        Some(name) if own(hub, name) == name => party(hub, name),
        _ => Ok(WHOLE.to_owned()),
    }
}

/// Who is meant by the name of a listener: the hub's id is its own output.
pub fn own<'a>(hub: &Hub, name: &'a str) -> &'a str {
    let is_own = hub.bin.upgrade().is_some_and(|bin| bin.name().as_str() == name);
    if is_own { WHOLE } else { name }
}
