//! A link at run time: a hub's pad, and either plain pads or a bridge to the consumer.

use std::time::Duration;

use anabranch_graph::plan::{Join, LinkPlan};
use anabranch_graph::spec::Transcoding;
use gst::prelude::*;

use super::domain::Domain;
use super::node::Node;
use super::wants::Wants;
use crate::bridge::{Bridge, Channel};
use crate::error::ChangeError;

/// The property by which a mixer's pad is told whose media come there.
const SOURCE: &str = "source";

/// The producer's half of a link.
struct Up {
    hub: gst::Element,
    pad: gst::Pad,
    /// In the producer's domain: the bridge's sink, or the converters of a direct link.
    parts: Vec<gst::Element>,
}

/// The consumer's half of a link.
struct Down {
    /// The consumer's pad.
    pad: gst::Pad,
    /// Whether the pad was requested for this link.
    requested: bool,
    /// In the consumer's domain: the bridge's source and converters; empty for a direct link.
    parts: Vec<gst::Element>,
}

/// A link at run time.
pub(crate) struct Link {
    pub plan: LinkPlan,
    pub channel: Option<Channel>,
    up: Option<Up>,
    down: Option<Down>,
    /// What the consumer negotiated; none if it takes what the plan says.
    wants: Option<Wants>,
}

impl Link {
    /// Joins two elements; the domains are the same for a direct link.
    pub fn connect(
        plan: &LinkPlan,
        hub: &gst::Element,
        from_domain: &Domain,
        to: &mut Node,
        to_domain: &Domain,
    ) -> Result<Link, ChangeError> {
        let wants = to.wants(&plan.to.port);
        let mut link = Link { plan: plan.clone(), channel: None, up: None, down: None, wants };
        let result = match plan.join {
            Join::Direct => link.connect_direct(hub, from_domain, to),
            Join::Bridge { overflow, max_ms } => {
                let bridge = Bridge::new(
                    &plan.id,
                    &plan.to.node,
                    &to_domain.group,
                    overflow,
                    Duration::from_millis(max_ms.into()),
                );
                link.channel = Some(bridge.channel.clone());
                link.connect_down(&bridge, to, to_domain)
                    .and_then(|()| link.connect_up(vec![bridge.sink.clone().upcast()], hub, from_domain))
            }
        };
        if let Err(error) = result {
            link.disconnect(from_domain, Some(to_domain), &to.element, false);
            return Err(error);
        }
        Ok(link)
    }

    fn fail(&self, reason: impl std::fmt::Display) -> ChangeError {
        ChangeError::Build {
            element: self.plan.to.node.clone(),
            reason: format!("{}: {reason}", self.plan.id),
        }
    }

    fn consumer_pad(&self, to: &Node) -> Result<(gst::Pad, bool), ChangeError> {
        if let Some(pad) = to.element.static_pad(&self.plan.pad) {
            return Ok((pad, false));
        }
        to.element
            .request_pad_simple(&self.plan.pad)
            .map(|pad| {
                if pad.find_property(SOURCE).is_some() {
                    pad.set_property(SOURCE, &self.plan.from.node);
                }
                if let Some(counter) = to.inputs.get(&self.plan.to.port) {
                    counter.count(&pad);
                }
                (pad, true)
            })
            .ok_or_else(|| self.fail(format!("'{}' has no pad '{}'", to.plan.factory, self.plan.pad)))
    }

    fn converters(&self, domain: &Domain) -> Result<Vec<gst::Element>, ChangeError> {
        self.plan
            .converters
            .iter()
            .map(|part| {
                let element = gst::ElementFactory::make(&part.factory)
                    .name(format!("{}:{}", part.factory, self.plan.id))
                    .build()
                    .map_err(|_| self.fail(format!("GStreamer has no element '{}'", part.factory)))?;
                domain.add(&element, &self.plan.to.node).map_err(|e| self.fail(e))?;
                Ok(element)
            })
            .collect()
    }

