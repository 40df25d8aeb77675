//! Stores of objects: the file goes there in pieces while it grows, and becomes one object at the end.
//!
//! What a muxer changes afterwards (sizes, the duration, the index) lies in pieces that have been brought already; they
//! are brought once more before the end, which stores allow until then.

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{ClientOptions, Error, MultipartId, PutPayload, RetryConfig};
use url::Url;

use super::http::Connector;
use super::{Failure, Patience, Teller};
use crate::recorder::growing::{Growing, PIECE};

/// What a muxer may still change behind the end of what it has written, bytes.
const UNSETTLED: u64 = 2 << 20;

/// A store and the object's name in it. Keys and addresses come from the environment, as each store's own tools read it
/// (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT`, ...), and from `options`.
///
/// # Errors
///
/// What is wrong with the address or the options, as a sentence for a person.
pub fn open(url: &Url, options: &[String]) -> Result<(Box<dyn MultipartStore>, Path), String> {
    let failed = |error: Error| format!("'{url}' cannot be written: {error}.");
    let pairs: Vec<(String, String)> = options
        .iter()
        .map(|option| {
            let pair =
                option.split_once('=').map(|(k, v)| (k.trim().to_ascii_lowercase(), v.trim().to_owned()));
            pair.ok_or_else(|| format!("'{option}' in `store_options` is not of the form key=value."))
        })
        .collect::<Result<_, _>>()?;
    // The pauses between tries are this module's own: it says when the store is away.
    let retry = RetryConfig { max_retries: 0, ..RetryConfig::default() };
    macro_rules! build {
        ($builder:expr) => {{
            let mut builder = $builder
                .with_url(url.as_str())
                .with_retry(retry)
                .with_client_options(ClientOptions::new().with_allow_http(true))
                .with_http_connector(Connector);
            for (key, value) in &pairs {
                builder = builder.with_config(key.parse().map_err(failed)?, value);
            }
            Box::new(builder.build().map_err(failed)?)
        }};
    }
    let store: Box<dyn MultipartStore> = match url.scheme() {
        "s3" | "s3a" => build!(AmazonS3Builder::from_env()),
        "gs" => build!(GoogleCloudStorageBuilder::from_env()),
        _ => build!(MicrosoftAzureBuilder::from_env()),
    };
    let path = Path::from_url_path(url.path()).map_err(|e| format!("'{url}' names no object: {e}."))?;
    if path.as_ref().is_empty() {
        return Err(format!("'{url}' names a bucket, but no object in it: add a name such as /talk.webm."));
    }
    Ok((store, path))
}

/// Brings the file there.
///
/// # Errors
///
/// Why the store does not want it.
pub async fn bring(
    store: &dyn MultipartStore,
    path: &Path,
    file: &Growing,
    teller: Teller,
) -> Result<(), String> {
    let mut patience = Patience::new(teller);
    // A store that has forgotten what it was given gets all of it again.
    while !once(store, path, file, &mut patience).await? {}
    Ok(())
}

/// `false` if the store has forgotten the upload.
async fn once(
    store: &dyn MultipartStore,
    path: &Path,
    file: &Growing,
    patience: &mut Patience,
) -> Result<bool, String> {
    let id = patience.insist(|| async { store.create_multipart(path).await.map_err(at_first) }).await?;
    let mut parts: Vec<PartId> = Vec::new();
    loop {
        let (closed, length) = (file.is_closed(), file.length());
        let piece = parts.len() as u64;
        let start = piece * PIECE;
        let settled = length >= start + PIECE + UNSETTLED;
        if settled || closed && (start < length || piece == 0) {
            let Some(part) = put(store, path, &id, piece, file, patience).await? else { return Ok(false) };
            parts.push(part);
        } else if closed {
            break;
        } else {
            file.changed().await;
        }
    }
    for (piece, part) in parts.iter_mut().enumerate() {
        if file.is_rewritten(piece as u64) {
            let Some(newer) = put(store, path, &id, piece as u64, file, patience).await? else {
                return Ok(false);
            };
            *part = newer;
        }
    }
    let completed =
        patience.insist(|| async { known(store.complete_multipart(path, &id, parts.clone()).await) }).await?;
    Ok(completed.is_some())
}

/// Brings one piece; `None` if the store has forgotten the upload.
async fn put(
    store: &dyn MultipartStore,
    path: &Path,
    id: &MultipartId,
    piece: u64,
    file: &Growing,
    patience: &mut Patience,
) -> Result<Option<PartId>, String> {
    patience
        .insist(|| async {
            file.take_rewritten(piece);
            let most = usize::try_from(PIECE).unwrap_or(usize::MAX);
            let data = file.read(piece * PIECE, most);
            let data = data.map_err(|e| Failure::Refused(format!("'{}': {e}", file.path().display())))?;
            known(store.put_part(path, id, piece as usize, PutPayload::from(data)).await)
        })
        .await
}

/// `None` if the store does not know of the upload any more.
fn known<T>(result: object_store::Result<T>) -> Result<Option<T>, Failure> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(Failure::Away(words(&error))),
    }
}

/// What goes wrong before anything has been brought is told apart: a wrong key or name will stay wrong.
fn at_first(error: Error) -> Failure {
    match error {
        Error::Generic { .. } | Error::JoinError { .. } => Failure::Away(words(&error)),
        _ => Failure::Refused(words(&error)),
    }
}

/// The innermost reason is the one that tells.
fn words(error: &Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let (outer, inner) = (error.to_string(), innermost.to_string());
    let text = if outer.contains(&inner) { outer } else { format!("{outer}: {inner}") };
    text.chars().take(400).collect()
}
