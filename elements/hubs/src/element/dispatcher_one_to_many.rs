//! `dispatcher-one-to-many`: one source for all.

use std::sync::Arc;

use anabranch_graph::catalog::ElementDescriptor;
use anabranch_graph::format::Medium;
use anabranch_kit::command::{CommandError, CommandResult};
use anabranch_kit::params::table;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{arguments, describe, hub_element};
use crate::hub::{Hub, Make};

/// The properties of `dispatcher-one-to-many`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// The port whose media all others get, from the beginning; empty: none until `set-source`.
    #[schemars(extend("x-live" = true))]
    pub source: String,
    /// Whether it ends when all that it is given has ended; otherwise it goes on until it is stopped.
    #[schemars(extend("x-live" = true))]
    pub end_with_inputs: bool,
}

impl Default for Params {
    fn default() -> Self {
        Params { source: String::new(), end_with_inputs: true }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetSource {
    source: String,
}

fn make(_: &Params) -> Make {
    Make { look: None, mix: None, switch: true, one_for_all: true }
}

fn apply(hub: &Arc<Hub>, params: &Params) {
    hub.set_ends_with_inputs(params.end_with_inputs);
    hub.choose_by_property(&params.source);
}

fn command(hub: &Arc<Hub>, name: &str, args: Value) -> CommandResult {
    match name {
        "set-source" => {
            let args: SetSource = arguments::read(args)?;
            let source = arguments::party(hub, &args.source)?;
            hub.choose(Some(&source));
        }
        "remove-source" => hub.choose(None),
        other => return Err(CommandError::unknown(other)),
    }
    Ok(json!({}))
}

const MEDIA: &[Medium] = &[Medium::Video, Medium::Audio];

const SUMMARY: &str = "Gives the media of one of its ports to all others.";

const DESCRIPTION: &str = "\
A lecture. The command `set-source {source}` says whose media all other hub-ports and the hub's own output get, from its next \
key frame on; `remove-source` takes them away. The property `source` says it from the beginning. Who comes later gets them, \
too. Media pass as they come; one encoder serves all who take the same format.

    talk:test-source -> dispatcher-one-to-many source=talk -> null-sink
";

fn describe() -> ElementDescriptor {
    describe::hub(describe::Facts {
        name: "dispatcher-one-to-many",
        summary: SUMMARY,
        description: DESCRIPTION,
        example: "talk:test-source frames=100 -> dispatcher-one-to-many source=talk -> null-sink",
        media: &[(Medium::Video, false), (Medium::Audio, false)],
        properties: table::<Params>().properties().to_vec(),
        requires: &[],
        refine: None,
    })
}

hub_element!(DispatcherOneToMany, "AbDispatcherOneToMany", "abdispatcheronetomany");
