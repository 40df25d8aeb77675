//! Hubs, their ports, and filters made of GStreamer's own elements.

use anabranch_graph::catalog::PropertyMap;
use anabranch_graph::format::Medium;
use serde_json::{Map, Value, json};

use super::Kurento;
use super::error::{Code, RpcError};
use super::invoke::Call;
use super::object::Kind;

/// The properties of a new hub of that type.
pub(super) fn properties(arguments: &Map<String, Value>) -> PropertyMap {
    let names = [("width", "width"), ("height", "height"), ("framerate", "frame_rate")];
    let given = names.into_iter().filter_map(|(theirs, ours)| Some((ours, arguments.get(theirs)?)));
    given.map(|(name, value)| (name.to_owned(), value.clone())).collect()
}

/// The properties of a new filter made of an element of GStreamer's.
pub(super) fn filter_properties(arguments: &Map<String, Value>) -> PropertyMap {
    let text = |name: &str| arguments.get(name).and_then(Value::as_str).unwrap_or_default();
    let medium = match text("filterType") {
        "AUDIO" => "audio",
        "VIDEO" => "video",
        _ => "auto",
    };
    let mut properties = PropertyMap::new();
    properties.insert("element".into(), json!(text("command")));
    properties.insert("medium".into(), json!(medium));
    properties
}

/// `relativeWidth` is `relative_width` with us.
pub(super) fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 2);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

impl Kurento {
    /// Tells a hub something; ports are named by their elements, media by our names.
    pub(super) async fn tell_hub(&self, call: &Call<'_>, command: &str) -> Result<Value, RpcError> {
        let mut arguments = Map::new();
        for (name, value) in &call.arguments {
            let value = match name.as_str() {
                "source" | "sink" | "port" => json!(self.port(call, name)?),
                "media" => {
                    let medium = super::elements::medium(call.text(name));
                    let medium = medium.filter(|medium| *medium != Medium::Data).ok_or_else(|| {
                        RpcError::new(Code::UnsupportedMediaType, "a mixer has audio and video only")
                    })?;
                    arguments.insert("medium".into(), json!(medium));
                    continue;
                }
                _ => value.clone(),
            };
            arguments.insert(snake(name), value);
        }
        self.command(call.object, command, &Value::Object(arguments)).await.map(|_| Value::Null)
    }

    /// The element of a port of this hub.
    fn port(&self, call: &Call<'_>, argument: &str) -> Result<String, RpcError> {
        let port = self.object(call.text(argument), call.asker.grant)?;
        match &port.kind {
            Kind::Port(node) if port.parent.as_ref() == Some(&call.object.id) => Ok(node.clone()),
            _ => Err(RpcError::new(Code::IllegalParam, format!("'{argument}' is not a port of this hub"))),
        }
    }

    /// Sets a property of the element inside a filter.
    pub(super) async fn set_inner_property(&self, call: &Call<'_>) -> Result<Value, RpcError> {
        let arguments = json!({
            "element": "",
            "property": call.text("propertyName"),
            "value": call.text("propertyValue"),
        });
        // One that is fed by nobody does not exist yet: its properties are checked with the others below.
        match self.command(call.object, "set", &arguments).await {
            Err(error) if error.code != Code::OperationNotSupported => return Err(error),
            _ => {}
        }
        // An element that is built later, or anew because it is linked otherwise, has it as well.
        let (name, value) = (call.text("propertyName").to_owned(), json!(call.text("propertyValue")));
        let pipeline = call.object.pipeline().ok_or_else(|| RpcError::no_object(&call.object.id))?;
        self.edit(pipeline, |graph| {
            let block = graph.block_mut(&call.object.id);
            if let Some(node) = block.and_then(|block| block.nodes.first_mut()) {
                let settings = node.properties.entry("settings").or_insert_with(|| json!({}));
                settings[name] = value;
            }
        })
        .await?;
        Ok(Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_in_our_way() {
        assert_eq!(snake("relativeX"), "relative_x");
        assert_eq!(snake("zOrder"), "z_order");
        assert_eq!(snake("source"), "source");
    }

    #[test]
    fn constructors_become_properties() {
        let arguments = json!({"mediaPipeline": "x", "width": 640, "height": 480, "framerate": 25});
        let properties = properties(arguments.as_object().unwrap());
        assert_eq!(Value::Object(properties), json!({"width": 640, "height": 480, "frame_rate": 25}));
        let arguments = json!({"command": "videoflip method=clockwise", "filterType": "VIDEO"});
        let properties = filter_properties(arguments.as_object().unwrap());
        assert_eq!(
            Value::Object(properties),
            json!({"element": "videoflip method=clockwise", "medium": "video"})
        );
    }
}
