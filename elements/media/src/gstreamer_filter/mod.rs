//! `gstreamer-filter`: any installed GStreamer element, or a chain of them, as a filter.

mod chain;

use std::sync::{LazyLock, Mutex, PoisonError};

use anabranch_graph::catalog::{Direction, ElementDescriptor, Part, PortSpec, PropertyMap, Refined, Role};
use anabranch_graph::format::Medium;
use anabranch_kit::command::{self, CommandError, CommandErrorKind, CommandResult};
use anabranch_kit::params::{ParamStore, set_json, table};
use anabranch_kit::registry::Registration;
use glib::subclass::Signal;
use glib::subclass::prelude::*;
use gst::prelude::*;
use gst::subclass::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::pads;

/// Which media go through the elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Through {
    /// Those that the first element takes; both, each through elements of its own, if it takes anything.
    #[default]
    Auto,
    /// Pictures.
    Video,
    /// Sound.
    Audio,
}

/// The properties of `gstreamer-filter`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// A GStreamer element with its properties, or several with `!` between them, as gst-launch-1.0 takes them:
    /// `videobalance saturation=0 ! videoflip method=clockwise`.
    #[schemars(extend("x-required" = true))]
    pub element: String,
    /// Properties of the elements that may change while media flow: `property` of the only element, or
    /// `element.property`, each with its value.
    #[schemars(extend("x-live" = true))]
    pub settings: Map<String, Value>,
    /// Which media go through it; the other passes untouched.
    pub medium: Through,
}

impl Params {
    /// The media that go through a chain with such an input.
    fn media(&self, takes: &gst::Caps) -> Vec<Medium> {
        match self.medium {
            Through::Auto => chain::media(takes),
            Through::Video => vec![Medium::Video],
            Through::Audio => vec![Medium::Audio],
        }
    }
}

/// What stands before the chain, so that any raw medium fits.
fn converters(takes: &gst::Caps, medium: Medium) -> &'static [&'static str] {
    let raw = chain::formats(takes, medium).iter().any(|format| format.is_raw());
    match medium {
        Medium::Video if raw => &["videoconvert"],
        Medium::Audio if raw => &["audioconvert", "audioresample"],
        _ => &[],
    }
}