    /// Links a chain of elements and its end to the consumer's pad.
    fn chain(&self, parts: &[gst::Element], pad: &gst::Pad) -> Result<(), ChangeError> {
        for pair in parts.windows(2) {
            pair[0].link(&pair[1]).map_err(|e| self.fail(e))?;
        }
        if let Some(last) = parts.last() {
            let src = last.static_pad("src").ok_or_else(|| self.fail("a converter has no source pad"))?;
            src.link(pad).map_err(|e| self.fail(e))?;
        }
        Ok(())
    }

    fn connect_direct(
        &mut self,
        hub: &gst::Element,
        domain: &Domain,
        to: &mut Node,
    ) -> Result<(), ChangeError> {
        let (pad, requested) = self.consumer_pad(to)?;
        to.revive(&pad);
        self.down = Some(Down { pad: pad.clone(), requested, parts: Vec::new() });
        let parts = self.converters(domain)?;
        self.chain(&parts, &pad)?;
        self.connect_up(parts, hub, domain)
    }

    fn connect_down(&mut self, bridge: &Bridge, to: &mut Node, domain: &Domain) -> Result<(), ChangeError> {
        let (pad, requested) = self.consumer_pad(to)?;
        to.revive(&pad);
        domain.reopen();
        domain.add(&bridge.src, &to.plan.id).map_err(|e| self.fail(e))?;
        let mut parts = vec![bridge.src.clone().upcast()];
        self.down = Some(Down { pad: pad.clone(), requested, parts: parts.clone() });
        parts.extend(self.converters(domain)?);
        self.chain(&parts, &pad)?;
        if domain.started {
            for part in parts.iter().rev() {
                let _ = part.sync_state_with_parent();
            }
        }
        self.down = Some(Down { pad, requested, parts });
        Ok(())
    }

    /// Asks the producer's hub for a pad and feeds `parts` from it; a bridge's sink is added here.
    fn connect_up(
        &mut self,
        parts: Vec<gst::Element>,
        hub: &gst::Element,
        domain: &Domain,
    ) -> Result<(), ChangeError> {
        for part in parts.iter().filter(|p| p.parent().is_none()) {
            domain.add(part, &self.plan.to.node).map_err(|e| self.fail(e))?;
        }
        let pad =
            hub.request_pad_simple("src_%u").ok_or_else(|| self.fail("the output hub refused a consumer"))?;
        pad.set_property("accept", self.accept());
        pad.set_property("transcoding", self.plan.options.transcoding == Transcoding::Allow);
        pad.set_property("bitrate", self.bitrate());
        pad.set_property("min-bitrate", self.plan.options.min_bitrate.unwrap_or(0));
        pad.set_property("max-bitrate", self.plan.options.max_bitrate.unwrap_or(0));
        let limits = self.plan.options.picture_of(self.plan.medium);
        pad.set_property("max-width", limits.max_width.unwrap_or(0));
        pad.set_property("max-height", limits.max_height.unwrap_or(0));
        pad.set_property("max-frame-rate", limits.max_frame_rate.unwrap_or(0));
        pad.set_property("consumer", &self.plan.to.node);
        self.up = Some(Up { hub: hub.clone(), pad: pad.clone(), parts: parts.clone() });
        if domain.started {
            for part in parts.iter().rev() {
                let _ = part.sync_state_with_parent();
            }
        }
        let target = match parts.first() {
            Some(first) => {
                first.static_pad("sink").ok_or_else(|| self.fail("a converter has no sink pad"))?
            }
            None => match &self.down {
                Some(down) => down.pad.clone(),
                None => return Err(self.fail("there is no consumer")),
            },
        };
        pad.link(&target).map_err(|e| self.fail(e))?;
        Ok(())
    }

    /// The caps that the consumer takes, as the hub's pads have them.
    fn accept(&self) -> String {
        match &self.wants {
            Some(wants) => wants.accept(&self.plan.options.formats_of(self.plan.medium)),
            None => self.plan.accepts.iter().map(|format| format.caps()).collect::<Vec<_>>().join("; "),
        }
    }

