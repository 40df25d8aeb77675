//! What stands before every handler: tokens, web pages' origins, hosts, requests a second.

use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::App;
use crate::access::{Grant, Scope, origin};
use crate::problem::{Code, Problem};

/// The token of a query: `?access_token=...`.
fn query_token(uri: &Uri) -> Option<String> {
    let query = uri.query()?;
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "access_token")
        .map(|(_, value)| value.into_owned())
}

/// Whether a browser cannot send headers with such a request: event streams and WebSockets.
fn may_use_query(parts: &HeaderMap) -> bool {
    let has = |name: HeaderName, word: &str| {
        parts.get(name).and_then(|v| v.to_str().ok()).is_some_and(|v| v.to_ascii_lowercase().contains(word))
    };
    has(header::UPGRADE, "websocket") || has(header::ACCEPT, "text/event-stream")
}

fn grant_of(app: &App, headers: &HeaderMap, uri: &Uri) -> Result<Grant, Problem> {
    let query = may_use_query(headers).then(|| query_token(uri)).flatten();
    app.access().grant(headers, query.as_deref())
}

impl FromRequestParts<App> for Grant {
    type Rejection = Problem;

    /// What the request may do: by its token, or by that of the query if it asks for a WebSocket or an event stream.
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        if let Some(grant) = parts.extensions.get::<Grant>() {
            return Ok(grant.clone());
        }
        grant_of(app, &parts.headers, &parts.uri)
    }
}

/// Lets a request pass whose token has the route's scope, for the route's pipeline.
pub(crate) async fn authorise(
    State((app, scope)): State<(App, Scope)>,
    path: Result<RawPathParams, axum::extract::rejection::RawPathParamsRejection>,
    mut request: Request,
    next: Next,
) -> Response {
    let checked = grant_of(&app, request.headers(), request.uri()).and_then(|grant| {
        let path = path.map_err(|e| Problem::new(Code::BadRequest, format!("the path is wrong: {e}")))?;
        let pipeline = path.iter().find(|(name, _)| *name == "pipeline").map(|(_, value)| value);
        grant.require(scope, pipeline)?;
        Ok(grant)
    });
    match checked {
        Ok(grant) => {
            request.extensions_mut().insert(grant);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// Refuses pages of other origins, hosts that the server does not have, clients that ask too often, and everything
/// while the server is being stopped. Says to browsers what pages may do.
pub(crate) async fn admit(State(app): State<App>, request: Request, next: Next) -> Response {
    let response = admitted(&app, request, next).await;
    app.rates().answered(response.status());
    response
}

async fn admitted(app: &App, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let own = origin::is_own(headers, app.config().tls.is_some());
    let given = headers.get(header::ORIGIN).cloned();
    if let Err(problem) = app.rates().take(&request).and_then(|()| origin::check_host(app, headers)) {
        return problem.into_response();
    }
    let Some(given) = given.filter(|_| !own) else { return run(app, request, next).await };
    if !origin::is_allowed(app, &given) {
        let detail =
            format!("pages of {} may not ask this server", String::from_utf8_lossy(given.as_bytes()));
        return Problem::new(Code::Origin, detail).into_response();
    }
    let preflight =
        request.method() == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let private = headers.contains_key("access-control-request-private-network");
    let mut response = if preflight && !crate::whip::is_ours(request.uri().path()) {
        StatusCode::NO_CONTENT.into_response()
    } else {
        run(app, request, next).await
    };
    let headers = response.headers_mut();
    let mut say = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    if preflight {
        say(header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, PATCH, DELETE, OPTIONS");
        say(header::ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, Content-Type, If-Match, Last-Event-ID");
        say(header::ACCESS_CONTROL_MAX_AGE, "600");
        if private {
            say(HeaderName::from_static("access-control-allow-private-network"), "true");
        }
    }
    say(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        "Location, ETag, Link, Accept-Patch, Accept-Post, Retry-After, WWW-Authenticate",
    );
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, given);
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    response
}

async fn run(app: &App, request: Request, next: Next) -> Response {
    // Whoever watches or ends things may still do so; nothing new begins.
    if app.stopping().is_cancelled() && request.method() == Method::POST {
        return Problem::new(Code::Stopping, "the server is being stopped").retry_after(10).into_response();
    }
    next.run(request).await
}
