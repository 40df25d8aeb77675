//! Parameters, held against the types of the surface.

use serde_json::{Map, Value};

use super::error::RpcError;
use super::surface::{Parameter, Surface};

/// What the check must know of the objects that live.
pub(crate) trait Objects {
    /// The name of the object's class.
    fn class_of(&self, id: &str) -> Option<&str>;
}

/// Checks the parameters given against those wanted. Returns them with defaults filled in and numbers as numbers;
/// what is optional and has no default may be missing. What nobody asked for is left out.
pub(crate) fn check(
    surface: &Surface,
    wanted: &[&Parameter],
    given: &Map<String, Value>,
    objects: &dyn Objects,
) -> Result<Map<String, Value>, RpcError> {
    let mut out = Map::new();
    for parameter in wanted {
        match given.get(&parameter.name) {
            None | Some(Value::Null) => match (&parameter.default, parameter.optional) {
                (Some(default), _) => {
                    out.insert(parameter.name.clone(), default.clone());
                }
                (None, true) => {}
                (None, false) => return Err(RpcError::missing(&parameter.name)),
            },
            Some(value) => {
                let value = convert(surface, &parameter.name, &parameter.kind, value, objects)?;
                out.insert(parameter.name.clone(), value);
            }
        }
    }
    Ok(out)
}

fn convert(
    surface: &Surface,
    name: &str,
    kind: &str,
    value: &Value,
    objects: &dyn Objects,
) -> Result<Value, RpcError> {
    if let Some(item) = kind.strip_suffix("[]") {
        let Value::Array(items) = value else { return Err(RpcError::mistyped(name, "a list")) };
        let items = items.iter().map(|value| convert(surface, name, item, value, objects));
        return items.collect::<Result<Vec<_>, _>>().map(Value::Array);
    }
    if let Some(item) = kind.strip_suffix("<>") {
        let Value::Object(items) = value else { return Err(RpcError::mistyped(name, "a map")) };
        let items =
            items.iter().map(|(key, value)| Ok((key.clone(), convert(surface, name, item, value, objects)?)));
        return items.collect::<Result<Map<_, _>, RpcError>>().map(Value::Object);
    }
    let wrong = |wanted: &str| RpcError::mistyped(name, wanted);
    match kind {
        "String" => match value {
            Value::String(_) => Ok(value.clone()),
            _ => Err(wrong("a string")),
        },
        "boolean" => match value {
            Value::Bool(_) => Ok(value.clone()),
            Value::String(text) => text.parse().map(Value::Bool).map_err(|_| wrong("a boolean")),
            _ => Err(wrong("a boolean")),
        },
        "int" => integer(value)
            .filter(|n| i32::try_from(*n).is_ok())
            .map(Value::from)
            .ok_or_else(|| wrong("a integer")),
        "int64" => integer(value).map(Value::from).ok_or_else(|| wrong("a integer64")),
        "float" | "double" => number(value).map(Value::from).ok_or_else(|| wrong("a double")),
        _ => convert_named(surface, name, kind, value, objects),
    }
}

