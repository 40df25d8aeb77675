//! What the server says about itself: health, the catalogue, its API.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};

use super::openapi;
use super::table::{JSON, Route};
use crate::App;
use crate::access::Scope;
use crate::problem::{Code, Problem};

pub(crate) const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        path: "/health",
        id: "getHealth",
        tag: "server",
        scope: None,
        summary: "Whether the server answers.",
        query: &[],
        takes: &[],
        answers: &[(200, JSON, "It does.")],
        problems: &[],
        handler: || get(health),
    },
    Route {
        method: Method::GET,
        path: "/ready",
        id: "getReadiness",
        tag: "server",
        scope: None,
        summary: "Whether the server takes work: the pipelines of its configuration run, and it is not being stopped.",
        query: &[],
        takes: &[],
        answers: &[(200, JSON, "It does."), (503, JSON, "It does not; the body says why.")],
        problems: &[],
        handler: || get(ready),
    },
    Route {
        method: Method::GET,
        path: "/api/openapi.json",
        id: "getOpenApi",
        tag: "server",
        scope: None,
        summary: "This API as an OpenAPI 3.1 document.",
        query: &[],
        takes: &[],
        answers: &[(200, JSON, "The document.")],
        problems: &[],
        handler: || get(|| async { Json(openapi::document()) }),
    },
    Route {
        method: Method::GET,
        path: "/problems/{code}",
        id: "getProblem",
        tag: "server",
        scope: None,
        summary: "What a problem's `type` means.",
        query: &[],
        takes: &[],
        answers: &[(200, JSON, "Its page.")],
        problems: &[Code::NotFound],
        handler: || get(problem),
    },
    Route {
        method: Method::GET,
        path: "/api/v1/elements",
        id: "listElementTypes",
        tag: "catalogue",
        scope: Some(Scope::Observe),
        summary: "The element types that descriptions may use, with their ports, properties and events.",
        query: &[],
        takes: &[],
        answers: &[(200, JSON, "The catalogue.")],
        problems: &[],
        handler: || get(catalogue),
    },
    Route {
        method: Method::GET,
        path: "/api/v1/elements/{type}",
        id: "getElementType",
        tag: "catalogue",
        scope: Some(Scope::Observe),
        summary: "One element type.",
        query: &[],
        takes: &[],
        answers: &[(200, JSON, "The type.")],
        problems: &[Code::NotFound],
        handler: || get(element_type),
    },
    Route {
        method: Method::GET,
        path: "/api/v1/schema",
        id: "getSchema",
        tag: "catalogue",
        scope: Some(Scope::Observe),
        summary: "The JSON Schema of descriptions.",
        query: &[],
        takes: &[],
        answers: &[(200, JSON, "The schema.")],
        problems: &[],
        handler: || get(schema),
    },
    Route {
        method: Method::GET,
        path: "/api/v1/server",
        id: "getServer",
        tag: "server",
        scope: Some(Scope::Observe),
        summary: "Version, uptime, limits, what the process takes, and what the token may do.",
        query: &[],
        takes: &[],
        answers: &[(200, JSON, "The server.")],
        problems: &[],
        handler: || get(server),
    },
];

async fn health() -> Json<Value> {
    Json(json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
}

async fn ready(State(app): State<App>) -> Response {
    let waiting = app.waiting_for();
    let stopping = app.stopping().is_cancelled();
    if !stopping && waiting.is_empty() {
        return Json(json!({ "status": "ready" })).into_response();
    }
    let view = json!({ "status": if stopping { "stopping" } else { "starting" }, "waiting_for": waiting });
    (StatusCode::SERVICE_UNAVAILABLE, Json(view)).into_response()
}

async fn problem(Path(code): Path<String>) -> Result<Json<Value>, Problem> {
    let code = Code::ALL.iter().find(|c| c.as_str() == code);
    let code = code.ok_or_else(|| Problem::new(Code::NotFound, "there is no such problem"))?;
    Ok(Json(json!({
        "code": code.as_str(), "title": code.title(), "status": code.status().as_u16(), "text": code.text().trim(),
    })))
}

async fn catalogue(State(app): State<App>) -> Json<Value> {
    let elements: Vec<_> = app.engine().catalog().iter().collect();
    Json(json!({ "elements": elements }))
}

async fn element_type(State(app): State<App>, Path(name): Path<String>) -> Result<Json<Value>, Problem> {
    let found = app.engine().catalog().get(&name);
    let found =
        found.ok_or_else(|| Problem::new(Code::NotFound, format!("there is no element type '{name}'")))?;
    Ok(Json(serde_json::to_value(found).unwrap_or_default()))
}

async fn schema(State(app): State<App>) -> Json<Value> {
    Json(anabranch_graph::schema::description_schema(app.engine().catalog()))
}

async fn server(State(app): State<App>, grant: crate::Grant) -> Json<Value> {
    let (publishing, playing) = app.sessions().count();
    // What a credential opens is for those who may connect.
    let connects = grant.scopes.iter().any(|scope| *scope != Scope::Observe);
    let ice_servers = app.config().ice_servers.iter().filter(|s| connects || s.credential.is_empty());
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime": app.started().elapsed().as_secs_f64(),
        "limits": app.limits(),
        "ice_servers": ice_servers.collect::<Vec<_>>(),
        "sessions": { "publishing": publishing, "playing": playing },
        "process": crate::metrics::process::Usage::now(),
        "token": { "name": grant.name, "scopes": grant.scopes, "pipelines": grant.pipelines },
    }))
}
