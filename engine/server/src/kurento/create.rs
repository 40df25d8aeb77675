//! `create`: new objects.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anabranch_graph::catalog::PropertyMap;
use anabranch_graph::format::Medium;
use anabranch_graph::{Completeness, Document, check_all};
use base64::Engine as _;
use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::check::{Objects, check};
use super::error::{Code, RpcError};
use super::graph::{Block, Node};
use super::methods::{Asker, text};
use super::object::{Detector, Filter, Kind, Object, Peer, Pipeline, Uri, UriState, new_id, next_order};
use super::post::Post;
use super::surface::{Class, surface};
use super::table::{self, Backing};
use super::{Kurento, may_use, now_seconds};
use crate::access::{Grant, Scope};

/// What a container of Kurento's recorder can hold here.
const PROFILES: &[(&str, &str, &[Medium])] = &[
    ("WEBM", "webm", &[Medium::Audio, Medium::Video]),
    ("WEBM_VIDEO_ONLY", "webm", &[Medium::Video]),
    ("WEBM_AUDIO_ONLY", "webm", &[Medium::Audio]),
    ("MKV", "mkv", &[Medium::Audio, Medium::Video]),
    ("MKV_VIDEO_ONLY", "mkv", &[Medium::Video]),
    ("MKV_AUDIO_ONLY", "mkv", &[Medium::Audio]),
    ("MP4", "mp4", &[Medium::Audio, Medium::Video]),
    ("MP4_VIDEO_ONLY", "mp4", &[Medium::Video]),
    ("MP4_AUDIO_ONLY", "mp4", &[Medium::Audio]),
    ("FLV", "flv", &[Medium::Audio, Medium::Video]),
    ("JPEG_VIDEO_ONLY", "jpeg", &[Medium::Video]),
];

impl Kurento {
    /// Whether objects of that class can be made by this engine.
    pub(super) fn is_available(&self, class: &Class) -> bool {
        class.creatable
            && match table::backing(&class.name) {
                Some(Backing::Pipeline) => true,
                Some(
                    Backing::Endpoint(name)
                    | Backing::Filter(name)
                    | Backing::Uri(name)
                    | Backing::Hub(name)
                    | Backing::Port(name)
                    | Backing::Inner(name)
                    | Backing::Post(name)
                    | Backing::Detector(name),
                ) => self.app.engine().catalog().get(name).is_some(),
                Some(Backing::Manager) | None => false,
            }
    }

    /// Creates an object and returns its id.
    pub(super) async fn create(
        self: &Arc<Self>,
        asker: &Asker<'_>,
        params: &Map<String, Value>,
    ) -> Result<String, RpcError> {
        let name = text(params, "type")?;
        let class = surface().class(name).filter(|class| self.is_available(class));
        let class =
            class.ok_or_else(|| RpcError::new(Code::NotAvailable, format!("Factory '{name}' not found")))?;
        let none = Map::new();
        let given = match params.get("constructorParams") {
            None | Some(Value::Null) => &none,
            Some(Value::Object(given)) => given,
            Some(_) => return Err(RpcError::mistyped("constructorParams", "a object")),
        };
        let arguments = self.checked(asker.grant, &class.constructor.iter().collect::<Vec<_>>(), given)?;
        let object = match table::backing(&class.name) {
            Some(Backing::Pipeline) => self.create_pipeline(asker.grant, class).await?,
            _ => self.create_element(asker.grant, class, &arguments).await?,
        };
        self.shared().objects.insert(object.id.clone(), object.clone());
        self.hold(&asker.session, &object);
        self.tell_created(&object.id);
        Ok(object.id.to_string())
    }

