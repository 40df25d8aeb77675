//! A hub: its parties, what joins or switches their media, and when it ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use anabranch_graph::format::Medium;
use anabranch_kit::message;
use gst::prelude::*;
use serde_json::json;

use crate::audio::{Mixer, Rule};
use crate::clock::{Clock, Pulse};
use crate::inlet::{Feed, Standing, raw};
use crate::lock;
use crate::party::{MEDIA, Party};
use crate::switch::Switch;
use crate::timeline::Timeline;
use crate::video::Composer;
use crate::video::look::Look;

/// How long a hub with ports waits for another stream before it ends: a port that leaves ends its streams first.
const GRACE: Duration = Duration::from_millis(500);

/// The name by which the hub's own outputs are known inside.
pub const WHOLE: &str = "";

/// What a hub takes of each medium, as GStreamer caps; none: nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wants {
    /// Of pictures.
    pub video: Option<&'static str>,
    /// Of sound.
    pub audio: Option<&'static str>,
}

/// What a hub is made of.
#[derive(Clone, Debug)]
pub struct Make {
    /// How pictures are joined; none: they are not.
    pub look: Option<Look>,
    /// Who hears whom in the sum; none: sound is not added up.
    pub mix: Option<Rule>,
    /// Whether streams that are not joined are switched.
    pub switch: bool,
    /// Whether one source is for all listeners.
    pub one_for_all: bool,
}

/// A hub.
pub struct Hub {
    /// Its element.
    pub bin: glib::WeakRef<gst::Bin>,
    /// Its time.
    pub clock: Clock,
    /// What joins pictures.
    pub composer: Option<Arc<Composer>>,
    /// What adds up sound.
    pub mixer: Option<Arc<Mixer>>,
    /// What switches streams.
    pub switch: Option<Arc<Switch>>,
    parties: Mutex<Vec<Arc<Party>>>,
    timelines: Mutex<BTreeMap<String, Weak<Timeline>>>,
    /// One source for all listeners: whether that is the rule, who was chosen, and who is it now.
    one_for_all: Mutex<Option<Chosen>>,
    running: Mutex<Option<Running>>,
    ending: Mutex<Ending>,
    /// Connections that a property asked for.
    given: Mutex<Vec<String>>,
}

#[derive(Default)]
struct Chosen {
    by_property: String,
    by_name: Option<String>,
    first_come: bool,
    now: Option<String>,
}

struct Running {
    pulse: Arc<Pulse>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Ending {
    /// Whether it ends with its inputs.
    with_inputs: bool,
    ended: bool,
    /// A thread waits whether it is to end.
    waiting: bool,
}

impl Hub {
    /// A hub of an element. `latency`: how long after its time a moment is made.
    pub fn new(bin: &gst::Bin, make: Make) -> Arc<Hub> {
        Arc::new_cyclic(|weak: &Weak<Hub>| {
            let clock = Clock::new(bin.upcast_ref());
            let hub = weak.clone();
            let switched = Arc::new(move |listener: &str, source: &str| {
                if let Some(bin) = hub.upgrade().and_then(|hub| hub.bin.upgrade()) {
                    let sink = if listener == WHOLE { bin.name().to_string() } else { listener.to_owned() };
                    message::post(&bin, "switched", json!({"sink": sink, "source": source}));
                }
            });
            Hub {
                bin: bin.downgrade(),
                composer: make.look.map(|look| Composer::new(&clock, look)),
                mixer: make.mix.map(|rule| Mixer::new(&clock, rule)),
                switch: make.switch.then(|| Switch::new(switched)),
                clock,
                parties: Mutex::default(),
                timelines: Mutex::default(),
                one_for_all: Mutex::new(make.one_for_all.then(Chosen::default)),
                running: Mutex::default(),
                ending: Mutex::new(Ending { with_inputs: true, ..Ending::default() }),
                given: Mutex::default(),
            }
        })
    }

    /// What it takes.
    pub fn wants(&self) -> Wants {
        let other = self.switch.is_some().then_some("ANY");
        Wants {
            video: if self.composer.is_some() { Some("video/x-raw") } else { other },
            audio: if self.mixer.is_some() { Some("audio/x-raw") } else { other },
        }
    }

