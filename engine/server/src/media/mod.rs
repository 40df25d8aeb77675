//! Media over plain HTTP: what elements such as `http-post`, `http-get` and `hls` take and give.
//!
//! The server knows nothing of those elements. It asks an element what it has for the web ([`anabranch_engine::web`]) and
//! serves that below `/media/{pipeline}/{element}`.

mod upload;

use anabranch_engine::AppError;
use anabranch_engine::web::{self, ReplyBody, WebError, WebErrorKind};
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures::StreamExt;

use crate::App;
use crate::access::Scope;
use crate::api::table::Route;
use crate::problem::{Code, Problem};

/// What bodies may call themselves. What is in one is found out from its bytes.
const MEDIA: &[&str] = &["application/octet-stream", "application/ogg", "audio/*", "video/*"];
const FETCH_PROBLEMS: &[Code] =
    &[Code::NoPipeline, Code::NoElement, Code::NotFound, Code::Conflict, Code::Busy, Code::Unavailable];

pub(crate) const ROUTES: &[Route] = &[
    Route {
        method: Method::POST,
        path: "/media/{pipeline}/{element}",
        id: "sendMedia",
        tag: "media",
        scope: Some(Scope::Publish),
        summary: "The body, in any container, becomes what the element gives.",
        query: &[],
        takes: MEDIA,
        answers: &[(200, crate::api::table::JSON, "All of it was read; `bytes` and `seconds` of it.")],
        problems: &[
            Code::NoPipeline,
            Code::NoElement,
            Code::NotFound,
            Code::Conflict,
            Code::Busy,
            Code::Unavailable,
            Code::BadMedia,
        ],
        handler: || post(upload::take),
    },
    Route {
        method: Method::GET,
        path: "/media/{pipeline}/{element}",
        id: "fetchMedia",
        tag: "media",
        scope: Some(Scope::Play),
        summary: "What comes to the element, as a file that grows while it is read.",
        query: &[],
        takes: &[],
        answers: &[
            (200, "video/webm", "From the newest key frame on, until the media end."),
            (200, "video/mp4", "The same in fragments of MP4."),
        ],
        problems: FETCH_PROBLEMS,
        handler: || get(fetch),
    },
    Route {
        method: Method::GET,
        path: "/media/{pipeline}/{element}/{file}",
        id: "fetchMediaFile",
        tag: "media",
        scope: Some(Scope::Play),
        summary: "A playlist (`index.m3u8`) or one of the files that it names.",
        query: &[
            ("_HLS_msn", "The playlist is wanted once it has the segment of this number."),
            ("_HLS_part", "And this part of it."),
        ],
        takes: &[],
        answers: &[
            (200, "application/vnd.apple.mpegurl", "The playlist as it is now."),
            (200, "video/mp4", "A file that a playlist names."),
        ],
        problems: FETCH_PROBLEMS,
        handler: || get(fetch_file),
    },
];

/// What an element has for the web.
async fn find(app: &App, pipeline: &str, element: &str) -> Result<std::sync::Arc<dyn web::Web>, Problem> {
    let found = crate::api::elements::find(app, pipeline, element)?;
    let spec = found.pipeline().spec();
    let type_name = spec.nodes.get(element).map(|n| n.type_name.clone()).unwrap_or_default();
    found.web().await.map_err(|error| match error {
        AppError::WrongElement { .. } => Problem::new(
            Code::NotFound,
            format!("'{element}' is a {type_name} and has nothing for the web, or it does not run"),
        ),
        other => Problem::new(Code::Unavailable, other.to_string()),
    })
}

fn request(path: String, query: Option<&str>) -> web::Request {
    let query = query.unwrap_or_default();
    let query = url::form_urlencoded::parse(query.as_bytes());
    web::Request {
        path,
        query: query.map(|(name, value)| (name.into_owned(), value.into_owned())).collect(),
        media_type: String::new(),
    }
}

async fn fetch(
    State(app): State<App>,
    Path((pipeline, element)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    answer(&app, &pipeline, &element, request(String::new(), query.as_deref())).await
}

async fn fetch_file(
    State(app): State<App>,
    Path((pipeline, element, file)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    answer(&app, &pipeline, &element, request(file, query.as_deref())).await
}

async fn answer(
    app: &App,
    pipeline: &str,
    element: &str,
    request: web::Request,
) -> Result<Response, Problem> {
    let reply = find(app, pipeline, element).await?.get(request).await.map_err(refused)?;
    let body = match reply.body {
        ReplyBody::Whole(bytes) => Body::from(bytes),
        ReplyBody::Growing(stream) => {
            let stopping = app.stopping().clone();
            let stream = stream.take_until(async move { stopping.cancelled().await });
            Body::from_stream(stream.map(Ok::<_, std::convert::Infallible>))
        }
    };
    let keep = match reply.keep_seconds {
        0 => "no-store".to_owned(),
        seconds => format!("max-age={seconds}"),
    };
    let mut response = body.into_response();
    let headers = response.headers_mut();
    for (name, value) in [(header::CONTENT_TYPE, reply.media_type), (header::CACHE_CONTROL, keep)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}

/// An element's refusal as a problem.
fn refused(error: WebError) -> Problem {
    let code = match error.kind {
        WebErrorKind::NotFound => Code::NotFound,
        WebErrorKind::WrongWay => Code::Conflict,
        WebErrorKind::Busy => Code::Busy,
        WebErrorKind::NotNow => Code::Unavailable,
        WebErrorKind::Invalid => Code::BadMedia,
    };
    let problem = Problem::new(code, error.text);
    if code == Code::Unavailable { problem.retry_after(1) } else { problem }
}
