//! One picture out of many, at a steady rate: a thread that takes the newest picture of each party for each moment.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use super::label::{self, Labels};
use super::layout::{self, Cell};
use super::look::Look;
use super::slot::{Picture, Slot};
use super::stage::{Deliver, Shown, Stage, moment};
use crate::clock::{Clock, Pulse};
use crate::lock;
use crate::outlet::Outlet;
use crate::timeline::Timeline;

/// The canvas of a hub that takes its size from a picture, before there is one.
const NO_MASTER: (u32, u32) = (640, 480);

/// What the composer has done.
#[derive(Debug, Default)]
pub struct Figures {
    /// Pictures given out.
    pub pictures: AtomicU64,
    /// Moments for which no picture was made, because the machine is too slow.
    pub skipped: AtomicU64,
    /// Moments for which no picture was made, because nobody takes any.
    pub idle: AtomicU64,
    /// Parties in the last picture.
    pub shown: AtomicU64,
}

struct Seat {
    slot: Arc<Slot>,
    /// Parties are arranged in the order in which they came.
    came: u64,
}

#[derive(Default)]
struct Seats {
    seats: BTreeMap<String, Seat>,
    count: u64,
}

/// Joins pictures.
pub struct Composer {
    clock: Clock,
    look: Mutex<Look>,
    seats: Mutex<Seats>,
    outlets: Mutex<Vec<(String, Arc<Outlet>)>>,
    labels: Labels,
    /// The format of the last picture that was joined.
    last: Mutex<Option<gst::Caps>>,
    ended: AtomicBool,
    /// What it has done.
    pub figures: Figures,
}

impl Composer {
    /// A composer without parties.
    pub fn new(clock: &Clock, look: Look) -> Arc<Composer> {
        Arc::new(Composer {
            clock: clock.clone(),
            look: Mutex::new(look),
            seats: Mutex::default(),
            outlets: Mutex::default(),
            labels: Labels::default(),
            last: Mutex::default(),
            ended: AtomicBool::new(false),
            figures: Figures::default(),
        })
    }

    /// Changes how it looks, from the next picture on.
    pub fn change(&self, change: impl FnOnce(&mut Look)) {
        change(&mut lock(&self.look));
    }

    /// A place for a party's pictures; the one that it has already, if it has.
    pub fn seat(&self, name: &str, timeline: &Arc<Timeline>) -> Arc<Slot> {
        let mut seats = lock(&self.seats);
        if let Some(seat) = seats.seats.get(name) {
            return seat.slot.clone();
        }
        let slot = Slot::new(timeline, &self.clock);
        seats.count += 1;
        let seat = Seat { slot: slot.clone(), came: seats.count };
        seats.seats.insert(name.to_owned(), seat);
        slot
    }

    /// A party goes.
    pub fn leave(&self, name: &str) {
        lock(&self.seats).seats.remove(name);
        self.remove_outlet(name);
    }

    /// Somebody gets the whole.
    pub fn add_outlet(&self, name: &str, outlet: &Arc<Outlet>) {
        let mut outlets = lock(&self.outlets);
        outlets.retain(|(other, _)| other != name);
        outlets.push((name.to_owned(), outlet.clone()));
    }

    fn remove_outlet(&self, name: &str) {
        lock(&self.outlets).retain(|(other, _)| other != name);
    }

    /// Stops giving pictures out, or begins again.
    pub fn set_ended(&self, ended: bool) {
        self.ended.store(ended, Relaxed);
    }

    fn deliver(&self, buffer: &gst::Buffer, caps: &gst::Caps) {
        let outlets = lock(&self.outlets).clone();
        // Who has a picture must find it counted.
        self.figures.pictures.fetch_add(1, Relaxed);
        for (_, outlet) in outlets {
            outlet.caps(caps);
            outlet.push(buffer.clone());
        }
    }

    /// The newest picture of each party that has one, in the order in which they came.
    fn pictures(&self, time: i64) -> Vec<(String, Picture)> {
        let mut slots: Vec<(u64, String, Arc<Slot>)> = {
            let seats = lock(&self.seats);
            seats.seats.iter().map(|(name, seat)| (seat.came, name.clone(), seat.slot.clone())).collect()
        };
        slots.sort_by_key(|(came, _, _)| *came);
        slots.into_iter().filter_map(|(_, name, slot)| Some((name, slot.at(time)?))).collect()
    }