    /// Checks parameters against their types and the objects that live.
    pub(super) fn checked(
        &self,
        grant: &Grant,
        wanted: &[&super::surface::Parameter],
        given: &Map<String, Value>,
    ) -> Result<Map<String, Value>, RpcError> {
        struct Living<'a>(std::sync::MutexGuard<'a, super::Shared>, &'a Grant);
        impl Objects for Living<'_> {
            fn class_of(&self, id: &str) -> Option<&str> {
                let object = self.0.objects.get(id).filter(|object| may_use(self.1, object))?;
                Some(&object.class.name)
            }
        }
        check(surface(), wanted, given, &Living(self.shared(), grant))
    }

    async fn create_pipeline(
        self: &Arc<Self>,
        grant: &Grant,
        class: &'static Class,
    ) -> Result<Arc<Object>, RpcError> {
        let id = new_id(class, None);
        let name = format!("kurento-{}", id.split('-').next().unwrap_or_default());
        grant
            .require(Scope::Control, Some(&name))
            .map_err(|_| RpcError::unsupported(format!("the token is not for pipelines named '{name}'")))?;
        let engine = self.app.engine();
        let empty = Document::new(&name).describe("made by a client of Kurento's protocol");
        let checked = check_all(&empty, engine.catalog(), Some(engine.machine()), Completeness::Partial);
        let spec = checked.spec.ok_or_else(|| RpcError::new(Code::Internal, "an empty graph was refused"))?;
        let hosted = self.app.registry().create(&name, spec, true)?;
        let events = hosted.pipeline.events();
        if let Err(error) = hosted.pipeline.start().await {
            self.app.registry().forget(&hosted);
            return Err(RpcError::from_change(&error));
        }
        let pipeline = Arc::new(Pipeline::new(id.clone(), hosted));
        self.watch(&pipeline, events);
        Ok(object(class, id, None, pipeline, Kind::Pipeline))
    }

    async fn create_element(
        self: &Arc<Self>,
        grant: &Grant,
        class: &'static Class,
        arguments: &Map<String, Value>,
    ) -> Result<Arc<Object>, RpcError> {
        let backing = table::backing(&class.name);
        // A port is made for a hub, everything else for a pipeline.
        let place = if matches!(backing, Some(Backing::Port(_))) { "hub" } else { "mediaPipeline" };
        let parent = self.object(text(arguments, place)?, grant)?;
        let pipeline = parent.pipeline().cloned().ok_or_else(|| RpcError::no_object(&parent.id))?;
        let is_peer = matches!(backing, Some(Backing::Endpoint(_)));
        self.app.registry().room_for_more(1, usize::from(is_peer))?;
        let id = new_id(class, Some(&parent.id));
        let all = || Medium::ALL.to_vec();
        let mut block = Block { inputs: all(), outputs: all(), ..Block::default() };
        let node = |type_name: &str, properties: PropertyMap, block: &mut Block| {
            let node = pipeline.node_name(type_name, &id);
            block.nodes.push(Node { id: node.clone(), type_name: type_name.into(), properties });
            node
        };
        let kind = match backing {
            Some(Backing::Filter(type_name)) => {
                block.passes = true;
                // Other filters get their elements with their pictures.
                if class.constructor.len() == 1 && class.methods.is_empty() {
                    node(type_name, PropertyMap::new(), &mut block);
                }
                Kind::Filter(Mutex::new(Filter::default()))
            }
            Some(Backing::Endpoint(type_name)) => {
                let properties = match type_name {
                    "rtp" => self.rtp_properties(arguments)?,
                    _ => self.webrtc_properties(arguments)?,
                };
                if arguments.get("useDataChannels") != Some(&Value::Bool(true)) {
                    block.inputs.retain(|medium| *medium != Medium::Data);
                    block.outputs.retain(|medium| *medium != Medium::Data);
                }
                Kind::WebRtc(Mutex::new(Peer::new(node(type_name, properties, &mut block))))
            }
            Some(Backing::Hub(type_name)) => {
                (block.inputs, block.outputs) = (Vec::new(), Vec::new());
                Kind::Hub(node(type_name, super::hubs::properties(arguments), &mut block))
            }
            Some(Backing::Port(type_name)) => {
                let Kind::Hub(hub) = &parent.kind else { return Err(RpcError::no_object(&parent.id)) };
                let properties = PropertyMap::from_iter([("hub".to_owned(), json!(hub))]);
                Kind::Port(node(type_name, properties, &mut block))
            }
            Some(Backing::Inner(type_name)) => {
                block.passes = true;
                let mut properties = super::hubs::filter_properties(arguments);
                self.admit(type_name, &mut properties).await?;
                Kind::Inner(node(type_name, properties, &mut block))
            }
            Some(Backing::Post(type_name)) => {
                block.inputs = Vec::new();
                block.outputs = vec![Medium::Audio, Medium::Video];
                let seconds = arguments.get("disconnectionTimeout").and_then(Value::as_u64).unwrap_or(2);
                let properties = PropertyMap::from_iter([("pace".to_owned(), json!("realtime"))]);
                let node = node(type_name, properties, &mut block);
                Kind::Post(Mutex::new(Post::new(node, Duration::from_secs(seconds))))
            }
            Some(Backing::Detector(type_name)) => {
                block.passes = true;
                let mut files = IndexMap::new();
                let properties = self.detector_properties(type_name, arguments, &mut files).await?;
                let node = node(type_name, properties, &mut block);
                Kind::Detector(Mutex::new(Detector { node, files }))
            }
            _ => {
                let uri = uri(class, arguments, &mut block)?;
                Kind::Uri(Mutex::new(uri))
            }
        };
        self.edit(&pipeline, |graph| graph.add(&id, block)).await?;
        Ok(object(class, id, Some(parent.id.clone()), pipeline, kind))
    }

    /// The properties of a new RTP endpoint.
    fn rtp_properties(&self, arguments: &Map<String, Value>) -> Result<PropertyMap, RpcError> {
        let mut properties = PropertyMap::new();
        properties.insert("ipv6".into(), arguments.get("useIpv6").cloned().unwrap_or(json!(false)));
        self.app.policy().fill("rtp", &mut properties);
        let crypto = arguments.get("crypto").and_then(Value::as_object);
        let field = |name: &str| crypto.and_then(|c| c.get(name)).and_then(Value::as_str).unwrap_or_default();
        let (suite, bytes) = match field("crypto") {
            "" => return Ok(properties),
            "AES_128_CM_HMAC_SHA1_32" => ("aes-128-sha1-32", 30),
            "AES_128_CM_HMAC_SHA1_80" => ("aes-128-sha1-80", 30),
            "AES_256_CM_HMAC_SHA1_32" => ("aes-256-sha1-32", 46),
            _ => ("aes-256-sha1-80", 46),
        };
        let base64 = &base64::engine::general_purpose::STANDARD;
        let key = match (field("key"), field("keyBase64")) {
            ("", "") => Vec::new(),
            ("", text) => base64
                .decode(text)
                .map_err(|_| RpcError::new(Code::IllegalParam, "'keyBase64' is not base64"))?,
            (text, _) => text.as_bytes().to_vec(),
        };
        if !key.is_empty() && key.len() != bytes {
            let text = format!("master key and salt have {bytes} bytes with this suite, not {}", key.len());
            return Err(RpcError::new(Code::IllegalParam, text));
        }
        properties.insert("crypto".into(), json!(suite));
        if !key.is_empty() {
            properties.insert("crypto_key".into(), json!(base64.encode(&key)));
        }
        Ok(properties)
    }

    /// The properties of a new WebRTC endpoint.
    fn webrtc_properties(&self, arguments: &Map<String, Value>) -> Result<PropertyMap, RpcError> {
        let is = |name: &str| arguments.get(name).and_then(Value::as_bool).unwrap_or(false);
        let direction = match (is("recvonly"), is("sendonly")) {
            (true, true) => {
                return Err(RpcError::new(
                    Code::IllegalParam,
                    "'recvonly' and 'sendonly' exclude each other",
                ));
            }
            (true, false) => "recvonly",
            (false, true) => "sendonly",
            (false, false) => "sendrecv",
        };
        let mut properties = PropertyMap::new();
        properties.insert("direction".into(), json!(direction));
        properties.insert("data_channels".into(), json!(is("useDataChannels")));
        self.app.policy().fill("webrtc", &mut properties);
        // A server that is only heard on this machine is only reached on this machine.
        let here = self.app.config().listen.ip().is_loopback();
        properties.entry("loopback").or_insert(json!(here));
        if let Some(value) = arguments.get("qosDscp").and_then(Value::as_str).and_then(super::peer::dscp) {
            properties.insert("dscp".into(), json!(value));
        }
        Ok(properties)
    }
}

