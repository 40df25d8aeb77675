//! `selector`: one of several sources goes on.

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

/// The properties of `selector`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// The source that goes on: the id of an element that is linked into the selector, or of one of its hub-ports; empty:
    /// the first that sends.
    #[schemars(extend("x-live" = true))]
    pub select: String,
    /// Whether it ends when all that it is given has ended; otherwise it goes on until it is stopped.
    #[schemars(extend("x-live" = true))]
    pub end_with_inputs: bool,
}

impl Default for Params {
    fn default() -> Self {
        Params { select: String::new(), end_with_inputs: true }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Select {
    source: String,
}

fn make(_: &Params) -> Make {
    Make { look: None, mix: None, switch: true, one_for_all: true }
}

fn apply(hub: &Arc<Hub>, params: &Params) {
    hub.set_first_come();
    hub.set_ends_with_inputs(params.end_with_inputs);
    hub.choose_by_property(&params.select);
}

fn command(hub: &Arc<Hub>, name: &str, args: Value) -> CommandResult {
    match name {
        "select" => {
            let args: Select = arguments::read(args)?;
            let source = arguments::party(hub, &args.source)?;
            hub.choose(Some(&source));
        }
        "selected" => return Ok(json!({"source": hub.chosen()})),
        other => return Err(CommandError::unknown(other)),
    }
    Ok(json!({}))
}

const MEDIA: &[Medium] = &[Medium::Video, Medium::Audio];

const SUMMARY: &str = "Lets one of several sources through; another is switched to at its next key frame.";

const DESCRIPTION: &str = "\
A switch with one output. The property `select`, or the command `select {source}`, says which of the elements that are linked \
into it goes on. The old source goes on until the new one's next key frame, which is asked for; pictures and sound change \
over together, and time stamps never go back, so nothing downstream sees a glitch. What comes encoded stays encoded. The event \
`switched` says when it happened; the command `selected` asks who goes on.

    a:test-source -> out:selector; b:test-source pattern=gradient -> out; out -> null-sink
";

fn describe() -> ElementDescriptor {
    describe::hub(describe::Facts {
        name: "selector",
        summary: SUMMARY,
        description: DESCRIPTION,
        example: "test-source frames=100 -> selector -> null-sink",
        media: &[(Medium::Video, false), (Medium::Audio, false)],
        properties: table::<Params>().properties().to_vec(),
        requires: &[],
        refine: None,
    })
}

hub_element!(Selector, "AbSelector", "abselector");
