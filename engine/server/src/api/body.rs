//! Request bodies: limited in size and time.

use std::time::Duration;

use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::App;
use crate::problem::{Code, Problem};

/// A whole body with its media type.
pub(crate) struct Body {
    /// The media type without parameters, lower case; empty if none was given.
    pub media_type: String,
    /// The bytes.
    pub bytes: Bytes,
}

impl Body {
    /// As text.
    pub fn text(self) -> Result<String, Problem> {
        String::from_utf8(self.bytes.into())
            .map_err(|_| Problem::new(Code::BadRequest, "the body is not UTF-8 text"))
    }

    /// As JSON; an empty body is null.
    pub fn json(&self) -> Result<serde_json::Value, Problem> {
        if self.bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(serde_json::Value::Null);
        }
        serde_json::from_slice(&self.bytes)
            .map_err(|error| Problem::new(Code::BadRequest, format!("the body is not JSON: {error}")))
    }

    /// Refuses other media types than these.
    pub fn expect(&self, types: &[&str]) -> Result<(), Problem> {
        if types.contains(&self.media_type.as_str()) {
            return Ok(());
        }
        let given = if self.media_type.is_empty() { "none" } else { &self.media_type };
        let detail = format!("this takes the media type {}, not {given}", types.join(" or "));
        Err(Problem::new(Code::MediaType, detail))
    }
}

impl FromRequest<App> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let limits = app.limits();
        let too_large = || {
            let detail = format!("a body may have {} bytes", limits.body_bytes);
            Problem::new(Code::TooLarge, detail).with("limit", limits.body_bytes)
        };
        let (head, body) = request.into_parts();
        let header = |name| head.headers.get(name).and_then(|v| v.to_str().ok());
        let length = header(CONTENT_LENGTH).and_then(|v| v.parse::<usize>().ok());
        // Refused before it is read: a client that waits for 100-continue never sends it.
        if length.is_some_and(|length| length > limits.body_bytes) {
            return Err(too_large());
        }
        let media_type = header(CONTENT_TYPE).and_then(|v| v.split(';').next()).unwrap_or_default();
        let media_type = media_type.trim().to_ascii_lowercase();
        let reading = Limited::new(body, limits.body_bytes).collect();
        let limit = Duration::from_secs(limits.body_seconds);
        match tokio::time::timeout(limit, reading).await {
            Ok(Ok(body)) => Ok(Body { media_type, bytes: body.to_bytes() }),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
            Ok(Err(error)) => Err(Problem::new(Code::BadRequest, format!("the body broke off: {error}"))),
            Err(_) => {
                let detail = format!("the body was not there after {} s", limits.body_seconds);
                Err(Problem::new(Code::TooSlow, detail))
            }
        }
    }
}
