//! Streams that pass a hub untouched, encoded or raw: who gets whose.
//!
//! A listener that is given another source keeps the old one until the new one's next key frame, which is asked for; sound
//! changes at that moment, too. Time stamps never go back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anabranch_graph::format::Medium;

use crate::inlet::{Feed, Inlet};
use crate::lock;
use crate::outlet::Outlet;
use crate::party::index;

/// How often a source that owes a key frame is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// Called with listener and source when pictures or, without pictures, sound have changed over.
pub type OnSwitched = Arc<dyn Fn(&str, &str) + Send + Sync>;

#[derive(Default)]
struct Source {
    inlets: [Option<Arc<Inlet>>; 2],
    caps: [Option<gst::Caps>; 2],
}

/// What a listener gets of one medium.
#[derive(Default)]
struct Way {
    outlet: Option<Arc<Outlet>>,
    /// Who is heard or seen now.
    current: Option<String>,
    /// Who shall be.
    wanted: Option<String>,
    /// Added to time stamps, nanoseconds, so that they go on.
    shift: u64,
    /// The end of what went out last.
    last: u64,
    asked: Option<Instant>,
}

#[derive(Default)]
struct State {
    sources: BTreeMap<String, Source>,
    listeners: BTreeMap<String, [Way; 2]>,
}

/// Who gets whose.
pub struct Switch {
    state: Mutex<State>,
    on_switched: OnSwitched,
}

/// What is left to do when no lock is held.
#[derive(Default)]
struct After {
    ask: Option<Arc<Inlet>>,
    switched: Vec<(String, String)>,
}

impl Switch {
    /// A switch without parties.
    pub fn new(on_switched: OnSwitched) -> Arc<Switch> {
        Arc::new(Switch { state: Mutex::default(), on_switched })
    }

    /// The feed of a source's medium.
    pub fn feed(self: &Arc<Self>, name: &str, medium: Medium, inlet: &Arc<Inlet>) -> Arc<dyn Feed> {
        let mut state = lock(&self.state);
        state.sources.entry(name.to_owned()).or_default().inlets[index(medium)] = Some(inlet.clone());
        Arc::new(Line { switch: self.clone(), source: name.to_owned(), medium })
    }

    /// Somebody who can be given streams. It may have been connected before it came.
    pub fn add_outlet(self: &Arc<Self>, name: &str, medium: Medium, outlet: &Arc<Outlet>) {
        let weak = Arc::downgrade(self);
        let listener = name.to_owned();
        outlet.set_ask(Some(Arc::new(move || {
            if let Some(switch) = weak.upgrade() {
                switch.ask_for(&listener);
            }
        })));
        {
            let mut state = lock(&self.state);
            state.listeners.entry(name.to_owned()).or_default()[index(medium)].outlet = Some(outlet.clone());
        }
        self.ask_for(name);
    }

    /// A party no longer takes part in a medium.
    pub fn leave(&self, name: &str, medium: Medium) {
        let at = index(medium);
        let mut state = lock(&self.state);
        if let Some(source) = state.sources.get_mut(name) {
            (source.inlets[at], source.caps[at]) = (None, None);
            if source.inlets.iter().all(Option::is_none) {
                state.sources.remove(name);
            }
        }
        if let Some(ways) = state.listeners.get_mut(name) {
            ways[at] = Way::default();
            if ways.iter().all(|way| way.outlet.is_none()) {
                state.listeners.remove(name);
            }
        }
        for ways in state.listeners.values_mut() {
            if ways[at].current.as_deref() == Some(name) {
                ways[at].current = None;
            }
        }
    }

    /// Gives a listener a source's media, from the next key frame on.
    pub fn connect(&self, listener: &str, source: &str, media: &[Medium]) {
        {
            let mut state = lock(&self.state);
            let ways = state.listeners.entry(listener.to_owned()).or_default();
            for medium in media {
                let way = &mut ways[index(*medium)];
                way.wanted = Some(source.to_owned());
                way.asked = Some(Instant::now());
            }
        }
        self.ask_for(listener);
    }

    /// A listener gets nothing any more of these media.
    pub fn disconnect(&self, listener: &str, media: &[Medium]) {
        let mut state = lock(&self.state);
        if let Some(ways) = state.listeners.get_mut(listener) {
            for medium in media {
                let way = &mut ways[index(*medium)];
                (way.current, way.wanted) = (None, None);
            }
        }
    }

    /// Who a listener shall get a medium from.
    pub fn source_of(&self, listener: &str, medium: Medium) -> Option<String> {
        lock(&self.state).listeners.get(listener)?[index(medium)].wanted.clone()
    }

