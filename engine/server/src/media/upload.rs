//! Bodies of POST on their way into an element, of any length.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::header;
use futures::StreamExt;
use serde_json::Value;

use super::{find, refused};
use crate::App;
use crate::problem::{Code, Problem};

/// A sender that says nothing for this time is taken for gone.
const SILENCE: Duration = Duration::from_secs(30);

/// Takes a body. It may last for hours and has no limit of size; what the element has not read yet waits in the socket.
pub(super) async fn take(
    State(app): State<App>,
    Path((pipeline, element)): Path<(String, String)>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let (head, body) = request.into_parts();
    let media_type = head.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if media_type == "multipart/form-data" {
        let detail = "send the file itself as the body, not a form: `curl -T file` or `--data-binary @file`";
        return Err(Problem::new(Code::MediaType, detail));
    }
    let wanted = anabranch_engine::web::Request { media_type, ..Default::default() };
    let mut upload = find(&app, &pipeline, &element).await?.take(wanted).map_err(refused)?;
    let mut body = body.into_data_stream();
    let cut = loop {
        let piece = tokio::select! {
            piece = tokio::time::timeout(SILENCE, body.next()) => piece,
            () = app.stopping().cancelled() => break Some("the server is being stopped".to_owned()),
        };
        match piece {
            Ok(Some(Ok(piece))) => upload.push(piece).await.map_err(refused)?,
            Ok(Some(Err(error))) => break Some(format!("the connection broke off ({error})")),
            Ok(None) => break None,
            Err(_) => break Some(format!("nothing came for {} s", SILENCE.as_secs())),
        }
    };
    let was_cut = cut.clone();
    let said = upload.finish(cut).await.map_err(refused)?;
    match was_cut {
        None => Ok(Json(said)),
        Some(reason) => Err(Problem::new(Code::BadRequest, format!("the body was cut: {reason}"))),
    }
}