    /// The timeline of the party of that name: pads of one element share it.
    pub fn timeline(&self, name: &str) -> Arc<Timeline> {
        let mut timelines = lock(&self.timelines);
        timelines.retain(|_, timeline| timeline.strong_count() > 0);
        if let Some(timeline) = timelines.get(name).and_then(Weak::upgrade) {
            return timeline;
        }
        let timeline = Arc::new(Timeline::new());
        timelines.insert(name.to_owned(), Arc::downgrade(&timeline));
        timeline
    }

    /// The names of all parties.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            lock(&self.parties).iter().map(|party| party.name.clone()).filter(|name| name != WHOLE).collect();
        names.sort();
        names.dedup();
        names
    }

    fn feed(&self, party: &Party, medium: Medium) -> Option<Arc<dyn Feed>> {
        let inlet = party.inlet(medium)?;
        match (medium, &self.composer, &self.mixer) {
            (Medium::Video, Some(composer), _) => Some(composer.seat(&party.name, &party.timeline)),
            (Medium::Audio, _, Some(mixer)) => Some(mixer.voice(&party.name, &party.timeline)),
            _ => Some(self.switch.as_ref()?.feed(&party.name, medium, inlet)),
        }
    }

    /// A party is there.
    pub fn join(self: &Arc<Self>, party: &Arc<Party>) {
        lock(&self.parties).push(party.clone());
        for medium in MEDIA {
            if let Some((inlet, feed)) = party.inlet(medium).zip(self.feed(party, medium)) {
                let joined = match medium {
                    Medium::Video => self.composer.is_some(),
                    _ => self.mixer.is_some(),
                };
                let weak = Arc::downgrade(self);
                let watch = Arc::new(move || {
                    if let Some(hub) = weak.upgrade() {
                        hub.look_around();
                    }
                });
                inlet.serve(feed, if joined { raw(medium) } else { None }, watch);
            }
            let Some(outlet) = party.outlet(medium) else { continue };
            match (medium, &self.composer, &self.mixer, &self.switch) {
                (Medium::Video, Some(composer), ..) => composer.add_outlet(&party.name, outlet),
                (Medium::Audio, _, Some(mixer), _) => mixer.add_outlet(&party.name, outlet),
                (_, _, _, Some(switch)) => switch.add_outlet(&party.name, medium, outlet),
                _ => {
                    outlet.set_absent(true);
                    continue;
                }
            }
            outlet.set_absent(false);
        }
        self.look_around();
    }

    /// A party goes.
    pub fn leave(self: &Arc<Self>, party: &Arc<Party>) {
        let known = {
            let mut parties = lock(&self.parties);
            let before = parties.len();
            parties.retain(|other| !Arc::ptr_eq(other, party));
            parties.len() < before
        };
        if !known {
            return;
        }
        for medium in MEDIA {
            let (inlet, outlet) = (party.inlet(medium), party.outlet(medium));
            if let Some(inlet) = inlet {
                inlet.close();
            }
            if let Some(outlet) = outlet {
                outlet.set_ask(None);
            }
            if inlet.is_none() && outlet.is_none() {
                continue;
            }
            match (medium, &self.composer, &self.mixer, &self.switch) {
                (Medium::Video, Some(composer), ..) => composer.leave(&party.name),
                (Medium::Audio, _, Some(mixer), _) => mixer.leave(&party.name),
                (_, _, _, Some(switch)) => switch.leave(&party.name, medium),
                _ => {}
            }
        }
        self.look_around();
    }

    /// Chooses the source for all listeners; none: nobody, or with [`Hub::set_first_come`] whoever comes first.
    pub fn choose(self: &Arc<Self>, source: Option<&str>) {
        if let Some(chosen) = &mut *lock(&self.one_for_all) {
            chosen.by_name = source.map(str::to_owned);
        }
        self.give_to_all();
    }

    /// As [`Hub::choose`], by a property: a value that stays the same changes nothing that a command has chosen.
    pub fn choose_by_property(self: &Arc<Self>, source: &str) {
        if let Some(chosen) = &mut *lock(&self.one_for_all) {
            if chosen.by_property == source {
                return;
            }
            chosen.by_property = source.to_owned();
        }
        self.choose((!source.is_empty()).then_some(source));
    }