    /// Who may be given streams.
    pub fn listeners(&self) -> Vec<String> {
        lock(&self.state).listeners.keys().cloned().collect()
    }

    /// Asks the source that a listener shall see for a key frame.
    fn ask_for(&self, listener: &str) {
        let inlet = {
            let state = lock(&self.state);
            let video = index(Medium::Video);
            let wanted = state.listeners.get(listener).and_then(|ways| ways[video].wanted.as_ref());
            wanted.and_then(|source| state.sources.get(source)?.inlets[video].clone())
        };
        if let Some(inlet) = inlet {
            inlet.ask_for_key();
        }
    }

    fn caps(&self, source: &str, medium: Medium, caps: Option<&gst::Caps>) {
        if let Some(source) = lock(&self.state).sources.get_mut(source) {
            source.caps[index(medium)] = caps.cloned();
        }
    }

    fn push(&self, source: &str, medium: Medium, buffer: &gst::Buffer) {
        let mut after = After::default();
        {
            let mut state = lock(&self.state);
            let State { sources, listeners } = &mut *state;
            let Some(from) = sources.get(source) else { return };
            for (name, ways) in listeners {
                pass(name, ways, (source, from), medium, buffer, &mut after);
            }
        }
        if let Some(inlet) = after.ask {
            inlet.ask_for_key();
        }
        for (listener, source) in after.switched {
            (self.on_switched)(&listener, &source);
        }
    }
}

/// Gives a buffer to one listener, if it is for it.
fn pass(
    listener: &str,
    ways: &mut [Way; 2],
    (source, from): (&str, &Source),
    medium: Medium,
    buffer: &gst::Buffer,
    after: &mut After,
) {
    let at = index(medium);
    let Some(time) = buffer.dts_or_pts().map(gst::ClockTime::nseconds) else { return };
    let is = |name: &Option<String>| name.as_deref() == Some(source);
    if is(&ways[at].wanted) && !is(&ways[at].current) {
        let video = index(Medium::Video);
        let ready = match medium {
            Medium::Video => !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
            // Sound changes with the pictures, unless there are none to wait for.
            _ => is(&ways[video].current) || !is(&ways[video].wanted) || from.caps[video].is_none(),
        };
        if !ready {
            let way = &mut ways[at];
            if medium == Medium::Video && way.asked.is_none_or(|asked| asked.elapsed() > AGAIN) {
                way.asked = Some(Instant::now());
                after.ask = from.inlets[video].clone();
            }
        } else {
            // Lips stay in sync: sound goes as far as its pictures went.
            let leads = (medium == Medium::Audio && is(&ways[video].current)).then_some(ways[video].shift);
            let way = &mut ways[at];
            way.current = Some(source.to_owned());
            way.shift = leads.unwrap_or_else(|| way.last.saturating_sub(time));
            if medium == Medium::Video || from.caps[video].is_none() {
                after.switched.push((listener.to_owned(), source.to_owned()));
            }
        }
    }
    let way = &mut ways[at];
    let (Some(outlet), Some(caps), true) = (&way.outlet, &from.caps[at], is(&way.current)) else { return };
    let shift = gst::ClockTime::from_nseconds(way.shift);
    if medium == Medium::Audio && time + way.shift < way.last.saturating_sub(1_000_000) {
        // A little sound is lost rather than played twice.
        return;
    }
    let mut buffer = buffer.clone();
    let (pts, dts, duration) = (buffer.pts(), buffer.dts(), buffer.duration());
    if way.shift > 0 {
        let writable = buffer.make_mut();
        writable.set_pts(pts.map(|time| time + shift));
        writable.set_dts(dts.map(|time| time + shift));
    }
    way.last =
        time + way.shift + duration.map_or(1, |d| if medium == Medium::Audio { d.nseconds() } else { 1 });
    outlet.caps(caps);
    outlet.push(buffer);
}

/// The feed of one source's medium.
struct Line {
    switch: Arc<Switch>,
    source: String,
    medium: Medium,
}

impl Feed for Line {
    fn caps(&self, caps: &gst::Caps) {
        self.switch.caps(&self.source, self.medium, Some(caps));
    }

    fn push(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.switch.push(&self.source, self.medium, &buffer);
        Ok(gst::FlowSuccess::Ok)
    }

    fn end(&self) {
        self.switch.caps(&self.source, self.medium, None);
        let mut state = lock(&self.switch.state);
        for ways in state.listeners.values_mut() {
            let way = &mut ways[index(self.medium)];
            // If it comes back, it begins with a key frame.
            if way.current.as_ref() == Some(&self.source) {
                way.current = None;
            }
        }
    }

    fn flush(&self, _flushing: bool) {}
}
