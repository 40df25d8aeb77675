//! Several operations in one request; later ones may name what earlier ones made, as `newref:N`.

use serde_json::Value;

use super::error::{Code, RpcError};

/// Checks that the operations are numbered 0, 1, 2, ...
pub(crate) fn check_ids(operations: &[Value]) -> Result<(), RpcError> {
    for (index, operation) in operations.iter().enumerate() {
        let id = match operation.get("id") {
            Some(Value::Number(id)) => id.as_u64(),
            Some(Value::String(id)) => id.parse().ok(),
            _ => None,
        };
        if id != Some(index as u64) {
            return Err(RpcError::new(
                Code::MalformedTransaction,
                format!("operation {index} of the transaction does not have the id {index}"),
            ));
        }
    }
    Ok(())
}

/// Puts the results of earlier operations in the place of `newref:N`, however deep. What names no earlier result stays.
pub(crate) fn substitute(value: &mut Value, results: &[Value]) {
    match value {
        Value::String(text) => {
            let index = text.strip_prefix("newref:").and_then(|index| index.parse::<usize>().ok());
            if let Some(Value::String(id)) = index.and_then(|index| results.get(index)) {
                text.clone_from(id);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| substitute(item, results)),
        Value::Object(map) => map.values_mut().for_each(|item| substitute(item, results)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_count_from_zero() {
        assert!(check_ids(&[]).is_ok());
        assert!(check_ids(&[json!({"id": 0}), json!({"id": 1})]).is_ok());
        assert!(check_ids(&[json!({"id": "0"})]).is_ok());
        for bad in [
            vec![json!({"id": 1})],
            vec![json!({"id": 0}), json!({"id": 0})],
            vec![json!({})],
            vec![json!(3)],
        ] {
            assert_eq!(check_ids(&bad).unwrap_err().code, Code::MalformedTransaction);
        }
    }

    #[test]
    fn references_are_found_at_any_depth() {
        let mut params = json!({
            "object": "newref:1",
            "operationParams": {"sink": "newref:0", "more": [{"deep": "newref:1"}], "late": "newref:7", "n": 3},
        });
        substitute(&mut params, &[json!("a"), json!("b"), Value::Null]);
        assert_eq!(
            params,
            json!({
                "object": "b",
                "operationParams": {"sink": "a", "more": [{"deep": "b"}], "late": "newref:7", "n": 3},
            })
        );
        let mut void = json!("newref:0");
        substitute(&mut void, &[Value::Null]);
        assert_eq!(void, json!("newref:0"), "the result of an operation that gives none is no reference");
    }
}
