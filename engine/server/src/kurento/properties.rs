//! Getters and setters.

use std::sync::atomic::Ordering;

use anabranch_graph::catalog::PropertyMap;
use serde_json::{Value, json};

use super::Kurento;
use super::error::{Code, RpcError};
use super::methods::Asker;
use super::object::{Kind, Object, lock};
use super::peer;
use super::table::{Held, OwnProperty};

impl Kurento {
    pub(super) async fn get(
        &self,
        asker: &Asker<'_>,
        object: &Object,
        name: &str,
        held: Held,
    ) -> Result<Value, RpcError> {
        match held {
            Held::Element { name, from, .. } => {
                self.element_property(object, name).await.map(|value| from(&value))
            }
            Held::Kept { at_first, .. } => {
                let first = || serde_json::from_str(at_first).unwrap_or_default();
                let value: Value = object.kept(name).unwrap_or_else(first);
                Ok(match value {
                    // Values with fields carry their type.
                    Value::Object(fields) => {
                        let mut typed = json!({"__module__": "kurento", "__type__": "RembParams"});
                        if let Some(typed) = typed.as_object_mut() {
                            typed.extend(fields);
                        }
                        typed
                    }
                    value => value,
                })
            }
            Held::Own(OwnProperty::Position, _) => {
                Ok(json!(self.playing(object).await.get("position").and_then(Value::as_u64).unwrap_or(0)))
            }
            Held::Own(OwnProperty::VideoInfo, _) => Ok(video_info(&self.playing(object).await)),
            Held::Own(own, _) => self.get_own(asker, object, own),
        }
    }

    /// A property of an endpoint's element, as it was set or else its default.
    async fn element_property(&self, object: &Object, name: &str) -> Result<Value, RpcError> {
        let pipeline = object.pipeline().ok_or_else(|| RpcError::no_object(&object.id))?;
        let graph = pipeline.graph.lock().await;
        let node = graph.block(&object.id).and_then(|block| block.nodes.first());
        let node = node.ok_or_else(|| RpcError::no_object(&object.id))?;
        if let Some(value) = node.properties.get(name) {
            return Ok(value.clone());
        }
        let descriptor = self.app.engine().catalog().get(&node.type_name);
        Ok(descriptor.and_then(|d| d.property(name)).map(|p| p.default.clone()).unwrap_or_default())
    }

    fn get_own(&self, asker: &Asker<'_>, object: &Object, own: OwnProperty) -> Result<Value, RpcError> {
        let kept = |name: &str, or: Value| object.kept(name).unwrap_or(or);
        let value = match own {
            OwnProperty::Pipeline => object.pipeline().map_or(Value::Null, |pipeline| json!(&*pipeline.id)),
            OwnProperty::Parent => object.parent.as_deref().map_or(Value::Null, |parent| json!(parent)),
            OwnProperty::Id => json!(&*object.id),
            OwnProperty::Children => {
                self.children(&object.id).iter().map(|child| Value::from(&*child.id)).collect()
            }
            OwnProperty::Name => json!(object.common().name.as_deref().unwrap_or(&object.id)),
            OwnProperty::SendTags => json!(object.common().send_tags),
            OwnProperty::CreationTime => json!(object.created),
            OwnProperty::LatencyStats => {
                json!(object.pipeline().is_some_and(|p| p.latency_stats.load(Ordering::Relaxed)))
            }
            OwnProperty::Bitrate => kept("encoderBitrate", json!(0)),
            OwnProperty::MinBitrate => kept("minEncoderBitrate", json!(0)),
            OwnProperty::MaxBitrate => kept("maxEncoderBitrate", json!(0)),
            OwnProperty::StunAddress => kept("stunServerAddress", json!("")),
            OwnProperty::StunPort => kept("stunServerPort", json!(3478)),
            OwnProperty::ExternalIPv4 => kept("externalIPv4", json!("")),
            OwnProperty::ExternalIPv6 => kept("externalIPv6", json!("")),
            OwnProperty::IceTcp => json!(false),
            OwnProperty::Info => self.info(),
            OwnProperty::Pipelines => self.pipeline_ids(asker.grant),
            OwnProperty::Sessions => self.session_ids(),
            OwnProperty::Metadata => json!(""),
            OwnProperty::Dot => json!(self.dot(object)?),
            _ => state(object, own),
        };
        Ok(value)
    }

    pub(super) async fn set(
        &self,
        object: &Object,
        name: &str,
        held: Held,
        value: Value,
    ) -> Result<(), RpcError> {
        match held {
            Held::Element { name, to, .. } => self.set_element_property(object, name, to(&value)).await,
            Held::Kept { why, .. } => {
                tracing::info!(target: "api", object = %object.id, name, why, "kurento: a property has no effect");
                object.common().kept.insert(name.to_owned(), value);
                Ok(())
            }
            Held::Own(own, _) => self.set_own(object, name, own, value).await,
        }
    }

