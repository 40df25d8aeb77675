//! The table of routes: from it come dispatch, authorisation and the OpenAPI document.

use axum::http::Method;
use axum::routing::MethodRouter;

use crate::App;
use crate::access::Scope;
use crate::problem::Code;

/// One operation of the API.
pub(crate) struct Route {
    /// Method.
    pub method: Method,
    /// Path, with `{parameters}`.
    pub path: &'static str,
    /// Its name: unique, camelCase.
    pub id: &'static str,
    /// The group it belongs to.
    pub tag: &'static str,
    /// What a token must have; none: open to everybody.
    pub scope: Option<Scope>,
    /// One line.
    pub summary: &'static str,
    /// Query parameters: name and what they are.
    pub query: &'static [(&'static str, &'static str)],
    /// What it takes: media types; empty: no body.
    pub takes: &'static [&'static str],
    /// How it answers if all is well: status, media type (empty: no body), what it is.
    pub answers: &'static [(u16, &'static str, &'static str)],
    /// Its own problems, besides those of every route.
    pub problems: &'static [Code],
    /// Makes its handler.
    pub handler: fn() -> MethodRouter<App>,
}

/// Every operation.
pub(crate) fn routes() -> impl Iterator<Item = &'static Route> {
    let rest = [
        super::about::ROUTES,
        super::pipelines::ROUTES,
        super::elements::ROUTES,
        crate::pictures::ROUTES,
        super::events::ROUTES,
        crate::metrics::ROUTES,
        crate::media::ROUTES,
    ];
    rest.into_iter().flatten().chain(crate::whip::ROUTES.as_flattened())
}

/// JSON.
pub(crate) const JSON: &str = "application/json";
/// What a description may be sent as; the two languages are read alike.
pub(crate) const DESCRIPTION: &[&str] = &["application/yaml", "application/json", "text/yaml", "text/plain"];
