//! From a client's offer to an answer with all candidates.

use std::time::Duration;

use anabranch_engine::{CommandError, EventKind, MediaElement};
use serde_json::json;
use tokio::sync::broadcast;

use super::fragment;
use crate::App;
use crate::events::Notice;
use crate::problem::{Code, Problem};

/// Candidates of this machine are there at once, unless it is busy: an answer without any would be of little use.
const HOST_LIMIT: Duration = Duration::from_secs(2);
/// A STUN or TURN server may take longer; what is not there then is left out.
const SERVER_LIMIT: Duration = Duration::from_secs(3);
/// After the first candidate of such a server: those of other servers and networks that come with it are taken along. To wait
/// for the last would take seconds wherever one of the machine's networks does not reach the server.
const OTHERS_LIMIT: Duration = Duration::from_millis(50);

/// Hands the offer to the element and waits for the answer's candidates: a client of WHIP or WHEP gets none later.
pub(crate) async fn negotiate(app: &App, element: &MediaElement, offer: &str) -> Result<String, Problem> {
    let mut events = app.hub().listen();
    let answer = element.command("process-offer", &json!({ "sdp": offer })).await.map_err(refused)?;
    let answer = answer["sdp"].as_str().unwrap_or_default().to_owned();
    let asks = asks_servers(element);
    let (some, all) = fragment::candidates(&answer);
    if all || (some && asks.is_none()) {
        return Ok(answer);
    }
    element.command("gather", &json!({})).await.map_err(refused)?;
    let limit = if asks.is_some() { SERVER_LIMIT } else { HOST_LIMIT };
    // The limits are no error: what was found until then is what the client gets.
    let found = tokio::time::timeout(limit, gathered(&mut events, element, asks)).await;
    if matches!(found, Ok(Gathered::First)) {
        let _ = tokio::time::timeout(OTHERS_LIMIT, gathered(&mut events, element, None)).await;
    }
    let whole = element.command("local-description", &json!({})).await.map_err(refused)?;
    Ok(whole["sdp"].as_str().map_or(answer, str::to_owned))
}

/// The kind of candidate that is asked of servers: a relay of a TURN server, or the address that a STUN server saw.
fn asks_servers(element: &MediaElement) -> Option<&'static str> {
    let spec = element.pipeline().spec();
    let node = spec.nodes.get(element.id())?;
    let given = |name: &str| {
        node.properties.get(name).is_some_and(|value| {
            value.as_str().is_some_and(|s| !s.is_empty()) || value.as_array().is_some_and(|l| !l.is_empty())
        })
    };
    match (given("turn_servers"), given("stun_server")) {
        (true, _) => Some(" typ relay"),
        (false, true) => Some(" typ srflx"),
        (false, false) => None,
    }
}

enum Gathered {
    /// The first candidate of the kind that is waited for.
    First,
    /// All there are.
    All,
}

/// Waits for the end of gathering, or for the first candidate of a kind.
async fn gathered(
    events: &mut broadcast::Receiver<Notice>,
    element: &MediaElement,
    kind: Option<&str>,
) -> Gathered {
    let number = element.pipeline().id();
    loop {
        match events.recv().await {
            Ok(notice)
                if notice.number == number && notice.event.element.as_deref() == Some(element.id()) =>
            {
                let EventKind::Element { name, data, .. } = &notice.event.kind else { continue };
                let is_kind = |text: &str| kind.is_some_and(|kind| text.contains(kind));
                match name.as_str() {
                    "ice-gathering-done" => return Gathered::All,
                    "ice-candidate" if data["candidate"].as_str().is_some_and(is_kind) => {
                        return Gathered::First;
                    }
                    _ => {}
                }
            }
            Ok(_) => {}
            Err(_) => return Gathered::All,
        }
    }
}

/// An element's refusal of an offer, as WHIP and WHEP have it.
pub(crate) fn refused(error: CommandError) -> Problem {
    let code = match error.code.as_str() {
        "empty-sdp" => Code::BadRequest,
        "bad-sdp" | "bad-candidate" => Code::BadSdp,
        "already-negotiated" => Code::Busy,
        code if code.starts_with("unsupported") => Code::BadSdp,
        _ => return error.into(),
    };
    Problem::new(code, error.text).with("cause", error.code)
}
