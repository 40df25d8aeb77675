//! `alpha-blending`: pictures laid over one that is the canvas.

use std::collections::BTreeMap;
use std::sync::Arc;

use anabranch_graph::catalog::{ElementDescriptor, Part, PropertyMap, Refined};
use anabranch_graph::format::Medium;
use anabranch_kit::command::{CommandError, CommandResult};
use anabranch_kit::params::table;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{arguments, describe, hub_element};
use crate::audio::Rule as Mix;
use crate::hub::{Hub, Make};
use crate::timeline::MS;
use crate::video::layout::{Fit, Place, Rule};
use crate::video::look::Look;

/// The properties of `alpha-blending`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// Width of the whole picture, pixels; 0: that of the master's picture.
    #[schemars(range(min = 0, max = 8192), extend("x-live" = true))]
    pub width: u32,
    /// Height of the whole picture, pixels; 0: that of the master's picture.
    #[schemars(range(min = 0, max = 8192), extend("x-live" = true))]
    pub height: u32,
    /// Pictures a second.
    #[schemars(range(min = 1, max = 240), extend("x-live" = true))]
    pub frame_rate: u32,
    /// The port whose picture is the canvas, from the beginning; empty: none until `set-master`.
    #[schemars(extend("x-live" = true))]
    pub master: String,
    /// Places from the beginning, each `port x y width height [alpha [z-order]]` in parts of the whole, 0 to 1, for
    /// instance `logo 0.7 0.1 0.25 0.25 0.8 5`.
    #[schemars(extend("x-live" = true))]
    pub places: Vec<String>,
    /// How long media may take to arrive, milliseconds: everything is given out so much after its time.
    #[schemars(range(min = 20, max = 5000), extend("x-live" = true))]
    pub latency: u32,
    /// Whether it ends when all that it is given has ended; otherwise it goes on until it is stopped.
    #[schemars(extend("x-live" = true))]
    pub end_with_inputs: bool,
}