    /// While nobody is chosen, whoever comes first is.
    pub fn set_first_come(&self) {
        if let Some(chosen) = &mut *lock(&self.one_for_all) {
            chosen.first_come = true;
        }
    }

    /// The source that is for all listeners now.
    pub fn chosen(&self) -> Option<String> {
        lock(&self.one_for_all).as_ref().and_then(|chosen| chosen.now.clone())
    }

    /// Connects every listener to the chosen source.
    fn give_to_all(self: &Arc<Self>) {
        let Some(switch) = &self.switch else { return };
        let senders: Vec<String> = {
            let parties = lock(&self.parties).clone();
            let sends = |party: &&Arc<Party>| {
                party.inlets.iter().flatten().any(|inlet| inlet.standing() == Standing::Open)
            };
            parties.iter().filter(sends).map(|party| party.name.clone()).collect()
        };
        let source = {
            let mut one = lock(&self.one_for_all);
            let Some(chosen) = &mut *one else { return };
            let stays = chosen.now.clone().filter(|now| senders.contains(now));
            let first = || if chosen.first_come { stays.or_else(|| senders.first().cloned()) } else { None };
            chosen.now = chosen.by_name.clone().or_else(first);
            chosen.now.clone()
        };
        for listener in switch.listeners() {
            let wanted = source.as_deref().filter(|source| *source != listener);
            match wanted {
                Some(source) => {
                    if switch.source_of(&listener, Medium::Video).as_deref() != Some(source) {
                        switch.connect(&listener, source, &MEDIA);
                    }
                }
                None => switch.disconnect(&listener, &MEDIA),
            }
        }
    }

    /// Somebody came, went, began or ended: what follows from that.
    fn look_around(self: &Arc<Self>) {
        self.give_to_all();
        let (open, ended) = self.standing();
        let wait = {
            let mut ending = lock(&self.ending);
            if ending.ended && open {
                ending.ended = false;
                Some(false)
            } else if !ending.ended && !open && ended && ending.with_inputs && !ending.waiting {
                ending.waiting = true;
                Some(true)
            } else {
                None
            }
        };
        match wait {
            Some(true) => self.end_soon(),
            Some(false) => self.set_ended(false),
            None => {}
        }
    }

    /// Whether any stream comes, and whether any has ended.
    fn standing(&self) -> (bool, bool) {
        let parties = lock(&self.parties).clone();
        let standings = || {
            let inlets = parties.iter().flat_map(|party| party.inlets.iter().flatten());
            inlets.map(|inlet| inlet.standing())
        };
        (standings().any(|s| s == Standing::Open), standings().any(|s| s == Standing::Ended))
    }

    /// Ends when what waits has been shown, unless another stream begins until then.
    fn end_soon(self: &Arc<Self>) {
        let late = lock(&self.timelines).values().filter_map(Weak::upgrade).map(|t| t.offset()).max();
        let rest = (self.clock.latency() + late.unwrap_or(0)).max(0).unsigned_abs();
        let ports = lock(&self.parties).iter().any(|party| party.is_port);
        let joined = self.composer.is_some() || self.mixer.is_some();
        let wait =
            if joined { Duration::from_nanos(rest) + Duration::from_millis(50) } else { Duration::ZERO };
        let wait = if ports { wait.max(GRACE) } else { wait };
        let Some(pulse) = lock(&self.running).as_ref().map(|running| running.pulse.clone()) else {
            lock(&self.ending).waiting = false;
            return;
        };
        let weak = Arc::downgrade(self);
        let body = move || {
            let stays = pulse.wait(wait);
            let Some(hub) = weak.upgrade() else { return };
            lock(&hub.ending).waiting = false;
            if stays && hub.standing() == (false, true) {
                hub.end();
            }
        };
        if std::thread::Builder::new().name("hub-end".to_owned()).spawn(body).is_err() {
            lock(&self.ending).waiting = false;
        }
    }

