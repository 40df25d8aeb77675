//! `invoke`: operations of objects.

use std::sync::Arc;
use std::time::Duration;

use anabranch_engine::MediaElement;
use anabranch_graph::format::Medium;
use serde_json::{Map, Value, json};

use super::Kurento;
use super::error::{Code, RpcError};
use super::methods::{Asker, text};
use super::object::{Kind, Object, lock};
use super::surface::{Operation, Parameter, surface};
use super::table::{self, Own, Way};

/// Clients wait 20 s for an answer; an element that is slower gets an error in time.
const COMMAND_LIMIT: Duration = Duration::from_secs(15);

/// An operation that was found and whose parameters were checked.
pub(super) struct Call<'a> {
    pub object: &'a Arc<Object>,
    pub asker: &'a Asker<'a>,
    pub arguments: Map<String, Value>,
}

impl Call<'_> {
    /// An argument that the check has made sure of.
    pub fn text(&self, name: &str) -> &str {
        self.arguments.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// An argument that the check has made sure of.
    pub fn number(&self, name: &str) -> f64 {
        self.arguments.get(name).and_then(Value::as_f64).unwrap_or_default()
    }

    /// An argument that the check has made sure of.
    pub fn flag(&self, name: &str) -> bool {
        self.arguments.get(name).and_then(Value::as_bool).unwrap_or_default()
    }
}

