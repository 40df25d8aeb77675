//! The snapshot's insides: a GStreamer sink that looks at time stamps and encodes few frames.

use std::path::Path;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use anabranch_kit::message;
use anabranch_kit::params::ParamStore;
use glib::subclass::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;
use serde_json::json;

use super::picture::{self, Kind};
use super::times::Times;
use super::{Params, SUMMARY};
use crate::file_target as target;

#[derive(Default)]
struct State {
    kind: Option<Kind>,
    times: Option<Times>,
    info: Option<gst_video::VideoInfo>,
    /// Running time of the first frame.
    first: Option<gst::ClockTime>,
    taken: u64,
    seen: u64,
}

/// The element `absnapshot`.
#[derive(Default)]
pub struct Snapshot {
    params: ParamStore<Params>,
    state: Mutex<State>,
}

impl Snapshot {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stats(&self) -> gst::Structure {
        let state = self.state();
        gst::Structure::builder("stats").field("pictures", state.taken).field("frames", state.seen).build()
    }

    /// Writes a file so that a reader never sees half of it.
    fn write(location: &str, file: &[u8]) -> Result<(), String> {
        let partial = format!("{location}.part");
        let result = std::fs::write(&partial, file).and_then(|()| std::fs::rename(&partial, location));
        result.map_err(|error| {
            // It may not have been made at all.
            let _ = std::fs::remove_file(&partial);
            match error.kind() {
                std::io::ErrorKind::StorageFull => target::full(location),
                _ => target::check(location)
                    .err()
                    .unwrap_or_else(|| format!("'{location}' cannot be written: {error}.")),
            }
        })
    }

    fn take(&self, buffer: &gst::Buffer, number: u64, time: f64) -> Result<(), String> {
        let (kind, info) = {
            let state = self.state();
            (state.kind.unwrap_or(Kind::Png), state.info.clone())
        };
        let info = info.ok_or("The snapshot got a frame before its format.")?;
        let (location, quality) = self.params.with(|p| (picture::name(&p.location, number), p.quality));
        let rgb = picture::rgb(buffer, &info).map_err(|e| format!("'{location}' was not taken: {e}."))?;
        let file = kind
            .encode(&rgb, info.width(), info.height(), quality)
            .map_err(|e| format!("'{location}' was not taken: {e}."))?;
        let device = Path::new(&location).metadata().is_ok_and(|m| !m.is_file());
        if device {
            std::fs::write(&location, &file).map_err(|_| target::full(&location))?;
        } else {
            Self::write(&location, &file)?;
        }
        self.state().taken += 1;
        let time = (time * 1000.0).round() / 1000.0;
        message::post(
            &*self.obj(),
            "snapshot-taken",
            json!({"location": location, "number": number, "time": time}),
        );
        Ok(())
    }
}

#[glib::object_subclass]
impl ObjectSubclass for Snapshot {
    const NAME: &'static str = "AbSnapshot";
    type Type = super::Snapshot;
    type ParentType = gst_base::BaseSink;
}

impl ObjectImpl for Snapshot {
    anabranch_kit::object_properties!(params: Params, stats: Snapshot::stats);

    fn constructed(&self) {
        self.parent_constructed();
        let sink = self.obj();
        sink.set_sync(false);
        sink.set_async(false);
        sink.set_enable_last_sample(false);
    }
}

impl GstObjectImpl for Snapshot {}

impl ElementImpl for Snapshot {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Anabranch snapshot",
                "Sink/Video/File",
                SUMMARY,
                "The Anabranch developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let caps = gst_video::VideoCapsBuilder::new().build();
            let template =
                gst::PadTemplate::new("sink", gst::PadDirection::Sink, gst::PadPresence::Always, &caps);
            vec![template.expect("the name and the caps make a valid template")]
        });
        &TEMPLATES
    }
}

impl BaseSinkImpl for Snapshot {
    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let params = self.params.get();
        let first = picture::name(&params.location, 1);
        let kind = target::check(&first)
            .and_then(|()| Kind::of(&params.location))
            .map_err(|text| gst::error_msg!(gst::ResourceError::OpenWrite, ("{text}")))?;
        *self.state() = State { kind: Some(kind), times: Some(Times::new(&params)), ..State::default() };
        Ok(())
    }

    fn set_caps(&self, caps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let info = gst_video::VideoInfo::from_caps(caps)
            .map_err(|_| gst::loggable_error!(gst::CAT_RUST, "not raw video: {caps}"))?;
        self.state().info = Some(info);
        Ok(())
    }

    fn render(&self, buffer: &gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        let running = {
            let segment = self.obj().segment();
            let time = segment.downcast_ref::<gst::ClockTime>().zip(buffer.pts());
            time.and_then(|(segment, pts)| segment.to_running_time(pts))
        };
        let due = {
            let mut state = self.state();
            state.seen += 1;
            let number = state.taken + 1;
            // A frame without a time is taken for one that follows at once.
            let first = *state.first.get_or_insert(running.unwrap_or(gst::ClockTime::ZERO));
            let since = running.map_or(gst::ClockTime::ZERO, |r| r.saturating_sub(first)).seconds_f64();
            let due = state.times.as_mut().is_some_and(|times| times.more() && times.due(since));
            due.then_some((number, since))
        };
        if let Some((number, time)) = due
            && let Err(text) = self.take(buffer, number, time)
        {
            gst::element_imp_error!(self, gst::ResourceError::Write, ("{text}"));
            return Err(gst::FlowError::Error);
        }
        Ok(gst::FlowSuccess::Ok)
    }
}
