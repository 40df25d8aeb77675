//! GStreamer's `compositor`, driven one picture at a time: what is handed in for one moment comes out as one picture.
//!
//! It never waits for an input, because every pad gets a picture for every moment; pads come and go between two moments.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gst::prelude::*;

use super::layout::{Cell, Fit};
use super::slot::Picture;
use crate::lock;

/// How long a picture may take until the next is begun without it.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is shown of a party at one moment.
pub struct Shown<'a> {
    /// A name that stays the same from moment to moment.
    pub key: &'a str,
    /// The picture.
    pub picture: Picture,
    /// Where it goes.
    pub cell: Cell,
    /// How it fills its cell.
    pub fit: Fit,
}

struct Entry {
    /// The compositor's pad.
    sink: gst::Pad,
    /// The pad that feeds it.
    src: gst::Pad,
    caps: Option<gst::Caps>,
    set: Option<(Cell, Fit)>,
}

/// When the nth picture begins at a frame rate, rounded as GStreamer rounds.
pub fn moment(rate: gst::Fraction, count: u64) -> gst::ClockTime {
    let (n, d) = (rate.numer().max(1) as u128, rate.denom().max(1) as u128);
    gst::ClockTime::from_nseconds((u128::from(count) * 1_000_000_000 * d / n) as u64)
}

/// Takes a finished picture and its format.
pub type Deliver = Arc<dyn Fn(gst::Buffer, &gst::Caps) + Send + Sync>;

#[derive(Default)]
struct Exit {
    /// The running times and durations of the moments that are being made.
    due: std::collections::VecDeque<(gst::ClockTime, gst::ClockTime)>,
    caps: Option<gst::Caps>,
}

/// The compositor with its pads.
pub struct Stage {
    compositor: gst::Element,
    /// What the compositor works in.
    inner: gst::Element,
    convert: gst::Element,
    /// What goes out.
    filter: gst::Element,
    exit: Arc<(Mutex<Exit>, Condvar)>,
    entries: BTreeMap<String, Entry>,
    format: Option<(gst::Caps, gst::Fraction, bool)>,
    /// The compositor's own time when its format was set, and how many pictures it has made since.
    base: gst::ClockTime,
    count: u64,
    // Kept: an unparented pad lives as long as somebody holds it.
    _end: gst::Pad,
}

fn failed(what: &str) -> gst::ErrorMessage {
    gst::error_msg!(gst::CoreError::Negotiation, ("{what} could not be linked inside the hub."))
}

/// Makes an element of GStreamer, or says which one is missing in words for a person.
pub fn make(factory: &str) -> Result<gst::Element, gst::ErrorMessage> {
    gst::ElementFactory::make(factory).build().map_err(|_| {
        gst::error_msg!(
            gst::CoreError::MissingPlugin,
            (
                "The GStreamer element '{factory}' is not installed; `anabranch doctor` names the package that has it."
            )
        )
    })
}

impl Stage {
    /// Makes the compositor inside `bin`.
    ///
    /// # Errors
    ///
    /// It is not installed.
    pub fn new(bin: &gst::Bin, background: &str, deliver: Deliver) -> Result<Stage, gst::ErrorMessage> {
        let compositor = make("compositor")?;
        compositor.set_property_from_str("background", background);
        let inner = make("capsfilter")?;
        // Passes what need not be converted.
        let convert = make("videoconvert")?;
        let filter = make("capsfilter")?;
        let refused = |_| failed("The compositor");
        let all = [&compositor, &inner, &convert, &filter];
        bin.add_many(all).map_err(refused)?;
        gst::Element::link_many(all).map_err(refused)?;
        let exit = Arc::new((Mutex::new(Exit::default()), Condvar::new()));
        let (chain, event) = (exit.clone(), exit.clone());
        // With a template that takes anything: without one, a pad takes what it has, and formats could not change.
        let any = gst::Caps::new_any();
        let template = gst::PadTemplate::new("end", gst::PadDirection::Sink, gst::PadPresence::Always, &any)
            .map_err(refused)?;
        let end = gst::Pad::builder_from_template(&template)
            .chain_function(move |_, _, buffer| {
                finish(&chain, buffer, &deliver);
                Ok(gst::FlowSuccess::Ok)
            })
            .event_function(move |_, _, e| {
                if let gst::EventView::Caps(caps) = e.view() {
                    lock(&event.0).caps = Some(caps.caps_owned());
                }
                true
            })
            .build();
        end.set_active(true).map_err(|_| failed("The compositor's end"))?;
        let src = filter.static_pad("src").ok_or_else(|| failed("The compositor"))?;
        src.link(&end).map_err(|_| failed("The compositor"))?;
        for element in all.into_iter().rev() {
            element.sync_state_with_parent().map_err(|_| failed("The compositor"))?;
        }
        Ok(Stage {
            compositor,
            inner,
            convert,
            filter,
            exit,
            entries: BTreeMap::new(),
            format: None,
            base: gst::ClockTime::ZERO,
            count: 0,
            _end: end,
        })
    }

    /// What pictures come out as; takes effect with the next. `see_through`: some that come in have an alpha channel, and
    /// are joined in a format that has one, too: in any other the compositor would not look at it.
    pub fn set_format(&mut self, caps: &gst::Caps, rate: gst::Fraction, see_through: bool) {
        if self.format.as_ref().is_some_and(|(caps_now, _, now)| caps_now == caps && *now == see_through) {
            return;
        }
        self.base = self.own_time(self.count);
        self.count = 0;
        let mut joined = caps.clone();
        if see_through {
            joined.make_mut().set("format", "AYUV");
        }
        self.filter.set_property("caps", caps);
        self.inner.set_property("caps", joined);
        self.format = Some((caps.clone(), rate, see_through));
    }

