//! WHIP (RFC 9725) and WHEP: publishing into an element and playing from it by one HTTP request.
//!
//! Any WebRTC element of any pipeline can be published to, and any element that puts something out can be played. A
//! publisher is the element's one peer; each viewer gets an element of its own, fed like the one that it asked for.

mod answer;
mod fragment;
pub(crate) mod session;
mod viewer;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, options, patch, post};
use serde_json::json;

use crate::App;
use crate::access::{Grant, Scope};
use crate::api::body::Body;
use crate::api::detached;
use crate::api::table::Route;
use crate::problem::{Code, Problem};
use session::{Kind, NewSession, Session};

/// The element type that is a WebRTC peer.
pub(crate) const ENDPOINT: &str = "webrtc";

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

const OFFER_PROBLEMS: &[Code] = &[
    Code::NoPipeline,
    Code::NoElement,
    Code::Busy,
    Code::Conflict,
    Code::MediaType,
    Code::BadSdp,
    Code::ElementLimit,
    Code::PeerLimit,
    Code::Unsupported,
    Code::Unavailable,
    Code::Timeout,
];
const PATCH_PROBLEMS: &[Code] =
    &[Code::NoSession, Code::MediaType, Code::Stale, Code::NeedsTag, Code::BadSdp, Code::Unsupported];

macro_rules! routes {
    ($kind:literal, $scope:ident, $offer:ident, $summary:literal, $names:expr) => {
        [
            Route {
                method: Method::POST,
                path: concat!("/", $kind, "/{pipeline}/{element}"),
                id: $names[0],
                tag: $kind,
                scope: Some(Scope::$scope),
                summary: $summary,
                query: &[],
                takes: &[SDP],
                answers: &[(201, SDP, "The answer with all candidates; `Location` names the session.")],
                problems: OFFER_PROBLEMS,
                handler: || post($offer),
            },
            Route {
                method: Method::OPTIONS,
                path: concat!("/", $kind, "/{pipeline}/{element}"),
                id: $names[1],
                tag: $kind,
                scope: None,
                summary: "What may be sent here.",
                query: &[],
                takes: &[],
                answers: &[(204, "", "`Accept-Post` says it.")],
                problems: &[],
                handler: || options(what_is_taken),
            },
            Route {
                method: Method::PATCH,
                path: concat!("/", $kind, "/{pipeline}/{element}/{session}"),
                id: $names[2],
                tag: $kind,
                scope: Some(Scope::$scope),
                summary: "Candidates that came later, or an ICE restart.",
                query: &[],
                takes: &[FRAGMENT],
                answers: &[
                    (204, "", "Taken."),
                    (200, FRAGMENT, "After an ICE restart: the new credentials."),
                ],
                problems: PATCH_PROBLEMS,
                handler: || patch(trickle),
            },
            Route {
                method: Method::DELETE,
                path: concat!("/", $kind, "/{pipeline}/{element}/{session}"),
                id: $names[3],
                tag: $kind,
                scope: Some(Scope::$scope),
                summary: "Ends the session.",
                query: &[],
                takes: &[],
                answers: &[(200, "", "Ended.")],
                problems: &[Code::NoSession],
                handler: || delete(end),
            },
            Route {
                method: Method::OPTIONS,
                path: concat!("/", $kind, "/{pipeline}/{element}/{session}"),
                id: $names[4],
                tag: $kind,
                scope: None,
                summary: "What may be sent here.",
                query: &[],
                takes: &[],
                answers: &[(204, "", "`Accept-Patch` says it.")],
                problems: &[],
                handler: || options(what_is_taken),
            },
        ]
    };
}

const WHIP: [Route; 5] = routes!(
    "whip",
    Publish,
    publish,
    "Publishes into a WebRTC element: an offer comes, an answer goes.",
    ["publish", "publishOptions", "publishTrickle", "publishEnd", "publishSessionOptions"]
);
const WHEP: [Route; 5] = routes!(
    "whep",
    Play,
    play,
    "Plays what goes to a WebRTC element, or what any element puts out: an offer comes, an answer goes.",
    ["play", "playOptions", "playTrickle", "playEnd", "playSessionOptions"]
);
pub(crate) static ROUTES: [[Route; 5]; 2] = [WHIP, WHEP];