    /// Gives pictures out until the pulse stops. Runs on a thread of its own.
    pub fn run(self: &Arc<Self>, bin: &gst::Bin, pulse: &Pulse) -> Result<(), gst::ErrorMessage> {
        let background = lock(&self.look).background.clone();
        let deliver = {
            let weak = Arc::downgrade(self);
            Arc::new(move |buffer: gst::Buffer, caps: &gst::Caps| {
                if let Some(composer) = weak.upgrade() {
                    let same = lock(&composer.last).as_ref() == Some(caps);
                    if !same {
                        *lock(&composer.last) = Some(caps.clone());
                    }
                    composer.deliver(&buffer, caps);
                }
            })
        };
        let deliver: Deliver = deliver;
        let mut stage = Stage::new(bin, &background, deliver.clone())?;
        let mut shown_background = background;
        let mut empty = Empty::default();
        let mut rate = lock(&self.look).rate;
        let mut next = self.next_moment(rate);
        loop {
            let due = moment(rate, next).nseconds() as i64;
            if !pulse.wait_until(&self.clock, due + self.clock.latency()) {
                break;
            }
            let look = lock(&self.look).clone();
            if look.rate != rate {
                rate = look.rate;
                next = self.next_moment(rate);
                continue;
            }
            if look.background != shown_background {
                stage.set_background(&look.background);
                shown_background = look.background.clone();
            }
            if !self.ended.load(Relaxed) && !self.make(&mut stage, &mut empty, &look, next) {
                let useless =
                    std::mem::replace(&mut stage, Stage::new(bin, &look.background, deliver.clone())?);
                useless.take_down(bin);
                shown_background = look.background.clone();
                self.figures.skipped.fetch_add(1, Relaxed);
            }
            next += 1;
            let now = self.next_moment(rate);
            // More than a moment behind: what is past cannot be made up for.
            if now > next + 1 {
                self.figures.skipped.fetch_add(now - next, Relaxed);
                next = now;
            }
        }
        stage.take_down(bin);
        Ok(())
    }

    /// The moment that is due next.
    fn next_moment(&self, rate: gst::Fraction) -> u64 {
        let now = (self.clock.now().unwrap_or(0) - self.clock.latency()).max(0).unsigned_abs();
        let (n, d) = (rate.numer().max(1) as u128, rate.denom().max(1) as u128);
        (u128::from(now) * n).div_ceil(1_000_000_000 * d) as u64
    }