const MEDIA: [Medium; 2] = [Medium::Video, Medium::Audio];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Set {
    #[serde(default)]
    element: String,
    property: String,
    value: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Get {
    #[serde(default)]
    element: String,
    property: String,
}

mod imp {
    use super::*;

    #[derive(Default)]
    pub struct GstreamerFilter {
        params: ParamStore<Params>,
        /// The chains that are built.
        chains: Mutex<Vec<gst::Bin>>,
    }

    impl GstreamerFilter {
        fn build(&self) -> Result<(), gst::ErrorMessage> {
            let params = self.params.get();
            let bad = |problem: String| {
                gst::error_msg!(gst::LibraryError::Settings, ("`element: {}`: {problem}.", params.element))
            };
            let takes = chain::read(&params.element).map_err(bad)?.takes;
            let media = params.media(&takes);
            let mut chains = Vec::new();
            for medium in MEDIA {
                let mut parts = Vec::new();
                if media.contains(&medium) {
                    for factory in converters(&takes, medium) {
                        parts.push(pads::make(factory, &format!("{factory}_{medium}"))?);
                    }
                    let chain = chain::read(&params.element).map_err(bad)?.bin;
                    chains.push(chain.clone());
                    parts.push(chain.upcast());
                } else {
                    parts.push(pads::make("identity", &format!("untouched_{medium}"))?);
                }
                self.insert(medium, &parts)?;
            }
            *self.chains.lock().unwrap_or_else(PoisonError::into_inner) = chains;
            self.apply(&params.settings)
                .map_err(|problem| gst::error_msg!(gst::LibraryError::Settings, ("`settings`: {problem}.")))
        }

        /// Sets the properties of the elements that run.
        fn apply(&self, settings: &Map<String, Value>) -> Result<(), String> {
            for (key, value) in settings {
                let (element, property) = key.split_once('.').unwrap_or(("", key));
                for element in self.named(element).map_err(|error| error.to_string())? {
                    super::set(&element, property, value)?;
                }
            }
            Ok(())
        }

        fn changed(&self, name: &str) {
            let runs = !self.chains.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
            if name == "settings"
                && runs
                && let Err(problem) = self.apply(&self.params.get().settings)
            {
                gst::warning!(gst::CAT_RUST, imp = self, "settings: {problem}");
            }
        }

        fn insert(&self, medium: Medium, parts: &[gst::Element]) -> Result<(), gst::ErrorMessage> {
            let bin = self.obj();
            let failed = || pads::link_failed("The filter's elements");
            bin.add_many(parts).map_err(|_| failed())?;
            gst::Element::link_many(parts).map_err(|_| failed())?;
            let ends = parts
                .first()
                .and_then(|e| e.static_pad("sink"))
                .zip(parts.last().and_then(|e| e.static_pad("src")));
            let (first, last) = ends.ok_or_else(failed)?;
            for (side, target) in [("sink", first), ("src", last)] {
                let ghost = pads::ghost(&*bin, &format!("{side}_{medium}")).ok_or_else(failed)?;
                ghost.set_target(Some(&target)).map_err(|_| failed())?;
            }
            Ok(())
        }

        fn take_down(&self) {
            self.chains.lock().unwrap_or_else(PoisonError::into_inner).clear();
            let bin = self.obj();
            for pad in bin.pads().into_iter().filter_map(|p| p.downcast::<gst::GhostPad>().ok()) {
                // Taking the target away from a ghost pad cannot fail.
                let _ = pad.set_target(None::<&gst::Pad>);
            }
            for child in bin.children() {
                let _ = child.set_state(gst::State::Null);
                let _ = bin.remove(&child);
            }
        }

        /// The elements that a name means: by its name in the chain, by its factory, or, without a name, the only one.
        fn named(&self, name: &str) -> Result<Vec<gst::Element>, CommandError> {
            let chains = self.chains.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if chains.is_empty() {
                let text = "the filter is not running";
                return Err(CommandError::new(CommandErrorKind::Conflict, "not-running", text));
            }
            let mut found = Vec::new();
            let mut names = Vec::new();
            for chain in &chains {
                found.extend(chain::meant(chain, name));
                names.extend(chain.children().iter().map(chain::factory));
            }
            if found.is_empty() {
                names.dedup();
                let text = match name {
                    "" => format!("there are several elements: {}; which one?", names.join(", ")),
                    _ => format!("there is no element '{name}' in the chain, but {}", names.join(", ")),
                };
                return Err(CommandError::new(CommandErrorKind::InvalidInput, "unknown-element", text));
            }
            Ok(found)
        }

        fn command(&self, name: &str, arguments: Value) -> CommandResult {
            let wrong =
                |error: String| CommandError::new(CommandErrorKind::InvalidInput, "bad-arguments", error);
            match name {
                "set" => {
                    let set: Set = serde_json::from_value(arguments).map_err(|e| wrong(e.to_string()))?;
                    for element in self.named(&set.element)? {
                        super::set(&element, &set.property, &set.value).map_err(wrong)?;
                    }
                    Ok(json!({}))
                }
                "get" => {
                    let get: Get = serde_json::from_value(arguments).map_err(|e| wrong(e.to_string()))?;
                    let found = self.named(&get.element)?;
                    let property = get.property.replace('_', "-");
                    let element = found.first().filter(|e| e.find_property(&property).is_some());
                    let element =
                        element.ok_or_else(|| wrong(format!("there is no property '{property}'")))?;
                    let readable = element
                        .find_property(&property)
                        .is_some_and(|spec| spec.flags().contains(glib::ParamFlags::READABLE));
                    if !readable {
                        return Err(wrong(format!("the property '{property}' cannot be read")));
                    }
                    let value = element.property_value(&property);
                    Ok(json!({"value": value.serialize().map(|text| text.to_string()).ok()}))
                }
                other => Err(CommandError::unknown(other)),
            }
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for GstreamerFilter {
        const NAME: &'static str = "AbGstreamerFilter";
        type Type = super::GstreamerFilter;
        type ParentType = gst::Bin;
    }

    impl ObjectImpl for GstreamerFilter {
        anabranch_kit::object_properties!(params: Params, changed: GstreamerFilter::changed);

        fn signals() -> &'static [Signal] {
            static SIGNALS: LazyLock<Vec<Signal>> = LazyLock::new(|| {
                vec![command::signal(|element: &super::GstreamerFilter, name, arguments, answer| {
                    answer.send(element.imp().command(name, arguments));
                })]
            });
            &SIGNALS
        }

        fn constructed(&self) {
            self.parent_constructed();
            pads::add_ghosts(&*self.obj());
        }
    }

    impl GstObjectImpl for GstreamerFilter {}

    impl ElementImpl for GstreamerFilter {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "Anabranch GStreamer filter",
                    "Filter/Audio/Video",
                    SUMMARY,
                    "The Anabranch developers",
                )
            });
            Some(&METADATA)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
                pads::templates(&[
                    ("sink_video", gst::PadDirection::Sink),
                    ("src_video", gst::PadDirection::Src),
                    ("sink_audio", gst::PadDirection::Sink),
                    ("src_audio", gst::PadDirection::Src),
                ])
            });
            &TEMPLATES
        }

        fn change_state(
            &self,
            transition: gst::StateChange,
        ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
            if transition == gst::StateChange::NullToReady
                && let Err(error) = self.build()
            {
                self.post_error_message(error);
                self.take_down();
                return Err(gst::StateChangeError);
            }
            let result = self.parent_change_state(transition);
            if transition == gst::StateChange::ReadyToNull {
                self.take_down();
            }
            result
        }
    }

    impl BinImpl for GstreamerFilter {}
}

glib::wrapper! {
    /// The element `abgstreamerfilter`.
    pub struct GstreamerFilter(ObjectSubclass<imp::GstreamerFilter>)
        @extends gst::Bin, gst::Element, gst::Object, @implements gst::ChildProxy;
}

