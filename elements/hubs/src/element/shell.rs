//! What all hubs have in common as GStreamer elements: pads, states, and the room in which their ports find them.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};

use anabranch_graph::format::Medium;
use gst::prelude::*;

use super::HubPad;
use crate::hub::{Hub, Make, WHOLE};
use crate::inlet::Inlet;
use crate::lock;
use crate::outlet::Outlet;
use crate::party::{Party, index};
use crate::room::{Room, room};

/// Pads on request, each with its party.
type Pads = Vec<(HubPad, Arc<Party>)>;

/// The insides of a hub's element.
#[derive(Default)]
pub struct Shell {
    hub: OnceLock<Arc<Hub>>,
    /// The pipeline by which ports know the hub.
    pipeline: Mutex<String>,
    room: Mutex<Option<Arc<Room>>>,
    pads: Arc<Mutex<Pads>>,
    count: AtomicU32,
}

/// The templates of a hub with these media: outputs `src_video`, inputs `sink_video_%u` on request.
pub fn templates(media: &[Medium]) -> Vec<gst::PadTemplate> {
    let any = gst::Caps::new_any();
    let mut all = Vec::new();
    for medium in media {
        let made = [
            (format!("src_{medium}"), gst::PadDirection::Src, gst::PadPresence::Always),
            (format!("sink_{medium}_%u"), gst::PadDirection::Sink, gst::PadPresence::Request),
        ];
        for (name, direction, presence) in made {
            all.push(
                gst::PadTemplate::with_gtype(&name, direction, presence, &any, pad_type(direction))
                    .expect("the pad names and caps of this crate make valid templates"),
            );
        }
    }
    all
}

fn pad_type(direction: gst::PadDirection) -> glib::Type {
    match direction {
        gst::PadDirection::Sink => HubPad::static_type(),
        _ => gst::Pad::static_type(),
    }
}

/// The medium of a pad template of this crate.
fn medium_of(template: &gst::PadTemplate) -> Medium {
    let audio = template.name_template().contains("_audio");
    if audio { Medium::Audio } else { Medium::Video }
}

impl Shell {
    /// Makes the hub and its outputs.
    pub fn construct(&self, bin: &gst::Bin, make: Make) {
        bin.set_suppressed_flags(gst::ElementFlags::SOURCE | gst::ElementFlags::SINK);
        // The pipeline ends when the hub says so.
        bin.set_element_flags(gst::ElementFlags::SINK);
        let hub = Hub::new(bin, make);
        let mut outlets = [None, None];
        for template in bin.pad_template_list() {
            if template.presence() != gst::PadPresence::Always {
                continue;
            }
            let medium = medium_of(&template);
            let (outlet, pad) = Outlet::new(&template, template.name_template(), medium);
            // The names are the class's own, so they are free.
            let _ = bin.add_pad(&pad);
            outlets[index(medium)] = Some(outlet);
        }
        let whole = Party {
            name: WHOLE.to_owned(),
            is_port: false,
            inlets: [None, None],
            outlets,
            timeline: hub.timeline(WHOLE),
        };
        hub.join(&Arc::new(whole));
        // Constructed once.
        let _ = self.hub.set(hub);
    }

    /// The hub.
    pub fn hub(&self) -> Option<&Arc<Hub>> {
        self.hub.get()
    }

    /// Sets the pipeline by which ports know the hub.
    pub fn set_pipeline(&self, pipeline: String) {
        *lock(&self.pipeline) = pipeline;
    }

    /// The pipeline by which ports know the hub.
    pub fn pipeline(&self) -> String {
        lock(&self.pipeline).clone()
    }

