//! The facts of Kurento's API: modules, classes, properties, methods, types and events. Read from `surface.json`.

use std::collections::HashMap;
use std::sync::LazyLock;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// All facts.
#[derive(Debug, Deserialize)]
pub(crate) struct Surface {
    pub modules: IndexMap<String, Module>,
    #[cfg(test)]
    #[serde(rename = "errorCodes")]
    pub error_codes: Vec<ErrorCode>,
    #[serde(skip)]
    classes: HashMap<String, (String, usize)>,
}

/// An error of the protocol.
#[cfg(test)]
#[derive(Debug, Deserialize)]
pub(crate) struct ErrorCode {
    pub code: i32,
    #[serde(rename = "type")]
    pub name: Option<String>,
}

/// A module: what one client package registers.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Module {
    /// The prefix in type names, and `__module__` of values.
    #[serde(skip_serializing)]
    pub wire_module: String,
    pub version: String,
    pub remote_classes: Vec<Class>,
    #[serde(rename(serialize = "complexTypes"))]
    pub registers: Vec<Register>,
    #[serde(skip_serializing)]
    pub enums: Vec<Enumeration>,
    pub events: Vec<Register>,
}

/// A class of objects.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Class {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extends: Option<String>,
    /// Nearest first.
    #[serde(skip_serializing)]
    pub ancestors: Vec<String>,
    #[serde(rename = "abstract")]
    pub is_abstract: bool,
    #[serde(skip_serializing)]
    pub creatable: bool,
    #[serde(default)]
    pub constructor: Vec<Parameter>,
    pub properties: Vec<Property>,
    pub methods: Vec<Method>,
    pub events: Vec<String>,
    /// Set after reading.
    #[serde(skip)]
    pub module: String,
}

/// A parameter, or a field of a type.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Parameter {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub optional: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

/// A property: `getP` and perhaps `setP`.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Property {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default, rename = "readOnly")]
    pub read_only: bool,
    #[serde(default, rename = "final")]
    pub is_final: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

/// A method.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Method {
    pub name: String,
    pub params: Vec<Parameter>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub returns: Option<String>,
}

/// A type with fields, or an event.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Register {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extends: Option<String>,
    pub fields: Vec<Parameter>,
}

/// A type with words for values.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Enumeration {
    pub name: String,
    pub values: Vec<String>,
}

/// What an operation of a class is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation<'a> {
    Get(&'a Property),
    Set(&'a Property),
    Call(&'a Method),
}

/// The facts, read once.
pub(crate) fn surface() -> &'static Surface {
    static SURFACE: LazyLock<Surface> = LazyLock::new(|| {
        let mut surface: Surface =
            serde_json::from_str(include_str!("surface.json")).expect("the file is part of the crate");
        for (name, module) in &mut surface.modules {
            for (index, class) in module.remote_classes.iter_mut().enumerate() {
                class.module.clone_from(&module.wire_module);
                surface.classes.insert(class.name.clone(), (name.clone(), index));
            }
        }
        surface
    });
    &SURFACE
}

impl Surface {
    /// The class of that name, plain (`PlayerEndpoint`) or with its module (`kurento.PlayerEndpoint`).
    pub fn class(&self, name: &str) -> Option<&Class> {
        let (module, plain) = match name.split_once('.') {
            Some((module, plain)) => (Some(module), plain),
            None => (None, name),
        };
        let (home, index) = self.classes.get(plain)?;
        let class = &self.modules[home].remote_classes[*index];
        module.is_none_or(|module| module == class.module).then_some(class)
    }

    /// All classes.
    pub fn classes(&self) -> impl Iterator<Item = &Class> {
        self.modules.values().flat_map(|module| &module.remote_classes)
    }

    /// A class and its ancestors, nearest first.
    pub fn family<'a>(&'a self, class: &'a Class) -> impl Iterator<Item = &'a Class> {
        std::iter::once(class).chain(class.ancestors.iter().filter_map(|name| self.class(name)))
    }

    /// Whether `class` is or descends from `ancestor`.
    pub fn is_a(&self, class: &Class, ancestor: &str) -> bool {
        class.name == ancestor || class.ancestors.iter().any(|name| name == ancestor)
    }

    /// The operation of that name, with the class that it comes from.
    pub fn operation<'a>(&'a self, class: &'a Class, name: &str) -> Option<(&'a Class, Operation<'a>)> {
        for class in self.family(class) {
            if let Some(method) = class.methods.iter().find(|method| method.name == name) {
                return Some((class, Operation::Call(method)));
            }
            for property in &class.properties {
                let Some(rest) = name.strip_suffix(&upper_first(&property.name)) else { continue };
                match rest {
                    "get" => return Some((class, Operation::Get(property))),
                    "set" if !property.read_only && !property.is_final => {
                        return Some((class, Operation::Set(property)));
                    }
                    _ => {}
                }
            }
        }
        None
    }

    /// Whether the class sends that event.
    pub fn sends(&self, class: &Class, event: &str) -> bool {
        self.family(class).any(|class| class.events.iter().any(|name| name == event))
    }

    /// The type of that name, with the module of its values.
    pub fn register(&self, name: &str) -> Option<(&str, &Register)> {
        self.modules.values().find_map(|module| {
            let register = module.registers.iter().find(|register| register.name == name)?;
            Some((module.wire_module.as_str(), register))
        })
    }

    /// All fields of a type, those of its ancestors first.
    pub fn fields<'a>(&'a self, register: &'a Register) -> Vec<&'a Parameter> {
        let mut fields = match register.extends.as_deref().and_then(|name| self.register(name)) {
            Some((_, parent)) => self.fields(parent),
            None => Vec::new(),
        };
        fields.extend(&register.fields);
        fields
    }

    /// The words of an enumeration.
    pub fn words(&self, name: &str) -> Option<&[String]> {
        let mut all = self.modules.values().flat_map(|module| &module.enums);
        all.find(|e| e.name == name).map(|e| e.values.as_slice())
    }

    /// The event's description.
    #[cfg(test)]
    pub fn event(&self, name: &str) -> Option<&Register> {
        self.modules.values().flat_map(|module| &module.events).find(|event| event.name == name)
    }
}

