//! `composite`: everybody's pictures in one, and everybody hears all others.

use std::collections::BTreeMap;
use std::sync::Arc;

use anabranch_graph::catalog::{ElementDescriptor, Part, PropertyMap, Refined};
use anabranch_graph::format::Medium;
use anabranch_kit::command::{CommandError, CommandResult};
use anabranch_kit::params::table;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{describe, hub_element};
use crate::audio::Rule as Mix;
use crate::hub::{Hub, Make};
use crate::timeline::MS;
use crate::video::layout::{Fit, Place, Rule};
use crate::video::look::Look;

/// What lies behind the pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Background {
    /// Black.
    #[default]
    Black,
    /// White.
    White,
    /// A checkered pattern.
    Checker,
}

impl Background {
    /// The compositor's word.
    pub fn word(self) -> &'static str {
        match self {
            Background::Black => "black",
            Background::White => "white",
            Background::Checker => "checker",
        }
    }
}

/// The properties of `composite`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// Width of the whole picture, pixels, even.
    #[schemars(range(min = 16, max = 8192), extend("x-live" = true))]
    pub width: u32,
    /// Height of the whole picture, pixels, even.
    #[schemars(range(min = 16, max = 8192), extend("x-live" = true))]
    pub height: u32,
    /// Pictures a second.
    #[schemars(range(min = 1, max = 240), extend("x-live" = true))]
    pub frame_rate: u32,
    /// How pictures without a place of their own are arranged.
    #[schemars(extend("x-live" = true))]
    pub layout: Rule,
    /// With `layout: one-big`: the port whose picture is the big one; empty: the first that came.
    #[schemars(extend("x-live" = true))]
    pub big: String,
    /// Places of single ports, each `port x y width height [alpha [z-order]]` in pixels, for instance
    /// `logo 1100 20 160 90 0.8 5`.
    #[schemars(extend("x-live" = true))]
    pub places: Vec<String>,
    /// What happens to a picture whose shape is not its cell's.
    #[schemars(extend("x-live" = true))]
    pub fit: Fit,
    /// What lies behind the pictures.
    #[schemars(extend("x-live" = true))]
    pub background: Background,
    /// Whether the ports' names are shown over their pictures.
    #[schemars(extend("x-live" = true))]
    pub names: bool,
    /// How long media may take to arrive, milliseconds: everything is given out so much after its time. Sources that
    /// take longer are delayed as a whole.
    #[schemars(range(min = 20, max = 5000), extend("x-live" = true))]
    pub latency: u32,
    /// Whether it ends when all that it is given has ended; otherwise it goes on until it is stopped.
    #[schemars(extend("x-live" = true))]
    pub end_with_inputs: bool,
}

impl Default for Params {
    fn default() -> Self {
        Params {
            width: 800,
            height: 600,
            frame_rate: 15,
            layout: Rule::Grid,
            big: String::new(),
            places: Vec::new(),
            fit: Fit::Contain,
            background: Background::Black,
            names: false,
            latency: 40,
            end_with_inputs: true,
        }
    }
}

/// Reads one entry of `places`, in pixels.
fn place(text: &str) -> Result<(String, Place), String> {
    place_of(text, 1.0)
}

/// Reads `port x y width height [alpha [z-order]]`, with sides of at least (if that is nothing: more than) `least`.
pub(super) fn place_of(text: &str, least: f64) -> Result<(String, Place), String> {
    let wrong = || format!("'{text}' is not `port x y width height [alpha [z-order]]`");
    let words: Vec<&str> = text.split_whitespace().collect();
    let (name, numbers) = words.split_first().ok_or_else(wrong)?;
    let numbers: Vec<f64> =
        numbers.iter().map(|word| word.parse().ok()).collect::<Option<_>>().ok_or_else(wrong)?;
    let (x, y, width, height, rest) = match numbers.as_slice() {
        [x, y, width, height, rest @ ..] if rest.len() <= 2 => (*x, *y, *width, *height, rest),
        _ => return Err(wrong()),
    };
    let side = |value: f64| value >= least && value > 0.0;
    if !side(width) || !side(height) {
        return Err(format!("'{text}': width and height are too small"));
    }
    if numbers.iter().any(|n| !n.is_finite() || n.abs() > 32_768.0) {
        return Err(format!("'{text}': a number is out of range"));
    }
    let alpha = rest.first().copied().unwrap_or(1.0);
    if !(0.0..=1.0).contains(&alpha) {
        return Err(format!("'{text}': alpha must be from 0 to 1"));
    }
    let z_order = rest.get(1).copied().unwrap_or(2.0);
    if z_order < 0.0 || z_order.fract() != 0.0 {
        return Err(format!("'{text}': the z-order must be a whole number from 0"));
    }
    let z_order = z_order as u32;
    Ok(((*name).to_owned(), Place { x, y, width, height, relative: false, alpha, z_order }))
}