impl Default for Params {
    fn default() -> Self {
        Params {
            width: 0,
            height: 0,
            frame_rate: 30,
            master: String::new(),
            places: Vec::new(),
            latency: 40,
            end_with_inputs: true,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetMaster {
    source: String,
    #[serde(default)]
    z_order: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PortProperties {
    port: String,
    relative_x: f64,
    relative_y: f64,
    #[serde(default = "above")]
    z_order: u32,
    relative_width: f64,
    relative_height: f64,
    #[serde(default = "opaque")]
    alpha: f64,
}

fn above() -> u32 {
    1
}

fn opaque() -> f64 {
    1.0
}

/// Reads one entry of `places`.
fn place(text: &str) -> Result<(String, Place), String> {
    let (name, place) = super::composite::place_of(text, 0.0)?;
    let within = |value: f64| (0.0..=1.0).contains(&value);
    if ![place.x, place.y, place.width, place.height].into_iter().all(within) {
        return Err(format!("'{text}': places are parts of the whole, 0 to 1"));
    }
    Ok((name, Place { relative: true, ..place }))
}

fn places(params: &Params) -> BTreeMap<String, Place> {
    params.places.iter().filter_map(|text| place(text).ok()).collect()
}

fn look(params: &Params) -> Look {
    Look {
        width: params.width & !1,
        height: params.height & !1,
        rate: gst::Fraction::new(params.frame_rate as i32, 1),
        rule: Rule::Manual,
        big: String::new(),
        places: places(params),
        master: (!params.master.is_empty()).then(|| (params.master.clone(), 0)),
        fit: Fit::Stretch,
        background: "black".to_owned(),
        names: false,
    }
}

fn make(params: &Params) -> Make {
    Make { look: Some(look(params)), mix: Some(Mix::AllButSelf), switch: false, one_for_all: false }
}

fn apply(hub: &Arc<Hub>, params: &Params) {
    hub.clock.set_latency(i64::from(params.latency) * MS);
    hub.set_ends_with_inputs(params.end_with_inputs);
    if let Some(composer) = &hub.composer {
        let new = look(params);
        // What commands have set stays until the property itself is changed. No place is written like a master here.
        let master = format!("master={}", params.master);
        let given: Vec<String> = params.places.iter().chain([&master]).cloned().collect();
        let (fresh, gone) = hub.give(&given);
        composer.change(|look| {
            let mut places = std::mem::take(&mut look.places);
            for (port, _) in gone.iter().filter_map(|text| place(text).ok()) {
                places.remove(&port);
            }
            places.extend(fresh.iter().filter_map(|text| place(text).ok()));
            let master = if fresh.contains(&master) { new.master.clone() } else { look.master.take() };
            *look = Look { places, master, ..new };
        });
    }
}

fn command(hub: &Arc<Hub>, name: &str, args: Value) -> CommandResult {
    let Some(composer) = &hub.composer else { return Err(CommandError::unknown(name)) };
    match name {
        "set-master" => {
            let args: SetMaster = arguments::read(args)?;
            let source = arguments::party(hub, &args.source)?;
            composer.change(|look| look.master = Some((source, args.z_order)));
        }
        "set-port-properties" => {
            let args: PortProperties = arguments::read(args)?;
            let port = arguments::party(hub, &args.port)?;
            let within = |value: f64| (0.0..=1.0).contains(&value);
            let sizes = args.relative_width > 0.0 && args.relative_height > 0.0;
            let all =
                [args.relative_x, args.relative_y, args.relative_width, args.relative_height, args.alpha];
            if !sizes || !all.into_iter().all(within) {
                let text = "places are parts of the whole: 0 to 1, width and height more than 0";
                return Err(arguments::wrong("out-of-range", text));
            }
            let place = Place {
                x: args.relative_x,
                y: args.relative_y,
                width: args.relative_width,
                height: args.relative_height,
                relative: true,
                alpha: args.alpha,
                z_order: args.z_order,
            };
            composer.change(|look| {
                look.places.insert(port, place);
            });
        }
        other => return Err(CommandError::unknown(other)),
    }
    Ok(json!({}))
}

const MEDIA: &[Medium] = &[Medium::Video, Medium::Audio];

const SUMMARY: &str = "Lays the pictures of its ports over one that is the canvas.";

const DESCRIPTION: &str = "\
The command `set-master {source, z_order}` (or the property `master`) says whose picture is the canvas and gives the whole its \
size; `set-port-properties {port, relative_x, relative_y, z_order, relative_width, relative_height}` gives another port's \
picture a place in parts of the whole, 0 to 1, and optionally an `alpha`; so does the property `places`. A port without a place is not seen, but heard: sound \
is as with `composite`.

    wall:test-source -> alpha-blending master=wall -> null-sink
";

fn describe() -> ElementDescriptor {
    describe::hub(describe::Facts {
        name: "alpha-blending",
        summary: SUMMARY,
        description: DESCRIPTION,
        example: "wall:test-source frames=100 -> alpha-blending master=wall -> null-sink",
        media: &[(Medium::Video, true), (Medium::Audio, true)],
        properties: table::<Params>().properties().to_vec(),
        requires: &["compositor", "audioconvert", "audioresample"],
        refine: Some(refine),
    })
}

fn refine(properties: &PropertyMap) -> Refined {
    let mut refined = Refined::default();
    let why = "one for all ports: lays the pictures over the canvas".to_owned();
    refined.parts.push(Part { factory: "compositor".into(), why });
    let texts = properties.get("places").and_then(Value::as_array).into_iter().flatten();
    let wrong = texts.filter_map(Value::as_str).filter_map(|text| place(text).err());
    refined.problems.extend(wrong.map(|problem| ("places".into(), problem)));
    let set = |name: &str| properties.get(name).and_then(Value::as_u64).unwrap_or(0) > 0;
    if set("width") != set("height") {
        refined.problems.push(("width".into(), "width and height are given together, or neither".into()));
    }
    refined
}

hub_element!(AlphaBlending, "AbAlphaBlending", "abalphablending");
