//! A party of a hub: what it sends in, what the hub gives it.

use std::sync::Arc;

use anabranch_graph::format::Medium;

use crate::inlet::Inlet;
use crate::outlet::Outlet;
use crate::timeline::Timeline;

/// The media that hubs know, in the order of their arrays.
pub const MEDIA: [Medium; 2] = [Medium::Video, Medium::Audio];

/// The place of a medium in an array of two.
pub fn index(medium: Medium) -> usize {
    usize::from(medium != Medium::Video)
}

/// A party of a hub.
pub struct Party {
    /// Its name: the id of its hub-port or of the element that is linked into the hub.
    pub name: String,
    /// Whether it is a hub-port; otherwise an element linked into the hub, or the hub itself.
    pub is_port: bool,
    /// What it sends, by medium.
    pub inlets: [Option<Arc<Inlet>>; 2],
    /// What it gets, by medium.
    pub outlets: [Option<Arc<Outlet>>; 2],
    /// When its media count.
    pub timeline: Arc<Timeline>,
}

impl Party {
    /// What it sends of a medium.
    pub fn inlet(&self, medium: Medium) -> Option<&Arc<Inlet>> {
        self.inlets[index(medium)].as_ref()
    }

    /// What it gets of a medium.
    pub fn outlet(&self, medium: Medium) -> Option<&Arc<Outlet>> {
        self.outlets[index(medium)].as_ref()
    }
}
