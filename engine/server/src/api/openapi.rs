//! The OpenAPI document, made from the table of routes.

use axum::http::Method;
use serde_json::{Map, Value, json};

use super::table::{Route, routes};
use crate::problem::Code;

/// Problems that every route has.
const EVERYWHERE: &[Code] = &[Code::BadRequest, Code::Origin, Code::Host, Code::RateLimit];

/// The document.
pub(crate) fn document() -> Value {
    let mut paths = Map::new();
    for route in routes() {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_ascii_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Anabranch",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Media pipelines over the network. Every error is a problem (RFC 9457) whose `code` never \
                            changes its meaning. Kurento's protocol is at `/kurento`, a WebSocket.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "schemas": { "Problem": problem_schema() },
        },
    })
}

fn operation(route: &Route) -> Value {
    let path = route.path.split('/').filter_map(|p| p.strip_prefix('{')?.strip_suffix('}'));
    let path = path
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    let query = route.query.iter().map(|(name, text)| {
        json!({ "name": name, "in": "query", "description": text, "schema": { "type": "string" } })
    });
    let mut operation = json!({
        "operationId": route.id,
        "tags": [route.tag],
        "summary": route.summary,
        "parameters": path.chain(query).collect::<Vec<_>>(),
        "responses": responses(route),
    });
    if let Some(scope) = route.scope {
        operation["security"] = json!([{ "token": [] }]);
        operation["x-scope"] = scope.name().into();
    }
    if !route.takes.is_empty() {
        let content: Map<String, Value> = route.takes.iter().map(|t| ((*t).to_owned(), json!({}))).collect();
        operation["requestBody"] = json!({ "required": true, "content": content });
    }
    operation
}

fn responses(route: &Route) -> Value {
    let mut responses = Map::new();
    for (status, media_type, text) in route.answers {
        let response = responses.entry(status.to_string()).or_insert_with(|| json!({ "description": text }));
        if !media_type.is_empty() {
            response["content"][media_type] = json!({});
        }
    }
    let with_token: &[Code] =
        if route.scope.is_some() { &[Code::Unauthorized, Code::Forbidden] } else { &[] };
    let with_body: &[Code] =
        if route.takes.is_empty() { &[] } else { &[Code::MediaType, Code::TooLarge, Code::TooSlow] };
    // A server that is being stopped begins nothing new.
    let with_post: &[Code] = if route.method == Method::POST { &[Code::Stopping] } else { &[] };
    let own = with_token.iter().chain(with_body).chain(with_post).chain(route.problems);
    for code in EVERYWHERE.iter().chain(own) {
        let status = code.status().as_u16().to_string();
        let response = responses.entry(status).or_insert_with(|| json!({ "description": "" }));
        let before = response["description"].as_str().unwrap_or_default();
        let named = format!("`{code}`");
        if !before.contains(&named) {
            let text = if before.is_empty() { named } else { format!("{before}, {named}") };
            response["description"] = text.into();
        }
        response["content"]["application/problem+json"] =
            json!({ "schema": { "$ref": "#/components/schemas/Problem" } });
    }
    Value::Object(responses)
}

fn problem_schema() -> Value {
    let codes: Vec<&str> = Code::ALL.iter().map(|c| c.as_str()).collect();
    json!({
        "type": "object",
        "required": ["type", "title", "status", "code", "detail"],
        "properties": {
            "type": { "type": "string", "description": "The problem's page on this server." },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "code": { "type": "string", "enum": codes },
            "detail": { "type": "string", "description": "What is wrong this time." },
            "diagnostics": { "type": "array", "description": "The mistakes of a description, as `anabranch check` has them." },
        },
    })
}