fn places(params: &Params) -> BTreeMap<String, Place> {
    params.places.iter().filter_map(|text| place(text).ok()).collect()
}

fn look(params: &Params) -> Look {
    Look {
        width: params.width & !1,
        height: params.height & !1,
        rate: gst::Fraction::new(params.frame_rate as i32, 1),
        rule: params.layout,
        big: params.big.clone(),
        places: places(params),
        master: None,
        fit: params.fit,
        background: params.background.word().to_owned(),
        names: params.names,
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
        composer.change(|look| *look = new);
    }
}

fn command(_: &Arc<Hub>, name: &str, _: Value) -> CommandResult {
    Err(CommandError::unknown(name))
}

const MEDIA: &[Medium] = &[Medium::Video, Medium::Audio];

const SUMMARY: &str = "Joins the pictures of all its ports into one, and lets each hear all others.";

const DESCRIPTION: &str = "\
The pictures of all ports side by side, at a steady rate whatever the ports do: one that stalls keeps its last picture, one \
without video has no cell, and with no picture at all the background goes out. What is linked into the hub takes part, and \
so do its hub-ports, each of which gets the whole picture and the sound of all others but itself. The hub's own outputs \
have the whole and everybody's sound.

- `layout`: `grid` (as many columns as the square root of the number of pictures, rounded up), `one-big`, or `manual`; \
`places` gives single ports a rectangle, with alpha and z-order, in any layout.
- Pictures may come in any size, shape, format and rate. They are joined by one GStreamer `compositor`, which scales them; \
sound is added up as whole numbers, so that nobody hears a trace of himself.
- Pictures and sound of a port are delayed together by what that port's network takes beyond `latency`.

    a:test-source -> mix:composite; b:test-source -> mix; mix -> recorder location=both.webm
";

fn describe() -> ElementDescriptor {
    describe::hub(describe::Facts {
        name: "composite",
        summary: SUMMARY,
        description: DESCRIPTION,
        example: "test-source frames=100 -> composite -> null-sink",
        media: &[(Medium::Video, true), (Medium::Audio, true)],
        properties: table::<Params>().properties().to_vec(),
        requires: &["compositor", "audioconvert", "audioresample"],
        refine: Some(refine),
    })
}

fn refine(properties: &PropertyMap) -> Refined {
    let mut refined = Refined::default();
    let part = |factory: &str, why: &str| Part { factory: factory.into(), why: why.into() };
    refined.parts.push(part("compositor", "one for all ports: scales and joins the pictures"));
    let Ok(params) = serde_json::from_value::<Params>(Value::Object(properties.clone())) else {
        return refined;
    };
    for text in &params.places {
        if let Err(problem) = place(text) {
            refined.problems.push(("places".into(), problem));
        }
    }
    for (name, value) in [("width", params.width), ("height", params.height)] {
        if value % 2 == 1 {
            refined.problems.push((name.into(), format!("{value} is odd; pictures have even sides")));
        }
    }
    if params.names {
        refined.requires.push("textoverlay".into());
        refined.parts.push(part("textoverlay", "draws each name once"));
    }
    refined
}

hub_element!(Composite, "AbComposite", "abcomposite");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read() {
        let (name, read) = place("logo 1100 20 160 90 0.5 5").unwrap();
        assert_eq!(
            (name.as_str(), read.x, read.height, read.alpha, read.z_order),
            ("logo", 1100.0, 90.0, 0.5, 5)
        );
        assert_eq!(place("a 0 0 10 10").unwrap().1.z_order, 2);
        for bad in
            ["", "a", "a 1 2 3", "a 0 0 0 5", "a 0 0 5 5 2", "a 0 0 5 5 1 -1", "a 0 0 5 5 1 1 1", "a x 0 5 5"]
        {
            assert!(place(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        let properties = serde_json::json!({"width": 801, "places": ["a 1"]});
        let refined = refine(properties.as_object().unwrap());
        assert_eq!(refined.problems.len(), 2);
    }
}