/// Whether a path is WHIP's or WHEP's, which answer preflights themselves.
pub(crate) fn is_ours(path: &str) -> bool {
    path.starts_with("/whip/") || path.starts_with("/whep/")
}

async fn publish(
    State(app): State<App>,
    grant: Grant,
    Path((pipeline, element)): Path<(String, String)>,
    body: Body,
) -> Result<Response, Problem> {
    let offer = offer(body)?;
    let session = detached({
        let app = app.clone();
        async move {
            let hosted = app.registry().get(&pipeline)?;
            let found = crate::api::elements::find(&app, &pipeline, &element)?;
            let spec = hosted.pipeline.spec();
            let type_name = spec.nodes.get(&element).map(|n| n.type_name.as_str()).unwrap_or_default();
            if !viewer::is_peer(app.engine().catalog(), type_name) {
                let detail =
                    format!("'{element}' is a {type_name}; only WebRTC elements can be published to");
                return Err(Problem::new(Code::Conflict, detail));
            }
            let number = hosted.pipeline.id();
            if app.sessions().publishes(number, &element) {
                return Err(Problem::new(Code::Busy, format!("somebody publishes into '{element}' already")));
            }
            let events = app.hub().listen();
            let answer = answer::negotiate(&app, &found, &offer).await?;
            let new = NewSession {
                kind: Kind::Publish,
                pipeline,
                number,
                endpoint: element,
                element: found,
                token: grant.name,
                offer,
            };
            Ok((session::begin(&app, new, events), answer))
        }
    });
    let (session, answer) = session.await?;
    Ok(created(&app, "whip", &session, answer))
}

async fn play(
    State(app): State<App>,
    grant: Grant,
    Path((pipeline, endpoint)): Path<(String, String)>,
    body: Body,
) -> Result<Response, Problem> {
    let offer = offer(body)?;
    let session = detached({
        let app = app.clone();
        async move {
            let hosted = app.registry().get(&pipeline)?;
            let events = app.hub().listen();
            let element = viewer::make(&app, &hosted, &endpoint).await?;
            let answer = match answer::negotiate(&app, &element, &offer).await {
                Ok(answer) => answer,
                Err(problem) => {
                    // It was made for this viewer; that it cannot be released means that the pipeline has ended.
                    let _ = element.release().await;
                    return Err(problem);
                }
            };
            let number = hosted.pipeline.id();
            let new = NewSession {
                kind: Kind::Play,
                pipeline,
                number,
                endpoint,
                element,
                token: grant.name,
                offer,
            };
            Ok((session::begin(&app, new, events), answer))
        }
    });
    let (session, answer) = session.await?;
    Ok(created(&app, "whep", &session, answer))
}

fn offer(body: Body) -> Result<String, Problem> {
    body.expect(&[SDP])?;
    let offer = body.text()?;
    if offer.trim().is_empty() {
        return Err(Problem::new(Code::BadRequest, "the body is empty: an offer is wanted"));
    }
    if !offer.starts_with("v=0") {
        return Err(Problem::new(
            Code::BadSdp,
            "the body is no session description: it does not begin with v=0",
        ));
    }
    Ok(offer)
}

fn created(app: &App, kind: &str, session: &Session, answer: String) -> Response {
    let (pipeline, element) = (session.pipeline.as_str(), session.endpoint.as_str());
    tracing::info!(
        target: "api", pipeline, element = session.element.id(), peer = session.id, token = session.token,
        "session begun: {kind}"
    );
    let location = format!("/{kind}/{pipeline}/{element}/{}", session.id);
    let headers = [
        (header::LOCATION, location),
        (header::ETAG, session.state().tag),
        (header::CONTENT_TYPE, SDP.to_owned()),
    ];
    let mut response = (StatusCode::CREATED, headers, answer).into_response();
    response.headers_mut().insert("accept-patch", HeaderValue::from_static(FRAGMENT));
    for server in &app.config().ice_servers {
        if let Ok(value) = HeaderValue::from_str(&server.link()) {
            response.headers_mut().append(header::LINK, value);
        }
    }
    response
}

