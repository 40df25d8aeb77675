//! Errors on the wire: RFC 9457 problem details with stable types and codes.

use std::fmt;

use anabranch_engine::{ChangeError, ErrorInfo, ErrorKind, GraphError};
use anabranch_graph::diagnostic::Diagnostic;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $status:ident, $title:literal;)+) => {
        /// What kind of problem it is. Codes never change their meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Code] = &[$(Code::$name,)+];

            /// The code as text: `no-such-pipeline`.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $code,)+ }
            }

            /// The HTTP status that goes with it.
            pub fn status(self) -> StatusCode {
                match self { $(Code::$name => StatusCode::$status,)+ }
            }

            /// A few words.
            pub fn title(self) -> &'static str {
                match self { $(Code::$name => $title,)+ }
            }

            /// What it means and what to do.
            pub fn text(self) -> &'static str {
                match self { $(Code::$name => concat!($($doc, "\n"),+),)+ }
            }
        }
    };
}

codes! {
    /// The request is not what this resource takes: `detail` says what is wrong.
    BadRequest = "bad-request", BAD_REQUEST, "Bad request";
    /// No token was sent, or one that the server does not know. Send `Authorization: Bearer TOKEN`.
    Unauthorized = "unauthorized", UNAUTHORIZED, "Token missing or unknown";
    /// The token is known, but has not the scope for this, or not for this pipeline.
    Forbidden = "forbidden", FORBIDDEN, "Token not sufficient";
    /// A page of another origin asks. Allow it with `browser.origins` in the server's configuration.
    Origin = "origin-not-allowed", FORBIDDEN, "Origin not allowed";
    /// The request names a host that this server does not answer to. Allow it with `browser.hosts`.
    Host = "host-not-allowed", MISDIRECTED_REQUEST, "Host not allowed";
    /// The description names a file, host or scheme that the server's policy does not let a client name.
    Policy = "not-allowed-by-policy", FORBIDDEN, "Not allowed by policy";
    /// There is nothing at this path.
    NotFound = "not-found", NOT_FOUND, "Nothing here";
    /// The resource does not take this method; `Allow` says which it takes.
    Method = "method-not-allowed", METHOD_NOT_ALLOWED, "Method not allowed";
    /// There is no pipeline of that name.
    NoPipeline = "no-such-pipeline", NOT_FOUND, "No such pipeline";
    /// The pipeline has no element of that id.
    NoElement = "no-such-element", NOT_FOUND, "No such element";
    /// The peer's session has ended, or there never was one.
    NoSession = "no-such-session", NOT_FOUND, "No such session";
    /// A pipeline of that name lives already.
    NameTaken = "name-taken", CONFLICT, "Name taken";
    /// The element has a live peer already.
    Busy = "element-busy", CONFLICT, "Element busy";
    /// It does not go together with the state that things are in.
    Conflict = "conflict", CONFLICT, "Conflict";
    /// The entity tag in `If-Match` is not that of the session now.
    Stale = "stale-session", PRECONDITION_FAILED, "Stale entity tag";
    /// An ICE restart needs `If-Match: "*"`, another change the session's entity tag.
    NeedsTag = "precondition-required", PRECONDITION_REQUIRED, "If-Match missing";
    /// The body has another type than this resource takes.
    MediaType = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "Unsupported media type";
    /// The body is larger than the server's limit.
    TooLarge = "too-large", PAYLOAD_TOO_LARGE, "Too large";
    /// The body did not come within the time limit.
    TooSlow = "too-slow", REQUEST_TIMEOUT, "Too slow";
    /// The description has mistakes: `diagnostics` lists all of them.
    InvalidGraph = "invalid-description", UNPROCESSABLE_ENTITY, "Invalid description";
    /// The element refuses the command or its arguments: `detail` says why.
    InvalidCommand = "invalid-command", UNPROCESSABLE_ENTITY, "Invalid command";
    /// The session description cannot be used: `detail` says why.
    BadSdp = "bad-session-description", UNPROCESSABLE_ENTITY, "Bad session description";
    /// The body is no media that can be read here: `detail` says why.
    BadMedia = "bad-media", UNPROCESSABLE_ENTITY, "Bad media";
    /// This client asks too often; wait as long as `Retry-After` says.
    RateLimit = "rate-limit", TOO_MANY_REQUESTS, "Too many requests";
    /// The server has as many connections as it may have.
    ConnectionLimit = "connection-limit", SERVICE_UNAVAILABLE, "Too many connections";
    /// The server runs as many pipelines as it may run.
    PipelineLimit = "pipeline-limit", SERVICE_UNAVAILABLE, "Too many pipelines";
    /// The server runs as many elements as it may run.
    ElementLimit = "element-limit", SERVICE_UNAVAILABLE, "Too many elements";
    /// The server has as many peers as it may have.
    PeerLimit = "peer-limit", SERVICE_UNAVAILABLE, "Too many peers";
    /// The server is being stopped.
    Stopping = "stopping", SERVICE_UNAVAILABLE, "Stopping";
    /// It cannot be had now: `detail` says why.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "Unavailable";
    /// This machine or build cannot do it.
    Unsupported = "unsupported", NOT_IMPLEMENTED, "Unsupported";
    /// It took too long.
    Timeout = "timeout", GATEWAY_TIMEOUT, "Timed out";
    /// A fault of the server.
    Internal = "internal", INTERNAL_SERVER_ERROR, "Internal error";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An error body.
#[derive(Clone, Debug)]
pub struct Problem {
    /// What kind.
    pub code: Code,
    /// What is wrong this time, a sentence.
    pub detail: String,
    /// The mistakes of a description.
    pub diagnostics: Option<Vec<Diagnostic>>,
    /// Further members of the body.
    pub members: Box<Map<String, Value>>,
    /// Seconds after which another try makes sense.
    pub retry_after: Option<u64>,
}

impl Problem {
    /// A problem of that kind; `detail` is a sentence for a person.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Problem { code, detail: detail.into(), diagnostics: None, members: Box::default(), retry_after: None }
    }

    /// With a further member in its body.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// With the time after which another try makes sense, seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// A description with mistakes, all of them.
    pub fn of_diagnostics(diagnostics: &[Diagnostic]) -> Self {
        let errors = diagnostics.iter().filter(|d| d.is_error()).count();
        let first = diagnostics.iter().find(|d| d.is_error()).map(|d| d.message.clone()).unwrap_or_default();
        let detail = match errors {
            0 | 1 => first,
            n => format!("{n} mistakes, the first: {first}"),
        };
        Problem { diagnostics: Some(diagnostics.to_vec()), ..Problem::new(Code::InvalidGraph, detail) }
    }

    /// The body.
    pub fn body(&self) -> Value {
        let status = self.code.status().as_u16();
        let mut body = json!({
            "type": format!("/problems/{}", self.code), "title": self.code.title(), "status": status,
            "code": self.code.as_str(), "detail": self.detail,
        });
        if let Some(diagnostics) = &self.diagnostics {
            body["diagnostics"] = serde_json::to_value(diagnostics).unwrap_or_default();
        }
        if let Some(body) = body.as_object_mut() {
            body.extend(self.members.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        body
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl std::error::Error for Problem {}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let json = HeaderValue::from_static("application/problem+json");
        let mut response = (self.code.status(), self.body().to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, json);
        if self.code == Code::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl From<GraphError> for Problem {
    fn from(error: GraphError) -> Self {
        Problem::of_diagnostics(&error.diagnostics)
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        let detail = error.to_string();
        match error {
            ChangeError::Graph(error) => error.into(),
            ChangeError::NoElement(_) => Problem::new(Code::NoElement, detail),
            other => Problem::new(of_kind(other.kind()), detail).with("cause", other.code()),
        }
    }
}

/// The code for an error of the engine that has none of its own.
pub(crate) fn of_kind(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::InvalidInput => Code::BadRequest,
        ErrorKind::NotFound => Code::NotFound,
        ErrorKind::Conflict => Code::Conflict,
        ErrorKind::Unsupported => Code::Unsupported,
        ErrorKind::Unavailable => Code::Unavailable,
        ErrorKind::Timeout => Code::Timeout,
        ErrorKind::Internal => Code::Internal,
    }
}