    /// Makes the picture of a moment. Returns whether it was delivered.
    fn make(&self, stage: &mut Stage, empty: &mut Empty, look: &Look, count: u64) -> bool {
        let pts = moment(look.rate, count);
        let duration = moment(look.rate, count + 1) - pts;
        let outlets = lock(&self.outlets).clone();
        if !outlets.iter().any(|(_, outlet)| outlet.is_wanted()) {
            // Nobody looks: nothing is joined.
            self.figures.idle.fetch_add(1, Relaxed);
            return true;
        }
        let pictures = self.pictures(pts.nseconds() as i64);
        let size = size(look, &pictures);
        let names: Vec<&str> = pictures.iter().map(|(name, _)| name.as_str()).collect();
        let big = (!look.big.is_empty()).then_some(look.big.as_str());
        let mut places = look.places.clone();
        if let Some((master, z_order)) = &look.master {
            let whole = layout::Place {
                x: 0.0,
                y: 0.0,
                width: 1.0,
                height: 1.0,
                relative: true,
                alpha: 1.0,
                z_order: *z_order,
            };
            places.insert(master.clone(), whole);
        }
        let cells = layout::arrange(look.rule, size, &names, big, &places);
        let caps = format(size, look.rate);
        let seen: Vec<(&str, &Picture, Cell)> = pictures
            .iter()
            .zip(cells)
            .filter_map(|((name, picture), cell)| Some((name.as_str(), picture, cell?)))
            .collect();
        self.figures.shown.store(seen.len() as u64, Relaxed);
        if seen.is_empty() {
            // As pictures were before, down to the colours' meaning: consumers see no change.
            let caps = lock(&self.last).clone().filter(|last| last.is_subset(&caps)).unwrap_or(caps);
            if let Some(mut buffer) = empty.get(&caps, &look.background) {
                let writable = buffer.make_mut();
                writable.set_pts(pts);
                writable.set_duration(duration);
                self.deliver(&buffer, &caps);
            }
            return true;
        }
        let see_through = seen.iter().any(|(_, picture, _)| has_alpha(&picture.caps));
        stage.set_format(&caps, look.rate, see_through);
        let mut shown = Vec::with_capacity(seen.len());
        let mut labels = Vec::new();
        for (name, picture, cell) in seen {
            if look.names {
                let place = label::place(&cell, name);
                if let Some(label) = self.labels.get(name, place.width, place.height) {
                    let cell = Cell { z_order: place.z_order.saturating_mul(2).saturating_add(1), ..place };
                    labels.push((format!("name of {name}"), label, cell));
                }
            }
            let cell = Cell { z_order: cell.z_order.saturating_mul(2), ..cell };
            shown.push(Shown { key: name, picture: picture.clone(), cell, fit: look.fit });
        }
        for (key, picture, cell) in &labels {
            shown.push(Shown { key, picture: picture.clone(), cell: *cell, fit: layout::Fit::Stretch });
        }
        stage.show(&shown, pts, duration)
    }
}

/// The size of the whole: as it was asked for, or that of the picture that is the canvas.
fn size(look: &Look, pictures: &[(String, Picture)]) -> (u32, u32) {
    if look.width > 0 && look.height > 0 {
        return (look.width, look.height);
    }
    let master = look.master.as_ref().map(|(name, _)| name);
    let canvas = pictures.iter().find(|(name, _)| Some(name) == master).or(pictures.first());
    let from = canvas.and_then(|(_, picture)| {
        let structure = picture.caps.structure(0)?;
        let side = |name: &str| u32::try_from(structure.get::<i32>(name).ok()?).ok();
        Some((side("width")? & !1, side("height")? & !1))
    });
    from.filter(|(width, height)| *width > 0 && *height > 0).unwrap_or(NO_MASTER)
}

/// Whether pictures of this format say for each point how much is seen through it.
fn has_alpha(caps: &gst::Caps) -> bool {
    gst_video::VideoInfo::from_caps(caps).is_ok_and(|info| info.format_info().has_alpha())
}

fn format((width, height): (u32, u32), rate: gst::Fraction) -> gst::Caps {
    gst::Caps::builder("video/x-raw")
        .field("format", "I420")
        .field("width", width as i32)
        .field("height", height as i32)
        .field("framerate", rate)
        .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
        .field("interlace-mode", "progressive")
        .build()
}

/// The picture of a hub to which nobody shows anything.
#[derive(Default)]
struct Empty {
    made: Option<(gst::Caps, String, gst::Buffer)>,
}

impl Empty {
    fn get(&mut self, caps: &gst::Caps, background: &str) -> Option<gst::Buffer> {
        if let Some((made, colour, buffer)) = &self.made
            && made == caps
            && colour == background
        {
            return Some(buffer.clone());
        }
        let info = gst_video::VideoInfo::from_caps(caps).ok()?;
        let light = if background == "white" { 235 } else { 16 };
        let mut bytes = vec![light; info.size()];
        bytes[info.offset()[1]..].fill(128);
        if background == "checker" {
            // As the compositor draws it: squares of eight points.
            let stride = usize::try_from(info.stride()[0]).unwrap_or(0).max(1);
            for (row, line) in bytes[..info.offset()[1]].chunks_mut(stride).enumerate() {
                for (column, point) in line.iter_mut().enumerate() {
                    *point = if (row / 8 + column / 8).is_multiple_of(2) { 80 } else { 160 };
                }
            }
        }
        let buffer = gst::Buffer::from_mut_slice(bytes);
        self.made = Some((caps.clone(), background.to_owned(), buffer.clone()));
        Some(buffer)
    }
}