    /// What an encoder for this consumer gets, kbit/s: what the description says, within what the peer can take.
    fn bitrate(&self) -> u32 {
        let wanted = self.wants.as_ref().and_then(|wants| wants.bitrate).filter(|rate| *rate > 0);
        match (self.plan.options.bitrate, wanted) {
            (Some(planned), Some(wanted)) => planned.min(wanted),
            (planned, wanted) => planned.or(wanted).unwrap_or(0),
        }
    }

    /// The consumer negotiated something else.
    pub fn set_wants(&mut self, wants: &Wants) {
        let (accept, bitrate) = (self.accept(), self.bitrate());
        self.wants = Some(wants.clone());
        let Some(up) = &self.up else { return };
        if self.bitrate() != bitrate {
            up.pad.set_property("bitrate", self.bitrate());
        }
        if self.accept() != accept {
            up.pad.set_property("accept", self.accept());
        }
    }

    /// Feeds the consumer from a producer that was built anew.
    pub fn reconnect_up(
        &mut self,
        plan: &LinkPlan,
        hub: &gst::Element,
        domain: &Domain,
    ) -> Result<(), ChangeError> {
        self.plan = plan.clone();
        let Some(channel) = &self.channel else { return Err(self.fail("a direct link has no second half")) };
        let sink = Bridge::sink_for(&self.plan.id, &self.plan.to.node, channel);
        if let Some(src) = self.bridge_src() {
            src.set_producer(&sink);
        }
        self.connect_up(vec![sink.upcast()], hub, domain)
    }

    fn bridge_src(&self) -> Option<crate::bridge::BridgeSrc> {
        self.down.as_ref()?.parts.first()?.clone().downcast().ok()
    }

    /// Takes the producer's half away; the consumer keeps waiting for media.
    pub fn disconnect_up(&mut self, domain: &Domain) {
        let Some(up) = self.up.take() else { return };
        // A direct link's consumer must not be fed by a half-removed chain; a bridge's channel may hold a
        // producer that waits.
        if let Some(peer) = up.pad.peer() {
            let _ = up.pad.unlink(&peer);
        }
        up.hub.release_request_pad(&up.pad);
        for part in &up.parts {
            domain.remove(part);
        }
    }

    /// Forgets the producer's half: its whole domain is being stopped.
    pub fn forget_up(&mut self) {
        self.up = None;
    }

    /// Whether the consumer gets an end of stream (`finish`) or is just no longer fed.
    pub fn close_channel(&self, finish: bool) {
        match &self.channel {
            Some(channel) if finish => channel.finish(),
            Some(channel) => channel.close(true),
            None => {}
        }
    }

    /// Takes the link away. With `finish` the consumer gets what still waits and an end of stream, and its half stays
    /// until its domain goes.
    pub fn disconnect(
        &mut self,
        from_domain: &Domain,
        to_domain: Option<&Domain>,
        consumer: &gst::Element,
        finish: bool,
    ) {
        self.close_channel(finish);
        self.disconnect_up(from_domain);
        if finish && self.channel.is_some() {
            return;
        }
        self.disconnect_down(to_domain, consumer);
    }

    /// Takes the consumer's half away.
    pub fn disconnect_down(&mut self, domain: Option<&Domain>, consumer: &gst::Element) {
        let Some(down) = self.down.take() else { return };
        if let Some(domain) = domain {
            if let Some(peer) = down.pad.peer() {
                let _ = peer.unlink(&down.pad);
            }
            for part in &down.parts {
                domain.remove(part);
            }
        }
        if down.requested {
            consumer.release_request_pad(&down.pad);
        }
    }

    /// Whether a producer feeds it.
    pub fn is_fed(&self) -> bool {
        self.up.is_some()
    }

    /// Whether the consumer's half is still there.
    pub fn has_down(&self) -> bool {
        self.down.is_some()
    }
}
