//! Pipelines: create, look at, change, end.

use std::time::Duration;

use anabranch_engine::{Outcome, OutcomeKind};
use anabranch_graph::catalog::Role;
use anabranch_graph::render::{dot, mermaid, svg};
use anabranch_graph::spec::GraphSpec;
use anabranch_graph::{Completeness, Document, check_all};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, post};
use serde::Deserialize;
use serde_json::{Value, json};

use super::body::Body;
use super::detached;
use super::table::{DESCRIPTION, JSON, Route};
use super::views;
use crate::App;
use crate::access::{Grant, Scope};
use crate::problem::{Code, Problem};
use crate::registry::Hosted;

/// The longest that a client may wait for a pipeline's end.
const MAX_STOP: Duration = Duration::from_secs(60);

pub(crate) const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        path: "/api/v1/pipelines",
        id: "listPipelines",
        tag: "pipelines",
        scope: Some(Scope::Observe),
        summary: "The pipelines that the token is for, those that have ended lately included.",
        query: &[],
        takes: &[],
        answers: &[(200, JSON, "The pipelines.")],
        problems: &[],
        handler: || get(list),
    },
    Route {
        method: Method::POST,
        path: "/api/v1/pipelines",
        id: "createPipeline",
        tag: "pipelines",
        scope: Some(Scope::Control),
        summary: "Creates a pipeline from a description and starts it.",
        query: &[
            (
                "keep",
                "`true`: it lives until it is deleted; `false`: it ends with its media. Default: `true` if it has peers (`webrtc`, `rtp`, `hub-port`).",
            ),
            ("start", "`false`: it is not started."),
        ],
        takes: DESCRIPTION,
        answers: &[(201, JSON, "The pipeline; `Location` names it.")],
        problems: &[
            Code::InvalidGraph,
            Code::Policy,
            Code::NameTaken,
            Code::PipelineLimit,
            Code::ElementLimit,
            Code::PeerLimit,
            Code::Unavailable,
            Code::Timeout,
        ],
        handler: || post(create),
    },
    Route {
        method: Method::POST,
        path: "/api/v1/check",
        id: "checkDescription",
        tag: "pipelines",
        scope: Some(Scope::Observe),
        summary: "Checks and plans a description without creating anything: diagnostics, warnings included, and the plan.",
        query: &[],
        takes: DESCRIPTION,
        answers: &[(200, JSON, "Diagnostics and plan.")],
        problems: &[Code::Policy],
        handler: || post(check),
    },
    Route {
        method: Method::GET,
        path: "/api/v1/pipelines/{pipeline}",
        id: "getPipeline",
        tag: "pipelines",
        scope: Some(Scope::Observe),
        summary: "A pipeline: state, graph, plan, description, sessions.",
        query: &[],
        takes: &[],
        answers: &[(200, JSON, "The pipeline.")],
        problems: &[Code::NoPipeline],
        handler: || get(one),
    },
    Route {
        method: Method::PATCH,
        path: "/api/v1/pipelines/{pipeline}",
        id: "changePipeline",
        tag: "pipelines",
        scope: Some(Scope::Control),
        summary: "Changes a running pipeline into the graph of a new description; what is the same in both goes on untouched.",
        query: &[],
        takes: DESCRIPTION,
        answers: &[(200, JSON, "The pipeline.")],
        problems: &[
            Code::NoPipeline,
            Code::InvalidGraph,
            Code::Policy,
            Code::ElementLimit,
            Code::PeerLimit,
            Code::Conflict,
            Code::Unavailable,
            Code::Timeout,
        ],
        handler: || patch(change),
    },
    Route {
        method: Method::DELETE,
        path: "/api/v1/pipelines/{pipeline}",
        id: "deletePipeline",
        tag: "pipelines",
        scope: Some(Scope::Control),
        summary: "Ends a pipeline and forgets it.",
        query: &[
            ("mode", "`drain` (default): recordings are finalised; `abort`: at once."),
            ("seconds", "The longest that draining may take; default 10, at most 60."),
        ],
        takes: &[],
        answers: &[(200, JSON, "How it ended.")],
        problems: &[Code::NoPipeline],
        handler: || delete(remove),
    },
    Route {
        method: Method::POST,
        path: "/api/v1/pipelines/{pipeline}/start",
        id: "startPipeline",
        tag: "pipelines",
        scope: Some(Scope::Control),
        summary: "Starts a pipeline that was created with `start=false`.",
        query: &[],
        takes: &[],
        answers: &[(200, JSON, "The pipeline.")],
        problems: &[Code::NoPipeline, Code::Conflict, Code::Unavailable, Code::Timeout],
        handler: || post(start_one),
    },
    Route {
        method: Method::GET,
        path: "/api/v1/pipelines/{pipeline}/graph",
        id: "getGraph",
        tag: "pipelines",
        scope: Some(Scope::Observe),
        summary: "The graph as it is now, drawn.",
        query: &[("format", "`svg` (default), `dot`, `mermaid`, `json` or `yaml`.")],
        takes: &[],
        answers: &[
            (200, "image/svg+xml", "A picture."),
            (200, "text/vnd.graphviz", "For Graphviz."),
            (200, "text/vnd.mermaid", "For Markdown."),
            (200, JSON, "The graph as data."),
            (200, "application/yaml", "The description."),
        ],
        problems: &[Code::NoPipeline],
        handler: || get(graph),
    },
    Route {
        method: Method::GET,
        path: "/api/v1/pipelines/{pipeline}/stats",
        id: "getStats",
        tag: "pipelines",
        scope: Some(Scope::Observe),
        summary: "The numbers now; after the pipeline has ended, the last ones.",
        query: &[],
        takes: &[],
        answers: &[(200, JSON, "Numbers of elements and links.")],
        problems: &[Code::NoPipeline],
        handler: || get(stats),
    },
];