fn object(
    class: &'static Class,
    id: Arc<str>,
    parent: Option<Arc<str>>,
    pipeline: Arc<Pipeline>,
    kind: Kind,
) -> Arc<Object> {
    Arc::new(Object {
        id,
        class,
        parent,
        pipeline: Some(pipeline),
        created: now_seconds(),
        order: next_order(),
        common: Mutex::default(),
        kind,
    })
}

/// A player or recorder: its element comes later.
fn uri(class: &Class, arguments: &Map<String, Value>, block: &mut Block) -> Result<Uri, RpcError> {
    let uri = text(arguments, "uri")?.to_owned();
    let mut properties = PropertyMap::new();
    let recorder = table::backing(&class.name) == Some(Backing::Uri("recorder"));
    let media: &[Medium] = if recorder {
        let profile = text(arguments, "mediaProfile")?;
        let row = PROFILES.iter().find(|(name, _, _)| *name == profile);
        let (_, container, media) = row.ok_or_else(|| {
            RpcError::new(Code::IllegalParam, format!("the media profile {profile} is not available"))
        })?;
        properties.insert("profile".into(), json!(container));
        properties.insert("location".into(), json!(super::uri::path_of(&uri)));
        media
    } else {
        properties.insert("uri".into(), json!(uri));
        properties.insert("pace".into(), json!("realtime"));
        // Kurento's default of two seconds is what its users complain about.
        if let Some(wait) = arguments.get("networkCache").filter(|wait| **wait != json!(2000)) {
            properties.insert("latency".into(), wait.clone());
        }
        &[Medium::Audio, Medium::Video]
    };
    let (inputs, outputs) = if recorder { (media, &[][..]) } else { (&[][..], media) };
    block.inputs.retain(|medium| inputs.contains(medium));
    block.outputs.retain(|medium| outputs.contains(medium));
    Ok(Uri {
        uri,
        type_name: if recorder { "recorder" } else { "player" },
        properties,
        state: UriState::Stop,
        node: None,
        stop_on_end: arguments.get("stopOnEndOfStream").and_then(Value::as_bool).unwrap_or(false),
    })
}