async fn what_is_taken(State(app): State<App>, request: axum::extract::Request) -> Response {
    let session = request.uri().path().trim_end_matches('/').split('/').count() > 4;
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    let mut say = |name: &'static str, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    match session {
        true => {
            say("accept-patch", FRAGMENT);
            say("allow", "PATCH, DELETE, OPTIONS");
        }
        false => {
            say("accept-post", SDP);
            say("allow", "POST, OPTIONS");
        }
    }
    for server in &app.config().ice_servers {
        // What a credential opens is told to those who have a token.
        if let Ok(value) = HeaderValue::from_str(&server.link())
            && (server.credential.is_empty() || app.access().is_open())
        {
            headers.append(header::LINK, value);
        }
    }
    response
}

/// The session of that address.
fn find(app: &App, path: &(String, String, String)) -> Result<Arc<Session>, Problem> {
    let (pipeline, endpoint, id) = path;
    let session = app.sessions().get(id).filter(|s| s.pipeline == *pipeline && s.endpoint == *endpoint);
    session.ok_or_else(|| Problem::new(Code::NoSession, "the session has ended, or there never was one"))
}

async fn trickle(
    State(app): State<App>,
    Path(path): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let session = find(&app, &path)?;
    body.expect(&[FRAGMENT])?;
    let fragment = fragment::parse(&body.text()?).map_err(|e| Problem::new(Code::BadSdp, e))?;
    let state = session.state();
    let tag = headers.get(header::IF_MATCH).and_then(|v| v.to_str().ok()).map(str::trim);
    let known = fragment::attribute(&state.offer, "ice-ufrag");
    let restart =
        fragment.ufrag.is_some() && fragment.password.is_some() && fragment.ufrag.as_deref() != known;
    match tag {
        // WHEP is a draft, and the client of its author sends none; a restart does not go without.
        None if session.kind == Kind::Play && !restart => {}
        None => return Err(Problem::new(Code::NeedsTag, "If-Match is missing")),
        Some("*") => {}
        Some(tag) if tag == state.tag => {}
        Some(_) => return Err(Problem::new(Code::Stale, "the session was restarted since")),
    }
    if restart {
        return restart_ice(&app, session, &state.offer, &fragment).await;
    }
    let mids = fragment::mids(&state.offer);
    for candidate in &fragment.candidates {
        let index = candidate.mid.as_ref().and_then(|mid| mids.iter().position(|m| m == mid)).unwrap_or(0);
        let arguments = json!({
            "candidate": candidate.line, "sdp_mid": candidate.mid, "sdp_m_line_index": index,
        });
        session.element.command("add-candidate", &arguments).await.map_err(answer::refused)?;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn restart_ice(
    app: &App,
    session: Arc<Session>,
    offer: &str,
    fragment: &fragment::Fragment,
) -> Result<Response, Problem> {
    let offer = fragment::restarted(offer, fragment)
        .ok_or_else(|| Problem::new(Code::BadSdp, "an ICE restart needs a=ice-ufrag and a=ice-pwd"))?;
    let answer = answer::negotiate(app, &session.element, &offer).await.map_err(|mut problem| {
        if problem.code == Code::Busy {
            problem.code = Code::BadSdp;
        }
        problem
    })?;
    let tag = session.restarted(offer);
    let headers = [(header::ETAG, tag), (header::CONTENT_TYPE, FRAGMENT.to_owned())];
    Ok((StatusCode::OK, headers, fragment::of_answer(&answer)).into_response())
}

async fn end(
    State(app): State<App>,
    Path(path): Path<(String, String, String)>,
) -> Result<StatusCode, Problem> {
    let session = find(&app, &path)?;
    let ended = detached(async move { Ok(session::end(&app, &session, "the client ended it").await) });
    if ended.await? {
        return Ok(StatusCode::OK);
    }
    Err(Problem::new(Code::NoSession, "the session has ended already"))
}