async fn list(State(app): State<App>, grant: Grant) -> Json<Value> {
    let all = app.registry().all();
    let shown: Vec<Value> = all.iter().filter(|p| grant.covers(&p.id)).map(views::summary).collect();
    Json(json!({ "pipelines": shown }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Creation {
    keep: Option<bool>,
    #[serde(default = "yes")]
    start: bool,
    #[serde(default, rename = "access_token")]
    _token: Option<String>,
}

fn yes() -> bool {
    true
}

/// The query's fields.
pub(crate) fn query<T>(
    query: Result<Query<T>, axum::extract::rejection::QueryRejection>,
) -> Result<T, Problem> {
    query.map(|Query(q)| q).map_err(|error| Problem::new(Code::BadRequest, error.body_text()))
}

async fn create(
    State(app): State<App>,
    grant: Grant,
    creation: Result<Query<Creation>, axum::extract::rejection::QueryRejection>,
    body: Body,
) -> Result<Response, Problem> {
    let creation = query(creation)?;
    let document = document(body)?;
    let spec = checked(&app, &document).await?;
    let name = document.tree().name.map(|name| name.value);
    match &name {
        Some(name) => grant.require(Scope::Control, Some(name))?,
        None if !grant.covers_all() => {
            let detail = "the token is for certain pipelines: give the description one of their names";
            return Err(Problem::new(Code::Forbidden, detail));
        }
        None => {}
    }
    let peers = spec
        .nodes
        .values()
        .any(|node| app.engine().catalog().get(&node.type_name).is_some_and(|d| d.role == Role::Endpoint));
    let keep_running = creation.keep.unwrap_or(peers);
    let name = name.unwrap_or_else(|| app.registry().free_name());
    let hosted = detached({
        let app = app.clone();
        async move {
            let hosted =
                app.registry().create(&name, spec, keep_running).map_err(|p| located(&document, p))?;
            if creation.start {
                start(&app, &hosted).await?;
            }
            Ok(hosted)
        }
    })
    .await?;
    let location = format!("/api/v1/pipelines/{}", hosted.id);
    let view = Json(views::pipeline(&app, &hosted));
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], view).into_response())
}

/// Starts a pipeline; one that does not start is forgotten.
pub(crate) async fn start(app: &App, hosted: &Hosted) -> Result<(), Problem> {
    if let Err(error) = hosted.pipeline.start().await {
        hosted.pipeline.abort().await;
        app.registry().forget(hosted);
        return Err(error.into());
    }
    Ok(())
}

async fn start_one(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let hosted = app.registry().get(&id)?;
    if hosted.pipeline.state() != anabranch_engine::PipelineState::Building {
        return Err(Problem::new(Code::Conflict, format!("the pipeline '{id}' was started before")));
    }
    detached({
        let (app, hosted) = (app.clone(), hosted.clone());
        async move { start(&app, &hosted).await }
    })
    .await?;
    Ok(Json(views::pipeline(&app, &hosted)))
}

/// The description in a body.
fn document(body: Body) -> Result<Document, Problem> {
    if !body.media_type.is_empty() && body.media_type != "application/x-yaml" {
        body.expect(DESCRIPTION)?;
    }
    Ok(Document::yaml("description", body.text()?))
}

/// Checks a description of a client: the policy, then its mistakes.
async fn checked(app: &App, document: &Document) -> Result<GraphSpec, Problem> {
    let engine = app.engine();
    app.policy().admit_text(engine.catalog(), document).await?;
    let found = check_all(document, engine.catalog(), Some(engine.machine()), Completeness::Complete);
    let Some(mut spec) = found.spec else { return Err(Problem::of_diagnostics(&found.diagnostics)) };
    app.policy().settle(engine.catalog(), &mut spec).await?;
    Ok(spec)
}