const SUMMARY: &str = "Any installed GStreamer element, or a chain of them, as a filter.";

const DESCRIPTION: &str = "\
What `gst-inspect-1.0` lists can stand in a graph: one element with its properties, or a line of several with `!` between \
them. Pictures, sound or both go through it, by what the first element takes or as `medium` says; the other medium passes \
untouched. Raw media are converted to what the first element wants.

`settings` sets properties of the elements by name, also while media flow. The command `set {element, property, value}` \
does so until the filter is built anew; the element is meant by its name (`name=…` in the line) or its type, or not named at \
all if it is the only one. `get {element, property}` reads one. An element that is not installed is told with the Debian \
package that has it.

    test-source -> gstreamer-filter element=\"videobalance saturation=0\" -> recorder location=grey.webm
";

fn port(medium: Medium, direction: Direction) -> PortSpec {
    let side = if direction == Direction::Input { "sink" } else { "src" };
    PortSpec {
        name: medium.name().into(),
        direction,
        medium,
        pad: format!("{side}_{medium}"),
        formats: Vec::new(),
        layouts: Vec::new(),
        required: false,
        multiple: false,
    }
}

fn describe() -> ElementDescriptor {
    let inputs = MEDIA.map(|medium| port(medium, Direction::Input));
    let outputs = MEDIA.map(|medium| port(medium, Direction::Output));
    ElementDescriptor {
        name: "gstreamer-filter".into(),
        factory: "abgstreamerfilter".into(),
        role: Role::Filter,
        summary: SUMMARY.into(),
        description: DESCRIPTION.into(),
        author: "The Anabranch developers".into(),
        example:
            "test-source frames=100 -> gstreamer-filter element=\"videobalance saturation=0\" -> null-sink"
                .into(),
        ports: inputs.into_iter().chain(outputs).collect(),
        properties: table::<Params>().properties().to_vec(),
        events: Vec::new(),
        requires: Vec::new(),
        realtime: false,
        refine: Some(refine),
    }
}

/// Sets a property of an element; numbers and switches may be given as text, as clients of Kurento do.
fn set(element: &gst::Element, property: &str, value: &Value) -> Result<(), String> {
    let is_text = element
        .find_property(&property.replace('_', "-"))
        .is_some_and(|spec| spec.value_type() == glib::Type::STRING);
    let read = value.as_str().filter(|_| !is_text).and_then(|text| serde_json::from_str::<Value>(text).ok());
    let read = read.filter(|read| read.is_number() || read.is_boolean());
    set_json(element.upcast_ref(), property, read.as_ref().unwrap_or(value))
        .map_err(|error| error.to_string())
}

/// What is wrong with an entry of `settings`. A chain that runs could say so in the log only.
fn wrong_setting(chain: &gst::Bin, key: &str, value: &Value) -> Option<String> {
    let (name, property) = key.split_once('.').unwrap_or(("", key));
    let meant = chain::meant(chain, name);
    let property = property.replace('_', "-");
    let wrong = |element: &gst::Element| set(element, &property, value).err();
    match (meant.as_slice(), name) {
        ([], "") => Some(format!("'{key}' needs the element before it, as in 'videobalance.{key}'")),
        ([], name) => Some(format!("there is no element '{name}' in the chain")),
        (all, _) if all.iter().all(|e| e.find_property(&property).is_none()) => {
            Some(format!("there is no property '{property}'; gst-inspect-1.0 lists those of an element"))
        }
        (all, _) => all.iter().find_map(wrong),
    }
}

fn refine(properties: &PropertyMap) -> Refined {
    let mut refined = Refined::default();
    let Ok(params) = serde_json::from_value::<Params>(Value::Object(properties.clone())) else {
        return refined;
    };
    if params.element.is_empty() || gst::init().is_err() {
        return refined;
    }
    let chain = match chain::read(&params.element) {
        Ok(chain) => chain,
        Err(problem) => {
            refined.problems.push(("element".into(), problem));
            return refined;
        }
    };
    for (key, value) in &params.settings {
        if let Some(problem) = wrong_setting(&chain.bin, key, value) {
            refined.problems.push(("settings".into(), problem));
        }
    }
    let media = params.media(&chain.takes);
    if media.is_empty() {
        refined.problems.push(("element".into(), "takes neither pictures nor sound".into()));
    }
    for medium in media {
        refined.formats.push((medium.name().into(), chain::formats(&chain.takes, medium)));
        for factory in converters(&chain.takes, medium) {
            let why = format!("the first element may want other {medium} than comes");
            refined.parts.push(Part { factory: (*factory).into(), why });
        }
    }
    for child in chain.bin.children().iter().rev() {
        if let Some(factory) = child.factory() {
            refined.parts.push(Part { factory: factory.name().to_string(), why: "as described".into() });
        }
    }
    refined
}

anabranch_kit::inventory::submit! {
    Registration {
        descriptor: describe,
        register: |plugin| {
            gst::Element::register(plugin, "abgstreamerfilter", gst::Rank::NONE, GstreamerFilter::static_type())
        },
    }
}
