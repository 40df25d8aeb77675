//! `dispatcher`: each listener is given the source that was chosen for it.

use std::sync::Arc;

use anabranch_graph::catalog::{ElementDescriptor, PropertyMap, Refined};
use anabranch_graph::format::Medium;
use anabranch_kit::command::{CommandError, CommandResult};
use anabranch_kit::params::table;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{arguments, describe, hub_element};
use crate::hub::{Hub, Make};
use crate::party::MEDIA as BOTH;

/// The properties of `dispatcher`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// Who is connected from the beginning, each `source -> sink`, or `source` alone for the hub's own output.
    #[schemars(extend("x-live" = true))]
    pub connections: Vec<String>,
    /// Whether it ends when all that it is given has ended; otherwise it goes on until it is stopped.
    #[schemars(extend("x-live" = true))]
    pub end_with_inputs: bool,
}

impl Default for Params {
    fn default() -> Self {
        Params { connections: Vec::new(), end_with_inputs: true }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Connect {
    source: String,
    sink: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Disconnect {
    #[serde(default)]
    source: Option<String>,
    sink: Option<String>,
}

fn make(_: &Params) -> Make {
    Make { look: None, mix: None, switch: true, one_for_all: false }
}

fn apply(hub: &Arc<Hub>, params: &Params) {
    hub.set_ends_with_inputs(params.end_with_inputs);
    let Some(switch) = &hub.switch else { return };
    let (new, gone) = hub.give(&params.connections);
    for (_, sink) in gone.iter().filter_map(|text| arguments::connection(text).ok()) {
        switch.disconnect(arguments::own(hub, &sink), &BOTH);
    }
    for (source, sink) in new.iter().filter_map(|text| arguments::connection(text).ok()) {
        switch.connect(arguments::own(hub, &sink), &source, &BOTH);
    }
}

/// Mistakes in `connections`.
fn refine(properties: &PropertyMap) -> Refined {
    let texts = properties.get("connections").and_then(Value::as_array).into_iter().flatten();
    let wrong = texts.filter_map(Value::as_str).filter_map(|text| arguments::connection(text).err());
    Refined { problems: wrong.map(|problem| ("connections".into(), problem)).collect(), ..Refined::default() }
}

fn command(hub: &Arc<Hub>, name: &str, args: Value) -> CommandResult {
    let Some(switch) = &hub.switch else { return Err(CommandError::unknown(name)) };
    match name {
        "connect" => {
            let args: Connect = arguments::read(args)?;
            let source = arguments::party(hub, &args.source)?;
            let sink = arguments::listener(hub, args.sink.as_deref())?;
            switch.connect(&sink, &source, &BOTH);
        }
        "disconnect" => {
            let args: Disconnect = arguments::read(args)?;
            let sink = arguments::listener(hub, args.sink.as_deref())?;
            let present = switch.source_of(&sink, Medium::Video);
            if args.source.is_some() && args.source != present {
                let text = format!("'{}' is not connected to it", args.source.unwrap_or_default());
                return Err(arguments::wrong("not-connected", text));
            }
            switch.disconnect(&sink, &BOTH);
        }
        other => return Err(CommandError::unknown(other)),
    }
    Ok(json!({}))
}

const MEDIA: &[Medium] = &[Medium::Video, Medium::Audio];

const SUMMARY: &str = "Gives each of its ports the media of the port that was chosen for it.";

const DESCRIPTION: &str = "\
A switchboard. The command `connect {source, sink}` gives a hub-port the media of another (or of an element that is linked \
into the hub); a sink that is connected again gets the new source from its next key frame on, which is asked for, and the \
old one until then. Without `sink`, or with the hub's id, the hub's own output is meant. `disconnect {sink}` takes the media \
away. A port may be connected to itself. The property `connections` says it from the beginning.

Media pass as they come: nothing is decoded unless who takes them needs that. The event `switched` says when the new source \
is there.

    cam:test-source -> dispatcher connections=cam -> null-sink
";

fn describe() -> ElementDescriptor {
    describe::hub(describe::Facts {
        name: "dispatcher",
        summary: SUMMARY,
        description: DESCRIPTION,
        example: "cam:test-source frames=100 -> dispatcher connections=cam -> null-sink",
        media: &[(Medium::Video, false), (Medium::Audio, false)],
        properties: table::<Params>().properties().to_vec(),
        requires: &[],
        refine: Some(refine),
    })
}

hub_element!(Dispatcher, "AbDispatcher", "abdispatcher");
