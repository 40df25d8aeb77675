//! Pipelines and elements as the API shows them.

use std::time::UNIX_EPOCH;

use serde_json::{Value, json};

use crate::App;
use crate::registry::Hosted;

/// A pipeline in a list.
pub(crate) fn summary(hosted: &Hosted) -> Value {
    let spec = hosted.pipeline.spec();
    let created = hosted.created.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let mut view = json!({
        "id": hosted.id,
        "description": spec.description,
        "state": hosted.pipeline.state(),
        "created": created,
        "keep_running": hosted.keep_running,
        "elements": spec.nodes.len(),
        "links": spec.links.len(),
        "href": format!("/api/v1/pipelines/{}", hosted.id),
    });
    if let Some(outcome) = hosted.outcome() {
        view["outcome"] = serde_json::to_value(outcome).unwrap_or_default();
    }
    view
}

/// A pipeline with its graph and plan.
pub(crate) fn pipeline(app: &App, hosted: &Hosted) -> Value {
    let mut view = summary(hosted);
    let spec = hosted.pipeline.spec();
    view["spec"] = serde_json::to_value(&*spec).unwrap_or_default();
    view["plan"] = serde_json::to_value(&*hosted.pipeline.plan()).unwrap_or_default();
    let (sessions, pictures) =
        (app.sessions().of_pipeline(&hosted.id), app.pictures().of_pipeline(hosted.pipeline.id()));
    // What the server added for viewers and for pictures is nobody's description.
    let mut own = (*spec).clone();
    let added = |id: &str| {
        sessions.iter().any(|s| s.is_viewer() && s.element.id() == id) || pictures.iter().any(|p| p == id)
    };
    own.nodes.retain(|id, _| !added(id));
    own.links.retain(|l| !added(&l.from.node) && !added(&l.to.node));
    view["yaml"] = own.to_yaml().into();
    view["sessions"] = sessions.iter().map(|s| s.view()).collect();
    view["pictures"] = pictures.into();
    view
}
