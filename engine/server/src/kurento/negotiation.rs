//! Offers, answers and candidates of SDP endpoints.

use serde_json::{Value, json};

use super::Kurento;
use super::error::{Code, RpcError};
use super::invoke::Call;
use super::object::{Kind, Peer, lock};

fn peer<'a>(call: &'a Call<'_>) -> Result<&'a std::sync::Mutex<Peer>, RpcError> {
    match &call.object.kind {
        Kind::WebRtc(peer) => Ok(peer),
        _ => Err(RpcError::unsupported("the object negotiates nothing")),
    }
}

fn sdp(value: &Value) -> Value {
    value.get("sdp").cloned().unwrap_or_default()
}

fn negotiated() -> RpcError {
    RpcError::new(Code::AlreadyNegotiated, "the endpoint has negotiated before; make a new one")
}

impl Kurento {
    pub(super) async fn generate_offer(&self, call: &Call<'_>) -> Result<Value, RpcError> {
        let peer = peer(call)?;
        if std::mem::replace(&mut lock(peer).offered, true) {
            return Err(negotiated());
        }
        let wants = |name: &str| {
            let options = call.arguments.get("options");
            options.and_then(|options| options.get(name)).and_then(Value::as_bool).unwrap_or(true)
        };
        let arguments = json!({"audio": wants("offerToReceiveAudio"), "video": wants("offerToReceiveVideo")});
        match self.command(call.object, "offer", &arguments).await {
            Ok(result) => Ok(sdp(&result)),
            Err(error) => {
                lock(peer).offered = false;
                Err(error)
            }
        }
    }

    pub(super) async fn process_offer(&self, call: &Call<'_>) -> Result<Value, RpcError> {
        let peer = peer(call)?;
        let offer = call.text("offer");
        if offer.trim().is_empty() {
            return Err(RpcError::new(Code::SdpParse, "Empty offer not valid"));
        }
        if std::mem::replace(&mut lock(peer).offered, true) {
            return Err(negotiated());
        }
        match self.command(call.object, "process-offer", &json!({"sdp": offer})).await {
            Ok(result) => {
                self.started(call, peer);
                Ok(sdp(&result))
            }
            Err(error) => {
                lock(peer).offered = false;
                Err(error)
            }
        }
    }

    pub(super) async fn process_answer(&self, call: &Call<'_>) -> Result<Value, RpcError> {
        let peer = peer(call)?;
        let answer = call.text("answer");
        if answer.trim().is_empty() {
            return Err(RpcError::new(Code::SdpParse, "Empty answer not valid"));
        }
        let (offered, started) = {
            let peer = lock(peer);
            (peer.offered, peer.started)
        };
        if !offered {
            return Err(RpcError::new(Code::NoOffer, "there is no offer that this could answer"));
        }
        if started {
            return Err(RpcError::new(Code::AnswerProcessed, "an answer was processed before"));
        }
        self.command(call.object, "process-answer", &json!({"sdp": answer})).await?;
        self.started(call, peer);
        self.command(call.object, "local-description", &json!({})).await.map(|result| sdp(&result))
    }

    fn started(&self, call: &Call<'_>, peer: &std::sync::Mutex<Peer>) {
        {
            let mut peer = lock(peer);
            (peer.started, peer.running) = (true, true);
        }
        self.raise(call.object, "MediaSessionStarted", json!({}));
    }

    pub(super) async fn gather(&self, call: &Call<'_>) -> Result<Value, RpcError> {
        let peer = peer(call)?;
        // Candidates of the peer may have led to checks already.
        let before = lock(peer).ice == "DISCONNECTED";
        if before {
            self.set_ice(call.object, peer, "GATHERING");
        }
        self.command(call.object, "gather", &json!({})).await.map(|_| Value::Null)
    }
}