    /// A pad for one more party's medium.
    pub fn request(
        &self,
        bin: &gst::Bin,
        template: &gst::PadTemplate,
        name: Option<&str>,
    ) -> Option<gst::Pad> {
        let hub = self.hub.get()?;
        let medium = medium_of(template);
        let number = self.count.fetch_add(1, Relaxed);
        let name = name.map_or_else(|| format!("sink_{medium}_{number}"), str::to_owned);
        let (inlet, pad) = Inlet::new(gst::PadBuilder::<HubPad>::from_template(template).name(&name));
        // In gst-launch, pads of one number are one party.
        let party_name = name.rsplit('_').next().unwrap_or(&name).to_owned();
        let party = |name: &str| {
            let mut inlets = [None, None];
            inlets[index(medium)] = Some(inlet.clone());
            Arc::new(Party {
                name: name.to_owned(),
                is_port: false,
                inlets,
                outlets: [None, None],
                timeline: hub.timeline(name),
            })
        };
        let present = party(&party_name);
        hub.join(&present);
        lock(&self.pads).push((pad.clone(), present));
        let (weak_hub, pads, weak_pad) = (Arc::downgrade(hub), Arc::downgrade(&self.pads), pad.downgrade());
        let inlet = Arc::downgrade(&inlet);
        pad.on_source(move |name| {
            let (Some(hub), Some(pads), Some(pad), Some(inlet)) =
                (weak_hub.upgrade(), pads.upgrade(), weak_pad.upgrade(), inlet.upgrade())
            else {
                return;
            };
            let mut inlets = [None, None];
            inlets[index(medium)] = Some(inlet);
            let renamed = Arc::new(Party {
                name: name.to_owned(),
                is_port: false,
                inlets,
                outlets: [None, None],
                timeline: hub.timeline(name),
            });
            let old = {
                let mut pads = lock(&pads);
                pads.iter_mut()
                    .find(|(other, _)| *other == pad)
                    .map(|(_, party)| std::mem::replace(party, renamed.clone()))
            };
            if let Some(old) = old {
                hub.leave(&old);
                hub.join(&renamed);
            }
        });
        if bin.current_state() > gst::State::Ready {
            // A pad that cannot be activated refuses media by itself.
            let _ = pad.set_active(true);
        }
        bin.add_pad(&pad).ok()?;
        Some(pad.upcast())
    }

    /// A party's medium goes.
    pub fn release(&self, bin: &gst::Bin, pad: &gst::Pad) {
        let party = {
            let mut pads = lock(&self.pads);
            let at = pads.iter().position(|(other, _)| other.upcast_ref::<gst::Pad>() == pad);
            at.map(|at| pads.swap_remove(at).1)
        };
        if let (Some(party), Some(hub)) = (party, self.hub.get()) {
            hub.leave(&party);
        }
        // It refuses only pads that are not its own.
        let _ = pad.set_active(false);
        let _ = bin.remove_pad(pad);
    }

    /// Before a change of state.
    pub fn before(&self, bin: &gst::Bin, transition: gst::StateChange) {
        let Some(hub) = self.hub.get() else { return };
        match transition {
            gst::StateChange::NullToReady => {
                let room = room(&self.pipeline(), &bin.name());
                room.open(hub);
                *lock(&self.room) = Some(room);
            }
            gst::StateChange::PlayingToPaused => hub.stop(),
            _ => {}
        }
    }

    /// After a change of state that succeeded.
    ///
    /// # Errors
    ///
    /// The hub's threads could not be started.
    pub fn after(
        &self,
        transition: gst::StateChange,
        success: gst::StateChangeSuccess,
    ) -> Result<gst::StateChangeSuccess, gst::ErrorMessage> {
        let Some(hub) = self.hub.get() else { return Ok(success) };
        match transition {
            gst::StateChange::PausedToPlaying => hub.start()?,
            // It makes media at the pace of the clock: nobody waits for its first.
            gst::StateChange::ReadyToPaused | gst::StateChange::PlayingToPaused => {
                return Ok(gst::StateChangeSuccess::NoPreroll);
            }
            gst::StateChange::ReadyToNull => {
                let room = lock(&self.room).take();
                if let Some(room) = room {
                    room.close(hub);
                    for party in hub.ports() {
                        hub.leave(&party);
                    }
                }
            }
            _ => {}
        }
        Ok(success)
    }
}

/// Whether an event is an end of stream, after which the hub ends.
pub fn is_end(event: &gst::Event) -> bool {
    matches!(event.view(), gst::EventView::Eos(_))
}
