//! Elements of a pipeline: look at, set, tell.

use anabranch_engine::{CommandError, CommandErrorKind, MediaElement};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::Method;
use axum::routing::{get, post, put};
use serde_json::{Map, Value, json};

use super::body::Body;
use super::detached;
use super::table::{JSON, Route};
use crate::App;
use crate::access::Scope;
use crate::problem::{Code, Problem};

pub(crate) const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        path: "/api/v1/pipelines/{pipeline}/elements/{element}",
        id: "getElement",
        tag: "elements",
        scope: Some(Scope::Observe),
        summary: "An element: type, properties, numbers.",
        query: &[],
        takes: &[],
        answers: &[(200, JSON, "The element.")],
        problems: &[Code::NoPipeline, Code::NoElement],
        handler: || get(one),
    },
    Route {
        method: Method::PUT,
        path: "/api/v1/pipelines/{pipeline}/elements/{element}/properties/{property}",
        id: "setProperty",
        tag: "elements",
        scope: Some(Scope::Control),
        summary: "Sets a property. One that cannot change while media flows restarts the element.",
        query: &[],
        takes: &[JSON],
        answers: &[(200, JSON, "The element.")],
        problems: &[
            Code::NoPipeline,
            Code::NoElement,
            Code::InvalidGraph,
            Code::Policy,
            Code::Conflict,
            Code::Unavailable,
            Code::Timeout,
        ],
        handler: || put(set),
    },
    Route {
        method: Method::POST,
        path: "/api/v1/pipelines/{pipeline}/elements/{element}/commands/{command}",
        id: "sendCommand",
        tag: "elements",
        scope: Some(Scope::Control),
        summary: "Tells an element something that is not a property; the body is the command's arguments.",
        query: &[],
        takes: &[JSON],
        answers: &[(200, JSON, "What the element answers.")],
        problems: &[
            Code::NoPipeline,
            Code::NoElement,
            Code::InvalidCommand,
            Code::Conflict,
            Code::Unsupported,
            Code::Timeout,
            Code::Unavailable,
        ],
        handler: || post(command),
    },
];

/// The element of that id.
pub(crate) fn find(app: &App, pipeline: &str, element: &str) -> Result<MediaElement, Problem> {
    let hosted = app.registry().get(pipeline)?;
    hosted.pipeline.element(element).ok_or_else(|| {
        let detail = format!("the pipeline '{pipeline}' has no element '{element}'");
        Problem::new(Code::NoElement, detail)
    })
}

async fn view(element: &MediaElement) -> Value {
    let spec = element.pipeline().spec();
    let node = spec.nodes.get(element.id());
    let mut view = serde_json::to_value(node).unwrap_or_default();
    view["stats"] = serde_json::to_value(element.stats().await).unwrap_or_default();
    view
}

async fn one(
    State(app): State<App>,
    Path((pipeline, element)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(view(&find(&app, &pipeline, &element)?).await))
}

async fn set(
    State(app): State<App>,
    Path((pipeline, element, property)): Path<(String, String, String)>,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let value = body.json()?;
    let element = find(&app, &pipeline, &element)?;
    let spec = element.pipeline().spec();
    let type_name = spec.nodes.get(element.id()).map(|n| n.type_name.clone()).unwrap_or_default();
    let mut properties = Map::from_iter([(property.replace('-', "_"), value)]);
    let catalog = app.engine().catalog();
    if let Err(refusals) = app.policy().admit(catalog, &type_name, &mut properties).await {
        return Err(crate::policy::problem(&refusals));
    }
    let view = detached(async move {
        for (name, value) in properties {
            element.set(&name, value).await?;
        }
        Ok(view(&element).await)
    });
    Ok(Json(view.await?))
}

async fn command(
    State(app): State<App>,
    Path((pipeline, element, command)): Path<(String, String, String)>,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let arguments = match body.json()? {
        Value::Null => json!({}),
        arguments @ Value::Object(_) => arguments,
        _ => return Err(Problem::new(Code::BadRequest, "a command's arguments are a JSON object")),
    };
    let element = find(&app, &pipeline, &element)?;
    let result = detached(async move { Ok(element.command(&command, &arguments).await?) });
    Ok(Json(result.await?))
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        let code = match error.kind {
            CommandErrorKind::Unknown | CommandErrorKind::InvalidInput => Code::InvalidCommand,
            CommandErrorKind::Conflict => Code::Conflict,
            CommandErrorKind::Unsupported => Code::Unsupported,
            CommandErrorKind::Timeout => Code::Timeout,
            CommandErrorKind::Failed => Code::Unavailable,
        };
        Problem::new(code, error.text).with("cause", error.code)
    }
}
