//! `abtranscode`, the output hub: one stream in, any number of consumers, each in a format that it takes.
//!
//! A consumer whose formats include the stream's gets the packets untouched. Otherwise the hub adds at most one
//! decoder, and one encoder per target format; both are shared by all consumers and removed when the last one leaves.
//! Consumers that want smaller or fewer pictures have an encoder for these, shared by those with the same limits.
//! [`anabranch_graph::plan::codec`] decides, with the table by which a plan is printed.
//!
//! ```text
//!          ┌─> src_0 (pass)
//! sink ─> tee ─> [parser, decoder] ─> tee ─┬─> src_1 (raw)
//!                                          ├─> [queue, convert, encoder, parser] ─> tee ─┬─> src_2
//!                                          │                                            └─> src_3
//!                                          └─> [queue, scale, convert, encoder, parser] ─> tee ──> src_4
//! ```
//!
//! In gst-launch, as with `tee`, an element with pads on request (a muxer) needs a queue in between:
//! `filesrc location=x ! parsebin ! abtranscode ! queue ! matroskamux ! filesink location=y`.
//!
//! Streaming threads only pass data on. Elements are built and removed by a `worker`; while the stream's caps
//! change, the streaming thread waits for it, so no packet is lost.

mod branch;
mod chain;
mod decide;
mod drain;
mod hub;
mod imp;
mod keyunit;
mod pad;
mod report;
mod shrink;
mod topology;
mod worker;

use std::sync::LazyLock;

use gst::prelude::*;

pub(crate) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("abtranscode", gst::DebugColorFlags::empty(), Some("Output hub"))
});

glib::wrapper! {
    /// The output hub.
    pub struct Transcode(ObjectSubclass<imp::Transcode>)
        @extends gst::Bin, gst::Element, gst::Object,
        @implements gst::ChildProxy;
}

glib::wrapper! {
    /// One consumer of an output hub.
    pub struct TranscodePad(ObjectSubclass<pad::TranscodePad>)
        @extends gst::GhostPad, gst::ProxyPad, gst::Pad, gst::Object;
}

/// Which bit rate a shared encoder gets from those that its consumers ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "AbBitratePolicy")]
pub enum BitratePolicy {
    /// The lowest.
    #[default]
    #[enum_value(name = "The lowest that a consumer asks for", nick = "lowest")]
    Lowest,
    /// The median; of an even number the lower of the two in the middle.
    #[enum_value(name = "The median of what consumers ask for", nick = "median")]
    Median,
    /// That of the consumer for which the encoder was started.
    #[enum_value(name = "That of the first consumer", nick = "fixed")]
    Fixed,
}

anabranch_kit::inventory::submit! {
    anabranch_kit::registry::Helper {
        register: |plugin| {
            // Makes the pads' type known, so that it is documented with the element.
            TranscodePad::static_type();
            gst::Element::register(plugin, "abtranscode", gst::Rank::NONE, Transcode::static_type())
        },
    }
}

/// Answers questions for the caps that `sink` takes with `answer`, which gets the asker's filter. The consumers behind
/// a tee do not decide together what may flow: each is served by itself.
fn answer_caps_queries(
    sink: &gst::Pad,
    answer: impl Fn(Option<&gst::Caps>) -> gst::Caps + Send + Sync + 'static,
) {
    let kinds = gst::PadProbeType::QUERY_DOWNSTREAM | gst::PadProbeType::PUSH;
    sink.add_probe(kinds, move |_, info| {
        let Some(query) = info.query_mut() else { return gst::PadProbeReturn::Ok };
        match query.view_mut() {
            gst::QueryViewMut::Caps(query) => {
                let caps = answer(query.filter_owned().as_ref());
                query.set_result(&caps);
                gst::PadProbeReturn::Handled
            }
            gst::QueryViewMut::AcceptCaps(query) => {
                query.set_result(true);
                gst::PadProbeReturn::Handled
            }
            _ => gst::PadProbeReturn::Ok,
        }
    });
}