    /// When the compositor's nth picture since the last change of format begins, in its own time.
    fn own_time(&self, count: u64) -> gst::ClockTime {
        let Some((_, rate, _)) = &self.format else { return self.base };
        self.base + moment(*rate, count)
    }

    /// What lies behind the pictures.
    pub fn set_background(&self, background: &str) {
        self.compositor.set_property_from_str("background", background);
    }

    /// Makes one picture and waits until it is delivered. Returns whether it was; if not, pictures are left in the
    /// compositor's queues, and it is of no more use.
    pub fn show(&mut self, shown: &[Shown<'_>], pts: gst::ClockTime, duration: gst::ClockTime) -> bool {
        let gone: Vec<String> =
            self.entries.keys().filter(|key| !shown.iter().any(|s| s.key == *key)).cloned().collect();
        for key in gone {
            self.remove(&key);
        }
        lock(&self.exit.0).due.push_back((pts, duration));
        let start = self.own_time(self.count);
        self.count += 1;
        let length = self.own_time(self.count) - start;
        // All pads are there before the first picture: the compositor begins when every pad has one.
        for item in shown {
            if !self.entries.contains_key(item.key)
                && let Some(entry) = self.enter(item.key)
            {
                self.entries.insert(item.key.to_owned(), entry);
            }
        }
        for item in shown {
            if let Some(entry) = self.entries.get_mut(item.key) {
                entry.show(item, start, length);
            }
        }
        self.wait()
    }

    fn wait(&self) -> bool {
        let (exit, ready) = &*self.exit;
        let until = Instant::now() + PATIENCE;
        let mut state = lock(exit);
        while !state.due.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.due.clear();
                return false;
            }
            state = ready.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn enter(&self, key: &str) -> Option<Entry> {
        let sink = self.compositor.request_pad_simple("sink_%u")?;
        let src = gst::Pad::builder(gst::PadDirection::Src).build();
        if src.set_active(true).is_err() || src.link(&sink).is_err() {
            self.compositor.release_request_pad(&sink);
            return None;
        }
        src.push_event(gst::event::StreamStart::builder(&format!("hub/{key}")).build());
        Some(Entry { sink, src, caps: None, set: None })
    }

    fn remove(&mut self, key: &str) {
        if let Some(entry) = self.entries.remove(key) {
            // Unlinking pads that are linked cannot fail.
            let _ = entry.src.unlink(&entry.sink);
            let _ = entry.src.set_active(false);
            self.compositor.release_request_pad(&entry.sink);
        }
    }

    /// Takes all pads away, and the compositor out of its bin.
    pub fn take_down(mut self, bin: &gst::Bin) {
        let keys: Vec<String> = self.entries.keys().cloned().collect();
        for key in keys {
            self.remove(&key);
        }
        for element in [&self.compositor, &self.inner, &self.convert, &self.filter] {
            element.set_locked_state(true);
            let _ = element.set_state(gst::State::Null);
            let _ = bin.remove(element);
        }
    }
}

impl Entry {
    fn show(&mut self, item: &Shown<'_>, start: gst::ClockTime, duration: gst::ClockTime) {
        if self.set != Some((item.cell, item.fit)) {
            let cell = item.cell;
            self.sink.set_property("xpos", cell.x);
            self.sink.set_property("ypos", cell.y);
            self.sink.set_property("width", cell.width);
            self.sink.set_property("height", cell.height);
            self.sink.set_property("alpha", cell.alpha.clamp(0.0, 1.0));
            self.sink.set_property("zorder", cell.z_order);
            let policy = match item.fit {
                Fit::Contain => "keep-aspect-ratio",
                Fit::Stretch => "none",
            };
            self.sink.set_property_from_str("sizing-policy", policy);
            self.set = Some((item.cell, item.fit));
        }
        if self.caps.as_ref() != Some(&item.picture.caps) {
            let first = self.caps.is_none();
            self.src.push_event(gst::event::Caps::new(&item.picture.caps));
            if first {
                let segment = gst::FormattedSegment::<gst::ClockTime>::new();
                self.src.push_event(gst::event::Segment::new(&segment));
            }
            self.caps = Some(item.picture.caps.clone());
        }
        let mut buffer = item.picture.buffer.clone();
        let writable = buffer.make_mut();
        writable.set_pts(start);
        writable.set_dts(None);
        writable.set_duration(duration);
        writable.unset_flags(gst::BufferFlags::DISCONT);
        // It refuses only while it stops.
        let _ = self.src.push(buffer);
    }
}

fn finish(exit: &(Mutex<Exit>, Condvar), mut buffer: gst::Buffer, deliver: &Deliver) {
    let (due, caps) = {
        let state = lock(&exit.0);
        (state.due.front().copied(), state.caps.clone())
    };
    if let (Some((pts, duration)), Some(caps)) = (due, caps) {
        let writable = buffer.make_mut();
        writable.set_pts(pts);
        writable.set_dts(None);
        writable.set_duration(duration);
        deliver(buffer, &caps);
    }
    lock(&exit.0).due.pop_front();
    exit.1.notify_all();
}
