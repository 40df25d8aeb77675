//! The envelope: JSON-RPC 2.0, one object per frame.

use serde_json::{Map, Value, json};

use super::error::{Code, RpcError};

/// A request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request {
    /// Echoed in the response; none: the client wants no response.
    pub id: Option<Value>,
    pub method: String,
    pub params: Map<String, Value>,
}

/// Reads a frame; an error comes with the id to answer to.
pub(crate) fn parse(frame: &[u8]) -> Result<Request, (Value, RpcError)> {
    let value: Value = serde_json::from_slice(frame)
        .map_err(|error| (Value::Null, RpcError::new(Code::Parse, format!("Parse error: {error}"))))?;
    read(value)
}

/// Reads a request that is JSON already.
pub(crate) fn read(value: Value) -> Result<Request, (Value, RpcError)> {
    let Value::Object(mut object) = value else {
        return Err((Value::Null, RpcError::new(Code::InvalidRequest, "Invalid Request: no object")));
    };
    let id = object.remove("id");
    let echo = match &id {
        Some(id @ (Value::Number(_) | Value::String(_))) => id.clone(),
        _ => Value::Null,
    };
    let refuse = |text: &str| Err((echo.clone(), RpcError::new(Code::InvalidRequest, text)));
    if matches!(id, Some(Value::Bool(_) | Value::Array(_) | Value::Object(_))) {
        return refuse("Invalid Request: 'id' is neither a number nor a string");
    }
    if object.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return refuse("Invalid Request: 'jsonrpc' is not \"2.0\"");
    }
    let Some(Value::String(method)) = object.remove("method") else {
        return refuse("Invalid Request: no 'method'");
    };
    let params = match object.remove("params") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(params)) => params,
        Some(_) => return Err((echo, RpcError::new(Code::InvalidParams, "'params' is no object"))),
    };
    Ok(Request { id, method, params })
}

/// A response.
pub(crate) fn response(id: &Value, result: &Result<Value, RpcError>) -> Value {
    match result {
        Ok(result) => json!({"id": id, "jsonrpc": "2.0", "result": result}),
        Err(error) => json!({"error": error.to_value(), "id": id, "jsonrpc": "2.0"}),
    }
}

/// An event as a notification.
pub(crate) fn event(object: &str, kind: &str, data: &Map<String, Value>) -> Value {
    json!({
        "jsonrpc": "2.0",
        "method": "onEvent",
        "params": {"value": {"data": data, "object": object, "type": kind}},
    })
}

/// As it goes over the wire: compact, keys in alphabetical order as Kurento's own.
pub(crate) fn text(mut message: Value) -> String {
    message.sort_all_objects();
    message.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_clients_send() {
        let ping = parse(br#"{"method":"ping","params":{"interval":5000},"jsonrpc":"2.0","id":0}"#).unwrap();
        assert_eq!(ping.method, "ping");
        assert_eq!(ping.id, Some(json!(0)));
        assert_eq!(ping.params["interval"], json!(5000));
        let bare = parse(br#"{"jsonrpc":"2.0","id":"a","method":"connect"}"#).unwrap();
        assert_eq!((bare.id, bare.params.len()), (Some(json!("a")), 0));
        assert_eq!(parse(br#"{"jsonrpc":"2.0","method":"ping"}"#).unwrap().id, None);
    }

    #[test]
    fn refuses_the_rest_with_the_right_code_and_id() {
        for (frame, code, id) in [
            (&b"{"[..], Code::Parse, Value::Null),
            (b"\xff\xfe", Code::Parse, Value::Null),
            (b"", Code::Parse, Value::Null),
            (b"[]", Code::InvalidRequest, Value::Null),
            (br#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, Code::InvalidRequest, Value::Null),
            (b"3", Code::InvalidRequest, Value::Null),
            (br#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, Code::InvalidRequest, json!(1)),
            (br#"{"id":1,"method":"ping"}"#, Code::InvalidRequest, json!(1)),
            (br#"{"jsonrpc":"2.0","id":"x"}"#, Code::InvalidRequest, json!("x")),
            (br#"{"jsonrpc":"2.0","id":1,"method":3}"#, Code::InvalidRequest, json!(1)),
            (br#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, Code::InvalidRequest, Value::Null),
            (br#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#, Code::InvalidParams, json!(1)),
        ] {
            let (got, error) = parse(frame).unwrap_err();
            assert_eq!((error.code, got), (code, id), "{}", String::from_utf8_lossy(frame));
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(parse(deep.as_bytes()).unwrap_err().1.code, Code::Parse);
    }

    #[test]
    fn keys_go_out_in_order() {
        let out = text(response(&json!(1), &Ok(json!({"value": {"b": 1, "a": 2}, "sessionId": "s"}))));
        assert_eq!(out, r#"{"id":1,"jsonrpc":"2.0","result":{"sessionId":"s","value":{"a":2,"b":1}}}"#);
        let out = text(response(&Value::Null, &Err(RpcError::new(Code::Parse, "no"))));
        assert_eq!(
            out,
            r#"{"error":{"code":-32700,"data":{"type":"PARSE_ERROR"},"message":"no"},"id":null,"jsonrpc":"2.0"}"#
        );
    }
}
