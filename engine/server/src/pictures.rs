//! Pictures of what goes on: a small picture of any video output, made for as long as somebody asks for it.
//!
//! The first request adds a `snapshot` element to the running graph, which keeps one file new; when nobody has asked for
//! a while it is released.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use anabranch_engine::MediaElement;
use anabranch_graph::catalog::PortSpec;
use anabranch_graph::format::Medium;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use crate::App;
use crate::access::Scope;
use crate::api::detached;
use crate::api::pipelines::query;
use crate::api::table::Route;
use crate::problem::{Code, Problem};
use crate::registry::Hosted;

/// The element type that keeps a picture.
const KEEPER: &str = "snapshot";
/// Seconds from one picture to the next.
const EVERY: f64 = 2.0;
/// JPEG quality: enough for a thumbnail.
const QUALITY: u32 = 75;
/// A picture that nobody asks for this long is not made any more.
const PATIENCE: Duration = Duration::from_secs(12);
/// The longest id of an element that a keeper's id is made of: ids have at most 64 characters.
const STEM: usize = 48;
const JPEG: &str = "image/jpeg";

pub(crate) const ROUTES: &[Route] = &[Route {
    method: Method::GET,
    path: "/api/v1/pipelines/{pipeline}/elements/{element}/picture",
    id: "getPicture",
    tag: "elements",
    scope: Some(Scope::Play),
    summary: "A picture of what the element puts out, a few seconds old at most; made while somebody asks for it.",
    query: &[("port", "The video output; the first one if left out.")],
    takes: &[],
    answers: &[
        (200, JPEG, "The picture."),
        (204, "", "The first picture is on its way."),
        (304, "", "It is the one that `If-None-Match` names."),
    ],
    problems: &[
        Code::NoPipeline,
        Code::NoElement,
        Code::NotFound,
        Code::ElementLimit,
        Code::Conflict,
        Code::Unsupported,
        Code::Unavailable,
        Code::Timeout,
    ],
    handler: || get(picture),
}];

/// One output of one element of one pipeline, by the engine's number of it.
type Output = (u64, String, String);

/// The pictures that are made now.
#[derive(Default)]
pub(crate) struct Pictures {
    keepers: Mutex<HashMap<Output, Arc<Keeper>>>,
    folder: OnceLock<Result<PathBuf, String>>,
}

/// Keeps a picture new.
struct Keeper {
    element: MediaElement,
    file: PathBuf,
    asked: Mutex<Instant>,
}

impl Pictures {
    fn lock(&self) -> MutexGuard<'_, HashMap<Output, Arc<Keeper>>> {
        self.keepers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ids of the elements that keep pictures of that pipeline.
    pub fn of_pipeline(&self, number: u64) -> Vec<String> {
        self.lock()
            .iter()
            .filter(|((n, ..), _)| *n == number)
            .map(|(_, k)| k.element.id().to_owned())
            .collect()
    }

    /// The keeper of an output, if it lives: a change of the graph may have taken it out.
    fn find(&self, hosted: &Hosted, output: &Output) -> Option<Arc<Keeper>> {
        let found = self.lock().get(output).cloned()?;
        hosted.pipeline.spec().nodes.contains_key(found.element.id()).then_some(found)
    }

    /// The folder for pictures, which nobody else can look into.
    fn folder(&self) -> Result<PathBuf, Problem> {
        let made = self.folder.get_or_init(|| {
            use std::os::unix::fs::DirBuilderExt as _;
            let name = format!("anabranch-pictures-{}", uuid::Uuid::new_v4().simple());
            let folder = std::env::temp_dir().join(name);
            std::fs::DirBuilder::new().mode(0o700).create(&folder).map_err(|e| e.to_string())?;
            Ok(folder)
        });
        let failed = |why: &String| Problem::new(Code::Unavailable, format!("no folder for pictures: {why}"));
        made.as_ref().map_err(failed).cloned()
    }
}

