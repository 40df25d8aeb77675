//! `mixer`: for each listener, one source's pictures and the sound of many.

use std::collections::BTreeMap;
use std::sync::Arc;

use anabranch_graph::catalog::{ElementDescriptor, PropertyMap, Refined};
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

/// The properties of `mixer`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// Who is connected from the beginning, each `source -> sink` or `source` alone for the hub's own output, with `video`
    /// or `audio` before it if only that is meant.
    #[schemars(extend("x-live" = true))]
    pub connections: Vec<String>,
    /// How long sound may take to arrive, milliseconds: the sum is given out so much after its time.
    #[schemars(range(min = 20, max = 5000), extend("x-live" = true))]
    pub latency: u32,
    /// Whether it ends when all that it is given has ended; otherwise it goes on until it is stopped.
    #[schemars(extend("x-live" = true))]
    pub end_with_inputs: bool,
}

impl Default for Params {
    fn default() -> Self {
        Params { connections: Vec::new(), latency: 40, end_with_inputs: true }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ends {
    /// Both media if none is named.
    medium: Option<Medium>,
    source: String,
    sink: Option<String>,
}

fn make(_: &Params) -> Make {
    Make { look: None, mix: Some(Mix::Matrix(BTreeMap::new())), switch: true, one_for_all: false }
}

fn apply(hub: &Arc<Hub>, params: &Params) {
    hub.clock.set_latency(i64::from(params.latency) * MS);
    hub.set_ends_with_inputs(params.end_with_inputs);
    let (new, gone) = hub.give(&params.connections);
    for (connect, texts) in [(false, gone), (true, new)] {
        for (medium, source, sink) in texts.iter().filter_map(|text| connection(text).ok()) {
            patch(hub, connect, medium, &source, arguments::own(hub, &sink));
        }
    }
}

/// Reads one entry of `connections`.
fn connection(text: &str) -> Result<(Option<Medium>, String, String), String> {
    let (medium, rest) = match text.trim().split_once(' ') {
        Some(("video", rest)) if !rest.trim_start().starts_with("->") => (Some(Medium::Video), rest),
        Some(("audio", rest)) if !rest.trim_start().starts_with("->") => (Some(Medium::Audio), rest),
        _ => (None, text),
    };
    let (source, sink) = arguments::connection(rest)?;
    Ok((medium, source, sink))
}

/// Mistakes in `connections`.
fn refine(properties: &PropertyMap) -> Refined {
    let texts = properties.get("connections").and_then(Value::as_array).into_iter().flatten();
    let wrong = texts.filter_map(Value::as_str).filter_map(|text| connection(text).err());
    Refined { problems: wrong.map(|problem| ("connections".into(), problem)).collect(), ..Refined::default() }
}

/// Connects or disconnects; both media if none is named.
fn patch(hub: &Hub, connect: bool, medium: Option<Medium>, source: &str, sink: &str) {
    let (Some(switch), Some(mixer)) = (&hub.switch, &hub.mixer) else { return };
    if medium.is_none_or(|medium| medium == Medium::Audio) {
        mixer.change(|rule| {
            let Mix::Matrix(matrix) = rule else { return };
            let sources = matrix.entry(sink.to_owned()).or_default();
            if connect {
                sources.insert(source.to_owned());
            } else {
                sources.remove(source);
            }
        });
    }
    if medium.is_none_or(|medium| medium == Medium::Video) {
        if connect {
            switch.connect(sink, source, &[Medium::Video]);
        } else if switch.source_of(sink, Medium::Video).as_deref() == Some(source) {
            switch.disconnect(sink, &[Medium::Video]);
        }
    }
}

fn command(hub: &Arc<Hub>, name: &str, args: Value) -> CommandResult {
    let connect = match name {
        "connect" => true,
        "disconnect" => false,
        other => return Err(CommandError::unknown(other)),
    };
    let args: Ends = arguments::read(args)?;
    let sink = arguments::listener(hub, args.sink.as_deref())?;
    // One that has gone may still be connected.
    let source = if connect { arguments::party(hub, &args.source)? } else { args.source };
    if args.medium == Some(Medium::Data) {
        return Err(arguments::wrong("no-such-medium", "a mixer has video and audio only"));
    }
    patch(hub, connect, args.medium, &source, &sink);
    Ok(json!({}))
}

const MEDIA: &[Medium] = &[Medium::Video, Medium::Audio];

const SUMMARY: &str = "Gives each of its ports one port's pictures and the sound of as many as were chosen.";

const DESCRIPTION: &str = "\
The command `connect {medium, source, sink}` adds a source to what a hub-port gets: sound of many sources is added up, of \
pictures the last that was connected counts, from its next key frame on. Without `medium` both are meant; without `sink`, or \
with the hub's id, the hub's own output. The property `connections` says it from the beginning. `disconnect {medium, source, sink}` takes it away again.

Pictures pass as they come; sound goes out as 48 kHz stereo without a gap.

    a:test-source -> desk:mixer connections=a; b:test-source -> desk; desk -> null-sink
";

fn describe() -> ElementDescriptor {
    describe::hub(describe::Facts {
        name: "mixer",
        summary: SUMMARY,
        description: DESCRIPTION,
        example: "cam:test-source frames=100 -> mixer connections=cam -> null-sink",
        media: &[(Medium::Video, false), (Medium::Audio, true)],
        properties: table::<Params>().properties().to_vec(),
        requires: &["audioconvert", "audioresample"],
        refine: Some(refine),
    })
}

hub_element!(Mixer, "AbMixer", "abmixer");
