//! `webrtc`: both ends of a WebRTC peer.

mod describe;
mod imp;
mod warm_up;

use anabranch_kit::registry::Registration;
use gst::prelude::*;

glib::wrapper! {
    /// The element `abwebrtc`.
    pub struct WebRtc(ObjectSubclass<imp::WebRtc>)
        @extends gst::Bin, gst::Element, gst::Object, @implements gst::ChildProxy;
}

anabranch_kit::inventory::submit! {
    Registration {
        descriptor: describe::describe,
        register: |plugin| gst::Element::register(plugin, "abwebrtc", gst::Rank::NONE, WebRtc::static_type()),
    }
}