/// Gives the diagnostics of a problem their places.
fn located(document: &Document, problem: Problem) -> Problem {
    let Some(mut diagnostics) = problem.diagnostics.clone() else { return problem };
    document.locate(&mut diagnostics);
    Problem::of_diagnostics(&diagnostics)
}

async fn check(State(app): State<App>, body: Body) -> Result<Json<Value>, Problem> {
    let document = document(body)?;
    let engine = app.engine();
    app.policy().admit_text(engine.catalog(), &document).await?;
    let found = check_all(&document, engine.catalog(), Some(engine.machine()), Completeness::Complete);
    let mut diagnostics = found.diagnostics;
    let mut plan = Value::Null;
    if let Some(mut spec) = found.spec {
        app.policy().settle(engine.catalog(), &mut spec).await?;
        match engine.plan(&spec) {
            Ok(made) => plan = serde_json::to_value(made).unwrap_or_default(),
            Err(mut error) => {
                document.locate(&mut error.diagnostics);
                diagnostics.extend(error.diagnostics);
            }
        }
    }
    let valid = !diagnostics.iter().any(|d| d.is_error());
    Ok(Json(json!({ "valid": valid, "diagnostics": diagnostics, "plan": plan })))
}

async fn one(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let hosted = app.registry().get(&id)?;
    Ok(Json(views::pipeline(&app, &hosted)))
}

async fn change(State(app): State<App>, Path(id): Path<String>, body: Body) -> Result<Json<Value>, Problem> {
    let hosted = app.registry().get(&id)?;
    let document = document(body)?;
    let mut spec = checked(&app, &document).await?;
    spec.name.clone_from(&hosted.id);
    detached({
        let (app, hosted) = (app.clone(), hosted.clone());
        async move {
            let _changing = hosted.changing.lock().await;
            let before = hosted.pipeline.spec();
            app.sessions().carry_over(&hosted.id, &before, &mut spec);
            app.registry().room_for(&spec, Some(&*before))?;
            hosted.pipeline.apply(spec).await.map_err(|e| located(&document, e.into()))
        }
    })
    .await?;
    Ok(Json(views::pipeline(&app, &hosted)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Removal {
    #[serde(default)]
    mode: Mode,
    #[serde(default = "ten")]
    seconds: u64,
}

fn ten() -> u64 {
    10
}

#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Drain,
    Abort,
}

async fn remove(
    State(app): State<App>,
    Path(id): Path<String>,
    removal: Result<Query<Removal>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let removal = query(removal)?;
    let hosted = app.registry().get(&id)?;
    let outcome = detached(async move {
        app.sessions().forget_pipeline(&hosted.id);
        let limit = Duration::from_secs(removal.seconds).min(MAX_STOP);
        let outcome = match removal.mode {
            Mode::Drain => hosted.pipeline.stop(limit).await,
            Mode::Abort => hosted.pipeline.abort().await,
        };
        app.registry().forget(&hosted);
        Ok(outcome)
    })
    .await?;
    Ok(Json(outcome_view(&outcome)))
}

fn outcome_view(outcome: &Outcome) -> Value {
    let finished = matches!(outcome.result, OutcomeKind::Done | OutcomeKind::Stopped);
    json!({ "finalised": finished, "result": outcome.result, "failures": outcome.failures })
}

#[derive(Deserialize)]
struct Drawing {
    #[serde(default)]
    format: String,
}

async fn graph(
    State(app): State<App>,
    Path(id): Path<String>,
    drawing: Result<Query<Drawing>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let drawing = query(drawing)?;
    let hosted = app.registry().get(&id)?;
    let (spec, catalog) = (hosted.pipeline.spec(), app.engine().catalog());
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let by_accept = || match accept {
        a if a.contains(JSON) => "json",
        a if a.contains("graphviz") => "dot",
        a if a.contains("mermaid") => "mermaid",
        a if a.contains("yaml") => "yaml",
        _ => "svg",
    };
    let format = if drawing.format.is_empty() { by_accept() } else { &drawing.format };
    let (kind, text) = match format {
        "svg" => ("image/svg+xml", svg(&spec, catalog)),
        "dot" => ("text/vnd.graphviz; charset=utf-8", dot(&spec, catalog)),
        "mermaid" => ("text/vnd.mermaid; charset=utf-8", mermaid(&spec, catalog)),
        "json" => (JSON, serde_json::to_string(&*spec).unwrap_or_default()),
        "yaml" => ("application/yaml", spec.to_yaml()),
        other => {
            let detail = format!("format is svg, dot, mermaid, json or yaml, not '{other}'");
            return Err(Problem::new(Code::BadRequest, detail));
        }
    };
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

async fn stats(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let hosted = app.registry().get(&id)?;
    let stats = hosted.pipeline.stats().await;
    let dropped = stats.dropped();
    let mut view = serde_json::to_value(stats).unwrap_or_default();
    view["dropped"] = dropped.into();
    Ok(Json(view))
}