impl Drop for Pictures {
    fn drop(&mut self) {
        if let Some(Ok(folder)) = self.folder.get() {
            // Only pictures that nobody will ask for again are lost.
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    port: String,
}

async fn picture(
    State(app): State<App>,
    Path((pipeline, element)): Path<(String, String)>,
    asked: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asked = query(asked)?;
    let hosted = app.registry().get(&pipeline)?;
    let port = output_port(&app, &hosted, &element, &asked.port)?;
    let output = (hosted.pipeline.id(), element, port);
    let keeper = match app.pictures().find(&hosted, &output) {
        Some(keeper) => keeper,
        None => detached(keep(app.clone(), hosted, output)).await?,
    };
    *keeper.asked.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    let file = keeper.file.clone();
    let read = tokio::task::spawn_blocking(move || -> std::io::Result<(String, Vec<u8>)> {
        let facts = std::fs::metadata(&file)?;
        let since = facts.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Ok((format!("\"{:x}-{:x}\"", since.as_nanos(), facts.len()), std::fs::read(&file)?))
    });
    match read.await {
        Ok(Ok((tag, bytes))) => {
            let known = headers.get(header::IF_NONE_MATCH).is_some_and(|v| v.as_bytes() == tag.as_bytes());
            let fixed = [(header::ETAG, tag.as_str()), (header::CACHE_CONTROL, "no-cache")];
            if known {
                return Ok((StatusCode::NOT_MODIFIED, fixed).into_response());
            }
            Ok((fixed, [(header::CONTENT_TYPE, JPEG)], bytes).into_response())
        }
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            Ok((StatusCode::NO_CONTENT, [(header::RETRY_AFTER, "1")]).into_response())
        }
        Ok(Err(error)) => Err(Problem::new(Code::Internal, format!("the picture cannot be read: {error}"))),
        Err(error) => Err(Problem::new(Code::Internal, format!("the picture was not read: {error}"))),
    }
}

/// The video output that is meant.
fn output_port(app: &App, hosted: &Hosted, element: &str, wanted: &str) -> Result<String, Problem> {
    let spec = hosted.pipeline.spec();
    let node = spec.nodes.get(element).ok_or_else(|| {
        Problem::new(Code::NoElement, format!("the pipeline '{}' has no element '{element}'", hosted.id))
    })?;
    let fits = |port: &&PortSpec| port.medium == Medium::Video && (wanted.is_empty() || port.name == wanted);
    let found = app.engine().catalog().get(&node.type_name).and_then(|d| d.outputs().find(fits));
    found.map(|port| port.name.clone()).ok_or_else(|| {
        let name = if wanted.is_empty() { String::new() } else { format!(" '{wanted}'") };
        Problem::new(Code::NotFound, format!("'{element}' has no video output{name}"))
    })
}

/// Adds the element that keeps a picture of an output.
async fn keep(app: App, hosted: Hosted, output: Output) -> Result<Arc<Keeper>, Problem> {
    app.registry().room_for_more(1, 0)?;
    let _changing = hosted.changing.lock().await;
    // Another request may have been faster.
    if let Some(keeper) = app.pictures().find(&hosted, &output) {
        return Ok(keeper);
    }
    let file = app.pictures().folder()?.join(format!("{}.jpg", uuid::Uuid::new_v4().simple()));
    let (_, of, port) = &output;
    let id = free_id(&hosted, of);
    let properties = json!({ "location": file, "every": EVERY, "quality": QUALITY });
    let element = hosted.pipeline.add(&id, KEEPER, properties).await?;
    if let Err(error) = hosted.pipeline.connect(&format!("{of}.{port} -> {id}.video")).await {
        // It is of no use unlinked; that it cannot be released either means that the pipeline has ended.
        let _ = element.release().await;
        return Err(error.into());
    }
    let keeper = Arc::new(Keeper { element, file, asked: Mutex::new(Instant::now()) });
    app.pictures().lock().insert(output.clone(), keeper.clone());
    tokio::spawn(release_when_forgotten(app, output, keeper.clone()));
    Ok(keeper)
}

fn free_id(hosted: &Hosted, of: &str) -> String {
    let spec = hosted.pipeline.spec();
    let stem: String = of.chars().take(STEM).collect();
    let ids = (1_u64..).map(|n| format!("{stem}-picture-{n}"));
    ids.into_iter().find(|id| !spec.nodes.contains_key(id)).unwrap_or_default()
}

async fn release_when_forgotten(app: App, output: Output, keeper: Arc<Keeper>) {
    loop {
        let until = *keeper.asked.lock().unwrap_or_else(PoisonError::into_inner) + PATIENCE;
        if until <= Instant::now() {
            break;
        }
        tokio::select! {
            () = tokio::time::sleep_until(until) => {}
            () = app.stopping().cancelled() => break,
        }
    }
    let is_last = {
        let mut keepers = app.pictures().lock();
        let is_last = keepers.get(&output).is_some_and(|k| Arc::ptr_eq(k, &keeper));
        if is_last {
            keepers.remove(&output);
        }
        is_last
    };
    // A change of the graph took out the element of one that is not the last; its id may be the next one's by now.
    if is_last && keeper.element.pipeline().spec().nodes.contains_key(keeper.element.id()) {
        // That it cannot be released means that the pipeline has ended.
        let _ = keeper.element.release().await;
    }
    let file = keeper.file.clone();
    let _ = tokio::task::spawn_blocking(move || std::fs::remove_file(file)).await;
}
