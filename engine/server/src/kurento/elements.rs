//! Operations of every media element: links, flow.

use std::sync::Arc;

use anabranch_graph::catalog::Direction;
use anabranch_graph::format::{Format, Medium};
use serde_json::{Value, json};

use super::Kurento;
use super::error::{Code, RpcError};
use super::events::medium_name;
use super::invoke::Call;
use super::object::{Object, Pipeline, lock};

/// The medium of that name on the wire.
pub(super) fn medium(name: &str) -> Option<Medium> {
    Medium::ALL.into_iter().find(|medium| medium_name(*medium) == name)
}

/// In the order in which Kurento connects them.
const ALL: [Medium; 3] = [Medium::Audio, Medium::Video, Medium::Data];

fn media(call: &Call<'_>) -> Vec<Medium> {
    match medium(call.text("mediaType")) {
        Some(medium) => vec![medium],
        None => ALL.to_vec(),
    }
}

fn pipeline(object: &Object) -> Result<&Arc<Pipeline>, RpcError> {
    object.pipeline().ok_or_else(|| RpcError::no_object(&object.id))
}

impl Kurento {
    pub(super) async fn connect_elements(&self, call: &Call<'_>) -> Result<Value, RpcError> {
        let source = call.object;
        let sink = self.object(call.text("sink"), call.asker.grant)?;
        let (here, there) = (pipeline(source)?, pipeline(&sink)?);
        if !Arc::ptr_eq(here, there) {
            return Err(RpcError::new(Code::Connect, "Media elements do not share pipeline"));
        }
        let media = media(call);
        let change = self.edit(here, |graph| graph.connect(&source.id, &sink.id, &media)).await;
        let (gone, new) = change.map_err(|error| RpcError::new(Code::Connect, error.message))?;
        self.tell_links(&gone, "ElementDisconnected");
        self.tell_links(&new, "ElementConnected");
        Ok(Value::Null)
    }

    pub(super) async fn disconnect_elements(&self, call: &Call<'_>) -> Result<Value, RpcError> {
        let source = call.object;
        let sink = self.object(call.text("sink"), call.asker.grant)?;
        let (here, there) = (pipeline(source)?, pipeline(&sink)?);
        if !Arc::ptr_eq(here, there) {
            return Err(RpcError::new(Code::Connect, "Media elements do not share pipeline"));
        }
        let media = media(call);
        let gone = self.edit(here, |graph| graph.disconnect(&source.id, &sink.id, &media)).await?;
        self.tell_links(&gone, "ElementDisconnected");
        Ok(Value::Null)
    }

    /// Whom the element feeds (`sinks`), or who feeds it.
    pub(super) async fn connections(&self, call: &Call<'_>, sinks: bool) -> Result<Value, RpcError> {
        let object = call.object;
        let media = media(call);
        let description = call.arguments.get("description").and_then(Value::as_str).unwrap_or("default");
        let graph = pipeline(object)?.graph.lock().await;
        let links = graph.links().iter().filter(|link| {
            let own = if sinks { &link.source } else { &link.sink };
            *own == object.id && media.contains(&link.medium) && description == "default"
        });
        let links = links.map(|link| {
            json!({
                "__module__": "kurento",
                "__type__": "ElementConnectionData",
                "source": &*link.source,
                "sink": &*link.sink,
                "type": medium_name(link.medium),
                "sourceDescription": "default",
                "sinkDescription": "default",
            })
        });
        Ok(Value::Array(links.collect()))
    }

    pub(super) async fn is_flowing(&self, call: &Call<'_>, direction: Direction) -> Result<Value, RpcError> {
        let medium = match medium(call.text("mediaType")) {
            Some(medium @ (Medium::Audio | Medium::Video)) => medium,
            _ => return Err(RpcError::new(Code::IllegalParam, "the flow of DATA is not watched")),
        };
        let pipeline = pipeline(call.object)?;
        self.look_at_flow(pipeline).await;
        let key = (call.object.id.clone(), direction, medium);
        let flowing = lock(&pipeline.flow).is_flowing(&key);
        Ok(Value::Bool(flowing))
    }

    /// What the element's sinks get of a medium.
    pub(super) async fn set_format(&self, call: &Call<'_>, medium: Medium) -> Result<Value, RpcError> {
        let caps = call.arguments.get("caps").unwrap_or(&Value::Null);
        let codec = caps.get("codec").and_then(Value::as_str).unwrap_or_default();
        let format = match codec {
            "RAW" => Format::raw(medium),
            codec => Format::KNOWN.iter().find(|f| f.word().eq_ignore_ascii_case(codec)).cloned(),
        };
        let format = format.filter(|format| format.medium() == medium);
        let format = format.ok_or_else(|| {
            RpcError::new(Code::IllegalParam, format!("there is no codec '{codec}' for it"))
        })?;
        let bits = caps.get("bitrate").and_then(Value::as_u64).filter(|bits| *bits >= 1000);
        self.edit(pipeline(call.object)?, |graph| {
            let Some(block) = graph.block_mut(&call.object.id) else { return };
            let options = if medium == Medium::Video { &mut block.video } else { &mut block.audio };
            options.formats = vec![format];
            if let Some(bits) = bits {
                options.bitrate = u32::try_from(bits / 1000).ok();
            }
        })
        .await?;
        Ok(Value::Null)
    }

    pub(super) fn is_transcoding(&self, call: &Call<'_>) -> Result<Value, RpcError> {
        let Some(medium) = medium(call.text("mediaType")) else { return Ok(Value::Bool(false)) };
        let pipeline = pipeline(call.object)?;
        let count = lock(&pipeline.transcodes).get(&(call.object.id.clone(), medium)).copied();
        Ok(Value::Bool(call.text("binName") == "default" && count.is_some_and(|count| count > 0)))
    }

    /// Statistics of an element.
    pub(super) async fn statistics(&self, call: &Call<'_>) -> Result<Value, RpcError> {
        let object = call.object;
        let pipeline = pipeline(object)?;
        let wanted = medium(call.text("mediaType"));
        let mut all = super::stats::of_element(object, pipeline, wanted).await;
        if matches!(object.kind, super::object::Kind::WebRtc(_)) {
            let peer = self.command(object, "stats", &json!({})).await?;
            super::stats::of_peer(&peer, wanted, &mut all);
        }
        Ok(Value::Object(all))
    }
}
