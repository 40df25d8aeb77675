//! The console: a page for people, its files inside the binary.
//!
//! Plain modules, styles and markup under `web/`; what is there is what the browser gets. The files say nothing about
//! pipelines, so they need no token; the page asks for one when the API does.

mod files;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::App;
use crate::problem::{Code, Problem};
use files::File;

/// The page asks nobody but this server, runs nothing but its own files, and is shown in no frame.
const SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
    media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `/` and the files below `/console/`.
pub(crate) fn router() -> Router<App> {
    Router::new()
        .route("/", get(|headers: HeaderMap| async move { answer("index.html", &headers) }))
        .route("/favicon.ico", get(|headers: HeaderMap| async move { answer("icon.svg", &headers) }))
        .route("/console/{*path}", get(file))
}

async fn file(Path(path): Path<String>, headers: HeaderMap) -> Response {
    answer(&path, &headers)
}

fn answer(path: &str, asked: &HeaderMap) -> Response {
    let Some(file) = files::find(path) else {
        return Problem::new(Code::NotFound, format!("the console has no file '{path}'")).into_response();
    };
    let mut response = if is_known(file, asked) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        file.bytes.into_response()
    };
    let fixed = [
        (header::CONTENT_TYPE, file.kind()),
        // The browser keeps a file but asks whether it is still the one: a new binary shows at once.
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(self), microphone=(self), display-capture=(self)",
        ),
    ];
    let headers = response.headers_mut();
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(tag) = HeaderValue::from_str(file.tag()) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// Whether the browser has this very file.
fn is_known(file: &File, asked: &HeaderMap) -> bool {
    let tags = asked.get_all(header::IF_NONE_MATCH);
    tags.iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(',')).any(|tag| {
        let tag = tag.trim();
        tag == "*" || tag.trim_start_matches("W/") == file.tag()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(tag: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, HeaderValue::from_str(tag).unwrap());
        headers
    }

    #[test]
    fn the_page_is_there_with_its_policy() {
        let response = answer("index.html", &HeaderMap::new());
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    }

    #[test]
    fn a_file_that_the_browser_has_is_not_sent_again() {
        let tag = answer("main.js", &HeaderMap::new()).headers()[header::ETAG].to_str().unwrap().to_owned();
        assert_eq!(answer("main.js", &asked(&tag)).status(), StatusCode::NOT_MODIFIED);
        assert_eq!(
            answer("main.js", &asked(&format!("\"other\", W/{tag}"))).status(),
            StatusCode::NOT_MODIFIED
        );
        assert_eq!(answer("main.js", &asked("\"other\"")).status(), StatusCode::OK);
    }

    #[test]
    fn nothing_else_is_there() {
        for path in ["", "no.js", "../mod.rs", "web/main.js"] {
            assert_eq!(answer(path, &HeaderMap::new()).status(), StatusCode::NOT_FOUND, "{path}");
        }
    }
}