    /// Whether it ends with its inputs.
    pub fn set_ends_with_inputs(self: &Arc<Self>, with_inputs: bool) {
        lock(&self.ending).with_inputs = with_inputs;
        self.look_around();
    }

    /// All that goes out ends, and the pipeline is told.
    pub fn end(&self) {
        if std::mem::replace(&mut lock(&self.ending).ended, true) {
            return;
        }
        self.set_ended(true);
        let parties = lock(&self.parties).clone();
        for outlet in parties.iter().flat_map(|party| party.outlets.iter().flatten()) {
            outlet.end();
        }
        if let Some(bin) = self.bin.upgrade() {
            // Without a bus there is nobody to tell.
            let _ = bin.post_message(gst::message::Eos::builder().src(&bin).build());
        }
    }

    fn set_ended(&self, ended: bool) {
        if let Some(composer) = &self.composer {
            composer.set_ended(ended);
        }
        if let Some(mixer) = &self.mixer {
            mixer.set_ended(ended);
        }
    }

    /// Starts its threads.
    ///
    /// # Errors
    ///
    /// There are no threads left.
    pub fn start(self: &Arc<Self>) -> Result<(), gst::ErrorMessage> {
        let pulse = Arc::new(Pulse::default());
        let mut threads = Vec::new();
        let none = |_| gst::error_msg!(gst::CoreError::Thread, ("There are no threads left for a hub."));
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        if let (Some(composer), Some(bin)) = (self.composer.clone(), self.bin.upgrade()) {
            let (pulse, weak) = (pulse.clone(), bin.downgrade());
            let body = move || {
                let Some(bin) = weak.upgrade() else { return };
                if let Err(error) = composer.run(&bin, &pulse) {
                    bin.post_error_message(error);
                }
            };
            threads.push(thread("hub-pictures").spawn(body).map_err(none)?);
        }
        if let Some(mixer) = self.mixer.clone() {
            let pulse = pulse.clone();
            threads.push(thread("hub-sound").spawn(move || mixer.run(&pulse)).map_err(none)?);
        }
        *lock(&self.running) = Some(Running { pulse, threads });
        self.look_around();
        Ok(())
    }

    /// Stops its threads and waits for them.
    pub fn stop(&self) {
        let Some(running) = lock(&self.running).take() else { return };
        running.pulse.stop();
        for thread in running.threads {
            // A thread that panicked is gone as well.
            let _ = thread.join();
        }
    }

    /// Its numbers.
    pub fn stats(&self) -> gst::Structure {
        use std::sync::atomic::Ordering::Relaxed;
        let parties = lock(&self.parties).clone();
        let lost: u64 = parties.iter().flat_map(|p| p.outlets.iter().flatten()).map(|o| o.lost()).sum();
        let mut stats = gst::Structure::builder("stats")
            .field("parties", self.names().len() as u64)
            .field("buffers-lost", lost);
        if let Some(composer) = &self.composer {
            let figures = &composer.figures;
            stats = stats
                .field("pictures", figures.pictures.load(Relaxed))
                .field("pictures-skipped", figures.skipped.load(Relaxed))
                .field("moments-idle", figures.idle.load(Relaxed))
                .field("parties-shown", figures.shown.load(Relaxed));
        }
        if let Some(mixer) = &self.mixer {
            let late = mixer.late() * 1000 / crate::audio::RATE.unsigned_abs();
            stats = stats.field("audio-chunks", mixer.chunks.load(Relaxed)).field("audio-late-ms", late);
        }
        stats.build()
    }
}

impl Hub {
    /// Takes over the connections that a property asks for; returns those that are new and those that are gone.
    pub fn give(&self, connections: &[String]) -> (Vec<String>, Vec<String>) {
        let old = std::mem::replace(&mut *lock(&self.given), connections.to_vec());
        let without = |all: &[String], others: &[String]| -> Vec<String> {
            all.iter().filter(|one| !others.contains(one)).cloned().collect()
        };
        (without(connections, &old), without(&old, connections))
    }

    /// The hub-ports that are here.
    pub fn ports(&self) -> Vec<Arc<Party>> {
        lock(&self.parties).iter().filter(|party| party.is_port).cloned().collect()
    }
}
