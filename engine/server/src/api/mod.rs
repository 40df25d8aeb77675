//! REST: pipelines, elements, events, and what the server says about itself.

pub(crate) mod about;
pub(crate) mod body;
pub(crate) mod elements;
pub(crate) mod events;
pub(crate) mod guard;
mod openapi;
pub(crate) mod pipelines;
pub(crate) mod table;
pub(crate) mod views;

use axum::Router;
use axum::middleware::from_fn_with_state;

use crate::App;
use crate::problem::{Code, Problem};

/// All routes of the table, each behind its authorisation.
pub(crate) fn router(app: &App) -> Router<App> {
    table::routes().fold(Router::new(), |router, route| {
        let handler = (route.handler)();
        router.route(
            route.path,
            match route.scope {
                Some(scope) => {
                    handler.route_layer(from_fn_with_state((app.clone(), scope), guard::authorise))
                }
                None => handler,
            },
        )
    })
}

/// Runs something to its end although the client may go away meanwhile: a graph is not left half changed.
pub(crate) async fn detached<T: Send + 'static>(
    work: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::spawn(work).await {
        Ok(result) => result,
        Err(error) => Err(Problem::new(Code::Internal, format!("the request was not carried out: {error}"))),
    }
}
