//! Operations of filters that draw pictures.

use std::sync::Mutex;

use anabranch_graph::catalog::PropertyMap;
use serde_json::{Value, json};

use super::Kurento;
use super::error::{Code, RpcError};
use super::graph::Node;
use super::invoke::Call;
use super::object::{Filter, Kind, Picture, lock};
use super::picture;

/// The client's id of the only picture of a face overlay.
const FACE: &str = "face";
/// Pictures that one filter draws.
const MAX_PICTURES: usize = 64;

fn filter<'a>(call: &'a Call<'_>) -> Result<&'a Mutex<Filter>, RpcError> {
    match &call.object.kind {
        Kind::Filter(filter) => Ok(filter),
        _ => Err(RpcError::unsupported("the object draws nothing")),
    }
}

impl Kurento {
    pub(super) async fn set_face_image(&self, call: &Call<'_>) -> Result<Value, RpcError> {
        let properties = json!({
            "offset_x": call.number("offsetXPercent"),
            "offset_y": call.number("offsetYPercent"),
            "width": call.number("widthPercent"),
            "height": call.number("heightPercent"),
        });
        self.set_picture(call, FACE, "face-overlay", properties).await
    }

    pub(super) async fn unset_face_image(&self, call: &Call<'_>) -> Result<Value, RpcError> {
        self.unset_picture(call, FACE).await
    }

    pub(super) async fn add_image(&self, call: &Call<'_>) -> Result<Value, RpcError> {
        let (width, height) = (call.number("widthPercent"), call.number("heightPercent"));
        // Kurento centres the picture in its box if it keeps its shape; the engine's `center` is the point itself.
        let keep = call.flag("keepAspectRatio");
        let center = keep && call.flag("center");
        let middle = |at: f64, size: f64| if center { at + size / 2.0 } else { at };
        let properties = json!({
            "x": middle(call.number("offsetXPercent"), width),
            "y": middle(call.number("offsetYPercent"), height),
            "width": width,
            "height": height,
            "keep_aspect": keep,
            "center": center,
        });
        self.set_picture(call, call.text("id"), "image-overlay", properties).await
    }

    pub(super) async fn remove_image(&self, call: &Call<'_>) -> Result<Value, RpcError> {
        self.unset_picture(call, call.text("id")).await
    }

    /// Draws a picture; one of the same id is changed.
    async fn set_picture(
        &self,
        call: &Call<'_>,
        name: &str,
        type_name: &str,
        properties: Value,
    ) -> Result<Value, RpcError> {
        let filter = filter(call)?;
        let pipeline = call.object.pipeline().ok_or_else(|| RpcError::no_object(&call.object.id))?;
        let mut properties: PropertyMap = properties.as_object().cloned().unwrap_or_default();
        properties.insert("image".into(), json!(super::uri::path_of(call.text("uri"))));
        self.admit(type_name, &mut properties).await?;
        let image = properties.get("image").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut file = None;
        if picture::is_remote(&image) {
            let fetched = picture::fetch(self.app.policy(), &image).await;
            let fetched = fetched.map_err(|reason| RpcError::new(Code::IllegalParam, reason))?;
            properties.insert("image".into(), json!(fetched.path()));
            file = Some(fetched);
        }
        let known = lock(filter).pictures.get(name).map(|picture| picture.node.clone());
        let node = match known {
            Some(node) => node,
            None if lock(filter).pictures.len() >= MAX_PICTURES => {
                return Err(RpcError::new(Code::NotEnoughResources, "the filter has too many pictures"));
            }
            None => pipeline.node_name(type_name, &call.object.id),
        };
        let new = Node { id: node.clone(), type_name: type_name.into(), properties };
        self.edit(pipeline, |graph| {
            let Some(block) = graph.block_mut(&call.object.id) else { return };
            match block.nodes.iter_mut().find(|old| old.id == new.id) {
                Some(old) => *old = new,
                None => block.nodes.push(new),
            }
        })
        .await?;
        lock(filter).pictures.insert(name.to_owned(), Picture { node, file });
        Ok(Value::Null)
    }

    async fn unset_picture(&self, call: &Call<'_>, name: &str) -> Result<Value, RpcError> {
        let pipeline = call.object.pipeline().ok_or_else(|| RpcError::no_object(&call.object.id))?;
        let picture = lock(filter(call)?).pictures.shift_remove(name);
        if let Some(Picture { node, file: _file }) = picture {
            self.edit(pipeline, |graph| {
                if let Some(block) = graph.block_mut(&call.object.id) {
                    block.nodes.retain(|old| old.id != node);
                }
            })
            .await?;
        }
        Ok(Value::Null)
    }

    /// Holds properties that name files or addresses against the server's policy.
    pub(super) async fn admit(&self, type_name: &str, properties: &mut PropertyMap) -> Result<(), RpcError> {
        let admitted = self.app.policy().admit(self.app.engine().catalog(), type_name, properties).await;
        admitted.map_err(|refusals| {
            let reasons: Vec<&str> = refusals.iter().map(|refusal| refusal.reason.as_str()).collect();
            RpcError::new(Code::IllegalParam, reasons.join("; "))
        })
    }
}
