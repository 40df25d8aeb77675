//! One HTTP PUT that goes on for as long as the file grows. When it breaks off, another one brings the file from its
//! beginning: PUT replaces.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::stream;
use http_body_util::StreamBody;
use hyper::body::Frame;
use hyper::{Request, StatusCode, header};
use url::Url;

use super::{Failure, Patience, Teller, http};
use crate::player::location::without_password;
use crate::recorder::growing::Growing;

/// How much is read at a time, bytes.
const READ: usize = 256 << 10;
/// A server that has taken the body for so long is there; one that is not may take a little before it shows.
const TAKES_IT: Duration = Duration::from_secs(1);

/// Brings the file there.
///
/// # Errors
///
/// Why the server does not want it.
pub async fn bring(
    url: Url,
    file: Arc<Growing>,
    content_type: &'static str,
    teller: Teller,
) -> Result<(), String> {
    let patience = Arc::new(Mutex::new(Patience::new(teller)));
    let held = |patience: &Arc<Mutex<Patience>>, reason| {
        patience.lock().unwrap_or_else(PoisonError::into_inner).failed(reason)
    };
    loop {
        match once(&url, &file, content_type, &patience).await {
            Ok(()) => return Ok(()),
            Err(Failure::Refused(reason)) => return Err(reason),
            Err(Failure::Away(reason)) => tokio::time::sleep(held(&patience, reason)).await,
        }
    }
}

async fn once(
    url: &Url,
    file: &Arc<Growing>,
    content_type: &'static str,
    patience: &Arc<Mutex<Patience>>,
) -> Result<(), Failure> {
    let body = StreamBody::new(stream::unfold((0, Instant::now(), file.clone(), patience.clone()), more));
    let request = Request::put(url.as_str()).header(header::CONTENT_TYPE, content_type);
    let request = match (url.username(), url.password()) {
        ("", None) => request,
        (user, password) => request.header(
            header::AUTHORIZATION,
            format!(
                "Basic {}",
                glib::base64_encode(format!("{user}:{}", password.unwrap_or_default()).as_bytes())
            ),
        ),
    };
    let shown = without_password(url.as_str());
    let request = request.body(body).map_err(|error| Failure::Refused(format!("'{shown}': {error}")))?;
    let answer = http::send(request).await.map_err(|error| Failure::Away(format!("'{shown}': {error}")))?;
    let status = answer.status();
    let says = || format!("'{shown}' says {status}");
    match status {
        _ if status.is_success() && file.is_closed() => {
            patience.lock().unwrap_or_else(PoisonError::into_inner).worked();
            Ok(())
        }
        // It did not wait for the end.
        _ if status.is_success() => Err(Failure::Away(says())),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS | StatusCode::TOO_EARLY => {
            Err(Failure::Away(says()))
        }
        _ if status.is_server_error() => Err(Failure::Away(says())),
        _ => Err(Failure::Refused(says())),
    }
}

/// How far the body is, since when it goes, and what it is made of.
type Position = (u64, Instant, Arc<Growing>, Arc<Mutex<Patience>>);

/// The next piece of the body, when there is more; none after the end.
async fn more((at, since, file, patience): Position) -> Option<(std::io::Result<Frame<Bytes>>, Position)> {
    if at > 0 && since.elapsed() > TAKES_IT {
        patience.lock().unwrap_or_else(PoisonError::into_inner).worked();
    }
    loop {
        let closed = file.is_closed();
        match file.read(at, READ) {
            Ok(data) if !data.is_empty() => {
                let next = at + data.len() as u64;
                return Some((Ok(Frame::data(data.into())), (next, since, file, patience)));
            }
            Ok(_) if closed => return None,
            Ok(_) => file.changed().await,
            Err(error) => return Some((Err(error), (at, since, file, patience))),
        }
    }
}