impl Kurento {
    /// Carries an operation out.
    pub(super) async fn invoke(
        self: &Arc<Self>,
        asker: &Asker<'_>,
        params: &Map<String, Value>,
    ) -> Result<Value, RpcError> {
        let given_name = text(params, "operation")?;
        let object = self.object(text(params, "object")?, asker.grant)?;
        self.hold(&asker.session, &object);
        let mut given = match params.get("operationParams") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(given)) => given.clone(),
            Some(_) => return Err(RpcError::mistyped("operationParams", "a object")),
        };
        let count = given.len();
        let mut name = given_name;
        if let Some((_, new, renamed)) = table::OLD_OPERATIONS.iter().find(|(old, _, _)| *old == given_name) {
            name = new;
            if let Some(value) = renamed.and_then(|(old, _)| given.remove(old)) {
                given.insert(renamed.map(|(_, new)| new.to_owned()).unwrap_or_default(), value);
            }
        }
        let surface = surface();
        let found = surface.operation(object.class, name);
        let (class, operation) = found.ok_or_else(|| RpcError::no_operation(given_name, count))?;
        match operation {
            Operation::Get(property) => {
                let held = table::property(&class.name, &property.name);
                let held = held.ok_or_else(|| RpcError::no_operation(given_name, count))?;
                self.get(asker, &object, &property.name, held).await
            }
            Operation::Set(property) => {
                let wanted = Parameter {
                    name: property.name.clone(),
                    kind: property.kind.clone(),
                    optional: false,
                    default: None,
                };
                let mut arguments = self.checked(asker.grant, &[&wanted], &given)?;
                let value = arguments.remove(&property.name).unwrap_or_default();
                let held = table::property(&class.name, &property.name);
                let held = held.ok_or_else(|| RpcError::no_operation(given_name, count))?;
                self.set(&object, &property.name, held, value).await.map(|()| Value::Null)
            }
            Operation::Call(method) => {
                let way = table::method(&class.name, &method.name);
                let way = way.ok_or_else(|| RpcError::no_operation(given_name, count))?;
                let arguments =
                    self.checked(asker.grant, &method.params.iter().collect::<Vec<_>>(), &given)?;
                self.call(way, &Call { object: &object, asker, arguments }).await
            }
        }
    }

    async fn call(self: &Arc<Self>, way: Way, call: &Call<'_>) -> Result<Value, RpcError> {
        match way {
            Way::Command { name, arguments, result } => {
                self.command(call.object, name, &arguments(&call.arguments)).await.map(result)
            }
            Way::Own(own, _) => self.own(own, call).await,
        }
    }

    async fn own(self: &Arc<Self>, own: Own, call: &Call<'_>) -> Result<Value, RpcError> {
        let object = call.object;
        match own {
            Own::AddTag => {
                let (key, value) = (call.text("key").to_owned(), call.text("value").to_owned());
                let mut common = object.common();
                if common.tags.len() >= 1000 && !common.tags.contains_key(&key) {
                    return Err(RpcError::new(Code::NotEnoughResources, "the object has too many tags"));
                }
                common.tags.insert(key, value);
                Ok(Value::Null)
            }
            Own::RemoveTag => {
                let removed = object.common().tags.shift_remove(call.text("key"));
                removed.map(|_| Value::Null).ok_or_else(|| no_tag(call.text("key")))
            }
            Own::Tag => {
                let tag = object.common().tags.get(call.text("key")).cloned();
                tag.map(Value::from).ok_or_else(|| no_tag(call.text("key")))
            }
            Own::Tags => Ok(object.tags()),
            Own::SourceConnections => self.connections(call, false).await,
            Own::SinkConnections => self.connections(call, true).await,
            Own::Connect => self.connect_elements(call).await,
            Own::Disconnect => self.disconnect_elements(call).await,
            Own::Dot => self.dot(object).map(Value::from),
            Own::DumpDot => {
                let dot = self.dot(object)?;
                tracing::debug!(target: "api", object = %object.id, dot, "kurento: graph");
                Ok(Value::Null)
            }
            Own::Stats => self.statistics(call).await,
            Own::FlowingIn => self.is_flowing(call, anabranch_graph::catalog::Direction::Input).await,
            Own::FlowingOut => self.is_flowing(call, anabranch_graph::catalog::Direction::Output).await,
            Own::Transcoding => self.is_transcoding(call),
            Own::AudioFormat => self.set_format(call, Medium::Audio).await,
            Own::VideoFormat => self.set_format(call, Medium::Video).await,
            Own::GenerateOffer => self.generate_offer(call).await,
            Own::ProcessOffer => self.process_offer(call).await,
            Own::ProcessAnswer => self.process_answer(call).await,
            Own::Gather => self.gather(call).await,
            Own::Play => self.start(object, "play").await,
            Own::Pause => self.pause(object).await,
            Own::Record => self.start(object, "record").await,
            Own::Stop => self.stop(object, false).await,
            Own::StopAndWait => self.stop(object, true).await,
            Own::SetFaceImage => self.set_face_image(call).await,
            Own::UnsetFaceImage => self.unset_face_image(call).await,
            Own::AddImage => self.add_image(call).await,
            Own::RemoveImage => self.remove_image(call).await,
            Own::Hub(command) => self.tell_hub(call, command).await,
            Own::Url => self.post_url(object),
            Own::InnerProperty => self.set_inner_property(call).await,
            Own::PlateWidth => {
                let width = json!(call.number("plateWidthPercentage"));
                self.set_detector_property(object, "plate_width_percentage", width).await
            }
            Own::AddWindow => self.add_window(call).await,
            Own::RemoveWindow => self.remove_windows(object, Some(call.text("windowId"))).await,
            Own::ClearWindows => self.remove_windows(object, None).await,
            Own::SetBackground => self.set_background(object, call.text("uri")).await,
            Own::UnsetBackground => self.set_background(object, "").await,
            Own::Kmd => self.kmd(call.text("moduleName")).map(Value::from),
            Own::CpuCount => Ok(Value::from(super::manager::cpu_count())),
            Own::UsedCpu => super::manager::used_cpu(call.number("interval")).await,
            Own::UsedMemory => Ok(Value::from(super::manager::used_memory())),
        }
    }

    /// Tells an object's element something.
    pub(super) async fn command(
        &self,
        object: &Object,
        name: &str,
        arguments: &Value,
    ) -> Result<Value, RpcError> {
        let element = element(object)?;
        match tokio::time::timeout(COMMAND_LIMIT, element.command(name, arguments)).await {
            Ok(result) => result.map_err(|error| RpcError::from_command(name, &error)),
            Err(_) => {
                Err(RpcError::new(Code::Unexpected, format!("the element did not answer '{name}' in time")))
            }
        }
    }

    pub(super) fn dot(&self, object: &Object) -> Result<String, RpcError> {
        let pipeline = object.pipeline().ok_or_else(|| RpcError::no_object(&object.id))?;
        Ok(anabranch_graph::render::dot(&pipeline.media().spec(), self.app.engine().catalog()))
    }
}

/// The engine's element of an endpoint.
pub(super) fn element(object: &Object) -> Result<MediaElement, RpcError> {
    let node = match &object.kind {
        Kind::WebRtc(peer) => Some(lock(peer).node.clone()),
        Kind::Uri(uri) => lock(uri).node.clone(),
        Kind::Post(post) => Some(lock(post).node.clone()),
        Kind::Hub(node) | Kind::Port(node) | Kind::Inner(node) => Some(node.clone()),
        Kind::Detector(detector) => Some(lock(detector).node.clone()),
        _ => None,
    };
    let element = node.zip(object.pipeline()).and_then(|(node, pipeline)| pipeline.media().element(&node));
    element.ok_or_else(|| RpcError::unsupported("the element is not running"))
}

fn no_tag(key: &str) -> RpcError {
    RpcError::new(Code::TagNotFound, format!("Tag key '{key}' not found"))
}