    async fn set_own(
        &self,
        object: &Object,
        name: &str,
        own: OwnProperty,
        value: Value,
    ) -> Result<(), RpcError> {
        let keep = || object.common().kept.insert(name.to_owned(), value.clone());
        match own {
            OwnProperty::Name => object.common().name = value.as_str().map(str::to_owned),
            OwnProperty::SendTags => object.common().send_tags = value == json!(true),
            OwnProperty::LatencyStats => {
                if let Some(pipeline) = object.pipeline() {
                    pipeline.latency_stats.store(value == json!(true), Ordering::Relaxed);
                }
            }
            OwnProperty::IceTcp => {
                if value == json!(true) {
                    return Err(RpcError::unsupported("ICE over TCP is not there; UDP and TURN are"));
                }
            }
            OwnProperty::Position => return self.seek(object, &value).await,
            OwnProperty::Bitrate | OwnProperty::MinBitrate | OwnProperty::MaxBitrate => {
                if value.as_i64().is_none_or(|bits| bits < 0) {
                    return Err(RpcError::new(Code::IllegalParam, format!("'{name}' must not be negative")));
                }
                let before = keep();
                let result = self.set_bitrate(object).await;
                undo(object, name, before, &result);
                return result;
            }
            OwnProperty::StunAddress | OwnProperty::StunPort => {
                let before = keep();
                let address = object.kept("stunServerAddress").unwrap_or_default();
                let server = match address.as_str().unwrap_or_default() {
                    "" => String::new(),
                    host => format!("stun:{host}:{}", object.kept("stunServerPort").unwrap_or(json!(3478))),
                };
                let result = self.set_element_property(object, "stun_server", json!(server)).await;
                undo(object, name, before, &result);
                return result;
            }
            OwnProperty::ExternalIPv4 | OwnProperty::ExternalIPv6 => {
                let before = keep();
                let both = ["externalIPv4", "externalIPv6"].map(|name| object.kept(name).unwrap_or_default());
                let addresses = both.iter().filter(|address| address.as_str().is_some_and(|a| !a.is_empty()));
                let addresses = Value::Array(addresses.cloned().collect());
                let result = self.set_element_property(object, "announced_addresses", addresses).await;
                undo(object, name, before, &result);
                return result;
            }
            _ => return Err(RpcError::unsupported(format!("'{name}' cannot be set"))),
        }
        Ok(())
    }

    /// Sets a property of an endpoint's element.
    async fn set_element_property(&self, object: &Object, name: &str, value: Value) -> Result<(), RpcError> {
        let pipeline = object.pipeline().ok_or_else(|| RpcError::no_object(&object.id))?;
        let Kind::WebRtc(peer) = &object.kind else {
            return self.set_detector_property(object, name, value).await.map(|_| ());
        };
        let (node, started) = {
            let peer = lock(peer);
            (peer.node.clone(), peer.offered)
        };
        let mut admitted = PropertyMap::from_iter([(name.to_owned(), value)]);
        let type_name = pipeline.media().spec().nodes.get(&node).map(|node| node.type_name.clone());
        let type_name = type_name.ok_or_else(|| RpcError::unsupported("the element is not running"))?;
        let descriptor = self.app.engine().catalog().get(&type_name);
        let live = descriptor.and_then(|d| d.property(name)).is_some_and(|property| property.live);
        if started && !live {
            let text = format!("'{name}' must be set before the endpoint negotiates");
            return Err(RpcError::unsupported(text));
        }
        self.admit(&type_name, &mut admitted).await?;
        self.edit(pipeline, |graph| {
            let block = graph.block_mut(&object.id);
            if let Some(node) = block.and_then(|block| block.nodes.first_mut()) {
                node.properties.extend(admitted);
            }
        })
        .await
    }

    /// Encoders for what the element gives get its bit rate.
    async fn set_bitrate(&self, object: &Object) -> Result<(), RpcError> {
        let kept = |name: &str| object.kept(name).and_then(|value| value.as_i64()).unwrap_or(0);
        let (wanted, least, most) =
            (kept("encoderBitrate"), kept("minEncoderBitrate"), kept("maxEncoderBitrate"));
        let kbits = |bits: i64| u32::try_from(bits / 1000).ok().filter(|kbits| *kbits > 0);
        let pipeline = object.pipeline().ok_or_else(|| RpcError::no_object(&object.id))?;
        self.edit(pipeline, |graph| {
            if let Some(block) = graph.block_mut(&object.id) {
                block.video.bitrate = kbits(wanted);
                block.video.min_bitrate =
                    kbits(least).filter(|least| kbits(most).is_none_or(|most| *least <= most));
                block.video.max_bitrate = kbits(most);
            }
        })
        .await
    }
}

/// What a player says of itself, as Kurento says it.
fn video_info(playing: &Value) -> Value {
    let duration = playing.get("duration").and_then(Value::as_u64).unwrap_or(0);
    let seekable = playing.get("seekable").and_then(Value::as_bool).unwrap_or(false);
    json!({
        "__module__": "kurento",
        "__type__": "VideoInfo",
        "isSeekable": seekable,
        "seekableInit": 0,
        "seekableEnd": if seekable { duration } else { 0 },
        "duration": duration,
    })
}

/// After a failure the value before is kept.
fn undo(object: &Object, name: &str, before: Option<Value>, result: &Result<(), RpcError>) {
    if result.is_err() {
        let mut common = object.common();
        match before {
            Some(value) => common.kept.insert(name.to_owned(), value),
            None => common.kept.remove(name),
        };
    }
}

/// The state of an endpoint, player or recorder.
fn state(object: &Object, own: OwnProperty) -> Value {
    let connected = |connected: bool| if connected { "CONNECTED" } else { "DISCONNECTED" };
    match &object.kind {
        Kind::WebRtc(peer) => {
            let peer = lock(peer);
            match own {
                OwnProperty::MediaState => json!(connected(peer.media_connected)),
                OwnProperty::ConnectionState => json!(connected(peer.connected)),
                OwnProperty::CandidatePairs => peer.pair.iter().map(peer::pair_value).collect(),
                OwnProperty::IceState => peer::ice_value(&peer),
                OwnProperty::DtlsState => peer::dtls_value(&peer),
                _ => Value::Null,
            }
        }
        Kind::Uri(uri) => {
            let uri = lock(uri);
            match own {
                OwnProperty::Uri => json!(uri.uri),
                OwnProperty::UriState => json!(uri.state.name()),
                _ => Value::Null,
            }
        }
        _ => Value::Null,
    }
}