/// Enumerations, types with fields and objects.
fn convert_named(
    surface: &Surface,
    name: &str,
    kind: &str,
    value: &Value,
    objects: &dyn Objects,
) -> Result<Value, RpcError> {
    let wrong = |wanted: &str| RpcError::mistyped(name, wanted);
    if let Some(words) = surface.words(kind) {
        return match value {
            Value::String(word) if words.contains(word) => Ok(value.clone()),
            Value::String(_) => Err(wrong(&format!("one of {}", words.join(", ")))),
            _ => Err(wrong("a string")),
        };
    }
    if let Some((_, register)) = surface.register(kind) {
        let Value::Object(given) = value else { return Err(wrong("a object")) };
        return check(surface, &surface.fields(register), given, objects).map(Value::Object);
    }
    let Value::String(id) = value else { return Err(wrong("a string")) };
    let class = objects.class_of(id).ok_or_else(|| RpcError::no_object(id))?;
    match surface.class(class) {
        Some(class) if surface.is_a(class, kind) => Ok(value.clone()),
        _ => Err(wrong(&format!("a {kind}"))),
    }
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        // Whole numbers may come as 3.0 from languages that have one kind of number.
        Value::Number(n) => {
            n.as_i64().or_else(|| n.as_f64().filter(|f| f.fract() == 0.0 && f.abs() < 9e15).map(|f| f as i64))
        }
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(n) => n.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|n: &f64| n.is_finite()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::error::Code;
    use super::super::surface::surface;
    use super::*;

    struct Known;
    impl Objects for Known {
        fn class_of(&self, id: &str) -> Option<&str> {
            ["MediaPipeline", "WebRtcEndpoint", "PlayerEndpoint"]
                .into_iter()
                .find(|class| id.ends_with(class))
        }
    }

    fn call(class: &str, method: &str, given: Value) -> Result<Value, RpcError> {
        let class = surface().class(class).unwrap();
        let wanted: Vec<&Parameter> = match surface().operation(class, method) {
            Some((_, super::super::surface::Operation::Call(method))) => method.params.iter().collect(),
            _ => class.constructor.iter().collect(),
        };
        check(surface(), &wanted, given.as_object().unwrap(), &Known).map(Value::Object)
    }

    #[test]
    fn defaults_are_filled_in_and_texts_become_numbers() {
        assert_eq!(
            call(
                "PlayerEndpoint",
                "",
                json!({"mediaPipeline": "1_MediaPipeline", "uri": "file:///a", "odd": 1})
            ),
            Ok(
                json!({"mediaPipeline": "1_MediaPipeline", "uri": "file:///a", "useEncodedMedia": false, "networkCache": 2000})
            )
        );
        let channel =
            call("WebRtcEndpoint", "createDataChannel", json!({"ordered": "false", "maxRetransmits": "3"}));
        assert_eq!(channel.unwrap()["maxRetransmits"], json!(3));
        let candidate = json!({"candidate": {"__module__": "kurento", "__type__": "IceCandidate", "candidate": "c", "sdpMid": "0", "sdpMLineIndex": 0}});
        assert_eq!(
            call("WebRtcEndpoint", "addIceCandidate", candidate),
            Ok(json!({"candidate": {"candidate": "c", "sdpMid": "0", "sdpMLineIndex": 0}}))
        );
    }

    #[test]
    fn what_is_wrong_has_its_code_and_text() {
        let pipeline = "1_MediaPipeline";
        for (class, method, given, code, text) in [
            (
                "PlayerEndpoint",
                "",
                json!({"mediaPipeline": pipeline}),
                Code::Server,
                "'uri' parameter is required",
            ),
            (
                "PlayerEndpoint",
                "",
                json!({"mediaPipeline": pipeline, "uri": 3}),
                Code::Marshall,
                "'uri' parameter should be a string",
            ),
            (
                "PlayerEndpoint",
                "",
                json!({"mediaPipeline": "gone", "uri": "a"}),
                Code::ObjectNotFound,
                "Object 'gone' not found",
            ),
            (
                "PlayerEndpoint",
                "",
                json!({"mediaPipeline": "newref:0", "uri": "a"}),
                Code::NoCommit,
                "Object 'newref:0' not found",
            ),
            (
                "PlayerEndpoint",
                "",
                json!({"mediaPipeline": "2_WebRtcEndpoint", "uri": "a"}),
                Code::Marshall,
                "'mediaPipeline' parameter should be a MediaPipeline",
            ),
            (
                "PlayerEndpoint",
                "",
                json!({"mediaPipeline": pipeline, "uri": "a", "useEncodedMedia": "perhaps"}),
                Code::Marshall,
                "'useEncodedMedia' parameter should be a boolean",
            ),
            (
                "PlayerEndpoint",
                "",
                json!({"mediaPipeline": pipeline, "uri": "a", "networkCache": 1.5}),
                Code::Marshall,
                "'networkCache' parameter should be a integer",
            ),
            (
                "FaceOverlayFilter",
                "setOverlayedImage",
                json!({"uri": "a", "offsetXPercent": "x"}),
                Code::Marshall,
                "'offsetXPercent' parameter should be a double",
            ),
            (
                "WebRtcEndpoint",
                "addIceCandidate",
                json!({"candidate": {"candidate": "c", "sdpMid": "0"}}),
                Code::Server,
                "'sdpMLineIndex' parameter is required",
            ),
            (
                "WebRtcEndpoint",
                "addIceCandidate",
                json!({"candidate": "c"}),
                Code::Marshall,
                "'candidate' parameter should be a object",
            ),
            (
                "WebRtcEndpoint",
                "isMediaFlowingIn",
                json!({"mediaType": "SMELL"}),
                Code::Marshall,
                "'mediaType' parameter should be one of AUDIO, DATA, VIDEO",
            ),
        ] {
            let error = call(class, method, given).unwrap_err();
            assert_eq!((error.code, error.message.as_str()), (code, text));
        }
    }
}