/// `position` -> `Position`.
pub(crate) fn upper_first(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

impl Class {
    /// With its module: `kurento.PlayerEndpoint`.
    pub fn qualified(&self) -> String {
        format!("{}.{}", self.module, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_are_those_of_kurento() {
        let surface = surface();
        let count = |names: &[&str]| {
            let modules = || names.iter().map(|name| &surface.modules[*name]);
            (
                modules().map(|m| m.remote_classes.len()).sum::<usize>(),
                modules().flat_map(|m| &m.remote_classes).filter(|c| c.creatable).count(),
            )
        };
        assert_eq!(count(&["core", "elements", "filters"]), (29, 17));
        assert_eq!(surface.classes().count(), 39);
        assert_eq!(surface.classes.len(), 39, "class names are unique");
    }

    #[test]
    fn members_come_from_ancestors_too() {
        let surface = surface();
        let endpoint = surface.class("kurento.WebRtcEndpoint").unwrap();
        let from = |name: &str| surface.operation(endpoint, name).map(|(class, _)| class.name.as_str());
        assert_eq!(from("gatherCandidates"), Some("WebRtcEndpoint"));
        assert_eq!(from("processOffer"), Some("SdpEndpoint"));
        assert_eq!(from("connect"), Some("MediaElement"));
        assert_eq!(from("getName"), Some("MediaObject"));
        assert_eq!(from("getICECandidatePairs"), Some("WebRtcEndpoint"));
        assert_eq!(from("setMaxVideoSendBandwidth"), Some("BaseRtpEndpoint"));
        assert_eq!(from("setId"), None, "final");
        assert_eq!(from("setMediaState"), None, "read only");
        assert_eq!(from("play"), None);
        assert!(surface.sends(endpoint, "IceCandidateFound") && surface.sends(endpoint, "Error"));
        assert!(!surface.sends(endpoint, "EndOfStream"));
        assert!(surface.class("crowddetector.CrowdDetectorFilter").is_some());
        assert!(surface.class("kurento.CrowdDetectorFilter").is_none());
    }

    #[test]
    fn every_named_type_exists() {
        let surface = surface();
        let known = |kind: &str| {
            let plain = kind.trim_end_matches("[]").trim_end_matches("<>");
            matches!(plain, "String" | "int" | "int64" | "float" | "double" | "boolean")
                || surface.class(plain).is_some()
                || surface.register(plain).is_some()
                || surface.words(plain).is_some()
        };
        for class in surface.classes() {
            let methods =
                class.methods.iter().flat_map(|m| m.params.iter().map(|p| &p.kind).chain(&m.returns));
            let all =
                class.constructor.iter().map(|p| &p.kind).chain(class.properties.iter().map(|p| &p.kind));
            for kind in methods.chain(all) {
                assert!(known(kind), "{}: {kind}", class.name);
            }
            for event in &class.events {
                assert!(surface.event(event).is_some(), "{event}");
            }
        }
    }
}
