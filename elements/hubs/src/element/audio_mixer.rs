//! `audio-mixer`: everybody hears all others.

use std::sync::Arc;

use anabranch_graph::catalog::ElementDescriptor;
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

/// The properties of `audio-mixer`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// How long sound may take to arrive, milliseconds: everything is given out so much after its time. Sources that take
    /// longer are delayed as a whole.
    #[schemars(range(min = 20, max = 5000), extend("x-live" = true))]
    pub latency: u32,
    /// Whether it ends when all that it is given has ended; otherwise it goes on until it is stopped.
    #[schemars(extend("x-live" = true))]
    pub end_with_inputs: bool,
}

impl Default for Params {
    fn default() -> Self {
        Params { latency: 40, end_with_inputs: true }
    }
}

fn make(_: &Params) -> Make {
    Make { look: None, mix: Some(Mix::AllButSelf), switch: false, one_for_all: false }
}

fn apply(hub: &Arc<Hub>, params: &Params) {
    hub.clock.set_latency(i64::from(params.latency) * MS);
    hub.set_ends_with_inputs(params.end_with_inputs);
}

fn command(_: &Arc<Hub>, name: &str, _: Value) -> CommandResult {
    Err(CommandError::unknown(name))
}

const MEDIA: &[Medium] = &[Medium::Audio];

const SUMMARY: &str = "Adds up the sound of all its ports; each port hears all others but itself.";

const DESCRIPTION: &str = "\
A telephone conference. Each hub-port gets the sum of all others, the hub's own output has everybody. The sum is made of \
whole numbers once for all, and each port's own sound is taken off it, so nobody hears a trace of himself, and one more \
port costs little. Sound may come in any format; it goes out as 48 kHz stereo, without a gap, whatever the ports do.

    a:test-source video=false -> all:audio-mixer; b:test-source video=false tone=660 -> all; all -> recorder location=both.webm
";

fn describe() -> ElementDescriptor {
    describe::hub(describe::Facts {
        name: "audio-mixer",
        summary: SUMMARY,
        description: DESCRIPTION,
        example: "test-source frames=100 -> audio-mixer -> null-sink",
        media: &[(Medium::Audio, true)],
        properties: table::<Params>().properties().to_vec(),
        requires: &["audioconvert", "audioresample"],
        refine: None,
    })
}

hub_element!(AudioMixer, "AbAudioMixer", "abaudiomixer");
